"""Counts, means and second moments: all that linear measures need of paired data, mergeable in any order.

Every batch is centred before the product and merged in float64 (Chan, Golub and LeVeque 1983, "Algorithms for
computing the sample variance", eq. 2.1): ``E[xx'] - mm'`` in float32 loses all digits where data have an offset.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lamina.errors import LaminaError
from lamina.stats.archive import Statistic


@dataclass(frozen=True, slots=True, eq=False)
class Moments(Statistic):
    """Moments of paired rows x (n, p) and y (n, q). ``+`` merges two disjoint sets of rows and is associative.

    Attributes:
        n: rows.
        mean_x: (p,) means.
        mean_y: (q,) means.
        sxx: (p, p) sum of (x - mean)(x - mean)'.
        sxy: (p, q) sum of (x - mean)(y - mean)'.
        syy: (q, q) sum of (y - mean)(y - mean)'.
    """

    n: int
    mean_x: Tensor
    mean_y: Tensor
    sxx: Tensor
    sxy: Tensor
    syy: Tensor

    @classmethod
    def empty(cls, p: int, q: int) -> Moments:
        """The moments of no rows: what merging starts from."""
        return cls(0, _zeros(p), _zeros(q), _zeros(p, p), _zeros(p, q), _zeros(q, q))

    @classmethod
    def of(cls, x: Tensor, y: Tensor) -> Moments:
        """The moments of one batch: x (n, p) and y (n, q), any float type.

        Raises:
            LaminaError: the rows do not pair up.
        """
        _check_rows(x, len(y))
        if not len(x):
            return cls.empty(x.shape[1], y.shape[1])
        x, mean_x = _centred(x)
        y, mean_y = _centred(y)
        return cls(len(x), mean_x, mean_y, _squared(x), x.T @ y, _squared(y))

    def __add__(self, other: Moments) -> Moments:
        """The moments of both sets of rows together."""
        if (self.sxy.shape) != (other.sxy.shape):
            raise LaminaError(
                f"moments of {tuple(self.sxy.shape)} and {tuple(other.sxy.shape)} dimensions cannot be merged: "
                "they are not of the same views"
            )
        if not self.n or not other.n:
            return self if self.n else other
        held = (self.mean_x, self.mean_y, self.sxx, self.sxy, self.syy)
        return Moments(self.n, *(each.clone() for each in held)).absorb(other)

    def absorb(self, other: Moments) -> Moments:
        """``self + other`` in the memory of ``self``, which is then gone: for sums that nobody else holds."""
        if not self.n or not other.n:
            return self + other
        n = self.n + other.n
        step_x, step_y = other.mean_x - self.mean_x, other.mean_y - self.mean_y
        share, between = other.n / n, self.n * other.n / n
        return Moments(
            n,
            self.mean_x.add_(step_x, alpha=share),
            self.mean_y.add_(step_y, alpha=share),
            self.sxx.add_(other.sxx).addr_(step_x, step_x, alpha=between),
            self.sxy.add_(other.sxy).addr_(step_x, step_y, alpha=between),
            self.syy.add_(other.syy).addr_(step_y, step_y, alpha=between),
        )

    def joint(self, _labelling: int = 0) -> Moments:
        """These moments: what `ClassMoments.joint` makes of classes."""
        return self


@dataclass(frozen=True, slots=True, eq=False)
class ClassMoments(Statistic):
    """Moments of rows x (n, p) against classes, under one or several labellings of the same rows.

    The one-hot view is never made. As ``sum(x - mean)`` is zero, the cross moments of x and the one-hot view are
    the class sums of ``x - mean``; its own moments follow from the counts. Further labellings (shuffled
    labels, the null) share `sxx`. ``+`` merges two disjoint sets of rows and is associative.

    Attributes:
        n: rows.
        mean_x: (p,) means.
        sxx: (p, p) sum of (x - mean)(x - mean)'.
        counts: (labellings, classes) rows of each class, int64.
        sums: (labellings, classes, p) sums of x - mean by class.
    """

    n: int
    mean_x: Tensor
    sxx: Tensor
    counts: Tensor
    sums: Tensor

    @classmethod
    def empty(cls, p: int, classes: int, labellings: int = 1) -> ClassMoments:
        """The moments of no rows: what merging starts from."""
        counts = torch.zeros(labellings, classes, dtype=torch.int64)
        return cls(0, _zeros(p), _zeros(p, p), counts, _zeros(labellings, classes, p))

    @classmethod
    def of(cls, x: Tensor, labels: Tensor, classes: int) -> ClassMoments:
        """The moments of one batch: x (n, p) and labels (n,) or (labellings, n) in ``range(classes)``.

        Raises:
            LaminaError: the rows do not pair up, or a label is out of range.
        """
        labels = labels if labels.ndim == 2 else labels[None]
        _check_rows(x, labels.shape[1])
        labellings = len(labels)
        if not len(x):
            return cls.empty(x.shape[1], classes, labellings)
        # A GPU would have to be waited for, and refuses such labels by itself.
        if labels.device.type == "cpu" and (int(labels.min()) < 0 or int(labels.max()) >= classes):
            raise LaminaError(
                f"labels run from {int(labels.min())} to {int(labels.max())}, but there are {classes} classes: "
                "drop the rows of other classes first"
            )
        x, mean_x = _centred(x)
        counts = class_counts(labels, classes)
        sums = x.new_zeros(labellings, classes, x.shape[1])
        for labelling in range(labellings):
            sums[labelling].index_add_(0, labels[labelling], x)
        return cls(len(x), mean_x, _squared(x), counts, sums)

    def __add__(self, other: ClassMoments) -> ClassMoments:
        """The moments of both sets of rows together."""
        if self.sums.shape != other.sums.shape:
            raise LaminaError(
                f"class moments of {tuple(self.sums.shape)} and {tuple(other.sums.shape)} (labellings, classes, "
                "dimensions) cannot be merged: they are not of the same views"
            )
        if not self.n or not other.n:
            return self if self.n else other
        held = (self.mean_x, self.sxx, self.counts, self.sums)
        return ClassMoments(self.n, *(each.clone() for each in held)).absorb(other)

    def absorb(self, other: ClassMoments) -> ClassMoments:
        """``self + other`` in the memory of ``self``, which is then gone: for sums that nobody else holds."""
        if not self.n or not other.n:
            return self + other
        n = self.n + other.n
        step = other.mean_x - self.mean_x
        # About the new mean, rows of either side stand off by these.
        here, there = (-other.n / n) * step, (self.n / n) * step
        flat = self.sums.view(-1, len(step)).add_(other.sums.reshape(-1, len(step)))
        flat.addr_(self.counts.reshape(-1).double(), here).addr_(other.counts.reshape(-1).double(), there)
        return ClassMoments(
            n,
            self.mean_x.add_(step, alpha=other.n / n),
            self.sxx.add_(other.sxx).addr_(step, step, alpha=self.n * other.n / n),
            self.counts.add_(other.counts),
            self.sums,
        )

    def joint(self, labelling: int = 0) -> Moments:
        """The moments of x and the one-hot view of a labelling (p and as many dimensions as classes)."""
        counts = self.counts[labelling].double()
        syy = torch.diag(counts) - torch.outer(counts, counts) / max(self.n, 1)
        return Moments(self.n, self.mean_x, counts / max(self.n, 1), self.sxx, self.sums[labelling].T, syy)


def class_counts(labels: Tensor, classes: int) -> Tensor:
    """(labellings, classes) how often each label occurs in labels (labellings, n); no GPU is waited for."""
    counts = torch.zeros(len(labels), classes, dtype=torch.int64, device=labels.device)
    return counts.scatter_add_(1, labels, torch.ones_like(labels))


def _zeros(*shape: int) -> Tensor:
    return torch.zeros(*shape, dtype=torch.float64)


def _centred(x: Tensor) -> tuple[Tensor, Tensor]:
    """The rows in float64 less their mean, and the mean."""
    x = x.to(torch.float64, copy=True)
    mean = x.mean(0)
    return x.sub_(mean), mean


def _squared(x: Tensor) -> Tensor:
    """``x' x``: numpy sees that it is symmetric and does half the work, torch does not."""
    if x.device.type != "cpu":
        return x.T @ x
    rows = x.numpy()
    return torch.from_numpy(rows.T @ rows)


def _check_rows(x: Tensor, rows: int) -> None:
    if x.ndim != 2 or len(x) != rows:
        raise LaminaError(f"x has shape {tuple(x.shape)}, the other view {rows} rows: rows must pair up")
