"""Rows on one scale: every dimension centred and scaled, by the rows that are fitted on."""

from __future__ import annotations

import torch
from torch import Tensor


def standardised(fit: Tensor, *others: Tensor) -> list[Tensor]:
    """Rows (n, width) with every dimension centred and scaled by those of ``fit``, which comes first.

    A dimension that is constant in ``fit`` says nothing and is set to zero.
    """
    mean, spread = fit.double().mean(0), fit.double().std(0, correction=0)
    scale = torch.where(spread > 1e-4 * spread.max().clamp(min=1e-30), 1 / spread, torch.zeros_like(spread))
    return [(each - mean.float()) * scale.float() for each in (fit, *others)]
