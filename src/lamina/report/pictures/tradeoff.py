"""Quality against cost: a point an encoder."""

from __future__ import annotations

from lamina.files import file_name
from lamina.markup import shortened
from lamina.measures import PARAMETERS
from lamina.report import traces
from lamina.report.chart import Chart, Choice, Drawing, Kind, choice, key
from lamina.report.comparison import Comparison, Curve, averaged
from lamina.report.overview import COSTS, Overview
from lamina.report.traces import Spec
from lamina.report.wording import measure_label, number, period, quantity
from lamina.score import Score, Scores

HEIGHT = 400  # pixels
Cost = tuple[str, float, str]  # measure, length of audio, setting


def chart(seen: Overview) -> Chart | None:
    """A drawing a cost and comparison; None where no encoder has both."""
    costs, qualities = _costs(seen), _qualities(seen)
    found = [_drawing(cost, each, costs[cost], seen) for cost in costs for each in qualities]
    drawings = [drawing for drawing in found if drawing is not None]
    if not drawings:
        return None
    phones = {each.title for each in qualities if each.target == "phone"}
    drawings.sort(key=lambda drawing: drawing.chosen[1] not in phones)
    shown, titles = zip(*(drawing.chosen for drawing in drawings), strict=True)
    labels = {cost_label(cost): None for cost in costs if cost_label(cost) in shown}
    choices: tuple[Choice, ...] = (choice("Cost", labels), choice("Quality", titles))
    return Chart("tradeoff", "Quality against cost", "", choices, tuple(drawings), key(seen, "model"))


KIND = Kind("cost", 1, chart)


def _qualities(seen: Overview) -> list[Comparison]:
    """The first measure of every family and target, under all its rules."""
    first: dict[tuple[str, str], str] = {}
    asked = [each for each in seen.ranked if each.of("model")]
    for each in asked:
        first.setdefault((each.measure.family, each.target), each.measure.name)
    return [each for each in asked if first[each.measure.family, each.target] == each.measure.name]


def _costs(seen: Overview) -> dict[Cost, dict[str, list[Score]]]:
    """Rows of whole encoders by cost and model, the longest audio of each measure; those of time first."""
    longest: dict[str, float] = {}
    for row in seen.costs:
        longest[row.measure] = max(longest.get(row.measure, 0.0), row.seconds)
    found: dict[Cost, dict[str, list[Score]]] = {}
    for row in sorted(seen.costs, key=lambda row: (row.measure == PARAMETERS, COSTS.index(row.measure))):
        if row.seconds == longest[row.measure]:
            found.setdefault((row.measure, row.seconds, row.setting), {}).setdefault(row.model, []).append(row)
    return found


def cost_label(cost: Cost) -> str:
    """A cost in words."""
    measure, seconds, setting = cost
    of = f" of {seconds:g} s of audio" if seconds else ""
    return f"{measure_label(measure)}{of}{f', {shortened(setting)}' if setting else ''}"


def _drawing(cost: Cost, comparison: Comparison, costs: dict[str, list[Score]], seen: Overview) -> Drawing | None:
    curves = [curve for curve in comparison.of("model") if curve.model in costs]
    if not curves:
        return None
    across = {curve.model: averaged(costs[curve.model]).value for curve in curves}
    unit = costs[curves[0].model][0].unit
    label = cost_label(cost)
    said = [
        f"{curve.label}: {quantity(across[curve.model], unit)}, {number(curve.best.value)}" for curve in curves
    ]
    tops = {(curve.model, curve.best.row.tap, "") for curve in curves}
    rows = [row for curve in curves for row in costs[curve.model]]
    rows += [row for row in comparison.rows if (row.model, row.tap, row.control) in tops]
    return Drawing(
        (label, comparison.title),
        file_name(f"tradeoff-{label}-{comparison.slug}".replace(", ", "-").replace(" ", "-")),
        f"{comparison.title} against {label}",
        f"{comparison.title} at each encoder's best layer, with its interval, against {label}. The shape of a "
        "marker is the slowest frame period of the encoder.",
        f"{comparison.title} against {label}. {'; '.join(said)}.",
        _plot(curves, across, unit, label, comparison, seen),
        Scores(rows),
    )


def _plot(
    curves: list[Curve], across: dict[str, float], unit: str, label: str, comparison: Comparison, seen: Overview
) -> Spec:
    up = traces.room(
        (end for curve in curves for end in (curve.best.low, curve.best.value, curve.best.high)), 0.12
    )
    sideways = traces.room(across.values(), 0.15)
    what = label + (f" ({'s of audio a second' if unit == 's/s' else unit})" if unit else "")
    look = traces.layout(
        HEIGHT,
        62,
        16,
        xaxis={"range": list(sideways), "title": shortened(what, 80), "exponentformat": "SI", "nticks": 6},
        yaxis={"range": list(up), "title": shortened(comparison.title, 50), "nticks": 6},
        annotations=_names(curves, across, up, sum(sideways) / 2),
    )
    return traces.spec([_point(curve, across[curve.model], unit, seen) for curve in curves], look)


def _names(curves: list[Curve], across: dict[str, float], up: tuple[float, float], middle: float) -> list[Spec]:
    """The encoders' names beside their points, towards the middle, moved apart where points are close."""
    scale = (HEIGHT - 64) / (up[1] - up[0])
    notes: list[Spec] = []
    for right in (False, True):
        side = [curve for curve in curves if (across[curve.model] > middle) == right]
        wanted = [(curve.best.value - up[0]) * scale for curve in side]
        place: Spec = {"xanchor": "right", "xshift": -12} if right else {"xanchor": "left", "xshift": 12}
        for curve, want, moved in zip(side, wanted, traces.spread(wanted, 16, 8, HEIGHT - 72), strict=True):
            at = across[curve.model], curve.best.value
            notes.append(traces.note(*at, shortened(curve.label, 24), yshift=moved - want, **place))
    return notes


def _point(curve: Curve, cost: float, unit: str, seen: Overview) -> Spec:
    best, look = curve.best, seen.looks[curve.series]
    slowest = max(point.period_ms for point in curve.points)
    said = (quantity(cost, unit), f"{number(best.value)} at {best.where}", f"slowest block {period(slowest)}")
    bars = traces.errors([best.value], [(best.low, best.high)], look.colour)
    text, symbols = ["\n".join([curve.label, *said])], [seen.shapes[slowest]]
    return traces.marked(
        curve.series, [cost], [best.value], look.colour, text, symbols=symbols, size=12, error_y=bars
    )
