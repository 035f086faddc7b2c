"""Which taps a head reads, and how states at several rates come onto one grid: by the centres of their frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import lcm

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lamina.encoders.encoder import Encoder, Tap, find_taps
from lamina.errors import LaminaError
from lamina.grid import Grid
from lamina.probe.config import ProbeConfig


@dataclass(frozen=True, slots=True)
class Group:
    """Taps of one width that heads read side by side on one grid.

    Attributes:
        taps: in the order of the data flow.
        grid: of the frames that heads read.
        mixed: whether a head reads a learned weighted sum of all taps, or one tap alone.
    """

    taps: tuple[Tap, ...]
    grid: Grid
    mixed: bool


def chosen(encoder: Encoder, config: ProbeConfig) -> tuple[Tap, ...]:
    """The taps of a config: those named, else all; of them only the last of each block for ``blocks``."""
    taps = find_taps(encoder, config.taps or None)
    if config.layers != "blocks":
        return taps
    return tuple({tap.name.split(".")[0]: tap for tap in taps}.values())


def groups(encoder: Encoder, config: ProbeConfig) -> list[Group]:
    """What is read together.

    Raises:
        LaminaError: taps of different widths cannot be summed.
    """
    taps = chosen(encoder, config)
    if config.layers == "weighted":
        widths = {tap.width for tap in taps}
        if len(widths) > 1:
            raise LaminaError(
                f"{encoder.name}: taps of widths {', '.join(map(str, sorted(widths)))} cannot be summed; choose "
                "some of one width with `taps` (--taps), or read each layer (--layers each)"
            )
        ordered = sorted(taps, key=lambda tap: tap.grid.stride)
        grid = (ordered[0] if config.grid == "fine" else ordered[-1]).grid
        return [Group(taps, grid, mixed=True)]
    alike: dict[tuple[int, Grid], list[Tap]] = {}
    for tap in taps:
        alike.setdefault((tap.width, tap.grid), []).append(tap)
    return [Group(tuple(found), grid, mixed=False) for (_, grid), found in alike.items()]


@lru_cache(maxsize=4096)
def spans(source: Grid, target: Grid, have: int, want: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The frames of ``source`` that make each frame of ``target``: their mean over ``[start, stop)``.

    A coarser target frame takes the frames whose centres lie in its cell (half a period to either side of its
    centre, the later end excluded); a finer one, or one whose cell holds none, the frame whose centre is nearest.

    Args:
        source: where the states are.
        target: where they are wanted.
        have: frames of ``source`` there are, at least one.
        want: frames of ``target`` that are wanted.
    """
    # Exact: everything in whole units of the smallest fraction that occurs.
    unit = 2 * lcm(*(each.denominator for grid in (source, target) for each in (grid.stride, grid.centre)))
    stride, first = int(source.stride * unit), int(source.centre * unit)
    step, begin = int(target.stride * unit), int(target.centre * unit)
    centres = begin + step * np.arange(want, dtype=np.int64)
    nearest = np.clip(-((first + stride // 2 - centres) // stride), 0, have - 1)
    if step <= stride:
        return nearest, nearest + 1
    start, stop = (np.clip(-((first - centres + side) // stride), 0, have) for side in (step // 2, -(step // 2)))
    empty = stop <= start
    return np.where(empty, nearest, start), np.where(empty, nearest + 1, stop)


def aligned(values: Tensor, source: Grid, target: Grid, want: int) -> Tensor:
    """States (frames, width) of one utterance on the frames of ``target``, (want, width)."""
    if source == target:
        return values
    start, stop = spans(source, target, len(values), want)
    return means(values, start, stop)


def means(values: Tensor, start: NDArray[np.int64], stop: NDArray[np.int64]) -> Tensor:
    """The means of rows ``[start, stop)``, none of them empty, as float32."""
    first, last = (torch.from_numpy(np.ascontiguousarray(side)).to(values.device) for side in (start, stop))
    if bool((last - first == 1).all()):
        return values[first].float()
    sums = values.double().cumsum(0)
    sums = torch.cat([torch.zeros_like(sums[:1]), sums])
    return ((sums[last] - sums[first]) / (last - first)[:, None]).float()


def seen_everywhere(samples: int, grids: Sequence[Grid]) -> bool:
    """Whether audio of so many samples has a frame on every grid."""
    return all(grid.frames(samples) > 0 for grid in grids)
