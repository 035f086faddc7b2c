"""`lamina probe`: small heads on frozen states."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lamina.cli.options import CorpusPath, EncoderName, Seed, Taps, open_speech
from lamina.terminal import keep, names, progress, show


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
    speech = open_speech(corpus_path, tiers=config.tiers)
    read = load_encoder(encoder_name)
    with progress(f"{read.name} on {speech.name}") as tell:
        scores = measure(read, speech, config, progress=tell)
    for table in layer_tables(scores):
        show(table)
    keep(scores, out)
