"""The design of a study: factors, levels, seeds, baselines, and the steps that they ask for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

from pydantic import Field

from lamina.analysis.config import AnalysisConfig
from lamina.config import Config, merge, parse_config
from lamina.corpus.synth import SynthConfig
from lamina.errors import LaminaError
from lamina.pretrain.recipe import PretrainConfig
from lamina.pretrain.units import UnitsConfig
from lamina.runs import Run


class Factor(Config):
    """One thing that is varied while all else stays equal.

    Attributes:
        label: how the report names it, such as "auxiliary low-resolution loss".
        levels: what each level changes in the pretraining config; effects compare with the first.
    """

    label: str
    levels: dict[str, dict[str, Any]] = Field(min_length=2)


class Baseline(Config):
    """A run outside the crossed cells that keeps the picture honest.

    Attributes:
        cell: the level of every factor that it shares.
        changes: what it changes in that cell's pretraining config.
        control: ``untrained`` for the untrained control, else empty.
    """

    cell: dict[str, str]
    changes: dict[str, Any]
    control: str = ""


class CostConfig(Config):
    """How cost is measured: at which lengths of audio (seconds), and over how many repeats."""

    seconds: tuple[float, ...]
    repeats: int = Field(ge=1)


class StudyConfig(Config):
    """A study: one corpus, one set of units, crossed factors, one analysis."""

    name: str
    question: str
    seeds: tuple[int, ...] = Field(min_length=1)
    corpus: SynthConfig
    units: UnitsConfig
    pretrain: dict[str, Any]
    factors: dict[str, Factor] = Field(min_length=1)
    baselines: dict[str, Baseline] = Field(default_factory=dict)
    analysis: AnalysisConfig
    cost: CostConfig
    caveats: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cell:
    """One encoder to pretrain, analyse and cost.

    Attributes:
        model: its name in scores.
        levels: its level of every factor; empty for baselines, which are in no effect.
        pretrain: its resolved pretraining config.
        control: the ``control`` column of its scores.
    """

    model: str
    levels: Mapping[str, str]
    pretrain: PretrainConfig
    control: str = ""


@dataclass(frozen=True)
class Step:
    """One run folder to make.

    Attributes:
        name: the folder's name before its digest.
        kind: which function of `lamina.study.steps` makes it.
        config: all that decides the result, plain JSON values.
        needs: the steps it builds on, by the role they play.
        alone: whether it is timed, so that nothing may run beside it.
    """

    name: str
    kind: str
    config: dict[str, Any]
    needs: Mapping[str, Step] = field(default_factory=dict)
    alone: bool = False

    def run(self, root: Path) -> Run:
        """The run folder of this step in the study folder ``root``."""
        inputs = {role: step.run(root).digest for role, step in self.needs.items()}
        return Run.plan(root, self.name, {"kind": self.kind, **self.config}, inputs)


def cells(config: StudyConfig, seed: int) -> list[Cell]:
    """The crossed cells and the baselines of one seed, cells first.

    Raises:
        LaminaError: a baseline names a level that is none, or a resolved config is not valid.
    """
    made = [_cell(config, seed, dict(zip(config.factors, levels, strict=True))) for levels in _crossed(config)]
    for name, baseline in config.baselines.items():
        where = f"study {config.name}: baselines.{name}"
        if set(baseline.cell) != set(config.factors):
            raise LaminaError(f"{where}.cell must give a level to each of {', '.join(config.factors)}")
        base = _cell(config, seed, baseline.cell, where)
        changed = merge(base.pretrain.to_json(), baseline.changes)
        made.append(Cell(name, {}, parse_config(changed, PretrainConfig, where), baseline.control))
    return made


def _crossed(config: StudyConfig) -> product[tuple[str, ...]]:
    return product(*(factor.levels for factor in config.factors.values()))


def _cell(config: StudyConfig, seed: int, levels: Mapping[str, str], where: str = "") -> Cell:
    where = where or f"study {config.name}: cell {'-'.join(levels.values())}"
    value = merge(config.pretrain, {"seed": seed})
    for name, level in levels.items():
        factor = config.factors[name]
        if level not in factor.levels:
            raise LaminaError(f"{where}: factor {name} has no level {level!r}; it has {', '.join(factor.levels)}")
        value = merge(value, factor.levels[level])
    return Cell("-".join(levels.values()), levels, parse_config(value, PretrainConfig, where))


def plan(config: StudyConfig) -> list[Step]:
    """All steps of the study, each after what it needs."""
    corpus = Step("corpus", "corpus", config.corpus.to_json())
    units = Step("units", "units", config.units.to_json(), {"corpus": corpus})
    steps = [corpus, units]
    everyone = {seed: cells(config, seed) for seed in config.seeds}
    # Segments are scored where every encoder of the study sees them, whatever its rate.
    support = [cell.pretrain.model.to_json() for cell in everyone[config.seeds[0]]]
    features = {"corpus": corpus, "units": units}
    steps += [_analysis(config, feature, features, support, config.seeds[0]) for feature in ("mfcc", "units")]
    for seed, models in everyone.items():
        for cell in models:
            name = f"{cell.model}-s{seed}"
            needs = {"corpus": corpus, "units": units}
            trained = Step(f"pretrain-{name}", "pretrain", cell.pretrain.to_json(), needs)
            steps += [
                trained,
                _analysis(config, cell.model, {"corpus": corpus, "model": trained}, support, seed, cell),
            ]
            if cell.levels and seed == config.seeds[0]:
                cost = {"model": cell.model, "seed": seed, **config.cost.to_json()}
                steps.append(Step(f"cost-{cell.model}", "cost", cost, {"model": trained}, alone=True))
    return steps


def _analysis(
    config: StudyConfig,
    model: str,
    needs: Mapping[str, Step],
    support: list[dict[str, Any]],
    seed: int,
    cell: Cell | None = None,
) -> Step:
    settings = {
        "model": model,
        "seed": seed,
        "control": cell.control if cell else "",
        "levels": dict(cell.levels) if cell else {},
        "support": support,
        "analysis": config.analysis.to_json(),
    }
    return Step(f"analysis-{model}-s{seed}", "analysis", settings, needs)
