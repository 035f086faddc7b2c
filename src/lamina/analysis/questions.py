"""From settings to questions: which targets, against which frames, read in which views."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lamina.analysis.config import ENCODER, MEL, SENTENCE, SPEAKER, TAP, AnalysisConfig
from lamina.analysis.discrete import Codebook
from lamina.analysis.gather import View
from lamina.analysis.linear import SVCCA, Alignment, Canonical
from lamina.analysis.published import PUBLISHED, Published, published_target
from lamina.analysis.readings import Reading
from lamina.analysis.sentences import Likeness, plan_sentences
from lamina.analysis.targets import Target, plan_target
from lamina.corpus.splits import Roles, fold_roles
from lamina.encoders.encoder import Encoder, Tap, find_taps
from lamina.encoders.features import MelEncoder
from lamina.errors import LaminaError
from lamina.grid import Grid


@dataclass(frozen=True, slots=True)
class Source:
    """Whose frames taps are held against.

    Attributes:
        encoder: another encoder; None for the one that is analysed.
        tap: which tap.
    """

    encoder: Encoder | None
    tap: Tap


def is_frames(target: str) -> bool:
    """Whether a target is frames of something rather than segments."""
    return target in {MEL, TAP, ENCODER} or target.startswith((f"{TAP}:", f"{ENCODER}:"))


def full_name(target: str, encoder: Encoder) -> str:
    """The target's name in scores: ``tap`` is ``tap:`` and the first tap."""
    return f"{TAP}:{encoder.taps[0].name}" if target == TAP else target


def find_source(target: str, encoder: Encoder, others: Mapping[str, Encoder]) -> Source:
    """Whose frames a target means.

    Args:
        target: its full name.
        encoder: the one that is analysed.
        others: encoders at hand by name; any other is loaded.

    Raises:
        LaminaError: there is no such tap or encoder, or it takes audio at another rate.
    """
    kind, _, name = target.partition(":")
    if kind == MEL:
        mel = MelEncoder()
        return Source(mel, mel.taps[0])
    if kind == TAP:
        return Source(None, find_taps(encoder, [name])[0])
    if not name:
        raise LaminaError("target 'encoder' names none: write encoder:NAME or encoder:NAME:TAP")
    other, tap = _find_encoder(name, others)
    if other.sample_rate != encoder.sample_rate:
        raise LaminaError(
            f"target {target!r}: {other.name} takes {other.sample_rate} Hz, {encoder.name} {encoder.sample_rate} "
            "Hz: compare encoders of one sample rate"
        )
    return Source(other, find_taps(other, [tap])[0] if tap else other.taps[-1])


def _find_encoder(name: str, others: Mapping[str, Encoder]) -> tuple[Encoder, str]:
    """The encoder called ``name`` or ``name:tap``, and the tap."""
    from lamina.encoders.load import load_encoder

    front, _, tap = name.rpartition(":")
    for known, which in ((name, ""), (front, tap)):
        if known in others:
            return others[known], which
    if not front:
        return load_encoder(name), ""
    try:
        return load_encoder(front), tap
    except LaminaError:
        return load_encoder(name), ""


def plan_targets(
    config: AnalysisConfig, roles: Roles, grids: Sequence[Grid], notes: list[str]
) -> dict[str, Target]:
    """The segment targets; one that cannot be asked is noted and left out, unless nothing else is asked."""
    targets = {}
    for name in config.targets:
        if is_frames(name):
            continue
        try:
            targets[name] = _plan(name, config, roles, grids)
        except LaminaError as error:
            if config.targets == (name,):
                raise
            notes.append(str(error))
        else:
            notes.extend(targets[name].notes)
    return targets


def _plan(name: str, config: AnalysisConfig, roles: Roles, grids: Sequence[Grid]) -> Target:
    if config.protocol == "pasad":
        return published_target(name, roles, grids, config)
    if name == SENTENCE:
        return plan_sentences(roles, config)
    if name == SPEAKER:
        # Who speaks can only be told of speakers that were heard: folds are of utterances within speakers.
        everyone = (*roles.fit, *roles.score)
        roles = fold_roles(everyone, folds=config.folds, seed=config.seed, within=True)
    return plan_target(name, roles, grids, config)


def plan_readings(
    taps: Sequence[Tap],
    targets: Mapping[str, Target],
    sources: Mapping[str, Source],
    roles: Roles,
    grids: Sequence[Grid],
    config: AnalysisConfig,
) -> list[Reading]:
    """Every tap against every target, in every view that is asked for."""
    coarsest = max(grids, key=lambda grid: grid.stride)
    readings = []
    for tap in taps:
        rates: list[Grid | None] = [None]
        if config.rate_matched and tap.grid.stride < coarsest.stride:
            rates = [None, coarsest]
        for name in dict.fromkeys([*sources, *targets]):
            for matched in rates:
                if name in sources:
                    if sources[name].encoder is None and sources[name].tap == tap:
                        continue
                    view = View(name, matched=matched, frames=True)
                    size = sources[name].tap.width
                    instruments = _linear(tap, size, roles, config, 1, classed=False)
                    readings.append(Reading(tap, view, roles, *instruments))
                    continue
                poolings = ("all",) if name in {SENTENCE, SPEAKER} else config.pooling
                views = [View(name, pooling, matched) for pooling in poolings]
                readings += [_segmented(tap, view, targets[name], config) for view in views]
    return readings


def _linear(
    tap: Tap, size: int, roles: Roles, config: AnalysisConfig, labellings: int, *, classed: bool
) -> tuple[Canonical | None, Alignment | None]:
    """The instruments that hold a tap against vectors of a size, or against classes."""
    cca = alignment = None
    if config.wants("cca"):
        shares = (1.0, SVCCA) if "svcca-mean" in config.wanted else (1.0,)
        cca = Canonical(tap.width, size, roles, classed=classed, labellings=labellings, shares=shares)
    if config.wants("cka", "rank"):
        alignment = Alignment(tap.width, size, roles, classed=classed, labellings=labellings)
    return cca, alignment


def _segmented(tap: Tap, view: View, target: Target, config: AnalysisConfig) -> Reading:
    roles, labellings = target.roles, len(target.fit.labels)
    if config.protocol == "pasad":
        return Reading(
            tap, View(target.name, PUBLISHED), roles, Published(tap.width, len(target.classes), config.seed)
        )
    if target.pairs is not None:
        return Reading(tap, view, roles, likeness=Likeness(tap.width, target.sample, target.pairs))
    if target.table is not None:
        size = target.table.shape[1]
        return Reading(tap, view, roles, *_linear(tap, size, roles, config, labellings, classed=False))
    linear = _linear(tap, len(target.classes), roles, config, labellings, classed=True)
    wanted = config.wants("mi", "purity")
    codebook = Codebook(tap.width, target, config.clusters_of(target.name, target.sample)) if wanted else None
    return Reading(tap, view, roles, *linear, codebook)
