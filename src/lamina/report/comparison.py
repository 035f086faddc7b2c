"""Curves under one set of rules: which rows compare, and what tells them apart.

- A row of a tap is a point of a curve; ``control`` says of which kind (a model, its untrained twin, a null).
- A model that has one tap everywhere (mel, MFCC, units) is a reference, drawn as a level line; so is the commonest
  class (``control`` is ``majority``).

Where a model was trained with several seeds (several rows of one model at one tap), a point is their mean and its
interval their range.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from lamina.effect import Effect
from lamina.files import file_name
from lamina.markup import shortened
from lamina.measures import Measure, find_measure
from lamina.report.wording import interval, number, place, score_name
from lamina.score import MAJORITY, SHUFFLED, UNTRAINED, Score, Scores, better

Way = tuple[str, ...]
# How a row was read (`Score.way` without the length of audio, `Score.layers`): in full, and where it is usual.
WAYS = (
    ("protocol {}", "no protocol"),
    ("split {}", "no split"),
    ("{} support", "all items"),
    ("pooling {}", "all frames"),
    ("decimated to the coarsest rate", "own rate"),
    ("{} head", "no head"),
    ("{}", "as usual"),
    ("{} layers", "one layer"),
)


@dataclass(frozen=True, slots=True)
class Point:
    """One place of one model in one comparison; ``seeds`` rows were averaged, ``row`` is the first of them."""

    row: Score
    value: float
    low: float | None
    high: float | None
    seeds: int

    @property
    def depth(self) -> int:
        """Along the data flow, 0 at the front."""
        return self.row.depth

    @property
    def period_ms(self) -> float:
        """From one frame to the next."""
        return self.row.period_ms

    @property
    def where(self) -> str:
        """The place and its frame period, such as ``mid40.1 (40 ms)``."""
        return place(self.row.place, self.period_ms)


@dataclass(frozen=True, slots=True)
class Curve:
    """One model in one comparison; ``kind`` is ``model``, ``reference``, ``untrained`` or ``null``."""

    model: str
    kind: str
    points: tuple[Point, ...]
    measure: Measure

    @property
    def layers(self) -> tuple[Point, ...]:
        """The points behind the front end, which is no layer; all of a model that has no other."""
        return tuple(point for point in self.points if point.depth > 0) or self.points

    @property
    def best(self) -> Point:
        """The layer of the best value.

        Raises:
            LaminaError: no value of the measure is better than another.
        """
        found: Point = better(self.measure.name)(self.layers, key=lambda point: point.value)
        return found

    @property
    def label(self) -> str:
        """The model's name for a key."""
        return named(self.model, UNTRAINED if self.kind == UNTRAINED else "")

    @property
    def series(self) -> str:
        """What a key's button shows and hides: all that is drawn of one model and kind."""
        return f"{self.kind}:{self.model}"

    @property
    def blocks(self) -> list[tuple[str, float, int, int]]:
        """Stretches of taps in one block at one period: block, period, first and last depth."""
        found: list[tuple[str, float, int, int]] = []
        for point in self.points:
            if found and found[-1][:2] == (point.row.block, point.period_ms):
                found[-1] = (*found[-1][:3], point.depth)
            else:
                found.append((point.row.block, point.period_ms, point.depth, point.depth))
        return found


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything measured by one measure against one target under the same rules.

    Attributes:
        measure, target: what was measured against what.
        way: by which rules.
        rules: those of them that set it apart from others of this measure and target; empty where there are none.
        slug: names its files.
        curves: the models.
        rows: behind them.
    """

    measure: Measure
    target: str
    way: Way
    rules: str
    slug: str
    curves: tuple[Curve, ...]
    rows: Scores

    @property
    def name(self) -> str:
        """What is measured against what."""
        return score_name(self.measure.name, self.target)

    @property
    def title(self) -> str:
        """The name, and the rules where there are several comparisons of that name."""
        return f"{self.name} ({self.rules})" if self.rules else self.name

    @property
    def ranked(self) -> bool:
        """Whether one value is better than another."""
        return self.measure.better != "neither"

    @property
    def extreme(self) -> str:
        """What the best value is, in a word."""
        return "lowest" if self.measure.better == "lower" else "highest"

    def of(self, *kinds: str) -> list[Curve]:
        """The curves of these kinds, in order."""
        return [curve for curve in self.curves if curve.kind in kinds]

    def lead(self, *kinds: str, but: str = "") -> Curve | None:
        """The curve of the best value among these kinds, without the model ``but``; None where there is none."""
        found = {curve: curve.best.value for curve in self.of(*kinds) if not but or curve.model != but}
        return better(self.measure.name)(found, key=found.__getitem__, default=None)  # type: ignore[no-any-return]


def named(model: str, control: str) -> str:
    """A model's name with its control, where the name does not say it."""
    name = shortened(model)
    return f"{name} ({shortened(control)})" if control and control not in model else name


def way_of(row: Score | Effect) -> Way:
    """By which rules a row was read, as `WAYS` tells them."""
    usual = "" if row.pooling == "all" else row.pooling
    matched = "matched" if row.matched else ""
    return (row.protocol, row.split, row.support, usual, matched, row.head, row.setting, row.layers)


def rules_in_words(way: Way) -> str:
    """All rules, in words."""
    said = (template.format(shortened(rule)) for (template, _), rule in zip(WAYS, way, strict=True) if rule)
    return ", ".join(said)


def apart(ways: Iterable[tuple[object, Way]]) -> list[int]:
    """Which rules tell rows apart that are otherwise alike: places in a `Way`, of rows with what they are of."""
    found: dict[object, list[Way]] = {}
    for of, way in ways:
        found.setdefault(of, []).append(way)
    return [
        place
        for place in range(len(WAYS))
        if any(len({way[place] for way in each}) > 1 for each in found.values())
    ]


def rules(way: Way, places: Iterable[int]) -> str:
    """Those rules, in few words."""
    return ", ".join(shortened(way[place]) or WAYS[place][1] for place in places)


def grouped(rows: Scores, majority: Scores) -> dict[tuple[str, str, Way], list[Score]]:
    """Rows a comparison: one measure and target under one set of rules."""
    groups: dict[tuple[str, str, Way], list[Score]] = {}
    for row in rows:
        groups.setdefault((row.measure, row.target, way_of(row)), []).append(row)
    for row in majority:
        # The commonest class needs no head and no frames: it is in the comparisons of all, and makes none.
        for (measure, target, way), found in groups.items():
            if (measure, target, *way[:2]) == (row.measure, row.target, row.protocol, row.split):
                found.append(row)
    return groups


def comparisons(groups: Mapping[tuple[str, str, Way], list[Score]], points: Scores) -> tuple[Comparison, ...]:
    """The groups as comparisons; a model of ``points`` that has one tap in all of them is a reference."""
    taps: dict[str, set[str]] = {}
    for row in points.select(control=""):
        taps.setdefault(row.model, set()).add(row.tap)
    references = frozenset(model for model, found in taps.items() if len(found) == 1)
    places = apart(((measure, target), way) for measure, target, way in groups)
    several = Counter(key[:2] for key in groups)
    made = []
    for (measure, target, way), rows in groups.items():
        told = rules(way, places) if several[measure, target] > 1 else ""
        slug = file_name("-".join(filter(None, (measure, target, told))).replace(", ", "-"))
        curves = _curves(rows, references, find_measure(measure))
        made.append(Comparison(find_measure(measure), target, way, told, slug, curves, Scores(rows)))
    return tuple(made)


def _curves(rows: Sequence[Score], references: frozenset[str], measure: Measure) -> tuple[Curve, ...]:
    models: dict[tuple[str, str], dict[str, list[Score]]] = {}
    for row in rows:
        models.setdefault((row.model, row.control), {}).setdefault(row.tap, []).append(row)
    curves = []
    for (model, control), taps in models.items():
        level = control == MAJORITY or model in references
        kind = {UNTRAINED: UNTRAINED, SHUFFLED: "null"}.get(control, "reference" if level else "model")
        points = sorted(map(averaged, taps.values()), key=lambda point: point.depth)
        curves.append(Curve(model, kind, tuple(points), measure))
    return tuple(curves)


def averaged(rows: Iterable[Score]) -> Point:
    """Rows of one place as one point."""
    # Two runs may both have measured a baseline that they share: that is one measurement.
    found = list(dict.fromkeys(replace(row, run="") for row in rows))
    first, values = found[0], [row.value for row in found]
    low, high = (first.low, first.high) if len(found) == 1 else (min(values), max(values))
    return Point(first, sum(values) / len(values), low, high, len(found))


def hover(label: str, point: Point) -> str:
    """What a reader sees on a point, a line each: model, place, value with interval, count."""
    said = [label, f"{point.where}, depth {point.depth}"] if point.row.tap else [label]
    said.append(number(point.value) + interval(point.low, point.high))
    if point.seeds > 1:
        said.append(f"mean and range of {point.seeds} runs")
    if point.row.n:
        said.append(f"n = {point.row.n:,} {point.row.items}".strip())
    return "\n".join(said)
