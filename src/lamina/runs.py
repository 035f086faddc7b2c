"""Run folders: everything about a run and nothing else.

    <name>-<digest>/
      run.json       format, name, resolved config, inputs, environment (versions, commit, machine)
      log.jsonl      one JSON object a line: progress, losses, warnings
      scores.jsonl   what was measured (`lamina.score`), where something was
      …              what the run made: a corpus, units, a checkpoint, statistics
      done           written last: the run is complete; the size of each of its files

The digest is that of the config and of the runs it builds on, so a folder that is `done` never has to be made
again, and a changed setting never meets an old result.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import metadata
from itertools import pairwise
from pathlib import Path
from typing import Any

from lamina.errors import LaminaError
from lamina.files import LOCK, check_folder, digest, read_json, write_json
from lamina.lock import Lock

FORMAT = 1
LIBRARIES = (
    "lamina",
    "torch",
    "transformers",
    "lhotse",
    "numpy",
    "scipy",
    "scikit-learn",
    "soundfile",
    "soxr",
)


@dataclass(frozen=True)
class Run:
    """One run folder.

    Attributes:
        folder: where it is.
        config: the resolved config, plain JSON values.
        inputs: the digests of what the run builds on, by name.
    """

    folder: Path
    config: dict[str, Any]
    inputs: dict[str, str]

    @classmethod
    def plan(cls, root: Path, name: str, config: dict[str, Any], inputs: Mapping[str, str] | None = None) -> Run:
        """The run of this config under ``root``; nothing is written yet."""
        inputs = dict(inputs or {})
        return cls(root / f"{name}-{digest([config, inputs], length=8)}", config, inputs)

    @classmethod
    def read(cls, folder: Path) -> Run:
        """Read the run in ``folder``.

        Raises:
            LaminaError: the folder is no run folder, or one of another version.
        """
        if not (folder / "run.json").is_file():
            inside = sorted(path.parent.name for path in folder.glob("*/run.json"))
            hint = f"it holds runs: give one of them, such as {folder / inside[0]}" if inside else "check the path"
            raise LaminaError(f"{folder} is no run folder (it has no run.json); {hint}")
        value = read_json(folder / "run.json")
        if not isinstance(value, dict) or value.get("format") != FORMAT:
            raise LaminaError(f"{folder} was written by another version of Lamina: make the run again")
        return cls(folder, value["config"], value["inputs"])

    @property
    def digest(self) -> str:
        """What names this run in the inputs of others."""
        return digest([self.config, self.inputs])

    @property
    def done(self) -> bool:
        """Whether the run is complete."""
        return (self.folder / "done").is_file()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Work on the run alone.

        Raises:
            LaminaError: another process works on it, or the folder cannot be written.
        """
        lock = Lock(self.folder / LOCK)
        check_folder(self.folder)
        if not lock.take():
            raise LaminaError(
                f"{lock.holder() or 'another process'} works on {self.folder}: wait for it, or stop it; the same "
                "command then goes on from what is there"
            )
        try:
            yield
        finally:
            lock.drop()

    def start(self) -> None:
        """Create the folder and write down what will run, and on what."""
        check_folder(self.folder)
        write_json(
            self.folder / "run.json",
            {
                "format": FORMAT,
                "name": self.folder.name,
                "config": self.config,
                "inputs": self.inputs,
                "environment": environment(),
            },
        )

    def log(self, **values: Any) -> None:
        """Append one line to ``log.jsonl``."""
        line = json.dumps({"time": round(time.time(), 3), **values}, ensure_ascii=False)
        with (self.folder / "log.jsonl").open("a+b") as file:
            if file.tell():
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":  # a kill in the middle of a line left a stump
                    line = "\n" + line
            file.write((line + "\n").encode())

    def log_lines(self) -> list[dict[str, Any]]:
        """All whole lines of the log; a line that was cut off by a kill is left out."""
        lines = []
        with suppress(FileNotFoundError):
            for line in (self.folder / "log.jsonl").read_bytes().splitlines():
                with suppress(ValueError):
                    lines.append(json.loads(line))
        return lines

    def last_log(self) -> dict[str, Any]:
        """The last line of the log; empty where there is none yet."""
        lines = self.log_lines()
        return lines[-1] if lines else {}

    def began(self) -> None:
        """Log that a process starts on the run: `seconds` adds these up."""
        self.log(event="began")

    def seconds(self) -> float | None:
        """How long a finished run took, all processes that worked on it together.

        Of a process that was killed, the time until its last line in the log counts. None where the log does not
        tell: an earlier process did not log that it began.
        """
        lines = self.log_lines()
        last: float | None = lines[-1].get("seconds") if lines else None
        starts = [place for place, line in enumerate(lines) if line.get("event") == "began"]
        if last is None:
            return None
        if not starts or starts[0] > 0:
            return None if lines[0]["time"] < lines[-1]["time"] - last - 1 else last
        killed: float = sum(lines[after - 1]["time"] - lines[start]["time"] for start, after in pairwise(starts))
        return round(killed + last, 2)

    def finish(self) -> None:
        """Mark the run complete, and write down its files, so that half of a copy is known as such."""
        files = (path for path in sorted(self.folder.rglob("*")) if path.is_file() and path.name != "done")
        write_json(
            self.folder / "done", {str(path.relative_to(self.folder)): path.stat().st_size for path in files}
        )

    def damaged(self) -> list[str]:
        """The files of a `done` run that are missing or not as large as when it finished (``done`` itself, too).

        Runs that were finished before sizes were written down (an empty ``done``) have none to compare.
        """
        if not (self.folder / "done").stat().st_size:
            return []
        try:
            sizes: dict[str, int] = read_json(self.folder / "done")
        except LaminaError:
            return ["done"]
        return [
            name
            for name, size in sizes.items()
            if not (self.folder / name).is_file() or (self.folder / name).stat().st_size != size
        ]


def environment() -> dict[str, Any]:
    """Versions, commit and machine: what a reader needs to run it again."""
    versions = {}
    for library in LIBRARIES:
        try:
            versions[library] = metadata.version(library)
        except metadata.PackageNotFoundError:
            continue
    return {
        "command": sys.argv,
        "python": platform.python_version(),
        "versions": versions,
        "commit": _commit(),
        "machine": {
            "system": platform.platform(),
            "processor": platform.machine(),
            "cores": os.cpu_count(),
            "threads": os.environ.get("OMP_NUM_THREADS", ""),
        },
    }


def _commit() -> str:
    """The commit of the checkout that Lamina runs from, with ``+`` where files are changed; empty outside one."""
    here = Path(__file__).parent
    try:
        # --dirty also tells of changed files; a packaged Lamina is in no checkout.
        told = subprocess.run(  # noqa: S603
            ["git", "-C", str(here), "describe", "--always", "--dirty=+", "--exclude=*"],  # noqa: S607
            capture_output=True,
            text=True,
            check=False,
            timeout=10,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return told.stdout.strip()
