"""Statistics on disk: one ``.npz`` of named statistics with a format version. Writes and reads.

format                 the version of this layout
<name>::<kind>::<field>   one array a field of a statistic
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
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


def write_statistics(path: Path, statistics: Mapping[str, Statistic]) -> None:
    """Write named statistics to ``path`` (``.npz``), atomically."""
    arrays: dict[str, NDArray[np.generic]] = {"format": np.asarray(FORMAT)}
    for name, statistic in statistics.items():
        for field, array in statistic.to_arrays().items():
            arrays[f"{name}::{statistic.kind}::{field}"] = array
    _write(path, arrays)


def read_statistics(path: Path) -> dict[str, Statistic]:
    """Read what `write_statistics` wrote.

    Raises:
        LaminaError: the file is missing, cut off, or of another version.
    """
    found: dict[tuple[str, str], Arrays] = {}
    for key, array in _read(path).items():
        name, kind, field = key.split("::")
        found.setdefault((name, kind), {})[field] = array
    return {name: KINDS[kind].from_arrays(arrays) for (name, kind), arrays in found.items()}


def _write(path: Path, arrays: Mapping[str, NDArray[np.generic]]) -> None:
    with replacing(path) as beside, beside.open("wb") as file:
        # Names are tap names and such: they may not be Python identifiers, hence no keywords.
        np.savez(file, **dict(arrays))  # type: ignore[arg-type]  # numpy's stub takes `allow_pickle` for an array


def _read(path: Path) -> Arrays:
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays: Arrays = {key: file[key] for key in file.files}
    except (OSError, ValueError, BadZipFile) as error:
        raise LaminaError(f"cannot read statistics from {path} ({error}): run the analysis again") from error
    version = int(arrays.pop("format", np.asarray(-1)))
    if version != FORMAT:
        raise LaminaError(
            f"{path} has format {version}, this Lamina reads format {FORMAT}: run the analysis again"
        )
    return arrays
