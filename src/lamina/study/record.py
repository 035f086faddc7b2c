"""What a study folder says of its design: ``study.json``, and whether its runs are whole. Needs no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lamina.errors import LaminaError
from lamina.files import read_json, write_json
from lamina.runs import Run
from lamina.stats.inference import FILE as REPLICATES
from lamina.study.claims import Claim

FORMAT = 1
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
        write_json(
            root / "study.json",
            {
                "format": FORMAT,
                "name": self.name,
                "factors": self.factors,
                "within": self.within,
                "runs": self.runs,
                "claims": {name: claim.to_json() for name, claim in self.claims.items()},
                "method": self.method,
            },
        )

    @classmethod
    def read(cls, root: Path) -> Study:
        """Read ``study.json``.

        Raises:
            LaminaError: the folder is no study folder, or one of another version.
        """
        if not (root / "study.json").is_file():
            raise LaminaError(
                f"{root} is no study folder: there is no file {root / 'study.json'}; `lamina study run` writes "
                "it, copy it along with the run folders"
            )
        value = read_json(root / "study.json")
        if not isinstance(value, dict) or value.get("format") != FORMAT:
            raise LaminaError(f"{root} was written by another version of Lamina: run the study again")
        claims = {name: Claim.model_validate(claim) for name, claim in value.get("claims", {}).items()}
        return cls(
            value["name"], value["factors"], value["runs"], value["method"], value.get("within", {}), claims
        )

    @classmethod
    def check_version(cls, root: Path) -> None:
        """See that a study folder, if there is one, is of this version, so that none is used or replaced unread.

        Raises:
            LaminaError: it is of another version.
        """
        if (root / "study.json").is_file():
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
                need_whole(run, ("done", SCORES, REPLICATES, "log.jsonl"))
                if (folder / SCORES).is_file():
                    found.append(each)
        return found


def need_whole(run: Run, only: Sequence[str] = ()) -> None:
    """Raise unless the files of a finished run are those that were there when it finished.

    Args:
        run: a run that is `done`.
        only: names of the files that matter; all where none is named.

    Raises:
        LaminaError: a file is missing or has another size.
    """
    for name in run.damaged():
        if not only or name in only:
            raise LaminaError(
                f"{run.folder} is half-copied: its {name} is missing or cut short; copy the folder again (or "
                "delete it, and `lamina study run` makes it again)"
            )
