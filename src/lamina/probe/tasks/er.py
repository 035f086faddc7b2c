"""Emotion recognition (SUPERB's ER): by plain accuracy; SUPERB leaves each session out once."""

from __future__ import annotations

from lamina.probe.classes import Classes
from lamina.probe.recipes import POOLED, SUPERB_LINEAR, labelled
from lamina.probe.task import Superb, Task

TASK = Task(
    name="er",
    title="emotion recognition",
    needs="the label `emotion`",
    label=labelled("emotion"),
    objective=lambda parts, *_: Classes(parts),
    heads=POOLED,
    measures=("accuracy",),
    superb=Superb(
        SUPERB_LINEAR,
        batch=32,
        steps=30_000,
        every=1000,
        weaknesses=("dev shares speakers and dialogues with train", "plain accuracy, not averaged over classes"),
    ),
    batch=32,
    folds="session",
)
