"""What a study folder says of its design: ``study.json``, and whether its runs are whole. Needs no torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lamina.config import parse_record
from lamina.errors import LaminaError
from lamina.files import check_keys, digest, read_json, write_json
from lamina.runs import Run
from lamina.stats.inference import FILE as REPLICATES
from lamina.study.claims import Claim

FORMAT = 2
FILE = "study.json"
# What a study knows of each of its steps.
RUN = {"folder": str, "kind": str, "model": str, "seed": int, "levels": dict, "every_seed": bool}
SCORES = "scores.jsonl"


@dataclass(frozen=True)
class Study:
    """What `lamina.study.conclude` needs to know of a study's design.

    Attributes:
        name: of the study.
        factors: the levels of every factor, the one others are compared to first.
        within: for a nested factor, the level of each factor without which it means nothing.
        runs: one entry a step: its ``folder``, ``kind``, ``model``, ``seed``, ``levels``, and ``every_seed``:
            whether one run serves all seeds (MFCC has none).
        claims: what is judged, by name.
        method: everything else that the report's methods section tells.
    """

    name: str
    factors: dict[str, list[str]]
    runs: list[dict[str, Any]]
    method: dict[str, Any]
    within: dict[str, dict[str, str]] = field(default_factory=dict)
    claims: dict[str, Claim] = field(default_factory=dict)

    def write(self, root: Path) -> None:
        """Write ``study.json``."""
        value = {
            "name": self.name,
            "factors": self.factors,
            "within": self.within,
            "runs": self.runs,
            "claims": {name: claim.to_json() for name, claim in self.claims.items()},
            "method": self.method,
        }
        write_json(root / FILE, {"format": FORMAT, "digest": digest(value)} | value)

    @classmethod
    def read(cls, root: Path) -> Study:
        """Read ``study.json``.

        Raises:
            LaminaError: the folder is no study folder, or one of another version.
        """
        path, remedy = root / FILE, "copy the study's folder again, or run `lamina study run` again"
        if not path.is_file():
            raise LaminaError(
                f"{root} is no study folder: there is no file {path}; `lamina study run` writes it, copy it along "
                "with the run folders"
            )
        value = read_json(path, what="a study", remedy=remedy, version=FORMAT, keys={"digest": str})
        told = {key: each for key, each in value.items() if key not in {"format", "digest"}}
        if digest(told) != value["digest"]:
            raise LaminaError(f"{path} was changed since it was written: {remedy}")
        study = parse_record(told, cls, str(path), remedy)
        for run in study.runs:
            check_keys(run, RUN, f"{path}: a run", remedy)
            if Path(run["folder"]).name != run["folder"]:
                raise LaminaError(f"{path}: the run {run['folder']!r} lies outside the study's folder: {remedy}")
        return study

    @classmethod
    def check_version(cls, root: Path) -> None:
        """See that a study folder, if there is one, is of this version, so that none is used or replaced unread.

        Raises:
            LaminaError: it is of another version.
        """
        if (root / FILE).is_file():
            cls.read(root)

    def finished(self, root: Path) -> list[dict[str, Any]]:
        """The runs that are done and have scores.

        Raises:
            LaminaError: one of them is only half there, or of another version. What conclusions do not need
                (weights, corpora, units) may be left out of a copy.
        """
        found = []
        for each in self.runs:
            folder = root / each["folder"]
            if (folder / "done").is_file():
                run = Run.read(folder)
                run.check(SCORES, REPLICATES, "log.jsonl")
                if (folder / SCORES).is_file():
                    found.append(each)
        return found
