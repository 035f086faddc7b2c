"""The linear instruments: CCA of a tap and another view, fitted and held out; CKA and dimensions, not fitted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from lamina.analysis.gather import Rows
from lamina.analysis.measures import Values, cca_values, cka_values, dimension_values, svcca_values
from lamina.analysis.products import class_moments, moments
from lamina.analysis.sums import Sums, numbered
from lamina.corpus.splits import LEARN, TUNE, Roles
from lamina.stats.archive import Statistic
from lamina.stats.cca import Projections, Solution, Views, check_size
from lamina.stats.cka import ClassKernels, Kernels
from lamina.stats.folds import Folds, merged
from lamina.stats.moments import ClassMoments, Moments
from lamina.stats.spectrum import Spectrum

BUCKETS = 8
SVCCA = 0.99
Shares = tuple[float, ...]
Found = tuple[int, int, Values, Values]


class Canonical:
    """CCA of one tap against vectors (dense) or classes (one-hot), in several labellings.

    Args:
        width: of the tap.
        size: dimensions of the other view: mel bands, classes, ….
        classed: whether the other view is one-hot.
        labellings: how many labellings it comes in; vectors stand side by side, (n, labellings * size).
        roles: who is fitted on and who is scored.
        shares: of the views' variance kept: 1 for CCA, `SVCCA` for that.
    """

    def __init__(
        self, width: int, size: int, roles: Roles, *, classed: bool, labellings: int = 1, shares: Shares = (1.0,)
    ) -> None:
        self._shares = shares
        self._width, self._size, self._labellings, self._classed = width, size, labellings, classed
        self._groups, self._folded = len(roles.groups), roles.folded
        empty: Moments | ClassMoments = (
            ClassMoments.empty(width, size, labellings) if classed else Moments.empty(width, labellings * size)
        )
        self._parts = [empty] * (self._groups if self._folded else 2)
        self._solutions: list[Solution] = []
        self.projections: list[Projections] = []

    def learn(self, x: Tensor, rows: Rows) -> None:
        """Take fit rows x (n, width), each in a part or fold."""
        for part in torch.unique(rows.keys).tolist():
            chosen = torch.nonzero(rows.keys == part)[:, 0]
            whole = len(chosen) == len(x)
            some = x if whole else x[chosen]
            # Nobody else holds the sums of this part.
            held = self._parts[part]
            if isinstance(held, ClassMoments):
                side = rows.side if whole else rows.side[:, chosen]
                self._parts[part] = held.absorb(class_moments(some, side, self._size))
            else:
                self._parts[part] = held.absorb(moments(some, rows.side if whole else rows.side[chosen]))

    def settle(self, ridges: Sequence[float]) -> str:
        """Choose the ridge, fix the directions, forget the moments; folds are scored here.

        Where speakers are scored apart the ridge is chosen on the part kept for it; directions come from all fit
        rows. The null takes the ridge of the true labels: it is the same instrument, pointed at nothing.

        Returns:
            A warning where rows are few, else an empty text.

        Raises:
            LaminaError: there are too few rows, or the states are not finite or constant.
        """
        parts, self._parts = self._parts, []
        whole = merged(parts)
        if self._folded:
            fewest = whole.n - max(part.n for part in parts)
            note = check_size(fewest, self._width, self._size)
            if sum(part.n > 0 for part in parts) < 3 and len(ridges) > 1:
                ridges = [max(ridges)]  # nobody is left to choose it on
            folds: Folds | None = None
            for number in range(self._labellings):
                these = [_labelling(part, number, self._size) for part in parts]
                folds = folds or Folds.of(these, ridges, inner=1)
                self.projections += [folds.projections(parts=these, share=share) for share in self._shares]
            return note
        note = check_size(whole.n, self._width, self._size)
        learned, tuned = (_labelling(parts[part], 0, self._size) for part in (LEARN, TUNE))
        ridge = _best_ridge(learned, tuned, ridges)
        spectrum: Spectrum | None = None
        for number in range(self._labellings):
            labelled = _labelling(whole, number, self._size)
            spectrum = spectrum or Spectrum.of(labelled.sxx / labelled.n)
            for share in self._shares:
                # Cut views are whitened as they are.
                views, shrunk = Views.of(labelled, x=spectrum, share=share), ridge if share == 1 else 0.0
                solution = views.solve(shrunk, shrunk)
                self._solutions.append(solution)
                self.projections.append(Projections.empty(solution, self._groups))
        return note

    def score(self, x: Tensor, rows: Rows) -> None:
        """Take score rows, each of a group."""
        for place, solution in enumerate(self._solutions):
            number = place // len(self._shares)
            mine = slice(number * self._size, (number + 1) * self._size)
            side = rows.side[number] if self._classed else rows.side[:, mine]
            self.projections[place] += Projections.of(solution, x, side, rows.keys, self._groups)

    @property
    def sums(self) -> dict[str, Sums]:
        """What this phase has accumulated."""
        return dict(numbered("part", self._parts)) or dict(numbered("projections", self.projections))

    @sums.setter
    def sums(self, found: Mapping[str, Sums]) -> None:
        held = list(found.values())
        self._parts = [each for each in held if isinstance(each, (Moments, ClassMoments))]
        if not self._parts:
            self.projections = [each for each in held if isinstance(each, Projections)]

    def statistics(self) -> dict[tuple[str, int], Statistic]:
        """By instrument and labelling, what the values are computed from."""
        named = {1.0: "cca"}
        each = len(self._shares)
        return {
            (named.get(self._shares[place % each], "svcca"), place // each): held
            for place, held in enumerate(self.projections)
        }

    def values(self, weights: Tensor) -> Iterator[Found]:
        """Labelling, rows, values and resampled values."""
        for place, held in enumerate(self.projections):
            labelling, share = divmod(place, len(self._shares))
            measure = cca_values if self._shares[share] == 1 else svcca_values
            yield labelling, held.n, measure(held), measure(held, weights)


class Alignment:
    """CKA of one tap with another view, and how many directions the tap uses; nothing is fitted.

    Rows of the speakers that are scored count, in at most `BUCKETS` parts, drawn as if they were the groups: a
    part's weight is the mean of its m groups' weights, spread by sqrt(m) about 1: a mean of m varies too little.

    Args:
        width: of the tap.
        size: dimensions of the other view, or classes.
        roles: who is scored.
        classed: whether the other view is one-hot.
        labellings: how many labellings it comes in.
    """

    def __init__(self, width: int, size: int, roles: Roles, *, classed: bool, labellings: int = 1) -> None:
        self._size, self._labellings, self._classed = size, labellings, classed
        groups = len(roles.groups)
        self._bucket = torch.arange(groups) % min(groups, BUCKETS)
        self._parts: list[list[Kernels | ClassKernels]] = [
            [
                ClassKernels.empty(width, size, labellings) if classed else Kernels.empty(width, size)
                for _ in range(min(groups, BUCKETS))
            ]
            for _ in range(1 if classed else labellings)
        ]

    def take(self, x: Tensor, rows: Rows) -> None:
        """Take rows x (n, width) that are scored."""
        buckets = self._bucket[rows.keys]
        for bucket in torch.unique(buckets).tolist():
            chosen = torch.nonzero(buckets == bucket)[:, 0]
            for number, parts in enumerate(self._parts):
                if self._classed:
                    added: Kernels | ClassKernels = ClassKernels.of(x[chosen], rows.side[:, chosen], self._size)
                else:
                    side = rows.side[chosen, number * self._size : (number + 1) * self._size]
                    added = Kernels.of(x[chosen], side)
                parts[bucket] = merged([parts[bucket], added])

    def values(self, weights: Tensor) -> Iterator[Found]:
        """Labelling, rows, values and resampled values."""
        members = torch.nn.functional.one_hot(self._bucket).double()
        m = members.sum(0)
        shared = 1 + (weights @ (members / m) - 1) * m.sqrt()
        for labelling in range(self._labellings):
            parts = self._parts[0 if self._classed else labelling]
            number = labelling if self._classed else 0
            n = sum(part.n for part in parts)
            yield labelling, n, cka_values(parts, None, number), cka_values(parts, shared, number)
        moments = [part.moments for part in self._parts[0]]
        yield 0, n, dimension_values(moments), dimension_values(moments, shared)

    @property
    def sums(self) -> dict[str, Sums]:
        """What has accumulated."""
        return dict(numbered("part", [part for parts in self._parts for part in parts]))

    @sums.setter
    def sums(self, found: Mapping[str, Sums]) -> None:
        held = [each for each in found.values() if isinstance(each, Kernels | ClassKernels)]
        each = len(self._parts[0])
        self._parts = [held[start : start + each] for start in range(0, len(held), each)]


def _labelling(stats: Moments | ClassMoments, number: int, size: int) -> Moments | ClassMoments:
    """The statistics of one labelling."""
    if isinstance(stats, ClassMoments):
        one = slice(number, number + 1)
        return ClassMoments(stats.n, stats.mean_x, stats.sxx, stats.counts[one], stats.sums[one])
    part = slice(number * size, (number + 1) * size)
    return Moments(stats.n, stats.mean_x, stats.mean_y[part], stats.sxx, stats.sxy[:, part], stats.syy[part, part])


def _best_ridge(learned: Moments | ClassMoments, tuned: Moments | ClassMoments, ridges: Sequence[float]) -> float:
    """The ridge whose directions carry over best from one part to the other; the largest where one is empty."""
    if len(ridges) == 1:
        return ridges[0]
    if min(learned.n, tuned.n) < 2:
        return max(ridges)
    views = Views.of(learned)
    test = tuned.joint()
    held = [float(views.solve(ridge, ridge).held_out(test).mean()) for ridge in ridges]
    return ridges[held.index(max(held))]
