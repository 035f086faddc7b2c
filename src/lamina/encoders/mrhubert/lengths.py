"""Lengths of utterances in padded batches, and the frames that they leave over."""

from __future__ import annotations

import torch
from torch import Tensor

from lamina.grid import Grid


def frame_counts(samples: Tensor, grid: Grid) -> Tensor:
    """How many frames a grid has for each number of samples: `Grid.frames` on a tensor."""
    count = samples
    for up, add, down in grid.steps:
        count = torch.div(count * up + add, down, rounding_mode="floor").clamp(min=0)
    return count


def real(counts: Tensor, frames: int) -> Tensor:
    """(batch, frames) booleans, true for frames of an utterance, false for padding."""
    return torch.arange(frames, device=counts.device)[None] < counts[:, None]


def hide_padding(x: Tensor, counts: Tensor | None) -> Tensor:
    """``x`` (batch, frames, width) with zeros beyond each utterance; None means that no frame is padding."""
    if counts is None:
        return x
    return x.masked_fill(~real(counts, x.shape[1])[..., None], 0.0)
