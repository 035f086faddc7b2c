"""Do slow layers see further? How far before and after a frame its labels are known, by depth."""

from __future__ import annotations

from lamina.files import file_name
from lamina.markup import shortened
from lamina.measures import family
from lamina.report import traces
from lamina.report.chart import Chart, Drawing, Kind, choice, key
from lamina.report.comparison import Comparison, Curve, Point, named, rules_in_words
from lamina.report.overview import Overview
from lamina.report.strips import strips
from lamina.report.traces import Spec
from lamina.report.wording import by_level, capital, interval, listed, period, target_label
from lamina.score import Scores

WHOLE, BEFORE, AFTER, *_ = family("reach")
HEIGHT, ROW, ABOVE, BELOW, BETWEEN = 380, 20, 14, 50, 10  # pixels
CAPTION = (
    "Around a frame (the line at 0), the stretch in which labels are at least half as well known as where they "
    "are known best: what was said before it lies below, what follows above. A code of the present label alone "
    "has a stretch, too, for labels last: notes tell how long it is; the untrained encoder and sound show it. "
    "The strip names blocks and frame periods, the slower the darker."
)
Pair = tuple[Comparison, Comparison]


def chart(seen: Overview) -> Chart | None:
    """A drawing a target and set of rules; None where reach was not measured."""
    sides = {
        name: {(each.target, each.way): each for each in seen.comparisons if each.measure.name == name}
        for name in (BEFORE, AFTER)
    }
    pairs = [(each, sides[AFTER][place]) for place, each in sides[BEFORE].items() if place in sides[AFTER]]
    if not pairs:
        return None
    targets = by_level(before.target for before, _ in pairs)
    pairs.sort(key=lambda pair: targets.index(pair[0].target))
    drawings = tuple(_drawing(pair, seen) for pair in pairs)
    choices = (
        choice("Target", targets, target_label),
        choice("Rules", (before.rules for before, _ in pairs), lambda text: text or "all"),
    )
    shown = key(seen, "model", "untrained", "reference")
    return Chart("reach", "Do slow layers see further?", "", choices, drawings, shown)


KIND = Kind("layers", 3, chart)


def _drawing(pair: Pair, seen: Overview) -> Drawing:
    before, after = pair
    said = ". ".join(filter(None, (_by_period(curve, before) for curve in after.of("model"))))
    rows = Scores([*before.rows, *after.rows]).select(lambda row: row.control != "shuffled")
    return Drawing(
        (before.target, before.rules),
        file_name("-".join(filter(None, ("reach", before.target, before.rules))).replace(", ", "-")),
        f"How far a frame knows what {target_label(before.target)} is said",
        f"{CAPTION} {said}. {capital(rules_in_words(before.way))}.",
        f"How far before and after a frame its {before.target} labels are known. {said}.",
        _plot(pair, seen),
        rows,
    )


def _by_period(after: Curve, before: Comparison) -> str:
    """The mean reach of a model's layers, by their frame period."""
    found: dict[float, list[float]] = {}
    back = {point.depth: point for point in _twin(after, before)}
    for point in after.layers:
        if point.depth in back:
            found.setdefault(point.period_ms, []).append((point.value + back[point.depth].value) / 2)
    means = [
        f"{period(ms)} {sum(values) / len(values):.0f} ms ({len(values)} tap{'s' if len(values) > 1 else ''})"
        for ms, values in sorted(found.items())
    ]
    return f"{shortened(after.label)}: mean reach of taps at {listed(means)}" if means else ""


def _twin(curve: Curve, other: Comparison) -> tuple[Point, ...]:
    """The points of the same model and kind on the other side."""
    return next((each.points for each in other.curves if each.series == curve.series), ())


def _plot(pair: Pair, seen: Overview) -> Spec:
    data: list[Spec] = []
    sided = [(comparison, sign) for comparison, sign in zip(pair, (-1, 1), strict=True)]
    drawn = [curve for curve in pair[1].of("model", "untrained") if len(curve.points) > 1]
    depths = [point.depth for each in pair for curve in each.of("model", "untrained") for point in curve.points]
    across = (min(depths, default=0) - 0.6, max(depths, default=0) + 0.6)
    ends = [0.0]
    for comparison, sign in sided:
        for curve in comparison.of("reference"):
            data += _level(curve, sign, seen, across)
        for curve in (*comparison.of("untrained"), *comparison.of("model")):
            data += _side(curve, sign, seen)
        for curve in comparison.of("reference", "untrained", "model"):
            ends += [sign * end for point in curve.points for end in (point.low, point.value, point.high) if end]
    strip = ROW * len(drawn)
    total = HEIGHT + (BETWEEN + strip if drawn else 0)
    boxes, notes, labels = strips(drawn, seen, across, range(len(drawn)), "y2")
    for row, curve in enumerate(drawn):
        look = seen.looks[curve.series]
        left = {"xref": "paper", "yref": "y2", "xsizemode": "pixel", "xanchor": 0}
        boxes.append(traces.segment(-46, row + 0.5, -6, row + 0.5, look.colour, 2.5, look.dash, **left))
    boxes.append(traces.segment(0, 0, 1, 0, "ink", 1, "3px,3px", xref="paper"))
    made = traces.layout(
        total + ABOVE + BELOW,
        58,
        14,
        xaxis={
            "range": list(across),
            "title": "depth along the data flow",
            "anchor": "y2" if drawn else "y",
            "tick0": 0,
            "tickangle": 0,
            "visible": bool(drawn),
        },
        yaxis={
            "range": list(traces.room(ends)),
            "domain": [1 - HEIGHT / total, 1],
            "nticks": 9,
            "title": "ms before (below 0) and after",
        },
        shapes=boxes,
        annotations=notes,
    )
    if drawn:
        hidden = {"showgrid": False, "showticklabels": False}
        made["yaxis2"] = {**traces.AXIS, "range": [len(drawn), 0], "domain": [0, strip / total], **hidden}
    return traces.spec(data, made, [{"index": at, **each} for at, each in enumerate(labels)])


def _side(curve: Curve, sign: int, seen: Overview) -> list[Spec]:
    look, faint = seen.looks[curve.series], curve.kind == "untrained"
    made = []
    known = [point for point in curve.points if point.low is not None and point.high is not None]
    if known and not faint:
        low, high = (
            [sign * end for point in known if (end := getattr(point, name)) is not None]
            for name in ("low", "high")
        )
        made.append(traces.area(curve.series, [point.depth for point in known], low, high, f"{look.colour}/0.13"))
    x, y = [point.depth for point in curve.points], [sign * point.value for point in curve.points]
    text = [_hover(curve, point, sign) for point in curve.points]
    symbols = [seen.shapes[point.period_ms] for point in curve.points]
    size, width = (6, 1.5) if faint else (9, 2.2)
    made.append(
        traces.marked(curve.series, x, y, look.colour, text, symbols=symbols, look=look, size=size, width=width)
    )
    return made


def _level(curve: Curve, sign: int, seen: Overview, across: tuple[float, float]) -> list[Spec]:
    (point, *_), look = curve.points, seen.looks[curve.series]
    return [
        traces.lined(curve.series, across, [sign * point.value] * 2, look, [_hover(curve, point, sign)] * 2, 1.2)
    ]


def _hover(curve: Curve, point: Point, sign: int) -> str:
    def ms(value: float) -> str:
        return f"{value:.0f} ms"

    side = "before" if sign < 0 else "after"
    told = [
        named(curve.model, "untrained" if curve.kind == "untrained" else ""),
        f"{point.where}, depth {point.depth}",
    ]
    return "\n".join([*told, f"{ms(point.value)} {side}{interval(point.low, point.high, ms)}"])
