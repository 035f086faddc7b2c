"""Differences between taps, models and seeds: paired, with intervals that hold for all of a family at once.

Replicates of one resample belong together, so the difference of two rows has replicates of its own and what
speakers have in common cancels. Of many differences some look large by chance: intervals of a family (one
measure, target and support) are widened together by the max-T rule (Westfall and Young 1993, one step): the 95 %
quantile, over replicates, of the largest ``|d* - d| / se`` of the family, instead of 1.96. Imports no torch.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamina.errors import LaminaError
from lamina.runs import Run
from lamina.score import Score, Scores
from lamina.stats.inference import FILE, read_replicates

Floats = NDArray[np.float64]
Found = tuple[Scores, Mapping[str, Floats]]
BEST = "best"
HEADER = ("measure", "target", "first", "second", "difference", "95 % of all", "p")
CAPTION = "intervals hold for all differences of a measure and target at once (max-T over paired resamples)"
FEWEST = 20


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference ``first - second``.

    Attributes:
        measure, target, support: what was measured.
        first, second: ``model tap`` of each side.
        value: the difference.
        low, high: its interval, holding for the whole family at once; None where nothing was resampled.
        p: the share of replicates in which some difference of the family strays as far from its value as this one
            lies from zero (adjusted for the family); None where nothing was resampled.
        family: how many differences were corrected for together.
    """

    measure: str
    target: str
    support: str
    first: str
    second: str
    value: float
    low: float | None
    high: float | None
    p: float | None
    family: int


class Differences(tuple[Difference, ...]):
    """All differences of a comparison."""

    __slots__ = ()

    def select(self, **values: str) -> Differences:
        """The differences whose attributes equal ``values``."""
        return Differences(
            each for each in self if all(getattr(each, name) == want for name, want in values.items())
        )

    def rows(self) -> list[tuple[str, ...]]:
        """Each as text: measure, target, first, second, difference, interval, p."""
        made: list[tuple[str, ...]] = []
        for each in self:
            target = each.target if each.support in {"common", "native"} else f"{each.target} ({each.support})"
            interval = "" if each.low is None else f"{each.low:+.3f} to {each.high:+.3f}"
            p = "" if each.p is None else f"{each.p:.3f}"
            made.append((each.measure, target, each.first, each.second, f"{each.value:+.3f}", interval, p))
        return made

    def to_csv(self) -> str:
        """Comma-separated values with a header line."""
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        columns = list(Difference.__dataclass_fields__)
        writer.writerow(columns)
        writer.writerows([getattr(each, name) for name in columns] for each in self)
        return buffer.getvalue()

    def to_pandas(self) -> Any:
        """A pandas data frame, one row a difference (needs pandas)."""
        import pandas

        columns = list(Difference.__dataclass_fields__)
        rows = [[getattr(each, name) for name in columns] for each in self]
        return pandas.DataFrame(rows, columns=columns)


def compare(found: Sequence[Found], *, level: float = 0.95) -> Differences:
    """The differences between analyses: taps of the same name, and the best taps; within one, taps from its best.

    The best tap is the best behind the front end; where two best taps are compared it is chosen anew in every
    replicate, so that the choice is part of the uncertainty.

    Args:
        found: scores and replicates of each analysis.
        level: coverage of the intervals of a family together.

    Raises:
        LaminaError: analyses were scored on different items or resampled otherwise, or have no row in common.
    """
    families: dict[tuple[str, str, str], list[tuple[str, str, float, Floats]]] = {}
    for kind in _kinds(found):
        sides = [_side(scores, replicates, kind) for scores, replicates in found]
        named = _names(found)
        if len(sides) == 1:
            differences = _within(sides[0], named[0])
        else:
            differences = [
                each
                for one, other in combinations(range(len(sides)), 2)
                for each in _between(sides[one], sides[other], named[one], named[other])
            ]
        if differences:
            families[kind] = differences
    if not families:
        raise LaminaError("these runs have no two rows of one measure, target and tap to compare")
    return Differences(
        each for kind, differences in families.items() for each in _corrected(kind, differences, level)
    )


def compare_runs(
    folders: Sequence[Path], *, measures: Sequence[str] | None = None, targets: Sequence[str] | None = None
) -> Differences:
    """The differences between finished runs of analyses; see `compare`.

    Raises:
        LaminaError: a folder holds no finished analysis, or runs are of different corpora or cannot be paired.
    """
    found: list[Found] = []
    corpora = set()
    for folder in folders:
        run = Run.read(folder)
        if not run.done or not (folder / FILE).is_file():
            raise LaminaError(f"{folder} is no finished analysis: `lamina analyze … --out` makes one")
        corpora.add(run.inputs.get("corpus", ""))
        scores = Scores.read(folder / "scores.jsonl").select(lambda row: bool(row.tap))
        scores = scores if measures is None else scores.select(measure=tuple(measures))
        scores = scores if targets is None else scores.select(target=tuple(targets))
        if not len(scores):
            raise LaminaError(f"{folder} has no scores of these measures and targets")
        found.append((scores, read_replicates(folder)))
    if len(corpora) > 1:
        raise LaminaError("these runs were scored on different corpora: only runs on one corpus are paired")
    return compare(found)


def _kinds(found: Sequence[Found]) -> list[tuple[str, str, str]]:
    """Measures, targets and supports that all analyses have."""
    each = [
        {(row.measure, row.target, row.support): None for row in scores if row.tap and row.control != "shuffled"}
        for scores, _ in found
    ]
    return [kind for kind in each[0] if all(kind in other for other in each[1:])]


def _names(found: Sequence[Found]) -> list[str]:
    """What tells the analyses apart: models, else runs, else numbers."""
    for column in ("model", "run"):
        names = [str(scores[0].__getattribute__(column)) for scores, _ in found]
        if len(set(names)) == len(names):
            return names
    return [f"{scores[0].model}#{number}" for number, (scores, _) in enumerate(found, 1)]


Side = dict[Score, Floats]


def _side(scores: Scores, replicates: Mapping[str, Floats], kind: tuple[str, str, str]) -> Side:
    measure, target, support = kind
    rows = scores.select(lambda row: bool(row.tap), measure=measure, target=target, support=support)
    return {row: replicates[row.key] for row in rows if row.control != "shuffled" and row.key in replicates}


def _within(side: Side, name: str) -> list[tuple[str, str, float, Floats]]:
    """Every tap less the best one."""
    behind = [row for row in side if row.depth > 0] or list(side)
    if len(side) < 2:
        return []
    best = max(behind, key=lambda row: row.value)
    return [
        (f"{name} {row.tap}", f"{name} {best.tap}", row.value - best.value, drawn - side[best])
        for row, drawn in side.items()
        if row is not best
    ]


def _between(one: Side, other: Side, first: str, second: str) -> list[tuple[str, str, float, Floats]]:
    if not one or not other:
        return []
    _check_paired(one, other, first, second)
    by_tap = {row.tap: (row, drawn) for row, drawn in other.items()}
    made = []
    for row, drawn in one.items():
        if row.tap in by_tap:
            twin, again = by_tap[row.tap]
            made.append((f"{first} {row.tap}", f"{second} {row.tap}", row.value - twin.value, drawn - again))
    (value, drawn), (less, again) = _best(one), _best(other)
    if len(one) > 1 or len(other) > 1 or not made:
        made.append((f"{first} {BEST}", f"{second} {BEST}", value - less, drawn - again))
    return made


def _best(side: Side) -> tuple[float, Floats]:
    behind = [row for row in side if row.depth > 0] or list(side)
    return max(row.value for row in behind), np.max([side[row] for row in behind], axis=0)


def _check_paired(one: Side, other: Side, first: str, second: str) -> None:
    for name in ("split", "protocol"):
        sides = [{getattr(row, name) for row in side} for side in (one, other)]
        if sides[0] != sides[1]:
            raise LaminaError(
                f"{first} and {second} were not scored alike ({name}: {', '.join(map(str, sides[0]))} and "
                f"{', '.join(map(str, sides[1]))}): analyse them with the same settings"
            )
    counts = [{row.n for row in side} for side in (one, other)]
    if next(iter(one)).support != "native" and counts[0] != counts[1]:
        raise LaminaError(
            f"{first} and {second} were scored on {sorted(counts[0])} and {sorted(counts[1])} items of "
            f"{next(iter(one)).target}: analyse them on one corpus with a common support "
            "(`lamina analyze … --beside OTHER`)"
        )
    if len({drawn.shape for side in (one, other) for drawn in side.values()}) > 1:
        raise LaminaError(f"{first} and {second} have different numbers of replicates: analyse them alike")


def _corrected(
    kind: tuple[str, str, str], differences: Sequence[tuple[str, str, float, Floats]], level: float
) -> list[Difference]:
    values = np.array([value for _, _, value, _ in differences])
    drawn = np.array([replicates for *_, replicates in differences])
    drawn = drawn[:, np.isfinite(drawn).all(0)]
    measure, target, support = kind
    made = []
    if drawn.shape[1] < FEWEST:
        ends: list[tuple[float | None, float | None, float | None]] = [(None, None, None)] * len(values)
    else:
        spread = np.maximum(drawn.std(1, ddof=1), 1e-12)
        # About their own mean: a maximum over taps, chosen anew, lies above the value.
        strays = np.abs(drawn - drawn.mean(1, keepdims=True)) / spread[:, None]
        largest = strays.max(0)
        wide = float(np.quantile(largest, level))
        ends = [
            (
                float(value - wide * se),
                float(value + wide * se),
                float((1 + (largest >= abs(value) / se).sum()) / (1 + len(largest))),
            )
            for value, se in zip(values, spread, strict=True)
        ]
    for (first, second, value, _), (low, high, p) in zip(differences, ends, strict=True):
        made.append(
            Difference(measure, target, support, first, second, float(value), low, high, p, len(differences))
        )
    return made
