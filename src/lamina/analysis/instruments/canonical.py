"""CCA of a tap and another view: directions learned on some speakers, correlations of others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

import torch
from torch import Tensor

from lamina.analysis.config import AnalysisConfig
from lamina.analysis.instruments.instrument import Draw, Finding, Instrument, Values
from lamina.analysis.products import class_moments, moments
from lamina.analysis.rows import Rows, Way
from lamina.analysis.targets.labels import Labels
from lamina.analysis.targets.lagged import Lagged
from lamina.analysis.targets.numbers import Numbers
from lamina.analysis.targets.sources import Frames
from lamina.analysis.targets.target import Target
from lamina.analysis.targets.vectors import Vectors
from lamina.analysis.timing import decomposing
from lamina.corpus.splits import LEARN, TUNE
from lamina.encoders.encoder import Tap
from lamina.stats.cca import Projections, Solution, Views, check_size
from lamina.stats.folds import Folds, Part, merged
from lamina.stats.moments import ClassMoments, Moments
from lamina.stats.spectrum import Spectrum

SVCCA = 0.99  # of either view's variance


class Canonical(Instrument):
    """Held-out CCA against vectors or classes (one-hot), in several labellings, and SVCCA where that is asked."""

    families: ClassVar[tuple[str, ...]] = ("cca",)
    takes: ClassVar[tuple[type[Target], ...]] = (Labels, Vectors, Numbers, Frames)
    title: ClassVar = "CCA"

    def __init__(self, tap: Tap, way: Way, target: Labels | Frames | Lagged, config: AnalysisConfig) -> None:
        super().__init__(tap, way, target, config)
        self._size, self._labellings, self._classed = view_of(target, tap.width)
        self._shares = (1.0, SVCCA) if "svcca-mean" in config.wanted else (1.0,)
        self._groups = len(target.roles.groups)
        empty: Part = (
            ClassMoments.empty(tap.width, self._size, self._labellings)
            if self._classed
            else Moments.empty(tap.width, self._labellings * self._size)
        )
        self.sums = {f"part{part}": empty for part in range(self._groups if self.folded else 2)}
        self._solutions: list[Solution] = []

    def learn(self, x: Tensor, rows: Rows) -> None:
        """Take fit rows, each in a part or fold."""
        for part in torch.unique(rows.keys).tolist():
            chosen = torch.nonzero(rows.keys == part)[:, 0]
            whole = len(chosen) == len(x)
            some = x if whole else x[chosen]
            # Nobody else holds the sums of this part.
            held = self.sums[f"part{part}"]
            if isinstance(held, ClassMoments):
                side = rows.side[: self._labellings]
                added = class_moments(some, side if whole else side[:, chosen], self._size)
                self.sums[f"part{part}"] = held.absorb(added)
            elif isinstance(held, Moments):
                self.sums[f"part{part}"] = held.absorb(moments(some, rows.side if whole else rows.side[chosen]))

    def settle(self) -> None:
        """Choose the ridge, fix the directions, forget the moments; folds are scored here.

        Where speakers are scored apart the ridge is chosen on the part kept for it; directions come from all fit
        rows. The null takes the ridge of the true labels: it is the same instrument, pointed at nothing.
        """
        parts = [each for each in self.sums.values() if isinstance(each, Moments | ClassMoments)]
        self.sums = {}
        whole, ridges = merged(parts), self.config.ridges
        rows = whole.n - max(part.n for part in parts) if self.folded else whole.n  # the fewest that are fitted on
        if note := check_size(rows, self.tap.width, self._size):
            self.notes.append(note)
        scored = self._cross_validated(parts, ridges) if self.folded else self._apart(parts, whole, ridges)
        self.sums |= {f"projections{place}": each for place, each in enumerate(scored)}

    def _cross_validated(
        self, parts: Sequence[Moments | ClassMoments], ridges: Sequence[float]
    ) -> Iterator[Projections]:
        if sum(part.n > 0 for part in parts) < 3 and len(ridges) > 1:
            ridges = [max(ridges)]  # nobody is left to choose it on
        first = parts if self._classed else [_labelling(part, 0, self._size) for part in parts]
        folds = Folds.of(first, ridges, inner=1)
        for number in range(self._labellings):
            place, other = (
                (number, None) if self._classed else (0, [_labelling(p, number, self._size) for p in parts])
            )
            yield from (folds.projections(place, parts=other, share=share) for share in self._shares)

    def _apart(self, parts: Sequence[Part], whole: Part, ridges: Sequence[float]) -> Iterator[Projections]:
        learned, tuned = (_labelling(parts[part], 0, self._size) for part in (LEARN, TUNE))
        ridge = _best_ridge(learned, tuned, ridges)
        spectrum: Spectrum | None = None
        for number in range(self._labellings):
            labelled = _labelling(whole, number, self._size)
            spectrum = spectrum or Spectrum.of(labelled.sxx / labelled.n)
            for share in self._shares:
                # Cut views are whitened as they are.
                views, shrunk = Views.of(labelled, x=spectrum, share=share), ridge if share == 1 else 0.0
                self._solutions.append(views.solve(shrunk, shrunk))
                yield Projections.empty(self._solutions[-1], self._groups)

    def score(self, x: Tensor, rows: Rows) -> None:
        """Project score rows, each of a group."""
        for place, solution in enumerate(self._solutions):
            number = place // len(self._shares)
            part = slice(number * self._size, (number + 1) * self._size)
            held = self.sums[f"projections{place}"]
            if isinstance(held, Projections):
                mine = rows.side[number] if self._classed else rows.side[:, part]
                self.sums[f"projections{place}"] = held + Projections.of(
                    solution, x, mine, rows.keys, self._groups
                )

    def seconds(self) -> float:
        """A fit a fold and one to choose its ridge; decompositions of the cross-covariance take as long again."""
        return 4 * (self._groups if self.folded else 1) * decomposing(self.tap.width)

    def values(self, draw: Draw) -> Iterator[Finding]:
        """CCA, PWCCA and SVCCA of every labelling."""
        names = self.target.roles.groups
        for place, held in enumerate(self.sums.values()):
            if isinstance(held, Projections):
                labelling, share = divmod(place, len(self._shares))
                measure = cca_values if self._shares[share] == 1 else svcca_values
                again = {} if labelling else measure(held, draw(names))
                yield Finding(measure(held), again, held.n, names, labelling=labelling)


def view_of(target: Target, width: int) -> tuple[int, int, bool]:
    """Dimensions of what a target holds states against, how many labellings, and whether it is classes.

    Labellings of classes share all second moments of states of this ``width``: as many as are cheap.
    """
    if isinstance(target, Vectors):
        return target.table.shape[1], target.labellings, False
    if isinstance(target, Labels):
        return len(target.classes), target.cheap(width), True
    if isinstance(target, Lagged):
        return len(target.classes) + 1, target.labellings, True
    if isinstance(target, Frames):
        return target.tap.width, 1, False
    raise AssertionError(f"{type(target).__name__} is no vectors and no classes")


def cca_values(projections: Projections, weights: Tensor | None = None) -> Values:
    """Held-out CCA of score rows projected on directions of the fit rows.

    PWCCA weighs directions by the neurons of the encoder (x, all of them) or by the dimensions of the other view,
    as seen in training. (weightings,) values: one a row of group weights, a single one without.
    """
    correlations = projections.correlations(weights)
    return {
        "cca-mean": correlations.mean(1).numpy(),
        "cca-pwcca": (correlations * projections.shares).sum(1).numpy(),
        "cca-pwcca-y": (correlations * projections.shares_y).sum(1).numpy(),
    }


def svcca_values(projections: Projections, weights: Tensor | None = None) -> Values:
    """Held-out SVCCA: projections on the directions of views cut to a share of their variance."""
    return {"svcca-mean": projections.correlations(weights).mean(1).numpy()}


def _labelling(stats: Part, number: int, size: int) -> Part:
    """The statistics of one labelling."""
    if isinstance(stats, ClassMoments):
        one = slice(number, number + 1)
        return ClassMoments(stats.n, stats.mean_x, stats.sxx, stats.counts[one], stats.sums[one])
    part = slice(number * size, (number + 1) * size)
    return Moments(stats.n, stats.mean_x, stats.mean_y[part], stats.sxx, stats.sxy[:, part], stats.syy[part, part])


def _best_ridge(learned: Part, tuned: Part, ridges: Sequence[float]) -> float:
    """The ridge whose directions carry over best from one part to the other; the largest where one is empty."""
    if len(ridges) == 1:
        return ridges[0]
    if min(learned.n, tuned.n) < 2:
        return max(ridges)
    views = Views.of(learned)
    test = tuned.joint()
    held = [float(views.solve(ridge, ridge).held_out(test).mean()) for ridge in ridges]
    return ridges[held.index(max(held))]
