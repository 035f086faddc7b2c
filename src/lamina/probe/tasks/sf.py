"""Slot filling (SUPERB's SF): letters with the slots marked; F1 of slot types, character errors of slot values."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from lamina.corpus.corpus import Corpus, Utterance
from lamina.errors import LaminaError
from lamina.grid import Grid
from lamina.probe.config import ProbeConfig
from lamina.probe.ctc import Sequences, sequences
from lamina.probe.metrics import slot_type_f1, slot_value_errors
from lamina.probe.recipes import FRAMES, SUPERB_RECURRENT, taken_out, words
from lamina.probe.task import Parts, Superb, Task


def label(utterance: Utterance, protocol: str = "lamina") -> tuple[str, ...] | None:
    """The letters of the transcript; ``B-slot`` and ``E-slot``, single symbols, stand around slots."""
    tags = utterance.labels.get("slots")
    if tags is None:
        return None
    spoken, told = utterance.text.split(), tags.split()
    if len(spoken) != len(told):
        raise LaminaError(
            f"utterance {utterance.id} has {len(spoken)} words and {len(told)} slot tags: give one tag a word"
        )
    made: list[str] = []
    inside = ""
    for word, tag in zip(spoken, told, strict=True):
        kind = tag[2:]
        if inside and tag != f"I-{inside}":
            made += [f"E-{inside}", "|"]
            inside = ""
        if kind and not inside:
            made += [f"B-{kind}", "|"]
            inside = kind
        for part in words(word, protocol):
            made += [*part, "|"]
    return (*made, f"E-{inside}", "|") if inside else tuple(made)


def text(symbols: Sequence[str]) -> str:
    """Symbols as text with marks, as the metrics read it."""
    return " ".join("".join(symbols).replace("|", " ").split())


def type_f1(reference: Sequence[str], hypothesis: Sequence[str]) -> tuple[float, float]:
    """The F1 of an utterance, which counts once."""
    return slot_type_f1(text(reference), text(hypothesis)), 1.0


def value_errors(reference: Sequence[str], hypothesis: Sequence[str]) -> tuple[float, float]:
    """Errors and characters of slot values."""
    return slot_value_errors(text(reference), text(hypothesis))


def objective(parts: Parts, _corpus: Corpus, config: ProbeConfig, grid: Grid) -> Sequences:
    """CTC over letters and marks; SUPERB puts an end symbol behind every target."""
    made = sequences(parts, {"slot-f1": type_f1, "slot-cer": value_errors}, config, grid, end="</s>")
    made.notes += taken_out((one.utterance.text for one in parts.all), config.protocol)
    return made


TASK = Task(
    name="sf",
    title="slot filling",
    needs="transcripts and the label `slots` (one IOB tag a word)",
    label=label,
    labels=lambda config, _say: partial(label, protocol=config.protocol),
    objective=objective,
    heads=FRAMES,
    measures=("slot-f1", "slot-cer"),
    superb=Superb(
        SUPERB_RECURRENT,
        batch=32,
        steps=200_000,
        every=2000,
        augment=True,
        weaknesses=("fixed synthetic voices and limited sentences",),
    ),
    steps=1500,
    batch=16,
)
