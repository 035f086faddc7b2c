"""Phone recognition (SUPERB's PR): phones in order, without their times."""

from __future__ import annotations

from pathlib import Path

from lamina.corpus.corpus import Corpus, Utterance
from lamina.corpus.labels import label_of
from lamina.grid import Grid
from lamina.probe.config import ProbeConfig
from lamina.probe.ctc import Sequences, sequences, symbol_errors
from lamina.probe.lexicon import UNKNOWN, pronounced, read_lexicon
from lamina.probe.recipes import FRAMES, SUPERB_LINEAR, taken_out, words
from lamina.probe.task import Label, Parts, Say, Superb, Task


def label(utterance: Utterance) -> tuple[str, ...] | None:
    """The phones of the tier ``phone``."""
    tier = utterance.tiers.get("phone")
    return None if tier is None else tuple(segment.label for segment in tier)


def labels(config: ProbeConfig, say: Say) -> Label:
    """By the lexicon, where there is one: the phones of the transcript's words, not those that were aligned.

    ``superb`` keeps stress digits (its 71 symbols have them); elsewhere vowels lose them, as in every corpus here.
    """
    if not config.lexicon:
        if config.protocol == "superb":
            say("pr, protocol superb: phones are the aligned ones of the tier, not a lexicon's (--lexicon)")
        return label
    lexicon = read_lexicon(Path(config.lexicon))
    if config.protocol != "superb":
        lexicon = {word: tuple(label_of("phone", phone) for phone in own) for word, own in lexicon.items()}
    say(f"pr: phones are first pronunciations of {Path(config.lexicon).name}; words that it lacks are {UNKNOWN}")
    return lambda one: pronounced(words(one.text, config.protocol), lexicon) if one.text else None


def objective(parts: Parts, _corpus: Corpus, config: ProbeConfig, grid: Grid) -> Sequences:
    """CTC over phones; SUPERB puts an end symbol behind every target."""
    made = sequences(parts, {"per": symbol_errors}, config, grid, end="<eos>")
    whole = [symbol for one in parts.all for symbol in one.label]
    if config.lexicon:
        made.notes += taken_out((one.utterance.text for one in parts.all), config.protocol)
    if config.lexicon and (lacking := whole.count(UNKNOWN)):
        made.notes.append(f"the lexicon lacks {lacking} words: each is one {UNKNOWN} among {len(whole)} phones")
    return made


TASK = Task(
    name="pr",
    title="phone recognition",
    needs="a tier `phone`, or transcripts and a lexicon (`--lexicon`)",
    label=label,
    labels=labels,
    objective=objective,
    heads=FRAMES,
    measures=("per",),
    superb=Superb(
        SUPERB_LINEAR,
        batch=32,
        steps=100_000,
        every=1000,
    ),
    steps=1500,
    batch=8,
    phones=True,
)
