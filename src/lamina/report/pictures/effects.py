"""Effects with their intervals: a row an effect, a block a factor."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from lamina.effect import Effect
from lamina.files import file_name
from lamina.markup import shortened
from lamina.measures import find_measure
from lamina.report import traces
from lamina.report.chart import Chart, Drawing, Kind, Records, choice
from lamina.report.effects import (
    LAYER,
    PLACES,
    amount,
    choosers,
    clear,
    factor_name,
    is_ratio,
    place_name,
    score_names,
)
from lamina.report.overview import Overview
from lamina.report.traces import Spec
from lamina.report.wording import by_level

ROW, HEAD = 21, 30  # pixels of a row and of a factor's heading
MOST = 60  # rows of one drawing; more are shown factor by factor
RATIOS, FURTHER = "correlations and shares", "further readings"


def chart(seen: Overview) -> Chart | None:
    """A drawing a place and kind of score (and a factor, where all do not fit); None without effects."""
    groups: dict[tuple[str, str], list[Effect]] = {}
    for each in sorted(seen.effects, key=_order):
        if each.at != LAYER:
            groups.setdefault((each.at, _kind(each.measure)), []).append(each)
    names = score_names(seen)
    drawings: list[Drawing] = []
    for chosen, found in groups.items():
        factors = list(dict.fromkeys(each.name for each in found))
        parts = [("", found)]
        if len(found) > MOST:
            parts = [(factor, [each for each in found if each.name == factor]) for factor in factors]
        drawings += [_drawing((*chosen, factor), part, names, seen.labels) for factor, part in parts]
    if not drawings:
        return None
    places, scores, factors_ = zip(*(drawing.chosen for drawing in drawings), strict=True)
    choices = (
        choice("Where", places, place_name),
        choice("Scores", scores),
        choice("Factor", factors_, lambda name: factor_name(name, seen.labels) or "all"),
    )
    return Chart("effects", "Effects with their intervals", "", choices, tuple(drawings))


KIND = Kind("changes", 1, chart)


def _order(effect: Effect) -> tuple[int, int, bool]:
    at = list(PLACES).index(effect.at) if effect.at in PLACES else len(PLACES)
    return at, find_measure(effect.measure).rank, not is_ratio(effect.measure)


def _kind(name: str) -> str:
    """What scores share a drawing: those of like size; other readings of a measure apart."""
    measure = find_measure(name)
    return measure.label if not is_ratio(name) else RATIOS if measure.rank == 1 else FURTHER


def _drawing(
    chosen: tuple[str, str, str], shown: Sequence[Effect], names: Mapping[Effect, str], labels: Mapping[str, str]
) -> Drawing:
    at, kind, factor = chosen
    who = f", {told}" if (told := choosers(shown)) else ""
    said = [f"{factor_name(each.name, labels)}, {names[each]}: {amount(each)}" for each in shown]
    parts = ("effects", at, "" if kind == RATIOS else kind, factor)
    return Drawing(
        chosen,
        file_name("-".join(filter(None, parts)).replace(" ", "-")),
        f"Differences {place_name(at)}",
        f"Mean difference that each factor makes to each score {place_name(at)}{who} (the front end left out), "
        "with its 95 % interval; a filled marker's interval excludes zero, a hollow one's does not.",
        f"Differences {place_name(at)}. {'; '.join(said)}.",
        _plot(shown, names, labels),
        Records.of(shown),
    )


def _plot(shown: Sequence[Effect], names: Mapping[Effect, str], labels: Mapping[str, str]) -> Spec:
    targets = by_level(each.target for each in shown)
    headings: list[Spec] = []
    placed: dict[float, Effect] = {}
    at = 0.0
    for factor in dict.fromkeys(each.name for each in shown):
        headings.append(traces.heading(at + HEAD / ROW / 2, shortened(factor_name(factor, labels), 80)))
        at += HEAD / ROW
        mine = (each for each in shown if each.name == factor)
        for each in sorted(mine, key=lambda each: targets.index(each.target)):
            placed[at + 0.5] = each
            at += 1
    widest = max(abs(end) for each in shown for end in (each.low, each.value, each.high, 1e-9) if end is not None)
    widest *= 1.12
    texts = [shortened(names[each], 40) for each in placed.values()]
    size = 10.0 ** math.floor(math.log10(widest))
    step = max(part * size for part in (1, 2, 4, 6, 8) if part * size <= widest) / 2
    ticks = [step * part for part in (-2, -1, 0, 1, 2)]
    look = traces.layout(
        int(at * ROW) + 60,
        traces.margin(texts, 260),
        14,
        xaxis={
            "range": [-widest, widest],
            "title": "difference",
            "tickvals": ticks,
            "ticktext": [f"{tick:.4g}".replace("-", "−") for tick in ticks],
        },
        yaxis={"range": [at, 0], "tickvals": list(placed), "ticktext": texts, "showgrid": False},
        shapes=[traces.segment(0, 0, 0, 1, "ink", 1, "3px,3px", yref="paper")],
        annotations=headings,
    )
    parts = [{at: each for at, each in placed.items() if clear(each) == sure} for sure in (True, False)]
    return traces.spec([_trace(part, not place, names, labels) for place, part in enumerate(parts)], look)


def _trace(
    placed: Mapping[float, Effect], sure: bool, names: Mapping[Effect, str], labels: Mapping[str, str]
) -> Spec:
    shown = list(placed.values())
    values = [each.value for each in shown]
    text = [f"{factor_name(each.name, labels)}\n{names[each]}\n{amount(each)}" for each in shown]
    bars = traces.errors(values, [(each.low, each.high) for each in shown], "ink")
    series, fill = ("clear", "ink") if sure else ("unclear", "paper")
    return traces.marked(series, values, list(placed), fill, text, edge="ink", error_x=bars)
