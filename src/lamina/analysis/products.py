"""Moments of a batch of wide states, by float32 products of centred rows; everything is merged in float64.

A float64 product costs two to eight times as much, and its last digits say nothing: states are float32, rows are
centred on their own batch's mean first, and a batch's rounding errors, about 1e-7 of an entry's scale, are random
from batch to batch. Scores move by less than 1e-6 (`tests/analysis/test_products.py`). Narrow taps, which cost
next to nothing, keep float64, and so do GPUs whose float64 is quick.
"""

from __future__ import annotations

import torch
from torch import Tensor

from lamina.analysis.timing import doubles_are_quick
from lamina.stats.kmeans import products
from lamina.stats.moments import ClassMoments, Moments, class_counts

WIDE = 256
BLOCK = 256


def moments(x: Tensor, y: Tensor) -> Moments:
    """The moments of one batch: x (n, p) and y (n, q); see `Moments.of`."""
    if _exactly(x):
        return Moments.of(x, y)
    x, mean_x = _centred(x)
    y, mean_y = _centred(y)
    across, other = x.T.contiguous(), y.T.contiguous()
    xx, xy, yy = (_summed(*each) for each in ((across, across), (across, other), (other, other)))
    return Moments(len(x), mean_x, mean_y, xx, xy, yy)


def class_moments(x: Tensor, labels: Tensor, classes: int) -> ClassMoments:
    """The moments of one batch: x (n, p) and labels (labellings, n); see `ClassMoments.of`."""
    if _exactly(x):
        return ClassMoments.of(x, labels, classes)
    x, mean = _centred(x)
    sums = x.new_zeros(len(labels), classes, x.shape[1])
    for number, side in enumerate(labels):
        sums[number].index_add_(0, side, x)
    across = x.T.contiguous()
    return ClassMoments(len(x), mean, _summed(across, across), class_counts(labels, classes), sums.double())


def _exactly(x: Tensor) -> bool:
    return x.shape[1] < WIDE or not len(x) or (x.device.type != "cpu" and doubles_are_quick(x.device))


def _summed(x: Tensor, y: Tensor) -> Tensor:
    """``x @ y.T`` (p, q) of x (p, n) and y (q, n), float32, as float64.

    On a GPU products of `BLOCK` rows each are added up in float64: batches are large there, and errors of float32
    grow with the rows that one sum takes.
    """
    if x.device.type == "cpu" or x.shape[1] <= BLOCK:
        return products(x, y).double()
    whole = x.shape[1] // BLOCK * BLOCK
    one, other = (each[:, :whole].reshape(len(each), -1, BLOCK).transpose(0, 1) for each in (x, y))
    found = torch.bmm(one, other.transpose(1, 2)).sum(0, dtype=torch.float64)
    return found + products(x[:, whole:], y[:, whole:]).double()


def _centred(x: Tensor) -> tuple[Tensor, Tensor]:
    """The rows in float32 less their mean, and the mean in float64."""
    mean = x.mean(0, dtype=torch.float64)
    return x.float() - mean.float(), mean
