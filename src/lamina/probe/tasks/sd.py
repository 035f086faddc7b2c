"""Speaker diarization (SUPERB's SD): who speaks when, in mixtures of two."""

from __future__ import annotations

from functools import partial

from lamina.corpus.corpus import Corpus, Utterance
from lamina.grid import Grid
from lamina.probe.config import ProbeConfig
from lamina.probe.diarize import Diarization, turns
from lamina.probe.heads import LinearHead, Recurrent
from lamina.probe.task import Objective, Parts, Superb, Task


def label(utterance: Utterance) -> tuple[str, ...] | None:
    """The speakers; what counts is their tiers."""
    return tuple(turns(utterance)) or None


def objective(parts: Parts, corpus: Corpus, config: ProbeConfig, grid: Grid) -> Objective:
    """Frame labels on the grid that heads read."""
    return Diarization(parts, grid, config.collar_ms * corpus.sample_rate / 1000)


TASK = Task(
    name="sd",
    title="speaker diarization",
    needs="tiers `speaker:1`, `speaker:2`, …",
    label=label,
    objective=objective,
    heads={"linear": LinearHead, "lstm": partial(Recurrent, hidden=256, both=False)},
    measures=("der", "frame-accuracy"),
    superb=Superb(
        partial(Recurrent, hidden=512, both=False),
        batch=32,
        steps=30_000,
        every=500,
        crop_seconds=40.0,
        select="frame-accuracy",
        tune_on_test=True,
        weaknesses=("threshold and median filter are chosen on test, as the public code does",),
    ),
    steps=600,
    batch=16,
)
