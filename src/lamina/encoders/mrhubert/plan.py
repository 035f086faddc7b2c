"""Blocks, levels and taps of a config by grid arithmetic alone: no weights, no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from lamina.encoders.encoder import Tap
from lamina.grid import Grid

Ratio = tuple[int, int]


class Shape(Protocol):
    """What of a config decides where frames lie."""

    label_rate_ratios: list[int]
    block_layers: list[int]
    conv_kernel: list[int]
    conv_stride: list[int]
    adapter_kernel: int
    hidden_size: int
    sampling_rate: int
    do_stable_layer_norm: bool


@dataclass(frozen=True, slots=True)
class LayerBlock:
    """One stack of transformer layers.

    Attributes:
        name: role and period, such as ``enc20``; a letter is added where two levels have one period.
        role: ``enc``, ``mid`` or ``dec``; plain HuBERT has one block of role ``enc``.
        level: of its frames, 0 is the finest.
        layers: how many it has.
        grid: where its taps lie.
        inner: the frames that it runs over: a decoder sees all frames that its upsampler made, one or a few more
            than its level has, before they are cut to be added to the encoder's.
        sampling: the (up, down) change of rate before it, None for the first block.
    """

    name: str
    role: str
    level: int
    layers: int
    grid: Grid
    inner: Grid
    sampling: Ratio | None

    @property
    def layer_names(self) -> list[str]:
        """The names of the taps at its layers' outputs, counted from 1."""
        return [f"{self.name}.{layer + 1}" for layer in range(self.layers)]


def front(shape: Shape) -> Grid:
    """The grid of the convolutional front end."""
    grid = Grid.samples(shape.sampling_rate)
    for kernel, stride in zip(shape.conv_kernel, shape.conv_stride, strict=True):
        grid = grid.conv(kernel, stride)
    return grid


def sampled(grid: Grid, ratio: Ratio, kernel: int) -> Grid:
    """The grid after a change of rate: repeated ``up`` times, then a centred convolution of stride ``down``.

    The transposed convolution's own branch lags by (kernel - 1) / 2 repeated frames (fairseq pads one side only);
    the skips that it is added to do not, and they are what the grid follows.
    """
    up, down = ratio
    return grid.repeat(up).conv(kernel, down, (kernel - 1) // 2)


def ratios(shape: Shape) -> list[Ratio]:
    """The (up, down) of each step from a level to the next coarser one."""
    flat = shape.label_rate_ratios
    return list(zip(flat[::2], flat[1::2], strict=True))


def levels(shape: Shape) -> tuple[Grid, ...]:
    """The grid of each level, finest first."""
    grids = [front(shape)]
    for ratio in ratios(shape):
        grids.append(sampled(grids[-1], ratio, shape.adapter_kernel))
    return tuple(grids)


def blocks(shape: Shape) -> tuple[LayerBlock, ...]:
    """The blocks in the order they run."""
    grids, steps, kernel = levels(shape), ratios(shape), shape.adapter_kernel
    marks = _marks(grids)
    coarsest = len(grids) - 1
    run: list[LayerBlock] = []
    for index, layers in enumerate(shape.block_layers):
        down = index <= coarsest
        level = index if down else 2 * coarsest - index
        grid = inner = grids[level]
        sampling = None
        if index and down:
            sampling = steps[level - 1]
        elif index:
            sampling = (steps[level][1], steps[level][0])
            inner = sampled(grids[level + 1], sampling, kernel)
        role = "dec" if not down else "mid" if index == coarsest and coarsest else "enc"
        run.append(LayerBlock(f"{role}{marks[level]}", role, level, layers, grid, inner, sampling))
    return tuple(run)


def _marks(grids: tuple[Grid, ...]) -> list[str]:
    """The period of each level in ms as names write it; a letter follows where an encoder level shares it."""
    marks: list[str] = []
    for grid in grids[:-1]:
        period = f"{grid.period_ms:g}"
        same = sum(mark.rstrip("bcdefgh") == period for mark in marks)
        marks.append(period + ("", *"bcdefgh")[same])
    return [*marks, f"{grids[-1].period_ms:g}"]  # the middle block has a role of its own


def taps(shape: Shape) -> tuple[Tap, ...]:
    """All taps in the order of the data flow; `Tap.depth` counts them."""
    run = blocks(shape)
    found: list[tuple[str, int | str | None, Grid]] = [("front", None, run[0].grid)]
    for block in run:
        found += [(block.name, layer + 1, block.grid) for layer in range(block.layers)]
        if shape.do_stable_layer_norm:
            found.append((block.name, "norm", block.grid))
        if block.role in {"mid", "dec"}:
            found.append((block.name, "sum", block.grid))
    return tuple(
        Tap.of(name, part, depth, shape.hidden_size, grid) for depth, (name, part, grid) in enumerate(found)
    )
