"""Training: one reading of each batch for all heads; each head keeps its best weights on dev."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lamina.measures import find_measure
from lamina.probe.bank import Adam, Bank
from lamina.probe.heads import spec_augment
from lamina.probe.store import Store
from lamina.probe.task import Example, Objective

MOST_FRAMES = 8000  # frames read at once where nothing is trained


@dataclass(frozen=True)
class Schedule:
    """How heads are trained.

    Attributes:
        steps: at most.
        every: steps between looks at dev.
        batch: examples a step.
        patience: looks without being better before a head stops, whatever the others do; 0 never stops early.
        clip: of each head's gradient norm.
        decay: AdamW's.
        falling: whether rates fall to zero along a line, or stay.
        augment: whether SpecAugment masks what heads read.
        balanced: whether classes are drawn equally often.
        crop: the most frames of a training example, 0 for all.
        select: the measure that chooses weights.
        seed: of the order of examples, crops and masks.
    """

    steps: int
    every: int
    batch: int
    patience: int
    clip: float
    decay: float
    falling: bool
    augment: bool
    balanced: bool
    crop: int
    select: str
    seed: int


@dataclass
class Data:
    """Examples as rows of a store.

    Attributes:
        store: the rows.
        examples: in order.
        starts, counts: (n,) first row and number of rows of each.
        targets: what the objective prepared.
        shift, scale: (taps, width) taken off and multiplied; None where states are read as they are.
    """

    store: Store
    examples: Sequence[Example]
    targets: Sequence[Any]
    shift: Tensor | None = None
    scale: Tensor | None = None
    starts: np.ndarray[Any, np.dtype[np.int64]] = field(init=False)
    counts: np.ndarray[Any, np.dtype[np.int64]] = field(init=False)

    def __post_init__(self) -> None:
        starts, counts = [], []
        place: dict[tuple[str, int, int], int] = {}
        for identity, segments in self.store.want.segments.items():
            for number, segment in enumerate(segments):
                place[identity, segment.onset, segment.offset] = number
        for one in self.examples:
            start = self.store.starts[one.utterance.id]
            if one.segment is not None:
                start += place[one.utterance.id, one.segment.onset, one.segment.offset]
            starts.append(start)
            counts.append(1 if one.segment is not None else self.store.counts[one.utterance.id])
        self.starts, self.counts = np.array(starts, dtype=np.int64), np.array(counts, dtype=np.int64)

    @property
    def framed(self) -> bool:
        """Whether heads read frames."""
        return self.store.want.rows == "frames"

    def read(
        self, chosen: Sequence[int], device: str, crop: Callable[[int], tuple[int, int]] | None = None
    ) -> Any:
        """States and lengths of some examples: (n, taps, width) or (n, frames, taps, width), and (n,)."""
        starts, counts = self.starts[chosen], self.counts[chosen]
        if crop is not None:
            cuts = [crop(int(count)) for count in counts]
            starts = starts + np.array([cut[0] for cut in cuts])
            counts = np.array([cut[1] for cut in cuts])
        if self.framed:
            longest = int(counts.max())
            rows = starts[:, None] + np.minimum(np.arange(longest), counts[:, None] - 1)
            states = self.store.values[torch.from_numpy(rows)]
        else:
            states = self.store.values[torch.from_numpy(starts)]
        values = states.to(device).float()
        if self.shift is not None and self.scale is not None:
            values = (values - self.shift) * self.scale
        return values, torch.from_numpy(np.ascontiguousarray(counts))

    def runs(self, batch: int) -> Iterator[list[int]]:
        """All examples, those of like length together, a bounded number of rows at a time."""
        run: list[int] = []
        for place in np.argsort(-self.counts, kind="stable").tolist():
            if run and (len(run) + 1) * self.counts[run[0]] > max(MOST_FRAMES, batch):
                yield run
                run = []
            run.append(place)
        if run:
            yield run


@dataclass(frozen=True)
class TrainedHeads:
    """What training found.

    Attributes:
        parameters: the best of each head, (heads, …).
        dev: (heads,) the selecting measure there.
        steps: how many were made.
        looks: (looks, heads) the selecting measure at each look.
    """

    parameters: dict[str, Tensor]
    dev: np.ndarray[Any, np.dtype[np.float64]]
    steps: int
    looks: list[list[float]]


def train(
    bank: Bank,
    objective: Objective,
    fit: Data,
    dev: Data,
    schedule: Schedule,
    *,
    device: str,
    progress: Callable[[int], None] | None = None,
) -> TrainedHeads:
    """Train all heads of a bank on one reading of each batch.

    Args:
        bank: the heads; their parameters are changed.
        objective: of the task.
        fit: to train on; all of it can be trained on.
        dev: to select weights on.
        schedule: how.
        device: where.
        progress: told how many steps are done.
    """
    sign = -1.0 if find_measure(schedule.select).better == "lower" else 1.0
    leaves = {name: value.requires_grad_() for name, value in bank.parameters.items()}
    rates = torch.tensor([slot.rate for slot in bank.slots], device=device)
    adam = Adam(
        {name: value.detach() for name, value in leaves.items()}, rates, clip=schedule.clip, decay=schedule.decay
    )
    best = {name: value.detach().clone() for name, value in leaves.items()}
    top = np.full(len(bank), -math.inf)
    looks: list[list[float]] = []
    random = np.random.default_rng([schedule.seed, 4])
    order = _order(fit, schedule, random)
    last, going, done = np.zeros(len(bank)), np.ones(len(bank), dtype=bool), 0
    with torch.random.fork_rng():
        for done in range(1, schedule.steps + 1):
            chosen = next(order)
            crop = _crop(schedule.crop, random) if fit.framed and schedule.crop else None
            states, lengths = fit.read(chosen, device, crop)
            seeds = _seeds(bank, schedule, done)
            augment = partial(_augmented, lengths) if schedule.augment else None
            outputs = bank(states, lengths, parameters=leaves, seeds=seeds, augment=augment)
            loss = objective.loss(outputs, lengths, [fit.targets[place] for place in chosen])
            names, values = list(leaves), list(leaves.values())
            gradients = dict(zip(names, torch.autograd.grad(loss.sum(), values), strict=True))
            with torch.no_grad():
                fall = 1 - (done - 1) / schedule.steps if schedule.falling else 1.0
                adam.step(leaves, gradients, fall)
            if done % schedule.every == 0 or done == schedule.steps:
                bank.parameters = {name: value.detach() for name, value in leaves.items()}
                told = evaluate(bank, objective, dev, device=device)
                found = np.array(
                    [objective.score(each, dev.examples, None)[schedule.select].value() for each in told]
                )
                looks.append(found.tolist())
                better = sign * np.nan_to_num(found, nan=math.inf if sign < 0 else -math.inf) > top
                better &= going
                for name, value in best.items():
                    value[better] = leaves[name].detach()[better]
                top = np.where(better, sign * found, top)
                last[better] = done
                if schedule.patience:
                    going &= done - last < schedule.patience * schedule.every
                    if not going.any():
                        break
            if progress is not None:
                progress(done)
    return TrainedHeads(best, sign * top, done, looks)


def evaluate(bank: Bank, objective: Objective, data: Data, *, device: str) -> list[list[Any]]:
    """The predictions of each head for each example, in the order of the examples."""
    told: list[list[Any]] = [[None] * len(data.examples) for _ in range(len(bank))]
    with torch.inference_mode():
        for run in data.runs(1):
            states, lengths = data.read(run, device)
            for head, predicted in enumerate(objective.predict(bank(states, lengths), lengths)):
                for place, one in zip(run, predicted, strict=True):
                    told[head][place] = one
    return told


def _seeds(bank: Bank, schedule: Schedule, step: int) -> list[int]:
    """Of what is random in each head at one step: heads of one seed meet the same, whoever is beside them."""
    made = {
        seed: int(np.random.SeedSequence([schedule.seed, seed, step]).generate_state(1)[0])
        for seed in {slot.seed for slot in bank.slots}
    }
    return [made[slot.seed] for slot in bank.slots]


def _augmented(lengths: Tensor, mixed: Tensor, seed: int) -> Tensor:
    return spec_augment(mixed, lengths, torch.Generator().manual_seed(seed))


def _crop(most: int, random: np.random.Generator) -> Callable[[int], tuple[int, int]]:
    """A random stretch of at most so many frames, as (start, count)."""

    def cut(count: int) -> tuple[int, int]:
        length = min(count, most)
        return int(random.integers(count - length + 1)), length

    return cut


def _order(fit: Data, schedule: Schedule, random: np.random.Generator) -> Iterator[list[int]]:
    """Batches without end: a pass meets every example once (balanced: as many draws); like lengths together."""
    count, batch = len(fit.examples), min(schedule.batch, len(fit.examples))
    weights = None
    if schedule.balanced:
        _, place, seen = np.unique(
            [" ".join(one.label) for one in fit.examples], return_inverse=True, return_counts=True
        )
        weights = 1 / seen[place] / len(seen)
    while True:
        order = random.permutation(count) if weights is None else random.choice(count, count, p=weights)
        if fit.framed:
            # Sorted within stretches of 50 batches: little padding, and passes still differ.
            stretch = 50 * batch
            parts = [order[start : start + stretch] for start in range(0, count, stretch)]
            order = np.concatenate([part[np.argsort(fit.counts[part], kind="stable")] for part in parts])
        for start in random.permutation(np.arange(0, count, batch)):  # the last one may be short
            yield order[start : start + batch].tolist()
