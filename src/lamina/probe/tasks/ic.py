"""Intent classification (SUPERB's IC): action, object and location, all of which must be right."""

from __future__ import annotations

from lamina.corpus.corpus import Utterance
from lamina.probe.classes import Classes
from lamina.probe.recipes import POOLED, SUPERB_LINEAR
from lamina.probe.task import Superb, Task


def label(utterance: Utterance) -> tuple[str, ...] | None:
    """Action, object and location; the whole intent where a corpus does not part it."""
    parts = [utterance.labels.get(name, "") for name in ("action", "object", "location")]
    if all(parts):
        return tuple(parts)
    whole = utterance.labels.get("intent", "")
    return (whole,) if whole else None


TASK = Task(
    name="ic",
    title="intent classification",
    needs="the labels `action`, `object` and `location`, or `intent`",
    label=label,
    objective=lambda parts, *_: Classes(parts),
    heads=POOLED,
    measures=("accuracy",),
    superb=Superb(
        SUPERB_LINEAR,
        batch=32,
        steps=200_000,
        every=5000,
        weaknesses=("few fixed sentences: train and test share most of them",),
    ),
    batch=32,
)
