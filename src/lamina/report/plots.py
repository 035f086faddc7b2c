"""Interactive pictures: plain values that plotly.js draws (`page.js` sets the colours of the page's theme).

Colours are written as ``series-<n>``, ``grey`` and so on: the names of the page's CSS variables.
"""

from __future__ import annotations

import html
from typing import Any

from lamina.report.style import DASHES, SHAPES, number, period, place, shapes
from lamina.report.view import Curve, Picture, Point, View, depth_range, null_band, spread, value_range

HEIGHT = 380  # pixels of the plot itself
ROW = 20  # pixels of one row of the strip of blocks
ABOVE, BELOW = 14, 46
BETWEEN = 10


def series(curve: Curve) -> str:
    """What a key's button shows and hides: all traces of one model and kind."""
    return f"{curve.kind}:{curve.model}"


def colour(view: View, curve: Curve) -> str:
    """The CSS variable of a curve's colour."""
    index = view.line(curve).colour
    return "grey" if index < 0 else f"series-{index}"


def plot(picture: Picture, view: View) -> dict[str, Any]:
    """One picture as ``{data, layout, labels}`` for `page.js`.

    ``labels`` are the annotations of the strip of blocks, each with a long and a short text and the share of the
    plot's width that it may take: the page picks what fits.
    """
    drawn = picture.of("model", "untrained")
    data: list[dict[str, Any]] = []
    if band := null_band(picture):
        data.append(_null(band, depth_range(picture)))
    data += [_band(curve, view) for curve in drawn if _has_interval(curve)]
    data += [_reference(curve, picture) for curve in picture.of("reference")]
    data += [_line(curve, view) for curve in (*picture.of("untrained"), *picture.of("model"))]
    return {"data": data, **_layout(picture, view, drawn)}


def _has_interval(curve: Curve) -> bool:
    return any(point.low is not None for point in curve.points)


def hover(label: str, point: Point) -> str:
    """What a reader sees on a point: model, tap, depth, period, value, interval, count."""
    interval = "" if point.low is None or point.high is None else f" ({number(point.low)} to {number(point.high)})"
    many = f"<br>mean and range of {point.seeds} runs" if point.seeds > 1 else ""
    count = f"<br>n = {point.n:,}" if point.n else ""
    return (
        f"<b>{html.escape(label)}</b><br>{html.escape(place(point.tap, point.period_ms))}, depth "
        f"{point.depth}<br>{number(point.value)}{interval}{many}{count}"
    )


def _line(curve: Curve, view: View) -> dict[str, Any]:
    line = view.line(curve)
    shape = shapes(view.periods)
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
        "line": {"color": colour(view, curve), "dash": DASHES[line.dash][0], "width": 1.5 if faint else 2.2},
        "marker": {
            "color": colour(view, curve),
            "symbol": [SHAPES[shape[point.period_ms]][0] for point in curve.points],
            "size": 6 if faint else 9,
            "line": {"color": "paper", "width": 1},
        },
    }


def _band(curve: Curve, view: View) -> dict[str, Any]:
    inside = [point for point in curve.points if point.low is not None and point.high is not None]
    return {
        "type": "scatter",
        "mode": "none",
        "name": f"{curve.label}, interval",
        "meta": series(curve),
        "x": [point.depth for point in inside] + [point.depth for point in reversed(inside)],
        "y": [point.low for point in inside] + [point.high for point in reversed(inside)],
        "fill": "toself",
        "fillcolor": f"{colour(view, curve)}/0.13",
        "hoverinfo": "skip",
    }


def _null(band: list[tuple[int, float, float]], across: tuple[float, float]) -> dict[str, Any]:
    if len(band) == 1:
        band = [(x, *band[0][1:]) for x in across]  # type: ignore[misc]  # ends of the axis, not depths
    return {
        "type": "scatter",
        "mode": "lines",
        "name": "shuffled labels",
        "meta": "null:",
        "x": [place[0] for place in band] + [place[0] for place in reversed(band)],
        "y": [place[1] for place in band] + [place[2] for place in reversed(band)],
        "text": "shuffled labels: lowest to highest of all models",
        "fill": "toself",
        "fillcolor": "grey/0.22",
        "line": {"color": "grey", "dash": "2px,3px", "width": 1},
        "hoverinfo": "text",
        "hoveron": "fills",
    }


def _reference(curve: Curve, picture: Picture) -> dict[str, Any]:
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


def _layout(picture: Picture, view: View, drawn: list[Curve]) -> dict[str, Any]:
    strip = ROW * len(drawn)
    total = HEIGHT + (BETWEEN + strip if drawn else 0)
    across, up = depth_range(picture), value_range(picture)
    shapes_, labels = _strip(drawn, view, across)
    axis = {"gridcolor": "line", "zeroline": False, "fixedrange": True, "color": "ink", "automargin": False}
    layout: dict[str, Any] = {
        "height": total + ABOVE + BELOW,
        "margin": {"l": 52, "r": 98 if picture.of("reference") else 14, "t": ABOVE, "b": BELOW},
        "showlegend": False,
        "hovermode": "closest",
        "dragmode": False,
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": "system-ui, sans-serif", "size": 13, "color": "ink"},
        "xaxis": {
            **axis,
            "range": list(across),
            "title": {"text": "depth along the data flow", "standoff": 6},
            "anchor": "y2" if drawn else "y",
            "tick0": 0,
            "tickangle": 0,
            "visible": bool(drawn),
        },
        "yaxis": {**axis, "range": list(up), "domain": [1 - HEIGHT / total, 1], "nticks": 7},
        "shapes": shapes_,
        "annotations": [*_reference_labels(picture, up), *(label["annotation"] for label in labels)],
    }
    if drawn:
        layout["yaxis2"] = {
            **axis,
            "range": [len(drawn), 0],
            "domain": [0, strip / total],
            "showgrid": False,
            "showticklabels": False,
        }
    first = len(picture.of("reference"))
    texts = [
        {"index": first + place, **{key: label[key] for key in ("long", "short", "share")}}
        for place, label in enumerate(labels)
    ]
    return {"layout": layout, "labels": texts}


def _reference_labels(picture: Picture, up: tuple[float, float]) -> list[dict[str, Any]]:
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
            "yshift": place - want,
            "text": html.escape(_short(curve.label, 8)) + " " + number(curve.points[0].value).lstrip("0"),
            "showarrow": False,
            "font": {"size": 12, "color": "ink"},
            "xshift": 4,
        }
        for curve, want, place in zip(curves, wanted, spread(wanted, 15, 6, HEIGHT - 6), strict=True)
    ]


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _strip(
    drawn: list[Curve], view: View, across: tuple[float, float]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The strip under the curves: a row a model, a box a block; the slower the rate, the darker the box."""
    rank = {value: index for index, value in enumerate(view.periods)}
    boxes: list[dict[str, Any]] = []
    labels: list[dict[str, Any]] = []
    for row, curve in enumerate(drawn):
        swatch = {"color": colour(view, curve), "width": 2.5, "dash": DASHES[view.line(curve).dash][0]}
        boxes.append(
            {
                "type": "line",
                "xref": "paper",
                "yref": "y2",
                "xsizemode": "pixel",
                "xanchor": 0,
                "x0": -46,
                "x1": -6,
                "y0": row + 0.5,
                "y1": row + 0.5,
                "line": swatch,
            }
        )
        for block, ms, first, last in curve.runs:
            shade = 0.08 + 0.3 * rank[ms] / max(1, len(rank) - 1)
            boxes.append(
                {
                    "type": "rect",
                    "xref": "x",
                    "yref": "y2",
                    "x0": first - 0.46,
                    "x1": last + 0.46,
                    "y0": row + 0.08,
                    "y1": row + 0.92,
                    "line": {"color": "grey", "width": 0.8},
                    "fillcolor": f"grey/{shade:.2f}",
                }
            )
            labels.append(
                {
                    "long": f"{html.escape(block)} {period(ms)}",
                    "short": f"{ms:.4g}",
                    "share": (last - first + 1) / (across[1] - across[0]),
                    "annotation": {
                        "xref": "x",
                        "yref": "y2",
                        "x": (first + last) / 2,
                        "y": row + 0.5,
                        "text": f"{ms:.4g}",
                        "showarrow": False,
                        "font": {"size": 11, "color": "ink"},
                    },
                }
            )
    return boxes, labels
