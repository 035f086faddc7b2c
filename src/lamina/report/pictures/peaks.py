"""The hierarchy: which level of language peaks at which depth, and at which rate."""

from __future__ import annotations

from lamina.files import file_name
from lamina.markup import shortened
from lamina.report import traces
from lamina.report.chart import Chart, Drawing, Kind, choice, key
from lamina.report.comparison import Comparison, Curve, Point, hover
from lamina.report.overview import Overview
from lamina.report.strips import strips
from lamina.report.style import Line
from lamina.report.traces import Spec
from lamina.report.wording import by_level, measure_label
from lamina.score import Scores

ROW, HEAD = 18, 26  # pixels of a model's row and of the heading of a target
CAPTION = (
    "A marker is the layer where an encoder's value is best; its shape is the frame period there. The line joins "
    "the neighbouring layers whose value lies within the best one's interval: as good, as far as these speakers "
    "tell. Grey boxes are the encoder's blocks, the slower the darker. Between targets only places are compared, "
    "not values."
)


def chart(seen: Overview) -> Chart | None:
    """A drawing a measure; None where no measure has two targets with curves."""
    groups = {(measure, rules): found for rules in _rules(seen) for measure, found in levels(seen, rules).items()}
    asked = sorted(
        (each for each, found in groups.items() if len(found) > 1),
        key=lambda each: groups[each][0].measure.rank,
    )
    if not asked:
        return None
    drawings = tuple(_drawing(chosen, groups[chosen], seen) for chosen in asked)
    choices = (
        choice("Measure", (measure for measure, _ in asked), measure_label),
        choice("Items and rules", (rules for _, rules in asked), lambda text: text or "all"),
    )
    return Chart("hierarchy", "Which level of language peaks where", "", choices, drawings, key(seen, "model"))


KIND = Kind("layers", 2, chart)


def _rules(seen: Overview) -> list[str]:
    """The rules between which a reader can choose; empty ones where there is no choice."""
    return list(dict.fromkeys(each.rules for each in seen.comparisons if each.rules)) or [""]


def levels(seen: Overview, rules: str = "") -> dict[str, list[Comparison]]:
    """A comparison a target, from the sound up, by measure: under these rules where they are, else the first."""
    found: dict[str, dict[str, Comparison]] = {}
    for each in sorted(seen.comparisons, key=lambda each: each.rules != rules):
        if each.target and each.ranked and each.of("model"):
            found.setdefault(each.measure.name, {}).setdefault(each.target, each)
    return {measure: [by[target] for target in by_level(by)] for measure, by in found.items()}


def plateau(curve: Curve) -> tuple[Point, Point]:
    """The first and last of the neighbouring layers that are as good as the best, as far as its interval tells."""
    best, layers, less = curve.best, curve.layers, curve.measure.better == "lower"
    bound = best.high if less else best.low
    at = first = last = layers.index(best)

    def good(point: Point) -> bool:
        return bound is not None and (point.value <= bound if less else point.value >= bound)

    while first > 0 and good(layers[first - 1]):
        first -= 1
    while last + 1 < len(layers) and good(layers[last + 1]):
        last += 1
    return (layers[first], layers[last]) if bound is not None else (layers[at], layers[at])


def _drawing(chosen: tuple[str, str], levels_: list[Comparison], seen: Overview) -> Drawing:
    name = measure_label(chosen[0])
    curves = [(each, curve) for each in levels_ for curve in each.of("model")]
    said = []
    for each in levels_:
        places = ", ".join(f"{curve.label} at {curve.best.where}" for curve in each.of("model"))
        said.append(f"{shortened(each.target)}: {places}")
    tops = {(each.slug, curve.model, curve.best.row.tap) for each, curve in curves}
    rows = [
        row for each in levels_ for row in each.rows if not row.control and (each.slug, row.model, row.tap) in tops
    ]
    return Drawing(
        chosen,
        file_name("-".join(filter(None, ("peaks", *chosen))).replace(", ", "-")),
        f"Where {name} is best, by target",
        CAPTION,
        f"Where {name} is best. {'; '.join(said)}.",
        _plot(levels_, seen),
        Scores(rows),
    )


def _plot(levels_: list[Comparison], seen: Overview) -> Spec:
    depths = [point.depth for each in levels_ for curve in each.of("model") for point in curve.points]
    across = (min(depths) - 0.6, max(depths) + 0.6)
    data: list[Spec] = []
    boxes: list[Spec] = []
    headings: list[Spec] = []
    ticks: dict[float, str] = {}
    at = 0.0
    for each in levels_:
        headings.append(traces.heading(at + HEAD / ROW / 2, shortened(each.target)))
        at += HEAD / ROW
        for curve in each.of("model"):
            boxes += strips([curve], seen, across, [at], "y")[0]
            data += _row(curve, seen, at + 0.5)
            ticks[at + 0.5] = shortened(curve.model, 20)
            at += 1
    look = traces.layout(
        int(at * ROW) + 60,
        traces.margin(list(ticks.values())),
        14,
        xaxis={"range": list(across), "dtick": 1, "title": "depth along the data flow"},
        yaxis={
            "range": [at, 0],
            "tickvals": list(ticks),
            "ticktext": list(ticks.values()),
            "showgrid": False,
        },
        shapes=boxes,
        annotations=headings,
    )
    return traces.spec(data, look)


def _row(curve: Curve, seen: Overview, at: float) -> list[Spec]:
    look, best = seen.looks[curve.series], curve.best
    first, last = plateau(curve)
    also = f"\nas good: {first.where} to {last.where}" if first != last else ""
    span = traces.lined(curve.series, [first.depth, last.depth], [at, at], Line(look.colour, "solid"), width=3)
    text, symbols = [hover(curve.label, best) + also], [seen.shapes[best.period_ms]]
    return [span, traces.marked(curve.series, [best.depth], [at], look.colour, text, symbols=symbols, size=11)]
