"""Step: one run folder that a study asks for, and what such a folder's config says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from lamina.analysis.config import AnalysisConfig
from lamina.config import Config, parse_config
from lamina.errors import LaminaError
from lamina.pretrain.recipe import ModelConfig
from lamina.pretrain.units import UnitsConfig
from lamina.probe.config import ProbeConfig
from lamina.runs import Run
from lamina.study.record import Kind, Subject

C = TypeVar("C", bound=Config)


class Read(Config):
    """What a run reads, where it is no model of the study and no released encoder.

    Attributes:
        features: ``mel``, ``mfcc-cmvn`` or ``units``; empty for an encoder among the run's inputs.
        of: the units' config, for ``units``.
    """

    features: str = ""
    of: UnitsConfig | None = None


class AnalysisRun(Config):
    """Settings of an analysis; ``support``: models on whose grids, too, every scored segment has a frame.

    ``corpus`` names the corpus that is read, where it is not the training corpus.
    """

    read: Read
    support: tuple[ModelConfig, ...]
    analysis: AnalysisConfig
    corpus: str = ""


class ProbeRun(Config):
    """Settings of probes; ``support`` as in `AnalysisRun`."""

    read: Read
    support: tuple[ModelConfig, ...]
    probe: ProbeConfig


class CostRun(Config):
    """Settings of a cost: lengths of audio in seconds, and how often speed is measured."""

    seconds: tuple[float, ...]
    repeats: int


@dataclass(frozen=True)
class Step:
    """One run folder to make.

    Attributes:
        name: the folder's name before its digest.
        kind: which function of `lamina.study.steps` makes it.
        settings: all that decides the result.
        subject: whose run it is.
        needs: the steps it builds on, by the role they play.
        alone: whether it is timed, so that nothing may run beside it.
    """

    name: str
    kind: Kind
    settings: Config
    subject: Subject = field(default_factory=Subject)
    needs: Mapping[str, Step] = field(default_factory=dict)
    alone: bool = False

    def run(self, root: Path) -> Run:
        """The run folder of this step in the study folder ``root``."""
        inputs = {role: step.run(root).digest for role, step in self.needs.items()}
        config = {"kind": self.kind, "subject": self.subject.to_json(), "settings": self.settings.to_json()}
        return Run.plan(root, self.name, config, inputs)


def settings_of(run: Run, kind: type[C]) -> C:
    """The settings that a step's run folder was made with.

    Raises:
        LaminaError: they are no such settings.
    """
    return parse_config(run.config.get("settings", {}), kind, f"{run.folder / 'run.json'}: settings")


def subject_of(run: Run) -> Subject:
    """Whose run a step's run folder is.

    Raises:
        LaminaError: it does not say so.
    """
    return parse_config(run.config.get("subject", {}), Subject, f"{run.folder / 'run.json'}: subject")


def find_step(steps: list[Step], name: str) -> Step:
    """The step of that name (with or without its digest).

    Raises:
        LaminaError: there is none.
    """
    for step in steps:
        if name in (step.name, step.run(Path()).folder.name):
            return step
    raise LaminaError(f"the study has no step {name!r}; `lamina study plan` lists them")
