"""What an unfinished pass has accumulated: merged over processes and machines, kept on disk to go on from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from operator import add
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lamina.errors import LaminaError
from lamina.stats.archive import Statistic, pack, unpack
from lamina.stats.arrays import Arrays, read_arrays, write_arrays

FORMAT = 2


@dataclass(frozen=True, slots=True, eq=False)
class Sample(Statistic):
    """Rows in numbered slots, each filled once. ``+`` merges samples of which each slot is filled in one at most.

    Attributes:
        rows: (slots, width) float32, zero where nothing came yet.
    """

    rows: Tensor

    @classmethod
    def empty(cls, slots: int, width: int) -> Sample:
        """No slot filled."""
        return cls(torch.zeros(slots, width))

    def put(self, x: Tensor, slots: Tensor) -> None:
        """Fill slots (n,) with rows x (n, width), in place; -1 means none."""
        chosen = slots >= 0
        self.rows[slots[chosen]] = x[chosen].float()

    def finite(self) -> Tensor:
        """The rows.

        Raises:
            LaminaError: some value is not finite.
        """
        if not bool(torch.isfinite(self.rows).all()):
            raise LaminaError("states hold values that are not finite: look for NaN or overflow in the states")
        return self.rows

    def __add__(self, other: Sample) -> Sample:
        return Sample(self.rows + other.rows)


@dataclass(frozen=True, slots=True, eq=False)
class Totals(Statistic):
    """Sums of rows in numbered cells, and how many rows they are of.

    Attributes:
        sums: (cells, width) float64.
        counts: (cells,).
    """

    sums: Tensor
    counts: Tensor

    @classmethod
    def empty(cls, cells: int, width: int) -> Totals:
        """Of no rows."""
        return cls(torch.zeros(cells, width, dtype=torch.float64), torch.zeros(cells, dtype=torch.int64))

    def put(self, x: Tensor, cells: Tensor) -> None:
        """Add rows x (n, width) to their cells (n,), in place."""
        self.sums.index_add_(0, cells, x.double())
        self.counts.index_add_(0, cells, torch.ones_like(cells))

    @property
    def n(self) -> int:
        """How many rows there are."""
        return int(self.counts.sum())

    def __add__(self, other: Totals) -> Totals:
        return Totals(self.sums + other.sums, self.counts + other.counts)


NEVER = 1 << 62


@dataclass(frozen=True, slots=True, eq=False)
class First(Statistic):
    """The first of some utterances, by place, at which something was met; `NEVER` where it was at none."""

    place: int = NEVER

    def __add__(self, other: First) -> First:
        return First(min(self.place, other.place))


@dataclass(frozen=True, slots=True, eq=False)
class Progress:
    """Where a pass stands.

    Attributes:
        plan: digest of everything that decides on the sums.
        phase: 0 while the fit utterances are read, 1 while those are that are scored apart.
        shard: which part of all batches these sums are of, ``(number from 1, of how many)``.
        done: how many of its batches the sums hold.
        sums: by reading and instrument.
    """

    plan: str
    phase: int
    shard: tuple[int, int]
    done: int
    sums: dict[str, Statistic]

    def write(self, path: Path) -> None:
        """Write to ``path`` (``.npz``), atomically."""
        place = np.asarray([self.phase, *self.shard, self.done])
        write_arrays(path, {"plan": np.asarray(self.plan), "place": place} | pack(self.sums), version=FORMAT)

    @classmethod
    def read(cls, path: Path) -> Progress:
        """Read what `write` wrote.

        Raises:
            LaminaError: the file is missing, cut off, or of another version.
        """

        def make(arrays: Arrays) -> Progress:
            phase, number, count, done = arrays.pop("place").tolist()
            return cls(str(arrays.pop("plan")), phase, (number, count), done, unpack(arrays))

        return read_arrays(path, make, version=FORMAT, what="unfinished sums", remedy="run that part again")


def memory(sums: Mapping[str, Statistic]) -> int:
    """Bytes that sums take."""
    return sum(array.nbytes for held in sums.values() for array in held.to_arrays().values())


def merge_all(parts: list[dict[str, Statistic]]) -> dict[str, Statistic]:
    """The sums of several parts together, in the order given."""
    whole = dict(parts[0])
    for part in parts[1:]:
        if part.keys() != whole.keys():
            raise AssertionError("parts of one analysis hold the same sums")
        for name, held in part.items():
            whole[name] = whole[name] + held
    return whole


def reduce_over_processes(sums: dict[str, Statistic]) -> dict[str, Statistic]:
    """The sums of all processes of this group together, the same in each; one statistic at a time."""
    import torch.distributed as group

    if not (group.is_available() and group.is_initialized()):
        return sums
    whole: dict[str, Statistic] = {}
    for name, held in sums.items():
        everyone: list[Arrays] = [{} for _ in range(group.get_world_size())]
        group.all_gather_object(everyone, held.to_arrays())
        found = [type(held).from_arrays(arrays) for arrays in everyone]
        whole[name] = reduce(add, found)
    return whole
