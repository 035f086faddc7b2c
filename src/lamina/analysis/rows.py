"""Which rows of a batch answer which question."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lamina.analysis.targets.given import Given
from lamina.analysis.targets.segments import EACH, Segmented
from lamina.analysis.targets.target import Target
from lamina.analysis.targets.timed import Timed, times
from lamina.corpus.batches import Batch
from lamina.corpus.splits import Roles
from lamina.encoders.encoder import States
from lamina.frames import Ints, Pool, frame_counts, met, nearest
from lamina.grid import Grid


@dataclass(frozen=True, slots=True)
class Way:
    """One way to read a tap.

    Attributes:
        pooling: which frames of a segment are averaged; `EACH` for none, empty where rows are no segments.
        matched: the coarser grid that the tap is decimated to; None to read it at its own rate.
    """

    pooling: str = "all"
    matched: Grid | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """The rows of a batch that answer one question on one grid.

    Attributes:
        pool: which frames make each row.
        side: what the states are held against: vectors (n, size), labels (labellings, n), or none.
        keys: (n,) the part or fold (rows that are fitted on) or group (rows that are scored) of each row.
        numbers: (n,) which of the target's segments each row is, or which of their frames (`EACH`); none for
            frames of other sources.
        given: (n, size) what is known of each row already; None where nothing is.
    """

    pool: Pool
    side: Tensor
    keys: Tensor
    numbers: Tensor
    given: Tensor | None = None


class Gather:
    """The rows of one batch; what taps of one grid share is worked out once.

    Args:
        batch: some utterances of one role.
        others: by target, the states of the batch that taps are held against; may be filled on the way.
        fitting: whether the utterances are those to fit on.
    """

    def __init__(self, batch: Batch, others: Mapping[str, States], *, fitting: bool) -> None:
        self._batch, self._others, self._fitting = batch, others, fitting
        self._rows: dict[tuple[str, type[Target], Way, Grid], Rows] = {}

    def rows(self, target: Target, way: Way, states: States) -> Rows:
        """The rows of a target on the grid of these states."""
        key = (target.name, type(target), way, states.tap.grid)
        if key not in self._rows:
            if isinstance(target, Segmented):
                self._rows[key] = self._segmented(target, way, states)
            elif isinstance(target, Timed):
                self._rows[key] = self._timed(target, way, states)
            else:
                self._rows[key] = self._framed(target, way, states)
        return self._rows[key]

    def _segmented(self, target: Segmented, way: Way, states: States) -> Rows:
        held = target.fit if self._fitting or target.roles.folded else target.score
        numbers, items = held.numbers(self._batch.utterances)
        places = (held.onsets[numbers], held.offsets[numbers], held.samples[numbers])
        start, stop = target.owned(way.pooling, states.tap.grid, way.matched, *places)
        side = target.side(numbers, self._fitting)
        own = target.keys(numbers)
        if way.pooling == EACH:
            before, counts = (each[numbers] for each in target.pieces(states.tap.grid, way.matched))
            along = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
            numbers, items, start = (
                np.repeat(before, counts) + along,
                np.repeat(items, counts),
                np.repeat(start, counts) + along,
            )
            stop = start + 1
        given = self._given(target, numbers, items, places) if isinstance(target, Given) else None
        keys = self._keys(target.roles, items) if own is None else torch.from_numpy(own)
        return Rows(self._pool(way, states, items, start, stop), side, keys, torch.from_numpy(numbers), given)

    def _given(self, target: Given, numbers: Ints, items: Ints, places: tuple[Ints, Ints, Ints]) -> Tensor:
        """What is given of segments: a tier's labels in them, or the mean of another tap's frames."""
        if target.heard is None:
            return target.given(numbers, self._fitting)
        other = self._others[target.name]
        start, stop = target.owned("all", other.tap.grid, None, *places)
        return Pool.of(items, start, stop, other.values.shape[1]).mean(other.values)

    def _timed(self, target: Timed, way: Way, states: States) -> Rows:
        """Single frames, chosen by where they lie; those of a decimated tap lie where their fine frames lie."""
        at = [times(states.tap.grid, way.matched, int(samples)) for samples in self._batch.lengths]
        items, places, side, numbers = target.rows(self._batch.utterances, at)
        pool = self._pool(way, states, items, places, places + 1)
        return Rows(pool, side, self._keys(target.roles, items), numbers)

    def _framed(self, target: Target, way: Way, states: States) -> Rows:
        """Frames of the coarser of two grids, against the mean of the finer one's frames in each one's cell."""
        other = self._others[target.name]
        grid = way.matched or states.tap.grid
        row, own, others = met(grid, self._frames(grid), other.tap.grid, self._frames(other.tap.grid))
        side = Pool.of(row, *others, other.values.shape[1]).mean(other.values)
        pool = self._pool(way, states, row, *own)
        return Rows(pool, side, self._keys(target.roles, row), torch.zeros(0, dtype=torch.int64))

    def _keys(self, roles: Roles, items: Ints) -> Tensor:
        keys = np.array([roles.keys.get(utterance.id, 0) for utterance in self._batch.utterances], dtype=np.int64)
        return torch.from_numpy(keys[items])

    def _frames(self, grid: Grid) -> Ints:
        return frame_counts(grid, self._batch.lengths.numpy())

    def _pool(self, way: Way, states: States, items: Ints, start: Ints, stop: Ints) -> Pool:
        padded, grid = states.values.shape[1], states.tap.grid
        if way.matched is None:
            return Pool.of(items, start, stop, padded)
        many, few = self._frames(grid), self._frames(way.matched)
        width = max(1, int(few.max()))
        # Which fine frame each frame of the decimated batch is; beyond an utterance's end nobody looks.
        kept = nearest(grid, way.matched, int(many.max()), width)
        places = np.minimum(kept, many[:, None] - 1) + np.arange(len(many))[:, None] * padded
        return Pool.of(items, start, stop, width).through(torch.from_numpy(places.reshape(-1)))
