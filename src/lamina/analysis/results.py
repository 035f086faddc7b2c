"""From complete sums to rows: every measure of every reading, with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lamina.analysis.compare import Differences, compare
from lamina.analysis.config import AnalysisConfig
from lamina.analysis.instruments.instrument import Finding
from lamina.analysis.naming import tiers_of
from lamina.analysis.reading import Reading
from lamina.analysis.targets.segments import EACH
from lamina.errors import LaminaError
from lamina.measures import find_measure
from lamina.score import CHOSEN, SHUFFLED, UNTRAINED, Score, Scores, better, phones_by
from lamina.stats.inference import Replicates, draw_name, halvings, interval, resample_weights

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Analysis:
    """What an analysis found.

    Attributes:
        scores: one row a tap, target and measure, and one for each null.
        replicates: resampled values by `Score.key`: the same resamples of speakers for every model, so differences
            are paired.
        notes: what was left out, with counts and reasons.
        controls: by name (`lamina.analysis.controls`), the same of what this is held against, where that was
            asked for: ``untrained``, ``untrained, no positions``, ``position``.
    """

    scores: Scores
    replicates: Replicates
    notes: tuple[str, ...]
    controls: Mapping[str, Analysis] = field(default_factory=dict)

    @property
    def untrained(self) -> Analysis | None:
        """The same of the encoder with its weights drawn anew, over all draws; None where that was not asked."""
        return self.controls.get(UNTRAINED)

    def table(self) -> str:
        """The scores as text, a block a target."""
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


class Conclusion:
    """Makes rows of what readings found.

    Args:
        model: the encoder's name.
        run: name of the run folder; empty without one.
        config: of the analysis.
        control: of the rows, such as ``untrained``.
        phone_map: by which the corpus's phones were folded, or empty.
    """

    def __init__(self, model: str, run: str, config: AnalysisConfig, control: str, phone_map: str = "") -> None:
        self._model, self._run, self._config, self._control = model, run, config, control
        self._phone_map = phone_map
        self._rows: list[Score] = []
        self._on_dev: dict[tuple[str, str], list[tuple[float, Score]]] = {}
        self._replicates = Replicates()

    def of(self, readings: Sequence[Reading]) -> tuple[Scores, Replicates]:
        """Every measure of every reading, with its interval, and the resampled values behind it.

        Where a part of the corpus chooses among taps, the chosen one stands there once more.
        """
        for reading in readings:
            blank = self._blank(reading)
            nulls: dict[tuple[str, str], list[float]] = {}
            told: list[tuple[Score, Finding]] = []
            for found in reading.values(self._weights):
                for measure, (value,) in found.values.items():
                    asked = reading.target.implied or measure in self._config.wanted
                    if not (
                        asked and found.n and np.isfinite(value)
                    ):  # where it is not, the reading's notes say why
                        continue
                    if found.labelling:
                        nulls.setdefault((measure, found.setting), []).append(float(value))
                    else:
                        told.append((replace(blank, measure=measure, value=float(value)), found))
            for row, found in told:
                self._take(row, found, nulls.get((row.measure, found.setting), []))
        for (measure, _), tried in self._on_dev.items():
            _, row = better(measure)(tried, key=lambda each: each[0])
            again, key = replace(row, layers=CHOSEN), row.key
            held = self._replicates
            held.put(again.key, held[key], held.groups[key], held.draws[key], held.halves[key])
            self._rows.append(again)
        return Scores(self._rows), self._replicates

    def _take(self, row: Score, found: Finding, null: Sequence[float]) -> None:
        drawn = self._drawn(found.groups)
        several = len(found.groups) > 1
        told = found.resampled[row.measure] if several else np.full(len(drawn), np.nan)
        again, units = told[: len(drawn)], found.units or len(found.groups)
        # Of parts of several groups a half of the groups is no half.
        halves = told[len(drawn) :] if units >= len(found.groups) else None
        ends = interval(row.value, again, groups=units, level=self._config.level)
        measure = find_measure(row.measure)
        low, high = measure.bounded(*ends)
        if high is not None:
            high = max(row.value, min(high, found.most.get(row.measure, high)))
        items = found.items or row.items
        made = replace(
            row,
            unit=measure.unit,
            low=low,
            high=high,
            p=chance(row.measure, row.value, null),
            n=found.n,
            items=items,
            control=self._control,
            setting=", ".join(filter(None, (row.setting, found.setting))),
        )
        self._replicates.put(made.key, again, units, draw_name(drawn), halves)
        self._rows.append(made)
        if null:
            drawn_ends = spread(null, self._config.level)
            self._rows.append(replace(made, **drawn_ends, p=None, draws=len(null), control=SHUFFLED))
        if found.dev is not None:
            self._on_dev.setdefault((made.measure, made.target), []).append((found.dev[made.measure], made))

    def _drawn(self, groups: Sequence[str]) -> NDArray[np.int64]:
        return resample_weights(groups, replicates=self._config.replicates, seed=self._config.seed)

    def _weights(self, groups: Sequence[str]) -> Tensor:
        """Of resamples, then of halves."""
        return torch.from_numpy(np.concatenate([self._drawn(groups), halvings(groups)])).double()

    def _blank(self, reading: Reading) -> Score:
        """A row with what all rows of a reading share."""
        tap, way, target = reading.tap, reading.way, reading.target
        # Frames that were matched lie on another grid than the tap's.
        where = tap.columns | ({"period_ms": way.matched.period_ms} if way.matched else {})
        return Score(
            **where,
            run=self._run,
            model=self._model,
            measure="",
            target=target.name,
            value=0.0,
            items=target.items,
            split=target.roles.split,
            seed=self._config.seed,
            protocol=self._config.protocol,
            support=target.support,
            pooling="" if way.pooling == EACH else way.pooling,
            matched=way.matched is not None,
            setting="" if target.from_file else self._phones(target.name),
        )

    def _phones(self, target: str) -> str:
        """By which map the phones of a target were folded, if it is of any."""
        return next(filter(None, (phones_by(self._phone_map, tier) for tier in tiers_of(target))), "")


def chance(measure: str, value: float, null: Sequence[float]) -> float | None:
    """How likely so good a value is under shuffled labels, ``(1 + as good) / (1 + shuffles)``.

    None without shuffles, or where no value is better than another. See Phipson and Smyth 2010, "Permutation
    p-values should never be zero".
    """
    way = find_measure(measure).better
    if not null or way == "neither":
        return None
    sign = -1 if way == "lower" else 1
    return (1 + sum(sign * each >= sign * value for each in null)) / (1 + len(null))


def spread(values: Sequence[float], level: float) -> dict[str, Any]:
    """The mean of values, and the ends of the range that holds such a share of them; no ends of one value."""
    mean = sum(values) / len(values)
    if len(values) == 1:
        return {"value": mean, "low": None, "high": None}
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2]).tolist()
    return {"value": mean, "low": min(low, mean), "high": max(high, mean)}


def told(readings: Sequence[Reading]) -> list[str]:
    """The readings' notes, each reason once with its taps."""
    taps: dict[str, dict[str, None]] = {}
    for reading in readings:
        for note in reading.notes:
            taps.setdefault(f"{reading.target.name}: {note}", {})[reading.tap.name] = None
    return [f"{note} (taps {', '.join(names)})" for note, names in taps.items()]
