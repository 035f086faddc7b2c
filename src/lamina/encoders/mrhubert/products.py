"""Linear maps, convolutions over time, attention and dropout, quick on a CPU in float32.

- PyTorch gives float32 products to MKL, which leaves AVX-512 unused on processors that are not Intel's; oneDNN,
  which it ships as well, runs them at twice the rate there.
- A convolution over (batch, frames, channels) is a product of its windows with its weight, at the rate of
  products; one with a long kernel is a product of spectra.
- PyTorch draws the random numbers for dropout one after the other; here one of 64 bits decides on four values.

Tensors on other devices, of other dtypes, under autocast and while compiling (where `quick` says no) take
PyTorch's own way: the same values up to rounding.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

ONEDNN = torch.backends.mkldnn.is_available()
LONG = 192  # frames from which on a product a head is quicker than one for all heads
CHUNK = 1024  # frames whose windows are laid out at a time: they stay in the cache
LANES = 1 << 16  # dropout probabilities are multiples of 1 / LANES


def quick(*tensors: Tensor | None) -> bool:
    """Whether these functions have a way of their own for such tensors."""
    if torch.compiler.is_compiling() or not ONEDNN or torch.is_autocast_enabled("cpu"):
        return False
    return all(
        t is None or (t.device.type == "cpu" and t.dtype == torch.float32 and t.numel() > 0) for t in tensors
    )


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """(…, in) times weight (out, in) plus bias (out,): `torch.nn.functional.linear`."""
    if quick(x, weight, bias):
        out: Tensor = _Linear.apply(x, weight, bias)
        return out
    return functional.linear(x, weight, bias)


def conv(x: Tensor, weight: Tensor, bias: Tensor | None, stride: int) -> Tensor:
    """A convolution over time, unpadded.

    Args:
        x: (batch, frames, channels).
        weight: (out, channels, kernel).
        bias: (out,).
        stride: in frames.

    Returns:
        (batch, frames of the output, out).
    """
    if quick(x, weight, bias) and x.shape[1] >= weight.shape[2]:
        out: Tensor = _Conv.apply(x, weight, bias, stride)
        return out
    return functional.conv1d(x.transpose(1, 2), weight, bias, stride).transpose(1, 2)


def long_conv(x: Tensor, weight: Tensor, groups: int) -> Tensor:
    """A grouped convolution over time with a long kernel, unpadded.

    On a CPU a product of spectra: the work hardly grows with the batch, most of it is the weight's own spectrum.

    Args:
        x: (batch, frames, channels).
        weight: (out, channels / groups, kernel).
        groups: of channels that see each other.

    Returns:
        (batch, frames - kernel + 1, out).
    """
    batch, frames, _ = x.shape
    channels, kernel = weight.shape[1:]
    if not quick(x, weight) or frames < kernel:
        return functional.conv1d(x.transpose(1, 2), weight, groups=groups).transpose(1, 2)
    size = smooth(frames)  # what wraps around falls on frames that are cut off
    spectra = torch.fft.rfft(x, size, dim=1).unflatten(2, (groups, channels)).permute(2, 1, 0, 3)
    maps = torch.fft.rfft(weight, size).conj().unflatten(0, (groups, -1)).permute(0, 3, 2, 1)
    found = torch.bmm(spectra.flatten(0, 1), maps.flatten(0, 1)).view(groups, -1, batch, maps.shape[-1])
    return torch.fft.irfft(found.permute(2, 1, 0, 3).flatten(2), size, dim=1)[:, : frames - kernel + 1]


def smooth(size: int) -> int:
    """The least number of at least ``size`` without prime factors beyond 5: its Fourier transform is quick."""
    while True:
        rest = size
        for factor in (2, 3, 5):
            while rest % factor == 0:
                rest //= factor
        if rest == 1:
            return size
        size += 1


def dropout(x: Tensor, probability: float, *, training: bool) -> Tensor:
    """`torch.nn.functional.dropout`; the probability is rounded to 1 / 65536."""
    if not training or probability == 0:
        return x
    if quick(x):
        out: Tensor = _Dropout.apply(x, probability)
        return out
    return functional.dropout(x, probability, training=True)


def attention(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, probability: float) -> Tensor:
    """Scaled dot-product attention with dropout of its weights, for tensors that are `quick`.

    Args:
        query: (batch, heads, frames, size).
        key: as ``query``.
        value: as ``query``.
        mask: (batch, 1, 1 or frames, frames) booleans, true for keys that are seen; None where all are.
        probability: that a weight is dropped.

    Returns:
        (batch, heads, frames, size).
    """
    out: Tensor = _Attention.apply(query, key, value, mask, probability)
    return out


def _product(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """(…, in) times weight (out, in); the weight may be a transposed view, anything else is copied."""
    if not weight.is_contiguous() and not weight.T.is_contiguous():
        weight = weight.contiguous()
    out: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")  # noqa: SLF001 - no public name
    return out


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        return _product(x, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        for_x, for_weight, for_bias = ctx.needs_input_grad
        rows = gradient.reshape(-1, len(weight))
        return (
            _product(gradient, weight.T) if for_x else None,
            _product(rows.T, x.reshape(len(rows), -1).T) if for_weight else None,
            rows.sum(0) if for_bias else None,
        )


class _Conv(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, stride: int) -> Tensor:
        x = x.contiguous()
        flat = weight.transpose(1, 2).flatten(1)  # the order of a window's values: (out, kernel, channels)
        ctx.save_for_backward(x, flat)
        ctx.kernel, ctx.stride = weight.shape[2], stride
        out = x.new_empty(len(x), (x.shape[1] - ctx.kernel) // stride + 1, len(weight))
        for row, first, windows in _windows(x, ctx.kernel, stride):
            out[row, first : first + CHUNK] = _product(windows, flat, bias)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, flat = ctx.saved_tensors
        kernel, stride = ctx.kernel, ctx.stride
        for_x, for_weight, for_bias, _ = ctx.needs_input_grad
        _, frames, channels = x.shape
        of_x = (torch.zeros_like if stride > kernel else torch.empty_like)(x) if for_x else None
        if of_x is not None:
            of_x[:, gradient.shape[1] * stride :] = 0
        of_weight = torch.zeros_like(flat)
        # Backwards, since a window may reach into the next ones: what these set, its last taps add to.
        for row, first, windows in reversed(list(_windows(x, kernel, stride))):
            part = gradient[row, first : first + CHUNK]
            if for_weight:
                of_weight += _product(part.T, windows.contiguous().T)
            if of_x is not None:
                spread = _product(part, flat.T)
                for tap in range(0, kernel, stride):  # windows of so many taps do not overlap
                    size = min(stride, kernel - tap) * channels
                    start = (row * frames + first * stride + tap) * channels
                    place = of_x.as_strided((len(part), size), (stride * channels, 1), start)
                    values = spread[:, tap * channels : tap * channels + size]
                    if tap:
                        place += values
                    else:
                        place[:] = values
        return (
            of_x,
            of_weight.unflatten(1, (kernel, channels)).transpose(1, 2) if for_weight else None,
            gradient.sum((0, 1)) if for_bias else None,
            None,
        )


def _windows(x: Tensor, kernel: int, stride: int) -> Iterator[tuple[int, int, Tensor]]:
    """The row, the first window and at most CHUNK windows (windows, kernel x channels) of x, as views."""
    batch, frames, channels = x.shape
    count = (frames - kernel) // stride + 1
    for row in range(batch):
        for first in range(0, count, CHUNK):
            shape = (min(CHUNK, count - first), kernel * channels)
            start = x.storage_offset() + (row * frames + first * stride) * channels
            yield row, first, x.as_strided(shape, (stride * channels, 1), start)


class _Dropout(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, probability: float) -> Tensor:
        ctx.probability = probability
        keep = kept(x.shape, probability)
        ctx.save_for_backward(keep)
        return dropped(x, keep, probability)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (keep,) = ctx.saved_tensors
        return dropped(gradient, keep, ctx.probability), None


def kept(shape: Sequence[int], probability: float) -> Tensor:
    """Random booleans, true for the values that dropout keeps."""
    size = prod(shape)
    bits = torch.empty((size + 3) // 4, dtype=torch.int64).random_(torch.iinfo(torch.int64).min, None)  # all 64
    lanes = bits.view(torch.int16)[:size].view(shape)
    return lanes >= round(probability * LANES) - LANES // 2


def dropped(x: Tensor, keep: Tensor, probability: float) -> Tensor:
    """``x`` where ``keep`` says so, scaled to the same mean, and zero elsewhere."""
    share = 1 - round(probability * LANES) / LANES
    return (x * keep).mul_(1 / share if share else 0.0)


class _Attention(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, probability: float
    ) -> Tensor:
        query, key, value = (each.contiguous() for each in (query, key, value))
        scores = _by_head(query * query.shape[-1] ** -0.5, key)
        if mask is not None:
            scores.masked_fill_(~mask, -torch.inf)
        weights = scores.softmax(-1)
        keep = kept(weights.shape, probability)
        ctx.save_for_backward(query, key, value, weights, keep)
        ctx.probability = probability
        return _by_head(dropped(weights, keep, probability), value.mT)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, weights, keep = ctx.saved_tensors
        scale = query.shape[-1] ** -0.5
        # Where a large matrix enters transposed it is the second one, which need not be copied.
        of_value = _by_head(gradient.mT, dropped(weights, keep, ctx.probability).mT).mT
        of_weights = dropped(_by_head(gradient, value), keep, ctx.probability)
        of_scores = torch._softmax_backward_data(of_weights, weights, -1, torch.float32)  # noqa: SLF001 - no public name
        of_query = _by_head(of_scores, key.mT) * scale
        of_key = _by_head(query.mT * scale, of_scores.mT).mT
        return of_query, of_key, of_value, None, None


def _by_head(left: Tensor, right: Tensor) -> Tensor:
    """(batch, heads, rows, size) times (batch, heads, columns, size), transposed: every row with every column."""
    if max(left.shape[2], left.shape[3], right.shape[2]) < LONG:
        return left @ right.mT
    out = left.new_empty(*left.shape[:3], right.shape[2])
    for place in np.ndindex(*left.shape[:2]):
        out[place] = _product(left[place], right[place])
    return out
