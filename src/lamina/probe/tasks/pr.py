"""Phone recognition (SUPERB's PR): phones in order, without their times."""

from __future__ import annotations

from lamina.corpus.corpus import Corpus, Utterance
from lamina.grid import Grid
from lamina.probe.config import ProbeConfig
from lamina.probe.ctc import Sequences, symbol_errors
from lamina.probe.recipes import FRAMES, SUPERB_LINEAR
from lamina.probe.task import Parts, Superb, Task


def label(utterance: Utterance) -> tuple[str, ...] | None:
    """The phones of the tier ``phone``."""
    tier = utterance.tiers.get("phone")
    return None if tier is None else tuple(segment.label for segment in tier)


def objective(parts: Parts, _corpus: Corpus, config: ProbeConfig, _grid: Grid) -> Sequences:
    """CTC over phones; SUPERB puts an end symbol behind every target."""
    ends = ("<eos>",) if config.protocol == "superb" else ()
    return Sequences(parts, {"per": symbol_errors}, ends)


TASK = Task(
    name="pr",
    title="phone recognition",
    needs="a tier `phone`",
    label=label,
    objective=objective,
    heads=FRAMES,
    superb=Superb(
        SUPERB_LINEAR,
        batch=32,
        steps=100_000,
        every=1000,
        weaknesses=("phones are the tier's, not a lexicon's first pronunciations",),
    ),
    steps=1500,
    batch=16,
)
