"""Which frames a segment owns, where two grids meet, and means over runs of frames: exact, in whole numbers.

Whole batches at once, no loops over utterances. A segment ``[onset, offset)`` owns the frames whose centres lie
in it (`lamina.grid.Grid.owned`); a coarse frame's cell is ``[centre - stride / 2, centre + stride / 2)``, so cells
of one grid abut.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from math import lcm

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lamina.grid import Grid

Ints = NDArray[np.int64]


def bounds(grid: Grid, onsets: Ints, offsets: Ints, frames: Ints) -> tuple[Ints, Ints]:
    """First frame of each segment and the first beyond it; equal where it owns none.

    Args:
        grid: where frames lie.
        onsets: (segments,) first sample of each, at the grid's sample rate.
        offsets: (segments,) first sample beyond each.
        frames: (segments,) how many frames its utterance has.
    """
    unit = lcm(grid.centre.denominator, grid.stride.denominator)
    centre, stride = int(grid.centre * unit), int(grid.stride * unit)
    # ceil((position - centre) / stride) in whole numbers.
    start = np.clip(-((centre - onsets * unit) // stride), 0, frames)
    stop = np.clip(-((centre - offsets * unit) // stride), 0, frames)
    return start, np.maximum(start, stop)


def centres(grid: Grid, frames: Ints) -> Ints:
    """(frames,) the sample in which each frame's centre lies: the centre, rounded down."""
    unit = lcm(grid.centre.denominator, grid.stride.denominator)
    places: Ints = (int(grid.centre * unit) + int(grid.stride * unit) * frames) // unit
    return places


def cells(fine: Grid, coarse: Grid, fine_frames: int, coarse_frames: int) -> tuple[Ints, Ints]:
    """For one utterance: first fine frame in the cell of each coarse frame, and the first beyond it."""
    unit = lcm(*(2 * value.denominator for value in (fine.centre, fine.stride, coarse.centre, coarse.stride)))
    first, step = int((coarse.centre - coarse.stride / 2) * unit), int(coarse.stride * unit)
    centre, stride = int(fine.centre * unit), int(fine.stride * unit)
    edges = first + step * np.arange(coarse_frames + 1, dtype=np.int64)
    places = np.clip(-((centre - edges) // stride), 0, fine_frames)
    return places[:-1], places[1:]


def met(mine: Grid, frames: Ints, other: Grid, counts: Ints) -> tuple[Ints, tuple[Ints, Ints], tuple[Ints, Ints]]:
    """Where two grids meet: frames of the coarser one (``mine`` if equal), against the finer one's in their cells.

    Frames whose cell holds none are left out: at the very ends, where one grid has no frames any more.

    Args:
        mine: one grid.
        frames: (utterances,) how many frames of it there are.
        other: the other grid.
        counts: (utterances,) how many frames of that there are.

    Returns:
        The utterance of each row, and first frame and first beyond on ``mine`` and on ``other``, all (rows,).
    """
    slow = mine.stride >= other.stride
    coarse, fine, few, many = (mine, other, frames, counts) if slow else (other, mine, counts, frames)
    first, beyond = cells(fine, coarse, int(many.max(initial=0)), int(few.max(initial=0)))
    items = np.repeat(np.arange(len(few)), few)
    place = np.arange(len(items)) - np.repeat(np.cumsum(few) - few, few)
    start, stop = (np.minimum(edge[place], many[items]) for edge in (first, beyond))
    seen = stop > start
    narrow, wide = (place[seen], place[seen] + 1), (start[seen], stop[seen])
    return items[seen], *((narrow, wide) if slow else (wide, narrow))


def narrowed(pooling: str, grid: Grid, onsets: Ints, offsets: Ints, start: Ints, stop: Ints) -> tuple[Ints, Ints]:
    """Which of the frames that each segment owns are averaged; never none of them.

    ``all``: every one. ``middle``: the middle third (a third of the frames, rounded down, is left out on either
    side). ``centre``: the one nearest the segment's middle, the earlier of two. ``quarter1`` to ``quarter4``: a
    quarter of the frames; segments of fewer than four frames share them between quarters.

    Args:
        pooling: one of those names.
        grid: where frames lie.
        onsets: (segments,) first sample of each.
        offsets: (segments,) first sample beyond each.
        start: (segments,) first frame owned (see `bounds`).
        stop: (segments,) first frame beyond; greater than ``start``.
    """
    owned = stop - start
    if pooling == "middle":
        return start + owned // 3, stop - owned // 3
    if pooling == "centre":
        unit = 2 * lcm(grid.centre.denominator, grid.stride.denominator)
        centre, stride = int(grid.centre * unit), int(grid.stride * unit)
        # ceil(x - 1/2) is the nearest whole number, the lower of two.
        place = -((2 * centre + stride - (onsets + offsets) * unit) // (2 * stride))
        place = np.clip(place, start, stop - 1)
        return place, place + 1
    if pooling.startswith("quarter"):
        quarter = int(pooling.removeprefix("quarter"))
        first = start + owned * (quarter - 1) // 4
        return first, np.maximum(start + owned * quarter // 4, first + 1)
    return start, stop


def nearest(fine: Grid, coarse: Grid, fine_frames: int, coarse_frames: int) -> Ints:
    """(coarse_frames,) the fine frame whose centre is nearest to that of each coarse one, the earlier of two."""
    unit = lcm(*(value.denominator for value in (fine.centre, fine.stride, coarse.centre, coarse.stride)))
    centres = int(coarse.centre * unit) + int(coarse.stride * unit) * np.arange(coarse_frames, dtype=np.int64)
    centre, stride = int(fine.centre * unit), int(fine.stride * unit)
    places: Ints = np.clip(-((2 * centre + stride - 2 * centres) // (2 * stride)), 0, fine_frames - 1)
    return places


def decimated_bounds(
    fine: Grid, coarse: Grid, onsets: Ints, offsets: Ints, frames: Ints, coarse_frames: Ints
) -> tuple[Ints, Ints]:
    """As `bounds`, in frames of a grid decimated to a coarser one: frames lie where their fine frame lies."""
    start, stop = bounds(fine, onsets, offsets, frames)
    places = nearest(fine, coarse, int(frames.max(initial=1)), int(coarse_frames.max(initial=0)))
    first, beyond = (np.minimum(np.searchsorted(places, edge), coarse_frames) for edge in (start, stop))
    return first, beyond


def frame_counts(grid: Grid, samples: Ints) -> Ints:
    """(utterances,) frames that the grid makes of so many samples each."""
    counts = np.asarray(samples, dtype=np.int64)
    for up, add, down in grid.steps:
        counts = np.maximum(0, (counts * up + add) // down)
    return counts


def seen_everywhere(
    grids: Iterable[Grid], onsets: Ints, offsets: Ints, samples: Ints, *, matched: Grid | None = None
) -> NDArray[np.bool_]:
    """(segments,) which segments every grid sees: own a frame on each, and after decimation where that is asked.

    Args:
        grids: of everything that is compared.
        onsets: (segments,) first sample of each.
        offsets: (segments,) first sample beyond each.
        samples: (segments,) length of each one's utterance.
        matched: the grid that finer ones are also decimated to.
    """
    lengths, whose = np.unique(samples, return_inverse=True)
    seen = np.ones(len(onsets), dtype=bool)
    for grid in dict.fromkeys(grids):
        frames = frame_counts(grid, lengths)[whose]
        start, stop = bounds(grid, onsets, offsets, frames)
        seen &= stop > start
        if matched is not None and grid.stride < matched.stride:
            fewer = frame_counts(matched, lengths)[whose]
            start, stop = decimated_bounds(grid, matched, onsets, offsets, frames, fewer)
            seen &= stop > start
    return seen


def long_enough(samples: int, grids: Iterable[Grid]) -> bool:
    """Whether audio of so many samples has a frame on every grid."""
    return all(grid.frames(samples) > 0 for grid in grids)


@lru_cache(maxsize=4096)
def spans(source: Grid, target: Grid, have: int, want: int) -> tuple[Ints, Ints]:
    """The frames of ``source`` that make each frame of ``target``: their mean over ``[start, stop)``.

    A coarser target frame takes the frames in its cell; a finer one, or one whose cell holds none, the frame whose
    centre is nearest.

    Args:
        source: where the states are.
        target: where they are wanted.
        have: frames of ``source`` there are, at least one.
        want: frames of ``target`` that are wanted.
    """
    near = nearest(source, target, have, want)
    if target.stride <= source.stride:
        return near, near + 1
    start, stop = cells(source, target, have, want)
    empty = stop <= start
    return np.where(empty, near, start), np.where(empty, near + 1, stop)


def aligned(values: Tensor, source: Grid, target: Grid, want: int) -> Tensor:
    """States (frames, width) of one utterance on the frames of ``target``, (want, width)."""
    return values if source == target else means(values, *spans(source, target, len(values), want))


def means(values: Tensor, start: Ints, stop: Ints) -> Tensor:
    """The means of rows ``[start, stop)`` of one utterance (frames, width), none of them empty, as float32."""
    pool = Pool.of(np.zeros_like(start), start, stop, len(values))
    return pool.mean(values[None].double()).float()


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """Means over runs of frames of a padded batch, planned once a grid and used at every tap of it.

    Attributes:
        rows: frames of all runs, one run after the other, as rows of the flattened batch.
        lengths: (runs,) frames of each; None where every run is one frame.
    """

    rows: Tensor
    lengths: Tensor | None

    @classmethod
    def of(cls, items: Ints, start: Ints, stop: Ints, padded: int) -> Pool:
        """Plan the runs ``start`` to ``stop`` of utterances ``items`` in a batch of ``padded`` frames each.

        Raises:
            AssertionError: a run is empty or reaches beyond the batch.
        """
        lengths = stop - start
        if len(lengths) and (int(lengths.min()) < 1 or int(stop.max()) > padded):
            raise AssertionError("a run of frames is empty or reaches beyond its batch")
        first = items * padded + start
        if not len(lengths) or int(lengths.max()) == 1:
            return cls(torch.from_numpy(first), None)
        before = np.cumsum(lengths) - lengths
        rows = np.repeat(first - before, lengths) + np.arange(int(lengths.sum()))
        return cls(torch.from_numpy(rows), torch.from_numpy(lengths))

    def through(self, places: Tensor) -> Pool:
        """The same runs where frame k of the flattened batch stands at row ``places[k]`` of another."""
        return Pool(places[self.rows], self.lengths)

    def mean(self, values: Tensor) -> Tensor:
        """(runs, width) means of values (batch, frames, width), on the CPU."""
        taken = values.reshape(-1, values.shape[2])[self.rows.to(values.device)]
        if self.lengths is not None:
            wide = taken.to(torch.promote_types(taken.dtype, torch.float32))
            taken = torch.segment_reduce(wide, "mean", lengths=self.lengths.to(values.device), axis=0)
        return taken.cpu()
