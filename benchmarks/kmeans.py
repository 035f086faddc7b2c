"""k-means of states: Lamina against scikit-learn's MiniBatchKMeans, the same rows in the same run.

Rows are made up: phones that blend into their neighbours, speakers, and a spectrum that falls as that of hidden
states does. Inertia is the mean squared distance of all rows to the nearest centre, and MI that of clusters and
phones (bits), both counted here for everybody. "lamina" is `lamina.stats.kmeans.fit` as units and analyses call
it, Lloyd rounds until it converges; "one round" stops after the first, "mini-batches" before it: there both sides
run the same algorithm. scikit-learn runs with its own settings and, on demand, with those of HuBERT's recipe but
one start for twenty (fairseq: simple_kmeans/learn_kmeans.py).

    python benchmarks/kmeans.py --threads 2
    python benchmarks/kmeans.py --device cuda
    python benchmarks/kmeans.py --stream      # the rows come in batches; 20,000 of them are held

Rounds alternate between the ways and the fastest counts, so that a busy machine disturbs them alike.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable

import torch
from torch import Tensor

from card import machine
from lamina.device import resolve
from lamina.stats import kmeans
from lamina.stats.information import Counts, mutual_information


def main() -> None:
    args = arguments()
    torch.set_num_threads(args.threads)
    args.device = resolve(args.device)
    print(machine(args.device, "float32"))
    from sklearn.cluster import MiniBatchKMeans
    from threadpoolctl import threadpool_limits

    x, phones = rows(args.rows, args.width, args.seed)

    def ours(**options: int) -> Tensor:
        data = (lambda: x.split(4000)) if args.stream else x
        held = {"sample": 20_000} if args.stream else {}
        return kmeans.fit(data, args.clusters, seed=args.seed, device=args.device, **held, **options).centres

    def theirs(**options: float) -> Tensor:
        with threadpool_limits(args.threads):
            found = MiniBatchKMeans(args.clusters, n_init=1, random_state=args.seed, **options).fit(x.numpy())
        return torch.from_numpy(found.cluster_centers_)

    ways: dict[str, Callable[[], Tensor]] = {
        "lamina, mini-batches": lambda: ours(restarts=1, rounds=0),
        "lamina, one round": lambda: ours(restarts=1, rounds=1),
        "lamina": ours,
        "scikit-learn": theirs,
    }
    if args.hubert:
        ways["scikit-learn, HuBERT's settings"] = lambda: theirs(
            max_iter=100, batch_size=10_000, tol=0.0, max_no_improvement=100, reassignment_ratio=0.0
        )
    print(f"{args.rows} x {args.width}, {args.clusters} clusters, {args.device}, {args.threads} threads")
    clock = time.process_time if args.busy else time.perf_counter
    seconds = dict.fromkeys(ways, math.inf)
    centres: dict[str, Tensor] = {}
    for _ in range(args.rounds):
        for name, way in ways.items():
            start = clock()
            centres[name] = way()
            seconds[name] = min(seconds[name], clock() - start)
    found = {name: quality(x, phones, each) for name, each in centres.items()}
    for name, (inertia, information) in found.items():
        print(f"{name:32s} {seconds[name]:7.2f} s   inertia {inertia:.4f}   MI {information:.3f} bits")
    for ours_, other in [
        (name, other) for name in ways for other in ways if "lamina" in name and "scikit" in other
    ]:
        (low, much), (high, less) = found[ours_], found[other]
        print(
            f"{ours_} against {other}: {seconds[other] / seconds[ours_]:.1f} times as fast, inertia "
            f"{low / high:.3f} times, MI {much / less:.3f} times"
        )


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--width", type=int, default=768)
    parser.add_argument("--clusters", type=int, default=500)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--stream", action="store_true", help="give Lamina the rows batch by batch")
    parser.add_argument("--hubert", action="store_true", help="time scikit-learn with HuBERT's settings, too")
    parser.add_argument("--busy", action="store_true", help="count processor time: for a machine that is shared")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def rows(count: int, width: int, seed: int) -> tuple[Tensor, Tensor]:
    """Rows like hidden states (count, width), and the phone (count,) of each."""
    draw = torch.Generator().manual_seed(seed)
    falling = torch.arange(1, width + 1).pow(-0.5)
    falling = falling / falling.square().mean().sqrt() / 8
    means = torch.randn(40, width, generator=draw) * falling
    speakers = 0.5 * torch.randn(30, width, generator=draw) * falling
    phone, other = torch.randint(40, (2, count), generator=draw)
    share = torch.rand(count, 1, generator=draw) / 2
    x = means[phone] * (1 - share) + means[other] * share
    x += speakers[torch.randint(30, (count,), generator=draw)]
    return x + 0.9 * torch.randn(count, width, generator=draw) * falling, phone


def quality(x: Tensor, phones: Tensor, centres: Tensor) -> tuple[float, float]:
    """Mean squared distance of rows to their nearest centre, and the information that it gives of the phone."""
    index = kmeans.Clusters(centres.float(), 0.0).assign(x)
    gaps = [
        (part - centres[near]).square().sum(1) for part, near in zip(x.split(8192), index.split(8192), strict=True)
    ]
    counts = Counts.of([index, phones], (len(centres), 40))
    return float(torch.cat(gaps).mean()), float(mutual_information(counts).bits)


if __name__ == "__main__":
    main()
