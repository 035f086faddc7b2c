"""Held-out PWCCA of one layer against words by the published procedure: from moments, and on data matrices.

Both do the same: ten splits, three trials, ridge pairs chosen on dev, scored on test. "Published" is the plain
re-implementation that the tests hold against its fixtures (`tests/analysis/published.py`): pseudo-inverse, roots,
singular vectors and QR of data matrices anew for every ridge pair, and each fit's score on its training rows,
which that code computes too (and only logs: the time without it is told as well). "Lamina" is timed from the rows,
moments included. The last class has no column on either side: a full one-hot view has a null direction, which is
rounding noise in the one and zero in the other. With one thread CPU time is told, as others disturb it less.

States are Gaussian about a mean of each word; their spectrum is flat, or falls by a factor of ``--steep``: then
ridges matter more, and every ridge pair needs a fit of its own.

With one ridge pair at 7,000 rows 25 times is out of reach: a 25th of the published 3.9 s is 0.16 s. The score
hangs on the signs of singular vectors, so each of three trials needs LAPACK's own decomposition of the whitened
768 x 499 matrix: 67 ms each, 0.20 s together, with no product made yet. What cannot be left out, in GFLOP of
float64 (symmetric products count half), and what it takes of one core that does 50 a second in products:

    moments of ten splits, 700 x 768^2 each                                   4.1    0.09 s
    eigenvectors for inverse roots, three trials of 768^2 and 499^2          15.6    0.27 s
    singular vectors, three of 768 x 499, by gesdd for its signs             ~8      0.20 s
    roots, whitening, directions, moments of the test split, three trials    12      0.24 s
    together                                                                         0.80 s (measured: 0.85 s)

    python benchmarks/cca.py --rows 7000
    python benchmarks/cca.py --rows 100000 --published-fits 1

With ``--published-fits 1`` one ridge pair of one trial is run by the published procedure and the whole is told
from it: each of ``trials x pairs`` fits costs the same and is scored on dev, and each trial once on test.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from card import machine
from lamina.analysis.published.pasad import score as pasad
from lamina.analysis.published.pasad.drawing import splits
from lamina.device import resolve
from lamina.stats.moments import ClassMoments

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "analysis"))
import published


@dataclass
class Data:
    """Rows x (n, width) in float32, as an encoder gives them, their labels (n,), and the split of each row."""

    x: np.ndarray
    labels: np.ndarray
    of: np.ndarray
    classes: int


def main() -> None:
    args = arguments()
    torch.set_num_threads(args.threads)
    args.device = resolve(args.device)
    print(machine(args.device, "float32"))
    clock = time.process_time if args.threads == 1 and args.device == "cpu" else time.perf_counter
    print(
        f"{args.width} dimensions, {args.classes} classes, {args.rows} rows, spectrum "
        f"{'flat' if args.steep == 1 else f'falling by {args.steep:g}'}, "
        f"{'CPU seconds of one thread' if args.threads == 1 else f'seconds, {args.threads} threads'}"
    )
    data = draw(args)
    for pairs in args.pairs:
        given = pasad.trials(seed=args.seed, ridges=pairs)
        ours = float("inf")
        for _ in range(args.rounds):
            begun = clock()
            found = lamina(data, given, args.device)
            ours = min(ours, clock() - begun)
        fits = "/".join(str(tested.fits) for tested in found.tested)
        print(f"{pairs} ridge pairs: lamina {ours:.2f}, score {found.value:.8f} (fits that differ: {fits})")
        if args.published_fits == 0:
            continue
        run = given if args.published_fits < 0 else [replace(given[0], ridges=given[0].ridges[:1])]
        score, seconds, logged = reference(data, run, clock)
        told = "" if run is given else f", told from one fit of {seconds + logged:.2f}"
        if run is not given:
            found = lamina(data, run, args.device)
            # Of a fit and two scores a tenth or less is a score: the test score comes once a trial.
            seconds, logged = len(given) * (pairs + 0.1) * seconds / 1.1, len(given) * pairs * logged
        print(
            f"  published {seconds + logged:.2f} ({seconds:.2f} without what it logs){told}, score {score:.8f}: "
            f"lamina is {(seconds + logged) / ours:.1f} ({seconds / ours:.1f}) times faster, "
            f"difference {abs(score - found.value):.1e}"
        )


def draw(args: argparse.Namespace) -> Data:
    generator = np.random.default_rng(args.seed)
    labels = generator.permutation(np.arange(args.rows) % args.classes)
    centres = generator.standard_normal((args.classes, args.width)).astype(np.float32)
    scale = np.geomspace(1, args.steep**-0.5, args.width, dtype=np.float32)
    x = (generator.standard_normal((args.rows, args.width), dtype=np.float32) + centres[labels]) * scale
    if args.steep != 1:
        x = x @ np.linalg.qr(generator.standard_normal((args.width, args.width)))[0].astype(np.float32)
    return Data(x + 1, labels, splits(labels, seed=args.seed), args.classes)


def lamina(data: Data, given: Sequence[pasad.Fitting], device: str) -> pasad.Scored:
    rows, classed = (torch.from_numpy(each).to(device) for each in (data.x, data.labels))
    parts = []
    for split in range(pasad.SPLITS):
        chosen = torch.from_numpy(np.flatnonzero(data.of == split)).to(device)
        whole = ClassMoments.of(rows[chosen], classed[chosen], data.classes).to("cpu").joint()
        kept = slice(data.classes - 1)
        parts.append(replace(whole, mean_y=whole.mean_y[kept], sxy=whole.sxy[:, kept], syy=whole.syy[kept, kept]))
    return pasad.score(parts, given)


def reference(
    data: Data, given: Sequence[pasad.Fitting], clock: Callable[[], float]
) -> tuple[float, float, float]:
    """Score, seconds, and seconds for training scores besides."""
    x = np.ascontiguousarray(data.x.T.astype(float))
    y = np.ascontiguousarray(np.eye(data.classes)[data.labels][:, :-1].T)
    begun, logged, scores = clock(), 0.0, []
    for trial in given:
        dev, test = data.of == trial.dev, data.of == trial.test
        train = ~(dev | test)
        views = x[:, train], y[:, train]
        fits = []
        for ridges in trial.ridges:
            fits.append(published.fit(*views, *ridges))
            start = clock()
            published.pwcca(*views, fits[-1])
            logged += clock() - start
        best = np.argmax([published.pwcca(x[:, dev], y[:, dev], fit) for fit in fits])
        scores.append(published.pwcca(x[:, test], y[:, test], fits[best]))
    return float(np.mean(scores)), clock() - begun - logged, logged


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=7000)
    parser.add_argument("--width", type=int, default=768)
    parser.add_argument("--classes", type=int, default=500)
    parser.add_argument("--pairs", type=int, nargs="+", default=[6, 1], help="ridge pairs tried, such as 6 1")
    parser.add_argument("--steep", type=float, default=1.0, help="largest over smallest variance of the states")
    parser.add_argument("--rounds", type=int, default=3, help="the fastest round of Lamina counts")
    parser.add_argument("--published-fits", type=int, default=-1, help="-1 all, 1 one of them, 0 none")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="auto", help="where moments are summed")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
