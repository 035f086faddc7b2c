"""Power: how large a true difference must be to be found, from the variances of an earlier run.

A difference between encoders has three sources of chance: the seed of training, the speakers that score, and what
of a speaker another seed would not repeat. `Components` takes them apart, `Components.planned` puts them together
again for other numbers of seeds and speakers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf

import numpy as np
from numpy.typing import NDArray

from lamina.stats.inference import Estimate

Floats = NDArray[np.float64]
POWER = 0.8  # found four times in five
ALPHA = 0.05
QUANTILES = 20  # of each estimated variance
MANY = 100  # seeds; beyond, more speakers are asked for
MOST = 10_000  # seeds or speakers; more is told as "no number"


@dataclass(frozen=True, slots=True)
class Prospect:
    """What a design would tell of a difference.

    Attributes:
        spread: standard deviation of the difference over repetitions of the whole study.
        parts: the variances that such a study adds up for its error, each with its degrees of freedom.
    """

    spread: float
    parts: tuple[tuple[float, float], ...]

    def power(self, distance: float, alpha: float = ALPHA) -> float:
        """How often a true difference so far from the tested threshold is told from it, two-sided at ``alpha``.

        A study estimates each part anew (chi-square) and with it the degrees of freedom (Satterthwaite 1946), so
        its bar moves: the mean is taken over quantiles of every part. One noncentral t would tell too much.
        """
        from scipy.special import ndtr

        if self.spread == 0:
            return float(distance > 0)
        return float(ndtr((distance - self._bars(alpha)) / self.spread).mean())

    def _bars(self, alpha: float) -> Floats:
        """What the difference must exceed, over quantiles of the estimated variances."""
        from scipy.special import chdtri, ndtri, stdtrit

        tails = (np.arange(QUANTILES) + 0.5) / QUANTILES
        drawn = [
            part * chdtri(freedom, tails) / freedom if freedom != inf else np.full(QUANTILES, part)
            for part, freedom in self.parts
        ]
        grid = np.meshgrid(*drawn)
        total = np.sum(grid, axis=0)
        loose = np.sum([each**2 / free for each, (_, free) in zip(grid, self.parts, strict=True)], axis=0)
        if not loose.any():
            return np.asarray(ndtri(1 - alpha / 2) * total**0.5)
        return np.asarray(stdtrit(total**2 / loose, 1 - alpha / 2) * total**0.5)

    def reach(self, alpha: float = ALPHA, power: float = POWER) -> float:
        """The smallest true distance from the tested threshold that is found with probability ``power``."""
        from scipy.optimize import brentq
        from scipy.special import ndtr, ndtri

        if self.spread == 0:
            return 0.0
        bars = self._bars(alpha)
        # There each bar is passed so often; the mean bar is passed less.
        high = float(bars.max() + ndtri(power) * self.spread)
        return float(brentq(lambda at: ndtr((at - bars) / self.spread).mean() - power, 0.0, high))


@dataclass(frozen=True, slots=True)
class Components:
    """The variances behind one difference, and how many seeds and speakers told them.

    Attributes:
        seed: between seeds, speakers aside; None where one seed was there, so that nothing is known of others.
        speaker: of one speaker's part, the same with every seed.
        both: of one speaker's part with one seed, beside the former.
        seeds, speakers: how many told it; 0 speakers where none were resampled.
    """

    seed: float | None
    speaker: float
    both: float
    seeds: int
    speakers: int

    def planned(self, seeds: int, speakers: int) -> Prospect | None:
        """What so many seeds and speakers would tell; None with one seed, which says nothing of training.

        The told error counts ``both`` with the seeds and with the speakers, as `over_seeds_and_speakers` does, so
        it is a little larger than the spread.
        """
        if self.seed is None or seeds < 2 or (self.speakers and speakers < 2):
            return None
        people = speakers if self.speakers else 0
        crossed = self.both / people / seeds if people else 0.0
        over_speakers = self.speaker / people + crossed if people else 0.0
        over_seeds = self.seed / seeds + crossed
        parts = [(over_seeds, seeds - 1.0)] + ([(over_speakers, people - 1.0)] if people else [])
        return Prospect((self.seed / seeds + over_speakers) ** 0.5, tuple(part for part in parts if part[0]))

    def seeds_for(self, distance: float, speakers: int, alpha: float = ALPHA) -> int | None:
        """How many seeds find that distance four times in five; None where no number does, or nothing is known."""
        return _fewest(lambda count: self.planned(count, speakers), distance, alpha)

    def speakers_for(self, distance: float, seeds: int, alpha: float = ALPHA) -> int | None:
        """How many speakers find that distance four times in five; None where no number does."""
        return _fewest(lambda count: self.planned(seeds, count), distance, alpha) if self.speakers else None

    def enough(self, distance: float, seeds: int, speakers: int, alpha: float = ALPHA) -> tuple[int, int] | None:
        """Seeds and speakers that find that distance four times in five: more seeds, and speakers only if need be.

        Args:
            distance: from the tested threshold.
            seeds: at least so many.
            speakers: at least so many.
            alpha: of the two-sided test.

        Returns:
            Their numbers; None where none do, or nothing is known of seeds.
        """
        people = speakers
        while people <= MOST:
            # Ten thousand seeds are no plan: rather twice the speakers than that.
            wanted = self.seeds_for(distance, people, alpha)
            if wanted is not None and (wanted <= MANY or not self.speakers):
                return max(seeds, wanted), people
            if self.seed is None or not self.speakers:
                return None
            people = max(2, 2 * people)
        return None

    def known(self, level: float = 0.8) -> tuple[float, float]:
        """Factors on every told distance, for how little so few seeds tell of their variance (chi-square)."""
        from scipy.special import chdtri

        free = self.seeds - 1
        tail = (1 - level) / 2
        return float((free / chdtri(free, tail)) ** 0.5), float((free / chdtri(free, 1 - tail)) ** 0.5)


def components(values: Floats, resampled: Floats, *, speakers: int) -> Components:
    """Take apart what a difference with each seed, and with resampled speakers, says of its variances.

    By moments: a mean over S seeds keeps a speaker's common part whole and its other part by 1 / S, so the
    variances of the mean and of single seeds tell the two apart. Negative estimates become 0.

    Args:
        values: (seeds,) the difference with each seed.
        resampled: (seeds, replicates) the same with resampled speakers; no columns where none were.
        speakers: how many were resampled.
    """
    seeds = len(values)
    drawn = resampled[:, np.isfinite(resampled).all(axis=0)] if resampled.size else resampled
    people = speakers if drawn.shape[1] > 1 and speakers > 1 else 0
    common = both = 0.0
    if people:
        scale = people / (people - 1)
        alone = float(drawn.var(axis=1, ddof=1).mean()) * scale
        mean = float(drawn.mean(axis=0).var(ddof=1)) * scale
        both = max(0.0, (alone - mean) * seeds / (seeds - 1)) if seeds > 1 else 0.0
        common = max(0.0, alone - both)
    seed = max(0.0, float(np.var(values, ddof=1)) - both) if seeds > 1 else None
    return Components(seed, common * people, both * people, seeds, people)


def detectable(found: Estimate, alpha: float = ALPHA) -> float | None:
    """The smallest true difference that an estimate of this error finds four times in five."""
    if found.error is None:
        return None
    return Prospect(found.error, ((found.error**2, found.freedom),)).reach(alpha)


def _fewest(plan: Callable[[int], Prospect | None], distance: float, alpha: float) -> int | None:
    """The least count whose prospect reaches a distance, by doubling and halving; None above `MOST`."""

    def enough(count: int) -> bool:
        prospect = plan(count)
        return prospect is not None and prospect.power(distance, alpha) >= POWER

    if not enough(MOST):
        return None
    low, high = 1, 2
    while not enough(high):
        low, high = high, min(2 * high, MOST)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
