"""Scores as tables on the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich import box
from rich.table import Table

from lamina.report.verdicts import Verdict
from lamina.score import Score, Scores


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
        numbers = all(row[place][:1] in "-.0123456789" or not row[place] for row in rows)
        made.add_column(name, justify="right" if numbers else "left", overflow="fold")
    for row in rows:
        made.add_row(*row)
    return made


def layer_tables(scores: Scores) -> list[Table]:
    """One table a target: a row a tap, a column a measure, the best of each column marked with a star.

    Behind a slash stands the null: labels shuffled within speaker.
    """
    values = scores.select(lambda row: bool(row.tap), control=("", "untrained"))
    nulls = {_place(row): row.value for row in scores.select(control="shuffled")}
    return [_target_table(values.select(target=target), target, nulls) for target in values.distinct("target")]


def _target_table(values: Scores, target: str, nulls: dict[tuple[str, ...], float]) -> Table:
    measures: list[str] = values.distinct("measure")
    # The front end is drawn but does not compete; a model of one tap has nothing to choose.
    layers = values.select(lambda row: row.depth > 0)
    best = {measure: layers.best(measure) for measure in measures} if len(layers) else {}
    found = {_place(row): row for row in values}
    rows = []
    for model, tap in dict.fromkeys((row.model, row.tap) for row in values):
        cells = [found.get((model, tap, measure, target)) for measure in measures]
        period = next((cell.period_ms for cell in cells if cell is not None), 0.0)
        rows.append((tap, f"{period:g}" if period else "", *(_cell(cell, best, nulls) for cell in cells)))
    counts = " to ".join(str(n) for n in sorted({min(row.n for row in values), max(row.n for row in values)}))
    caption = (
        f"scored on {', '.join(values.distinct('split'))}: {counts} {'frames' if target == 'mel' else 'segments'}"
    )
    if best:
        caption += "; * best layer behind the front end"
    if nulls and target != "mel":
        caption += "; behind the slash: labels shuffled within speaker"
    return table(
        ("tap", "ms", *measures), rows, title=f"{', '.join(values.distinct('model'))}: {target}", caption=caption
    )


def _cell(row: Score | None, best: dict[str, Score], nulls: dict[tuple[str, ...], float]) -> str:
    if row is None:
        return ""
    star = "*" if row == best.get(row.measure) else ""
    null = nulls.get(_place(row))
    return f"{row.value:.3f}{star}" if null is None else f"{row.value:.3f}{star} /{null:.2f}"


def _place(row: Score) -> tuple[str, ...]:
    return row.model, row.tap, row.measure, row.target


def probe_tables(scores: Scores) -> list[Table]:
    """One table a task: a row a head and tap, a column a measure, with intervals."""
    tables = []
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
    return tables


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
