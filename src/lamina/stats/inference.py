"""Uncertainty by resampling groups (speakers): their statistics are reweighted, no audio is read again.

The weights depend on the seed and the sorted names of the groups only, so two models scored on the same speakers
meet the same resamples and differences between them are paired.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from lamina.errors import LaminaError
from lamina.files import replacing

Floats = NDArray[np.float64]


FORMAT = 1
FILE = "replicates.npz"
ROUNDING = 1e-12  # a smaller error, of the value or of 1, is that of floating point


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


@dataclass(frozen=True, slots=True)
class Estimate:
    """A difference between encoders, and how sure it is.

    Attributes:
        value: the difference.
        error: its standard error over seeds and speakers; None where it cannot be told (one seed, one speaker, or
            all alike: that so few agree is chance, not certainty). Certain (0) is only what is ``exact``.
        freedom: degrees of freedom of that error (Satterthwaite 1946); infinite where it is known.
        exact: it was counted, not estimated.
    """

    value: float
    error: float | None
    freedom: float = inf
    exact: bool = False

    def interval(self, level: float = 0.95) -> tuple[float, float] | tuple[None, None]:
        """The ends of its interval by Student's t; (None, None) where the error is not known."""
        if self.error is None:
            return None, None
        reach = self._quantile((1 + level) / 2) * self.error
        return self.value - reach, self.value + reach

    def p_above(self, threshold: float) -> float:
        """Probability of so large a value where the true one is ``threshold`` or less."""
        from scipy.special import ndtr, stdtr

        if self.error is None or (self.error == 0 and not self.exact):
            return 1.0
        if self.error == 0:
            return 0.0 if self.value > threshold else 1.0
        t = (threshold - self.value) / self.error
        return float(ndtr(t) if self.freedom == inf else stdtr(self.freedom, t))

    def p_below(self, threshold: float) -> float:
        """Probability of so small a value where the true one is ``threshold`` or more."""
        return replace(self, value=-self.value).p_above(-threshold)

    def detectable(self, power: float = 0.8, level: float = 0.95) -> float | None:
        """The smallest true difference that is told from none with probability ``power``."""
        if self.error is None:
            return None
        return (self._quantile((1 + level) / 2) + self._quantile(power)) * self.error

    def _quantile(self, probability: float) -> float:
        from scipy.special import ndtri, stdtrit

        return float(ndtri(probability) if self.freedom == inf else stdtrit(self.freedom, probability))


def over_seeds_and_speakers(values: Floats, resampled: Floats, *, speakers: int) -> Estimate:
    """The mean of a difference over seeds, with its error over seeds and speakers.

    A hierarchical bootstrap: seeds are drawn anew, then speakers, who are the same in every cell and seed. What is
    bootstrapped over seeds is a mean, so its variance is written down, not drawn; analyses draw the speakers. Both
    variances are scaled by n / (n - 1), without which a bootstrap of few units is too sure (Efron 1979; with two
    seeds by a factor of 2), and added; their degrees of freedom too (Satterthwaite 1946).

    Args:
        values: (seeds,) the difference with each seed.
        resampled: (seeds, replicates) the same with resampled speakers; no columns where none were.
        speakers: how many were resampled; 0 where unknown, then nothing is scaled.

    Returns:
        The estimate; with one seed its error speaks of speakers only, without speakers of seeds only. It has none
        where nothing spreads at all.
    """
    seeds = len(values)
    drawn = resampled.mean(axis=0)
    drawn = drawn[np.isfinite(drawn)]
    parts: list[tuple[float, float]] = []  # variance of the mean, degrees of freedom
    if len(drawn) > 1 and speakers != 1:
        scale = speakers / (speakers - 1) if speakers else 1.0
        parts.append((float(np.var(drawn, ddof=1)) * scale, speakers - 1 if speakers else inf))
    if seeds > 1:
        parts.append((float(np.var(values, ddof=1)) / seeds, seeds - 1))
    if not parts:
        return Estimate(float(values.mean()), None)
    variance = sum(part for part, _ in parts)
    if variance**0.5 <= ROUNDING * max(1.0, abs(float(values.mean()))):
        return Estimate(float(values.mean()), None)
    spread = sum(part**2 / freedom for part, freedom in parts)
    return Estimate(float(values.mean()), variance**0.5, variance**2 / spread if spread else inf)


def holm(probabilities: Sequence[float]) -> list[float]:
    """The probabilities corrected for how many there are (Holm 1979), in the given order."""
    corrected = [0.0] * len(probabilities)
    highest = 0.0
    for rank, index in enumerate(sorted(range(len(probabilities)), key=probabilities.__getitem__)):
        highest = max(highest, min(1.0, (len(probabilities) - rank) * probabilities[index]))
        corrected[index] = highest
    return corrected


def write_replicates(folder: Path, replicates: Mapping[str, Floats], *, groups: int = 0) -> None:
    """Write resampled values by row key (``tap|measure|target``) into a run folder, atomically.

    ``groups`` is how many speakers (or groups of them) were resampled; 0 where that is not told.
    """
    path = folder / FILE
    keys = list(replicates)
    values = np.array([replicates[key] for key in keys])
    with replacing(path) as beside, beside.open("wb") as file:
        np.savez(
            file,
            format=np.asarray(FORMAT),
            groups=np.asarray(groups),
            keys=np.asarray(keys, dtype=np.str_),
            values=values,
        )


def read_replicates(folder: Path) -> dict[str, Floats]:
    """Read what `write_replicates` wrote.

    Raises:
        LaminaError: the file is missing, cut off, or of another version.
    """
    return _read(folder)[0]


def read_groups(folder: Path) -> int:
    """How many speakers (or groups of them) were resampled; 0 where the file does not tell.

    Raises:
        LaminaError: as `read_replicates`.
    """
    return _read(folder)[1]


def _read(folder: Path) -> tuple[dict[str, Floats], int]:
    path = folder / FILE
    try:
        with np.load(path, allow_pickle=False) as file:
            if int(file["format"]) != FORMAT:
                raise LaminaError(f"{path} has format {int(file['format'])}, not {FORMAT}: run the analysis again")
            values = dict(zip(file["keys"].tolist(), file["values"], strict=True))
            return values, int(file["groups"]) if "groups" in file else 0
    except (OSError, ValueError, KeyError, BadZipFile) as error:
        raise LaminaError(f"cannot read replicates from {path} ({error}): run the analysis again") from error
