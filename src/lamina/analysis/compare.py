"""Differences between taps, models and seeds: paired, with intervals that hold for all of a family at once.

Replicates of one resample belong together, so the difference of two rows has replicates of its own and what
speakers have in common cancels. Of many differences some look large by chance: intervals of a family (one measure,
target and way of reading) are widened together by the max-T rule (Westfall and Young 1993, one step): the 95 %
quantile, over replicates, of the largest ``|d* - d| / se`` of the family, instead of 1.96. Within one analysis the
best tap is picked by the data, so the family is all pairs of taps, though only those with the best are told.

Few groups make a bootstrap too sure: se is scaled by sqrt(G / (G - 1)), and the largest strays are put where
Student's t (G - 1) has them; G is the fewest groups of any difference. Below `FEW_GROUPS` the correlations are not
known either, so Bonferroni's correction of Student's t takes the place of max-T. Imports no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamina.errors import LaminaError
from lamina.measures import find_measure
from lamina.records import to_csv
from lamina.runs import Run
from lamina.score import MAJORITY, SHUFFLED, Score, Scores, better
from lamina.stats.inference import FILE, Estimate, Replicates, as_t, few_groups, read_replicates

Floats = NDArray[np.float64]
Kind = tuple[str, str, tuple[str, ...]]  # measure, target, and the ways of reading that do not compare
Found = tuple[Scores, Replicates]
BEST = "best"
HEADER = ("measure", "target", "first", "second", "difference", "95 % of all", "p")
FEW_GROUPS = 20
CAPTION = (
    "intervals hold for all differences of a measure and target at once, within one run for all pairs of taps "
    f"(max-T over paired resamples; Bonferroni and Student's t below {FEW_GROUPS} speakers)"
)
FEWEST = 20


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference ``first - second``.

    Attributes:
        measure, target, way: what was measured, and how if not as usual.
        first, second: ``model tap`` of each side.
        value: the difference.
        low, high: its interval, holding for the whole family at once; None where nothing was resampled.
        p: the share of replicates in which some difference of the family strays as far from its value as this one
            lies from zero (adjusted for the family), by Bonferroni with few groups; None where nothing was
            resampled.
        family: how many differences were corrected for together; within one analysis all pairs of its taps.
        groups: the fewest speakers (groups, folds) that were resampled; 0 where not known.
    """

    measure: str
    target: str
    way: str
    first: str
    second: str
    value: float
    low: float | None
    high: float | None
    p: float | None
    family: int
    groups: int = 0


COLUMNS = tuple(field.name for field in fields(Difference))


@dataclass(frozen=True, slots=True, eq=False)
class _Row:
    """A score with its replicates, how many groups were drawn for them, and the name of the draw."""

    row: Score
    drawn: Floats
    groups: int
    draw: str

    @property
    def place(self) -> str:
        """What is compared by: the tap, or how several were read."""
        return self.row.layers or self.row.tap


@dataclass(frozen=True, slots=True, eq=False)
class _Pair:
    """A difference of a family before it is corrected; not all are told."""

    first: str
    second: str
    value: float
    drawn: Floats
    groups: int
    told: bool = True


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
            target = f"{each.target} ({each.way})" if each.way else each.target
            interval = "" if each.low is None else f"{each.low:+.3f} to {each.high:+.3f}"
            p = "" if each.p is None else f"{each.p:.3f}"
            made.append((each.measure, target, each.first, each.second, f"{each.value:+.3f}", interval, p))
        return made

    def to_csv(self) -> str:
        """Comma-separated values with a header line."""
        return to_csv(self, COLUMNS)

    def to_pandas(self) -> Any:
        """A pandas data frame, one row a difference (needs pandas)."""
        import pandas

        return pandas.DataFrame([asdict(each) for each in self], columns=list(COLUMNS))


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
    families: dict[Kind, list[_Pair]] = {}
    by_kind, named = [_sides(*each) for each in found], _names(found)
    for kind in by_kind[0]:
        if not all(kind in each for each in by_kind):
            continue
        sides = [each[kind] for each in by_kind]
        if len(sides) == 1:
            differences = _within(sides[0], named[0], kind[0])
        else:
            differences = [
                each
                for one, other in combinations(range(len(sides)), 2)
                for each in _between(sides[one], sides[other], named[one], named[other], kind[0])
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
            raise LaminaError(
                f"{folder} is no finished analysis or probe: `lamina analyze … --out` or `lamina probe … --out` "
                "makes one"
            )
        corpora.add(run.inputs.get("corpus", ""))
        scores = Scores.read(folder / "scores.jsonl").select(lambda row: bool(row.place))
        for column, wanted in (("measure", measures), ("target", targets)):
            if wanted is not None:
                there = scores.distinct(column)
                if unknown := [name for name in wanted if name not in there]:
                    raise LaminaError(
                        f"{folder} has no {column} {unknown[0]!r}; it has {', '.join(there) or 'none'}"
                    )
                kept: dict[str, Any] = {column: tuple(wanted)}
                scores = scores.select(**kept)
        if not len(scores):
            raise LaminaError(f"{folder} has no scores of these measures and targets together")
        found.append((scores, read_replicates(folder)))
    if len(corpora) > 1:
        raise LaminaError("these runs were scored on different corpora: only runs on one corpus are paired")
    return compare(found)


def _sides(scores: Scores, replicates: Replicates) -> dict[Kind, list[_Row]]:
    """The rows that can be compared, by kind: of a place in a model, no null and no majority."""
    found: dict[Kind, list[_Row]] = {}
    for row in scores:
        key = row.key
        if row.place and row.control not in {SHUFFLED, MAJORITY} and key in replicates:
            _protocol, _split, *way = row.way  # what these two say must agree, or it is told
            kept = _Row(row, replicates[key], replicates.groups[key], replicates.draws[key])
            found.setdefault((row.measure, row.target, tuple(way)), []).append(kept)
    return found


def _names(found: Sequence[Found]) -> list[str]:
    """What tells the analyses apart: models, else runs, else numbers."""
    for column in ("model", "run"):
        names = [str(getattr(scores[0], column)) for scores, _ in found]
        if len(set(names)) == len(names):
            return names
    return [f"{scores[0].model}#{number}" for number, (scores, _) in enumerate(found, 1)]


def _within(side: list[_Row], name: str, measure: str) -> list[_Pair]:
    """All pairs of taps; told is every tap less the best one, which the data picked."""
    if len(side) < 2:
        return []
    best = _pick(measure)(_behind(side), key=lambda each: each.row.value)
    others = [each for each in side if each is not best]
    told = [_less(each, best, name, name) for each in others]
    return told + [_less(one, other, name, name, told=False) for one, other in combinations(others, 2)]


def _between(one: list[_Row], other: list[_Row], first: str, second: str, measure: str) -> list[_Pair]:
    _check_paired(one, other, first, second)
    there = {each.place: each for each in other}
    made = [_less(each, there[each.place], first, second) for each in one if each.place in there]
    (value, drawn), (less, again) = _best(one, measure), _best(other, measure)
    if len(one) > 1 or len(other) > 1 or not made:
        groups = min(each.groups for each in (*one, *other))
        made.append(_Pair(f"{first} {BEST}", f"{second} {BEST}", value - less, drawn - again, groups))
    return made


def _less(one: _Row, other: _Row, first: str, second: str, *, told: bool = True) -> _Pair:
    return _Pair(
        f"{first} {one.place}",
        f"{second} {other.place}",
        one.row.value - other.row.value,
        one.drawn - other.drawn,
        min(one.groups, other.groups),
        told,
    )


def _behind(side: list[_Row]) -> list[_Row]:
    """The taps behind the front end; all where there is none."""
    return [each for each in side if each.row.depth > 0] or side


def _best(side: list[_Row], measure: str) -> tuple[float, Floats]:
    values = np.array([each.row.value for each in _behind(side)])
    drawn = np.array([each.drawn for each in _behind(side)])
    pick = np.min if _pick(measure) is min else np.max
    return float(pick(values)), pick(drawn, 0)


def _pick(measure: str) -> Callable[..., Any]:
    """``min`` or ``max``; of measures that only describe, the largest."""
    return max if find_measure(measure).better == "neither" else better(measure)


def _check_paired(one: list[_Row], other: list[_Row], first: str, second: str) -> None:
    for name in ("split", "protocol"):
        sides = [{getattr(each.row, name) for each in side} for side in (one, other)]
        if sides[0] != sides[1]:
            raise LaminaError(
                f"{first} and {second} were not scored alike ({name}: {', '.join(map(str, sides[0]))} and "
                f"{', '.join(map(str, sides[1]))}): analyse them with the same settings"
            )
    counts = [{each.row.n for each in side} for side in (one, other)]
    told = [" and ".join(map(str, sorted(each))) for each in counts]
    if one[0].row.support != "native" and counts[0] != counts[1]:
        raise LaminaError(
            f"{first} and {second} were scored on {told[0]} and on {told[1]} items of {one[0].row.target}: not "
            "all have a frame of both. Run either again with `--beside` and the name of the other encoder"
        )
    if len({each.drawn.shape for each in (*one, *other)}) > 1:
        raise LaminaError(f"{first} and {second} have different numbers of replicates: analyse them alike")
    if len({each.draw for each in (*one, *other)}) > 1:
        raise LaminaError(
            f"{first} and {second} were resampled otherwise (another seed, or other speakers scored), so their "
            "differences are not paired: analyse them with one seed on one corpus"
        )


def _corrected(kind: Kind, pairs: Sequence[_Pair], level: float) -> list[Difference]:
    drawn = np.array([pair.drawn for pair in pairs])
    drawn = drawn[:, np.isfinite(drawn).all(0)]
    groups = min(pair.groups for pair in pairs)
    ends: list[tuple[float | None, float | None, float | None]] = [(None, None, None)] * len(pairs)
    if drawn.shape[1] >= FEWEST:
        spread = np.maximum(drawn.std(1, ddof=1), 1e-12)
        errors = (spread * few_groups(groups)).tolist()
        if 0 < groups < FEW_GROUPS:
            ends = [
                _bonferroni(Estimate(pair.value, error, groups - 1), len(pairs), level)
                for pair, error in zip(pairs, errors, strict=True)
            ]
        else:
            # About their own mean: a maximum over taps, chosen anew, lies above the value.
            strays = np.abs(drawn - drawn.mean(1, keepdims=True)) / spread[:, None]
            largest = as_t(strays.max(0), groups)
            wide = float(np.quantile(largest, level))
            ends = [
                (
                    pair.value - wide * error,
                    pair.value + wide * error,
                    float((1 + (largest >= abs(pair.value) / error).sum()) / (1 + len(largest))),
                )
                for pair, error in zip(pairs, errors, strict=True)
            ]
    measure, target, (_, *way) = kind
    said = ", ".join(filter(None, way))
    return [
        Difference(measure, target, said, pair.first, pair.second, pair.value, low, high, p, len(pairs), groups)
        for pair, (low, high, p) in zip(pairs, ends, strict=True)
        if pair.told
    ]


def _bonferroni(found: Estimate, family: int, level: float) -> tuple[float | None, float | None, float | None]:
    low, high = found.interval(1 - (1 - level) / family)
    return low, high, min(1.0, 2 * family * min(found.p_above(0), found.p_below(0)))
