"""Scores as tables on the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich import box
from rich.table import Table

from lamina.report.verdicts import Verdict
from lamina.score import LAYERS, Score, Scores

WIDTH = 100  # of a table of layers
HEAVIEST = 3


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
    values = scores.select(lambda row: bool(row.tap), control=("", "untrained"))
    nulls = {_place(row): row.value for row in scores.select(control="shuffled")}
    ways = dict.fromkeys((not row.plain, row.target, row.support) for row in values)
    return [
        _target_table(values.select(target=target, support=support), target, nulls, f"{100 * level:g} %")
        for _, target, support in sorted(ways, key=lambda way: way[0])
    ]


def _target_table(values: Scores, target: str, nulls: dict[tuple[str, ...], float], level: str) -> Table:
    measures: list[str] = values.distinct("measure")
    # The front end is drawn but does not compete; a model of one tap has nothing to choose.
    layers = values.select(lambda row: row.depth > 0)
    best = {measure: layers.best(measure) for measure in measures} if len(layers) else {}
    found = {_place(row): row for row in values}
    support = values[0].support
    places = dict.fromkeys((row.model, row.tap) for row in values)
    cells = [[found.get((*place, measure, target, support)) for measure in measures] for place in places]
    rows: list[tuple[str, ...]] = []
    for known in (True, False):
        rows = []
        for (_, tap), own in zip(places, cells, strict=True):
            period = next((cell.period_ms for cell in own if cell is not None), 0.0)
            said = (_cell(cell, best, nulls, known=known) for cell in own)
            rows.append((tap, f"{period:g}" if period else "", *said))
        header = ("tap", "ms", *measures)
        if sum(max(map(len, column)) + 2 for column in zip(header, *rows, strict=True)) <= WIDTH:
            break
    counts = " to ".join(str(n) for n in sorted({min(row.n for row in values), max(row.n for row in values)}))
    caption = (
        f"scored on {', '.join(values.distinct('split'))}: {counts} {'frames' if target == 'mel' else 'segments'}"
    )
    if best:
        caption += "; * best layer behind the front end"
    if target != "mel" and any(_place(row) in nulls for row in values):
        how = "among all utterances" if target == "speaker" else "within speaker, if no note says otherwise"
        caption += f"; behind the slash: labels shuffled {how}"
    if not known:
        tops = [best.get(measure) or values.best(measure) for measure in measures]
        ends = [f"{row.measure} {row.tap} {row.value:.3f}{ends}" for row in tops if (ends := _ends(row))]
        caption += f"\n{level} intervals of the best: {', '.join(ends)}" if ends else ""
    elif any(row.low is not None for row in values):
        caption += f"; in brackets: {level} intervals"
    way = "" if values[0].plain else f", {support}"
    return table(header, rows, title=f"{', '.join(values.distinct('model'))}: {target}{way}", caption=caption)


def _cell(row: Score | None, best: dict[str, Score], nulls: dict[tuple[str, ...], float], *, known: bool) -> str:
    if row is None:
        return "–"
    star = "*" if row == best.get(row.measure) else ""
    null = nulls.get(_place(row))
    said = f"{row.value:.3f}{star}{_ends(row) if known else ''}"
    return said if null is None else f"{said} /{_short(null)}"


def _ends(row: Score) -> str:
    return "" if row.low is None or row.high is None else f" ({_short(row.low)} to {_short(row.high)})"


def _short(value: float) -> str:
    """Two decimals; nothing is -0.00."""
    return f"{round(value, 2) + 0.0:.2f}"


def _place(row: Score) -> tuple[str, ...]:
    return row.model, row.tap, row.measure, row.target, row.support


def probe_tables(scores: Scores) -> list[Table]:
    """One table a task: a row a head and tap, a column a measure, with intervals; then one of what weighs most."""
    tables = []
    layers = scores.select(measure=LAYERS)
    if len(layers.distinct("tap")) == 1:  # nothing to weigh
        layers = Scores()
    scores = scores.select(lambda row: row.measure not in LAYERS)
    for task in scores.distinct("target"):
        rows = scores.select(target=task)
        measures = rows.distinct("measure")
        scored = next((row for row in rows if row.low is not None), rows[0])
        cells: dict[tuple[str, str, str], dict[str, Score]] = {}
        for row in rows:
            cells.setdefault((row.support, row.tap, f"{row.period_ms:g}" if row.period_ms else ""), {})[
                row.measure
            ] = row
        lines = [(*place, *(_measured(found.get(each)) for each in measures)) for place, found in cells.items()]
        tables.append(
            table(
                ("head", "tap", "ms", *measures),
                lines,
                title=f"{scored.model}: {task}",
                caption=f"protocol {scored.protocol}; scored on {scored.split}; n = {scored.n}",
            )
        )
    if len(layers):
        tables.append(_heaviest(layers))
    return tables


def _heaviest(layers: Scores) -> Table:
    """A line a task and head: the taps that count most in its weighted sum, and how long their vectors are."""
    lines = []
    for task, head in dict.fromkeys((row.target, row.support) for row in layers):
        own = layers.select(target=task, support=head)
        lengths = {row.tap: row.value for row in own.select(measure="layer-norm")}
        weights = sorted(own.select(measure="layer-weight"), key=lambda row: -row.value)
        told = [f"{row.tap} {row.value:.2f} (length {lengths[row.tap]:.3g})" for row in weights[:HEAVIEST]]
        lines.append((task, head, str(len(weights)), ", ".join(told)))
    return table(("task", "head", "taps", "weigh most in the sum"), lines)


def _measured(row: Score | None) -> str:
    if row is None:
        return ""
    interval = "" if row.low is None or row.high is None else f" ({row.low:.3f} to {row.high:.3f})"
    return f"{row.value:.3f}{interval}"


def taps_table(title: str, rows: Iterable[Sequence[str]]) -> Table:
    """The taps of an encoder and what others call the same tensors."""
    return table(
        ("tap", "depth", "width", "ms", "centre", "window", "fairseq", "transformers", "s3prl"),
        rows,
        title=title,
        caption="centre of frame 0 and window in samples",
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
