"""k-means in memory that does not grow with the data: a sample finds the centres, passes over all settle them.

A seeded uniform sample is kept. On it: the best of several k-means++ starts (Arthur and Vassilvitskii 2007), a
pass of mini-batches with per-centre learning rates (Sculley 2010), then Lloyd rounds until it converges. Where
there are more rows than the sample, each further pass over all of them, batch by batch, is one exact Lloyd round,
so the order of the data (speaker after speaker) does not matter. A centre that loses all its rows moves to the row
that is worst served.

All of it is float32. Comparing rows with centres in bfloat16 was no faster here than oneDNN's float32, and one
feature that spreads much wider than the others made it wrong: a score of 8 bits is then coarser than the others'
distances.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from lamina.errors import LaminaError

CHUNK = 8192
START_ROWS = 2048  # k-means++ draws from so many rows, or from FEW rows a cluster
FEW = 8
CONVERGED = 1e-4  # a round that lowers the inertia by a smaller share is the last
# k-means++ tries several draws a centre where all distances between its rows fit into memory
MOST_PAIRS = 1 << 26


@dataclass(frozen=True, slots=True, eq=False)
class Clusters:
    """Fitted centres.

    Attributes:
        centres: (clusters, p) float32, on the CPU.
        inertia: mean squared distance of the rows of the last round to the centres that it assigned them to;
            without rounds, of mini-batches to the centres as they were when each came.
    """

    centres: Tensor
    inertia: float

    def assign(self, x: Tensor) -> Tensor:
        """(n,) index of the nearest centre of each row of x (n, p), int64; of equally near ones, the first."""
        centres = self.centres.to(x.device)
        return torch.cat([_nearest(part.float(), centres) for part in chunks(x)])


def fit(
    data: Tensor | Callable[[], Iterable[Tensor]],
    clusters: int,
    *,
    seed: int,
    sample: int = 100_000,
    restarts: int = 5,
    rounds: int = 20,
    passes: int = 1,
    device: torch.device | str = "cpu",
) -> Clusters:
    """Find centres.

    Args:
        data: (n, p) rows, or what gives them batch by batch, the same ones whenever it is called.
        clusters: how many centres.
        seed: of everything random.
        sample: rows of the uniform sample, the only ones held; all where there are fewer.
        restarts: k-means++ starts tried; the best goes on.
        rounds: at most so many Lloyd rounds on the sample; with 0, mini-batches are all.
        passes: exact Lloyd rounds over all rows, where there are more than the sample; each reads the data again.
        device: where to compute.

    Raises:
        LaminaError: there are fewer rows than clusters, or a value is not finite.
    """
    generator = torch.Generator().manual_seed(seed)
    if isinstance(data, Tensor):
        seen = len(data)
        kept = data if seen <= sample else data[torch.randperm(seen, generator=generator)[:sample]]
    else:
        kept, seen = reservoir(data(), sample, generator)
    if len(kept) < clusters:
        raise LaminaError(f"{len(kept)} rows cannot make {clusters} clusters: use more speech or fewer clusters")
    kept = kept.to(device, torch.float32)
    check_finite(kept)
    # About the mean, distances lose fewer digits.
    mean = kept.mean(0)
    if isinstance(data, Tensor) and kept.data_ptr() == data.data_ptr():
        kept = kept - mean
    else:
        with torch.inference_mode(kept.is_inference()):  # as the batches may be that it was drawn from
            kept.sub_(mean)
    centres = _best_start(kept, clusters, restarts, generator)
    centres, inertia = _mini_batches(kept, centres, generator)
    if rounds:
        centres, inertia = _lloyd(kept, centres, rounds)
    for _ in range(passes if seen > len(kept) else 0):
        found = Sums(centres)
        for batch in [data] if isinstance(data, Tensor) else data():
            for part in chunks(batch):
                rows = part.to(kept.device, torch.float32) - mean
                check_finite(rows)
                found.add(rows)
        inertia = found.inertia()
        centres = _repaired(found, kept)
    return Clusters((centres + mean).cpu(), inertia)


class Sums:
    """One Lloyd round: the rows of every centre, counted and added up.

    Args:
        centres: (clusters, p) that rows are assigned to.
    """

    def __init__(self, centres: Tensor) -> None:
        self.centres = centres
        self.counts = torch.zeros(len(centres), device=centres.device)
        self._sums = torch.zeros_like(centres)
        self._squares = torch.zeros((), dtype=torch.float64, device=centres.device)

    def add(self, rows: Tensor) -> Tensor:
        """Assign a chunk of ``rows`` (n, p); returns each one's centre (n,)."""
        index = _nearest(rows, self.centres)
        ones = self.counts.new_ones(len(rows))
        self.counts += torch.zeros_like(self.counts).index_add_(
            0, index, ones
        )  # one by one, large counts would stay
        self._sums.index_add_(0, index, rows)
        self._squares += torch.linalg.vector_norm(rows, dim=1).double().square().sum()
        return index

    def means(self) -> Tensor:
        """(clusters, p) mean of every centre's rows; a centre without rows stays."""
        has = (self.counts > 0)[:, None]
        return torch.where(has, self._sums / self.counts.clamp_min(1)[:, None], self.centres)

    def inertia(self, *, moved: bool = True) -> float:
        """Mean squared distance of the rows to `means`, or to the centres that have not ``moved`` yet."""
        counts, means = self.counts.double(), self.means().double()
        gaps = self._squares - (counts * means.square().sum(1)).sum()
        if not moved:
            gaps = gaps + (counts * (means - self.centres).square().sum(1)).sum()
        return float(gaps.clamp_min(0) / counts.sum())


def chunks(rows: Tensor) -> tuple[Tensor, ...]:
    """The rows in parts that bound the memory of what is computed from them."""
    return torch.split(rows, CHUNK)


def check_finite(rows: Tensor) -> None:
    """Raise `LaminaError` where a value is NaN or infinite."""
    # A sum is finite only if all are; one that overflowed is looked at again.
    if not bool(torch.isfinite(rows.sum())) and not bool(torch.isfinite(rows).all()):
        raise LaminaError("k-means met values that are not finite: look for NaN or overflow in the states")


def reservoir(batches: Iterable[Tensor], size: int, generator: torch.Generator) -> tuple[Tensor, int]:
    """A uniform sample of ``size`` rows (or all) of batches (n, p), in one pass; and how many rows there are.

    Each row draws a random key and the smallest keys stay, so memory is bounded by ``size`` and one batch.
    """
    kept, keys, held, seen = torch.empty(0, 0), torch.empty(0, dtype=torch.float64), 0, 0
    for batch in batches:
        if not held:
            kept, keys = batch.new_empty(size, batch.shape[1]), torch.empty(size, dtype=torch.float64)
        drawn = torch.rand(len(batch), generator=generator, dtype=torch.float64)
        first = min(size - held, len(batch))
        kept[held : held + first], keys[held : held + first] = batch[:first], drawn[:first]
        held, seen = held + first, seen + len(batch)
        coming = torch.nonzero(drawn[first:] < keys[:held].max())[:, 0] + first
        if len(coming):
            stay = torch.cat([keys, drawn[coming]]).topk(size, largest=False).indices
            stays = torch.zeros(size + len(coming), dtype=torch.bool)
            stays[stay] = True
            places, rows = torch.nonzero(~stays[:size])[:, 0], coming[stays[size:]]
            kept[places], keys[places] = batch[rows], drawn[rows]
    return kept[:held], seen


def products(x: Tensor, y: Tensor, add: Tensor | None = None) -> Tensor:
    """``x @ y.T + add`` (n, m) of x (n, p), y (m, p) and add (m,), all float32.

    oneDNN's are twice as fast as PyTorch's own, which leave AVX-512 unused on processors that are not Intel's.
    """
    quick = _onednn() if x.device.type == "cpu" and x.numel() else None
    if quick is not None:
        found: Tensor = quick(x, y, add, "none", [], "")
        return found
    return x @ y.T if add is None else torch.addmm(add, x, y.T)


@cache
def _onednn() -> Callable[..., Tensor] | None:
    """OneDNN's product, where this PyTorch still has it under the name that is not public, and it is right."""
    one = torch.ones(1, 1)
    try:
        found = torch.ops.mkldnn._linear_pointwise  # noqa: SLF001 - no public name
        return found if float(found(one, 2 * one, one[0], "none", [], "")) == 3 else None
    except (AttributeError, RuntimeError, TypeError):
        return None


def _nearest(x: Tensor, centres: Tensor) -> Tensor:
    """Index of the nearest centre of each row."""
    scores = products(x, -centres, centres.square().sum(1) / 2)
    # numpy's takes a third of the time.
    return torch.from_numpy(scores.numpy().argmin(1)) if scores.device.type == "cpu" else scores.argmin(1)


def _best_start(x: Tensor, clusters: int, restarts: int, generator: torch.Generator) -> Tensor:
    """The best of several k-means++ starts: a centre is drawn by squared distance, the best of a few draws.

    All starts share a few rows a cluster and the distances between them. No Lloyd rounds follow on so few rows:
    they would fit those rows and end, on all, in a worse place than the start itself.
    """
    x = x[torch.randperm(len(x), generator=generator)[: max(START_ROWS, FEW * clusters)].to(x.device)]
    norms = x.square().sum(1)
    pairs = None
    if len(x) ** 2 <= MOST_PAIRS:
        pairs = products(x, x).mul_(-2).add_(norms).add_(norms[:, None]).clamp_min_(0)
    trials = 1 if pairs is None else 2 + int(torch.tensor(float(clusters)).log())

    def gaps(rows: Tensor) -> Tensor:
        if pairs is not None:
            return pairs[rows]
        return (norms + norms[rows, None] - 2 * (x[rows] @ x.T)).clamp_min_(0)

    best, lowest = x[:clusters], float("inf")
    for _ in range(restarts):
        chosen = [torch.randint(len(x), (1,), generator=generator).to(x.device)]
        # All draws at once and no value is read off: on a GPU, each of hundreds of steps would wait for it.
        draws = torch.rand(clusters - 1, trials, generator=generator, dtype=torch.float64).to(x.device)
        gap = gaps(chosen[0])[0]
        for draw in draws:
            mass = gap.double().cumsum(0)
            rows = torch.searchsorted(mass, draw * mass[-1], right=True).clamp_max(len(x) - 1)
            tried = torch.minimum(gaps(rows), gap)
            better = tried.sum(1).argmin(0, keepdim=True)
            gap = tried.index_select(0, better)[0]
            chosen.append(rows.index_select(0, better))
        if float(gap.sum()) < lowest:
            best, lowest = x[torch.cat(chosen)], float(gap.sum())
    return best


def _mini_batches(x: Tensor, centres: Tensor, generator: torch.Generator) -> tuple[Tensor, float]:
    """The centres after one pass: one moves by (its rows in the batch) / (its rows so far); and the inertia."""
    seen, total = torch.zeros(len(centres), device=x.device), 0.0
    for order in chunks(torch.randperm(len(x), generator=generator).to(x.device)):
        found = Sums(centres)
        found.add(x[order])
        seen += found.counts
        total += len(order) * found.inertia(moved=False)
        centres = centres + (found.means() - centres) * (found.counts / seen.clamp_min(1))[:, None]
    return centres, total / len(x)


def _lloyd(x: Tensor, centres: Tensor, rounds: int) -> tuple[Tensor, float]:
    """Lloyd rounds until one lowers the inertia by less than `CONVERGED`; the centres and the inertia."""
    before = float("inf")
    for _ in range(rounds):
        found = Sums(centres)
        for part in chunks(x):
            found.add(part)
        inertia = found.inertia()
        centres = _repaired(found, x)
        if before - inertia < CONVERGED * before and not bool((found.counts == 0).any()):
            break
        before = inertia
    return centres, inertia


def _repaired(found: Sums, x: Tensor) -> Tensor:
    """The means of a round; instead of centres without rows, the sample's rows that the others serve worst."""
    centres = found.means()
    empty = torch.nonzero(found.counts == 0)[:, 0]
    if len(empty):
        full = centres[found.counts > 0]
        gaps = [(part - full[_nearest(part, full)]).square().sum(1) for part in chunks(x)]
        centres[empty] = x[torch.cat(gaps).topk(len(empty)).indices]
    return centres
