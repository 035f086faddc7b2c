"""Where in the network: the effect of each factor, layer by layer."""

from __future__ import annotations

from collections.abc import Sequence

from lamina.effect import Effect
from lamina.files import file_name
from lamina.measures import find_measure
from lamina.report import traces
from lamina.report.chart import Chart, Drawing, Entry, Kind, Records, choice
from lamina.report.effects import LAYER, amount, factor_name, score_names
from lamina.report.overview import Overview
from lamina.report.traces import Spec
from lamina.report.wording import by_level


def chart(seen: Overview) -> Chart | None:
    """A drawing a score, a line a factor; None where no effects were estimated by layer."""
    names = score_names(seen)
    groups: dict[str, list[Effect]] = {}
    for each in sorted(seen.effects, key=lambda each: find_measure(each.measure).rank):
        if each.at == LAYER:
            groups.setdefault(names[each], []).append(each)
    if not groups:
        return None
    targets = by_level(found[0].target for found in groups.values())
    first = "phone" if "phone" in targets else targets[0]
    order = sorted(groups, key=lambda name: groups[name][0].target != first)
    drawings = tuple(_drawing(name, groups[name], seen) for name in order)
    factors = dict.fromkeys(each.name for found in groups.values() for each in found)
    entries = tuple(
        Entry(factor_name(name, seen.labels), series, seen.looks[series])
        for name in factors
        if (series := f"effect:{name}")
    )
    return Chart("effects-by-layer", "Where in the network", "", (choice("Score", order),), drawings, entries)


KIND = Kind("changes", 2, chart)


def _drawing(name: str, shown: Sequence[Effect], seen: Overview) -> Drawing:
    by_factor: dict[str, list[Effect]] = {}
    for each in sorted(shown, key=lambda each: each.layer):
        by_factor.setdefault(each.name, []).append(each)
    said = []
    for factor, mine in by_factor.items():
        top = max(mine, key=lambda each: abs(each.value))
        said.append(f"{factor_name(factor, seen.labels)}: largest at layer {top.layer}, {amount(top)}")
    return Drawing(
        (name,),
        file_name(f"effects-by-layer-{name}".replace(", ", "-").replace(" ", "-")),
        f"Differences in {name}, by layer",
        f"The difference that each factor makes to {name} at layers of equal depth (the front end left out), with "
        "its 95 % interval.",
        f"Differences in {name} by layer. {'; '.join(said)}.",
        _plot(by_factor, shown, seen),
        Records.of(shown),
    )


def _plot(by_factor: dict[str, list[Effect]], shown: Sequence[Effect], seen: Overview) -> Spec:
    data: list[Spec] = []
    for name, mine in by_factor.items():
        series = f"effect:{name}"
        look, label = seen.looks[series], factor_name(name, seen.labels)
        known = [each for each in mine if each.low is not None and each.high is not None]
        if known:
            ends = [each.low for each in known], [each.high for each in known]
            data.append(traces.area(series, [each.layer for each in known], *ends, f"{look.colour}/0.13"))
        x, y = [each.layer for each in mine], [each.value for each in mine]
        text = [f"{label}\nlayer {each.layer}\n{amount(each)}" for each in mine]
        data.append(traces.marked(series, x, y, look.colour, text, size=6, look=look))
    up = traces.room((end for each in shown for end in (each.low, each.value, each.high)), zero=True)
    layers = [each.layer for each in shown]
    layout = traces.layout(
        380,
        58,
        14,
        xaxis={
            "range": [min(layers) - 0.4, max(layers) + 0.4],
            "dtick": 1,
            "title": "layer, of equal depth in all encoders",
        },
        yaxis={"range": list(up), "nticks": 7},
        shapes=[traces.segment(0, 0, 1, 0, "ink", 1, "3px,3px", xref="paper")],
    )
    return traces.spec(data, layout)
