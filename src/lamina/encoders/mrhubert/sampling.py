"""Changes of rate between blocks: fairseq's ConvAdapter, and its plain halves."""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING

from torch import Tensor, nn
from torch.nn import functional

from lamina.encoders.half import right_convolutions
from lamina.encoders.mrhubert.layers import TimeNorm
from lamina.encoders.mrhubert.lengths import hide_padding

if TYPE_CHECKING:
    from lamina.encoders.mrhubert.config import MRHubertConfig
    from lamina.encoders.mrhubert.plan import Ratio

SCALE = sqrt(0.4)  # of every sum, so that its variance stays about what it was


class Upsampling(nn.Module):
    """Transposed convolution, norm over the uncut length, GELU; plus the input repeated."""

    def __init__(self, width: int, kernel: int, times: int) -> None:
        super().__init__()
        self.times, self.kernel = times, kernel
        self.conv = nn.ConvTranspose1d(width, width, kernel, times, output_padding=times - 1, bias=False)
        self.norm = TimeNorm(1, width)

    def forward(self, x: Tensor, counts: Tensor | None) -> Tensor:
        """(batch, frames, width) to ``times`` as many frames."""
        # fairseq norms before the tail that the kernel adds is cut off
        uncut = None if counts is None else counts * self.times + self.kernel - 1
        with right_convolutions(x):
            y = self.conv(x.transpose(1, 2))
        y = functional.gelu(self.norm(y, uncut)).transpose(1, 2)
        return (y[:, : x.shape[1] * self.times] + x.repeat_interleave(self.times, dim=1)) * SCALE


class Downsampling(nn.Module):
    """Strided convolution, norm, GELU; plus every ``times``-th frame of the input."""

    def __init__(self, width: int, kernel: int, times: int) -> None:
        super().__init__()
        self.times = times
        self.conv = nn.Conv1d(width, width, kernel, times, padding=(kernel - 1) // 2, bias=False)
        self.norm = TimeNorm(1, width)

    def forward(self, x: Tensor, counts: Tensor | None) -> Tensor:
        """(batch, frames, width) to every ``times``-th frame."""
        kept = None if counts is None else (counts + self.times - 1) // self.times
        with right_convolutions(x):
            y = self.conv(x.transpose(1, 2))
        y = functional.gelu(self.norm(y, kept)).transpose(1, 2)
        return (y + x[:, :: self.times]) * SCALE


class Sampler(nn.Module):
    """From one level's frames to another's, ``up`` times as many and then every ``down``-th.

    The full form (fairseq: ConvAdapter) has both halves even where up or down is 1, and adds the repeated, strided
    original once more; the plain form (fairseq: ConvUpsampler, ConvDownsampler) is one half.
    """

    def __init__(self, config: MRHubertConfig, ratio: Ratio, *, upward: bool) -> None:
        super().__init__()
        width, kernel, (self.up, self.down) = config.hidden_size, config.adapter_kernel, ratio
        plain = config.plain_sampling
        self.upsampling = None if plain and not upward else Upsampling(width, kernel, self.up)
        self.downsampling = None if plain and upward else Downsampling(width, kernel, self.down)

    def forward(self, x: Tensor, counts: Tensor | None) -> Tensor:
        """(batch, frames, width) of which ``counts`` are real, to (batch, ceil(frames up / down), width)."""
        x = hide_padding(x, counts)
        y = x
        if self.upsampling is not None:
            y = self.upsampling(x, counts)
        if self.downsampling is not None:
            finer = None if counts is None else counts * self.up
            y = self.downsampling(hide_padding(y, finer), finer)
        if self.upsampling is None or self.downsampling is None:
            return y
        highway = x.repeat_interleave(self.up, dim=1)[:, :: self.down]
        return (y + highway) * SCALE
