"""`lamina cost`: multiply-accumulates, speed, memory, parameters."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lamina.cli.options import ENCODER_HELP, Device, on
from lamina.terminal import keep, number, say, show


def cost(
    encoder_names: Annotated[list[str], typer.Argument(help=ENCODER_HELP, metavar="ENCODER…")],
    seconds: Annotated[str, typer.Option(help="Lengths of audio, by commas.")] = "10",
    repeats: Annotated[int, typer.Option(min=1, help="Timed runs; the median counts.")] = 3,
    out: Annotated[Path | None, typer.Option(help="Write the scores into this file (scores.jsonl).")] = None,
    device: Device = "auto",
    picture: Annotated[Path | None, typer.Option(help="Draw them into this file (.png, .svg, .pdf).")] = None,
) -> None:
    """Count multiply-accumulates and parameters, measure speed and memory of reading and of training."""
    from lamina.cost.cost import measure_cost
    from lamina.encoders.load import load_encoder
    from lamina.errors import LaminaError
    from lamina.report.costs import PICTURES, cost_picture, cost_tables
    from lamina.score import Scores

    device = on(device)
    lengths = [number(length, "--seconds") for length in seconds.split(",")]
    if picture is not None and picture.suffix not in PICTURES:
        raise LaminaError(f"--picture: {picture} must end in {', '.join(PICTURES)}")
    if len(set(encoder_names)) < len(encoder_names):
        raise LaminaError("an encoder is named twice: name each once")
    scores = Scores()
    for each in encoder_names:
        scores += measure_cost(load_encoder(each, device=device), seconds=lengths, repeats=repeats)
    for table in cost_tables(scores):
        show(table)
    keep(scores, out)
    if picture is not None:
        say(f"picture: {cost_picture(scores, picture).resolve()}")
