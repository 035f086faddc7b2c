"""Rows on one scale: every dimension centred and scaled, by the rows that are fitted on."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

ROUNDING = 1e-6  # of the largest dimension: a smaller spread is what float32 makes of sums


@dataclass(frozen=True, slots=True, eq=False)
class Scale:
    """Where every dimension lies and how far it spreads.

    Attributes:
        mean: (width,).
        factor: (width,) what a difference from the mean is multiplied by: 1 / standard deviation; 0 where a
            dimension does not vary, as it says nothing.
    """

    mean: Tensor
    factor: Tensor

    @classmethod
    def of(cls, rows: Tensor) -> Scale:
        """By the mean and standard deviation of rows (n, width)."""
        mean, spread = rows.double().mean(0), rows.double().std(0, correction=0)
        size = (mean.square() + spread.square()).sqrt()
        least = ROUNDING * size.max().clamp_min(1e-30)
        return cls(mean.float(), torch.where(spread > least, 1 / spread, torch.zeros_like(spread)).float())

    @classmethod
    def none(cls, width: int) -> Scale:
        """Leaves rows as they are."""
        return cls(torch.zeros(width), torch.ones(width))

    def __call__(self, rows: Tensor) -> Tensor:
        """Rows (n, width), scaled, float32."""
        return (rows.float() - self.mean) * self.factor


def standardised(fit: Tensor, *others: Tensor) -> list[Tensor]:
    """Rows (n, width) with every dimension centred and scaled by those of ``fit``, which comes first."""
    scale = Scale.of(fit)
    return [scale(each) for each in (fit, *others)]
