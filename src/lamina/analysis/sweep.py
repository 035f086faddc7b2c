"""One streaming pass over a corpus, all taps and targets of an encoder: held-out scores with intervals.

Fit utterances are read first, then score utterances (other speakers). In between, directions and codebooks are
fixed. One tap's states are in memory at a time, nothing is dumped, and memory does not grow with the corpus.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lamina.analysis.config import AnalysisConfig
from lamina.analysis.gather import MEL, Gather, Roles, plan_roles
from lamina.analysis.measures import UNITS, Values, cca_values, debiased, mi_values
from lamina.analysis.readings import Canonical, Codebook, Reading
from lamina.analysis.targets import Target, plan_target
from lamina.corpus.batches import batches
from lamina.corpus.corpus import Corpus, Utterance
from lamina.encoders.encoder import Encoder, Tap, find_taps
from lamina.encoders.features import MelEncoder
from lamina.errors import LaminaError
from lamina.grid import Grid
from lamina.runs import Run
from lamina.score import Score, Scores
from lamina.stats.archive import Statistic, write_statistics
from lamina.stats.inference import percentile_interval, resample_weights, write_replicates

__all__ = ["Analysis", "AnalysisConfig", "analyze"]

STATISTICS = "statistics.npz"
SHUFFLED = "shuffled"
Progress = Callable[[int, int], None]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Analysis:
    """What an analysis found.

    Attributes:
        scores: one row a tap, target and measure, and one for each null.
        replicates: resampled values by row, ``tap|measure|target`` (``…|shuffled`` for nulls): the same resamples
            of speakers for every model, so differences are paired.
        notes: what was left out, with counts and reasons.
    """

    scores: Scores
    replicates: dict[str, Floats]
    notes: tuple[str, ...]


def analyze(
    encoder: Encoder,
    corpus: Corpus,
    config: AnalysisConfig,
    *,
    support: Sequence[Grid] | None = None,
    run: Run | None = None,
    control: str = "",
    progress: Progress | None = None,
) -> Analysis:
    """Measure what every tap of an encoder knows of every target, in one pass over the audio.

    Segments are pooled over the frames whose centres they own, on the common support; mel frames are pooled onto
    each tap's own frames. Everything is held out by speaker: directions, ridge and codebook come from the fit
    speakers, values from the others. Statistics and replicates are written into the folder of ``run``.

    Args:
        encoder: what is read.
        corpus: speech with tiers, at the encoder's sample rate.
        config: what is measured.
        support: a segment counts if all these grids see it; those of this encoder's taps where None. Give the
            grids of all encoders of a comparison.
        run: where statistics, replicates and notes are written.
        control: of the rows, such as ``untrained``.
        progress: told how many utterances are done, of how many.

    Raises:
        LaminaError: sample rates differ, a tap is unknown, or no target can be measured.
    """
    _check_rates(encoder, corpus, support or ())
    begun = time.perf_counter()
    taps = find_taps(encoder, config.taps)
    grids = tuple(dict.fromkeys([*(support or ()), *(tap.grid for tap in taps)]))
    mel = MelEncoder() if MEL in config.targets else None
    needed = [*grids, *(tap.grid for tap in mel.taps)] if mel else grids
    roles = plan_roles(corpus, needed, seed=config.seed, max_groups=config.max_groups)
    notes = list(roles.notes)
    targets = _plan_targets(config, roles, grids, notes)
    readings = [
        _reading(tap, name, targets.get(name), config, len(roles.groups))
        for tap in taps
        for name in config.targets
        if name == MEL or name in targets
    ]
    by_tap: dict[str, list[Reading]] = {tap.name: [] for tap in taps}
    for reading in readings:
        by_tap[reading.tap.name].append(reading)
    total = len(roles.fit) + len(roles.score)
    done = 0

    def sweep(utterances: Sequence[Utterance], *, fitting: bool) -> None:
        nonlocal done
        for batch in batches(corpus, utterances, seconds=config.batch_seconds):
            sound = next(mel.states(batch.waves, batch.lengths)) if mel else None
            gather = Gather(batch, roles.keys, targets, sound, fitting=fitting)
            for states in encoder.states(batch.waves, batch.lengths, list(by_tap)):
                for reading in by_tap[states.tap.name]:
                    rows = gather.rows(reading.target, states)
                    (reading.learn if fitting else reading.score)(rows.pool.mean(states.values), rows)
            done += len(batch.utterances)
            if progress:
                progress(done, total)

    with torch.inference_mode():
        sweep(roles.fit, fitting=True)
        for reading in readings:
            reading.settle(config.ridges, seed=config.seed)
        sweep(roles.score, fitting=False)
        for reading in readings:
            reading.finish()
        notes += _told(readings)
        rows, replicates = _conclude(readings, roles, config, _blank(encoder, run, roles, config), control)
    if not rows:
        raise LaminaError(f"nothing could be measured on {corpus.name}: {'; '.join(notes)}")
    if run is not None:
        write_statistics(run.folder / STATISTICS, _statistics(readings))
        write_replicates(run.folder, replicates)
        for note in notes:
            run.log(note=note)
        run.log(event="analysed", utterances=total, taps=len(taps), seconds=round(time.perf_counter() - begun, 2))
    return Analysis(Scores(rows), replicates, tuple(notes))


def _check_rates(encoder: Encoder, corpus: Corpus, support: Sequence[Grid]) -> None:
    if corpus.sample_rate != encoder.sample_rate:
        raise LaminaError(
            f"{corpus.name} is at {corpus.sample_rate} Hz, {encoder.name} takes {encoder.sample_rate} Hz: open "
            "the corpus at the encoder's rate"
        )
    for grid in support:
        if grid.sample_rate != corpus.sample_rate:
            raise LaminaError(
                f"a grid of the support counts {grid.sample_rate} samples a second, {corpus.name} has "
                f"{corpus.sample_rate}: compare encoders of one sample rate"
            )


def _plan_targets(
    config: AnalysisConfig, roles: Roles, grids: Sequence[Grid], notes: list[str]
) -> dict[str, Target]:
    """The segment targets; one that cannot be asked is noted and left out, unless nothing else is asked."""
    targets = {}
    for name in config.targets:
        if name == MEL:
            continue
        try:
            targets[name] = plan_target(
                name,
                roles.fit,
                roles.score,
                grids,
                max_classes=config.max_classes,
                min_instances=config.min_instances,
                max_sample=config.max_sample,
                seed=config.seed,
                shuffled=config.shuffled,
            )
        except LaminaError as error:
            if config.targets == (name,):
                raise
            notes.append(str(error))
        else:
            notes.extend(targets[name].notes)
    return targets


def _reading(tap: Tap, name: str, target: Target | None, config: AnalysisConfig, groups: int) -> Reading:
    if target is None:
        return Reading(tap, name, Canonical(tap.width, MelEncoder().taps[0].width, 0, groups), None)
    labellings, classes = len(target.fit.labels), len(target.classes)
    codebook = Codebook(tap.width, target.sample, config.clusters_of(name), labellings, classes, groups)
    return Reading(tap, name, Canonical(tap.width, classes, labellings, groups), codebook)


def _told(readings: Sequence[Reading]) -> list[str]:
    """The readings' notes, each reason once with its taps."""
    taps: dict[str, list[str]] = {}
    for reading in readings:
        for note in reading.notes:
            taps.setdefault(f"{reading.target}: {note}", []).append(reading.tap.name)
    return [f"{note} (taps {', '.join(names)})" for note, names in taps.items()]


def _blank(encoder: Encoder, run: Run | None, roles: Roles, config: AnalysisConfig) -> Score:
    """A row with what all rows share."""
    return Score(
        study="",
        run="" if run is None else run.folder.name,
        model=encoder.name,
        tap="",
        depth=0,
        period_ms=0.0,
        measure="",
        target="",
        value=0.0,
        unit="",
        low=None,
        high=None,
        n=0,
        split=roles.split,
        seed=config.seed,
        protocol=config.protocol,
        support="common",
        control="",
    )


def _conclude(
    readings: Sequence[Reading], roles: Roles, config: AnalysisConfig, blank: Score, control: str
) -> tuple[list[Score], dict[str, Floats]]:
    """Every measure of every reading, with its interval, and the resampled values behind it."""
    drawn = resample_weights(roles.groups, replicates=config.replicates, seed=config.seed)
    weights = torch.from_numpy(drawn).double()
    rows: list[Score] = []
    replicates: dict[str, Floats] = {}
    for reading in readings:
        about = replace(
            blank,
            tap=reading.tap.name,
            depth=reading.tap.depth,
            period_ms=reading.tap.grid.period_ms,
            target=reading.target,
            support="native" if reading.target == MEL else "common",
        )
        for labelling, n, values, resampled in _values(reading, weights):
            if n == 0:
                continue
            for measure, (value,) in values.items():
                again = resampled[measure] if len(roles.groups) > 1 else np.full(len(drawn), np.nan)
                if measure.startswith("mi-"):
                    again = debiased(again, float(value))
                low, high = percentile_interval(again, level=config.level)
                key = f"{reading.tap.name}|{measure}|{reading.target}"
                replicates[f"{key}|{SHUFFLED}" if labelling else key] = again
                found = replace(about, measure=measure, value=float(value), unit=UNITS.get(measure, ""))
                rows.append(replace(found, low=low, high=high, n=n, control=SHUFFLED if labelling else control))
    return rows, replicates


def _values(reading: Reading, weights: Tensor) -> Iterator[tuple[int, int, Values, Values]]:
    """Labelling, rows, values and resampled values, for each instrument and labelling of a reading."""
    if reading.cca is not None:
        for labelling, projections in enumerate(reading.cca.projections):
            yield labelling, projections.n, cca_values(projections), cca_values(projections, weights)
    if reading.codebook is not None:
        for labelling, counts in enumerate(reading.codebook.counts):
            yield labelling, counts.n, mi_values(counts), mi_values(counts, weights)


def _statistics(readings: Sequence[Reading]) -> dict[str, Statistic]:
    """By ``tap|instrument|target`` (``…|shuffled`` for nulls), all that the scores were computed from."""
    named: dict[str, Statistic] = {}
    for reading in readings:
        cca: Sequence[Statistic] = reading.cca.projections if reading.cca is not None else []
        counts: Sequence[Statistic] = reading.codebook.counts if reading.codebook is not None else []
        for instrument, found in (("cca", cca), ("mi", counts)):
            for labelling, statistic in enumerate(found):
                key = f"{reading.tap.name}|{instrument}|{reading.target}"
                named[f"{key}|{SHUFFLED}" if labelling else key] = statistic
    return named
