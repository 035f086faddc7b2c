"""The design of a study: what is varied, what stays equal, what is measured, what is claimed (docs/study.md)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from lamina.analysis.config import AnalysisConfig
from lamina.config import Config, merge, parse_config
from lamina.corpus.synth.config import SynthConfig
from lamina.errors import LaminaError
from lamina.pretrain.recipe import PretrainConfig
from lamina.pretrain.units import UnitsConfig
from lamina.probe.config import ProbeConfig
from lamina.study.claims import Claim
from lamina.study.record import POOLED, TRAINING

RUN = "run:"  # before the name of a model of the study, where units are of its states


class Factor(Config):
    """One thing that is varied while all else stays equal.

    Attributes:
        label: how the report names it, such as "auxiliary low-resolution loss".
        levels: what each level changes in the pretraining config (and ``units``: which units are predicted, one
            name or one a level of the encoder, finest first); effects compare with the first.
        within: the levels of other factors without which it means nothing (nested): where a cell has another
            level there, the factor is left out.
    """

    label: str
    levels: dict[str, dict[str, Any]] = Field(min_length=2)
    within: dict[str, str] = Field(default_factory=dict)


class Baseline(Config):
    """A run outside the crossed cells that keeps the picture honest, or whose states become units.

    Attributes:
        cell: the level of every factor that it shares.
        changes: what it changes in that cell's pretraining config (and ``units``).
        control: ``untrained`` for the untrained control, else empty.
        every_seed: whether it is trained with every seed; with the first alone otherwise.
    """

    cell: dict[str, str]
    changes: dict[str, Any]
    control: Literal["", "untrained"] = ""
    every_seed: bool = True


class Released(Config):
    """An encoder that is read as it is, not trained here.

    Attributes:
        source: a published name (`lamina encoder list`), a folder, or a name on the hub.
        untrained: whether to draw its weights anew: the control of its architecture.
        levels: its level of every factor; none where it is beside the comparison.
    """

    source: str
    untrained: bool = False
    levels: dict[str, str] = Field(default_factory=dict)


class StoredConfig(Config):
    """A corpus that is there already.

    Attributes:
        path: what `lamina corpus check` takes.
        hours: how long it is, for estimates where it is not there yet.
        about: how to get it, told where it is missing.
        phone_map: by which its phones are folded (`lamina.corpus.phonemaps`); none where empty.
    """

    path: str = Field(min_length=1)
    hours: float = Field(default=0.0, ge=0)
    about: str = ""
    phone_map: str = ""


class CostConfig(Config):
    """How cost is measured: at which lengths of audio (seconds), and over how many repeats."""

    seconds: tuple[float, ...] = Field(min_length=1)
    repeats: int = Field(ge=1)


class StudyConfig(Config):
    """A study.

    Attributes:
        name: of the study and its folder.
        question: what it asks, for the report.
        seeds: of weights, crops and masks; every cell is trained with each.
        corpus: a `SynthConfig`, or a `StoredConfig` (``path = …``).
        units: what is predicted, by name; the first where a cell names none. ``features = "run:NAME"`` clusters
            states of a model of this study (trained with the first seed): the next refinement round.
        pretrain: the recipe that all cells share, a `PretrainConfig`, and ``units``.
        factors: what is varied.
        encoders: released encoders that are read as they are.
        baselines: runs beside the cells.
        analysis: what is measured of every encoder.
        reading: corpora that are read besides ``corpus``, by name: ``[analysis.corpus]`` (one, called ``other``)
            or ``[analysis.corpus.NAME]``; each a `SynthConfig` or a `StoredConfig`.
        probe: the same of probes; none where left out.
        cost: of every cell.
        claims: what is judged.
        caveats: what the numbers do not show, for the report.
    """

    name: str = Field(pattern=r"^[\w.+-]+$")
    question: str
    seeds: tuple[int, ...] = Field(default=(0,), min_length=1)
    corpus: dict[str, Any]
    units: dict[str, UnitsConfig] = Field(default_factory=dict)
    pretrain: dict[str, Any] = Field(default_factory=dict)
    factors: dict[str, Factor] = Field(default_factory=dict)
    encoders: dict[str, Released] = Field(default_factory=dict)
    baselines: dict[str, Baseline] = Field(default_factory=dict)
    analysis: AnalysisConfig
    reading: dict[str, dict[str, Any]] = Field(default_factory=dict)
    probe: ProbeConfig | None = None
    cost: CostConfig
    claims: dict[str, Claim] = Field(default_factory=dict)
    caveats: tuple[str, ...] = ()

    @field_validator("units", mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        if isinstance(value, dict) and not all(isinstance(each, dict) for each in value.values()):
            raise ValueError("units are named: write [units.NAME], such as [units.mfcc]")
        return value

    @model_validator(mode="before")
    @classmethod
    def _also_read(cls, value: Any) -> Any:
        """``analysis.corpus`` is of the study, not of an analysis: it goes where it belongs."""
        if not isinstance(value, dict) or not isinstance(value.get("analysis"), dict):
            return value
        analysis = dict(value["analysis"])
        told = analysis.pop("corpus", None)
        if not isinstance(told, dict) or not told:
            return value
        named = told if all(isinstance(each, dict) for each in told.values()) else {"other": told}
        for name in named:
            if not re.fullmatch(r"[\w.+-]+", name) or name in (TRAINING, POOLED):
                raise ValueError(
                    f"analysis.corpus.{name}: choose another name, of letters, digits and . _ + - only"
                )
        return value | {"analysis": analysis, "reading": named}

    @property
    def read_besides(self) -> dict[str, SynthConfig | StoredConfig]:
        """The configs of the corpora that are read besides the training corpus.

        Raises:
            LaminaError: one is not valid.
        """
        return {
            name: _speech(each, f"study {self.name}: analysis.corpus.{name}")
            for name, each in self.reading.items()
        }

    @property
    def speech(self) -> SynthConfig | StoredConfig:
        """The corpus's config.

        Raises:
            LaminaError: it is not valid.
        """
        return _speech(self.corpus, f"study {self.name}: corpus")

    def default_root(self) -> Path:
        """Where the study's folder is if nobody says."""
        return Path("runs") / self.name


def _speech(value: dict[str, Any], where: str) -> SynthConfig | StoredConfig:
    if "path" in value:
        return parse_config(value, StoredConfig, where)
    return parse_config(value, SynthConfig, where)


class Cell(Config):
    """One encoder to pretrain (or read as it is), analyse, probe and cost.

    Attributes:
        model: its name in scores.
        seed: of its training.
        levels: its level of every factor that applies; empty for baselines, which are in no effect.
        pretrain: its resolved pretraining config; None for a released encoder.
        units: the names of the units that it predicts: one for all its levels, or one a level, finest first.
        source: of a released encoder.
        control: the ``control`` column of its scores.
    """

    model: str
    seed: int
    levels: dict[str, str]
    pretrain: PretrainConfig | None = None
    units: tuple[str, ...] = ()
    source: str = ""
    control: str = ""


def cells(config: StudyConfig, seed: int) -> list[Cell]:
    """The crossed cells, then the released encoders, then the baselines, of one seed.

    Raises:
        LaminaError: a level is named that is none, or a resolved config is not valid.
    """
    made: list[Cell] = []
    first = seed == config.seeds[0]
    if config.pretrain:
        made += [_cell(config, seed, levels) for levels in crossed(config)]
    for name, released in config.encoders.items():
        _check_levels(config, released.levels, f"study {config.name}: encoders.{name}")
        if first:
            control = "untrained" if released.untrained else ""
            made.append(
                Cell(model=name, seed=seed, levels=released.levels, source=released.source, control=control)
            )
    for name, baseline in config.baselines.items():
        where = f"study {config.name}: baselines.{name}"
        _check_levels(config, baseline.cell, where)
        wanted = [factor for factor, each in config.factors.items() if _applies(each, baseline.cell)]
        if set(baseline.cell) != set(wanted):
            raise LaminaError(f"{where}.cell must give a level to each of {', '.join(wanted)}, and to no other")
        if first or baseline.every_seed:
            made.append(_cell(config, seed, baseline.cell, name, baseline))
    return made


def crossed(config: StudyConfig) -> list[dict[str, str]]:
    """The levels of every cell: factors crossed, those that are nested only where they apply."""
    found: list[dict[str, str]] = [{}]
    seen: set[str] = set()
    for name, factor in config.factors.items():
        where = f"study {config.name}: factors.{name}.within"
        for outer, level in factor.within.items():
            if outer not in seen:
                raise LaminaError(f"{where}: {outer!r} is no factor that stands before {name}; nest within those")
            if level not in config.factors[outer].levels:
                raise LaminaError(f"{where}: factor {outer} has no level {level!r}")
        seen.add(name)
        found = [
            {**levels, **more}
            for levels in found
            for more in ([{name: level} for level in factor.levels] if _applies(factor, levels) else [{}])
        ]
    return found


def _applies(factor: Factor, levels: dict[str, str]) -> bool:
    return all(levels.get(outer) == level for outer, level in factor.within.items())


def _check_levels(config: StudyConfig, levels: dict[str, str], where: str) -> None:
    for name, level in levels.items():
        if name not in config.factors:
            raise LaminaError(
                f"{where}: there is no factor {name!r}; there are {', '.join(config.factors) or 'none'}"
            )
        if level not in config.factors[name].levels:
            raise LaminaError(
                f"{where}: factor {name} has no level {level!r}; it has {', '.join(config.factors[name].levels)}"
            )


def _cell(
    config: StudyConfig, seed: int, levels: dict[str, str], name: str = "", baseline: Baseline | None = None
) -> Cell:
    model = name or "-".join(levels.values()) or config.name
    where = f"study {config.name}: {f'baselines.{name}' if name else f'cell {model}'}"
    value = merge(config.pretrain, {"seed": seed})
    for factor, level in levels.items():
        value = merge(value, config.factors[factor].levels[level])
    if baseline:
        value = merge(value, baseline.changes)
    named = value.pop("units", next(iter(config.units), ""))
    units = tuple(map(str, named)) if isinstance(named, list) else (str(named),)
    for each in units:
        if each not in config.units:
            raise LaminaError(
                f"{where}: there are no units {each!r}; there are {', '.join(config.units) or 'none'}: add "
                "[units.NAME]"
            )
    return Cell(
        model=model,
        seed=seed,
        levels={} if baseline else levels,
        pretrain=parse_config(value, PretrainConfig, where),
        units=units,
        control=baseline.control if baseline else "",
    )
