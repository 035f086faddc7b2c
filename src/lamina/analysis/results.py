"""From complete statistics to rows: every measure of every reading, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lamina.analysis.compare import Differences, compare
from lamina.analysis.config import FAMILIES, AnalysisConfig
from lamina.analysis.linear import BUCKETS
from lamina.analysis.measures import UNITS, debiased
from lamina.analysis.readings import Reading
from lamina.errors import LaminaError
from lamina.runs import Run
from lamina.score import Score, Scores, bounded
from lamina.stats.archive import Statistic
from lamina.stats.inference import Replicates, draw_name, interval, resample_weights

SHUFFLED = "shuffled"
PLUG_IN = ("mi-", "purity-")  # repeated speakers let them grow
BUCKETED = frozenset((*FAMILIES["cka"], *FAMILIES["rank"]))  # resampled in parts of several groups
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Analysis:
    """What an analysis found.

    Attributes:
        scores: one row a tap, target and measure, and one for each null.
        replicates: resampled values by `Score.key` (``tap|measure|target``, …): the same resamples of speakers for
            every model, so differences are paired.
        notes: what was left out, with counts and reasons.
        untrained: the same of the encoder with its weights drawn anew, where that was asked for.
    """

    scores: Scores
    replicates: Replicates
    notes: tuple[str, ...]
    untrained: Analysis | None = None

    def table(self) -> str:
        """The scores as text, a table a target; the best layer of a column bears a star."""
        return self.scores.table()

    def to_pandas(self) -> Any:
        """A pandas data frame of the scores (needs pandas)."""
        return self.scores.to_pandas()

    def best(self, measure: str, target: str) -> Score:
        """The row of the best tap behind the front end (of all taps where there is one), read as it runs.

        Raises:
            LaminaError: no row has this measure and target.
        """
        rows = self.scores.select(lambda row: row.plain, measure=measure, target=target, control="")
        behind = rows.select(lambda row: row.depth > 0)
        return (behind if len(behind) else rows).best(measure)

    def compare(self, *others: Analysis | None, level: float = 0.95) -> Differences:
        """The differences of this analysis's taps from their best, or of its rows from those of others.

        Raises:
            LaminaError: another is None, such as `untrained` where it was not asked for, or cannot be paired.
        """
        found = [(self.scores, self.replicates)]
        for other in others:
            if other is None:
                raise LaminaError(
                    "there is nothing to compare with (None): was the encoder read without control='untrained'?"
                )
            found.append((other.scores, other.replicates))
        return compare(found, level=level)


def conclude(
    readings: Sequence[Reading], model: str, run: Run | None, config: AnalysisConfig, control: str
) -> tuple[Scores, Replicates]:
    """Every measure of every reading, with its interval, and the resampled values behind it."""
    rows: list[Score] = []
    replicates = Replicates()
    for reading in readings:
        drawn = resample_weights(reading.groups, replicates=config.replicates, seed=config.seed)
        weights, draw = torch.from_numpy(drawn).double(), draw_name(drawn)
        blank = _blank(reading, model, "" if run is None else run.folder.name, config)
        for labelling, n, values, resampled in reading.values(weights):
            if n == 0:
                continue
            for measure, (value,) in values.items():
                if measure not in config.wanted and reading.likeness is None:
                    continue
                if not np.isfinite(value):
                    continue  # the reading's notes say why
                again = resampled[measure] if len(reading.groups) > 1 else np.full(len(drawn), np.nan)
                if measure.startswith(PLUG_IN):
                    again = debiased(again, float(value))
                groups = min(len(reading.groups), BUCKETS) if measure in BUCKETED else len(reading.groups)
                ends = interval(float(value), again, groups=groups, level=config.level)
                low, high = bounded(measure, *ends)
                found = replace(blank, measure=measure, value=float(value), unit=UNITS.get(measure, ""))
                row = replace(found, low=low, high=high, n=n, control=SHUFFLED if labelling else control)
                replicates.put(row.key, again, groups, draw)
                rows.append(row)
    return Scores(rows), replicates


def _blank(reading: Reading, model: str, run: str, config: AnalysisConfig) -> Score:
    """A row with what all rows of a reading share."""
    return Score(
        study="",
        run=run,
        model=model,
        tap=reading.tap.name,
        depth=reading.tap.depth,
        period_ms=(reading.view.matched or reading.tap.grid).period_ms,
        measure="",
        target=reading.view.target,
        value=0.0,
        unit="",
        low=None,
        high=None,
        n=0,
        split=reading.roles.split,
        seed=config.seed,
        protocol=config.protocol,
        support=reading.view.support,
        control="",
    )


def told(readings: Sequence[Reading]) -> list[str]:
    """The readings' notes, each reason once with its taps."""
    taps: dict[str, dict[str, None]] = {}
    for reading in readings:
        for note in reading.notes:
            taps.setdefault(f"{reading.view.target}: {note}", {})[reading.tap.name] = None
    return [f"{note} (taps {', '.join(names)})" for note, names in taps.items()]


def statistics(readings: Sequence[Reading]) -> dict[str, Statistic]:
    """What scores come from, by ``tap|instrument|target`` (``…|support`` where not plain, ``…|shuffled``)."""
    named: dict[str, Statistic] = {}
    for reading in readings:
        support = reading.view.support
        for (instrument, labelling), statistic in reading.statistics().items():
            parts = [reading.tap.name, instrument, reading.view.target]
            parts += [support] if support not in {"common", "native"} else []
            named["|".join([*parts, SHUFFLED] if labelling else parts)] = statistic
    return named
