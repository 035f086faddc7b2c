"""Named arrays on disk: one ``.npz`` with a format version. Writes and reads."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar
from zipfile import ZipFile

import numpy as np
from numpy.typing import NDArray

from lamina.errors import LaminaError
from lamina.files import reading, replacing

T = TypeVar("T")
Arrays = dict[str, NDArray[np.generic]]


def write_arrays(path: Path, arrays: Mapping[str, NDArray[np.generic]], *, version: int) -> None:
    """Write named arrays and the version of their layout, atomically."""
    with replacing(path) as beside, beside.open("wb") as file:
        # Names are tap names and such: they may not be Python identifiers, hence no keywords.
        np.savez(file, **{"format": np.asarray(version), **arrays})  # type: ignore[arg-type]  # numpy's stub takes `allow_pickle` for an array


def read_arrays(path: Path, make: Callable[[Arrays], T], *, version: int, what: str, remedy: str) -> T:
    """Read what `write_arrays` wrote.

    Args:
        path: of the file.
        make: what is made of the arrays; whatever it raises says that the file is damaged.
        version: of the layout.
        what: it is, for the error.
        remedy: for the error.

    Raises:
        LaminaError: the file is missing, cut off, damaged, or of another version.
    """
    with reading(path, what=what, remedy=remedy) as file:
        with ZipFile(file) as packed:  # as it was written: not packed, so that no small file fills the memory
            if sum(each.file_size for each in packed.infolist()) > os.fstat(file.fileno()).st_size:
                raise LaminaError(f"{path} is packed, as no {what} are that Lamina wrote: {remedy}")
        file.seek(0)
        with np.load(file, allow_pickle=False) as held:
            arrays = {key: held[key] for key in held.files}
        found = int(arrays.pop("format"))
        if found != version:
            raise LaminaError(f"{path} has format {found}, this Lamina reads format {version}: {remedy}")
        return make(arrays)
