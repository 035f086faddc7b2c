"""Clusters of a tap's segments, and what they tell of labels."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import product
from typing import ClassVar, cast

import numpy as np
import torch
from torch import Tensor

from lamina.analysis.config import AnalysisConfig
from lamina.analysis.instruments.instrument import (
    SETTINGS,
    Draw,
    Finding,
    Floats,
    Instrument,
    Values,
    scale_of,
)
from lamina.analysis.rows import Rows, Way
from lamina.analysis.sums import Sample
from lamina.analysis.targets.labels import Labels
from lamina.analysis.timing import assigning
from lamina.encoders.encoder import Tap
from lamina.errors import LaminaError
from lamina.stats import kmeans
from lamina.stats.information import Counts, mutual_information, purities
from lamina.stats.scaling import Scale

FEW_A_CLUSTER = 10
Measure = Callable[[Counts, Tensor | None], Values]


class Clustering(Instrument):
    """k-means clusters of a sample of fit segments; mutual information and purity of those that are scored.

    The sample standardises, too: distances between raw rows are those along the widest dimensions.
    """

    families: ClassVar = ("mi", "purity")
    takes: ClassVar = (Labels,)
    title: ClassVar = "mutual information"
    follows: ClassVar = True
    target: Labels

    def __init__(self, tap: Tap, way: Way, target: Labels, config: AnalysisConfig) -> None:
        super().__init__(tap, way, target, config)
        self.size = config.clusters_of(target.name, target.sample)
        self._shape = (len(target.roles.groups), self.size, len(target.classes))
        self._slots = torch.from_numpy(target.slots)
        self._codebooks: dict[str, tuple[Scale, kmeans.Clusters]] = {}  # by how states are scaled
        self.sums = {"sample": Sample.empty(target.sample, tap.width)}

    def learn(self, x: Tensor, rows: Rows) -> None:
        """Keep the rows that have a slot of the sample."""
        self._sample.put(x, self._slots.to(x.device)[rows.numbers])

    def settle(self) -> None:
        """Find the clusters and forget the sample; with folds, count each of its folds in the others' clusters."""
        found = self._sample.rows
        self.sums = {
            _key(states, number): Counts.empty(*self._shape)
            for states in self.config.states
            for number in range(self.target.labellings)
        }
        if not self.folded:
            self._codebooks = {states: self._fit(states, found) for states in self.config.states}
            return
        labels, folds = self.target.sampled()
        for states, fold in product(self.config.states, torch.unique(folds).tolist()):
            inside = folds == fold
            scale, clusters = self._fit(states, found[~inside])
            index = clusters.assign(scale(found[inside]))
            self._count(states, index.cpu(), labels[:, inside], folds[inside])

    def score(self, x: Tensor, rows: Rows) -> None:
        """Count score rows, each of a group."""
        for states, (scale, clusters) in self._codebooks.items():
            self._count(states, *(each.cpu() for each in (clusters.assign(scale(x)), rows.side, rows.keys)))

    def seconds(self) -> float:
        """k-means once, or once a fold."""
        number = len(self.target.roles.groups) if self.folded else 1
        number *= len(self.config.states)
        return number * self.target.sample * assigning(self.tap.width, self.size)

    def values(self, draw: Draw) -> Iterator[Finding]:
        """Mutual information and purities of every labelling."""
        self.notes += [note for note in (self._single(), self._few()) if note]
        names = self.target.roles.groups
        drawn = draw(names)
        labelled = ((states, *each) for states in self.config.states for each in enumerate(self._counts(states)))
        for states, labelling, counts in labelled:
            for measure in (mi_values, purity_values):
                values, again = self._weighed(measure, counts, torch.ones(1, len(names))), {}
                if not labelling:
                    resampled, count = self._weighed(measure, counts, drawn), self.config.replicates
                    again = {
                        name: debiased(each, float(values[name][0]), count) for name, each in resampled.items()
                    }
                most = {} if labelling else self._weighed(ceilings, counts, torch.ones(1, len(names)))
                ends = {name: float(each[0]) for name, each in most.items()}
                yield Finding(
                    values, again, counts.n, names, labelling=labelling, setting=SETTINGS[states], most=ends
                )

    def _weighed(self, measure: Measure, counts: Counts, weights: Tensor) -> Values:
        return _over_folds(measure, counts, weights) if self.folded else measure(counts, weights)

    @property
    def _sample(self) -> Sample:
        return cast("Sample", self.sums["sample"])

    @property
    def _first(self) -> Counts:
        return self._counts(self.config.states[0])[0]

    def _counts(self, states: str) -> list[Counts]:
        """Of every labelling."""
        return [cast("Counts", self.sums[_key(states, number)]) for number in range(self.target.labellings)]

    def _fit(self, states: str, rows: Tensor) -> tuple[Scale, kmeans.Clusters]:
        if len(rows) < 2 * self.size:
            raise LaminaError(
                f"{len(rows)} segments are too few for {self.size} clusters (at least {2 * self.size}"
                "); use more speech, or fewer `clusters` (lamina.analyze, a study's analysis)"
            )
        scale = scale_of(states, rows)
        return scale, kmeans.fit(scale(rows), self.size, seed=self.config.seed, restarts=1, device=rows.device)

    def _count(self, states: str, index: Tensor, labels: Tensor, groups: Tensor) -> None:
        for number, (held, side) in enumerate(zip(self._counts(states), labels, strict=True)):
            self.sums[_key(states, number)] = held + Counts.of([groups, index, side], self._shape)

    def _single(self) -> str:
        """Whether labels are all alike where information is normalised by what they hold."""
        labels = torch.zeros(self._shape[0], self._shape[2], dtype=torch.int64)
        counts = self._first
        groups = counts.cells // (self._shape[1] * self._shape[2])
        labels.index_put_((groups, counts.cells % self._shape[2]), counts.counts, accumulate=True)
        if not self.folded:
            labels = labels.sum(0, keepdim=True)
        alike = int(((labels > 0).sum(1) == 1).sum())
        if not alike:
            return ""
        where = f"in {alike} of {len(labels)} folds" if self.folded else "among those scored"
        return (
            f"{where} all labels are alike: there mi-bits is 0 and mi-normalised is not defined (–); use fewer "
            "folds (--folds), or a corpus whose splits have all labels"
        )

    def _few(self) -> str:
        n = self._first.n // (len(self.target.roles.groups) if self.folded else 1)
        apiece = "a fold " if self.folded else ""
        if n >= FEW_A_CLUSTER * self.size:
            return ""
        return (
            f"{n} segments {apiece}in {self.size} clusters: much of the plug-in information is chance, see "
            "the shuffled rows and mi-corrected"
        )


def _key(states: str, labelling: int) -> str:
    return f"{states}-counts{labelling}"


def mi_values(counts: Counts, weights: Tensor | None = None) -> Values:
    """Mutual information of held-out clusters and labels, (weightings,) values."""
    found = mutual_information(counts, weights)
    return {
        "mi-normalised": found.normalised.numpy(),
        "mi-bits": found.bits.numpy(),
        "mi-corrected": found.corrected.numpy(),
    }


def ceilings(counts: Counts, weights: Tensor | None = None) -> Values:
    """What information can be at most, (weightings,): all that the labels, or the clusters, hold."""
    labels = mutual_information(counts, weights).label_bits
    return {"mi-bits": labels.clamp_max(math.log2(counts.shape[-2])).numpy()}


def purity_values(counts: Counts, weights: Tensor | None = None) -> Values:
    """How much of the items the commonest label of their cluster covers, and the other way round."""
    label, cluster = purities(counts, weights)
    return {"purity-label": label.numpy(), "purity-cluster": cluster.numpy()}


def debiased(replicates: Floats, value: float, count: int) -> Floats:
    """The first ``count`` replicates of a plug-in estimate moved to centre on it; those after them with them.

    Resampling speakers repeats some, which lets plug-in information and purity grow with the repeats: uncorrected,
    replicates may lie wholly above the value (the bootstrap's own estimate of that bias is what is taken off).
    """
    finite = replicates[:count][np.isfinite(replicates[:count])]
    return replicates - (finite.mean() - value) if len(finite) else replicates


def _over_folds(measure: Measure, counts: Counts, weights: Tensor) -> Values:
    """The mean over folds, by their rows: each fold has clusters of its own, so their counts must not be added."""
    rows = torch.zeros(counts.shape[0], dtype=torch.float64)
    rows.index_add_(0, counts.cells // (counts.shape[1] * counts.shape[2]), counts.counts.double())
    full = rows > 0
    weighed = (weights.double() * rows)[:, full]
    shares = (weighed / weighed.sum(1, keepdim=True)).numpy()
    each = measure(counts, torch.eye(len(rows), dtype=torch.float64)[full])
    return {name: shares @ values for name, values in each.items()}
