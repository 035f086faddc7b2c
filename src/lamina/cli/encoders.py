"""`lamina encoder`: taps, published checkpoints, conversion."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lamina.cli.options import EncoderName, OutFolder, made_before
from lamina.terminal import say, show

encoder = typer.Typer(help="Encoders: taps, published checkpoints, conversion.", no_args_is_help=True)


@encoder.command("taps")
def encoder_taps(encoder_name: EncoderName) -> None:
    """List the taps of an encoder, with the names that others give to the same tensors."""
    from lamina.encoders.load import load_encoder
    from lamina.encoders.names import names_of
    from lamina.report.console import taps_table

    read = load_encoder(encoder_name)
    show(taps_table(read.name, names_of(read)))


@encoder.command("list")
def encoder_list() -> None:
    """List the published checkpoints of the MR-HuBERT family."""
    from lamina.encoders.published import PUBLISHED

    for each in PUBLISHED:
        periods, layers = "/".join(map(str, each.levels or "?")), "-".join(map(str, each.block_layers or "?"))
        say(f"{each.name} ({each.paper}): {periods} ms, {layers} layers, {each.parameters or '?'} M parameters")
        say(f"    {each.data}; {each.training}; licence: {each.licence}")
        say(f"    {each.url}")


@encoder.command("inspect")
def encoder_inspect(
    checkpoint: Annotated[Path, typer.Argument(help="A fairseq or s3prl checkpoint.", metavar="CHECKPOINT")],
) -> None:
    """Tell what is inside a checkpoint; nothing in it is executed."""
    from lamina.encoders.fairseq import inspect

    found = inspect(checkpoint)
    for key in (
        "layout",
        "architecture",
        "sha256",
        "tensors",
        "parameters",
        "dtypes",
        "updates",
        "units",
        "extras",
    ):
        say(f"{key:12} {getattr(found, key)}")
    say(found.config.to_json_string(use_diff=False))


@encoder.command("convert")
def encoder_convert(
    checkpoint: Annotated[
        str, typer.Argument(help="A file, or a name of `lamina encoder list`.", metavar="CHECKPOINT")
    ],
    out: OutFolder,
) -> None:
    """Turn a fairseq or s3prl checkpoint into a transformers folder, without fairseq."""
    from lamina.encoders.fairseq import convert
    from lamina.encoders.published import fetch, find
    from lamina.files import file_digest, replacing
    from lamina.runs import Run

    path = Path(checkpoint)
    if not path.exists() and path.suffix != ".pt":
        path = fetch(find(checkpoint), Path("checkpoints"))
    about: tuple[dict[str, str], dict[str, str]] = ({"kind": "encoder convert"}, {"checkpoint": file_digest(path)})
    if not made_before(Run(out, *about)):
        with replacing(out) as beside:
            run = Run(convert(path, beside), *about)
            run.start()
            run.finish()
    say(f"model: {out.resolve()}")
