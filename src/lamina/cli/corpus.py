"""`lamina corpus`: speech with time-aligned tiers."""

from __future__ import annotations

from typing import Annotated

import typer

from lamina.cli.options import ConfigFile, CorpusPath, OutFolder, open_speech
from lamina.terminal import progress, say

corpus = typer.Typer(help="Speech with time-aligned tiers: synthesise, check.", no_args_is_help=True)


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

    speech = open_speech(corpus_path)
    problems = check(speech)
    for problem in problems:
        say(problem)
    say(f"{speech.name}: {len(speech)} utterances, {len(problems)} problems")
    raise typer.Exit(1 if problems else 0)
