"""Moments of a batch of wide states, by float32 products of centred rows; everything is merged in float64.

A float64 product costs two to eight times as much, and its last digits say nothing: states are float32, rows are
centred on their own batch's mean first, and a batch's rounding errors, about 1e-7 of an entry's scale, are random
from batch to batch. Scores move by less than 1e-6 (`tests/analysis/test_products.py`). Narrow taps, which cost
next to nothing, keep float64.
"""

from __future__ import annotations

import torch
from torch import Tensor

from lamina.stats.kmeans import products
from lamina.stats.moments import ClassMoments, Moments

WIDE = 256


def moments(x: Tensor, y: Tensor) -> Moments:
    """The moments of one batch: x (n, p) and y (n, q); see `Moments.of`."""
    if x.shape[1] < WIDE or not len(x):
        return Moments.of(x, y)
    x, mean_x = _centred(x)
    y, mean_y = _centred(y)
    across, other = x.T.contiguous(), y.T.contiguous()
    xx, xy, yy = (products(*each).double() for each in ((across, across), (across, other), (other, other)))
    return Moments(len(x), mean_x, mean_y, xx, xy, yy)


def class_moments(x: Tensor, labels: Tensor, classes: int) -> ClassMoments:
    """The moments of one batch: x (n, p) and labels (labellings, n); see `ClassMoments.of`."""
    if x.shape[1] < WIDE or not len(x):
        return ClassMoments.of(x, labels, classes)
    x, mean = _centred(x)
    counts = torch.stack([torch.bincount(side, minlength=classes) for side in labels])
    sums = torch.zeros(len(labels), classes, x.shape[1])
    for number, side in enumerate(labels):
        sums[number].index_add_(0, side, x)
    across = x.T.contiguous()
    return ClassMoments(len(x), mean, products(across, across).double(), counts, sums.double())


def _centred(x: Tensor) -> tuple[Tensor, Tensor]:
    """The rows in float32 less their mean, and the mean in float64."""
    mean = x.mean(0, dtype=torch.float64)
    return x.float() - mean.float(), mean
