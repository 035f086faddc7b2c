"""`lamina.analyze`: names or objects in, an `Analysis` out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lamina.analysis.config import AnalysisConfig
from lamina.analysis.controls import DRAWS, control_sweep, controls_of, label_of, over_draws
from lamina.analysis.protocol import OWN
from lamina.analysis.published import PROTOCOLS
from lamina.analysis.results import Analysis
from lamina.analysis.sweep import SAVE_SECONDS, Sweep, Tell, run_sweep
from lamina.analysis.targets import kinds_of
from lamina.config import parse_config
from lamina.corpus.corpus import Corpus
from lamina.corpus.open import open_corpus
from lamina.corpus.stored import StoredCorpus
from lamina.encoders.encoder import Encoder
from lamina.encoders.load import load_encoder
from lamina.errors import LaminaError
from lamina.grid import Grid
from lamina.runs import Run
from lamina.score import UNTRAINED


def analyze(
    encoder: Encoder | str | Path,
    corpus: Corpus | str | Path,
    config: AnalysisConfig | None = None,
    *,
    beside: Sequence[Encoder | str] = (),
    control: str = "",
    draws: int = DRAWS,
    run: Run | None = None,
    progress: Tell | None = None,
    save_seconds: float = SAVE_SECONDS,
    **settings: Any,
) -> Analysis:
    """Measure what every tap of an encoder knows; see `lamina.analysis.sweep.analyze` for the rules.

    Args:
        encoder: an encoder, or what `lamina.load_encoder` takes.
        corpus: a corpus, or what `lamina.open_corpus` takes.
        config: what is measured; by default mel, phone and word, those that the corpus has.
        beside: encoders that this one is compared with: segments count if their taps see them, too.
        control: ``untrained`` reads the encoder again with its weights drawn anew (`Analysis.untrained`), without
            its position encodings where these are written down, and positions alone (`Analysis.controls`).
        draws: how often weights are drawn: seeds from that of the config on.
        run: where sums and replicates are kept; an interrupted pass goes on from there.
        progress: told how many utterances are done, of how many.
        save_seconds: how often sums are kept in the run folder.
        settings: fields of `AnalysisConfig`, in place of ``config`` or over it.

    Raises:
        LaminaError: bad input, or nothing can be measured.
    """
    if control not in {"", "untrained"}:
        raise LaminaError(f"there is no control {control!r}; there is 'untrained', and labels are shuffled anyway")
    speech = open_corpus(corpus) if isinstance(corpus, str | Path) else corpus
    read = load_encoder(str(encoder)) if isinstance(encoder, str | Path) else encoder
    config = resolved(config, settings, speech)
    if draws < 1:
        raise LaminaError(f"{draws} draws of weights are none: give 1 or more, or leave the control out")
    held = dict(controls_of(read, seed=config.seed, draws=draws)) if control else {}
    if control and UNTRAINED not in held:
        raise LaminaError(f"{read.name} has no weights to draw anew: leave the untrained control out")
    support = grids_of(beside)
    planned = Sweep(read, speech, config, support)
    found = run_sweep(planned, run=run, progress=progress, save_seconds=save_seconds)
    controls, notes = {}, list(found.notes)
    for name, drawn in held.items():
        try:
            sweeps = (control_sweep(each, read, speech, config, support) for each in drawn)
            told = [run_sweep(each, control=label_of(name), progress=progress) for each in sweeps]
            controls[name] = over_draws(told)
        except LaminaError as error:
            notes.append(f"no control {name!r}: {error}")
    return replace(found, controls=controls, notes=tuple(notes))


def resolved(config: AnalysisConfig | None, settings: dict[str, Any], speech: Corpus) -> AnalysisConfig:
    """The config of an analysis of this corpus, from whichever door it comes.

    Where no targets are asked for, they are the usual ones of the protocol that the corpus has.

    Raises:
        LaminaError: a setting is unknown or not allowed, or the corpus has no such tier or label.
    """
    there = (
        {*speech.tiers, *speech.labels}
        if isinstance(speech, StoredCorpus)  # known since it was opened
        else {name for utterance in speech.utterances() for name in (*utterance.tiers, *utterance.labels)}
    )
    settings = {name: value for name, value in settings.items() if value is not None}
    protocol = PROTOCOLS.get(str(settings.get("protocol", "lamina" if config is None else config.protocol)), OWN)

    def lacks(name: str) -> str:
        needs = [kind.needs(name) for kind in kinds_of(name, protocol.rules.targets)]
        return "" if not needs or any(not need or need in there for need in needs) else needs[0]

    if config is None and "targets" not in settings:
        usual = tuple(name for name in protocol.usual if not lacks(name))
        settings["targets"] = usual or protocol.usual
    made = parse_config(({} if config is None else config.to_json()) | settings, AnalysisConfig, "settings")
    for target in made.targets:
        if need := lacks(target):
            have = ", ".join(sorted(there)) or "none"
            raise LaminaError(
                f"{speech.name} has no tier or label {need!r} (it has {have}): ask for other targets"
            )
    return made


def grids_of(encoders: Sequence[Encoder | str]) -> tuple[Grid, ...]:
    """The grids of all taps of encoders, or of names to load."""
    found = [load_encoder(each) if isinstance(each, str) else each for each in encoders]
    return tuple(dict.fromkeys(tap.grid for encoder in found for tap in encoder.taps))
