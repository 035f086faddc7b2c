"""What accumulates while the audio is read: one reading a tap and target, in two phases.

Phase one, the fit speakers: moments in two parts (to learn directions, and to tune the ridge on other speakers)
and a bounded sample for the codebook. Then `settle` fixes directions and codebook. Phase two, the score speakers:
sums of projections and counts by speaker. Memory does not grow with the corpus.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lamina.analysis.pooling import Pool
from lamina.encoders.encoder import Tap
from lamina.errors import LaminaError
from lamina.stats import kmeans
from lamina.stats.cca import Projections, Solution, Spectrum, Views, check_size
from lamina.stats.information import Counts
from lamina.stats.moments import ClassMoments, Moments

LEARN, TUNE = 0, 1
FEW_A_CLUSTER = 10


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """The rows of a batch that answer one question on one grid.

    Attributes:
        pool: which frames make each row.
        side: what the states are held against: mel (n, bands), or labels (labellings, n).
        keys: (n,) the part (fit rows) or speaker group (score rows) of each row.
        slots: (n,) place in the codebook's sample, -1 outside it; None for mel.
    """

    pool: Pool
    side: Tensor
    keys: Tensor
    slots: Tensor | None


class Canonical:
    """CCA of one tap against mel frames (dense) or classes (one-hot, in several labellings).

    Args:
        width: of the tap.
        size: dimensions of the other view: mel bands, or classes.
        labellings: 0 for a dense view, else how many labellings the classes come in.
        groups: how many groups of score speakers there are.
    """

    def __init__(self, width: int, size: int, labellings: int, groups: int) -> None:
        self._width, self._size, self._labellings, self._groups = width, size, labellings, groups
        empty = ClassMoments.empty(width, size, labellings) if labellings else Moments.empty(width, size)
        self._parts: list[Moments | ClassMoments] = [empty, empty]
        self._solutions: list[Solution] = []
        self.ridge = 0.0
        self.projections: list[Projections] = []

    def learn(self, x: Tensor, y: Tensor, parts: Tensor) -> None:
        """Take fit rows x (n, width) against y (n, size) or labels (labellings, n), each in a part (n,)."""
        for part in (LEARN, TUNE):
            chosen = torch.nonzero(parts == part)[:, 0]
            if not len(chosen):
                continue
            whole = len(chosen) == len(parts)
            rows = x if whole else x[chosen]
            if self._labellings:
                labels = y if whole else y[:, chosen]
                added: Moments | ClassMoments = ClassMoments.of(rows, labels, self._size)
            else:
                added = Moments.of(rows, y if whole else y[chosen])
            self._parts[part] = _merged(self._parts[part], added)

    def settle(self, ridges: Sequence[float]) -> str:
        """Choose the ridge on the part kept for it, fix the directions on all fit rows, forget the moments.

        The null takes the ridge of the true labels: it is the same instrument, pointed at nothing.

        Returns:
            A warning where rows are few, else an empty text.

        Raises:
            LaminaError: there are too few rows, or the states are not finite or constant.
        """
        learned, tuned = self._parts
        whole = _merged(learned, tuned)
        note = check_size(whole.n, self._width, self._size)
        self.ridge = _best_ridge(learned, tuned, ridges)
        spectrum: Spectrum | None = None
        for labelling in range(max(1, self._labellings)):
            views = Views.of(whole, labelling, spectrum)
            spectrum = views.x
            solution = views.solve(self.ridge, self.ridge)
            self._solutions.append(solution)
            self.projections.append(Projections.empty(solution, self._groups))
        self._parts = []
        return note

    def score(self, x: Tensor, y: Tensor, groups: Tensor) -> None:
        """Take score rows, each of a group (n,); x and y as in `learn`."""
        for labelling, solution in enumerate(self._solutions):
            side = y[labelling] if self._labellings else y
            self.projections[labelling] += Projections.of(solution, x, side, groups, self._groups)


class Codebook:
    """k-means clusters of one tap's pooled segments, and what they tell of labels.

    Args:
        width: of the tap.
        sample: how many fit segments make the codebook.
        clusters: how many clusters it gets.
        labellings: how many labellings the classes come in.
        classes: how many classes there are.
        groups: how many groups of score speakers there are.
    """

    def __init__(self, width: int, sample: int, clusters: int, labellings: int, classes: int, groups: int) -> None:
        self._rows = torch.zeros(sample, width)
        self._number = clusters
        self._shape = (groups, clusters, classes)
        self._clusters: kmeans.Clusters | None = None
        self.counts = [Counts.empty(*self._shape) for _ in range(labellings)]

    def learn(self, x: Tensor, slots: Tensor) -> None:
        """Keep the fit rows x (n, width) that have a slot (n,) of the sample; -1 means none."""
        chosen = slots >= 0
        self._rows[slots[chosen]] = x[chosen].float()

    def settle(self, seed: int) -> None:
        """Find the clusters and forget the sample.

        Raises:
            LaminaError: the sample has fewer than two rows a cluster, or the states are not finite.
        """
        if len(self._rows) < 2 * self._number:
            raise LaminaError(
                f"{len(self._rows)} segments are too few for {self._number} clusters (at least {2 * self._number}"
                "); use more speech or fewer clusters"
            )
        self._clusters = kmeans.fit(self._rows, self._number, seed=seed, restarts=1)
        self._rows = self._rows[:0]

    def score(self, x: Tensor, labels: Tensor, groups: Tensor) -> None:
        """Count score rows x (n, width) with labels (labellings, n), each of a group (n,)."""
        if self._clusters is None:
            raise AssertionError("a codebook is settled before anything is scored")
        index = self._clusters.assign(x)
        for labelling, side in enumerate(labels):
            self.counts[labelling] += Counts.of([groups, index, side], self._shape)


class Reading:
    """All that is measured at one tap against one target.

    Args:
        tap: where.
        target: against what.
        cca: the canonical instrument.
        codebook: the discrete one, where the target has labels.
    """

    def __init__(self, tap: Tap, target: str, cca: Canonical, codebook: Codebook | None) -> None:
        self.tap, self.target = tap, target
        self.cca: Canonical | None = cca
        self.codebook = codebook
        self.notes: list[str] = []

    def learn(self, x: Tensor, rows: Rows) -> None:
        """Take a batch of fit rows x (n, width)."""
        if self.cca is not None:
            self.cca.learn(x, rows.side, rows.keys)
        if self.codebook is not None and rows.slots is not None:
            self.codebook.learn(x, rows.slots)

    def settle(self, ridges: Sequence[float], *, seed: int) -> None:
        """Fix directions and codebook; what cannot be measured is left out, and `notes` say why."""
        try:
            note = self.cca.settle(ridges) if self.cca is not None else ""
            if note:
                self.notes.append(note)
        except LaminaError as error:
            self.cca = None
            self.notes.append(f"no CCA: {error}")
        try:
            if self.codebook is not None:
                self.codebook.settle(seed)
        except LaminaError as error:
            self.codebook = None
            self.notes.append(f"no mutual information: {error}")

    def score(self, x: Tensor, rows: Rows) -> None:
        """Take a batch of score rows x (n, width)."""
        if self.cca is not None:
            self.cca.score(x, rows.side, rows.keys)
        if self.codebook is not None:
            self.codebook.score(x, rows.side, rows.keys)

    def finish(self) -> None:
        """Note what the score rows were too few for."""
        if self.codebook is not None and self.codebook.counts:
            clusters, n = self.codebook.counts[0].shape[1], self.codebook.counts[0].n
            if n < FEW_A_CLUSTER * clusters:
                self.notes.append(
                    f"{n} segments in {clusters} clusters: much of the plug-in mutual information is chance, see "
                    "the shuffled rows and mi-corrected"
                )


def _best_ridge(learned: Moments | ClassMoments, tuned: Moments | ClassMoments, ridges: Sequence[float]) -> float:
    """The ridge whose directions carry over best from one part to the other; the largest where one is empty."""
    if len(ridges) == 1:
        return ridges[0]
    if min(learned.n, tuned.n) < 2:
        return max(ridges)
    views = Views.of(learned)
    test = tuned.joint() if isinstance(tuned, ClassMoments) else tuned
    held = [float(views.solve(ridge, ridge).held_out(test).mean()) for ridge in ridges]
    return ridges[held.index(max(held))]


def _merged(one: Moments | ClassMoments, other: Moments | ClassMoments) -> Moments | ClassMoments:
    if isinstance(one, ClassMoments) and isinstance(other, ClassMoments):
        return one + other
    if isinstance(one, Moments) and isinstance(other, Moments):
        return one + other
    raise AssertionError("moments and class moments do not merge")
