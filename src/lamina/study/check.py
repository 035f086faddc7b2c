"""Check: what is impossible in a design is said before anything is made."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lamina.analysis.config import AnalysisConfig
from lamina.analysis.naming import tier_of
from lamina.errors import LaminaError
from lamina.measures import MASKED_ACCURACY, PARAMETERS, family
from lamina.pretrain.recipe import ModelConfig
from lamina.study.contrasts import contrasts, weights_of
from lamina.study.design import RUN, Cell, StoredConfig, StudyConfig
from lamina.study.record import TRAINING

if TYPE_CHECKING:
    from lamina.encoders.mrhubert.config import MRHubertConfig

SYNTH_TIERS = ("phone", "syllable", "word")
# Targets that are no tier and no label of the corpus.
FREE = ("mel", "speaker", "sentence", "word-vectors", "tap", "encoder")


def check(config: StudyConfig, everyone: Sequence[Cell]) -> None:
    """Refuse a design that cannot be run or judged.

    Raises:
        LaminaError: says which name, cell, target or claim is wrong, and what would be right.
    """
    where = f"study {config.name}"
    if len(set(config.seeds)) < len(config.seeds):
        raise LaminaError(f"{where}: seeds {list(config.seeds)} name one twice: a seed is trained once")
    first = [cell for cell in everyone if cell.seed == config.seeds[0]]
    if not first:
        raise LaminaError(f"{where}: there is nothing to compare: give [pretrain] and [factors], or [encoders]")
    _names(first, where)
    _rounds(config, first, where)
    _shapes(config, first, where)
    _targets(config, where)
    _claims(config, first, where)


def _names(first: Sequence[Cell], where: str) -> None:
    for name, count in Counter([cell.model for cell in first]).items():
        if not re.fullmatch(r"[\w.+-]+", name):
            raise LaminaError(f"{where}: {name!r} names a folder: use letters, digits and . _ + - only")
        if name in (*FREE, "mfcc", "mfcc-cmvn") or name.startswith("units"):
            raise LaminaError(f"{where}: the name {name!r} is taken by a baseline of every study: choose another")
        if count > 1:
            raise LaminaError(
                f"{where}: {count} encoders are called {name!r} (cells are named by their levels): "
                "rename a level or a baseline"
            )


def _rounds(config: StudyConfig, first: Sequence[Cell], where: str) -> None:
    """Units of a model of the study: it is there, and does not learn from its own."""
    by_name = {cell.model: cell for cell in first}

    def follow(cell: Cell, seen: list[str]) -> None:
        for units in cell.units:
            features = config.units[units].features
            if not features.startswith(RUN):
                continue
            name = features.removeprefix(RUN)
            if name not in by_name or by_name[name].pretrain is None:
                trained = ", ".join(each.model for each in first if each.pretrain is not None)
                raise LaminaError(
                    f"{where}: units.{units}.features: no model {name!r} is trained here; there are {trained}"
                )
            if name in seen:
                raise LaminaError(
                    f"{where}: {' learns from '.join([*seen, name])}: the first round needs other units, such "
                    'as of mfcc; add a baseline with changes = { units = "…" } and take its states'
                )
            follow(by_name[name], [*seen, name])

    for cell in first:
        follow(cell, [cell.model])


def _shapes(config: StudyConfig, first: Sequence[Cell], where: str) -> None:
    """Every cell is a model, has the levels that its losses and units ask for, and is like no other."""
    taps: dict[str, set[str]] = {}
    made: dict[tuple[str, tuple[str, ...]], str] = {}
    for cell in first:
        if cell.pretrain is None:
            continue
        asked = [
            f"factors.{name}.levels.{level}"
            for name, level in cell.levels.items()
            if config.factors[name].levels[level].get("model", {}).get("single_prediction") is False
        ]
        if asked and not cell.pretrain.model.label_rate_ratios:
            raise LaminaError(
                f"{where}: cell {cell.model} is impossible: {asked[0]} asks for a loss at a coarse level, and it "
                "has none (model.label_rate_ratios is empty, plain HuBERT); nest the factor: `within = { … }`"
            )
        try:
            taps[cell.model] = {tap.name for tap in shape(cell.pretrain.model).taps}
        except LaminaError as error:
            raise LaminaError(f"{where}: cell {cell.model} is impossible: {error}") from error
        levels = (
            1 if cell.pretrain.model.single_prediction else len(cell.pretrain.model.label_rate_ratios) // 2 + 1
        )
        if len(cell.units) not in (1, levels):
            raise LaminaError(
                f"{where}: cell {cell.model} is impossible: it names {len(cell.units)} units and predicts at "
                f"{levels} level{'s' if levels > 1 else ''}: name one, or one a level that predicts"
            )
        twin = made.setdefault((cell.pretrain.digest, cell.units), cell.model)
        if twin != cell.model:
            raise LaminaError(
                f"{where}: {twin} and {cell.model} are the same encoder: a level changes nothing there; nest the "
                "factor (`within`) or correct the level"
            )
    for name, units in config.units.items():
        model = units.features.removeprefix(RUN)
        if units.features.startswith(RUN) and units.tap not in taps.get(model, {units.tap}):
            raise LaminaError(
                f"{where}: units.{name}.tap: {model} has no tap {units.tap!r}; it has "
                f"{', '.join(sorted(taps[model]))}"
            )


def shape(model: ModelConfig) -> MRHubertConfig:
    """The encoder's own config: its taps and grids, without weights.

    Raises:
        LaminaError: the values describe no model.
    """
    from lamina.encoders.mrhubert.config import MRHubertConfig

    return MRHubertConfig(**model.to_json())


def _targets(config: StudyConfig, where: str) -> None:
    """Targets that synthetic speech has; those of a stored corpus are known once it is opened."""
    if all(isinstance(speech, StoredConfig) for speech in (config.speech, *config.read_besides.values())):
        return
    for target in tiers(config.analysis):
        if target not in SYNTH_TIERS:
            raise LaminaError(
                f"{where}: analysis.targets: synthetic speech has no {target!r}; it has {', '.join(SYNTH_TIERS)}, "
                f"and without tiers there are {', '.join(FREE)}"
            )


def tiers(analysis: AnalysisConfig) -> list[str]:
    """The targets that a corpus must have as a tier or a label."""
    named = [tier_of(target) for target in analysis.targets]
    return [tier for tier in dict.fromkeys(named) if tier.partition(":")[0] not in FREE]


def _claims(config: StudyConfig, first: Sequence[Cell], where: str) -> None:
    factors = {name: list(factor.levels) for name, factor in config.factors.items()}
    within = {name: factor.within for name, factor in config.factors.items()}
    known = dict(contrasts(factors, within, {cell.model: cell.levels for cell in first if cell.levels}))
    models = [
        "mel",
        "mfcc-cmvn",
        *(["units"] if len(config.units) == 1 else [f"units-{name}" for name in config.units]),
    ]
    models += [cell.model for cell in first]
    measured = measurable(config)
    for name, claim in config.claims.items():
        if claim.corpus not in ("", TRAINING, *config.reading):
            raise LaminaError(
                f"{where}: claims.{name}.corpus: none is called {claim.corpus!r}; there are "
                f"{', '.join((TRAINING, *config.reading))}, or leave it out for all together"
            )
        if weights_of(claim.effect, known, models) is None:
            raise LaminaError(
                f"{where}: claims.{name}.effect: there is no effect {claim.effect!r}; there are "
                f"{', '.join(known)}, or `MODEL - MODEL` of {', '.join(models)}"
            )
        of = f"{claim.seconds:g} s" if claim.seconds else claim.target
        if of not in measured.get(claim.measure, ()):
            what, there = "measure", sorted(measured)
            if claim.measure in measured:
                what, there = "target", [each or "(empty)" for each in measured[claim.measure]]
            raise LaminaError(
                f"{where}: claims.{name}.{what}: {claim.what} is not measured here; there is {', '.join(there)}"
            )


def measurable(config: StudyConfig) -> dict[str, list[str]]:
    """What the study measures: by measure, its targets (of costs, lengths of audio such as ``10 s``)."""
    from lamina.analysis.plan import measures_of
    from lamina.probe.task import find_task

    found: dict[str, list[str]] = {MASKED_ACCURACY: ["unit"], PARAMETERS: [""]}
    for measure in family("cost"):
        found.setdefault(measure, [f"{length:g} s" for length in config.cost.seconds])
    for target in config.analysis.targets:
        for measure in measures_of(config.analysis, target):
            found.setdefault(measure, []).append(target)
    for task in config.probe.tasks if config.probe is not None else ():
        for measure in find_task(task).measures:
            found.setdefault(measure, []).append(task)
    return found
