"""k-means in bounded memory: a seeded start, mini-batches, a few full rounds, one assignment.

k-means++ (Arthur and Vassilvitskii 2007) on a bounded sample, the best of several starts; mini-batch steps with
per-centre learning rates (Sculley 2010) where there are more rows than the sample; then Lloyd rounds on the sample
until it converges. A centre that loses all its rows moves to the row that is worst served.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from lamina.errors import LaminaError

CHUNK = 8192


@dataclass(frozen=True, slots=True, eq=False)
class Clusters:
    """Fitted centres.

    Attributes:
        centres: (clusters, p) float32.
        inertia: mean squared distance of the sample's rows to their centres.
    """

    centres: Tensor
    inertia: float

    def assign(self, x: Tensor) -> Tensor:
        """(n,) index of the nearest centre of each row of x (n, p), int64; of equally near ones, the first."""
        return _nearest(x, self.centres)[0]


def fit(
    data: Tensor | Iterable[Tensor],
    clusters: int,
    *,
    seed: int,
    sample: int = 50_000,
    restarts: int = 5,
    passes: int = 2,
    rounds: int = 20,
) -> Clusters:
    """Find centres.

    Args:
        data: (n, p) rows, or an iterable of such batches, read once: a seeded reservoir of ``sample`` rows stays.
        clusters: how many centres.
        seed: of everything random.
        sample: rows of the bounded sample.
        restarts: k-means++ starts tried; the best goes on.
        passes: mini-batch passes over all rows (only where there are more rows than the sample).
        rounds: at most so many Lloyd rounds on the sample at the end.

    Raises:
        LaminaError: there are fewer rows than clusters, or a value is not finite.
    """
    generator = torch.Generator().manual_seed(seed)
    rows = data if isinstance(data, Tensor) else reservoir(data, sample, generator)
    rows = rows.float()
    if len(rows) < clusters:
        raise LaminaError(f"{len(rows)} rows cannot make {clusters} clusters: use more speech or fewer clusters")
    if not bool(torch.isfinite(rows).all()):
        raise LaminaError("k-means met values that are not finite: look for NaN or overflow in the states")
    # About the mean, float32 distances lose fewer digits.
    mean = rows.mean(0)
    rows = rows - mean
    kept = rows if len(rows) <= sample else rows[torch.randperm(len(rows), generator=generator)[:sample]]
    centres = _best_start(kept, clusters, restarts, generator)
    if len(rows) > len(kept):
        centres = _mini_batches(rows, centres, passes, generator)
    centres, inertia = _lloyd(kept, centres, rounds)
    return Clusters(centres + mean, inertia)


def reservoir(batches: Iterable[Tensor], size: int, generator: torch.Generator) -> Tensor:
    """A uniform sample of ``size`` rows (all where there are fewer) of batches (n, p), in one pass.

    Each row draws a random key and the smallest keys stay, so memory is bounded by ``size`` and one batch.
    """
    kept, keys = torch.empty(0), torch.empty(0, dtype=torch.float64)
    for batch in batches:
        drawn = torch.rand(len(batch), generator=generator, dtype=torch.float64)
        kept = torch.cat([kept, batch]) if len(keys) else batch
        keys = torch.cat([keys, drawn])
        if len(keys) > size:
            keys, places = torch.topk(keys, size, largest=False, sorted=False)
            kept = kept[places]
    return kept


def _nearest(x: Tensor, centres: Tensor) -> tuple[Tensor, Tensor]:
    """Index of and squared distance to the nearest centre of each row, in chunks of bounded memory."""
    half = centres.square().sum(1) / 2
    index = torch.empty(len(x), dtype=torch.int64)
    gap = torch.empty(len(x))
    for start in range(0, len(x), CHUNK):
        part = x[start : start + CHUNK].float()
        best, place = torch.addmm(half, part, centres.T, alpha=-1).min(1)
        index[start : start + CHUNK] = place
        gap[start : start + CHUNK] = 2 * best + part.square().sum(1)
    return index, gap.clamp_min_(0)


def _best_start(x: Tensor, clusters: int, restarts: int, generator: torch.Generator) -> Tensor:
    """The best of several k-means++ starts on a few rows a cluster, each after three rounds."""
    best, lowest = x[:clusters], float("inf")
    for _ in range(restarts):
        few = x[torch.randperm(len(x), generator=generator)[: max(4096, 20 * clusters)]]
        centres, inertia = _lloyd(few, _plus_plus(few, clusters, generator), 3)
        if restarts > 1 and len(few) < len(x):
            inertia = float(_nearest(x, centres)[1].mean())
        if inertia < lowest:
            best, lowest = centres, inertia
    return best


def _plus_plus(x: Tensor, clusters: int, generator: torch.Generator) -> Tensor:
    """k-means++: each next centre is drawn in proportion to squared distance, the best of a few draws."""
    trials = 2 + int(torch.tensor(float(clusters)).log())
    norms = x.square().sum(1)
    chosen = int(torch.randint(len(x), (), generator=generator))
    centres = x[chosen : chosen + 1].repeat(clusters, 1)
    gap = (x - x[chosen]).square().sum(1)
    for place in range(1, clusters):
        mass = gap.double().cumsum(0)
        draws = torch.rand(trials, generator=generator, dtype=torch.float64) * mass[-1]
        rows = torch.searchsorted(mass, draws, right=True).clamp_max(len(x) - 1)
        tried = (norms + norms[rows, None] - 2 * (x[rows] @ x.T)).clamp_min_(0)
        tried = torch.minimum(tried, gap)
        best = int(tried.sum(1).argmin())
        gap = tried[best]
        centres[place] = x[rows[best]]
    return centres


def _mini_batches(x: Tensor, centres: Tensor, passes: int, generator: torch.Generator) -> Tensor:
    """Mini-batch steps: a centre moves by (rows of the batch) / (rows so far) towards their mean."""
    centres = centres.clone()
    seen = torch.zeros(len(centres))
    for batch in _shuffled(x, passes, generator):
        index, _ = _nearest(batch, centres)
        counts = torch.bincount(index, minlength=len(centres)).float()
        sums = torch.zeros_like(centres).index_add_(0, index, batch)
        seen += counts
        centres += (sums - counts[:, None] * centres) / seen.clamp_min(1)[:, None]
    return centres


def _shuffled(x: Tensor, passes: int, generator: torch.Generator) -> Iterator[Tensor]:
    for _ in range(passes):
        order = torch.randperm(len(x), generator=generator)
        for start in range(0, len(x), CHUNK):
            yield x[order[start : start + CHUNK]]


def _lloyd(x: Tensor, centres: Tensor, rounds: int) -> tuple[Tensor, float]:
    """Lloyd rounds until the mean squared distance falls by less than 1 in 10,000; centres and that distance."""
    before = float("inf")
    index, gap = _nearest(x, centres)
    for _ in range(rounds):
        inertia = float(gap.double().mean())
        if inertia >= before * (1 - 1e-4):
            break
        before = inertia
        counts = torch.bincount(index, minlength=len(centres))
        sums = torch.zeros_like(centres).index_add_(0, index, x)
        centres = torch.where(counts[:, None] > 0, sums / counts.clamp_min(1)[:, None], centres)
        empty = torch.nonzero(counts == 0)[:, 0]
        if len(empty):
            centres[empty] = x[gap.topk(len(empty)).indices]
        index, gap = _nearest(x, centres)
    return centres, float(gap.double().mean())
