"""Uncertainty by resampling groups (speakers): their statistics are reweighted, no audio is read again.

The weights depend on the seed and the sorted names of the groups only, so two models scored on the same speakers
meet the same resamples and differences between them are paired.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from lamina.errors import LaminaError
from lamina.files import replacing

Floats = NDArray[np.float64]


FORMAT = 1
FILE = "replicates.npz"


def resample_weights(names: Sequence[str], *, replicates: int, seed: int) -> NDArray[np.int64]:
    """How often each group counts in each resample (Efron 1979): ``len(names)`` groups drawn with replacement.

    Args:
        names: the groups, each once, in any order.
        replicates: how many resamples.
        seed: of the draw.

    Returns:
        (replicates, groups) weights, columns in the order of the sorted names.
    """
    ordered = sorted(names)
    key = hashlib.sha256("\n".join(ordered).encode()).digest()
    generator = np.random.default_rng([seed, int.from_bytes(key[:8], "big")])
    return generator.multinomial(len(ordered), np.full(len(ordered), 1 / len(ordered)), size=replicates)


def percentile_interval(replicates: Floats, *, level: float = 0.95) -> tuple[float, float] | tuple[None, None]:
    """The ends of the percentile interval of (replicates,) values; (None, None) where under two are finite."""
    finite = replicates[np.isfinite(replicates)]
    if len(finite) < 2:
        return None, None
    low, high = np.quantile(finite, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def paired_difference(
    first: Floats, second: Floats, *, level: float = 0.95
) -> tuple[float, float] | tuple[None, None]:
    """The interval of ``first - second``, replicates of the same resamples."""
    if first.shape != second.shape:
        raise ValueError(f"replicates of shape {first.shape} and {second.shape} are not of the same resamples")
    return percentile_interval(first - second, level=level)


def write_replicates(folder: Path, replicates: Mapping[str, Floats]) -> None:
    """Write resampled values by row key (``tap|measure|target``) into a run folder, atomically."""
    path = folder / FILE
    keys = list(replicates)
    values = np.array([replicates[key] for key in keys])
    with replacing(path) as beside, beside.open("wb") as file:
        np.savez(file, format=np.asarray(FORMAT), keys=np.asarray(keys, dtype=np.str_), values=values)


def read_replicates(folder: Path) -> dict[str, Floats]:
    """Read what `write_replicates` wrote.

    Raises:
        LaminaError: the file is missing, cut off, or of another version.
    """
    path = folder / FILE
    try:
        with np.load(path, allow_pickle=False) as file:
            if int(file["format"]) != FORMAT:
                raise LaminaError(f"{path} has format {int(file['format'])}, not {FORMAT}: run the analysis again")
            return dict(zip(file["keys"].tolist(), file["values"], strict=True))
    except (OSError, ValueError, KeyError, BadZipFile) as error:
        raise LaminaError(f"cannot read replicates from {path} ({error}): run the analysis again") from error
