"""What a tap knows beyond a view that is given: partial CCA, and the split of explained variance."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, cast

import numpy as np
import torch
from torch import Tensor

from lamina.analysis.config import AnalysisConfig
from lamina.analysis.instruments.instrument import Draw, Finding, Floats, Instrument, SpeakerParts, Values
from lamina.analysis.products import class_moments
from lamina.analysis.rows import Rows, Way
from lamina.analysis.targets.given import Given
from lamina.analysis.timing import decomposing
from lamina.corpus.splits import LEARN, TUNE
from lamina.encoders.encoder import Tap
from lamina.stats.cca import check_size
from lamina.stats.folds import merged
from lamina.stats.moments import ClassMoments
from lamina.stats.partial import Held, Partial, explained, partial_correlations


class Beyond(Instrument):
    """Sums are joint moments of states and given view, side by side, and labels; every labelling shares them.

    Where speakers are scored apart, their rows are kept in at most eight parts. The ridge is that which explains
    most of the labels of speakers it was not learned on.
    """

    families: ClassVar = ("beyond",)
    takes: ClassVar = (Given,)
    title: ClassVar = "partial CCA"
    target: Given

    def __init__(self, tap: Tap, way: Way, target: Given, config: AnalysisConfig) -> None:
        super().__init__(tap, way, target, config)
        groups = len(target.roles.groups)
        self._kept = SpeakerParts(groups, most=groups) if self.folded else SpeakerParts(groups)
        self._classes, self._labellings = len(target.classes), target.labellings
        empty = ClassMoments.empty(tap.width + target.size, self._classes, self._labellings)
        names = [] if self.folded else ["learn", "tune"]
        self.sums = dict.fromkeys((*names, *(f"part{number}" for number in range(self._kept.count))), empty)
        self._fit: tuple[ClassMoments, ...] = ()

    def learn(self, x: Tensor, rows: Rows) -> None:
        """Take fit rows, each in a part."""
        if not self.folded:
            self._take(x, rows, rows.keys, {LEARN: "learn", TUNE: "tune"})

    def settle(self) -> None:
        """Put the fit speakers' sums aside: they are complete."""
        self._fit = tuple(
            cast("ClassMoments", self.sums.pop(name)) for name in ("learn", "tune") if name in self.sums
        )

    def score(self, x: Tensor, rows: Rows) -> None:
        """Take rows that are scored, each in the part of its speaker, or its fold."""
        self._take(x, rows, self._kept.of[rows.keys], {part: f"part{part}" for part in range(self._kept.count)})

    def seconds(self) -> float:
        """Three decompositions a fit, and as many again for the ridge."""
        return 6 * (self._kept.count if self.folded else 1) * decomposing(self.tap.width + self.target.size)

    def values(self, draw: Draw) -> Iterator[Finding]:
        """Partial CCA and the split of explained variance, of every labelling."""
        names = self.target.roles.groups
        parts = [each for each in self.sums.values() if isinstance(each, ClassMoments)]
        full = [place for place, part in enumerate(parts) if part.n]
        fewest = (
            sum(part.n for part in parts) - max(part.n for part in parts) if self.folded else merged(self._fit).n
        )
        if note := check_size(fewest, self.tap.width + self.target.size, self._classes):
            self.notes.append(note)
        weights = self._kept.weights(draw(names)).numpy()[:, full]
        held: list[list[Held]] = [[] for _ in range(self._labellings)]
        dropped = 0
        for place, solutions in self._solved(parts, full):
            dropped = max(dropped, solutions[0].dropped)
            for labelling, solution in enumerate(solutions):
                held[labelling].append(solution.held_out(parts[place].joint(labelling)))
        for labelling, found in enumerate(held):
            value, again = (told(found, each) for each in (np.ones((1, len(full))), weights))
            n = sum(part.n for part in parts)
            yield Finding(value, again, n, names, labelling=labelling, units=len(full))
        if dropped:
            self.notes.append(
                f"{dropped} of {self.target.size} dimensions of the given view do not vary or repeat others: they "
                "are dropped"
            )

    def _solved(self, parts: list[ClassMoments], full: list[int]) -> Iterator[tuple[int, list[Partial]]]:
        """For every part with rows, what it is scored by under each labelling."""
        if not self.folded:
            solutions = self._solutions(merged(self._fit), self._ridge(*self._fit))
            yield from ((place, solutions) for place in full)
            return
        for order, place in enumerate(full):
            # The next fold tunes the ridge, learned on the rest.
            tuner = full[(order + 1) % len(full)]
            others = [parts[each] for each in full if each not in (place, tuner)]
            ridge = self._ridge(merged(others), parts[tuner]) if others else max(self.config.ridges)
            yield place, self._solutions(merged([*others, parts[tuner]]), ridge)

    def _solutions(self, train: ClassMoments, ridge: float) -> list[Partial]:
        return [Partial.of(train.joint(each), self.tap.width, ridge) for each in range(self._labellings)]

    def _ridge(self, learned: ClassMoments, tuned: ClassMoments) -> float:
        """The ridge with which states and given view explain most; the largest where nobody can choose it."""
        ridges = self.config.ridges
        if len(ridges) == 1 or min(learned.n, tuned.n) < 2:
            return max(ridges)
        test = tuned.joint()
        errors = [Partial.of(learned.joint(), self.tap.width, each).held_out(test).squares[3] for each in ridges]
        return ridges[int(np.argmin(errors))]

    def _take(self, x: Tensor, rows: Rows, keys: Tensor, names: dict[int, str]) -> None:
        if rows.given is None:
            raise AssertionError("rows of a given view carry it")
        both = torch.cat([x, rows.given.to(x.dtype)], dim=1)
        for key in torch.unique(keys).tolist():
            chosen = keys == key
            held = cast("ClassMoments", self.sums[names[key]])
            self.sums[names[key]] = held.absorb(class_moments(both[chosen], rows.side[:, chosen], self._classes))


def told(held: list[Held], weights: Floats) -> Values:
    """(weightings,) values of parts that count (weightings, parts) times."""
    states, given, both = explained(held, weights).T
    return {
        "partial-cca": partial_correlations(held, weights).mean(1),
        "explained": both,
        "explained-alone": both - given,
        "explained-given": both - states,
        "explained-common": states + given - both,
    }
