"""Speaker verification (SUPERB's ASV): whether two utterances are of one speaker, neither of whom trained."""

from __future__ import annotations

from lamina.probe.heads import Embedding, XVector
from lamina.probe.recipes import speaker
from lamina.probe.task import Superb, Task
from lamina.probe.verify import Verification

TASK = Task(
    name="asv",
    title="speaker verification",
    needs="speakers; a trial list where the corpus has one",
    label=speaker,
    objective=Verification,
    heads={"linear": Embedding, "xvector": XVector},
    measures=("eer",),
    superb=Superb(
        XVector,
        batch=50,
        steps=200_000,
        every=20_000,
        clip=1e3,
        decay=0.01,
        crop_seconds=8.0,
        on_test=True,
        weaknesses=("the checkpoint is chosen on the test trials, as the public code does",),
    ),
    steps=600,
    batch=32,
    strangers=True,
)
