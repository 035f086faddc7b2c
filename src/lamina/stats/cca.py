r"""Canonical correlation analysis from moments alone: fitted, held out, mean and projection-weighted.

With covariances ``Cxx = V diag(e) V'`` (one eigendecomposition serves every ridge r: it only shifts e), the
whitened cross-covariance ``K = (ex + rx)^-1/2 Vx' Cxy Vy (ey + ry)^-1/2 = U diag(s) W'`` gives the directions
``A = Vx (ex + rx)^-1/2 U`` and ``B`` alike, best first (Hotelling 1936; the ridge as Vinod 1976). Correlations are
exact: nothing but the moments enters.

Conventions:
- A ridge is relative to the view's mean variance, so that scaling a view changes nothing.
- Rank-deficient views: directions whose variance is next to nothing are dropped (`lamina.stats.spectrum`); k is
  the smaller rank. A one-hot view whitens in closed form (``diag(p)^-1/2``; its null direction never enters K
  because x is centred), takes no ridge, and has rank (classes that occur) - 1.
- Held-out correlations are signed: a direction that does not carry over counts as about 0, not as its absolute.
- The mean over all k is invariant to invertible linear maps of either view (at ridge 0). PWCCA weighs by how much
  of a view's neurons a direction takes: invariant to any invertible map of the other view, but of its own view
  only to scale and to permuting or flipping neurons (absolute values see the basis).
- SVCCA (Raghu et al. 2017) keeps of each view the fewest principal directions that hold a share of its variance
  (`Views.of(..., share=0.99)`): invariant to rotations and scale of either view.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lamina.errors import LaminaError
from lamina.stats.archive import Statistic
from lamina.stats.moments import ClassMoments, Moments, class_counts
from lamina.stats.spectrum import Spectrum

REFUSE_BELOW, WARN_BELOW = 2, 10
# Below this the square of a correlation has lost the digits that its directions need.
SMALL = 1e-4


@dataclass(frozen=True, slots=True, eq=False)
class Views:
    """Two views, decomposed once, ready to be solved at any ridge.

    Attributes:
        n: rows they were estimated from.
        mean_x, mean_y: (p,) and (q,) means.
        cxx, cxy, cyy: covariances.
        x: how x whitens.
        y: how y whitens; None for a one-hot view, which whitens in closed form.
    """

    n: int
    mean_x: Tensor
    mean_y: Tensor
    cxx: Tensor
    cxy: Tensor
    cyy: Tensor
    x: Spectrum
    y: Spectrum | None

    @classmethod
    def of(
        cls, stats: Moments | ClassMoments, labelling: int = 0, x: Spectrum | None = None, *, share: float = 1.0
    ) -> Views:
        """Decompose the views of these statistics.

        Args:
            stats: training statistics.
            labelling: which labelling of class moments.
            x: the decomposition of x, where it is known (another labelling of the same rows).
            share: how much of the variance of either view is kept: all for CCA, such as 0.99 for SVCCA.

        Raises:
            LaminaError: there are no two rows, a view is constant or not finite, or the share is out of range.
        """
        one_hot = isinstance(stats, ClassMoments) and share == 1
        joint = stats.joint(labelling)
        if joint.n < 2:
            raise LaminaError(f"{joint.n} rows have no covariance")
        cxx, cxy, cyy = joint.sxx / joint.n, joint.sxy / joint.n, joint.syy / joint.n
        spectrum_x = (x or Spectrum.of(cxx)).leading(share)
        spectrum_y = None if one_hot else Spectrum.of(cyy).leading(share)
        return cls(joint.n, joint.mean_x, joint.mean_y, cxx, cxy, cyy, spectrum_x, spectrum_y)

    def solve(self, ridge_x: float = 0.0, ridge_y: float = 0.0) -> Solution:
        """The canonical directions at these relative ridges (that of y is not used where y is one-hot)."""
        white_x = self.x.whitener(ridge_x)
        if self.y is None:
            p = self.mean_y
            scale = torch.where(p > 0, p.clamp_min(1e-300).rsqrt(), 0.0)
            cross, rank = white_x.T @ (self.cxy * scale), int((p > 0).sum()) - 1
        else:
            white_y = self.y.whitener(ridge_y)
            cross, rank = white_x.T @ self.cxy @ white_y, white_y.shape[1]
        k = min(white_x.shape[1], rank)
        if k < 1:
            raise LaminaError("only one class occurs: there is nothing to correlate")
        u, s, v = _singular(cross, k)
        a = white_x @ u
        b = v * scale[:, None] if self.y is None else white_y @ v
        shares = _shares(self.cxx, a), _shares(self.cyy, b)
        return Solution(self.n, self.mean_x, self.mean_y, a, b, s.clamp_max(1.0), *shares)


@dataclass(frozen=True, slots=True, eq=False)
class Solution:
    """Canonical directions of two views, best first.

    Attributes:
        n: rows fitted on.
        mean_x, mean_y: (p,) and (q,) training means.
        a: (p, k) directions of x.
        b: (q, k) directions of y.
        correlations: (k,) on the training rows (shrunk where a ridge is used).
        weights_x: (k,) PWCCA weights from x's neurons, summing to 1: a direction h (unit norm) weighs
            ``sum over neurons j of |<h, x_j>|`` (Morcos, Raghu and Bengio 2018, eq. 5), all neurons counted.
        weights_y: (k,) the same from y's dimensions.
    """

    n: int
    mean_x: Tensor
    mean_y: Tensor
    a: Tensor
    b: Tensor
    correlations: Tensor
    weights_x: Tensor
    weights_y: Tensor

    def held_out(self, test: Moments) -> Tensor:
        """(k,) correlations of the projections of other rows, from their moments."""
        uu = (self.a * (test.sxx @ self.a)).sum(0)
        vv = (self.b * (test.syy @ self.b)).sum(0)
        uv = (self.a * (test.sxy @ self.b)).sum(0)
        return _ratio(uv, uu, vv)


@dataclass(frozen=True, slots=True, eq=False)
class Projections(Statistic):
    """Sums of the canonical projections u, v of test rows by group: all that held-out correlations need.

    Six numbers a direction and group, so every group (speaker) can be reweighted without reading audio again. The
    projections are of unit variance about the training means, so plain sums lose no digits. ``+`` is associative.

    Attributes:
        counts: (groups,) rows, int64.
        sums: (groups, 5, k) sums of u, v, u u, v v, u v.
        shares: (k,) PWCCA weights of the solution, from x's neurons.
        shares_y: (k,) the same from y's dimensions.
    """

    counts: Tensor
    sums: Tensor
    shares: Tensor
    shares_y: Tensor

    @classmethod
    def empty(cls, solution: Solution, groups: int) -> Projections:
        """The sums of no rows: what merging starts from."""
        sums = solution.weights_x.new_zeros(groups, 5, len(solution.weights_x))
        return cls(
            torch.zeros(groups, dtype=torch.int64, device=sums.device),
            sums,
            solution.weights_x,
            solution.weights_y,
        )

    @classmethod
    def of(cls, solution: Solution, x: Tensor, y: Tensor, groups: Tensor, number: int) -> Projections:
        """Project a batch.

        Args:
            solution: the directions.
            x: (n, p) rows.
            y: (n, q) rows, or (n,) class labels (integers) of a one-hot view.
            groups: (n,) group of each row.
            number: how many groups there are.
        """
        u = (x.double() - solution.mean_x) @ solution.a
        shift = solution.mean_y @ solution.b
        v = (solution.b[y] if y.ndim == 1 else y.double() @ solution.b) - shift
        sums = u.new_zeros(number, 5, u.shape[1])
        sums.index_add_(0, groups, torch.stack([u, v, u * u, v * v, u * v], 1))
        (counts,) = class_counts(groups[None], number)
        return cls(counts, sums, solution.weights_x, solution.weights_y)

    def __add__(self, other: Projections) -> Projections:
        """Both sets of rows together, projected by the same solution."""
        if not torch.equal(self.shares, other.shares):
            raise LaminaError("projections on the directions of different solutions cannot be merged")
        return Projections(self.counts + other.counts, self.sums + other.sums, self.shares, self.shares_y)

    @property
    def n(self) -> int:
        """Rows projected."""
        return int(self.counts.sum())

    def correlations(self, weights: Tensor | None = None) -> Tensor:
        """(weightings, k) held-out correlations, groups counted (weightings, groups) ``weights`` times."""
        weights = torch.ones(1, len(self.counts), dtype=torch.float64) if weights is None else weights.double()
        n = (weights @ self.counts.double())[:, None]
        u, v, uu, vv, uv = torch.einsum("rg,gfk->frk", weights, self.sums) / n
        found = _ratio(uv - u * v, uu - u * u, vv - v * v)
        # A resample of speakers that have no rows says nothing.
        return torch.where(n > 0, found, torch.nan)


def check_size(n: int, p: int, q: int) -> str:
    """Whether n rows are enough for views of p and q dimensions.

    Returns:
        A warning where they are few, else an empty text.

    Raises:
        LaminaError: there are fewer than twice as many rows as dimensions.
    """
    size = max(p, q)
    if n < REFUSE_BELOW * size:
        fewer = (
            "read principal components of the states (measure cca-pca) or train a probe (lamina probe)"
            if n >= REFUSE_BELOW * q
            else "fewer classes"
        )
        raise LaminaError(
            f"{n} rows are too few for CCA of {p} and {q} dimensions (at least {REFUSE_BELOW * size}): any two "
            f"views would look alike; use more speech, or {fewer}"
        )
    if n < WARN_BELOW * size:
        return f"{n} rows are few for CCA of {p} and {q} dimensions (better {WARN_BELOW * size} or more)"
    return ""


def _singular(matrix: Tensor, k: int) -> tuple[Tensor, Tensor, Tensor]:
    """The k leading singular triplets u, s, v of a matrix, by way of the smaller Gram matrix where that is exact.

    An eigendecomposition of the Gram matrix costs a third of the singular value decomposition; it is exact as long
    as no wanted singular value is tiny, and these lie between 0 and 1.
    """
    rows, columns = matrix.shape
    if rows < columns:
        v, s, u = _singular(matrix.T, k)
        return u, s, v
    squares, vectors = torch.linalg.eigh(matrix.T @ matrix)
    s = squares[-k:].flip(0).clamp_min(0).sqrt()
    if float(s[-1]) > SMALL:
        v = vectors[:, -k:].flip(1)
        return matrix @ v / s, s, v
    u, s, vt = torch.linalg.svd(matrix, full_matrices=False)
    return u[:, :k], s[:k], vt[:k].T


def _shares(covariance: Tensor, directions: Tensor) -> Tensor:
    """PWCCA weights of directions: the summed absolute covariances of unit-variance projections and dimensions."""
    cross = covariance @ directions
    deviation = (directions * cross).sum(0).clamp_min(1e-300).sqrt()
    weights = cross.abs().sum(0) / deviation
    return weights / weights.sum()


def _ratio(uv: Tensor, uu: Tensor, vv: Tensor) -> Tensor:
    """Correlations; 0 where a projection does not vary."""
    product = uu.clamp_min(0) * vv.clamp_min(0)
    return torch.where(product > 0, uv / product.clamp_min(1e-300).sqrt(), 0.0).clamp(-1, 1)
