"""Run folders: everything about a run and nothing else.

    <name>-<digest>/
      run.json       format, name, resolved config, inputs, environment (versions, commit, machine)
      log.jsonl      one JSON object a line: progress, losses, warnings
      scores.jsonl   what was measured (`lamina.score`), where something was
      …              what the run made: a corpus, units, a checkpoint, statistics
      done           written last: the run is complete; the size and the SHA-256 of each of its files

The digest is that of the config and of the runs it builds on, so a folder that is `done` never has to be made
again, and a changed setting never meets an old result.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import metadata
from itertools import pairwise
from pathlib import Path
from typing import Any

from lamina.errors import LaminaError
from lamina.files import (
    check_folder,
    digest,
    file_digest,
    json_line,
    parse_json,
    read_json,
    read_lines,
    write_json,
)
from lamina.lock import LOCK, Lock

FORMAT = 2
DONE = "done"
REMEDY = "copy the folder again, or delete it and make the run again"
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
        keys = {"config": dict, "inputs": dict, "digest": str}
        value = read_json(folder / "run.json", what="a run", remedy=REMEDY, version=FORMAT, keys=keys)
        run = cls(folder, value["config"], value["inputs"])
        if run.digest != value["digest"]:
            raise LaminaError(f"{folder / 'run.json'} was changed since the run began: {REMEDY}")
        return run

    @property
    def digest(self) -> str:
        """What names this run in the inputs of others."""
        return digest([self.config, self.inputs])

    @property
    def done(self) -> bool:
        """Whether the run is complete."""
        return (self.folder / DONE).is_file()

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
        """Create the folder and write down what will run, and on what; it is no longer `done`."""
        check_folder(self.folder)
        (self.folder / DONE).unlink(missing_ok=True)
        write_json(
            self.folder / "run.json",
            {
                "format": FORMAT,
                "name": self.folder.name,
                "config": self.config,
                "inputs": self.inputs,
                "digest": self.digest,
                "environment": environment(),
            },
        )

    def log(self, **values: Any) -> None:
        """Append one line to ``log.jsonl``."""
        line = json_line({"time": round(time.time(), 3), **values})
        with (self.folder / "log.jsonl").open("a+b") as file:
            if file.tell():
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":  # a kill in the middle of a line left a stump
                    line = "\n" + line
            file.write(line.encode())

    def log_lines(self) -> list[dict[str, Any]]:
        """All whole lines of the log; a line that was cut off by a kill is left out.

        Raises:
            LaminaError: the log cannot be read, or was changed since the run finished.
        """
        path = self.folder / "log.jsonl"
        if self.done:
            self.check("log.jsonl")
        lines = []
        for line in read_lines(path, what="the log", remedy=REMEDY) if path.exists() else ():
            with suppress(LaminaError):
                value = parse_json(line, str(path), finite=False)
                if isinstance(value.get("time"), int | float):
                    lines.append(value)
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
        last = lines[-1].get("seconds") if lines else None
        starts = [place for place, line in enumerate(lines) if line.get("event") == "began"]
        if not isinstance(last, int | float):
            return None
        if not starts or starts[0] > 0:
            return None if lines[0]["time"] < lines[-1]["time"] - last - 1 else last
        killed: float = sum(lines[after - 1]["time"] - lines[start]["time"] for start, after in pairwise(starts))
        return round(killed + last, 2)

    def finish(self) -> None:
        """Mark the run complete, and write down its files."""
        write_done(self.folder, (path for path in sorted(self.folder.rglob("*")) if path.is_file()))

    def check(self, *names: str) -> None:
        """`check_done` of this run."""
        check_done(self.folder, *names)


def write_done(folder: Path, files: Iterable[Path]) -> None:
    """Write ``done``: a folder is complete, and its files are these: what is missing or changed later is known."""
    told = {
        str(path.relative_to(folder)): [path.stat().st_size, file_digest(path, length=64)]
        for path in files
        if path.name not in {DONE, LOCK}
    }
    write_json(folder / DONE, {"format": FORMAT, "files": told})


def check_done(folder: Path, *names: str) -> None:
    """See that the files of a folder are as they were when its ``done`` was written.

    Args:
        folder: a run's, or a study's.
        names: files that are compared by their contents; those that were not there then are left out. Without a
            name, all are compared by their sizes alone.

    Raises:
        LaminaError: one is missing, cut short or changed.
    """
    files = read_json(folder / DONE, what="a run", remedy=REMEDY, version=FORMAT, keys={"files": dict})["files"]
    for name, told in files.items() if not names else ((name, files[name]) for name in names if name in files):
        path = folder / name
        if not path.is_file():
            why = "missing"
        elif not isinstance(told, list) or len(told) != 2 or path.stat().st_size != told[0]:
            why = "cut short or changed"
        elif names and file_digest(path, length=64) != told[1]:
            why = "changed"
        else:
            continue
        raise LaminaError(f"{folder} is half-copied or damaged: its {name} is {why}; {REMEDY}")


def check_file(path: Path) -> None:
    """`check_done` of a file in the folder of a run or a study; nothing is known of other files.

    Raises:
        LaminaError: it is missing, cut short or changed.
    """
    path = path.resolve()
    for folder in list(path.parents)[:2]:
        if (folder / DONE).is_file() and any((folder / about).is_file() for about in ("run.json", "study.json")):
            check_done(folder, str(path.relative_to(folder)))


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
