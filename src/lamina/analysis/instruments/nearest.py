"""Segments named by those nearest to them among other speakers': k neighbours, or the mean of each class."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import ClassVar, cast

import numpy as np
import torch
from torch import Tensor

from lamina.analysis.config import AnalysisConfig
from lamina.analysis.instruments.instrument import SETTINGS, Draw, Finding, Instrument, scale_of
from lamina.analysis.rows import Rows, Way
from lamina.analysis.sums import Sample
from lamina.analysis.targets.labels import Labels
from lamina.encoders.encoder import Tap
from lamina.frames import Ints
from lamina.measures import family
from lamina.stats.inference import resampled_ratios


class Nearest(Instrument):
    """How often segments are named rightly by rows of other speakers.

    At most ``most_items`` segments a part, drawn by ``seed`` (of folds, which name each other, twice as many);
    every dimension is standardised by the rows that name. Shuffled labels tell what chance does.
    """

    takes: ClassVar = (Labels,)
    target: Labels

    def __init__(self, tap: Tap, way: Way, target: Labels, config: AnalysisConfig) -> None:
        super().__init__(tap, way, target, config)
        sides = [target.fit] if self.folded else [target.fit, target.score]
        most = config.most_items * (2 if self.folded else 1)
        self._places = [_drawn(len(side), most, [config.seed, 10, number]) for number, side in enumerate(sides)]
        self._slots = [_slots(len(side), places) for side, places in zip(sides, self._places, strict=True)]
        names = ("fit", "score")[: len(sides)]
        self._fit = torch.zeros(0, tap.width)
        self.sums = {
            name: Sample.empty(len(places), tap.width) for name, places in zip(names, self._places, strict=True)
        }
        for name, side, places in zip(names, sides, self._places, strict=True):
            if len(places) < len(side):
                of = "" if self.folded else f" {name}"
                self.notes.append(f"{self.title}: {len(places)} of {len(side)}{of} segments, drawn by the seed")

    def learn(self, x: Tensor, rows: Rows) -> None:
        """Keep the rows that name others."""
        cast("Sample", self.sums["fit"]).put(x, self._slots[0][rows.numbers])

    def settle(self) -> None:
        """Put the rows that name others aside: they are complete, and no sum of this pass any more."""
        self._fit = cast("Sample", self.sums["fit"]).finite()
        del self.sums["fit"]

    def score(self, x: Tensor, rows: Rows) -> None:
        """Keep the rows that are named."""
        if not self.folded:
            cast("Sample", self.sums["score"]).put(x, self._slots[1][rows.numbers])

    @abstractmethod
    def named(self, fit: Tensor, codes: Ints, test: Tensor, /) -> Ints:
        """The codes (labellings, n) of rows ``test`` (n, width), by rows ``fit`` of codes (labellings, rows)."""

    def values(self, draw: Draw) -> Iterator[Finding]:
        """The accuracy under every labelling."""
        target = self.target
        everyone = (*target.roles.fit, *target.roles.score)
        codes = target.labels[:, self._places[0]]
        told = codes if self.folded else target.answers[:, self._places[1]]
        owners = target.scored.owners(everyone)
        whose = [owners[place] for place in self._places[-1].tolist()]
        names = sorted(set(whose))
        weights = draw(names).double().numpy()
        (measure,) = family(*self.families)
        for states in self.config.states:
            found = self._told(states, codes)
            for labelling, right in enumerate((found == told).astype(np.float64)):
                again = (
                    {} if labelling else {measure: resampled_ratios(right, np.ones_like(right), whose, weights)}
                )
                found_here = {measure: right.mean(keepdims=True)}, again, len(right), names
                yield Finding(*found_here, labelling=labelling, setting=SETTINGS[states])

    def _told(self, states: str, codes: Ints) -> Ints:
        """What every row is called, under every labelling (labellings, n): by other folds, or by the fit rows."""
        fit = self._fit
        if not self.folded:
            scale = scale_of(states, fit)
            return self.named(scale(fit), codes, scale(cast("Sample", self.sums["score"]).finite()))
        folds = self.target.folds()[self._places[0]]
        found = np.empty_like(codes)
        for fold in np.unique(folds):
            inside = torch.from_numpy(folds == fold)
            scale = scale_of(states, fit[~inside])
            found[:, inside] = self.named(scale(fit[~inside]), codes[:, ~inside], scale(fit[inside]))
        return found


class Neighbours(Nearest):
    """Named by the most frequent label among the nearest rows."""

    families: ClassVar = ("knn",)
    title: ClassVar = "nearest neighbours"

    def named(self, fit: Tensor, codes: Ints, test: Tensor) -> Ints:
        """By a vote of the k rows of the highest cosine."""
        return by_neighbours(fit, codes, test, k=self.config.neighbours)


class Centroids(Nearest):
    """Named by the nearest mean of a class."""

    families: ClassVar = ("centroid",)
    title: ClassVar = "nearest centroid"

    def named(self, fit: Tensor, codes: Ints, test: Tensor) -> Ints:
        """By the nearest mean, under each labelling."""
        return np.stack([by_centroids(fit, each, test) for each in codes])


def by_neighbours(fit: Tensor, codes: Ints, test: Tensor, *, k: int) -> Ints:
    """(labellings, n) the most frequent code among the k rows of the highest cosine; the more alike win a tie.

    Args:
        fit: (rows, width) that name.
        codes: (labellings, rows) theirs.
        test: (n, width) that are named.
        k: how many name each.
    """
    fit, test = (torch.nn.functional.normalize(each, dim=-1) for each in (fit, test))
    alike, nearest = (test @ fit.T).topk(min(k, len(fit)), dim=-1)
    # A vote is 1, and less than 1/k more by how alike: similarities only break ties.
    worth = 1 + (alike.double() + 1) / (4 * k)
    found = []
    for each in torch.from_numpy(np.ascontiguousarray(codes)):
        votes = torch.zeros(len(test), int(each.max()) + 1, dtype=torch.float64)
        found.append(votes.scatter_add_(1, each[nearest], worth).argmax(1).numpy())
    return np.stack(found)


def by_centroids(fit: Tensor, codes: Ints, test: Tensor) -> Ints:
    """The code whose mean row is nearest (Euclidean)."""
    known, place = np.unique(codes, return_inverse=True)
    sums = torch.zeros(len(known), fit.shape[1], dtype=torch.float64)
    sums.index_add_(0, torch.from_numpy(place), fit.double())
    means = sums / torch.from_numpy(np.bincount(place))[:, None]
    named: Ints = known[torch.cdist(test.double(), means).argmin(1).numpy()]
    return named


def _drawn(count: int, most: int, seed: list[int]) -> Ints:
    """At most so many of ``count`` places, drawn by the seed, in ascending order."""
    if count <= most:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).permutation(count)[:most])


def _slots(count: int, places: Ints) -> Tensor:
    """(count,) the place of each among those that are kept, -1 for the others."""
    slots = torch.full((count,), -1, dtype=torch.int64)
    slots[torch.from_numpy(places)] = torch.arange(len(places))
    return slots
