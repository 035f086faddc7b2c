"""Training: what a pass meets, batches of one, and that neighbours in a bank do not matter."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from lamina.corpus.corpus import Utterance
from lamina.probe import heads
from lamina.probe.bank import Bank, Slot
from lamina.probe.classes import FramedClasses
from lamina.probe.config import ProbeConfig
from lamina.probe.ctc import Sequences, symbol_errors
from lamina.probe.task import Example, Objective, Parts
from lamina.probe.train import Data, Schedule, _order, train
from lamina.probe.verify import Verification

PLAN = Schedule(
    steps=6,
    every=2,
    batch=8,
    patience=0,
    clip=1.0,
    decay=0.0,
    falling=False,
    augment=False,
    balanced=False,
    crop=0,
    select="accuracy",
    seed=3,
)
WIDTH = 5


def planted(
    count: int, rows: str = "frames", *, short: int = 16, seed: int = 0
) -> tuple[SimpleNamespace, list[Example]]:
    """A store of random states of so many utterances of two classes, and the examples."""
    random = np.random.default_rng(seed)
    utterances = [Utterance(f"u{seed}-{one}", f"s{one % 2}", "train", 16000, "", {}) for one in range(count)]
    sizes = random.integers(short, short + 30, count) if rows == "frames" else np.ones(count, np.int64)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    generator = torch.Generator().manual_seed(seed)
    whose = torch.from_numpy(np.repeat(np.arange(count) % 2, sizes))
    store = SimpleNamespace(
        want=SimpleNamespace(rows=rows, segments={}),
        values=torch.randn(int(starts[-1]), 2, WIDTH, generator=generator) + 0.1 * whose[:, None, None],
        starts={one.id: int(start) for one, start in zip(utterances, starts[:-1], strict=True)},
        counts={one.id: int(size) for one, size in zip(utterances, sizes, strict=True)},
    )
    return store, [Example(one, (one.speaker,)) for one in utterances]


@pytest.mark.parametrize(
    ("count", "batch", "rows"), [(21, 8, "frames"), (21, 8, "mean"), (5, 8, "frames"), (107, 2, "frames")]
)
def test_every_pass_meets_every_example_once(count: int, batch: int, rows: str) -> None:
    store, examples = planted(count, rows)
    order = _order(Data(store, examples, [0] * count), replace(PLAN, batch=batch), np.random.default_rng(1))
    a_pass = -(-count // batch)
    for _ in range(3):
        met = [place for chosen in islice(order, a_pass) for place in chosen]
        assert sorted(met) == list(range(count))


def _objective(kind: str, examples: list[Example]) -> Objective:
    parts = Parts(examples, examples, examples, "")
    if kind == "sequences":
        return Sequences(parts, {"per": symbol_errors})
    corpus = SimpleNamespace(folder=None)
    return Verification(parts, corpus, ProbeConfig()) if kind == "verification" else FramedClasses(parts)


class Last(heads.Recurrent):
    """The recurrent head's last frame."""

    def forward(self, states: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        return super().forward(states, lengths)[:, -1]


@pytest.mark.parametrize(
    ("kind", "make"),
    [
        ("sequences", lambda: heads.Recurrent(WIDTH, 3, project=4, hidden=3)),
        ("classes", lambda: heads.MeanLinear(WIDTH, 2)),
        ("verification", lambda: heads.XVector(WIDTH, 2, size=4, pooled=6)),
    ],
)
def test_a_batch_is_worth_the_mean_of_its_examples_alone(kind: str, make: type) -> None:
    store, examples = planted(3)
    objective = _objective(kind, examples)
    data = Data(store, examples, objective.prepare(examples))
    bank = Bank(make, [Slot(None, 0.1, 0), Slot(None, 0.1, 1)], 2, "cpu")

    def loss(chosen: list[int]) -> torch.Tensor:
        states, lengths = data.read(chosen, "cpu")
        return objective.loss(bank(states, lengths), lengths, [data.targets[place] for place in chosen])

    alone = torch.stack([loss([place]) for place in range(3)]).mean(0)
    assert alone.isfinite().all()
    assert torch.allclose(loss([0, 1, 2]), alone, atol=1e-5)


@pytest.mark.parametrize(
    ("make", "plan"),
    [
        (lambda: heads.MeanLinear(WIDTH, 2), replace(PLAN, steps=30, every=1, patience=2)),
        (lambda: Last(WIDTH, 2, hidden=3, layers=2, dropout=0.5), replace(PLAN, augment=True, steps=3, every=3)),
    ],
    ids=["patience", "dropout and masks"],
)
def test_a_head_ends_as_it_would_alone(make: type, plan: Schedule) -> None:
    (store, examples), (other, others) = planted(12), planted(40, seed=1)
    objective = _objective("classes", examples)
    fit, dev = Data(store, examples, objective.prepare(examples)), Data(other, others, objective.prepare(others))
    slots = [Slot(None, rate, seed) for rate in (1e-3, 3e-2, 0.3) for seed in (0, 1)]
    together = train(Bank(make, slots, 2, "cpu"), objective, fit, dev, plan, device="cpu")
    for place, slot in enumerate(slots):
        alone = train(Bank(make, [slot], 2, "cpu"), objective, fit, dev, plan, device="cpu")
        assert alone.dev[0] == together.dev[place]
        for name, value in alone.parameters.items():
            assert torch.allclose(value[0], together.parameters[name][place], atol=1e-4), name
