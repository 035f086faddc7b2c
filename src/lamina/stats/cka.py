r"""Linear centred kernel alignment, unbiased, from mergeable sums: exact, without any block of rows.

CKA (Kornblith et al. 2019) is ``HSIC(K, L) / sqrt(HSIC(K, K) HSIC(L, L))`` with ``K = X X'``, ``L = Y Y'``. From
moments alone the biased form is ``|Sxy|^2 / (|Sxx| |Syy|)``; it grows with dimensions over rows. The unbiased
estimator HSIC_1 (Song et al. 2012, eq. 5; Nguyen, Raghu and Kornblith 2021, eq. 3) drops the kernels' diagonals:

    n (n-3) HSIC_1 = tr(K~ L~) + (1'K~1)(1'L~1) / ((n-1)(n-2)) - 2/(n-2) 1'K~ L~ 1,   K~ = K - diag(K).

It does not change when rows are shifted, so let X and Y be centred: ``K 1 = L 1 = 0``. With the rows' squared
norms a, b: ``tr(K~L~) = |Sxy|^2 - a.b``, ``1'K~1 = -tr Sxx``, ``K~1 = -a``. Hence

    n (n-3) HSIC_1 = |Sxy|^2 + tr Sxx tr Syy / ((n-1)(n-2)) - n/(n-2) a.b,

which needs second moments and ``a.b, a.a, b.b``. Merging two sets of rows moves the centre, and
``|x + d|^2 = |x|^2 + 2 d.x + |d|^2`` needs the sums of a x, a y, b x, b y besides: all that is kept here.

Invariances: shifts, rotations and scale of either view; not other linear maps. Unbiased values may lie below zero.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lamina.errors import LaminaError
from lamina.stats.archive import Statistic
from lamina.stats.moments import ClassMoments, Moments


@dataclass(frozen=True, slots=True, eq=False)
class Kernels(Statistic):
    """Moments of paired rows and of their squared norms. ``+`` merges two disjoint sets of rows, associatively.

    With x and y centred, a = |x|^2 and b = |y|^2 row by row:

    Attributes:
        moments: of x (n, p) and y (n, q).
        ax, ay: (p,) and (q,) sums of a x and a y.
        bx, by: (p,) and (q,) sums of b x and b y.
        norms: (3,) sums of a a, a b and b b.
    """

    moments: Moments
    ax: Tensor
    ay: Tensor
    bx: Tensor
    by: Tensor
    norms: Tensor

    @property
    def n(self) -> int:
        """Rows."""
        return self.moments.n

    @classmethod
    def empty(cls, p: int, q: int) -> Kernels:
        """The sums of no rows: what merging starts from."""
        zeros = [torch.zeros(size, dtype=torch.float64) for size in (p, q, p, q, 3)]
        return cls(Moments.empty(p, q), *zeros)

    @classmethod
    def of(cls, x: Tensor, y: Tensor) -> Kernels:
        """The sums of one batch: x (n, p) and y (n, q), any float type.

        Raises:
            LaminaError: the rows do not pair up.
        """
        moments = Moments.of(x, y)
        if not moments.n:
            return cls.empty(x.shape[1], y.shape[1])
        x, y = x.double() - moments.mean_x, y.double() - moments.mean_y
        a, b = x.square().sum(1), y.square().sum(1)
        return cls(moments, a @ x, a @ y, b @ x, b @ y, torch.stack([a @ a, a @ b, b @ b]))

    def __add__(self, other: Kernels) -> Kernels:
        """The sums of both sets of rows together."""
        merged = self.moments + other.moments
        if not self.moments.n or not other.moments.n:
            return self if self.moments.n else other
        one, two = self._about(merged), other._about(merged)
        return Kernels(merged, *(first + second for first, second in zip(one, two, strict=True)))

    def _about(self, other: Moments) -> tuple[Tensor, ...]:
        """ax, ay, bx, by and norms of these rows, centred on the means of other moments."""
        own = self.moments
        n, d, e = own.n, own.mean_x - other.mean_x, own.mean_y - other.mean_y
        dd, ee = d @ d, e @ e
        a, b = own.sxx.trace(), own.syy.trace()  # sums of the squared norms before the shift
        x_d, y_d, x_e, y_e = own.sxx @ d, d @ own.sxy, own.sxy @ e, own.syy @ e
        aa = self.norms[0] + 4 * d @ self.ax + 2 * dd * a + 4 * d @ x_d + n * dd * dd
        ab = self.norms[1] + 2 * e @ self.ay + 2 * d @ self.bx + ee * a + dd * b + 4 * d @ x_e + n * dd * ee
        bb = self.norms[2] + 4 * e @ self.by + 2 * ee * b + 4 * e @ y_e + n * ee * ee
        return (
            self.ax + 2 * x_d + (a + n * dd) * d,
            self.ay + 2 * y_d + (a + n * dd) * e,
            self.bx + 2 * x_e + (b + n * ee) * d,
            self.by + 2 * y_e + (b + n * ee) * e,
            torch.stack([aa, ab, bb]),
        )

    def hsic(self) -> tuple[float, float, float]:
        """The unbiased HSIC_1 of x with x, x with y and y with y.

        Raises:
            LaminaError: there are fewer than four rows, which it is not defined for.
        """
        own, (aa, ab, bb) = self.moments, self.norms.cpu().tolist()
        a, b = float(own.sxx.trace()), float(own.syy.trace())
        squares = [float(matrix.square().sum()) for matrix in (own.sxx, own.sxy, own.syy)]
        return _hsic(own.n, squares, (a * a, a * b, b * b), (aa, ab, bb))


@dataclass(frozen=True, slots=True, eq=False)
class ClassKernels(Statistic):
    """As `Kernels` for rows x against classes (one-hot), under one or several labellings of the same rows.

    The norm of a centred one-hot row depends on its class only, so the norms of x are summed by class.

    Attributes:
        moments: of x (n, p) and the classes.
        ax: (p,) sums of a x, with x centred and a = |x|^2.
        aa: () sum of a a.
        by_class: (labellings, classes) sums of a.
    """

    moments: ClassMoments
    ax: Tensor
    aa: Tensor
    by_class: Tensor

    @property
    def n(self) -> int:
        """Rows."""
        return self.moments.n

    @classmethod
    def empty(cls, p: int, classes: int, labellings: int = 1) -> ClassKernels:
        """The sums of no rows: what merging starts from."""
        zeros = [torch.zeros(size, dtype=torch.float64) for size in ((p,), (), (labellings, classes))]
        return cls(ClassMoments.empty(p, classes, labellings), *zeros)

    @classmethod
    def of(cls, x: Tensor, labels: Tensor, classes: int) -> ClassKernels:
        """The sums of one batch: x (n, p) and labels (n,) or (labellings, n) in ``range(classes)``.

        Raises:
            LaminaError: the rows do not pair up, or a label is out of range.
        """
        moments = ClassMoments.of(x, labels, classes)
        labels = labels if labels.ndim == 2 else labels[None]
        if not moments.n:
            return cls.empty(x.shape[1], classes, len(labels))
        x = x.double() - moments.mean_x
        a = x.square().sum(1)
        by_class = x.new_zeros(len(labels), classes)
        by_class.scatter_add_(1, labels, a.expand(len(labels), -1))
        return cls(moments, a @ x, a @ a, by_class)

    def __add__(self, other: ClassKernels) -> ClassKernels:
        """The sums of both sets of rows together."""
        merged = self.moments + other.moments
        if not self.moments.n or not other.moments.n:
            return self if self.moments.n else other
        one, two = self._about(merged.mean_x), other._about(merged.mean_x)
        return ClassKernels(merged, *(first + second for first, second in zip(one, two, strict=True)))

    def _about(self, mean: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """ax, aa and by_class of these rows, centred on another mean."""
        own = self.moments
        n, d = own.n, own.mean_x - mean
        dd, a, x_d = d @ d, own.sxx.trace(), own.sxx @ d
        aa = self.aa + 4 * d @ self.ax + 2 * dd * a + 4 * d @ x_d + n * dd * dd
        return self.ax + 2 * x_d + (a + n * dd) * d, aa, self.by_class + 2 * own.sums @ d + own.counts * dd

    def hsic(self, labelling: int = 0) -> tuple[float, float, float]:
        """The unbiased HSIC_1 of x with x, x with a labelling and the labelling with itself.

        Raises:
            LaminaError: there are fewer than four rows, which it is not defined for.
        """
        own = self.moments
        counts = own.counts[labelling].double()
        p = counts / max(own.n, 1)
        norm = 1 - 2 * p + p.square().sum()
        syy = torch.diag(counts) - torch.outer(counts, p)
        a, b = float(own.sxx.trace()), float(counts @ norm)
        squares = [float(matrix.square().sum()) for matrix in (own.sxx, own.sums[labelling], syy)]
        products = (float(self.aa), float(self.by_class[labelling] @ norm), float(counts @ norm.square()))
        return _hsic(own.n, squares, (a * a, a * b, b * b), products)


def cka(sums: Kernels | ClassKernels, labelling: int = 0) -> float:
    """Unbiased linear CKA of two views; not a number where a view does not vary (one class, constant states).

    Raises:
        LaminaError: there are fewer than four rows, or values are not finite.
    """
    return _ratio(*_one(sums, labelling))


def _one(sums: Kernels | ClassKernels, labelling: int) -> tuple[float, float, float]:
    return sums.hsic(labelling) if isinstance(sums, ClassKernels) else sums.hsic()


def _hsic(
    n: int, squares: Sequence[float], traces: Sequence[float], norms: Sequence[float]
) -> tuple[float, float, float]:
    if n < 4:
        raise LaminaError(f"{n} rows are too few for unbiased CKA (at least 4): use more speech")
    xx, xy, yy = (
        (square + trace / ((n - 1) * (n - 2)) - n / (n - 2) * norm) / (n * (n - 3))
        for square, trace, norm in zip(squares, traces, norms, strict=True)
    )
    return xx, xy, yy


def _ratio(xx: float, xy: float, yy: float) -> float:
    if not all(map(math.isfinite, (xx, xy, yy))):
        raise LaminaError("a view holds values that are not finite: look for NaN or overflow in the states")
    return xy / math.sqrt(xx * yy) if xx > 0 and yy > 0 else math.nan
