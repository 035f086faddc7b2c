"""Effects with their intervals: a row a score, a block a factor."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Mapping
from dataclasses import replace

from lamina.report.chart import AXIS, Chart, Choice, Drawing, Spec, choice, layout, left_margin
from lamina.report.style import SECONDARY, by_level, measure_label, score_name, signed
from lamina.report.view import View
from lamina.score import Score, Scores

ROW, HEAD = 21, 30  # pixels of a row and of a factor's heading
MOST = 60  # rows of one drawing; more are shown factor by factor
READINGS = {"best": "at the best layer", "matched": "at matched depth", "mean": "averaged over the layers"}
RATIOS, FURTHER = "correlations and shares", "further readings"


def reading(tap: str) -> str:
    """Where effects are read, in words."""
    return READINGS.get(tap, tap)


def factor(row: Score) -> str:
    """The factor that an effect row speaks of."""
    return row.model.removeprefix("effect:")


def named(name: str, labels: Mapping[str, str]) -> str:
    """A factor, or an interaction of factors, in words."""
    parts = name.split(" x ")
    return labels.get(name, name) if len(parts) == 1 else f"interaction {' × '.join(parts)}"


def chart(view: View, labels: Mapping[str, str]) -> Chart | None:
    """A drawing a reading and kind of score (and a factor, where all do not fit); None without effects."""
    if not len(view.effects):
        return None
    alike = ratios(view)
    kinds = {measure: _kind(measure, alike) for measure in view.effects.distinct("measure")}
    order = sorted(view.effects, key=lambda row: (row.measure in SECONDARY, row.measure not in alike))
    groups: dict[tuple[str, str], list[Score]] = {}
    for tap in sorted(
        {row.tap for row in order}, key=lambda tap: list(READINGS).index(tap) if tap in READINGS else 9
    ):
        for row in order:
            if row.tap == tap:
                groups.setdefault((tap, kinds[row.measure]), []).append(row)
    drawings: list[Drawing] = []
    for (tap, kind), rows in groups.items():
        factors = list(dict.fromkeys(map(factor, rows)))
        asked = [factors] if len(rows) <= MOST else [[name] for name in factors]
        drawings += [_drawing(tap, kind, names, rows, labels, len(asked) > 1) for names in asked]
    drawings[0] = replace(drawings[0], lead=True)
    parts = list(zip(*(drawing.chosen for drawing in drawings), strict=True))
    choices = (
        choice("Where", parts[0], reading),
        choice("Scores", parts[1]),
        Choice("Factor", tuple((name, named(name, labels) or "all") for name in dict.fromkeys(parts[2]))),
    )
    return Chart("effects", "Effects with their intervals", "", choices, tuple(drawings))


def _kind(measure: str, alike: set[str]) -> str:
    """What scores share a drawing: those of like size; other readings of a measure apart."""
    if measure not in alike:
        return measure_label(measure)
    return FURTHER if measure in SECONDARY else RATIOS


def ratios(view: View) -> set[str]:
    """The measures whose values all lie between -1 and 1: their differences share one axis."""
    high: dict[str, float] = {}
    for row in (row for picture in view.pictures for row in picture.rows):
        high[row.measure] = max(high.get(row.measure, 0.0), abs(row.value))
    return {row.measure for row in view.effects if high.get(row.measure, abs(row.value)) <= 1.0}


def _drawing(
    tap: str, kind: str, names: list[str], rows: Iterable[Score], labels: Mapping[str, str], split: bool
) -> Drawing:
    shown = [row for row in rows if factor(row) in names]
    said = [
        f"{named(factor(row), labels)}, {score_name(row.measure, row.target)}: {signed(row.value)}{interval(row)}"
        for row in shown
    ]
    slug = "-".join(
        ["effects", tap, *([kind.replace(" ", "-")] if kind != RATIOS else []), *(names if split else [])]
    )
    return Drawing(
        (tap, kind, names[0] if split else ""),
        slug.replace(" ", "-").replace("=", "-").replace("/", "-"),
        f"Differences {reading(tap)}",
        f"Mean difference that each factor makes to each score {reading(tap)} (the front end left out), with its "
        "95 % interval; a filled marker's interval excludes zero, a hollow one's does not.",
        f"Differences {reading(tap)}. {'; '.join(said)}.",
        _plot(names, shown, labels),
        Scores(shown),
    )


def interval(row: Score) -> str:
    """The interval of a difference in brackets; empty where none was estimated."""
    return "" if row.low is None or row.high is None else f" ({signed(row.low)} to {signed(row.high)})"


def clear(row: Score) -> bool:
    """Whether the interval of a difference is known and leaves out zero."""
    return row.low is not None and row.high is not None and (row.low > 0 or row.high < 0)


def heading(at: float) -> Spec:
    """Where a heading between rows stands: at the left edge of the whole drawing."""
    return {"xref": "paper", "x": 0, "xanchor": "left", "yref": "y", "y": at, "showarrow": False, "edge": True}


def _plot(names: list[str], rows: list[Score], labels: Mapping[str, str]) -> Spec:
    targets = by_level(row.target for row in rows)
    measures = list(dict.fromkeys(row.measure for row in rows))
    ticks: list[tuple[float, str]] = []
    notes: list[Spec] = []
    placed: list[tuple[float, Score]] = []
    at = 0.0
    for name in names:
        note = heading(at + HEAD / ROW / 2)
        text = f"<b>{html.escape(named(name, labels))}</b>"
        notes.append({**note, "text": text, "font": {"size": 13, "color": "ink"}})
        at += HEAD / ROW
        mine = [row for row in rows if factor(row) == name]
        for row in sorted(mine, key=lambda row: (targets.index(row.target), measures.index(row.measure))):
            ticks.append((at + 0.5, score_name(row.measure, row.target)))
            placed.append((at + 0.5, row))
            at += 1
    ends = [abs(end) for row in rows for end in (row.low, row.value, row.high) if end is not None]
    widest = max([*ends, 1e-9]) * 1.12
    texts = [text for _, text in ticks]
    size = 10.0 ** math.floor(math.log10(widest))
    step = max(part * size for part in (1, 2, 4, 6, 8) if part * size <= widest) / 2
    ticks_ = [step * part for part in (-2, -1, 0, 1, 2)]
    zero = {"type": "line", "xref": "x", "yref": "paper", "x0": 0, "x1": 0, "y0": 0, "y1": 1}
    return {
        "data": [
            _trace([each for each in placed if clear(each[1]) == sure], sure, labels) for sure in (True, False)
        ],
        "layout": layout(
            int(at * ROW) + 60,
            left_margin(texts, 200),
            14,
            xaxis={
                **AXIS,
                "range": [-widest, widest],
                "title": "difference",
                "tickvals": ticks_,
                "ticktext": [f"{at:.4g}".replace("-", "−") for at in ticks_],
            },
            yaxis={
                **AXIS,
                "range": [at, 0],
                "tickvals": [where for where, _ in ticks],
                "ticktext": texts,
                "showgrid": False,
            },
            shapes=[{**zero, "line": {"color": "ink", "width": 1, "dash": "3px,3px"}}],
            annotations=notes,
        ),
        "labels": [],
    }


def _trace(placed: list[tuple[float, Score]], sure: bool, labels: Mapping[str, str]) -> Spec:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": "interval excludes zero" if sure else "interval includes zero",
        "meta": "clear" if sure else "unclear",
        "x": [row.value for _, row in placed],
        "y": [at for at, _ in placed],
        "text": [
            f"<b>{html.escape(named(factor(row), labels))}</b><br>"
            f"{html.escape(score_name(row.measure, row.target))}<br>{signed(row.value)}{interval(row)}"
            for _, row in placed
        ],
        "hoverinfo": "text",
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": [0.0 if row.high is None else row.high - row.value for _, row in placed],
            "arrayminus": [0.0 if row.low is None else row.value - row.low for _, row in placed],
            "color": "ink",
            "thickness": 1.6,
            "width": 0,
        },
        "marker": {
            "color": "series-0" if sure else "paper",
            "symbol": ["circle"] * len(placed),
            "size": 9,
            "line": {"color": "series-0" if sure else "ink", "width": 1.6},
        },
    }
