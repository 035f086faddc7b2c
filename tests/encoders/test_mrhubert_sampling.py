"""Changes of rate against sums written out frame by frame, for kernels and ratios that no fixture has."""

from __future__ import annotations

import math

import pytest
import torch
from mrhubert_help import config, shake
from torch import Tensor

from lamina.encoders.mrhubert.plan import sampled
from lamina.encoders.mrhubert.sampling import Downsampling, Sampler, Upsampling
from lamina.grid import Grid


def normed(y: Tensor, gain: Tensor, bias: Tensor) -> Tensor:
    """One mean and one variance over all frames and channels (frames, width), then GELU."""
    y = (y - y.mean()) / torch.sqrt(y.var(correction=0) + 1e-5) * gain + bias
    return 0.5 * y * (1 + torch.erf(y / math.sqrt(2)))


def slow_up(part: Upsampling, x: Tensor) -> Tensor:
    """(frames, width): every input frame adds its kernel to the outputs from times x frame on."""
    times, weight = part.times, part.conv.weight.double()  # (in, out, kernel)
    kernel = weight.shape[2]
    y = torch.zeros(len(x) * times + kernel - 1, x.shape[1], dtype=torch.double)
    for frame, values in enumerate(x):
        for offset in range(kernel):
            y[frame * times + offset] += values @ weight[:, :, offset]
    y = normed(y, part.norm.weight.double(), part.norm.bias.double())
    return torch.stack([(y[place] + x[place // times]) * math.sqrt(0.4) for place in range(len(x) * times)])


def slow_down(part: Downsampling, x: Tensor) -> Tensor:
    """(frames, width): every times-th frame sees the kernel around it."""
    times, weight = part.times, part.conv.weight.double()  # (out, in, kernel)
    half = weight.shape[2] // 2
    places = range(0, len(x), times)
    y = torch.zeros(len(places), x.shape[1], dtype=torch.double)
    for index, place in enumerate(places):
        for offset in range(-half, half + 1):
            if 0 <= place + offset < len(x):
                y[index] += weight[:, :, offset + half] @ x[place + offset]
    y = normed(y, part.norm.weight.double(), part.norm.bias.double())
    return torch.stack([(y[index] + x[place]) * math.sqrt(0.4) for index, place in enumerate(places)])


@pytest.mark.parametrize("frames", [1, 2, 9, 10, 11])
@pytest.mark.parametrize("ratio", [(1, 1), (1, 2), (2, 1), (2, 5), (5, 2)])
@pytest.mark.parametrize("kernel", [1, 3, 7])
def test_a_change_of_rate_frame_by_frame(kernel: int, ratio: tuple[int, int], frames: int) -> None:
    torch.manual_seed(0)
    sampler = Sampler(
        config(adapter_kernel=kernel, hidden_size=4, num_conv_pos_embedding_groups=2), ratio, upward=False
    )
    shake(sampler)
    x = torch.randn(1, frames, 4)
    with torch.no_grad():
        found = sampler(x, None)[0]
        finer = slow_up(sampler.upsampling, x[0].double())
        coarser = slow_down(sampler.downsampling, finer)
    up, down = ratio
    highway = torch.stack([x[0, place // up] for place in range(0, frames * up, down)])
    expected = (coarser + highway) * math.sqrt(0.4)
    assert len(expected) == sampled(Grid.samples(100), ratio, kernel).frames(frames)
    torch.testing.assert_close(found.double(), expected, atol=1e-5, rtol=1e-4)


def test_plain_sampling_is_one_half() -> None:
    torch.manual_seed(0)
    settings = config(adapter_kernel=3, hidden_size=4, num_conv_pos_embedding_groups=2, plain_sampling=True)
    x = torch.randn(1, 11, 4)
    down, up = Sampler(settings, (1, 3), upward=False), Sampler(settings, (3, 1), upward=True)
    assert down.upsampling is None
    assert up.downsampling is None
    with torch.no_grad():
        torch.testing.assert_close(
            down(x, None)[0].double(), slow_down(down.downsampling, x[0].double()), atol=1e-5, rtol=1e-4
        )
        torch.testing.assert_close(
            up(x, None)[0].double(), slow_up(up.upsampling, x[0].double()), atol=1e-5, rtol=1e-4
        )
