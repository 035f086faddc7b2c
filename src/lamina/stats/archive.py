"""Statistics on disk: one ``.npz`` of named statistics with a format version. Writes and reads.

format                 the version of this layout
<name>::<kind>::<field>   one array a field of a statistic
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol, Self, TypeVar
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from lamina.errors import LaminaError
from lamina.files import replacing
from lamina.stats.cca import Projections
from lamina.stats.cka import ClassKernels, Kernels
from lamina.stats.information import Counts
from lamina.stats.moments import Arrays, ClassMoments, Moments

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
    return unpack(read_arrays(path, version=FORMAT, what="statistics", remedy="run the analysis again"), KINDS)


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


def write_arrays(path: Path, arrays: Arrays, *, version: int) -> None:
    """Write named arrays and the version of their layout, atomically."""
    with replacing(path) as beside, beside.open("wb") as file:
        # Names are tap names and such: they may not be Python identifiers, hence no keywords.
        np.savez(file, **{"format": np.asarray(version)} | arrays)  # type: ignore[arg-type]  # numpy's stub takes `allow_pickle` for an array


def read_arrays(path: Path, *, version: int, what: str, remedy: str) -> Arrays:
    """Read what `write_arrays` wrote; ``what`` it is and the ``remedy`` are for the error.

    Raises:
        LaminaError: the file is missing, cut off, or of another version.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays: Arrays = {key: file[key] for key in file.files}
    except (OSError, ValueError, BadZipFile) as error:
        raise LaminaError(f"cannot read {what} from {path} ({error}): {remedy}") from error
    found = int(arrays.pop("format", np.asarray(-1)))
    if found != version:
        raise LaminaError(f"{path} has format {found}, this Lamina reads format {version}: {remedy}")
    return arrays
