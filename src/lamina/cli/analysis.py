"""`lamina analyze`, `lamina analysis merge`, `lamina compare`: what every tap knows."""

from __future__ import annotations

import os
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from lamina.cli.options import (
    Beside,
    ChunkSeconds,
    CorpusPath,
    Device,
    EncoderName,
    PhoneMapName,
    Seed,
    Taps,
    made_before,
    on,
    open_speech,
    tell_found,
)
from lamina.terminal import names, progress, say, show

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.analysis.results import Analysis
    from lamina.runs import Run
    from lamina.score import Scores

analysis = typer.Typer(help="Analyses made in parts.", no_args_is_help=True)
TARGETS = (
    "mel, tiers (phone, word, …) and labels of the corpus, TIER@-3 to TIER@+3 (neighbours), speaker, "
    "word-vectors, sentence, query, tap[:NAME], encoder:NAME[:TAP]; by commas. "
    "By default mel, phone and word, those that the corpus has."
)


def analyze(
    encoder_name: EncoderName,
    corpus_path: CorpusPath,
    targets: Annotated[str | None, typer.Option(help=TARGETS)] = None,
    taps: Taps = None,
    measures: Annotated[
        str | None, typer.Option(help="Families or single ones, by commas (`lamina measures` lists them).")
    ] = None,
    pooling: Annotated[
        str, typer.Option(help="all, middle, centre, quarter1 to quarter4: frames of a segment; by commas.")
    ] = "all",
    states: Annotated[
        str, typer.Option(help="standardised, raw or both, by commas: for mi, purity, knn, abx and their like.")
    ] = "standardised",
    rate_matched: Annotated[
        bool, typer.Option("--rate-matched", help="Read taps also decimated to the coarsest rate.")
    ] = False,
    word_vectors: Annotated[
        Path | None, typer.Option(help="GloVe's text format, for the target word-vectors.")
    ] = None,
    sentence_pairs: Annotated[
        Path | None, typer.Option(help="Lines `id id score`, for the target sentence.")
    ] = None,
    items: Annotated[
        Path | None, typer.Option(help="abx: an item file of fastabx or ZeroSpeech; else the tier's segments.")
    ] = None,
    contexts: Annotated[str, typer.Option(help="abx: same or any labels to either side.")] = "same",
    phone_map: PhoneMapName = "",
    beside: Beside = None,
    control: Annotated[
        Literal["untrained", "none"], typer.Option(help="Read the encoder also with weights drawn anew.")
    ] = "untrained",
    draws: Annotated[int, typer.Option(min=1, help="How often the control's weights are drawn.")] = 3,
    alone: Annotated[
        str | None, typer.Option(help="A tier whose segments are read also cut out and encoded alone.")
    ] = None,
    protocol: Annotated[str, typer.Option(help="By which rules: lamina or pasad.")] = "lamina",
    folds: Annotated[int, typer.Option(min=2, help="Of speakers, where the corpus has no splits.")] = 5,
    batch_seconds: Annotated[float, typer.Option(help="Padded audio a batch.")] = 60.0,
    chunk_seconds: ChunkSeconds = 60.0,
    memory_gib: Annotated[float, typer.Option(help="An analysis whose sums need more does not start.")] = 8.0,
    seed: Seed = 0,
    device: Device = "auto",
    plan: Annotated[bool, typer.Option("--plan", help="Only tell what it will take.")] = False,
    shard: Annotated[
        str | None, typer.Option(help="Read part i/n only, into --out; then `analysis merge`.")
    ] = None,
    learned: Annotated[Path | None, typer.Option(help="With --shard: what the first round's merge wrote.")] = None,
    out: Annotated[Path | None, typer.Option(help="A folder in which a run folder is made.")] = None,
    report: Annotated[Path | None, typer.Option(help="Write the page into this folder.")] = None,
) -> None:
    """Measure what every tap of an encoder knows, in one pass over a corpus."""
    from lamina.analysis.controls import controls_of
    from lamina.analysis.forecast import forecast
    from lamina.analysis.front import grids_of, resolved
    from lamina.analysis.sweep import Sweep
    from lamina.corpus.pieces import notes_of
    from lamina.encoders.load import load_encoder
    from lamina.errors import LaminaError
    from lamina.files import check_folder
    from lamina.report.page import write_report
    from lamina.runs import environment

    main, device = _join_processes(), on(device)
    files = {"word_vectors": word_vectors, "sentence_pairs": sentence_pairs, "items": items}
    lists = {"targets": targets, "taps": taps, "measures": measures, "pooling": pooling, "states": states}
    settings: dict[str, Any] = {
        **{name: names(text, f"--{name}") for name, text in lists.items()},
        **{name: str(path) for name, path in files.items() if path is not None},
        "rate_matched": rate_matched, "contexts": contexts, "folds": folds, "seed": seed, "protocol": protocol,
        "batch_seconds": batch_seconds, "chunk_seconds": chunk_seconds, "memory_gib": memory_gib,
    }  # fmt: skip
    for folder in (out, report):
        if folder is not None:
            check_folder(folder)
    if shard is not None and out is None:
        raise LaminaError("--shard keeps its part in a run folder: say where with --out")
    speech = open_speech(corpus_path, phones=phone_map)
    config = resolved(None, settings, speech)
    read = load_encoder(encoder_name, device=device)
    about = {"kind": "analysis", "encoder": encoder_name, "corpus": str(corpus_path), "beside": list(beside or [])}
    about |= {"phone_map": phone_map} | config.to_json()
    inputs = _inputs(read.digest, speech.digest, [path for path in files.values() if path is not None])
    support = grids_of(beside or [])
    sweep = Sweep(read, speech, config, support)
    apart = None if alone is None else _alone(sweep, alone)
    if main:
        held = control == "untrained" and shard is None
        twice = f"; the untrained control takes {draws} times as long again" if held else ""
        say(f"plan: {forecast(sweep, timed=plan)}{twice}")
        for note in notes_of(sweep.corpus) if plan else ():  # else they are told with what was found
            say(f"note: {note}")
    if plan:
        return
    if shard is not None and out is not None:
        _part(sweep, shard, learned, out, about, inputs)
        return
    found = _one(read, sweep, out, about, inputs, "", main=main)
    method = {**about, "digests": inputs, "notes": [*speech.notes, *found.notes], "environment": environment()}
    scores = found.scores
    for name, drawn in controls_of(read, seed=seed, draws=draws) if control == "untrained" else ():
        scores += _control(name, drawn, read, sweep, out, about, inputs, main=main)
    if apart is not None:
        cut = _one(read, apart, out, about | {"alone": alone}, inputs, "", main=main)
        scores += cut.scores.with_columns(model=f"{read.name}, {alone} alone")
    if report is not None and main:
        title = f"{read.name} on {speech.name}"
        say(f"report: {write_report(scores, report, title=title, method=method).resolve()}")


def _alone(sweep: Any, tier: str) -> Any:
    """The plan of the context control: a model of its own on the page."""
    from lamina.analysis.alone import Alone, asked_alone
    from lamina.analysis.sweep import Sweep

    cuts = Alone(sweep.corpus, tier, [*sweep.support, *(tap.grid for tap in sweep.taps)])
    return Sweep(sweep.encoder, cuts, asked_alone(sweep.config, tier), sweep.support)


def _inputs(encoder: str, corpus: str, files: list[Path]) -> dict[str, str]:
    from lamina.errors import LaminaError
    from lamina.files import file_digest

    inputs = {"encoder": encoder, "corpus": corpus}
    for path in files:
        if not path.is_file():
            raise LaminaError(f"there is no file {path}")
        inputs[path.name] = file_digest(path)
    return inputs


def _join_processes() -> bool:
    """Meet the processes that torchrun or `accelerate launch` started; whether this is the first."""
    if int(os.environ.get("WORLD_SIZE", "1")) < 2:
        return True
    import torch
    from accelerate import PartialState

    state = PartialState(cpu=not torch.accelerator.is_available())
    return bool(state.is_main_process)


def _one(
    read: Any,
    sweep: Any,
    out: Path | None,
    about: dict[str, Any],
    inputs: dict[str, str],
    control: str,
    *,
    main: bool,
    name: str = "",
) -> Analysis:
    """One encoder, analysed and told; what was analysed before is told again.

    Of one draw of a control, its ``name``, only where its scores are is told.
    """
    from lamina.analysis.sweep import run_sweep
    from lamina.runs import Run

    run = None
    if out is not None:
        run = Run.plan(out, f"analysis-{read.name}", about | ({"control": name} if name else {}), inputs)
    if run is not None and made_before(run):
        found = _read(run)
        if main:
            _told(found, run, name, sweep.config.level)
        return found
    with run.held() if run is not None and main else nullcontext():
        if run is not None:
            run.start()
        with progress(f"{read.name} on {sweep.corpus.name}") as tell:
            found = run_sweep(sweep, run=run, control=control, progress=tell if main else None)
        if main:
            _told(found, run, name, sweep.config.level)
    return found


def _control(
    name: str,
    drawn: Iterator[Any],
    read: Any,
    sweep: Any,
    out: Path | None,
    about: dict[str, Any],
    inputs: dict[str, str],
    *,
    main: bool,
) -> Scores:
    """All draws of a control, analysed; told as one."""
    from lamina.analysis.controls import control_sweep, label_of, over_draws
    from lamina.errors import LaminaError
    from lamina.report.console import layer_tables
    from lamina.score import Scores

    found = []
    try:
        for each in drawn:
            again = control_sweep(each, read, sweep.corpus, sweep.config, sweep.support)
            own = inputs | {"encoder": each.digest}  # the page tells the digests of what was asked for
            found.append(_one(each, again, out, about, own, label_of(name), main=main, name=name))
    except LaminaError as error:
        say(f"note: no control {name!r}: {error}")
        return Scores()
    told = over_draws(found)
    if main:
        tell_found(layer_tables(told.scores, level=sweep.config.level), told.scores, told.notes, None)
    return told.scores


def _read(run: Run) -> Analysis:
    """What a finished analysis found."""
    from lamina.analysis.results import Analysis
    from lamina.score import Scores
    from lamina.stats.inference import read_replicates

    return Analysis(Scores.read(run.folder / "scores.jsonl"), read_replicates(run.folder), run.notes())


def _told(found: Analysis, run: Run | None, control: str, level: float) -> None:
    from lamina.report.console import layer_tables

    if control:  # its notes are those of the encoder, its table is that of all draws
        tell_found((), found.scores, (), run, f"{control} scores")
    else:
        tell_found(layer_tables(found.scores, level=level), found.scores, found.notes, run)


def _part(
    sweep: Any, shard: str, learned: Path | None, out: Path, about: dict[str, Any], inputs: dict[str, str]
) -> None:
    from lamina.analysis.sweep import read_part
    from lamina.errors import LaminaError
    from lamina.runs import Run

    number, _, count = shard.partition("/")
    if not (number.isdigit() and count.isdigit() and 1 <= int(number) <= int(count)):
        raise LaminaError(f"--shard {shard} is no part: write i/n, such as 2/5")
    place = (int(number), int(count))
    run = Run.plan(out, f"part{number}of{count}", about | {"shard": list(place)}, inputs)
    run.start()
    with progress(f"part {shard} of {sweep.corpus.name}") as tell:
        done = read_part(sweep, place, run.folder, learned=learned, progress=tell)
    say(f"part: {run.folder.resolve()} (round {done} of {len(sweep.phases)})")


@analysis.command("merge")
def merge(
    out: Annotated[Path, typer.Argument(help="A folder in which the run folder is made.")],
    parts: Annotated[list[Path], typer.Argument(help="The folders of all parts.", metavar="PART…")],
) -> None:
    """Put the parts of an analysis together (`lamina analyze … --shard i/n --out …`)."""
    from lamina.analysis.config import AnalysisConfig
    from lamina.analysis.front import grids_of
    from lamina.analysis.sweep import LEARNED, Sweep, finish, merge_parts
    from lamina.config import parse_config
    from lamina.encoders.load import load_encoder
    from lamina.files import check_folder
    from lamina.runs import Run

    check_folder(out)
    part = Run.read(parts[0])
    about = {name: value for name, value in part.config.items() if name != "shard"}
    settings = {name: value for name, value in about.items() if name in AnalysisConfig.model_fields}
    speech, read = open_speech(about["corpus"], phones=about["phone_map"]), load_encoder(about["encoder"])
    sweep = Sweep(read, speech, parse_config(settings, AnalysisConfig, str(parts[0])), grids_of(about["beside"]))
    run = Run.plan(out, f"analysis-{read.name}", about, part.inputs)
    if made_before(run):
        _told(_read(run), run, "", sweep.config.level)
        return
    run.start()
    if not merge_parts(sweep, parts, run.folder):
        say(
            f"round 1 is merged; read every part again with --learned {run.folder.resolve() / LEARNED}, "
            "then merge again"
        )
        return
    _told(finish(sweep, run, ""), run, "", sweep.config.level)


def compare(
    runs: Annotated[list[Path], typer.Argument(help="Run folders of analyses.", metavar="RUN…")],
    measures: Annotated[str | None, typer.Option(help="Which measures, by commas; all by default.")] = None,
    targets: Annotated[str | None, typer.Option(help="Which targets, by commas; all by default.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write all differences as CSV.")] = None,
) -> None:
    """Tell the differences of runs, tap by tap and best by best; of one run, of its taps from the best."""
    from lamina.analysis.compare import CAPTION, HEADER, compare_runs
    from lamina.files import write_text
    from lamina.report.console import table
    from lamina.stats.inference import rough

    found = compare_runs(runs, measures=names(measures, "--measures"), targets=names(targets, "--targets"))
    show(table(HEADER, found.rows(), caption=CAPTION))
    if note := rough(min((each.groups for each in found), default=0), "speakers or folds"):
        say(f"note: {note}")
    if out is not None:
        write_text(out, found.to_csv())
        say(f"differences: {out.resolve()}")
