"""Uncertainty by resampling groups (speakers): their statistics are reweighted, no audio is read again.

The weights depend on the seed and the sorted names of the groups only, so two models scored on the same speakers
meet the same resamples and differences between them are paired.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lamina.runs import check_file
from lamina.stats.arrays import Arrays, read_arrays, write_arrays

Floats = NDArray[np.float64]
FORMAT = 4
ROUGH = 5  # below so many groups an interval is told to be rough
FILE = "replicates.npz"
HALVINGS = 10  # of the groups, to choose a layer on one half and score it on the other
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


def halvings(names: Sequence[str]) -> Floats:
    """The groups in halves, ten times over: what is chosen on one half is scored on the other.

    Args:
        names: the groups, each once, in any order.

    Returns:
        (2 * HALVINGS, groups) weights, columns in the order of the sorted names: a half, then the other. Those of
        a half sum to the number of groups, as those of a resample do. No rows for one group.
    """
    ordered = sorted(names)
    count, key = len(ordered), hashlib.sha256("\n".join(["halves", *ordered]).encode()).digest()
    if count < 2:
        return np.zeros((0, count))
    generator = np.random.default_rng(int.from_bytes(key[:8], "big"))
    weights = np.zeros((2 * HALVINGS, count))
    for row in range(0, 2 * HALVINGS, 2):
        order = generator.permutation(count)
        for half, mine in enumerate((order[: count // 2], order[count // 2 :])):
            weights[row + half, mine] = count / len(mine)
    return weights


def draw_name(*weights: NDArray[np.int64]) -> str:
    """A name of resamples: equal where all weights are, so that replicates of equal name are paired."""
    return hashlib.sha256(b"".join(str(each.shape).encode() + each.tobytes() for each in weights)).hexdigest()[:16]


def resampled_ratios(parts: Floats, wholes: Floats, owners: Sequence[str], weights: Floats) -> Floats:
    """A sum over items divided by another, in each resample of their owners; not a number where none was drawn.

    Args:
        parts: (items,) what is counted.
        wholes: (items,) out of how much.
        owners: (items,) whose each item is.
        weights: (replicates, names) how often each owner counts, in the order of the sorted names.

    Returns:
        (replicates,) ratios.
    """
    names, place = np.unique(np.asarray(owners), return_inverse=True)
    above, below = (np.bincount(place, each, len(names)) for each in (parts, wholes))
    with np.errstate(invalid="ignore", divide="ignore"):
        drawn: Floats = (weights @ above) / (weights @ below)
    return drawn


class Replicates(dict[str, Floats]):
    """Resampled values by row key (``tap|measure|target``, …), and what was resampled for each.

    Attributes:
        groups: by key, how many units were drawn: speakers, or groups, folds or parts of them; 0 where unknown.
        draws: by key, the name of the resamples (`draw_name`).
        halves: by key, the value on each half of the groups (`halvings`); not a number where it was not told.
    """

    def __init__(self) -> None:
        super().__init__()
        self.groups: dict[str, int] = {}
        self.draws: dict[str, str] = {}
        self.halves: dict[str, Floats] = {}

    def put(self, key: str, values: Floats, groups: int, draw: str, halves: Floats | None = None) -> None:
        """Take the replicates of a row."""
        self[key], self.groups[key], self.draws[key] = values, groups, draw
        self.halves[key] = np.full(2 * HALVINGS, np.nan) if halves is None or not len(halves) else halves

    def join(self, other: Replicates) -> None:
        """Take the rows of another that are not here yet."""
        for key, values in other.items():
            if key not in self:
                self.put(key, values, other.groups[key], other.draws[key], other.halves[key])


def interval(
    value: float, replicates: Floats, *, groups: int, level: float = 0.95
) -> tuple[float, float] | tuple[None, None]:
    """The interval of a value by the standard error of its replicates and Student's t.

    A bootstrap of G groups is too sure by ``sqrt((G - 1) / G)`` (Efron 1979) and knows its error with G - 1
    degrees of freedom only, so ``value ± t(G - 1) * sd * sqrt(G / (G - 1))``; with five groups that is 1.6 times
    as wide as percentiles are.

    Args:
        value: where it is centred.
        replicates: (replicates,) resampled values; those that are not finite are left out.
        groups: how many groups were drawn; 0 where unknown, then nothing is corrected.
        level: coverage.

    Returns:
        Its ends; (None, None) with one group or fewer than two finite replicates.
    """
    finite = replicates[np.isfinite(replicates)]
    if len(finite) < 2 or groups == 1:
        return None, None
    error = float(finite.std(ddof=1)) * few_groups(groups)
    return Estimate(value, error, groups - 1 if groups else inf).interval(level)


def few_groups(groups: int) -> float:
    """``sqrt(G / (G - 1))``, by which a bootstrap of G groups is too sure; 1 where G is unknown (0)."""
    return (groups / (groups - 1)) ** 0.5 if groups > 1 else 1.0


def as_t(strays: Floats, groups: int) -> Floats:
    """Strays in standard errors as Student's t (G - 1) makes them: larger, but no likelier; unchanged with 0."""
    from scipy.special import ndtr, stdtrit

    return np.asarray(-stdtrit(groups - 1, ndtr(-strays))) if groups > 1 else strays


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


def write_replicates(folder: Path, replicates: Replicates) -> None:
    """Write resampled values and what was resampled into a run folder, atomically."""
    keys = list(replicates)
    arrays = {
        "keys": np.asarray(keys, dtype=np.str_),
        "values": np.array([replicates[key] for key in keys], dtype=np.float64),
        "groups": np.array([replicates.groups[key] for key in keys], dtype=np.int64),
        "draws": np.asarray([replicates.draws[key] for key in keys], dtype=np.str_),
        "halves": np.array([replicates.halves[key] for key in keys], dtype=np.float64),
    }
    write_arrays(folder / FILE, arrays, version=FORMAT)


def read_replicates(folder: Path) -> Replicates:
    """Read what `write_replicates` wrote.

    Raises:
        LaminaError: the file is missing, cut off, of another version, or not as its run left it.
    """

    def make(held: Arrays) -> Replicates:
        found = Replicates()
        columns = (held[name].tolist() for name in ("keys", "groups", "draws"))
        tables = (held[name].astype(np.float64) for name in ("values", "halves"))
        for key, groups, draw, values, halves in zip(*columns, *tables, strict=True):
            found.put(str(key), values, int(groups), str(draw), halves)
        return found

    check_file(folder / FILE)
    return read_arrays(folder / FILE, make, version=FORMAT, what="replicates", remedy="run the analysis again")


def rough(groups: int, what: str = "speakers") -> str:
    """A note where intervals resample too few groups to mean much, else an empty text."""
    return f"intervals over {groups} {what} are rough" if 1 < groups < ROUGH else ""
