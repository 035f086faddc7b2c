"""Counts behind a score, kept by item so that speakers can be resampled without predicting again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lamina.probe.metrics import equal_error_rate
from lamina.stats.inference import resampled_ratios

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Tally(Protocol):
    """What one measure counted."""

    @property
    def n(self) -> int:
        """How many items were scored."""
        ...

    def value(self) -> float:
        """The score."""
        ...

    def resampled(self, weights: Floats, groups: Sequence[str]) -> Floats:
        """The score in each resample.

        Args:
            weights: (replicates, groups) how often each group counts, groups in the order of their sorted names.
            groups: whose each item is.
        """
        ...


@dataclass(frozen=True)
class Ratio:
    """A sum over items divided by another: error rates, accuracies, means.

    Attributes:
        parts: (items,) what is counted.
        wholes: (items,) out of how much.
    """

    parts: Floats
    wholes: Floats

    @property
    def n(self) -> int:
        """How many things were counted in all (items, where each counts once)."""
        return round(float(self.wholes.sum()))

    def value(self) -> float:
        """The ratio of the sums."""
        return float(self.parts.sum() / self.wholes.sum())

    def resampled(self, weights: Floats, groups: Sequence[str]) -> Floats:
        """The ratio in each resample; not a number where nothing was drawn."""
        return resampled_ratios(self.parts, self.wholes, groups, weights)


@dataclass(frozen=True)
class Trials:
    """Scored pairs of items: the equal error rate.

    Attributes:
        scores: (trials,) higher where the two sound more alike.
        targets: (trials,) whether they are the same.
        sides: (trials, 2) which items were compared.
    """

    scores: Floats
    targets: NDArray[np.bool_]
    sides: Ints

    @property
    def n(self) -> int:
        """The number of trials."""
        return len(self.scores)

    def value(self) -> float:
        """The equal error rate."""
        return equal_error_rate(self.scores, self.targets)

    def resampled(self, weights: Floats, groups: Sequence[str]) -> Floats:
        """The rate in each resample: a trial counts as often as its two groups were drawn, multiplied."""
        _, place = np.unique(np.asarray(groups), return_inverse=True)
        left, right = place[self.sides[:, 0]], place[self.sides[:, 1]]
        drawn = []
        for weight in weights:
            count = np.where(left == right, weight[left], weight[left] * weight[right])
            kept = count > 0
            both = self.targets[kept].any() and not self.targets[kept].all()
            drawn.append(
                equal_error_rate(self.scores[kept], self.targets[kept], count[kept]) if both else float("nan")
            )
        return np.array(drawn)
