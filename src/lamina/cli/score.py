"""`lamina score`: published summary scores from results."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lamina.terminal import say, show

score = typer.Typer(help="Summary scores of benchmarks.", no_args_is_help=True, rich_markup_mode=None)


@score.callback()
def _group() -> None:
    """Summary scores of benchmarks."""


@score.command("superb")
def superb(
    results: Annotated[
        Path,
        typer.Argument(
            help="A run folder of `lamina probe --protocol superb`, a scores.jsonl, or a TOML file with a table "
            "an encoder (pr = 5.41, sf-f1 = 88.53, …, in per cent)."
        ),
    ],
) -> None:
    """The SUPERB score: 0 is filter banks, 1000 the best of every metric in the paper of 2021."""
    from lamina.probe.superb import METRICS, left_out, read_results, superb_score
    from lamina.report.console import table

    found = read_results(results)
    rows = []
    for model, values in found.items():
        cells = [f"{values[name]:.2f}" if name in values else "" for name in METRICS]
        rows.append((model, f"{superb_score(values):.0f}", *cells))
    show(table(("encoder", "score", *METRICS), rows, title="SUPERB score", caption="metrics in per cent"))
    for model, values in found.items():
        if left_out(values):
            say(
                f"note: {model} lacks {', '.join(left_out(values))}: its score is over the other tasks and cannot "
                "be compared with the leaderboard's"
            )
    if results.suffix != ".toml":
        say("note: comparable with the leaderboard only on SUPERB's own data sets")
