"""PWCCA as the public layerwise-analysis code of Pasad et al. computes it, from the moments of ten splits.

- Three disjoint pairs of the ten splits are dev and test, the other eight train; six ridge pairs are tried
  (`trials`), the best on dev is scored on test, and three scores are averaged.
- Covariances are divided by their largest entry, dimensions whose variance is then below the ridge are dropped,
  and the ridge is added to the diagonal. Singular vectors are those of the whitened cross-covariance in the
  original coordinates (symmetric inverse roots), by LAPACK's gesdd: their arbitrary signs enter the score.
- PWCCA weights come from the view of fewer dimensions, of the rows that are scored. Means are added back to the k
  projections (that of neuron i to projection i), which are then orthonormalised in order, and only the first k
  neurons count: faults of that code that are kept. QR of the (n, k) projections H needs ``H'H = A'SA + n mm'``
  only, whose Cholesky factor is R'; the weights are the sums of ``|R'^-1 (A'S + n mm')|``.

Where it differs: that code silently loses fits where its roots fail (here none does), and draws from unseeded
generators. A full one-hot view is singular: its null direction has real weight, and there a correlation of pure
rounding noise, which moves the score by some 1e-3 when rows are merely reordered; here that correlation is 0.
Without the null direction on both sides scores agree to 1e-6, as those of dense views do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from lamina.errors import LaminaError
from lamina.stats.folds import merged
from lamina.stats.moments import ClassMoments, Moments
from lamina.stats.spectrum import TOLERANCE

Ridges = tuple[float, float]

SPLITS, TRIALS, RIDGES = 10, 3, 6
FIRST, THEN = (1e-10, 1e-11, 1e-9), (1e-8, 1e-7, 1e-6, 1e-5)
# Two ridge pairs that whiten alike up to this share are one fit: that code's own rounding moves scores by more.
SAME = 1e-8
# Below this the square of a correlation has lost the digits that its direction needs.
SMALL = 1e-4
# Singular vectors of two fits that overlap as much are the same one.
ALIKE = 0.9
# A projection of which so little is left once better ones are taken off depends on them.
DEPENDENT = 1e-9


@dataclass(frozen=True, slots=True)
class Fitting:
    """One fit and test.

    Attributes:
        dev: split on which the ridge pair is chosen.
        test: split that is scored; the other splits train.
        ridges: pairs (of x, of y) tried, relative to the covariances' largest entries.
    """

    dev: int
    test: int
    ridges: tuple[Ridges, ...]


def trials(*, seed: int, number: int = TRIALS, ridges: int = RIDGES) -> tuple[Fitting, ...]:
    """Disjoint pairs of dev and test splits, each with ridge pairs drawn from the small grid, then the large."""
    generator = np.random.default_rng(seed)
    order = generator.permutation(SPLITS)
    grids = [[(one, other) for one in grid for other in grid] for grid in (FIRST, THEN)]
    found = []
    for trial in range(number):
        pairs = [grid[place] for grid in grids for place in generator.permutation(len(grid))]
        found.append(Fitting(int(order[2 * trial]), int(order[2 * trial + 1]), tuple(pairs[:ridges])))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Tested:
    """What a trial found.

    Attributes:
        trial: which.
        ridges: the pair that did best on dev.
        dev: its score there; not a number where all pairs are one fit, and nothing was to be chosen.
        test: its score on the test split.
        fits: how many of the trial's ridge pairs needed a fit of their own.
        dropped: dimensions of x and y left out for want of variance.
        dependent: directions that weigh nothing, as the test rows' projections on them follow from better ones
            (classes that the split lacks); there they get the weight of rounding noise.
    """

    trial: Fitting
    ridges: Ridges
    dev: float
    test: float
    fits: int
    dropped: tuple[int, int]
    dependent: int


class Scored(NamedTuple):
    """The score of the protocol: the mean of its trials."""

    value: float
    tested: tuple[Tested, ...]


def score(
    parts: Sequence[Moments | ClassMoments],
    given: Sequence[Fitting] | None = None,
    *,
    seed: int = 0,
) -> Scored:
    """Held-out PWCCA by the published procedure, from the moments of the ten splits.

    Args:
        parts: moments of each split; class moments for a one-hot view.
        given: the trials; drawn by the seed where None.
        seed: of the trials.

    Raises:
        LaminaError: there are not ten splits, a view is not finite or does not vary, or rows are too few.
    """
    if len(parts) != SPLITS:
        raise LaminaError(
            f"the pasad protocol has {SPLITS} splits, not {len(parts)}: they are drawn by `drawing.splits`"
        )
    tested = tuple(_test(parts, trial) for trial in given or trials(seed=seed))
    return Scored(float(np.mean([found.test for found in tested])), tested)


def _test(parts: Sequence[Moments | ClassMoments], trial: Fitting) -> Tested:
    train = merged(parts, without=(trial.dev, trial.test)).joint()
    if train.n <= max(train.sxy.shape):
        raise LaminaError(
            f"{train.n} training rows are too few for CCA of {train.sxy.shape[0]} and {train.sxy.shape[1]} "
            "dimensions (that code demands more rows than dimensions): use more speech"
        )
    x, y = _Side(train.sxx), _Side(train.syy)
    cross = train.sxy / (x.largest * y.largest) ** 0.5
    whiteners: list[tuple[Ridges, _Whitener, _Whitener]] = []
    for ridges in trial.ridges:
        pair = x.whitener(ridges[0]), y.whitener(ridges[1])
        if not any(all(map(_Whitener.alike, pair, other)) for _, *other in whiteners):
            whiteners.append((ridges, *pair))
    dev, best = float("nan"), whiteners[0]
    fits = _fits(cross, [(first, second) for _, first, second in whiteners])
    if len(whiteners) > 1:
        scores = [_pwcca(parts[trial.dev], fit)[0] for fit in fits]
        place = int(np.argmax(scores))
        dev, best = scores[place], whiteners[place]
        fits = [fits[place]]
    value, dependent = _pwcca(parts[trial.test], fits[0])
    dropped = int((~best[1].kept).sum()), int((~best[2].kept).sum())
    return Tested(trial, best[0], dev, value, len(whiteners), dropped, dependent)


@dataclass(frozen=True, slots=True, eq=False)
class _Whitener:
    """``(C + ridge)^-1/2`` of the dimensions kept, by its eigenvectors and the roots of its eigenvalues."""

    kept: Tensor
    values: Tensor
    vectors: Tensor
    roots: Tensor

    def alike(self, other: _Whitener) -> bool:
        if not torch.equal(self.kept, other.kept):
            return False
        return bool((self.roots / other.roots - 1).nan_to_num().abs().max() < SAME)

    def root(self) -> Tensor:
        """The inverse root itself (p, p): symmetric, and numpy sees that, which halves the work."""
        half = self.vectors.numpy() * self.roots.sqrt().numpy()
        return torch.from_numpy(half @ half.T)

    def real(self, directions: Tensor) -> Tensor:
        """(k,) which whitened directions (p, k) have any variance."""
        null = self.vectors[:, self.values <= TOLERANCE * self.values[-1]]
        return (null.T @ directions).square().sum(0) < 0.5


class _Side:
    """A view's covariance over its largest entry, decomposed once for each set of dimensions kept."""

    def __init__(self, squares: Tensor) -> None:
        if not bool(torch.isfinite(squares).all()):
            raise LaminaError("a view holds values that are not finite: look for NaN or overflow in the states")
        self.largest = float(squares.abs().max())
        if self.largest == 0:
            raise LaminaError("no dimension of a view varies: there is nothing to correlate")
        self._scaled = squares / self.largest
        self._found: dict[bytes, tuple[Tensor, Tensor]] = {}

    def whitener(self, ridge: float) -> _Whitener:
        kept = torch.diagonal(self._scaled) >= ridge
        key = kept.numpy().tobytes()
        if key not in self._found:
            found = np.linalg.eigh(_kept(self._scaled, kept).numpy())
            self._found[key] = torch.from_numpy(found.eigenvalues), torch.from_numpy(found.eigenvectors)
        values, vectors = self._found[key]
        return _Whitener(kept, values, vectors, _roots(values, ridge))


def _roots(values: Tensor, ridge: float) -> Tensor:
    """Inverse roots of eigenvalues; directions without variance take part, as they do there."""
    return (values + ridge).clamp_min(1e-300).rsqrt()


def _weighing(p: int, q: int) -> tuple[bool, bool]:
    """Which views weigh, of p and q dimensions: the smaller one."""
    return p < q, p >= q


@dataclass(frozen=True, slots=True, eq=False)
class _Fit:
    """Directions of the dimensions kept, best first.

    Attributes:
        a, b: (p, k) and (q, k) directions of x and y.
        x, y: which dimensions are kept.
        real: (k,) which directions are no rounding noise.
        v: (q, k) right singular vectors behind them.
    """

    a: Tensor
    b: Tensor
    x: Tensor
    y: Tensor
    real: Tensor
    v: Tensor

    @classmethod
    def of(cls, cross: Tensor, x: _Whitener, y: _Whitener) -> _Fit:
        """Solve from the cross-covariance of the dimensions kept."""
        k = min(int((x.roots > 0).sum()), int((y.roots > 0).sum()))
        root_x, root_y = x.root(), y.root()
        # numpy's, in the original coordinates, as there: signs are this routine's (full matrices change none).
        left, _, right = np.linalg.svd((root_x @ (cross @ root_y)).numpy(), full_matrices=False)
        u, v = torch.from_numpy(left[:, :k]), torch.from_numpy(right[:k]).T
        return cls(root_x @ u, root_y @ v, x.kept, y.kept, x.real(u) & y.real(v), v)

    def nearby(self, cross: Tensor, rotated: Tensor, x: _Whitener, y: _Whitener) -> _Fit:
        """Solve at other ridges, by the Gram matrix and with the signs of this fit, where directions are the same.

        A third of the work; where directions mix, or one has next to no correlation, it is `of` again. ``rotated``
        is the cross-covariance in the coordinates of both views' eigenvectors.
        """
        k = len(self.real)
        whitened = x.roots[:, None] * rotated * y.roots
        if k < whitened.shape[1] or not bool(self.real.all()):
            return _Fit.of(cross, x, y)
        squares, found = torch.linalg.eigh(torch.from_numpy(whitened.numpy().T @ whitened.numpy()))
        found, s = found.flip(1), squares.flip(0).clamp_min(0).sqrt()
        v = y.vectors @ found
        overlap = (self.v * v).sum(0)
        if float(s[-1]) < SMALL or float(overlap.abs().min()) < ALIKE:
            return _Fit.of(cross, x, y)
        found, v = found * overlap.sign(), v * overlap.sign()
        a = x.vectors @ (x.roots[:, None] * (whitened @ found / s))
        return _Fit(a, y.vectors @ (y.roots[:, None] * found), self.x, self.y, self.real, v)


def _fits(cross: Tensor, pairs: Sequence[tuple[_Whitener, _Whitener]]) -> list[_Fit]:
    """A fit a pair of whiteners."""
    first: dict[tuple[int, int], tuple[Tensor, _Fit]] = {}
    rotated: dict[tuple[int, int], Tensor] = {}
    fits = []
    for x, y in pairs:
        # The same dimensions are kept where the eigenvectors are the same.
        key = id(x.vectors), id(y.vectors)
        if key not in first:
            some = cross if bool(x.kept.all() & y.kept.all()) else cross[x.kept][:, y.kept]
            fits.append(_Fit.of(some, x, y))
            first[key] = some, fits[-1]
            continue
        some, known = first[key]
        if key not in rotated:
            rotated[key] = x.vectors.T @ (some @ y.vectors)
        fits.append(known.nearby(some, rotated[key], x, y))
    return fits


def _pwcca(held: Moments | ClassMoments, fit: _Fit) -> tuple[float, int]:
    """The weighted mean of the correlations of held rows on given directions, and how many weigh nothing."""
    if held.n < 2:
        raise LaminaError(f"a split of {held.n} rows has no correlation: use more speech")
    n, a, b = held.n, fit.a, fit.b
    sa, mean_x = _kept(held.sxx, fit.x) @ a, held.mean_x[fit.x]
    weigh_x, weigh_y = _weighing(len(a), len(b))
    if isinstance(held, ClassMoments):
        # Projections of classes, centred before they are squared: nothing cancels.
        counts, sxy = held.counts[0].double(), held.sums[0].T
        b = torch.zeros(len(counts), b.shape[1], dtype=b.dtype).index_put((fit.y,), b)
        b = b - counts @ b / n
        sb = counts[:, None] * b
        mean_y, first = counts[fit.y] / n, sb[fit.y]
    else:
        mean_y, sxy = held.mean_y[fit.y], held.sxy[:, fit.y]
        first = sb = _kept(held.syy, fit.y) @ b
    product = (a * sa).sum(0) * (b * sb).sum(0)
    found = (a * (sxy[fit.x] @ b)).sum(0) / product.clamp_min(0).sqrt()
    found = torch.where(fit.real & (product > 0), found, 0.0)
    total, dependent, views = 0.0, 0, 0
    for weigh, view, crossed, first_rows, mean in (
        (weigh_x, a, sa, sa, mean_x),
        (weigh_y, b, sb, first, mean_y),
    ):
        if weigh:
            weights = _weights(view.T @ crossed, first_rows, mean, n)
            total += float(weights @ found)
            dependent = max(dependent, int((weights == 0).sum()))
            views += 1
    return total / views, dependent


def _weights(gram: Tensor, crossed: Tensor, mean: Tensor, n: int) -> Tensor:
    """PWCCA weights with the means added back before the QR step: see the top of this file.

    Args:
        gram: (k, k) products of the centred projections.
        crossed: (dimensions, k) products of the centred dimensions with them.
        mean: (dimensions,) means.
        n: rows.
    """
    k = len(gram)
    back = n * torch.outer(mean[:k], mean[:k])
    gram = gram + back
    least = DEPENDENT * float(torch.diagonal(gram).max())
    lower, failed = torch.linalg.cholesky_ex(gram)
    if int(failed) or bool((torch.diagonal(lower).square() < least).any()):
        lower = _stepwise(gram, least)
    weights: Tensor = torch.linalg.solve_triangular(lower, crossed[:k].T + back, upper=False).abs().sum(1)
    weights = torch.where(torch.diagonal(lower).square() < least, 0.0, weights)
    return weights / weights.sum()


def _stepwise(gram: Tensor, least: float) -> Tensor:
    """The Cholesky factor (k, k) of the columns that do not depend on earlier ones; these get next to nothing."""
    lower = torch.zeros_like(gram)
    for place in range(len(gram)):
        column = gram[place:, place] - lower[place:, :place] @ lower[place, :place]
        if float(column[0]) < least:
            lower[place, place] = (least / 2) ** 0.5
        else:
            lower[place:, place] = column / column[0].sqrt()
    return lower


def _kept(matrix: Tensor, kept: Tensor) -> Tensor:
    return matrix if bool(kept.all()) else matrix[kept][:, kept]
