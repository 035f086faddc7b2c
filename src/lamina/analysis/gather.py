"""Which rows of a batch answer which question."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lamina.analysis import pasad
from lamina.analysis.targets import Target
from lamina.corpus.batches import Batch
from lamina.corpus.splits import Roles
from lamina.encoders.encoder import States
from lamina.frames import Ints, Pool, bounds, decimated_bounds, frame_counts, met, narrowed, nearest
from lamina.grid import Grid

PUBLISHED = "published"  # frames by index and their middle third, as protocol pasad has it


@dataclass(frozen=True, slots=True)
class View:
    """One way to read a tap against a target.

    Attributes:
        target: against what.
        pooling: which frames of a segment are averaged; ``all`` for frame targets.
        matched: the coarser grid that the tap is decimated to; None to read it at its own rate.
        frames: whether the target is frames (of mel, a tap, an encoder) rather than segments.
    """

    target: str
    pooling: str = "all"
    matched: Grid | None = None
    frames: bool = False

    @property
    def support(self) -> str:
        """The ``support`` column: ``common`` segments, ``native`` frames or ``decimated`` ones; the pooling."""
        if self.pooling == PUBLISHED:
            return PUBLISHED
        base = "decimated" if self.matched else "native" if self.frames else "common"
        return base if self.pooling == "all" else f"{base}-{self.pooling}"


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """The rows of a batch that answer one question on one grid.

    Attributes:
        pool: which frames make each row.
        side: what the states are held against: vectors (n, size), or labels (labellings, n).
        keys: (n,) the part or fold (fit rows) or speaker group (score rows) of each row.
        slots: (n,) place in the codebook's sample, -1 outside it; None for frames.
    """

    pool: Pool
    side: Tensor
    keys: Tensor
    slots: Tensor | None


class Gather:
    """The rows of one batch; what taps of one grid share is worked out once.

    Args:
        batch: some utterances of one role.
        roles: who is fitted on and scored, for targets that do not say otherwise.
        targets: by name, the segment targets.
        others: by name, the states of the batch that frame targets are held against; may be filled on the way.
        fitting: whether the utterances are those to fit on.
    """

    def __init__(
        self,
        batch: Batch,
        roles: Roles,
        targets: Mapping[str, Target],
        others: Mapping[str, States],
        *,
        fitting: bool,
    ) -> None:
        self._batch, self._roles, self._targets, self._others = batch, roles, targets, others
        self._fitting = fitting
        self._rows: dict[tuple[View, Grid], Rows] = {}

    def rows(self, view: View, states: States) -> Rows:
        """The rows that answer ``view`` on the grid of these states."""
        key = (view, states.tap.grid)
        if key not in self._rows:
            self._rows[key] = self._framed(view, states) if view.frames else self._segmented(view, states)
        return self._rows[key]

    def _keys(self, roles: Roles, items: Ints) -> Tensor:
        keys = np.array([roles.keys.get(utterance.id, 0) for utterance in self._batch.utterances], dtype=np.int64)
        return torch.from_numpy(keys[items])

    def _segmented(self, view: View, states: States) -> Rows:
        target = self._targets[view.target]
        segments = target.fit if self._fitting or target.roles.folded else target.score
        numbers, items = segments.of(self._batch.utterances)
        grid, frames = self._grid(view, states)
        onsets, offsets = segments.onsets[numbers], segments.offsets[numbers]
        if view.pooling == PUBLISHED:
            middle = pasad.MIDDLE.get(view.target, "all")
            owned = pasad.frames(grid, onsets, offsets, frames[items], middle=middle)
        elif view.matched is None:
            owned = bounds(grid, onsets, offsets, frames[items])
        else:
            counts = states.lengths.cpu().numpy().astype(np.int64)[items]
            owned = decimated_bounds(states.tap.grid, grid, onsets, offsets, counts, frames[items])
        start, stop = narrowed(view.pooling, grid, onsets, offsets, *owned)
        labels = torch.from_numpy(segments.labels[:, numbers])
        return Rows(
            self._pool(view, states, items, start, stop),
            labels if target.table is None else target.table[labels].movedim(0, 1).flatten(1),
            self._keys(target.roles, items) if segments.keys is None else torch.from_numpy(segments.keys[numbers]),
            torch.from_numpy(segments.slots[numbers]),
        )

    def _framed(self, view: View, states: States) -> Rows:
        """Frames of the coarser of two grids, against the mean of the finer one's frames in each one's cell.

        Frames whose cell holds none are left out: at the very ends, where one grid has no frames any more.
        """
        other = self._others[view.target]
        grid, frames = self._grid(view, states)
        row, own, others = met(grid, frames, other.tap.grid, other.lengths.cpu().numpy().astype(np.int64))
        pool = self._pool(view, states, row, *own)
        side = Pool.of(row, *others, other.values.shape[1]).mean(other.values)
        return Rows(pool, side, self._keys(self._roles, row), None)

    def _grid(self, view: View, states: States) -> tuple[Grid, Ints]:
        """The grid that a view reads, and how many frames of it each utterance has."""
        if view.matched is None:
            return states.tap.grid, states.lengths.cpu().numpy().astype(np.int64)
        return view.matched, frame_counts(view.matched, self._batch.lengths.numpy())

    def _pool(self, view: View, states: States, items: Ints, start: Ints, stop: Ints) -> Pool:
        padded = states.values.shape[1]
        if view.matched is None:
            return Pool.of(items, start, stop, padded)
        _, coarse = self._grid(view, states)
        width = max(1, int(coarse.max()))
        places = np.zeros((len(coarse), width), dtype=np.int64)
        for item, (many, few) in enumerate(zip(states.lengths.tolist(), coarse.tolist(), strict=True)):
            places[item, :few] = item * padded + nearest(states.tap.grid, view.matched, many, few)
        return Pool.of(items, start, stop, width).through(torch.from_numpy(places.reshape(-1)))
