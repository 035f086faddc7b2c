"""Keyword spotting (SUPERB's KS): one word, or none of them, or no speech."""

from __future__ import annotations

from lamina.probe.classes import Classes
from lamina.probe.recipes import POOLED, SUPERB_LINEAR, labelled
from lamina.probe.task import Superb, Task

TASK = Task(
    name="ks",
    title="keyword spotting",
    needs="the label `keyword`",
    label=labelled("keyword"),
    objective=lambda parts, *_: Classes(parts),
    heads=POOLED,
    measures=("accuracy",),
    superb=Superb(
        SUPERB_LINEAR,
        batch=32,
        steps=200_000,
        every=5000,
        balanced=True,
        weaknesses=("the public code resamples dev at random; here dev is read as it is",),
    ),
    batch=32,
)
