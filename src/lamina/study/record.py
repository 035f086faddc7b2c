"""What a study folder says of its design: ``study.json``, and whether its runs are whole. Needs no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from lamina.config import Config, parse_record
from lamina.errors import LaminaError
from lamina.files import digest, read_json, write_json
from lamina.runs import DONE, Run
from lamina.stats.inference import FILE as REPLICATES
from lamina.study.claims import Claim

FORMAT = 3
TRAINING, POOLED = "training", "pooled"  # the corpus that trained, and all that were read together
FILE, SCORES = "study.json", "scores.jsonl"
Kind = Literal["corpus", "units", "pretrain", "encoder", "analysis", "probe", "cost"]


class Subject(Config):
    """Whose run it is: the ``model``, ``seed`` and ``control`` of its scores.

    Attributes:
        model: the encoder, as the study calls it; empty for corpora and units.
        seed: of its training.
        levels: its level of every factor; empty for baselines, which are in no effect.
        control: ``untrained`` for an untrained control, else empty.
        every_seed: whether one run serves all seeds, as no seed went into it (MFCC, a released encoder).
    """

    model: str = ""
    seed: int = 0
    levels: dict[str, str] = Field(default_factory=dict)
    control: str = ""
    every_seed: bool = False


class StudyRun(Config):
    """One run of a study: its folder's name, what it makes, and whose it is.

    Attributes:
        folder: its name.
        kind: what it makes.
        subject: whose it is.
        corpus: which corpus an analysis read, where it is not the training corpus.
    """

    folder: str
    kind: Kind
    subject: Subject
    corpus: str = ""


class FactorWords(Config):
    """A factor for readers: its label, and its levels, the one that others are compared with first."""

    label: str
    levels: tuple[str, ...]


class Study(Config):
    """What `lamina.study.conclude` needs to know of a study's design.

    Attributes:
        name: of the study.
        question: what it asks.
        factors: what is varied, by name.
        within: for a nested factor, the level of each factor without which it means nothing.
        runs: one entry a step.
        claims: what is judged, by name.
        caveats: what the numbers do not show.
        config: the whole resolved config.
        config_digest: its digest.
        environment: versions and machine.
    """

    name: str
    question: str = ""
    factors: dict[str, FactorWords]
    within: dict[str, dict[str, str]] = Field(default_factory=dict)
    runs: tuple[StudyRun, ...]
    claims: dict[str, Claim] = Field(default_factory=dict)
    caveats: tuple[str, ...] = ()
    config: dict[str, Any] = Field(default_factory=dict)
    config_digest: str = ""
    environment: dict[str, Any] = Field(default_factory=dict)

    def write(self, root: Path) -> None:
        """Write ``study.json``."""
        value = self.to_json()
        write_json(root / FILE, {"format": FORMAT, "digest": digest(value)} | value)

    @classmethod
    def read(cls, root: Path) -> Study:
        """Read ``study.json``.

        Raises:
            LaminaError: the folder is no study folder, or one of another version, or the file is damaged.
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
            if Path(run.folder).name != run.folder or run.folder in {"", ".."}:
                raise LaminaError(f"{path}: the run {run.folder!r} lies outside the study's folder: {remedy}")
        return study

    @classmethod
    def check_version(cls, root: Path) -> None:
        """See that a study folder, if there is one, is of this version, so that none is used or replaced unread.

        Raises:
            LaminaError: it is of another version.
        """
        if (root / FILE).is_file():
            cls.read(root)

    def finished(self, root: Path) -> list[StudyRun]:
        """The runs that are done and have scores.

        Raises:
            LaminaError: one of them is only half there, or of another version. What conclusions do not need
                (weights, corpora, units) may be left out of a copy.
        """
        found = []
        for each in self.runs:
            folder = root / each.folder
            if (folder / DONE).is_file():
                run = Run.read(folder)
                run.check(SCORES, REPLICATES, "log.jsonl")
                if (folder / SCORES).is_file():
                    found.append(each)
        return found
