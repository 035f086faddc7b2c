"""`lamina cost`: multiply-accumulates, speed, parameters."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lamina.cli.options import ENCODER_HELP
from lamina.terminal import keep, number, show


def cost(
    encoder_names: Annotated[list[str], typer.Argument(help=ENCODER_HELP, metavar="ENCODER…")],
    seconds: Annotated[str, typer.Option(help="Lengths of audio, by commas.")] = "10",
    repeats: Annotated[int, typer.Option(min=1, help="Timed runs; the median counts.")] = 3,
    out: Annotated[Path | None, typer.Option(help="Write the scores into this file (scores.jsonl).")] = None,
) -> None:
    """Count multiply-accumulates and parameters, measure speed."""
    from lamina.cost.cost import measure_cost
    from lamina.encoders.load import load_encoder
    from lamina.report.console import cost_table
    from lamina.score import Scores

    lengths = [number(length, "--seconds") for length in seconds.split(",")]
    scores = Scores()
    for each in encoder_names:
        scores += measure_cost(load_encoder(each), seconds=lengths, repeats=repeats)
    show(cost_table(scores))
    keep(scores, out)
