"""Cross-validated CCA from the moments of folds alone: no row is read again, whatever is left out.

Folds hold the rows of different speakers. Each fold in turn is scored by directions of the others; the ridge is
chosen inside these others only, by leaving one more of them out. Moments of any union of folds are sums, so a fit
costs one eigendecomposition, and the fit without folds f and g serves both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from lamina.errors import LaminaError
from lamina.stats.cca import Projections, Solution, Views
from lamina.stats.moments import ClassMoments, Moments
from lamina.stats.spectrum import Spectrum

Part = Moments | ClassMoments


class Counted(Protocol):
    """A statistic that merges by ``+``."""

    @property
    def n(self) -> int:
        """Rows."""


Summed = TypeVar("Summed")  # merges by ``+``
Mergeable = TypeVar("Mergeable", bound=Counted)


@dataclass(frozen=True, slots=True, eq=False)
class Folds:
    """Folds with a ridge chosen for each, ready to be scored under any labelling.

    Attributes:
        parts: moments of each fold; a fold may be empty.
        ridges: by fold with rows, its ridge.
        spectra: by fold with rows, the decomposition of x in the other folds.
        learned: by fold with rows, the moments of the other folds.
        dropped: dimensions of x without variance of their own (constant, or repeating others), in the worst fold.
    """

    parts: tuple[Part, ...]
    ridges: Mapping[int, float]
    spectra: Mapping[int, Spectrum]
    learned: Mapping[int, Part]
    dropped: int

    @classmethod
    def of(cls, parts: Sequence[Part], ridges: Sequence[float], *, inner: int | None = None) -> Folds:
        """Choose each fold's ridge on the other folds: the one with the best mean held-out correlation.

        Args:
            parts: moments of each fold; a fold may be empty.
            ridges: relative ridges to choose from (`lamina.stats.cca`); the first of equals is taken.
            inner: at most so many folds (the next ones, in a ring) tune a fold's ridge; all others where None.

        Raises:
            LaminaError: there are too few folds with rows, or a view does not vary or is not finite.
        """
        full = [place for place, part in enumerate(parts) if part.n]
        least = 3 if len(ridges) > 1 else 2
        if not ridges:
            raise LaminaError("no ridge to choose from: give one or more (0 for none)")
        if len(full) < least:
            raise LaminaError(
                f"{len(full)} folds with rows are too few for {len(ridges)} ridges (at least {least}): a fold is "
                "scored by directions of the others, which also choose the ridge; use more speakers or one ridge"
            )
        chosen = dict.fromkeys(full, ridges[0]) if len(ridges) == 1 else _chosen(parts, full, ridges, inner)
        learned = {fold: merged(parts, without=(fold,)) for fold in full}
        spectra = {fold: Spectrum.of(train.sxx / train.n) for fold, train in learned.items()}
        dropped = max(len(found.vectors) - len(found.values) for found in spectra.values())
        return cls(tuple(parts), chosen, spectra, learned, dropped)

    def projections(
        self,
        labelling: int = 0,
        *,
        parts: Sequence[Part] | None = None,
        share: float = 1.0,
    ) -> Projections:
        """Project every fold on the directions of the others; groups are the folds.

        Rows are centred within their fold: a fold counts with its n and the sums ``a' Sxx a``, ``b' Syy b`` and
        ``a' Sxy b`` of its moments S. Directions of different fits are matched by rank and may differ in sign
        (that of u and v together, which changes no product); where ranks differ, k is the smallest. PWCCA weights
        are the mean of the fits'. The null takes the ridges of the true labelling.

        Args:
            labelling: which labelling of class moments.
            parts: the same rows x against another y, where that is asked; the own ones where None.
            share: of either view's variance kept; below 1 it is SVCCA, and no ridge is used.
        """
        solutions = {}
        for fold, spectrum in self.spectra.items():
            train = self.learned[fold] if parts is None else merged(parts, without=(fold,))
            views = Views.of(train, labelling, spectrum, share=share)
            ridge = self.ridges[fold] if share == 1 else 0.0
            solutions[fold] = views.solve(ridge, ridge)
        return _projections(self.parts if parts is None else parts, solutions, labelling)


def merged(parts: Sequence[Summed], *, without: Sequence[int] = ()) -> Summed:
    """The statistics of all parts but some."""
    return reduce(add, (part for place, part in enumerate(parts) if place not in without))


def linear_replicates(
    parts: Sequence[Mergeable], measure: Callable[[Mergeable], float], weights: NDArray[np.floating] | None = None
) -> NDArray[np.float64]:
    """A measure of all parts, and what it becomes where parts are counted more or less often, to first order.

    For measures that would take a part met twice for new rows, as a bootstrap of parts makes them (CKA, effective
    rank): the bootstrap's linear approximation (Efron 1982, "The jackknife, the bootstrap and other resampling
    plans", chapter 6), from leaving out each part once.

    Args:
        parts: statistics of each group of rows.
        measure: of merged statistics.
        weights: (weightings, parts) how often each part counts; only the value itself where None.

    Returns:
        (weightings,) values; (1,) where no weights are given. Not a number where fewer than two parts have rows.
    """
    value = measure(merged(parts))
    if weights is None:
        return np.array([value])
    full = [place for place, part in enumerate(parts) if part.n]
    if len(full) < 2:
        return np.full(len(weights), np.nan)
    influence = np.zeros(len(parts))
    for place in full:
        influence[place] = (len(full) - 1) * (value - measure(merged(parts, without=(place,))))
    found: NDArray[np.float64] = value + (weights - 1) @ influence / len(full)
    return found


def _chosen(
    parts: Sequence[Part], full: Sequence[int], ridges: Sequence[float], inner: int | None
) -> dict[int, float]:
    """The ridge of each fold, tuned on other folds by directions of the rest."""
    number = len(full) - 1 if inner is None else max(1, min(inner, len(full) - 1))
    ring = {
        fold: [full[(place + step) % len(full)] for step in range(1, number + 1)]
        for place, fold in enumerate(full)
    }
    sums = {fold: torch.zeros(len(ridges), dtype=torch.float64) for fold in full}
    for place, one in enumerate(full):
        for other in full[place + 1 :]:
            # What is held out of this fit: `other` to tune the ridge of `one`, and the other way round.
            tunes = [(fold, part) for fold, part in ((one, other), (other, one)) if part in ring[fold]]
            if not tunes:
                continue
            views = Views.of(merged(parts, without=(one, other)))
            tests = [(fold, parts[part].n, parts[part].joint()) for fold, part in tunes]
            for rank, ridge in enumerate(ridges):
                solution = views.solve(ridge, ridge)
                for fold, n, test in tests:
                    sums[fold][rank] += n * solution.held_out(test).mean()
    return {fold: ridges[int(found.argmax())] for fold, found in sums.items()}


def _projections(parts: Sequence[Part], solutions: Mapping[int, Solution], labelling: int) -> Projections:
    k = min(len(solution.correlations) for solution in solutions.values())
    sums = torch.zeros(len(parts), 5, k, dtype=torch.float64)
    for fold, solution in solutions.items():
        test, a, b = parts[fold].joint(labelling), solution.a[:, :k], solution.b[:, :k]
        sums[fold, 2] = (a * (test.sxx @ a)).sum(0)
        sums[fold, 3] = (b * (test.syy @ b)).sum(0)
        sums[fold, 4] = (a * (test.sxy @ b)).sum(0)
    shares = [
        torch.stack([weights[:k] / weights[:k].sum() for weights in found]).mean(0)
        for found in (
            [solution.weights_x for solution in solutions.values()],
            [solution.weights_y for solution in solutions.values()],
        )
    ]
    return Projections(torch.tensor([part.n for part in parts]), sums, shares[0], shares[1])
