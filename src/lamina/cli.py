"""The front door: one sub-command a room. Each parses, calls one function, prints.

Heavy libraries are imported inside the command that needs them, so that `lamina --help` answers at once.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lamina.errors import LaminaError
from lamina.terminal import keep, names, number, progress, say, show

if TYPE_CHECKING:
    from lamina.corpus.stored import StoredCorpus

app = typer.Typer(
    name="lamina",
    help="What each layer of a speech encoder knows, at the rate that layer runs, and what that layer costs.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
study = typer.Typer(help="The matched experiment: plan, run, report.", no_args_is_help=True)
corpus = typer.Typer(help="Speech with time-aligned tiers: synthesise, check.", no_args_is_help=True)
units = typer.Typer(help="What pretraining predicts: clusters of a layer's states.", no_args_is_help=True)
encoder = typer.Typer(help="Encoders: taps, published checkpoints, conversion.", no_args_is_help=True)
for name, room in (("study", study), ("corpus", corpus), ("units", units), ("encoder", encoder)):
    app.add_typer(room, name=name)

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
Seed = Annotated[int, typer.Option(min=0, help="Of speaker splits, codebooks and resampling.")]


@study.command("run")
def study_run(
    config: ConfigFile,
    out: StudyFolder = None,
    jobs: Annotated[int, typer.Option(min=1, help="Steps side by side, one thread each.")] = 2,
) -> None:
    """Run what is missing of a study, conclude, and write its report."""
    from rich.console import Console

    from lamina.config import load_config
    from lamina.study.design import StudyConfig, plan
    from lamina.study.study import run_study
    from lamina.study.watch import ConsoleWatcher

    design = load_config(config, StudyConfig)
    root = out or Path("runs") / design.name
    with ConsoleWatcher(len(plan(design)), Console()) as watcher:
        page = run_study(design, root, jobs=jobs, watcher=watcher)
    say(f"scores: {(root / 'scores.jsonl').resolve()}")
    say(f"report: {page.resolve()}")


@study.command("plan")
def study_plan(config: ConfigFile, out: StudyFolder = None) -> None:
    """List the steps of a study, and which of them are done."""
    from lamina.config import load_config
    from lamina.study.design import StudyConfig, plan

    design = load_config(config, StudyConfig)
    root = out or Path("runs") / design.name
    for step in plan(design):
        run = step.run(root)
        say(f"{'done' if run.done else 'to do':6} {run.folder.name}")


@study.command("report")
def study_report(folder: Annotated[Path, typer.Argument(help="A study folder.", metavar="FOLDER")]) -> None:
    """Conclude from the finished runs of a study folder and write its report (needs no torch)."""
    from lamina.study.conclude import report_study

    say(f"report: {report_study(folder).resolve()}")


@app.command("analyze")
def analyze(
    encoder_name: EncoderName,
    corpus_path: CorpusPath,
    targets: Annotated[str, typer.Option(help="mel and tiers of the corpus, by commas.")] = "mel,phone,word",
    taps: Taps = None,
    seed: Seed = 0,
    out: Annotated[
        Path | None, typer.Option(help="A folder in which a run folder (scores, statistics) is made.")
    ] = None,
    report: Annotated[Path | None, typer.Option(help="Write the page into this folder.")] = None,
) -> None:
    """Measure what every tap of an encoder knows, in one pass over a corpus."""
    from lamina.analysis.config import AnalysisConfig
    from lamina.analysis.sweep import analyze as sweep
    from lamina.config import parse_config
    from lamina.encoders.load import load_encoder
    from lamina.files import check_folder
    from lamina.report.console import layer_tables
    from lamina.report.page import write_report
    from lamina.runs import Run, environment

    settings = {"targets": names(targets, "--targets"), "taps": names(taps, "--taps"), "seed": seed}
    config = parse_config(settings, AnalysisConfig, "options")
    for folder in (out, report):
        if folder is not None:
            check_folder(folder)
    speech = _open_corpus(corpus_path, tiers=[target for target in config.targets if target != "mel"])
    read = load_encoder(encoder_name)
    inputs = {"encoder": read.digest, "corpus": speech.digest}
    plan = {"kind": "analysis", "encoder": encoder_name, "corpus": str(corpus_path), **config.to_json()}
    run = Run.plan(out, f"analysis-{read.name}", plan, inputs) if out is not None else None
    if run is not None:
        run.start()
    with progress(f"{read.name} on {speech.name}") as tell:
        found = sweep(read, speech, config, run=run, progress=tell)
    for table in layer_tables(found.scores):
        show(table)
    for note in found.notes:
        say(f"note: {note}")
    if run is not None:
        found.scores.write(run.folder / "scores.jsonl")
        run.finish()
        say(f"scores: {(run.folder / 'scores.jsonl').resolve()}")
    if report is not None:
        title = f"{read.name} on {speech.name}"
        method = {**plan, "digests": inputs, "notes": [*speech.notes, *found.notes], "environment": environment()}
        say(f"report: {write_report(found.scores, report, title=title, method=method).resolve()}")


@app.command("probe")
def probe(
    encoder_name: EncoderName,
    corpus_path: CorpusPath,
    tiers: Annotated[str, typer.Option(help="Tiers whose labels a linear classifier names.")] = "phone",
    taps: Taps = None,
    seed: Seed = 0,
    out: Annotated[Path | None, typer.Option(help="Write the scores into this file (scores.jsonl).")] = None,
) -> None:
    """Name segments with a linear classifier on frozen states, on speakers that it never met."""
    from lamina.config import parse_config
    from lamina.encoders.load import load_encoder
    from lamina.probe.probe import ProbeConfig
    from lamina.probe.probe import probe as measure
    from lamina.report.console import layer_tables

    settings = {"tiers": names(tiers, "--tiers"), "taps": names(taps, "--taps") or (), "seed": seed}
    config = parse_config(settings, ProbeConfig, "options")
    speech = _open_corpus(corpus_path, tiers=config.tiers)
    read = load_encoder(encoder_name)
    with progress(f"{read.name} on {speech.name}") as tell:
        scores = measure(read, speech, config, progress=tell)
    for table in layer_tables(scores):
        show(table)
    keep(scores, out)


@app.command("cost")
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


@corpus.command("synth")
def corpus_synth(
    config: ConfigFile,
    out: OutFolder,
    jobs: Annotated[int, typer.Option(min=1, help="Workers; the bytes do not depend on it.")] = 2,
) -> None:
    """Synthesise a corpus with exact alignments (needs the extra `synth`)."""
    from lamina.config import load_config
    from lamina.corpus.synth import SynthConfig, synthesize

    settings = load_config(config, SynthConfig)
    with progress("synthesis, seconds of audio") as tell:
        made = synthesize(settings, out, workers=jobs, progress=tell)
    say(f"{len(made)} utterances in {out.resolve()}")


@corpus.command("check")
def corpus_check(corpus_path: CorpusPath) -> None:
    """Read a corpus and print a line for each problem; exit code 1 where there are some."""
    from lamina.corpus.check import check

    speech = _open_corpus(corpus_path)
    problems = check(speech)
    for problem in problems:
        say(problem)
    say(f"{speech.name}: {len(speech)} utterances, {len(problems)} problems")
    raise typer.Exit(1 if problems else 0)


@units.command("fit")
def units_fit(config: ConfigFile, corpus_path: CorpusPath, out: OutFolder) -> None:
    """Cluster the states of a layer (or MFCC) into a codebook; `lamina units label` uses it."""
    from lamina.config import load_config
    from lamina.pretrain.units import UnitsConfig, make_codebook

    made = make_codebook(load_config(config, UnitsConfig), _open_corpus(corpus_path), out)
    say(
        f"{len(made.centroids)} centres of {made.tap} in {out.resolve()}, mean squared distance {made.inertia:.4g}"
    )


@units.command("label")
def units_label(
    config: ConfigFile,
    codebook: Annotated[Path, typer.Argument(help="What `lamina units fit` made of CONFIG.", metavar="CODEBOOK")],
    corpus_path: CorpusPath,
    out: OutFolder,
) -> None:
    """Label a corpus with a codebook's units, and tell how well they know its phones."""
    from lamina.config import load_config
    from lamina.pretrain.units import Codebook, UnitsConfig, label_corpus

    settings, book, speech = load_config(config, UnitsConfig), Codebook.read(codebook), _open_corpus(corpus_path)
    with progress(f"units of {speech.name}") as tell:
        made, quality = label_corpus(settings, book, speech, out, tell)
    say(f"{made.clusters} units, {len(made.labels)} labels in {out.resolve()}")
    for measure, value in quality.items():
        say(f"{measure}: {value:.3f}")


@app.command("pretrain")
def pretrain(
    config: ConfigFile,
    corpus_path: CorpusPath,
    units_folder: Annotated[Path, typer.Argument(help="What `lamina units label` made.", metavar="UNITS")],
    out: Annotated[Path, typer.Option(help="Where the run folder goes.")] = Path("runs"),
) -> None:
    """Pretrain an encoder by masked unit prediction; the same command goes on where it was stopped.

    On several processes: torchrun --nproc-per-node N --no-python lamina pretrain …
    """
    from lamina.config import load_config
    from lamina.pretrain.labels import Units
    from lamina.pretrain.loop import pretrain as train
    from lamina.pretrain.recipe import PretrainConfig
    from lamina.runs import Run

    recipe = load_config(config, PretrainConfig)
    speech, labels = _open_corpus(corpus_path), Units.read(units_folder)
    inputs = {"corpus": speech.digest, "units": labels.digest}
    run = Run.plan(out, config.stem, {"kind": "pretrain", **recipe.to_json()}, inputs)
    if not run.done:
        run.start()
        with progress(config.stem) as tell:
            train(recipe, speech, labels, run, progress=lambda done, total, _: tell(done, total))
        run.finish()
    say(f"encoder: {run.folder.resolve()}")


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

    path = Path(checkpoint)
    if not path.exists() and path.suffix != ".pt":
        path = fetch(find(checkpoint), Path("checkpoints"))
    say(f"model: {convert(path, out).resolve()}")


def _open_corpus(path: str, *, tiers: tuple[str, ...] | list[str] = ()) -> StoredCorpus:
    from lamina.corpus.importers import open_corpus

    speech = open_corpus(path, tiers=tiers)
    for note in speech.notes:
        say(f"note: {note}")
    return speech


def main() -> None:
    """Run the command line: bad input is one line on standard error and exit code 2."""
    try:
        app()
    except LaminaError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(2)
    except SystemExit as leaving:
        if leaving.code == 130:  # what typer makes of an interrupt
            typer.echo("interrupted: the same command goes on from here", err=True)
        raise
