"""Statistics on disk: one ``.npz`` of named statistics with a format version. Writes and reads.

format                 the version of this layout
<name>::<kind>::<field>   one array a field of a statistic
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from lamina.stats.arrays import Arrays, read_arrays, write_arrays
from lamina.stats.cca import Projections
from lamina.stats.cka import ClassKernels, Kernels
from lamina.stats.information import Counts
from lamina.stats.moments import ClassMoments, Moments

FORMAT = 2

Statistic = Moments | ClassMoments | Kernels | ClassKernels | Counts | Projections
KINDS: dict[str, type[Statistic]] = {
    Moments.kind: Moments,
    ClassMoments.kind: ClassMoments,
    Kernels.kind: Kernels,
    ClassKernels.kind: ClassKernels,
    Counts.kind: Counts,
    Projections.kind: Projections,
}


class Packed(Protocol):
    """What is kept as named arrays."""

    @property
    def kind(self) -> str:
        """What it is."""

    def to_arrays(self) -> Arrays:
        """Named arrays."""

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> Self:
        """What `to_arrays` described."""


P = TypeVar("P", bound=Packed)


def write_statistics(path: Path, statistics: Mapping[str, Statistic]) -> None:
    """Write named statistics to ``path`` (``.npz``), atomically."""
    write_arrays(path, pack(statistics), version=FORMAT)


def read_statistics(path: Path) -> dict[str, Statistic]:
    """Read what `write_statistics` wrote.

    Raises:
        LaminaError: the file is missing, cut off, or of another version.
    """
    remedy = "run the analysis again"
    return read_arrays(path, lambda held: unpack(held, KINDS), version=FORMAT, what="statistics", remedy=remedy)


def pack(held: Mapping[str, Packed]) -> Arrays:
    """The arrays of named statistics."""
    return {
        f"{name}::{each.kind}::{field}": array
        for name, each in held.items()
        for field, array in each.to_arrays().items()
    }


def unpack(arrays: Arrays, kinds: Mapping[str, type[P]]) -> dict[str, P]:
    """The named statistics that `pack` described."""
    found: dict[tuple[str, str], Arrays] = {}
    for key, array in arrays.items():
        name, kind, field = key.split("::")
        found.setdefault((name, kind), {})[field] = array
    return {name: kinds[kind].from_arrays(held) for (name, kind), held in found.items()}
