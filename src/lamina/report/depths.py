"""Where in the network: the effect of each factor, layer by layer."""

from __future__ import annotations

import html
from collections.abc import Mapping

from lamina.report.chart import AXIS, Chart, Choice, Drawing, Entry, Spec, choice, layout
from lamina.report.forest import factor, interval, named
from lamina.report.style import SECONDARY, by_level, lines, measure_label, score_name, signed
from lamina.report.view import View
from lamina.score import Score, Scores


def chart(view: View, labels: Mapping[str, str]) -> Chart | None:
    """A drawing a measure and target, a line a factor; None where no effects were estimated by layer."""
    groups: dict[tuple[str, str], list[Score]] = {}
    for row in sorted(view.layered, key=lambda row: row.measure in SECONDARY):
        groups.setdefault((row.measure, row.target), []).append(row)
    if not groups:
        return None
    names = list(dict.fromkeys(factor(row) for row in view.layered))
    first = "phone" if any(target == "phone" for _, target in groups) else next(iter(groups))[1]
    order = sorted(groups, key=lambda key: key[1] != first)
    drawings = tuple(_drawing(key, groups[key], names, labels, lead=key == order[0]) for key in order)
    look = lines(names)
    key = tuple(Entry(named(name, labels), f"effect:{name}", look[name].name, look[name].dashes) for name in names)
    choices = (
        choice("Measure", (measure for measure, _ in groups), measure_label),
        Choice("Target", tuple((each, each or "the states alone") for each in by_level(t for _, t in groups))),
    )
    return Chart("effects-by-layer", "Where in the network", "", choices, drawings, key)


def _drawing(
    key: tuple[str, str], rows: list[Score], names: list[str], labels: Mapping[str, str], *, lead: bool
) -> Drawing:
    what = score_name(*key)
    said = []
    for name in names:
        mine = [row for row in rows if factor(row) == name]
        if mine:
            top = max(mine, key=lambda row: abs(row.value))
            said.append(f"{named(name, labels)}: largest at layer {top.depth}, {signed(top.value)}{interval(top)}")
    return Drawing(
        key,
        "-".join(part for part in ("effects-by-layer", *key) if part).replace(" ", "-"),
        f"Differences in {what}, by layer",
        f"The difference that each factor makes to {what} at layers of equal depth (the front end left out), with "
        "its 95 % interval.",
        f"Differences in {what} by layer. {'; '.join(said)}.",
        _plot(rows, names, labels),
        Scores(rows),
        lead,
    )


def _plot(rows: list[Score], names: list[str], labels: Mapping[str, str]) -> Spec:
    data: list[Spec] = []
    for name, line in lines(names).items():
        mine = sorted((row for row in rows if factor(row) == name), key=lambda row: row.depth)
        known = [row for row in mine if row.low is not None]
        same = {"type": "scatter", "name": named(name, labels), "meta": f"effect:{name}"}
        if known:
            data.append(
                {
                    **same,
                    "mode": "none",
                    "x": [row.depth for row in known] + [row.depth for row in reversed(known)],
                    "y": [row.low for row in known] + [row.high for row in reversed(known)],
                    "fill": "toself",
                    "fillcolor": f"{line.name}/0.13",
                    "hoverinfo": "skip",
                }
            )
        data.append(
            {
                **same,
                "mode": "lines+markers",
                "x": [row.depth for row in mine],
                "y": [row.value for row in mine],
                "text": [
                    f"<b>{html.escape(named(name, labels))}</b><br>layer {row.depth}<br>{signed(row.value)}"
                    f"{interval(row)}"
                    for row in mine
                ],
                "hoverinfo": "text",
                "line": {"color": line.name, "dash": line.dashes, "width": 2.2},
                "marker": {
                    "color": line.name,
                    "symbol": ["circle"] * len(mine),
                    "size": 6,
                    "line": {"color": "paper", "width": 1},
                },
            }
        )
    ends = [end for row in rows for end in (row.low, row.value, row.high) if end is not None]
    low, high = min([0.0, *ends]), max([0.0, *ends])
    room = (high - low) * 0.06 or 0.1
    depths = [row.depth for row in rows]
    zero = {"type": "line", "xref": "paper", "yref": "y", "x0": 0, "x1": 1, "y0": 0, "y1": 0}
    return {
        "data": data,
        "layout": layout(
            380,
            58,
            14,
            xaxis={
                **AXIS,
                "range": [min(depths) - 0.4, max(depths) + 0.4],
                "dtick": 1,
                "title": "layer, of equal depth in all encoders",
            },
            yaxis={**AXIS, "range": [low - room, high + room], "nticks": 7},
            shapes=[{**zero, "line": {"color": "ink", "width": 1, "dash": "3px,3px"}}],
            annotations=[],
        ),
        "labels": [],
    }
