"""The whole analysis of an encoder beside its bare forward pass; its memory; one tap and all taps.

    python benchmarks/analysis.py time --threads 2            # (b) base size, all taps, mel, phone, word
    python benchmarks/analysis.py memory                      # (c) peak memory on a corpus and on ten copies of it
    python benchmarks/analysis.py taps                        # (e) one tap and all taps

Speech is noise with drawn phones and words: what is timed does not depend on what is said. `time` reads the same
batches bare and analysed, by turns, and tells what grows with the corpus (reading) apart from what does not
(decompositions, k-means), so that longer corpora can be told from it.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray

from card import DTYPES, machine
from lamina.analysis.config import AnalysisConfig
from lamina.analysis.sweep import Sweep, finish, run_sweep
from lamina.corpus.batches import read_batches
from lamina.corpus.corpus import Segment, Utterance
from lamina.device import exact, resolve, wait
from lamina.encoders.encoder import Encoder

RATE = 16000


class Drawn:
    """A corpus of noise: 10 s utterances, about ten phones and three words a second as in read speech."""

    sample_rate = RATE

    def __init__(self, utterances: int, copies: int = 1) -> None:
        self.name, self.digest = f"drawn-{utterances}x{copies}", f"{utterances}x{copies}"
        generator = np.random.default_rng(0)
        self._all: list[Utterance] = []
        for number in range(utterances):
            edges = np.cumsum(generator.integers(800, 2400, 100))
            edges = edges[edges < 10 * RATE]
            phones = [Segment(f"p{generator.integers(39):02d}", int(a), int(b)) for a, b in pairwise(edges)]
            words = [
                Segment(f"w{min(int(generator.zipf(1.6)), 120)}", int(a), int(b))
                for a, b in zip(edges[::3], edges[3::3], strict=False)
            ]
            tiers = {"phone": tuple(phones), "word": tuple(words)}
            for copy in range(copies):
                speaker = f"s{number % 10}"
                self._all.append(Utterance(f"{number:05d}-{copy}", speaker, "", 10 * RATE, "", tiers))

    def __len__(self) -> int:
        return len(self._all)

    def utterances(self, split: str | None = None) -> Iterator[Utterance]:
        return (each for each in self._all if split is None or each.split == split)

    def read(self, utterance: Utterance, start: int = 0, stop: int | None = None) -> NDArray[np.float32]:
        seed = int(utterance.id.partition("-")[0])
        drawn: NDArray[np.float32] = np.random.default_rng(seed).standard_normal(10 * RATE, dtype=np.float32)
        return drawn[start:stop]


def clock(device: str = "cpu") -> float:
    """Seconds: with one thread those of the processor, as others on the machine disturb them less; a card is
    waited for."""
    if device != "cpu":
        wait(device)
    return time.process_time() if device == "cpu" and torch.get_num_threads() == 1 else time.perf_counter()


def encoder(size: str, device: str = "cpu", dtype: str = "float32") -> Encoder:
    """HuBERT with random weights: base, or one that a minute of audio takes a second of."""
    from lamina.encoders.mrhubert import MRHubertConfig, MRHubertEncoder, MRHubertModel

    small = {
        "hidden_size": 96,
        "num_attention_heads": 4,
        "intermediate_size": 192,
        "conv_dim": [32] * 7,
        "block_layers": [4],
    }
    torch.manual_seed(0)
    base = {"label_rate_ratios": [], "block_layers": [12]}
    model = MRHubertModel(MRHubertConfig(**(base if size == "base" else base | small)))
    return MRHubertEncoder(model.to(device, getattr(torch, dtype)), size)


def times(args: argparse.Namespace) -> None:
    """(b) what the statistics cost beside the forward pass, batch by batch."""
    corpus, config = Drawn(args.utterances), settings(args)
    sweep = Sweep(encoder(args.size or "base", args.device, args.dtype), corpus, config)
    (groups,) = sweep.phases
    bare = taken = 0.0
    with torch.inference_mode(), exact():
        for number, batch in enumerate(read_batches(corpus, groups)):
            begun = clock(args.device)
            for _ in sweep.encoder.states(batch.waves, batch.lengths, [sweep.taps[-1].name]):
                pass
            middle = clock(args.device)
            sweep.read(batch, fitting=True)
            ended = clock(args.device)
            if number:  # the first batch warms up
                bare, taken = bare + middle - begun, taken + ended - middle
    begun = clock(args.device)
    found = finish(sweep, None, "")
    fitting = clock(args.device) - begun
    audio = 10 * (len(corpus) - len(groups[0]))
    print(
        f"{args.size or 'base'}, {args.dtype}, {len(sweep.taps)} taps, {audio} s of audio, "
        f"{torch.get_num_threads()} threads"
    )
    print(f"bare forward pass          {bare:8.2f} s   {audio / bare:6.1f} times real time")
    print(f"read with all statistics   {taken:8.2f} s   {taken / bare:6.3f} times the bare pass")
    print(f"decompositions, k-means    {fitting:8.2f} s   once, {len(found.scores)} scores")
    for hours in (1, 10, 100):
        share = (taken / bare) + fitting / (bare * hours * 3600 / audio)
        print(f"whole analysis of {hours:3d} h           {share:6.3f} times the bare pass (extrapolated)")


def memory(args: argparse.Namespace) -> None:
    """(c) peak memory of a process of its own for a corpus and for ten copies."""
    peaks = []
    for copies in (1, 10):
        command = [sys.executable, __file__, "peak", "--copies", str(copies), "--utterances", str(args.utterances)]
        command += ["--size", args.size or "small", "--device", args.device, "--dtype", args.dtype]
        command += ["--sample", "300"]  # smaller than the corpus, as it is for any corpus of some size
        told = subprocess.run(command, capture_output=True, text=True, check=True)
        peaks.append(float(told.stdout))
        print(f"{copies:2d} copies of {args.utterances * 10} s: peak {peaks[-1]:7.1f} MiB")
    print(f"ratio {peaks[1] / peaks[0]:.3f}")


def peak(args: argparse.Namespace) -> None:
    """One analysis; prints the peak of resident memory in MiB."""
    run_sweep(
        Sweep(
            encoder(args.size or "small", args.device, args.dtype),
            Drawn(args.utterances, args.copies),
            settings(args),
        )
    )
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def taps(args: argparse.Namespace) -> None:
    """(e) one tap and all taps."""
    corpus, read = Drawn(args.utterances), encoder(args.size or "base", args.device, args.dtype)
    found = {}
    for chosen in (None, (read.taps[-1].name,)):
        sweep = Sweep(read, corpus, settings(args).model_copy(update={"taps": chosen}))
        begun = clock(args.device)
        with torch.inference_mode():
            for batch in read_batches(corpus, sweep.phases[0]):
                sweep.read(batch, fitting=True)
        found[chosen] = clock(args.device) - begun
        print(f"{len(sweep.taps):2d} taps: read in {found[chosen]:.2f} s")
    one, every = found[(read.taps[-1].name,)], found[None]
    print(f"all taps take {every / one:.3f} times as long as one; apart: {len(read.taps)} passes")


def settings(args: argparse.Namespace) -> AnalysisConfig:
    """The usual targets and measures."""
    return AnalysisConfig(
        replicates=100,
        batch_seconds=args.batch_seconds,
        max_sample=args.sample,
        min_instances=2,
        clusters={"word": 100},
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["time", "memory", "taps", "peak"])
    parser.add_argument("--size", choices=["base", "small"], help="base; of memory: small")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--utterances", type=int, default=8)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", choices=DTYPES, default="float32")
    parser.add_argument("--copies", type=int, default=1)
    parser.add_argument("--sample", type=int, default=5000, help="segments of a codebook's sample")
    parser.add_argument("--batch-seconds", type=float, default=20.0)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    args.device = resolve(args.device)
    if args.what != "peak":
        print(machine(args.device, args.dtype))
    {"time": times, "memory": memory, "taps": taps, "peak": peak}[args.what](args)


if __name__ == "__main__":
    main()
