"""The discrete instrument: clusters of a tap's segments, and what they tell of labels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor

from lamina.analysis.gather import Rows
from lamina.analysis.measures import Values, mi_values, purity_values
from lamina.analysis.sums import Sample, Sums, numbered
from lamina.analysis.targets import Target
from lamina.errors import LaminaError
from lamina.stats import kmeans
from lamina.stats.information import Counts

FEW_A_CLUSTER = 10
Measure = Callable[[Counts, Tensor | None], Values]


class Codebook:
    """k-means clusters of one tap's pooled segments, and what they tell of labels.

    Args:
        width: of the tap.
        target: its segments.
        clusters: how many clusters it gets.
    """

    def __init__(self, width: int, target: Target, clusters: int) -> None:
        self._target, self._number = target, clusters
        self._shape = (len(target.roles.groups), clusters, len(target.classes))
        self._sample = Sample.empty(target.sample, width)
        self._clusters: kmeans.Clusters | None = None
        self.counts = [Counts.empty(*self._shape) for _ in target.fit.labels]

    @property
    def size(self) -> tuple[int, int]:
        """Rows of the sample, and clusters."""
        return self._target.sample, self._number

    def learn(self, x: Tensor, rows: Rows) -> None:
        """Keep the fit rows x (n, width) that have a slot of the sample."""
        if rows.slots is not None:
            self._sample.put(x, rows.slots)

    def settle(self, seed: int) -> None:
        """Find the clusters and forget the sample; with folds, count each of its folds in the others' clusters.

        Raises:
            LaminaError: the sample has fewer than two rows a cluster, or the states are not finite.
        """
        found, self._sample = self._sample.rows, Sample.empty(0, 0)
        if not self._target.roles.folded:
            self._clusters = self._fit(found, seed)
            return
        labels, folds = self._target.sampled()
        for fold in torch.unique(folds).tolist():
            inside = folds == fold
            index = self._fit(found[~inside], seed).assign(found[inside])
            self._count(index, labels[:, inside], folds[inside])

    def _fit(self, rows: Tensor, seed: int) -> kmeans.Clusters:
        if len(rows) < 2 * self._number:
            raise LaminaError(
                f"{len(rows)} segments are too few for {self._number} clusters (at least {2 * self._number}"
                "); use more speech, or fewer `clusters` (lamina.analyze, a study's analysis)"
            )
        return kmeans.fit(rows, self._number, seed=seed, restarts=1)

    def score(self, x: Tensor, rows: Rows) -> None:
        """Count score rows x (n, width), each of a group."""
        if self._clusters is None:
            raise AssertionError("a codebook is settled before anything is scored")
        self._count(self._clusters.assign(x), rows.side, rows.keys)

    def _count(self, index: Tensor, labels: Tensor, groups: Tensor) -> None:
        for labelling, side in enumerate(labels):
            self.counts[labelling] += Counts.of([groups, index, side], self._shape)

    @property
    def sums(self) -> dict[str, Sums]:
        """What this phase has accumulated."""
        return {"sample": self._sample} if len(self._sample.rows) else dict(numbered("counts", self.counts))

    @sums.setter
    def sums(self, found: Mapping[str, Sums]) -> None:
        if "sample" in found:
            (self._sample,) = (each for each in found.values() if isinstance(each, Sample))
        else:
            self.counts = [each for each in found.values() if isinstance(each, Counts)]

    def values(self, weights: Tensor) -> Iterator[tuple[int, int, Values, Values]]:
        """Labelling, rows, values and resampled values."""
        for labelling, counts in enumerate(self.counts):
            for measure in (mi_values, purity_values):
                if self._target.roles.folded:
                    one = torch.ones(1, counts.shape[0], dtype=torch.float64)
                    values, resampled = (_over_folds(measure, counts, each) for each in (one, weights))
                    yield labelling, counts.n, values, resampled
                else:
                    yield labelling, counts.n, measure(counts), measure(counts, weights)

    def notes(self) -> list[str]:
        """Where labels are too few to be told of, or segments for so many clusters."""
        return [note for note in (self._single(), self._few()) if note]

    def _single(self) -> str:
        """Whether labels are all alike where information is normalised by what they hold."""
        labels = torch.zeros(self._shape[0], self._shape[2], dtype=torch.int64)
        for counts in self.counts[:1]:
            groups = counts.cells // (self._shape[1] * self._shape[2])
            labels.index_put_((groups, counts.cells % self._shape[2]), counts.counts, accumulate=True)
        if not self._target.roles.folded:
            labels = labels.sum(0, keepdim=True)
        alike = int(((labels > 0).sum(1) == 1).sum())
        if not alike:
            return ""
        where = f"in {alike} of {len(labels)} folds" if self._target.roles.folded else "among those scored"
        return (
            f"{where} all labels are alike: there mi-bits is 0 and mi-normalised is not defined (–); use fewer "
            "folds (--folds), or a corpus whose splits have all labels"
        )

    def _few(self) -> str:
        n = self.counts[0].n
        if self._target.roles.folded:
            n //= len(self._target.roles.groups)
        apiece = "a fold " if self._target.roles.folded else ""
        if n >= FEW_A_CLUSTER * self._number:
            return ""
        return (
            f"{n} segments {apiece}in {self._number} clusters: much of the plug-in information is chance, see "
            "the shuffled rows and mi-corrected"
        )


def _over_folds(measure: Measure, counts: Counts, weights: Tensor) -> Values:
    """The mean over folds, by their rows: each fold has clusters of its own, so their counts must not be added."""
    rows = torch.zeros(counts.shape[0], dtype=torch.float64)
    rows.index_add_(0, counts.cells // (counts.shape[1] * counts.shape[2]), counts.counts.double())
    full = rows > 0
    weighed = (weights.double() * rows)[:, full]
    shares = (weighed / weighed.sum(1, keepdim=True)).numpy()
    each = measure(counts, torch.eye(len(rows), dtype=torch.float64)[full])
    return {name: shares @ values for name, values in each.items()}
