"""The hierarchy: which level of language peaks at which depth, and at which rate."""

from __future__ import annotations

import html
import re

from lamina.report.chart import AXIS, Chart, Drawing, Entry, Spec, choice, layout, left_margin
from lamina.report.curves import hover, series, strips
from lamina.report.forest import heading
from lamina.report.style import SECONDARY, SHAPES, by_level, measure_label, number, place
from lamina.report.style import shapes as shapes_of
from lamina.report.view import Curve, Picture, Point, View
from lamina.score import LAYERS, Scores

ROW, HEAD = 18, 26  # pixels of a model's row and of the heading of a target
CAPTION = (
    "A marker is the layer where an encoder's value is best; its shape is the frame period there. The line joins "
    "the neighbouring layers whose value lies within the best one's interval: as good, as far as these speakers "
    "tell. Grey boxes are the encoder's blocks, the slower the darker. Between targets only places are compared, "
    "not values."
)


def chart(view: View, key: tuple[Entry, ...]) -> Chart | None:
    """A drawing a measure; None where no measure has two targets with curves."""
    places = list(dict.fromkeys((measure, support) for support in _supports(view) for measure in _levels(view)))
    groups = {(measure, support): _levels(view, support)[measure] for measure, support in places}
    asked = sorted((key_ for key_ in groups if len(groups[key_]) > 1), key=lambda key_: key_[0] in SECONDARY)
    if not asked:
        return None
    drawings = tuple(_drawing(chosen, groups[chosen], view, lead=chosen == asked[0]) for chosen in asked)
    models = {series(curve) for picture in view.pictures for curve in picture.of("model")}
    shown = tuple(entry for entry in key if entry.series in models or entry.symbol)
    choices = (
        choice("Measure", (measure for measure, _ in asked), measure_label),
        choice("Items", (support for _, support in asked)),
    )
    return Chart("hierarchy", "Which level of language peaks where", "", choices, drawings, shown)


def _supports(view: View) -> list[str]:
    """The supports between which a reader can choose; one empty one where there is no choice."""
    found: dict[tuple[str, str], list[str]] = {}
    for picture in view.pictures:
        if picture.target and picture.of("model"):
            found.setdefault((picture.measure, picture.target), []).append(picture.support)
    return list(
        dict.fromkeys(each for several in found.values() if len(set(several)) > 1 for each in several)
    ) or [""]


def _levels(view: View, support: str = "") -> dict[str, list[Picture]]:
    """A picture a target, from the sound up, by measure: of this support where there is one, else the first."""
    found: dict[str, dict[str, Picture]] = {}
    for picture in sorted(view.pictures, key=lambda picture: picture.support != support):
        # Where a weighted sum weighs most is not where a target is known best.
        if picture.target and picture.of("model") and picture.measure not in LAYERS:
            found.setdefault(picture.measure, {}).setdefault(picture.target, picture)
    return {measure: [by[target] for target in by_level(by)] for measure, by in found.items()}


def plateau(curve: Curve) -> tuple[Point, Point]:
    """The first and last of the neighbouring layers that are as good as the best, as far as its interval tells."""
    best, layers = curve.best, [point for point in curve.points if point.depth > 0] or list(curve.points)
    bound = best.high if curve.falling else best.low
    at = first = last = layers.index(best)

    def good(point: Point) -> bool:
        return bound is not None and (point.value <= bound if curve.falling else point.value >= bound)

    while first > 0 and good(layers[first - 1]):
        first -= 1
    while last + 1 < len(layers) and good(layers[last + 1]):
        last += 1
    return (layers[first], layers[last]) if bound is not None else (layers[at], layers[at])


def _drawing(chosen: tuple[str, str], pictures: list[Picture], view: View, *, lead: bool) -> Drawing:
    measure, support = chosen
    name = measure_label(measure)
    said = [
        f"{picture.target}: "
        + ", ".join(
            f"{curve.label} at {place(curve.best.tap, curve.best.period_ms)}" for curve in picture.of("model")
        )
        for picture in pictures
    ]
    bests = {(picture.slug, curve.model, curve.best.tap) for picture in pictures for curve in picture.of("model")}
    rows = Scores(
        row
        for picture in pictures
        for row in picture.rows
        if not row.control and (picture.slug, row.model, row.tap) in bests
    )
    return Drawing(
        chosen,
        "-".join(part for part in ("peaks", measure, re.sub(r"[^a-z0-9]+", "-", support.lower())) if part),
        f"Where {name} is best, by target",
        CAPTION,
        f"Where {name} is best. {'; '.join(said)}.",
        _plot(pictures, view),
        rows,
        lead,
    )


def _plot(pictures: list[Picture], view: View) -> Spec:
    shape = shapes_of(view.periods)
    curves = [(picture, curve) for picture in pictures for curve in picture.of("model")]
    depths = [point.depth for _, curve in curves for point in curve.points]
    across = (min(depths) - 0.6, max(depths) + 0.6)
    data: list[Spec] = []
    boxes: list[Spec] = []
    notes: list[Spec] = []
    ticks: list[tuple[float, str]] = []
    at = 0.0
    for picture in pictures:
        note = heading(at + HEAD / ROW / 2)
        notes.append(
            {**note, "text": f"<b>{html.escape(picture.target)}</b>", "font": {"size": 13, "color": "ink"}}
        )
        at += HEAD / ROW
        for curve in picture.of("model"):
            boxes += strips([curve], view, across, [at], "y")[0]
            data += _row(curve, view, at + 0.5, shape)
            ticks.append((at + 0.5, curve.model))
            at += 1
    labels = [label for _, label in ticks]
    return {
        "data": data,
        "layout": layout(
            int(at * ROW) + 60,
            left_margin(labels),
            14,
            xaxis={**AXIS, "range": list(across), "dtick": 1, "title": "depth along the data flow"},
            yaxis={
                **AXIS,
                "range": [at, 0],
                "tickvals": [where for where, _ in ticks],
                "ticktext": [label if len(label) <= 20 else label[:19] + "…" for label in labels],
                "showgrid": False,
            },
            shapes=boxes,
            annotations=notes,
        ),
        "labels": [],
    }


def _row(curve: Curve, view: View, at: float, shape: dict[float, int]) -> list[Spec]:
    line, best = view.line(curve), curve.best
    first, last = plateau(curve)
    same = {"type": "scatter", "meta": series(curve), "name": curve.label}
    span = {
        **same,
        "mode": "lines",
        "x": [first.depth, last.depth],
        "y": [at, at],
        "hoverinfo": "skip",
        "line": {"color": line.name, "width": 3, "dash": "solid"},
    }
    also = f"<br>as good: {html.escape(first.tap)} to {html.escape(last.tap)}" if first != last else ""
    peak = {
        **same,
        "mode": "markers",
        "x": [best.depth],
        "y": [at],
        "text": [hover(curve.label, best) + also],
        "hoverinfo": "text",
        "marker": {
            "color": line.name,
            "symbol": [SHAPES[shape[best.period_ms]][0]],
            "size": 11,
            "line": {"color": "paper", "width": 1},
        },
    }
    return [span, peak]


def sentences(view: View) -> list[str]:
    """A sentence on the first measure of several targets: the order of its peaks, as the median share of depth."""
    groups = {measure: found for measure, found in _levels(view).items() if measure not in SECONDARY}
    measure = next((name for name in groups if len(groups[name]) > 1), "")
    said = []
    for picture in groups.get(measure, []):
        curves = picture.of("model")
        shares = sorted(curve.best.depth / max(1, curve.points[-1].depth) for curve in curves)
        middle = (shares[(len(shares) - 1) // 2] + shares[len(shares) // 2]) / 2
        slow = sum(curve.best.period_ms > min(point.period_ms for point in curve.points) for curve in curves)
        able = sum(len({point.period_ms for point in curve.points}) > 1 for curve in curves)
        rate = f" (at a slower rate in {slow} of {able} encoders that have one)" if able else ""
        if len(curves) == 1:
            rate = f", {place(curves[0].best.tap, curves[0].best.period_ms)}"
        said.append(f"{picture.target} at {number(100 * middle).split('.')[0]} % of the depth{rate}")
    if not said:
        return []
    many = any(len(picture.of("model")) > 1 for picture in groups[measure])
    single = all(curve.best.seeds == 1 for picture in groups[measure] for curve in picture.of("model"))
    told = [text for text, holds in (("median over encoders", many), ("one seed", single)) if holds]
    over = f" ({', '.join(told)})" if told else ""
    return [f"Where {measure_label(measure)} is best behind the front end{over}: {'; '.join(said)}."]
