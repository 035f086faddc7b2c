"""`lamina analyze`: what every tap knows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lamina.cli.options import CorpusPath, EncoderName, Seed, Taps, open_speech
from lamina.terminal import names, progress, say, show


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
    speech = open_speech(corpus_path, tiers=[target for target in config.targets if target != "mel"])
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
