"""What one discrete label tells of another: mutual information, purity, from counts alone.

Conventions: bits; the plug-in estimate and the Miller-Madow correction (Miller 1955, "Note on the bias of
information estimates"); normalised means ``I(cluster; label) / H(label)``, which is PNMI on frames (HuBERT,
Hsu et al. 2021, section IV-B). All are invariant to renaming clusters or labels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lamina.errors import LaminaError
from lamina.stats.archive import Statistic


@dataclass(frozen=True, slots=True, eq=False)
class Counts(Statistic):
    """A contingency table of any number of axes, held sparsely. ``+`` merges disjoint items and is associative.

    The last two axes are (cluster, label); an axis before them says the group (speaker) of an item.

    Attributes:
        shape: length of each axis.
        cells: (occupied,) flat index of the occupied cells, ascending, int64.
        counts: (occupied,) items in each, int64.
    """

    shape: tuple[int, ...]
    cells: Tensor
    counts: Tensor

    @classmethod
    def empty(cls, *shape: int) -> Counts:
        """A table of no items: what merging starts from."""
        none = torch.zeros(0, dtype=torch.int64)
        return cls(shape, none, none)

    @classmethod
    def of(cls, labels: Sequence[Tensor], shape: Sequence[int]) -> Counts:
        """Count items: one (n,) integer tensor an axis.

        Raises:
            LaminaError: an axis is missing, or a label lies beyond its axis.
        """
        if len(labels) != len(shape):
            raise LaminaError(f"{len(labels)} labels an item cannot be counted in a table of {len(shape)} axes")
        flat = torch.zeros(len(labels[0]), dtype=torch.int64)
        for axis, length in zip(labels, shape, strict=True):
            if len(axis) and (int(axis.min()) < 0 or int(axis.max()) >= length):
                raise LaminaError(
                    f"labels run from {int(axis.min())} to {int(axis.max())} on an axis of {length}: drop the "
                    "items of other classes first"
                )
            flat = flat * length + axis
        cells, counts = torch.unique(flat, return_counts=True)
        return cls(tuple(shape), cells, counts)

    def on(self, _device: torch.device | str) -> bool:
        """Always: which cells there are depends on values, so counts stay on the CPU."""
        return True

    def __add__(self, other: Counts) -> Counts:
        """Both sets of items together."""
        if self.shape != other.shape:
            raise LaminaError(f"tables of shape {self.shape} and {other.shape} cannot be merged")
        cells, places = torch.unique(torch.cat([self.cells, other.cells]), return_inverse=True)
        counts = torch.zeros(len(cells), dtype=torch.int64)
        return Counts(self.shape, cells, counts.index_add_(0, places, torch.cat([self.counts, other.counts])))

    @property
    def n(self) -> int:
        """Items counted."""
        return int(self.counts.sum())

    def table(self) -> Tensor:
        """The dense table, int64."""
        dense = torch.zeros(math.prod(self.shape), dtype=torch.int64)
        dense[self.cells] = self.counts
        return dense.reshape(self.shape)


@dataclass(frozen=True, slots=True, eq=False)
class Information:
    """Mutual information of cluster and label, one value a weighting of the groups.

    Attributes:
        n: (weightings,) items.
        bits: (weightings,) plug-in estimate; grows with the number of clusters even where there is none.
        corrected_bits: (weightings,) with the Miller-Madow correction; may be slightly below zero.
        label_bits: (weightings,) plug-in entropy of the labels.
    """

    n: Tensor
    bits: Tensor
    corrected_bits: Tensor
    label_bits: Tensor

    @property
    def normalised(self) -> Tensor:
        """``I / H(label)``, plug-in: 1 where clusters tell all; not a number where there is one label only."""
        return self.bits / self._entropy

    @property
    def corrected(self) -> Tensor:
        """The corrected information over the plug-in ``H(label)``."""
        return self.corrected_bits / self._entropy

    @property
    def _entropy(self) -> Tensor:
        """Of the labels; not a number where there is one, whose rounded entropy may be a little above zero."""
        return torch.where(self.label_bits > 1e-9, self.label_bits, torch.nan)


def mutual_information(counts: Counts, weights: Tensor | None = None) -> Information:
    """Mutual information from a table (cluster, label) or (group, cluster, label).

    Args:
        counts: the items.
        weights: (weightings, groups) how often each group counts; every group once where None.
    """
    columns = counts.shape[-1]
    pairs, joint = _joint(counts, weights)
    clusters = torch.zeros(len(joint), counts.shape[-2], dtype=torch.float64).index_add_(
        1, pairs // columns, joint
    )
    labels = torch.zeros(len(joint), columns, dtype=torch.float64).index_add_(1, pairs % columns, joint)
    n = joint.sum(1)
    label_bits = _entropy(labels, n)
    bits = (_entropy(clusters, n) + label_bits - _entropy(joint, n)).clamp_min(0)
    # Each entropy is too low by (occupied cells - 1) / 2n nats.
    occupied = _occupied(clusters) + _occupied(labels) - _occupied(joint) - 1
    return Information(n, bits, bits + occupied / (2 * n * math.log(2)), label_bits)


def pnmi(counts: Counts) -> float:
    """Phone-normalised mutual information of a table (unit, phone) of frames (HuBERT, section IV-B)."""
    return float(mutual_information(counts).normalised[0])


def purity(counts: Counts) -> tuple[float, float]:
    """Label purity and cluster purity of a table (cluster, label): see `purities`."""
    of_label, of_cluster = purities(counts)
    return float(of_label), float(of_cluster)


def purities(counts: Counts, weights: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Purity of a table (cluster, label) or (group, cluster, label): how much the commonest one covers (HuBERT,
    section IV-B). Both purities grow with the number of clusters or shrink with it: compare equal numbers only.

    Args:
        counts: the items.
        weights: (weightings, groups) how often each group counts; every group once where None.

    Returns:
        (weightings,) share of the items that carry their cluster's commonest label (``phone purity``), and share
        that lie in their label's commonest cluster (``cluster purity``); not a number where there are no items.
    """
    rows, columns = counts.shape[-2:]
    pairs, joint = _joint(counts, weights)

    def commonest(of: Tensor, number: int) -> Tensor:
        best = torch.zeros(len(joint), number, dtype=torch.float64)
        return best.scatter_reduce_(1, of.expand(len(joint), -1), joint, "amax").sum(1) / joint.sum(1)

    return commonest(pairs // columns, rows), commonest(pairs % columns, columns)


def _joint(counts: Counts, weights: Tensor | None) -> tuple[Tensor, Tensor]:
    """The occupied (cluster, label) pairs, flat, and (weightings, pairs) items in each."""
    size = math.prod(counts.shape[-2:])
    groups = math.prod(counts.shape[:-2])
    weights = torch.ones(1, groups, dtype=torch.float64) if weights is None else weights.double()
    pairs, places = torch.unique(counts.cells % size, return_inverse=True)
    by_group = torch.zeros(groups, len(pairs), dtype=torch.float64)
    by_group[counts.cells // size, places] = counts.counts.double()
    return pairs, weights @ by_group


def _entropy(counts: Tensor, n: Tensor) -> Tensor:
    """Plug-in entropy in bits of counts (weightings, cells) that sum to n."""
    spread: Tensor = torch.special.xlogy(counts, counts).sum(1)
    return n.log2() - spread / (n * math.log(2))


def _occupied(counts: Tensor) -> Tensor:
    return (counts > 0).sum(1)
