"""Make a model treat every utterance of a padded batch as if it were alone, from outside.

Two things let padding into the states of published encoders: norms over time, whose mean and variance see it,
and convolutions over time, which see whatever the layers before left there. Both are mended on the model's own
modules; outside `reading` these do exactly what they did before.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from lamina.encoders.audio import beyond
from lamina.grid import Grid

_samples: ContextVar[tuple[int, ...] | None] = ContextVar("samples", default=None)


@contextmanager
def reading(samples: list[int]) -> Iterator[None]:
    """While this lasts (in this thread), batches hold utterances of so many samples each."""
    token = _samples.set(tuple(samples))
    try:
        yield
    finally:
        _samples.reset(token)


def real_frames(grid: Grid, size: int) -> list[int] | None:
    """Frames on ``grid`` of each utterance being read; None where all have ``size``, or outside `reading`."""
    samples = _samples.get()
    if samples is None:
        return None
    frames = [grid.frames(count) for count in samples]
    return None if min(frames) >= size else frames


class RealFramesNorm(nn.Module):
    """A group norm over time, one channel a group, that sees each utterance's real frames only.

    The parameters are those of the norm it replaces, under the same names. Statistics are taken in float32.

    Args:
        norm: the norm to replace.
        grid: where the frames that it normalises lie.
    """

    def __init__(self, norm: nn.GroupNorm, grid: Grid) -> None:
        super().__init__()
        if norm.num_groups != norm.num_channels:
            raise AssertionError(f"{norm.num_groups} groups of {norm.num_channels} channels are no norm over time")
        self.weight, self.bias, self.eps, self.grid = norm.weight, norm.bias, norm.eps, grid

    def forward(self, values: Tensor) -> Tensor:
        """Normalise values (batch, channels, frames)."""
        frames = real_frames(self.grid, values.shape[-1])
        if frames is None:
            return functional.group_norm(values, values.shape[1], self.weight, self.bias, self.eps)
        moments = [
            torch.var_mean(value[:, :count].float(), dim=-1, correction=0)
            for value, count in zip(values, frames, strict=True)
        ]
        variance = torch.stack([moment[0] for moment in moments])
        mean = torch.stack([moment[1] for moment in moments])
        scale = self.weight / torch.sqrt(variance + self.eps)
        shift = self.bias - mean * scale
        # Two passes over the largest tensor of the whole model; a loop over utterances would copy it twice more.
        return torch.addcmul(shift.to(values.dtype)[..., None], values, scale.to(values.dtype)[..., None])


def hide_beyond(module: nn.Module, grid: Grid) -> None:
    """Zero what lies beyond each utterance in a convolution's input (batch, channels, frames on ``grid``)."""

    def hide(_module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...] | None:
        values: Tensor = args[0]
        frames = real_frames(grid, values.shape[-1])
        if frames is None:
            return None
        return (values.masked_fill(beyond(frames, values.shape[-1], values.device)[:, None], 0.0), *args[1:])

    module.register_forward_pre_hook(hide)
