"""What an unfinished pass has accumulated: merged over processes and machines, kept on disk to go on from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, TypeAlias, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lamina.stats.archive import pack, unpack
from lamina.stats.arrays import Arrays, read_arrays, write_arrays
from lamina.stats.cca import Projections
from lamina.stats.cka import ClassKernels, Kernels
from lamina.stats.folds import merged
from lamina.stats.information import Counts
from lamina.stats.moments import ClassMoments, Moments

FORMAT = 1


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Rows in numbered slots, each filled once. ``+`` merges samples of which each slot is filled in one at most.

    Attributes:
        rows: (slots, width) float32, zero where nothing came yet.
    """

    rows: Tensor

    kind: ClassVar[str] = "sample"

    @classmethod
    def empty(cls, slots: int, width: int) -> Sample:
        """No slot filled."""
        return cls(torch.zeros(slots, width))

    def put(self, x: Tensor, slots: Tensor) -> None:
        """Fill slots (n,) with rows x (n, width), in place; -1 means none."""
        chosen = slots >= 0
        self.rows[slots[chosen]] = x[chosen].float()

    def __add__(self, other: Sample) -> Sample:
        return Sample(self.rows + other.rows)

    def to_arrays(self) -> Arrays:
        """Named arrays."""
        return {"rows": self.rows.numpy()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> Sample:
        """The sample that `to_arrays` described."""
        return cls(torch.from_numpy(np.array(arrays["rows"])))


Sums: TypeAlias = Moments | ClassMoments | Kernels | ClassKernels | Projections | Counts | Sample
KINDS: dict[str, type[Sums]] = {kind.kind: kind for kind in get_args(Sums)}


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
    sums: dict[str, Sums]

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
            return cls(str(arrays.pop("plan")), phase, (number, count), done, unpack(arrays, KINDS))

        return read_arrays(path, make, version=FORMAT, what="unfinished sums", remedy="run that part again")


def numbered(name: str, held: Sequence[Sums]) -> Iterator[tuple[str, Sums]]:
    """Each with its name and number."""
    return ((f"{name}{number}", each) for number, each in enumerate(held))


def merge_all(parts: list[dict[str, Sums]]) -> dict[str, Sums]:
    """The sums of several parts together, in the order given."""
    whole = dict(parts[0])
    for part in parts[1:]:
        if part.keys() != whole.keys():
            raise AssertionError("parts of one analysis hold the same sums")
        for name, held in part.items():
            whole[name] = merged([whole[name], held])
    return whole


def reduce_over_processes(sums: dict[str, Sums]) -> dict[str, Sums]:
    """The sums of all processes of this group together, the same in each; one statistic at a time."""
    import torch.distributed as group

    whole: dict[str, Sums] = {}
    for name, held in sums.items():
        everyone: list[Arrays] = [{} for _ in range(group.get_world_size())]
        group.all_gather_object(everyone, held.to_arrays())
        total = KINDS[held.kind].from_arrays(everyone[0])
        for arrays in everyone[1:]:
            total = merged([total, KINDS[held.kind].from_arrays(arrays)])
        whole[name] = total
    return whole
