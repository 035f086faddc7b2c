"""One search: the heads of a task at a group of taps, trained side by side; dev chooses, test is scored once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lamina.errors import LaminaError
from lamina.measures import find_measure
from lamina.probe.bank import Bank, Slot
from lamina.probe.config import RATES, SUPERB_RATES, ProbeConfig
from lamina.probe.layers import Group
from lamina.probe.store import Store
from lamina.probe.tally import Tally
from lamina.probe.task import Example, MakeHead, Objective, Parts, Task
from lamina.probe.train import Data, Schedule, evaluate, train

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Job:
    """What is searched.

    Attributes:
        task: of which task.
        parts: its examples, of one division.
        group: the taps that are read together.
        objective: made of the parts.
        want: which states are read, by name.
    """

    task: Task
    parts: Parts
    group: Group
    objective: Objective
    want: str


@dataclass(frozen=True)
class Found:
    """What a search found.

    Attributes:
        tallies: a seed each, by the place of the tap (None: the weighted sum) and measure.
        weights: (taps,) of the weighted sum, mean over seeds; None where single taps are read.
        norms: (taps,) mean length of each tap's vectors over the training examples.
        notes: for people.
    """

    tallies: dict[tuple[int | None, str], list[Tally]]
    weights: Floats | None
    norms: Floats
    notes: list[str]


def rates(config: ProbeConfig) -> tuple[float, ...]:
    """The learning rates that are searched."""
    return config.rates or (SUPERB_RATES if config.protocol == "superb" else RATES)


def schedule(task: Task, group: Group, config: ProbeConfig, select: str = "") -> Schedule:
    """How the heads of a task are trained; ``select`` is the measure that dev selects by."""
    superb = task.superb if config.protocol == "superb" else None
    steps = config.steps or (superb.steps if superb else task.steps)
    every = config.every or (superb.every if superb else max(1, steps // 10))
    frames = group.grid.sample_rate / group.grid.stride  # a second
    return Schedule(
        steps=steps,
        every=min(every, steps),
        batch=config.batch or (superb.batch if superb else task.batch),
        patience=0 if superb else config.patience,
        clip=superb.clip if superb else 1.0,
        decay=superb.decay if superb else 0.0,
        falling=superb is None,
        augment=bool(superb and superb.augment),
        balanced=bool(superb and superb.balanced),
        crop=int(superb.crop_seconds * frames) if superb else 0,
        select=superb.select or select if superb else select,
        seed=config.seed,
    )


def search(
    job: Job,
    head: str,
    make: MakeHead,
    store: Store,
    config: ProbeConfig,
    *,
    device: str,
    progress: Callable[[int], None] | None = None,
) -> Found:
    """Train all rates, seeds and taps side by side, choose on dev, score test.

    Under the protocol ``lamina`` every dimension of every tap is centred and scaled by the training examples, so
    that rates mean the same for all encoders; ``superb`` reads states as they are.

    Raises:
        LaminaError: no training example can be trained on at this rate.
    """
    task, objective, group = job.task, job.objective, job.group
    superb = task.superb if config.protocol == "superb" else None
    notes: list[str] = []
    fit, dev, test = (_data(job, side, store) for side in (job.parts.train, job.parts.dev, job.parts.test))
    fit = _trainable(job, fit, notes)
    norms, shift, scale = _moments(store, fit)
    if superb is None:
        for each in (fit, dev, test):
            each.shift, each.scale = shift.to(device), scale.to(device)
    plan = schedule(task, group, config, objective.measures[0])
    picks: list[int | None] = [None] if group.mixed else list(range(len(group.taps)))
    starts = objective.starts or ((),)
    slots = [Slot(*each) for each in product(picks, rates(config), config.seeds, starts)]
    bank = Bank(partial(make, group.taps[0].width, objective.outputs), slots, len(group.taps), device)
    selecting = test if superb and superb.on_test else dev
    trained = train(bank, objective, fit, selecting, plan, device=device, progress=progress)
    best = _best(slots, trained.dev, lower=find_measure(plan.select).better == "lower")
    read = "1 weighted sum" if group.mixed else f"{len(picks)} taps"
    chosen = ", ".join(dict.fromkeys(f"{slots[own[0]].rate:g}" for own in best.values()))
    edges = {min(rates(config)), max(rates(config))} if len(rates(config)) > 2 else set()
    edge = " (an end of the grid)" if any(slots[own[0]].rate in edges for own in best.values()) else ""
    counts = [read, f"{len(rates(config))} rates", f"{len(config.seeds)} seeds"]
    counts += [f"{len(starts)} starts"] if len(starts) > 1 else []
    part = "test" if selecting is test else "dev"
    notes.append(
        f"{task.name}, {head}: {len(slots)} heads side by side ({', '.join(counts)}), {trained.steps} of "
        f"{plan.steps} steps of {plan.batch} examples; chosen on {part}: rate {chosen}{edge}"
    )
    final = bank.subset([place for own in best.values() for place in own], trained.parameters)
    told = evaluate(final, objective, test, device=device)
    tuning = test if superb and superb.tune_on_test else dev
    tuned = told if tuning is test else evaluate(final, objective, tuning, device=device)
    tallies: dict[tuple[int | None, str], list[Tally]] = {}
    order = [pick for pick, own in best.items() for _ in own]
    for pick, predicted, other in zip(order, told, tuned, strict=True):
        setting = objective.tune(other, tuning.examples)
        for measure, tally in objective.score(predicted, test.examples, setting).items():
            tallies.setdefault((pick, measure), []).append(tally)
    weights = final.weights().mean(0).cpu().double().numpy() if group.mixed else None
    return Found(tallies, weights, norms, notes)


def _data(job: Job, examples: Sequence[Example], store: Store) -> Data:
    return Data(store, examples, job.objective.prepare(examples))


def _trainable(job: Job, whole: Data, notes: list[str]) -> Data:
    """Without the examples that cannot be trained on at this rate."""
    sides = zip(whole.targets, whole.counts.tolist(), strict=True)
    fits = [job.objective.fits(target, count) for target, count in sides]
    short = len(fits) - sum(fits)
    if not short:
        return whole
    period = f"{job.group.grid.period_ms:g} ms"
    if short == len(fits):
        raise LaminaError(
            f"{job.task.name}: all {short} training targets are longer than their frames at {period}: read finer "
            "taps (`taps`), or combine the layers on the fine grid"
        )
    notes.append(
        f"{job.task.name}: {short} of {len(fits)} training targets are longer than their frames at {period} and "
        "not trained on; such targets of dev and test are scored all the same"
    )
    return _data(job, [one for one, good in zip(whole.examples, fits, strict=True) if good], whole.store)


def _rows(store: Store, fit: Data) -> Iterator[Tensor]:
    """The training rows, some at a time, (rows, taps, width)."""
    for run in fit.runs(1):
        rows = np.concatenate([np.arange(fit.counts[place]) + fit.starts[place] for place in run])
        yield store.values[torch.from_numpy(rows)].double()


def _moments(store: Store, fit: Data) -> tuple[Floats, Tensor, Tensor]:
    """Over the training rows: each tap's mean length (taps,), each dimension's mean and 1 / deviation."""
    shape = store.values.shape[1:]
    lengths, count = torch.zeros(shape[0], dtype=torch.float64), 0
    first, second = (torch.zeros(shape, dtype=torch.float64) for _ in range(2))
    for values in _rows(store, fit):
        lengths += values.norm(dim=-1).sum(0)
        first += values.sum(0)
        count += len(values)
    mean = first / count
    # A second pass: a difference of large sums would lose small deviations.
    for values in _rows(store, fit):
        second = second + (values - mean).square().sum(0)
    spread = (second / count).sqrt()
    # A dimension that is constant in training must not blow up where it is not: it is scaled as the widest one is.
    widest = spread.amax(-1, keepdim=True).clamp(min=1e-30)
    return (
        (lengths / count).numpy(),
        mean.float(),
        (1 / torch.where(spread > 1e-4 * widest, spread, widest)).float(),
    )


def _best(slots: Sequence[Slot], dev: Floats, *, lower: bool) -> dict[int | None, list[int]]:
    """For each pick, the heads (one a seed) of the rate and start that are best on dev on average over seeds."""
    found: dict[int | None, dict[tuple[float, tuple[float, ...]], list[int]]] = {}
    for place, slot in enumerate(slots):
        found.setdefault(slot.tap, {}).setdefault((slot.rate, slot.start), []).append(place)

    def cost(own: list[int]) -> float:
        value = float(np.mean(dev[own])) * (1 if lower else -1)
        return value if np.isfinite(value) else float("inf")

    return {pick: min(tried.values(), key=cost) for pick, tried in found.items()}
