"""From scores to pictures: which rows are curves, references, controls and nulls, and where blocks begin.

Rows are told apart by their columns alone:

- curves: ``tap`` is set and the measure is no cost; ``control`` is empty, ``untrained`` or ``shuffled``;
- references: models with a single tap (mel, MFCC, units), drawn as level lines;
- effects: ``unit`` is ``difference``, ``model`` is ``effect:<factor>``; ``tap`` says where they are read:
  ``best``, ``matched``, ``mean``, or ``layer``, at the layer that ``depth`` says;
- costs: ``measure`` is one of `COSTS`;
- probes on a sum of layers, or on the one that was chosen: ``tap`` is ``weighted`` or ``chosen``;
- of whole encoders: other rows without a tap, and ``masked-accuracy``.

Where a model was trained with several seeds (several rows of one model at one tap), a point is their mean and its
interval their range.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from itertools import pairwise

from lamina.report.style import NULL, REFERENCE, UNTRAINED, Line, falling, lines, score_name
from lamina.score import MAJORITY, SUMS, Score, Scores

COSTS = ("parameters", "macs", "macs-attention", "speed", "peak-memory", "train-speed", "train-memory")
MASKED = "masked-accuracy"


@dataclass(frozen=True, slots=True)
class Point:
    """One tap of one model in one picture; ``seeds`` rows were averaged."""

    tap: str
    depth: int
    period_ms: float
    value: float
    low: float | None
    high: float | None
    n: int
    seeds: int

    @property
    def block(self) -> str:
        """The kind of block, the tap's name without rate and number: ``enc`` for ``enc20.3``."""
        head = self.tap.split(".")[0]
        return re.sub(r"\d+$", "", head) or head


@dataclass(frozen=True, slots=True)
class Curve:
    """One model in one picture; ``kind`` is ``model``, ``reference``, ``untrained`` or ``null``."""

    model: str
    kind: str
    points: tuple[Point, ...]
    falling: bool = False  # whether less is better

    @property
    def best(self) -> Point:
        """The layer of the best value; the front end is no layer."""
        layers = [point for point in self.points if point.depth > 0] or self.points
        return (min if self.falling else max)(layers, key=lambda point: point.value)

    @property
    def label(self) -> str:
        """The model's name for a key."""
        return (
            f"{self.model} (untrained)"
            if self.kind == "untrained" and "untrained" not in self.model
            else self.model
        )

    @property
    def runs(self) -> list[tuple[str, float, int, int]]:
        """Stretches of taps in one block at one period: block, period, first and last depth."""
        found: list[tuple[str, float, int, int]] = []
        for point in self.points:
            if found and found[-1][:2] == (point.block, point.period_ms):
                found[-1] = (*found[-1][:3], point.depth)
            else:
                found.append((point.block, point.period_ms, point.depth, point.depth))
        return found


@dataclass(frozen=True, slots=True)
class Picture:
    """Everything measured by one measure against one target under the same rules; ``slug`` names files."""

    measure: str
    target: str
    protocol: str
    support: str
    split: str
    slug: str
    curves: tuple[Curve, ...]
    rows: Scores

    @property
    def title(self) -> str:
        """What is measured against what."""
        return score_name(self.measure, self.target)

    @property
    def rules(self) -> str:
        """Protocol, support and split in words."""
        split = self.split if " " in self.split else f"split {self.split}"
        said = (f"protocol {self.protocol}", f"{self.support} support", split)
        have = (self.protocol, self.support, self.split)
        return ", ".join(text for text, value in zip(said, have, strict=True) if value)

    @property
    def falling(self) -> bool:
        """Whether a lower value is the better one."""
        return any(curve.falling for curve in self.curves)

    def of(self, *kinds: str) -> list[Curve]:
        """The curves of these kinds, in order."""
        return [curve for curve in self.curves if curve.kind in kinds]


@dataclass(frozen=True, slots=True)
class View:
    """All that a page shows."""

    pictures: tuple[Picture, ...]
    effects: Scores
    layered: Scores  # effects at single layers
    costs: Scores
    sums: Scores  # probes that read no single layer, and the most frequent class where no picture shows it
    whole: Scores  # scores of whole encoders and masked prediction, which no picture of layers shows
    lines: dict[str, Line]
    periods: tuple[float, ...]  # of the curves, the finest first

    def line(self, curve: Curve) -> Line:
        """How ``curve`` is drawn."""
        return {"untrained": UNTRAINED, "reference": REFERENCE, "null": NULL}.get(curve.kind) or self.lines[
            curve.model
        ]


def is_curve(row: Score) -> bool:
    """Whether a row belongs to a layer-wise picture."""
    return (
        bool(row.tap) and row.tap not in SUMS and row.unit != "difference" and row.measure not in (*COSTS, MASKED)
    )


def is_effect(row: Score) -> bool:
    """Whether a row is the effect of a factor."""
    return row.unit == "difference" and row.model.startswith("effect:")


def view(scores: Scores) -> View:
    """Sort scores into pictures and tables.

    Args:
        scores: any rows; those of no known kind are only in the downloads.
    """
    groups = _groups(scores.select(is_curve))
    drawn = {row for rows in groups.values() for row in rows}
    slugs = _slugs(list(groups))
    pictures = tuple(Picture(*key, slugs[key], _curves(rows), Scores(rows)) for key, rows in groups.items())
    curves = [curve for picture in pictures for curve in picture.of("model", "untrained")]
    periods = {point.period_ms for curve in curves for point in curve.points}
    return View(
        pictures,
        scores.select(lambda row: is_effect(row) and row.tap != "layer"),
        scores.select(lambda row: is_effect(row) and row.tap == "layer"),
        scores.select(lambda row: row.measure in COSTS and row.unit != "difference"),
        scores.select(
            lambda row: (
                row.unit != "difference" and (row.tap in SUMS or (row.model == MAJORITY and row not in drawn))
            )
        ),
        scores.select(
            lambda row: (
                row.unit != "difference" and (row.measure == MASKED or (not row.tap and row.measure not in COSTS))
            )
        ),
        lines(list(dict.fromkeys(curve.model for curve in curves if curve.kind == "model"))),
        tuple(sorted(periods)),
    )


def _groups(rows: Scores) -> dict[tuple[str, str, str, str, str], list[Score]]:
    """Rows a picture: one measure and target under one set of rules."""
    groups: dict[tuple[str, str, str, str, str], list[Score]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: row.model == MAJORITY):
        key = (row.measure, row.target, row.protocol, row.support, row.split)
        # The most frequent class needs no head: it is a reference in the pictures of all heads, and of none alone.
        peers = [other for other in groups if (*other[:3], other[4]) == (*key[:3], key[4])]
        for place in peers if row.model == MAJORITY else [key]:
            groups[place].append(row)
    return groups


def _slugs(keys: list[tuple[str, str, str, str, str]]) -> dict[tuple[str, str, str, str, str], str]:
    """A short name a picture for files and anchors: measure and target, and the rules where they differ."""
    short = Counter(key[:2] for key in keys)
    named = {key: "-".join(part for part in (key if short[key[:2]] > 1 else key[:2]) if part) for key in keys}
    return {key: re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") for key, name in named.items()}


def _curves(rows: list[Score]) -> tuple[Curve, ...]:
    models: dict[tuple[str, str], dict[str, list[Score]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        models[row.model, row.control][row.tap].append(row)
    curves = []
    for (model, control), taps in models.items():
        kind = {"untrained": "untrained", "shuffled": "null"}.get(
            control, "model" if len(taps) > 1 else "reference"
        )
        points = sorted((_point(found) for found in taps.values()), key=lambda point: point.depth)
        curves.append(Curve(model, kind, tuple(points), falling(rows[0].measure)))
    return tuple(curves)


def _point(rows: list[Score]) -> Point:
    # Two runs may both have measured a baseline that they share: that is one measurement.
    rows = list(dict.fromkeys(replace(row, run="") for row in rows))
    first = rows[0]
    values = [row.value for row in rows]
    low, high = (first.low, first.high) if len(rows) == 1 else (min(values), max(values))
    value = sum(values) / len(values)
    return Point(first.tap, first.depth, first.period_ms, value, low, high, first.n, len(rows))


def null_band(picture: Picture) -> list[tuple[int, float, float]]:
    """Depth, lowest and highest value with shuffled labels over all models with several taps (or all, if none)."""
    nulls = [curve for curve in picture.of("null") if len(curve.points) > 1] or picture.of("null")
    at: dict[int, list[float]] = defaultdict(list)
    for curve in nulls:
        for point in curve.points:
            at[point.depth] += [value for value in (point.low, point.value, point.high) if value is not None]
    return [(depth, min(values), max(values)) for depth, values in sorted(at.items())]


def depth_range(picture: Picture) -> tuple[float, float]:
    """The x axis: half a tap around all curves; a unit around nothing but references."""
    depths = [point.depth for curve in picture.of("model", "untrained") for point in curve.points]
    return (min(depths) - 0.5, max(depths) + 0.5) if depths else (-0.5, 0.5)


def value_range(picture: Picture) -> tuple[float, float]:
    """The y axis: from zero, or below where values are, to a little above the highest value or interval."""
    values = [0.0]
    for curve in picture.curves:
        for point in curve.points:
            values += [value for value in (point.low, point.value, point.high) if value is not None]
    low, high = min(values), max(values)
    room = (high - low) * 0.06
    return (low - room if low < 0 else 0.0, high + room if high > 0 else 1.0)


def spread(places: list[float], least: float, bottom: float, top: float) -> list[float]:
    """Move labels apart until neighbours are ``least`` away, inside [bottom, top] where there is room."""
    order = sorted(range(len(places)), key=places.__getitem__)
    moved = list(places)
    for _ in range(60):
        for below, above in pairwise(order):
            gap = moved[above] - moved[below]
            if gap < least:
                moved[below] -= (least - gap) / 2
                moved[above] += (least - gap) / 2
        for index in order:
            moved[index] = min(max(moved[index], bottom), top)
    return moved
