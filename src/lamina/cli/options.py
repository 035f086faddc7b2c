"""What the commands share: their common arguments, and how they open a corpus."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lamina.errors import LaminaError
from lamina.terminal import is_main, say, show

if TYPE_CHECKING:
    from rich.table import Table

    from lamina.corpus.stored import StoredCorpus
    from lamina.runs import Run
    from lamina.score import Scores


def on(device: str) -> str:
    """The device that was asked for, by torch's name, which is said: the first line of what a command prints."""
    from lamina.device import resolve, told

    found = resolve(device)
    if is_main():
        say(f"device: {told(found)}")
    return found


def fresh(folder: Path) -> Path:
    """A folder to make, where nothing lies in the way but what the same command may have made before."""
    made = (folder / "run.json").is_file()
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir()) and not made):
        raise LaminaError(f"{folder} exists and nothing is overwritten: choose another folder, or remove it first")
    return folder


ENCODER_HELP = (
    "A pretraining run's folder, a transformers folder, a published or hub name, or mel, mfcc or mfcc-cmvn."
)
ConfigFile = Annotated[Path, typer.Argument(help="A TOML config file.", metavar="CONFIG")]
EncoderName = Annotated[str, typer.Argument(help=ENCODER_HELP, metavar="ENCODER")]
CorpusPath = Annotated[
    str,
    typer.Argument(
        help="A corpus folder of ours, a lhotse CutSet, or a folder of audio with TextGrids.", metavar="CORPUS"
    ),
]
OutFolder = Annotated[Path, typer.Argument(help="The folder to make.", metavar="OUT", callback=fresh)]
PageFolder = Annotated[Path, typer.Argument(help="The folder of the page.", metavar="OUT")]
StudyFolder = Annotated[Path | None, typer.Option(help="The study's folder; runs/NAME by default.")]
Taps = Annotated[str | None, typer.Option(help="Which taps, by commas; all by default.")]
Beside = Annotated[
    list[str] | None,
    typer.Option(help="An encoder to compare with: only what both see is scored; only rows of ENCODER are made."),
]
Device = Annotated[
    str, typer.Option(help="Where to compute: auto (a GPU where there is one), cpu, cuda, cuda:1, mps, …")
]
Seed = Annotated[int, typer.Option(min=0, help="Of speaker splits, codebooks and resampling.")]


PhoneMapName = Annotated[
    str, typer.Option("--phone-map", help="Fold phones: arpabet39, timit39, or a file of two columns.")
]


ChunkSeconds = Annotated[
    float, typer.Option(min=0, help="Longer utterances are read in pieces of at most so much; 0: whole.")
]


def open_speech(path: str, *, phones: str = "") -> StoredCorpus:
    """Open a corpus, its phones folded by a map where one is named, telling what its reader noted."""
    from lamina.corpus.open import open_corpus

    speech = open_corpus(path, phones=phones)
    for note in speech.notes:
        say(f"note: {note}")
    return speech


def made_before(run: Run | None) -> bool:
    """Whether a run is done and whole, which is then said; its command has only to tell again what it found.

    Raises:
        LaminaError: its folder holds what was made of something else, or is no longer whole.
    """
    from lamina.runs import Run

    if run is None or not (run.folder / "run.json").is_file():
        return False
    if Run.read(run.folder).digest != run.digest:
        raise LaminaError(
            f"{run.folder} holds what was made with other settings or of other files: nothing is overwritten; "
            "choose another folder, or remove it first"
        )
    if run.done and is_main():
        run.check()
        say(f"made before, with the same settings and of the same files: {run.folder.resolve()}")
    return run.done


def tell_found(
    tables: Iterable[Table], scores: Scores, notes: Sequence[str], run: Run | None, what: str = "scores"
) -> None:
    """Print tables and notes, and keep scores and notes in the run's folder, which is then finished."""
    if run is not None and not run.done:  # first: who reads what is printed may have gone
        scores.write(run.folder / "scores.jsonl")
        for note in notes:
            run.log(note=note)
        run.finish()
    for table in tables:
        show(table)
    for note in notes:
        say(f"note: {note}")
    if run is not None:
        say(f"{what}: {(run.folder / 'scores.jsonl').resolve()}")
