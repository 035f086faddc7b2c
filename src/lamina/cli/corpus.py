"""`lamina corpus`: speech with time-aligned tiers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from lamina.cli.options import ConfigFile, CorpusPath, PageFolder, PhoneMapName, fresh, open_speech
from lamina.errors import LaminaError
from lamina.terminal import names, progress, say

corpus = typer.Typer(
    help="Speech with time-aligned tiers: import, synthesise, check, look at, split.", no_args_is_help=True
)


def _free(folder: Path) -> Path:
    """A folder to make, where nothing lies in the way but a corpus, which may be the one that is to be made."""
    return folder if (folder / "corpus.json").is_file() else fresh(folder)


NewCorpus = Annotated[Path, typer.Argument(help="The folder to make.", metavar="OUT", callback=_free)]


@corpus.command("list")
def corpus_list() -> None:
    """Name the corpora that can be imported: what each needs, its size, licence and source."""
    from lamina.corpus.importers.catalogue import IMPORTERS

    for importer in IMPORTERS.values():
        say(f"{importer.kind}: {importer.title}")
        say(f"  needs    {importer.layout}")
        say(f"  gives    {importer.gives}")
        say(f"  size     {importer.size}")
        say(f"  licence  {importer.licence}")
        say(f"  from     {importer.source}")


@corpus.command("import")
def corpus_import(
    kind: Annotated[str, typer.Argument(help="Which corpus; see `lamina corpus list`.", metavar="KIND")],
    source: Annotated[Path, typer.Argument(help="The corpus's folder (or CutSet).", metavar="SRC")],
    out: NewCorpus,
    partial: Annotated[bool, typer.Option("--partial", help="Import what is whole; list the rest.")] = False,
    exact: Annotated[bool, typer.Option("--exact", help="Refuse times that overlap by up to 25 ms.")] = False,
    alignments: Annotated[
        Path | None, typer.Option(help="A folder of alignments from elsewhere: TextGrids, CTMs, RTTMs.")
    ] = None,
    stamps: Annotated[str, typer.Option(help="What an xlabel time is of its label: ends or starts.")] = "ends",
    root: Annotated[str, typer.Option(help="OLD=NEW: where paths of another machine lie here.")] = "",
    audio: Annotated[str, typer.Option(help="hf: the column of the audio, where it is not called so.")] = "",
    text: Annotated[str, typer.Option(help="hf: the column of the text.")] = "",
    speaker: Annotated[
        str, typer.Option(help="Only this speaker's utterances; hf: the column of the speaker.")
    ] = "",
    tier: Annotated[str, typer.Option(help="folder: tiers to read, by commas: NAME, or word=NAME.")] = "",
    phone_map: PhoneMapName = "",
    turns: Annotated[
        bool | None, typer.Option(help="Several speakers: an utterance a stretch of one, or whole recordings.")
    ] = None,
) -> None:
    """Make a corpus folder that points to the audio of a corpus on disk."""
    from lamina.corpus.importers.importing import FAULTS, import_corpus, inputs_of
    from lamina.corpus.manifest import made_before
    from lamina.corpus.xlabel import ENDS, STARTS

    if stamps not in {ENDS, STARTS}:
        raise LaminaError(f"--stamps is {stamps!r}: give ends or starts")
    old, equals, new = root.partition("=")
    if root and not (old and equals and new):
        raise LaminaError(f"--root is {root!r}: give OLD=NEW, the beginning of a path there and here")
    asked = {part.rpartition("=")[2]: part.rpartition("=")[0] for part in names(tier or None, "--tier") or ()}
    columns = {"audio": audio, "text": text, "speaker": speaker if kind == "hf" else ""}
    options: dict[str, Any] = {
        "partial": partial,
        "exact": exact,
        "alignments": alignments,
        "stamps": stamps,
        "root": (old, new) if root else None,
        "columns": {role: name for role, name in columns.items() if name},
        "speaker": speaker if kind != "hf" else "",
        "tiers": {name: role or name for name, role in asked.items()},
        "turns": turns,
        "phones": phone_map,
    }
    inputs = inputs_of(kind, source, out, options)
    made = made_before(out, inputs)
    if made is not None:
        say(f"made before, with the same settings and of the same files: {out.resolve()}")
    else:
        with progress("import, utterances") as tell:
            made = import_corpus(kind, source, out, **options, inputs=inputs, progress=tell)
    for note in made.notes:
        say(f"note: {note}")
    if (out / FAULTS).is_file():
        say(f"faults: {(out / FAULTS).resolve()}")
    tiers = ", ".join(f"{name} {count}" for name, count in sorted(made.tiers.items())) or "none"
    say(f"{len(made)} utterances in {out.resolve()}; tiers: {tiers}")


@corpus.command("synth")
def corpus_synth(
    config: ConfigFile,
    out: NewCorpus,
    jobs: Annotated[int, typer.Option(min=1, help="Workers; the bytes do not depend on it.")] = 2,
) -> None:
    """Synthesise a corpus with exact alignments (needs the extra `synth`)."""
    from lamina.config import load_config
    from lamina.corpus.manifest import made_before
    from lamina.corpus.synth.config import SynthConfig
    from lamina.corpus.synth.synthesis import inputs_of, synthesize

    settings = load_config(config, SynthConfig)
    made = made_before(out, inputs_of(settings))
    if made is not None:
        say(f"made before, with the same settings: {out.resolve()}")
    else:
        with progress("synthesis, seconds of audio") as tell:
            made = synthesize(settings, out, workers=jobs, progress=tell)
    say(f"{len(made)} utterances in {out.resolve()}")


@corpus.command("check")
def corpus_check(
    corpus_path: CorpusPath,
    picture: Annotated[
        Path | None, typer.Option(help="Draw the shift test and a spectrogram (.png or .svg).")
    ] = None,
) -> None:
    """Read a corpus and print a line for each utterance and problem; exit code 1 where there are some."""
    from lamina.corpus.check import examine
    from lamina.corpus.pictures import check_picture
    from lamina.corpus.shift import draw

    if picture is not None:
        check_picture(picture)
    speech, problems, found = examine(corpus_path)
    for problem in problems:
        say(problem)
    if speech is None:
        say(f"{corpus_path}: no utterance is usable, {len(problems)} problems")
        raise typer.Exit(1)
    for note in speech.notes:
        say(f"note: {note}")
    if found is None:
        say("shift test: no phones, syllables or words, or too little of them")
    else:
        say(
            f"shift test: {found.tier} labels explain {found.here:.3f} of the log-mel variance where they are, "
            f"{max(found.shares):.3f} at best ({found.best_ms:+.1f} ms)"
        )
        if picture is not None:
            draw(found, speech, picture)
    if picture is not None:
        say(f"picture: {picture.resolve()}" if found is not None else "no picture: there is nothing to draw")
    say(f"{speech.name}: {len(speech)} utterances, {len(problems)} problems")
    raise typer.Exit(1 if problems else 0)


@corpus.command("show")
def corpus_show(corpus_path: CorpusPath, out: PageFolder, phone_map: PhoneMapName = "") -> None:
    """Make a page: hours, speakers, labels, durations, and spectrograms with boundaries."""
    from lamina.corpus.show import show
    from lamina.files import check_folder

    check_folder(out)
    say(f"page: {show(open_speech(corpus_path, phones=phone_map), out).resolve()}")


@corpus.command("split")
def corpus_split(
    folder: Annotated[
        Path, typer.Argument(help="A corpus folder of ours (imported or synthesised).", metavar="CORPUS")
    ],
    shares: Annotated[str, typer.Option(help="Such as train=0.8,dev=0.1,test=0.1 (the default).")] = "",
    hours: Annotated[str, typer.Option(help="Such as train=10,dev=1,test=1; what is over gets no split.")] = "",
    by: Annotated[str, typer.Option(help="speaker or utterance.")] = "speaker",
    stratify: Annotated[str, typer.Option(help="A label whose values are shared out alike, such as gender.")] = "",
    seed: Annotated[int, typer.Option(min=0, help="Of the draw; it is kept in the manifest.")] = 0,
    redraw: Annotated[bool, typer.Option("--redraw", help="Replace the splits that are there.")] = False,
) -> None:
    """Draw train, dev and test and write them into the manifest."""
    from lamina.corpus.divide import divide
    from lamina.corpus.manifest import read_about

    if shares and hours:
        raise LaminaError("give --shares or --hours, not both")
    divide(
        folder,
        seed=seed,
        shares=_wishes(shares, "--shares"),
        hours=_wishes(hours, "--hours"),
        by=by,
        stratify=stratify,
        redraw=redraw,
    )
    for split, about in read_about(folder)["splits"].items():
        name = split or "(no split)"
        say(f"{name}: {about['utterances']} utterances, {about['hours']} hours, {about['speakers']} speakers")


def _wishes(text: str, option: str) -> dict[str, float]:
    try:
        return {
            name.strip(): float(value) for name, value in (part.split("=") for part in text.split(",") if part)
        }
    except ValueError as error:
        raise LaminaError(f"{option} is {text!r}: give such as train=0.8,dev=0.1,test=0.1") from error
