"""Scores as a table on the terminal."""

from __future__ import annotations

from rich.table import Table

from lamina.score import Score, Scores


def layer_table(scores: Scores) -> Table:
    """One row a tap, one column a measure and target, the best of each column in bold.

    Controls follow after a slash: ``0.41 /0.02`` is a value and its shuffled-label null.
    """
    values = scores.select(lambda row: bool(row.tap), control=("", "untrained"))
    nulls = {_place(row): row.value for row in scores.select(control="shuffled")}
    columns = list(dict.fromkeys((row.measure, row.target) for row in values))
    best = {column: max(row.value for row in values if (row.measure, row.target) == column) for column in columns}
    table = Table(title=", ".join(values.distinct("model")), caption=_caption(values, bool(nulls)))
    table.add_column("tap")
    table.add_column("ms", justify="right")
    for measure, target in columns:
        table.add_column(f"{target}\n{measure}", justify="right")
    found = {_place(row): row for row in values}
    for model, tap in dict.fromkeys((row.model, row.tap) for row in values):
        cells = []
        period = 0.0
        for measure, target in columns:
            row = found.get((model, tap, measure, target))
            if row is None:
                cells.append("")
                continue
            period = row.period_ms
            text = f"{row.value:.3f}"
            null = nulls.get(_place(row))
            text = f"[bold]{text}[/bold]" if row.value == best[measure, target] else text
            cells.append(text if null is None else f"{text} [dim]/{null:.3f}[/dim]")
        table.add_row(tap, f"{period:g}", *cells)
    return table


def _place(row: Score) -> tuple[str, str, str, str]:
    return row.model, row.tap, row.measure, row.target


def _caption(values: Scores, nulls: bool) -> str:
    counts = {row.target: row.n for row in values}
    parts = [f"{n} {target}s" if target != "mel" else f"{n} mel frames" for target, n in counts.items()]
    note = "; after the slash: labels shuffled within speaker" if nulls else ""
    return f"scored on {', '.join(values.distinct('split'))}: {', '.join(parts)}{note}"
