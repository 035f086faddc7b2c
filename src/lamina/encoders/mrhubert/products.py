"""Linear maps, convolutions over time and dropout, quick on a CPU in float32.

PyTorch gives float32 products to MKL, which leaves AVX-512 unused on processors that are not Intel's: oneDNN, which
it ships as well, runs them at twice the rate there. A convolution over frames (batch, frames, channels) is a product
of its windows with its weight, at the rate of products. Random numbers for dropout are drawn by PyTorch one after
the other; here one 64-bit number decides on four values.

What is differentiated, moved to a GPU, autocast or compiled stays PyTorch's own wherever `quick` says no: the same
values up to rounding.
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
        out: Tensor = _Linear.apply(x, weight, bias)  # type: ignore[no-untyped-call] # torch's
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
        out: Tensor = _Conv.apply(x, weight, bias, stride)  # type: ignore[no-untyped-call] # torch's
        return out
    return functional.conv1d(x.transpose(1, 2), weight, bias, stride).transpose(1, 2)


def dropout(x: Tensor, probability: float, *, training: bool) -> Tensor:
    """`torch.nn.functional.dropout`; the probability is rounded to 1 / 65536."""
    if not training or probability == 0:
        return x
    if quick(x):
        out: Tensor = _Dropout.apply(x, probability)  # type: ignore[no-untyped-call] # torch's
        return out
    return functional.dropout(x, probability, training=True)


def attention(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, probability: float) -> Tensor:
    """Scaled dot-product attention with dropout of its weights, for tensors that are `quick`.

    Head by head, so that the weights of one stay in the cache.

    Args:
        query: (batch, heads, frames, size).
        key: as ``query``.
        value: as ``query``.
        mask: (batch, 1, frames or 1, frames) booleans, true for keys that are seen; None where all are.
        probability: that a weight is dropped.

    Returns:
        (batch, heads, frames, size).
    """
    out: Tensor = _Attention.apply(query, key, value, mask, probability)  # type: ignore[no-untyped-call] # torch's
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
    @once_differentiable  # type: ignore[untyped-decorator] # torch's
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        for_x, for_weight, for_bias = ctx.needs_input_grad
        rows = gradient.flatten(0, -2)
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
    @once_differentiable  # type: ignore[untyped-decorator] # torch's
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, flat = ctx.saved_tensors
        kernel, stride = ctx.kernel, ctx.stride
        for_x, for_weight, for_bias, _ = ctx.needs_input_grad
        _, frames, channels = x.shape
        of_x = torch.zeros_like(x) if for_x else None
        of_weight = torch.zeros_like(flat)
        for row, first, windows in _windows(x, kernel, stride):
            part = gradient[row, first : first + CHUNK]
            if for_weight:
                of_weight += _product(part.T, windows.contiguous().T)
            if of_x is not None:
                spread = _product(part, flat.T)
                for tap in range(0, kernel, stride):  # the windows of one tap and its followers do not overlap
                    size = min(stride, kernel - tap) * channels
                    start = (row * frames + first * stride + tap) * channels
                    place = of_x.as_strided((len(part), size), (stride * channels, 1), start)
                    place += spread[:, tap * channels : tap * channels + size]
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
    @once_differentiable  # type: ignore[untyped-decorator] # torch's
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
        batch, heads, frames, size = query.shape
        weights = query.new_empty(batch, heads, frames, frames)
        keep = torch.empty(weights.shape, dtype=torch.bool)
        out = torch.empty_like(query)
        for place in np.ndindex(batch, heads):
            scores = _product(query[place] * size**-0.5, key[place])
            if mask is not None:
                scores.masked_fill_(~mask[place[0], 0], -torch.inf)
            weights[place] = scores.softmax(-1)
            keep[place] = kept(scores.shape, probability)
            out[place] = _product(dropped(weights[place], keep[place], probability), value[place].T)
        ctx.save_for_backward(query, key, value, weights, keep)
        ctx.probability = probability
        return out

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator] # torch's
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, weights, keep = ctx.saved_tensors
        of_query, of_key, of_value = (torch.empty_like(each) for each in (query, key, value))
        scale = query.shape[-1] ** -0.5
        for place in np.ndindex(*query.shape[:2]):
            own, drop = gradient[place].contiguous(), (keep[place], ctx.probability)
            of_value[place] = _product(own.T, dropped(weights[place], *drop).T).T
            of_weights = dropped(_product(own, value[place]), *drop)
            of_scores = torch._softmax_backward_data(of_weights, weights[place], -1, torch.float32)  # noqa: SLF001 - no public name
            of_query[place] = _product(of_scores, key[place].T) * scale
            of_key[place] = _product(query[place].T * scale, of_scores.T).T
        return of_query, of_key, of_value, None, None
