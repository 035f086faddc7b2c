"""Speaker identification (SUPERB's SID): which of the training speakers says an utterance that was held out."""

from __future__ import annotations

from functools import partial

from lamina.corpus.corpus import Corpus
from lamina.grid import Grid
from lamina.probe.classes import Classes, FramedClasses
from lamina.probe.config import ProbeConfig
from lamina.probe.heads import MeanLinear
from lamina.probe.recipes import POOLED, speaker
from lamina.probe.task import Parts, Superb, Task


def objective(parts: Parts, _corpus: Corpus, config: ProbeConfig, _grid: Grid) -> Classes:
    """Speakers; SUPERB trains on crops and so wants frames, which its head averages."""
    return FramedClasses(parts) if config.protocol == "superb" else Classes(parts)


TASK = Task(
    name="sid",
    title="speaker identification",
    needs="speakers, each with three or more utterances",
    label=speaker,
    objective=objective,
    heads=POOLED,
    measures=("accuracy",),
    superb=Superb(
        partial(MeanLinear, hidden=256),
        batch=32,
        steps=200_000,
        every=5000,
        crop_seconds=8.0,
    ),
    batch=32,
    speakers=True,
)
