"""Quality against cost: a point an encoder."""

from __future__ import annotations

import html
import statistics
from dataclasses import replace

from lamina.report.chart import AXIS, Chart, Choice, Drawing, Entry, Spec, choice, layout
from lamina.report.curves import series
from lamina.report.style import PROBES, SECONDARY, SHAPES, falling, measure_label, number, period, place, quantity
from lamina.report.style import shapes as shapes_of
from lamina.report.view import COSTS, Curve, Picture, View, spread
from lamina.score import Score, Scores

HEIGHT = 400  # pixels
Cost = tuple[str, str]  # measure and length of audio


def chart(view: View, key: tuple[Entry, ...]) -> Chart | None:
    """A drawing a cost and picture; None where no encoder has both."""
    costs = _costs(view)
    pictures = _qualities(view)
    drawings = [
        drawing
        for cost in costs
        for picture in pictures
        if (drawing := _drawing(cost, picture, costs[cost], view, several=_several(picture, pictures))) is not None
    ]
    if not drawings:
        return None
    preferred = next((drawing for drawing in drawings if "phone" in drawing.title), drawings[0])
    drawings.sort(key=lambda drawing: drawing is not preferred)
    drawings[0] = replace(preferred, lead=True)
    costs_, quality = zip(*(drawing.chosen for drawing in drawings), strict=True)
    names = {_name(cost): _label(cost) for cost in costs}
    choices = (
        Choice("Cost", tuple((name, names[name]) for name in names if name in costs_)),
        choice("Quality", dict.fromkeys(sorted(quality, key=lambda text: text != preferred.chosen[1]))),
    )
    models = {series(curve) for picture in pictures for curve in picture.of("model")}
    shown = tuple(entry for entry in key if entry.series in models or entry.symbol)
    return Chart("tradeoff", "Quality against cost", "", choices, tuple(drawings), shown)


def _qualities(view: View) -> list[Picture]:
    """The first measure of every target, and all probes."""
    found: dict[str, Picture] = {}
    for picture in view.pictures:
        if picture.of("model") and picture.measure not in SECONDARY:
            probe = picture.measure in PROBES or falling(picture.measure)
            found.setdefault(picture.slug if probe else picture.target, picture)
    return list(found.values())


def _several(picture: Picture, pictures: list[Picture]) -> bool:
    return sum((one.measure, one.target) == (picture.measure, picture.target) for one in pictures) > 1


def _costs(view: View) -> dict[Cost, dict[str, list[Score]]]:
    """Rows of whole encoders by cost and model, the longest audio of each measure."""
    found: dict[Cost, dict[str, list[Score]]] = {}
    for row in view.costs:
        if not row.tap:
            found.setdefault((row.measure, row.target), {}).setdefault(row.model, []).append(row)
    order = sorted(found, key=lambda cost: (COSTS.index(cost[0]), -seconds(cost[1])))
    longest: dict[str, Cost] = {}
    for cost in order:
        longest.setdefault(cost[0], cost)
    by_use = sorted(longest.values(), key=lambda cost: cost[0] == "parameters")
    return {cost: found[cost] for cost in by_use}


def seconds(target: str) -> float:
    """The length of audio that a cost is of; 0 where it is of none."""
    try:
        return float(target.split(maxsplit=1)[0])
    except (ValueError, IndexError):
        return 0.0


def _name(cost: Cost) -> str:
    return "-".join(part for part in cost if part)


def _label(cost: Cost) -> str:
    return f"{measure_label(cost[0])} of {cost[1]} of audio" if cost[1] else measure_label(cost[0])


def _drawing(
    cost: Cost, picture: Picture, costs: dict[str, list[Score]], view: View, *, several: bool
) -> Drawing | None:
    curves = [curve for curve in picture.of("model") if curve.model in costs]
    if not curves:
        return None
    across = {curve.model: statistics.median(row.value for row in costs[curve.model]) for curve in curves}
    unit = costs[curves[0].model][0].unit
    said = [
        f"{curve.label}: {quantity(across[curve.model], unit)}, {number(curve.best.value)}" for curve in curves
    ]
    quality = f"{picture.title} ({picture.rules})" if several else picture.title
    rows = Scores(
        [
            *(row for curve in curves for row in costs[curve.model]),
            *(
                row
                for curve in curves
                for row in picture.rows
                if (row.model, row.tap, row.control) == (curve.model, curve.best.tap, "")
            ),
        ]
    )
    return Drawing(
        (_name(cost), quality),
        f"tradeoff-{_name(cost).replace(' ', '')}-{picture.slug}",
        f"{picture.title} against {_label(cost)}",
        f"{picture.title} at each encoder's best layer, with its interval, against {_label(cost)}. The shape of a "
        "marker is the slowest frame period of the encoder.",
        f"{picture.title} against {_label(cost)}. {'; '.join(said)}.",
        _plot(curves, across, unit, cost, picture, view),
        rows,
    )


def _plot(
    curves: list[Curve], across: dict[str, float], unit: str, cost: Cost, picture: Picture, view: View
) -> Spec:
    ends = [
        end for curve in curves for end in (curve.best.low, curve.best.value, curve.best.high) if end is not None
    ]
    room = (max(ends) - min(ends)) * 0.12 or 0.05
    low, high = min(across.values()), max(across.values())
    side = (high - low) * 0.15 or high * 0.1 or 1.0
    axis = {**AXIS, "nticks": 6}
    what = _label(cost) + (f" ({'s of audio a second' if unit == 's/s' else unit})" if unit else "")
    return {
        "data": [_point(curve, across[curve.model], unit, view) for curve in curves],
        "layout": layout(
            HEIGHT,
            62,
            16,
            xaxis={**axis, "range": [low - side, high + side], "title": what, "exponentformat": "SI"},
            yaxis={**axis, "range": [min(ends) - room, max(ends) + room], "title": picture.title},
            shapes=[],
            annotations=_names(curves, across, (min(ends) - room, max(ends) + room), (low + high) / 2),
        ),
        "labels": [],
    }


def _names(curves: list[Curve], across: dict[str, float], up: tuple[float, float], middle: float) -> list[Spec]:
    """The encoders' names beside their points, towards the middle, moved apart where points are close."""
    scale = (HEIGHT - 64) / (up[1] - up[0])
    notes: list[Spec] = []
    for right in (False, True):
        side = [curve for curve in curves if (across[curve.model] > middle) == right]
        wanted = [(curve.best.value - up[0]) * scale for curve in side]
        for curve, want, moved in zip(side, wanted, spread(wanted, 16, 8, HEIGHT - 72), strict=True):
            notes.append(
                {
                    "xref": "x",
                    "yref": "y",
                    "x": across[curve.model],
                    "y": curve.best.value,
                    "xanchor": "right" if right else "left",
                    "xshift": -12 if right else 12,
                    "yshift": moved - want,
                    "text": html.escape(curve.label),
                    "showarrow": False,
                    "font": {"size": 12, "color": "ink"},
                }
            )
    return notes


def _point(curve: Curve, cost: float, unit: str, view: View) -> Spec:
    best, line = curve.best, view.line(curve)
    slowest = max(point.period_ms for point in curve.points)
    text = (
        f"<b>{html.escape(curve.label)}</b><br>{quantity(cost, unit)}<br>{number(best.value)} at "
        f"{html.escape(place(best.tap, best.period_ms))}<br>slowest block {period(slowest)}"
    )
    return {
        "type": "scatter",
        "mode": "markers",
        "name": curve.label,
        "meta": series(curve),
        "x": [cost],
        "y": [best.value],
        "text": [text],
        "hoverinfo": "text",
        "error_y": {
            "type": "data",
            "symmetric": False,
            "array": [0.0 if best.high is None else best.high - best.value],
            "arrayminus": [0.0 if best.low is None else best.value - best.low],
            "color": line.name,
            "thickness": 1.4,
            "width": 4,
        },
        "marker": {
            "color": line.name,
            "symbol": [SHAPES[shapes_of(view.periods)[slowest]][0]],
            "size": 12,
            "line": {"color": "paper", "width": 1},
        },
    }
