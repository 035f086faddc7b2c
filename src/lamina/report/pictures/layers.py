"""Layer curves: a line an encoder, by depth; a strip below names blocks and their frame periods."""

from __future__ import annotations

from lamina.markup import shortened
from lamina.report import traces
from lamina.report.chart import Chart, Drawing, Entry, Kind, choice, key
from lamina.report.comparison import Comparison, Curve, hover, rules_in_words
from lamina.report.overview import Overview
from lamina.report.strips import strips
from lamina.report.style import DASHES, Line
from lamina.report.traces import Spec
from lamina.report.wording import by_level, capital, measure_label, number, target_label

HEIGHT = 380  # pixels of the plot itself
ROW = 20  # pixels of one row of the strip of blocks
ABOVE, BELOW, BETWEEN = 14, 50, 10
NULL = "null:"


def chart(seen: Overview) -> Chart | None:
    """All comparisons of layers; None where there are none."""
    if not seen.comparisons:
        return None
    order = _order(seen)
    drawings = tuple(
        Drawing(
            (each.measure.name, each.target, each.rules),
            each.slug,
            each.title,
            _caption(each),
            describe(each),
            plot(each, seen),
            each.rows,
        )
        for each in order
    )
    choices = (
        choice("Measure", (each.measure.name for each in order), measure_label),
        choice("Target", by_level(each.target for each in order), target_label),
        choice("Items and rules", (each.rules for each in order), lambda text: text or "all"),
    )
    intro = (
        "Each line is an encoder, read at every tap from its front (left) to its end (right). The shape of a "
        "marker is the frame period of that tap; the strip below names each encoder's blocks and their periods, "
        f"the slower the darker. {_bands(seen)}"
    )
    entries = key(seen, "model", "untrained", "reference")
    if any(each.of("null") for each in seen.comparisons):
        entries = (*entries, Entry("shuffled labels", NULL, Line("grey", DASHES[2]), band=True))
    return Chart("layers", "What each layer knows", intro, choices, drawings, entries)


KIND = Kind("layers", 1, chart)


def _order(seen: Overview) -> list[Comparison]:
    """As readers want them: measures that stand first, the levels of language from phones, rules as met."""
    targets = by_level(each.target for each in seen.comparisons)
    first = next((name for name in ("phone", "word") if name in targets), targets[0])
    targets = [first, *(target for target in targets if target != first)]
    measures = list(dict.fromkeys(each.measure.name for each in seen.comparisons))

    def place(each: Comparison) -> tuple[int, int, int]:
        return each.measure.rank, measures.index(each.measure.name), targets.index(each.target)

    return sorted(seen.comparisons, key=place)


def _bands(seen: Overview) -> str:
    """What the bands are."""
    points = [point for each in seen.comparisons for curve in each.curves for point in curve.points]
    said = []
    if any(point.low is not None and point.seeds == 1 for point in points):
        said.append("Bands are intervals over resampled speakers (where the corpus has no splits, folds).")
    if any(point.seeds > 1 for point in points):
        said.append(
            "Where a model was trained with several seeds, the line is their mean and the band their range."
        )
    return " ".join(said)


def _caption(comparison: Comparison) -> str:
    less = "; less is better" if comparison.measure.better == "lower" else ""
    said = f"{comparison.title} by depth: {comparison.measure.meaning}{less}. "
    return f"{said}{capital(rules_in_words(comparison.way))}."


def describe(comparison: Comparison) -> str:
    """What the picture shows, for those who do not see it: where each line is best, or how far it goes."""
    said = []
    for curve in comparison.of("model", "untrained"):
        values = [point.value for point in curve.points]
        if comparison.ranked:
            said.append(f"{curve.label} is best at {curve.best.where} with {number(curve.best.value)}")
        else:
            said.append(f"{curve.label} goes from {number(min(values))} to {number(max(values))}")
    level = comparison.of("reference")
    said += [f"{curve.label} is level at {number(curve.points[0].value)}" for curve in level]
    return f"{comparison.title} by depth: {'; '.join(said)}."


def plot(comparison: Comparison, seen: Overview) -> Spec:
    """One comparison as ``{data, layout, labels}``."""
    drawn = comparison.of("model", "untrained")
    depths = [point.depth for curve in drawn for point in curve.points]
    across = (min(depths) - 0.5, max(depths) + 0.5) if depths else (-0.5, 0.5)
    data: list[Spec] = []
    if band := null_band(comparison):
        data.append(_null(band, across))
    data += [_band(curve, seen) for curve in drawn if any(point.low is not None for point in curve.points)]
    data += [_reference(curve, seen, across) for curve in comparison.of("reference")]
    data += [_line(curve, seen) for curve in (*comparison.of("untrained"), *comparison.of("model"))]
    return _laid_out(data, comparison, seen, drawn, across)


def null_band(comparison: Comparison) -> list[tuple[int, float, float]]:
    """Depth, lowest and highest value with shuffled labels over all models with several taps (or all, if none)."""
    nulls = [curve for curve in comparison.of("null") if len(curve.points) > 1] or comparison.of("null")
    at: dict[int, list[float]] = {}
    for curve in nulls:
        for point in curve.points:
            ends = (end for end in (point.low, point.value, point.high) if end is not None)
            at.setdefault(point.depth, []).extend(ends)
    return [(depth, min(values), max(values)) for depth, values in sorted(at.items())]


def _line(curve: Curve, seen: Overview) -> Spec:
    faint = curve.kind == "untrained"
    look = seen.looks[curve.series]
    x, y = [point.depth for point in curve.points], [point.value for point in curve.points]
    text = [hover(curve.label, point) for point in curve.points]
    symbols = [seen.shapes[point.period_ms] for point in curve.points]
    size, width = (6, 1.5) if faint else (9, 2.2)
    return traces.marked(curve.series, x, y, look.colour, text, symbols=symbols, look=look, size=size, width=width)


def _band(curve: Curve, seen: Overview) -> Spec:
    known = [point for point in curve.points if point.low is not None and point.high is not None]
    ends = [point.low for point in known], [point.high for point in known]
    return traces.area(
        curve.series, [point.depth for point in known], *ends, f"{seen.looks[curve.series].colour}/0.13"
    )


def _null(band: list[tuple[int, float, float]], across: tuple[float, float]) -> Spec:
    places = [(float(depth), low, high) for depth, low, high in band]
    if len(places) == 1:
        places = [(end, *places[0][1:]) for end in across]
    x, low, high = zip(*places, strict=True)
    edge = {"color": "grey", "dash": DASHES[2], "width": 1}
    told = {"text": "shuffled labels: lowest to highest of all models", "hoverinfo": "text", "hoveron": "fills"}
    return {**traces.area(NULL, x, low, high, "grey/0.22"), "mode": "lines", "line": edge, **told}


def _reference(curve: Curve, seen: Overview, across: tuple[float, float]) -> Spec:
    point = curve.points[0]
    # Points along the line, so that a reader can hover anywhere on it.
    places = [across[0] + (across[1] - across[0]) * step / 24 for step in range(25)]
    look = seen.looks[curve.series]
    return traces.lined(curve.series, places, [point.value] * 25, look, hover(curve.label, point), 1.2)


def _laid_out(
    data: list[Spec], comparison: Comparison, seen: Overview, drawn: list[Curve], across: tuple[float, float]
) -> Spec:
    strip = ROW * len(drawn)
    total = HEIGHT + (BETWEEN + strip if drawn else 0)
    points = [point for curve in comparison.curves for point in curve.points]
    up = traces.room((end for point in points for end in (point.low, point.value, point.high)), zero=True)
    boxes, notes, labels = strips(drawn, seen, across, range(len(drawn)), "y2")
    for row, curve in enumerate(drawn):
        look, at = seen.looks[curve.series], row + 0.5
        left = {"xref": "paper", "yref": "y2", "xsizemode": "pixel", "xanchor": 0}
        boxes.append(traces.segment(-46, at, -6, at, look.colour, 2.5, look.dash, **left))
    names = _reference_names(comparison, up)
    made = traces.layout(
        total + ABOVE + BELOW,
        52,
        traces.margin([name["text"] for name in names]) if names else 14,
        xaxis={
            "range": list(across),
            "title": "depth along the data flow",
            "anchor": "y2" if drawn else "y",
            "tick0": 0,
            "tickangle": 0,
            "visible": bool(drawn),
        },
        yaxis={"range": list(up), "domain": [1 - HEIGHT / total, 1], "nticks": 7},
        shapes=boxes,
        annotations=[*names, *notes],
    )
    if drawn:
        hidden = {"showgrid": False, "showticklabels": False}
        made["yaxis2"] = {**traces.AXIS, "range": [len(drawn), 0], "domain": [0, strip / total], **hidden}
    return traces.spec(data, made, [{"index": len(names) + at, **each} for at, each in enumerate(labels)])


def _reference_names(comparison: Comparison, up: tuple[float, float]) -> list[Spec]:
    """Names of the level lines in the right margin, moved apart where lines are close."""
    curves = comparison.of("reference")
    scale = HEIGHT / (up[1] - up[0])
    wanted = [(curve.points[0].value - up[0]) * scale for curve in curves]
    return [
        traces.note(
            1,
            curve.points[0].value,
            f"{shortened(curve.label, 9)} {number(curve.points[0].value).lstrip('0')}",
            xref="paper",
            xanchor="left",
            xshift=4,
            yshift=moved - want,
        )
        for curve, want, moved in zip(curves, wanted, traces.spread(wanted, 15, 6, HEIGHT - 6), strict=True)
    ]
