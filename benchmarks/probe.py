"""A search of learning rates: states read once and all heads side by side, against one head at a time.

The usual way trains each head of a search by itself and computes the frozen states of every batch anew. Both ways
see the same batches in the same order, the same first weights, rates and steps; both look at dev once, choose the
rate there and score test.

    python benchmarks/probe.py CORPUS --encoder FOLDER [--steps 100] [--tasks pr,sid]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import torch

from card import DTYPES, machine
from lamina.corpus.batches import Batch
from lamina.corpus.corpus import Corpus
from lamina.corpus.open import open_corpus
from lamina.device import resolve
from lamina.encoders.encoder import Encoder
from lamina.encoders.load import load_encoder
from lamina.frames import aligned
from lamina.probe.bank import Bank, Slot
from lamina.probe.config import RATES, ProbeConfig
from lamina.probe.probe import probe
from lamina.probe.search import schedule
from lamina.probe.task import find_task
from lamina.probe.train import Data, evaluate, train


class Recomputed(Data):
    """Examples whose states are computed again whenever they are read."""

    encoder: Encoder
    corpus: Corpus

    def read(self, chosen: Sequence[int], _device: str, _crop: Any = None) -> Any:
        want = self.store.want
        utterances = [self.examples[place].utterance for place in chosen]
        lengths = torch.tensor([one.samples for one in utterances])
        waves = torch.zeros(len(utterances), int(lengths.max()))
        for row, one in enumerate(utterances):
            waves[row, : one.samples] = torch.from_numpy(self.corpus.read(one))
        batch = Batch(waves, lengths, tuple(utterances))
        counts = torch.from_numpy(self.counts[list(chosen)])
        shape = (len(chosen), int(counts.max())) if self.framed else (len(chosen),)
        values = torch.zeros(*shape, len(want.group.taps), want.group.taps[0].width)
        with torch.inference_mode():
            names = [tap.name for tap in want.group.taps]
            for place, states in enumerate(self.encoder.states(batch.waves, batch.lengths, names)):
                for row in range(len(utterances)):
                    here = states.utterance(row)
                    if self.framed:
                        count = int(counts[row])
                        values[row, :count, place] = aligned(here, states.tap.grid, want.group.grid, count)
                    else:
                        values[row, place] = here.mean(0)
        return (values.clone() - self.shift) * self.scale, counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus")
    parser.add_argument("--encoder", required=True)
    parser.add_argument("--tasks", default="pr,sid")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", choices=DTYPES, default="float32")
    args = parser.parse_args()
    torch.set_num_threads(1)
    device = resolve(args.device)
    print(machine(device, args.dtype))
    encoder, corpus = load_encoder(args.encoder, device=device, dtype=args.dtype), open_corpus(args.corpus)
    total = np.zeros((2, 2))
    for name in args.tasks.split(","):
        config = ProbeConfig(
            tasks=(name,), heads=("linear",), seeds=(0,), steps=args.steps, every=args.steps, patience=0
        )
        began = clock()
        found = probe(encoder, corpus, config, device=device)
        ours = clock() - began
        (row, *_) = found.scores.select(tap="weighted")
        began = clock()
        usual = one_at_a_time(encoder, corpus, config, device)
        theirs = clock() - began
        total += (ours, theirs)
        print(
            f"{name}: {len(RATES)} rates, {args.steps} steps: side by side {told(ours)}, {row.measure} "
            f"{row.value:.4f}; one at a time {told(theirs)}, {row.measure} {usual:.4f}",
            flush=True,
        )
    fast = total[1] / total[0]
    print(f"{told(total[0])} against {told(total[1])}: {fast[0]:.1f} times as fast, processor {fast[1]:.1f}")


def clock() -> Any:
    """Seconds by the wall and of the processor: on a busy machine the second is the fairer one."""
    return np.array([time.perf_counter(), time.process_time()])


def told(seconds: Any) -> str:
    return f"{seconds[0]:.1f} s ({seconds[1]:.1f} s of processor)"


def one_at_a_time(encoder: Encoder, corpus: Corpus, config: ProbeConfig, device: str) -> float:
    """The usual way: the test value of the rate that is best on dev."""
    from lamina.probe import search as room
    from lamina.probe.probe import Probing

    work = Probing(encoder, corpus, config, "", "", None, device, None, None)
    jobs, wants = work.plan(())
    (job,) = jobs
    # An empty store: it says which rows there would be.
    want, whose = wants[job.want]
    store = room.Store(want, whose, None, "")
    task = find_task(config.tasks[0])
    sides = {}
    for side in ("train", "dev", "test"):
        examples = getattr(job.parts, side)
        data = Recomputed(store, examples, job.objective.prepare(examples))
        data.encoder, data.corpus = encoder, corpus
        sides[side] = data
    first, second, count = 0.0, 0.0, 0.0
    for data in sides.values():
        data.shift, data.scale = torch.zeros(()), torch.ones(())
    # The same centring and scaling: the usual way reads train once more for it.
    for run in sides["train"].runs(1):
        values, lengths = sides["train"].read(run, device)
        if sides["train"].framed:
            values = torch.cat([one[: int(length)] for one, length in zip(values, lengths, strict=True)])
        first = first + values.double().sum(0)
        second = second + values.double().square().sum(0)
        count += len(values)
    mean = first / count
    spread = (second / count - mean**2).clamp(min=0).sqrt()
    for data in sides.values():
        data.shift, data.scale = mean.float(), (1 / spread.clamp(min=1e-4)).float()
    plan = schedule(task, job.group, config, job.objective.measures[0])
    make = partial(task.heads["linear"], job.group.taps[0].width, job.objective.outputs)
    best: tuple[float, Any] | None = None
    for rate in RATES:
        bank = Bank(make, [Slot(None, rate, 0)], len(job.group.taps), device)
        trained = train(bank, job.objective, sides["train"], sides["dev"], plan, device=device)
        cost = float(trained.dev[0]) * (1 if room.lower_is_better(plan.select) else -1)
        if best is None or cost < best[0]:
            best = (cost, bank.subset([0], trained.parameters))
    assert best is not None
    (predicted,) = evaluate(best[1], job.objective, sides["test"], device=device)
    scored = job.objective.score(predicted, sides["test"].examples, None)
    return scored[job.objective.measures[0]].value()


if __name__ == "__main__":
    main()
