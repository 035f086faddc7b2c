"""The front door: one sub-command a room. Each parses, calls one function, prints.

Heavy libraries are imported inside the command that needs them, so that `lamina --help` answers at once.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from lamina.errors import LaminaError

app = typer.Typer(
    name="lamina",
    help="What each layer of a speech encoder knows, at the rate that layer runs, and what that layer costs.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
study = typer.Typer(help="The matched experiment: plan, run, conclude, report.", no_args_is_help=True)
corpus = typer.Typer(help="Speech with time-aligned tiers: synthesise, check.", no_args_is_help=True)
encoder = typer.Typer(help="Encoders: taps, checkpoints.", no_args_is_help=True)
for name, room in (("study", study), ("corpus", corpus), ("encoder", encoder)):
    app.add_typer(room, name=name)

ConfigFile = Annotated[Path, typer.Argument(help="A TOML config file.", metavar="CONFIG")]
EncoderName = Annotated[
    str,
    typer.Argument(help="A run folder, a transformers folder, a hub name, or mfcc or mel.", metavar="ENCODER"),
]
CorpusPath = Annotated[
    Path,
    typer.Argument(
        help="A corpus folder of ours, a lhotse CutSet, or a folder of audio with TextGrids.", metavar="CORPUS"
    ),
]


@study.command("run")
def study_run(
    config: ConfigFile,
    out: Annotated[Path | None, typer.Option(help="The study's folder; runs/NAME by default.")] = None,
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
    _say(f"scores: {root / 'scores.jsonl'}")
    _say(f"report: {page.resolve()}")


@study.command("plan")
def study_plan(
    config: ConfigFile,
    out: Annotated[Path | None, typer.Option(help="The study's folder; runs/NAME by default.")] = None,
) -> None:
    """List the steps of a study, and which of them are done."""
    from lamina.config import load_config
    from lamina.study.design import StudyConfig, plan

    design = load_config(config, StudyConfig)
    root = out or Path("runs") / design.name
    for step in plan(design):
        _say(f"{'done' if step.run(root).done else 'to do':6} {step.run(root).folder.name}")


@study.command("report")
def study_report(folder: Annotated[Path, typer.Argument(help="A study folder.", metavar="FOLDER")]) -> None:
    """Conclude from the finished runs of a study folder and write its report (needs no torch)."""
    from lamina.study.conclude import report_study

    _say(f"report: {report_study(folder).resolve()}")


@app.command("analyze")
def analyze(
    encoder_name: EncoderName,
    corpus_path: CorpusPath,
    targets: Annotated[str, typer.Option(help="What to measure against, by commas.")] = "mel,phone,word",
    taps: Annotated[str | None, typer.Option(help="Which taps, by commas; all by default.")] = None,
    seed: Annotated[int, typer.Option(help="Of speaker splits, codebooks and resampling.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Write the run (scores, statistics) into this folder.")] = None,
    report: Annotated[Path | None, typer.Option(help="Write the page into this folder.")] = None,
) -> None:
    """Measure what every tap of an encoder knows, in one pass over a corpus."""
    from rich.console import Console
    from rich.progress import Progress

    from lamina.analysis.config import AnalysisConfig
    from lamina.analysis.sweep import analyze as sweep
    from lamina.corpus.importers import open_corpus
    from lamina.encoders.load import load_encoder
    from lamina.report.console import layer_table
    from lamina.report.page import write_report
    from lamina.runs import Run, environment

    asked = tuple(targets.split(","))
    speech = open_corpus(corpus_path, tiers=[target for target in asked if target != "mel"])
    encoder = load_encoder(encoder_name)
    config = AnalysisConfig(targets=asked, taps=None if taps is None else tuple(taps.split(",")), seed=seed)
    run = None
    if out is not None:
        inputs = {"encoder": encoder.digest, "corpus": speech.digest}
        run = Run.plan(out, f"analysis-{encoder.name}", {"kind": "analysis", **config.to_json()}, inputs)
        run.start()
    console = Console()
    for note in speech.notes:
        _say(f"note: {note}")
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task(f"{encoder.name} on {speech.name}", total=None)
        found = sweep(
            encoder,
            speech,
            config,
            run=run,
            progress=lambda done, total: progress.update(bar, completed=done, total=total),
        )
    console.print(layer_table(found.scores))
    for note in found.notes:
        _say(f"note: {note}")
    if run is not None:
        found.scores.write(run.folder / "scores.jsonl")
        run.finish()
        _say(f"scores: {run.folder / 'scores.jsonl'}")
    if report is not None:
        method = {
            "encoder": {"name": encoder_name, "digest": encoder.digest},
            "corpus": {"path": str(corpus_path), "digest": speech.digest},
            "config": config.to_json(),
            "environment": environment(),
        }
        page = write_report(found.scores, report, title=f"{encoder.name} on {speech.name}", method=method)
        _say(f"report: {page.resolve()}")


@corpus.command("synth")
def corpus_synth(
    config: ConfigFile,
    out: Annotated[Path, typer.Argument(help="The corpus folder to make.", metavar="OUT")],
    jobs: Annotated[int, typer.Option(min=1, help="Workers side by side; the bytes do not depend on it.")] = 2,
) -> None:
    """Synthesise a corpus with exact alignments (needs the extra `synth`)."""
    from lamina.config import load_config
    from lamina.corpus.synth import SynthConfig, synthesize

    made = synthesize(load_config(config, SynthConfig), out, workers=jobs)
    _say(f"{len(made)} utterances in {out}")


def _say(text: str) -> None:
    typer.echo(text)


def main() -> None:
    """Run the command line: bad input is one line on standard error and exit code 2."""
    try:
        app()
    except LaminaError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 (plain text, greppable)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted: the same command goes on from here", file=sys.stderr)  # noqa: T201
        sys.exit(130)
