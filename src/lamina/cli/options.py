"""What the commands share: their common arguments, and how they open a corpus."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lamina.terminal import say

if TYPE_CHECKING:
    from lamina.corpus.stored import StoredCorpus

ENCODER_HELP = "A pretraining run's folder, a transformers folder, a published or hub name, or mfcc or mel."
ConfigFile = Annotated[Path, typer.Argument(help="A TOML config file.", metavar="CONFIG")]
EncoderName = Annotated[str, typer.Argument(help=ENCODER_HELP, metavar="ENCODER")]
CorpusPath = Annotated[
    str,
    typer.Argument(
        help="A corpus folder of ours, a lhotse CutSet, or a folder of audio with TextGrids.", metavar="CORPUS"
    ),
]
OutFolder = Annotated[Path, typer.Argument(help="The folder to make.", metavar="OUT")]
StudyFolder = Annotated[Path | None, typer.Option(help="The study's folder; runs/NAME by default.")]
Taps = Annotated[str | None, typer.Option(help="Which taps, by commas; all by default.")]
Device = Annotated[str, typer.Option(help="Where to compute: cpu, cuda, …")]
Seed = Annotated[int, typer.Option(min=0, help="Of speaker splits, codebooks and resampling.")]


def open_speech(path: str, *, tiers: tuple[str, ...] | list[str] = ()) -> StoredCorpus:
    """Open a corpus, telling what its reader noted."""
    from lamina.corpus.importers import open_corpus

    speech = open_corpus(path, tiers=tiers)
    for note in speech.notes:
        say(f"note: {note}")
    return speech
