"""Speaker identification (SUPERB's SID): which of the training speakers says an utterance that was held out."""

from __future__ import annotations

from lamina.probe.classes import Classes
from lamina.probe.recipes import POOLED, SUPERB_LINEAR, speaker
from lamina.probe.task import Superb, Task

TASK = Task(
    name="sid",
    title="speaker identification",
    needs="speakers, each with three or more utterances",
    label=speaker,
    objective=lambda parts, *_: Classes(parts),
    heads=POOLED,
    superb=Superb(
        SUPERB_LINEAR,
        batch=32,
        steps=200_000,
        every=5000,
        weaknesses=("utterances are pooled whole: the public code trains on random crops of 8 s",),
    ),
    batch=32,
    speakers=True,
)
