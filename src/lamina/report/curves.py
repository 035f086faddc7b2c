"""Layer curves: a line an encoder, by depth; a strip below names blocks and their frame periods."""

from __future__ import annotations

import html
from typing import Any

from lamina.report.chart import AXIS, Chart, Choice, Drawing, Entry, Spec, choice, layout
from lamina.report.style import DASHES, MEANINGS, SECONDARY, SHAPES, by_level, measure_label, number, period, place
from lamina.report.style import shapes as shapes_of
from lamina.report.view import Curve, Picture, Point, View, depth_range, null_band, spread, value_range

HEIGHT = 380  # pixels of the plot itself
ROW = 20  # pixels of one row of the strip of blocks
ABOVE, BELOW, BETWEEN = 14, 50, 10
RULES = "Items and rules"


def chart(view: View) -> Chart | None:
    """All pictures of layers; None where there are none."""
    if not view.pictures:
        return None
    order = _order(view)
    columns = _varying(order)
    rules = {picture.slug: ", ".join(getattr(picture, name) or "unnamed" for name in columns) for picture in order}
    lead = {
        target: next(picture for picture in order if picture.target == target)
        for target in by_level(picture.target for picture in order)
    }
    drawings = tuple(
        Drawing(
            (picture.measure, picture.target, rules[picture.slug]),
            picture.slug,
            picture.title,
            _caption(picture),
            describe(picture),
            plot(picture, view),
            picture.rows,
            lead=picture in lead.values(),
        )
        for picture in order
    )
    choices = [
        choice("Measure", (picture.measure for picture in order), measure_label),
        choice(
            "Target", by_level(picture.target for picture in order), lambda target: target or "the states alone"
        ),
        Choice(RULES, tuple((text, text or "all") for text in dict.fromkeys(rules.values()))),
    ]
    intro = (
        "Each line is an encoder, read at every tap from its front (left) to its end (right). The shape of a "
        "marker is the frame period of that tap; the strip below names each encoder's blocks and their periods, "
        f"the slower the darker. {bands(view)}"
    )
    return Chart("layers", "What each layer knows", intro,
                 tuple(choices), drawings, key(view))  # fmt: skip


def _order(view: View) -> list[Picture]:
    """Pictures as readers want them: primary measures first, the levels of language from phones, rules as met."""
    targets = by_level(picture.target for picture in view.pictures)
    first = next((name for name in ("phone", "word") if name in targets), targets[0])
    targets = [first, *(target for target in targets if target != first)]
    measures = list(dict.fromkeys(picture.measure for picture in view.pictures))
    return sorted(
        view.pictures,
        key=lambda picture: (
            picture.measure in SECONDARY,
            measures.index(picture.measure),
            targets.index(picture.target),
        ),
    )


def _varying(pictures: list[Picture]) -> list[str]:
    """The columns that tell pictures of one measure and target apart."""
    groups: dict[tuple[str, str], list[Picture]] = {}
    for picture in pictures:
        groups.setdefault((picture.measure, picture.target), []).append(picture)
    return [
        name
        for name in ("support", "protocol", "split")
        if any(len({getattr(picture, name) for picture in group}) > 1 for group in groups.values())
    ]


def bands(view: View) -> str:
    """What the bands are."""
    points = [point for picture in view.pictures for curve in picture.curves for point in curve.points]
    said = []
    if any(point.low is not None and point.seeds == 1 for point in points):
        said.append(
            "Bands are intervals over resampled speakers or folds (95 % unless the methods say otherwise); with "
            "few speakers they say little."
        )
    if any(point.seeds > 1 for point in points):
        said.append(
            "Where a model was trained with several seeds, the line is their mean and the band their range."
        )
    return " ".join(said)


def _caption(picture: Picture) -> str:
    meaning = f": {MEANINGS[picture.measure]}" if picture.measure in MEANINGS else ""
    less = "; less is better" if picture.falling else ""
    return f"{picture.title} by depth{meaning}{less}. {picture.rules[:1].upper()}{picture.rules[1:]}."


def describe(picture: Picture) -> str:
    """What the picture shows, for those who do not see it: where each line has its best value."""
    said = [
        f"{curve.label} peaks at {place(curve.best.tap, curve.best.period_ms)} with {number(curve.best.value)}"
        for curve in picture.of("model", "untrained")
    ]
    said += [f"{curve.label} is level at {number(curve.best.value)}" for curve in picture.of("reference")]
    return f"{picture.title} by depth: {'; '.join(said)}."


def series(curve: Curve) -> str:
    """What a key's button shows and hides: all traces of one model and kind."""
    return f"{curve.kind}:{curve.model}"


def key(view: View) -> tuple[Entry, ...]:
    """An entry a line of any picture, then the shapes of the frame periods."""
    found: dict[str, Entry] = {}
    for kind in ("model", "untrained", "reference"):
        for picture in view.pictures:
            for curve in picture.of(kind):
                line = view.line(curve)
                found.setdefault(series(curve), Entry(curve.label, series(curve), line.name, line.dashes))
    if any(picture.of("null") for picture in view.pictures):
        found["null:"] = Entry("shuffled labels", "null:", "grey", band=True)
    return (*found.values(), *periods(view))


def periods(view: View) -> tuple[Entry, ...]:
    """What the shapes of markers say."""
    shape = shapes_of(view.periods)
    return tuple(Entry(f"frame every {period(ms)}", symbol=SHAPES[index][0]) for ms, index in shape.items())


def plot(picture: Picture, view: View) -> Spec:
    """One picture as ``{data, layout, labels}``.

    ``labels`` are the annotations of the strip of blocks, each with a long and a short text and the share of the
    plot's width that it may take: the page picks what fits.
    """
    drawn = picture.of("model", "untrained")
    data: list[Spec] = []
    if band := null_band(picture):
        data.append(_null(band, depth_range(picture)))
    data += [_band(curve, view) for curve in drawn if any(point.low is not None for point in curve.points)]
    data += [_reference(curve, picture) for curve in picture.of("reference")]
    data += [_line(curve, view) for curve in (*picture.of("untrained"), *picture.of("model"))]
    return {"data": data, **_layout(picture, view, drawn)}


def hover(label: str, point: Point) -> str:
    """What a reader sees on a point: model, tap, depth, period, value, interval, count."""
    interval = "" if point.low is None or point.high is None else f" ({number(point.low)} to {number(point.high)})"
    many = f"<br>mean and range of {point.seeds} runs" if point.seeds > 1 else ""
    counted = f"<br>n = {point.n:,}" if point.n else ""
    return (
        f"<b>{html.escape(label)}</b><br>{html.escape(place(point.tap, point.period_ms))}, depth "
        f"{point.depth}<br>{number(point.value)}{interval}{many}{counted}"
    )


def _line(curve: Curve, view: View) -> Spec:
    line = view.line(curve)
    shape = shapes_of(view.periods)
    faint = curve.kind == "untrained"
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": curve.label,
        "meta": series(curve),
        "x": [point.depth for point in curve.points],
        "y": [point.value for point in curve.points],
        "text": [hover(curve.label, point) for point in curve.points],
        "hoverinfo": "text",
        "line": {"color": line.name, "dash": line.dashes, "width": 1.5 if faint else 2.2},
        "marker": {
            "color": line.name,
            "symbol": [SHAPES[shape[point.period_ms]][0] for point in curve.points],
            "size": 6 if faint else 9,
            "line": {"color": "paper", "width": 1},
        },
    }


def _band(curve: Curve, view: View) -> Spec:
    inside = [point for point in curve.points if point.low is not None and point.high is not None]
    return {
        "type": "scatter",
        "mode": "none",
        "name": f"{curve.label}, interval",
        "meta": series(curve),
        "x": [point.depth for point in inside] + [point.depth for point in reversed(inside)],
        "y": [point.low for point in inside] + [point.high for point in reversed(inside)],
        "fill": "toself",
        "fillcolor": f"{view.line(curve).name}/0.13",
        "hoverinfo": "skip",
    }


def _null(band: list[tuple[int, float, float]], across: tuple[float, float]) -> Spec:
    places = [(float(depth), low, high) for depth, low, high in band]
    if len(places) == 1:
        places = [(end, *places[0][1:]) for end in across]
    return {
        "type": "scatter",
        "mode": "lines",
        "name": "shuffled labels",
        "meta": "null:",
        "x": [each[0] for each in places] + [each[0] for each in reversed(places)],
        "y": [each[1] for each in places] + [each[2] for each in reversed(places)],
        "text": "shuffled labels: lowest to highest of all models",
        "fill": "toself",
        "fillcolor": "grey/0.22",
        "line": {"color": "grey", "dash": DASHES[2], "width": 1},
        "hoverinfo": "text",
        "hoveron": "fills",
    }


def _reference(curve: Curve, picture: Picture) -> Spec:
    across = depth_range(picture)
    point = curve.points[0]
    # Points along the line, so that a reader can hover anywhere on it.
    places = [across[0] + (across[1] - across[0]) * step / 24 for step in range(25)]
    return {
        "type": "scatter",
        "mode": "lines",
        "name": curve.label,
        "meta": series(curve),
        "x": places,
        "y": [point.value] * len(places),
        "text": hover(curve.label, point),
        "hoverinfo": "text",
        "line": {"color": "grey", "dash": "solid", "width": 1.2},
    }


def _layout(picture: Picture, view: View, drawn: list[Curve]) -> Spec:
    strip = ROW * len(drawn)
    total = HEIGHT + (BETWEEN + strip if drawn else 0)
    across, up = depth_range(picture), value_range(picture)
    boxes, labels = strips(drawn, view, across, range(len(drawn)), "y2")
    for row, curve in enumerate(drawn):
        line = view.line(curve)
        swatch = {"color": line.name, "width": 2.5, "dash": line.dashes}
        where = {"xref": "paper", "yref": "y2", "xsizemode": "pixel", "xanchor": 0, "x0": -46, "x1": -6}
        boxes.append({"type": "line", **where, "y0": row + 0.5, "y1": row + 0.5, "line": swatch})
    made = layout(
        total + ABOVE + BELOW,
        52,
        98 if picture.of("reference") else 14,
        xaxis={
            **AXIS,
            "range": list(across),
            "title": "depth along the data flow",
            "anchor": "y2" if drawn else "y",
            "tick0": 0,
            "tickangle": 0,
            "visible": bool(drawn),
        },
        yaxis={**AXIS, "range": list(up), "domain": [1 - HEIGHT / total, 1], "nticks": 7},
        shapes=boxes,
        annotations=[*_reference_labels(picture, up), *(label["annotation"] for label in labels)],
    )
    if drawn:
        hidden = {"showgrid": False, "showticklabels": False}
        made["yaxis2"] = {**AXIS, "range": [len(drawn), 0], "domain": [0, strip / total], **hidden}
    first = len(picture.of("reference"))
    texts = [
        {"index": first + number_, **{name: label[name] for name in ("long", "short", "share")}}
        for number_, label in enumerate(labels)
    ]
    return {"layout": made, "labels": texts}


def _reference_labels(picture: Picture, up: tuple[float, float]) -> list[Spec]:
    """Names of the level lines in the right margin, moved apart where lines are close."""
    curves = picture.of("reference")
    scale = HEIGHT / (up[1] - up[0])
    wanted = [(curve.points[0].value - up[0]) * scale for curve in curves]
    return [
        {
            "xref": "paper",
            "x": 1,
            "xanchor": "left",
            "yref": "y",
            "y": curve.points[0].value,
            "yshift": moved - want,
            "text": html.escape(_short(curve.label, 8)) + " " + number(curve.points[0].value).lstrip("0"),
            "showarrow": False,
            "font": {"size": 12, "color": "ink"},
            "xshift": 4,
        }
        for curve, want, moved in zip(curves, wanted, spread(wanted, 15, 6, HEIGHT - 6), strict=True)
    ]


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def strips(
    drawn: list[Curve], view: View, across: tuple[float, float], rows: Any, yref: str
) -> tuple[list[Spec], list[Spec]]:
    """A row a model, a box a block (the slower its rate, the darker), and what the boxes may be called."""
    rank = {value: index for index, value in enumerate(view.periods)}
    boxes: list[Spec] = []
    labels: list[Spec] = []
    for row, curve in zip(rows, drawn, strict=True):
        for block, ms, first, last in curve.runs:
            shade = 0.08 + 0.3 * rank[ms] / max(1, len(rank) - 1)
            where = {
                "xref": "x",
                "yref": yref,
                "x0": first - 0.46,
                "x1": last + 0.46,
                "y0": row + 0.08,
                "y1": row + 0.92,
            }
            line = {"color": "grey", "width": 0.8}
            boxes.append(
                {"type": "rect", "layer": "below", **where, "line": line, "fillcolor": f"grey/{shade:.2f}"}
            )
            annotation = {
                "xref": "x",
                "yref": yref,
                "x": (first + last) / 2,
                "y": row + 0.5,
                "text": f"{ms:.4g}",
                "showarrow": False,
                "font": {"size": 11, "color": "ink"},
            }
            share = (last - first + 1) / (across[1] - across[0])
            long = f"{html.escape(block)} {period(ms)}"
            labels.append({"long": long, "short": f"{ms:.4g}", "share": share, "annotation": annotation})
    return boxes, labels
