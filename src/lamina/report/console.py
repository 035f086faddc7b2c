"""Scores as tables on the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich import box
from rich.table import Table

from lamina.measures import EXPLAINS, LAYER_NORM, LAYER_WEIGHT, find_measure
from lamina.report.comparison import Way, apart, rules, way_of
from lamina.report.verdicts import Verdict
from lamina.report.wording import interval
from lamina.score import SHUFFLED, UNTRAINED, Score, Scores

WIDTH = 100  # of a table of layers
HEAVIEST = 3
CHANCE = 0.05  # a value that shuffled labels reach as often is told to be none


def table(header: Sequence[str], rows: Iterable[Sequence[str]], *, title: str = "", caption: str = "") -> Table:
    """A plain table; columns of numbers stand to the right."""
    made = Table(
        title=title or None,
        caption=caption or None,
        title_justify="left",
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    rows = [tuple(row) for row in rows]
    for place, name in enumerate(header):
        numbers = all(row[place][:1] in "-–.0123456789" or not row[place] for row in rows)
        made.add_column(name, justify="right" if numbers else "left", overflow="fold")
    for row in rows:
        made.add_row(*row)
    return made


def layer_tables(scores: Scores, *, level: float = 0.95) -> list[Table]:
    """One table a target and way of reading: a row a tap, a column a measure, the best marked with a star.

    Behind a slash stands the null. Intervals stand in the cells where `WIDTH` allows, else the best taps' below;
    ``level`` is their coverage.
    """
    values = scores.select(lambda row: bool(row.tap) and not row.layers, control=("", UNTRAINED))
    nulls = {_place(row): row.value for row in scores.select(control=SHUFFLED)}
    groups: dict[tuple[bool, str, Way], list[Score]] = {}
    for row in values:
        groups.setdefault((not row.plain, row.target, way_of(row)), []).append(row)
    places = apart((target, way) for _, target, way in groups)
    return [
        _target_table(Scores(groups[each]), nulls, f"{100 * level:g} %", rules(each[2], places))
        for each in sorted(groups, key=lambda each: each[0])
    ]


def _target_table(values: Scores, nulls: dict[tuple[object, ...], float], level: str, told: str) -> Table:
    measures: list[str] = values.distinct("measure")
    # The front end is drawn but does not compete; a model of one tap has nothing to choose.
    layers = values.select(lambda row: row.depth > 0)
    ranked = [name for name in layers.distinct("measure") if find_measure(name).better != "neither"]
    best = {name: layers.best(name) for name in ranked}
    found = {(row.model, row.tap, row.measure): row for row in values}
    rows_of = {(row.model, row.tap): row for row in values}
    cells = [[found.get((*place, name)) for name in measures] for place in rows_of]
    header = ("tap", "ms", *measures)
    for known in (True, False):
        rows = [
            (
                row.tap,
                f"{row.period_ms:g}" if row.period_ms else "",
                *(_cell(each, best, nulls, known) for each in own),
            )
            for row, own in zip(rows_of.values(), cells, strict=True)
        ]
        if sum(max(map(len, column)) + 2 for column in zip(header, *rows, strict=True)) <= WIDTH:
            break
    counts = " to ".join(str(n) for n in sorted({min(row.n for row in values), max(row.n for row in values)}))
    items = " and ".join(filter(None, values.distinct("items")))
    caption = f"scored on {', '.join(values.distinct('split'))}: {counts} {items}".rstrip()
    if best:
        caption += "; * best tap behind the front end"
    if any(_place(row) in nulls for row in values):
        caption += "; behind the slash: labels shuffled, their mean"
    if any((row.p or 0) > CHANCE for row in values):
        caption += f"; ~ no better than shuffled labels (p > {CHANCE:g})"
    if not known:
        tops = [best[name] for name in measures if name in best] or [values[0]]
        ends = [f"{row.measure} {row.tap} {row.value:.3f}{ends}" for row in tops if (ends := _ends(row))]
        caption += f"\n{level} intervals of the best: {', '.join(ends)}" if ends else ""
    elif any(row.low is not None for row in values):
        caption += f"; in brackets: {level} intervals"
    title = ", ".join(filter(None, (f"{', '.join(values.distinct('model'))}: {values[0].target}", told)))
    return table(header, rows, title=title, caption=caption)


def _cell(row: Score | None, best: dict[str, Score], nulls: dict[tuple[object, ...], float], known: bool) -> str:
    if row is None:
        return "–"
    star = "*" if row == best.get(row.measure) else ""
    null = nulls.get(_place(row))
    vain = "~" if (row.p or 0) > CHANCE else ""
    said = f"{row.value:.3f}{star}{vain}{_ends(row) if known else ''}"
    return said if null is None else f"{said} /{_short(null)}"


def _ends(row: Score) -> str:
    return interval(row.low, row.high, _short)


def _short(value: float) -> str:
    """Two decimals; nothing is -0.00."""
    return f"{round(value, 2) + 0.0:.2f}"


def _place(row: Score) -> tuple[object, ...]:
    return row.model, row.tap, row.measure, row.target, way_of(row)


def probe_tables(scores: Scores) -> list[Table]:
    """One table a task: a row a head and tap, a column a measure, with intervals; then one of what weighs most."""
    tables = []
    mixing = scores.select(lambda row: find_measure(row.measure).rank == EXPLAINS)
    heads = scores.select(lambda row: find_measure(row.measure).rank != EXPLAINS)
    for task in heads.distinct("target"):
        rows = heads.select(target=task)
        measures = rows.distinct("measure")
        scored = next((row for row in rows if row.low is not None), rows[0])
        cells: dict[tuple[str, str, str], dict[str, Score]] = {}
        for row in rows:
            period = f"{row.period_ms:g}" if row.period_ms else ""
            cells.setdefault((row.head, row.place or row.control, period), {})[row.measure] = row
        lines = [(*place, *(_measured(found.get(each)) for each in measures)) for place, found in cells.items()]
        counted = f"{scored.n} {scored.items}".rstrip()
        tables.append(
            table(
                ("head", "tap", "ms", *measures),
                lines,
                title=f"{scored.model}: {task}",
                caption=f"protocol {scored.protocol}; scored on {scored.split}: {counted}",
            )
        )
    if len(mixing.distinct("tap")) > 1:  # else there is nothing to weigh
        tables.append(_heaviest(mixing))
    return tables


def _heaviest(mixing: Scores) -> Table:
    """A line a task and head: the taps that count most in its weighted sum, and how long their vectors are."""
    lines = []
    for task, head in dict.fromkeys((row.target, row.head) for row in mixing):
        own = mixing.select(target=task, head=head)
        lengths = {row.tap: row.value for row in own.select(measure=LAYER_NORM)}
        weights = sorted(own.select(measure=LAYER_WEIGHT), key=lambda row: -row.value)
        told = [f"{row.tap} {row.value:.2f} (length {lengths[row.tap]:.3g})" for row in weights[:HEAVIEST]]
        lines.append((task, head, str(len(weights)), ", ".join(told)))
    return table(("task", "head", "taps", "weigh most in the sum"), lines)


def _measured(row: Score | None) -> str:
    return "" if row is None else f"{row.value:.3f}{interval(row.low, row.high, '{:.3f}'.format)}"


def taps_table(title: str, rows: Iterable[Sequence[str]]) -> Table:
    """The taps of an encoder and what others call the same tensors."""
    return table(
        ("tap", "depth", "width", "ms", "centre", "window", "fairseq", "transformers", "s3prl"),
        rows,
        title=title,
        caption="depth counts taps along the data flow, a final norm (NAME.norm) too, which is no layer; centre "
        "of frame 0 and window in samples: the window of the sound below the layers, which see further",
    )


def verdicts_table(verdicts: Iterable[Verdict]) -> Table:
    """What a study says of each claim: the effect, its 95 % interval, and the verdict."""
    rows = []
    for each in verdicts:
        known = each.effect is not None and each.low is not None and each.high is not None
        found = f"{each.low:+.3g} to {each.high:+.3g}" if known and each.low != each.high else ""
        effect = "" if each.effect is None else f"{each.effect:+.3g}"
        rows.append((each.verdict, each.claim, each.hypothesis, f"{effect} {each.unit}".strip(), found))
    return table(("verdict", "claim", "hypothesis", "effect", "95 % interval"), rows, title="Claims")
