"""Representational similarity (Kriegeskorte et al. 2008): do classes lie to each other as other speakers' do?"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from lamina.analysis.config import AnalysisConfig
from lamina.analysis.instruments.instrument import Draw, Finding, Floats, Instrument, SpeakerParts
from lamina.analysis.rows import Rows, Way
from lamina.analysis.sums import Totals
from lamina.analysis.targets.labels import Labels
from lamina.encoders.encoder import Tap
from lamina.errors import LaminaError
from lamina.stats.folds import linear_replicates, merged


class RSA(Instrument):
    """Class means of other speakers are held against those that are scored: cross-validated over speakers.

    Where folds score each other, each is held against the rest, and the mean over folds counts.
    """

    families: ClassVar = ("rsa",)
    takes: ClassVar = (Labels,)
    title: ClassVar = "RSA"
    target: Labels

    def __init__(self, tap: Tap, way: Way, target: Labels, config: AnalysisConfig) -> None:
        super().__init__(tap, way, target, config)
        self._classes, groups = len(target.classes), len(target.roles.groups)
        self._kept = SpeakerParts(groups, most=groups) if self.folded else SpeakerParts(groups)
        self._labellings = target.cheap(tap.width)
        cells = self._labellings * self._classes
        names = [*([] if self.folded else ["fit"]), *(f"part{number}" for number in range(self._kept.count))]
        self.sums = {name: Totals.empty(cells, tap.width) for name in names}
        self._fit = Totals.empty(cells, tap.width)

    def learn(self, x: Tensor, rows: Rows) -> None:
        """Add the rows of other speakers to their classes."""
        if not self.folded:
            self._put("fit", x, rows.side)

    def settle(self) -> None:
        """Put the other speakers' class means aside: they are complete."""
        if isinstance(held := self.sums.pop("fit", None), Totals):
            self._fit = held

    def score(self, x: Tensor, rows: Rows) -> None:
        """Add the rows that are scored to their classes, each in the part of its speaker."""
        parts = self._kept.of[rows.keys]
        for part in torch.unique(parts).tolist():
            chosen = parts == part
            self._put(f"part{part}", x[chosen], rows.side[:, chosen])

    def _put(self, name: str, x: Tensor, labels: Tensor) -> None:
        held = self.sums[name]
        for labelling, side in enumerate(labels[: self._labellings]):
            if isinstance(held, Totals):
                held.put(x, side + labelling * self._classes)

    def values(self, draw: Draw) -> Iterator[Finding]:
        """The correlation under every labelling."""
        names = self.target.roles.groups
        drawn = draw(names)
        parts = [each for each in self.sums.values() if isinstance(each, Totals)]
        for labelling in range(self._labellings):
            fit, *own = (self._of(each, labelling) for each in (self._fit, *parts))
            n = np.array([each.n for each in own])
            if self.folded:
                each = np.array([alike(one, merged(own, without=(place,))) for place, one in enumerate(own)])
                counted = drawn.numpy() * n
                value, resampled = np.average(each, weights=n, keepdims=True), counted @ each / counted.sum(1)
            else:
                held = partial(alike, fit)
                value = linear_replicates(own, held)
                if not labelling:
                    resampled = linear_replicates(own, held, self._kept.weights(drawn).numpy())
            again = {} if labelling else {"rsa": resampled}
            n_rows = int(n.sum())
            yield Finding({"rsa": value}, again, n_rows, names, labelling=labelling, units=self._kept.count)

    def _of(self, held: Totals, labelling: int) -> Totals:
        mine = slice(labelling * self._classes, (labelling + 1) * self._classes)
        return Totals(held.sums[mine], held.counts[mine])


def alike(one: Totals, other: Totals) -> float:
    """Spearman's correlation of the dissimilarities of class means, over pairs of classes that both have.

    Raises:
        LaminaError: they share fewer than three classes, or means are not finite.
    """
    from scipy.stats import spearmanr

    both = torch.nonzero((one.counts > 0) & (other.counts > 0))[:, 0]
    if len(both) < 3:
        raise LaminaError(
            f"{len(both)} classes are said on both sides, and RSA needs 3 or more: use more speech, or fewer folds"
        )
    x, y = (dissimilarities((each.sums[both] / each.counts[both, None]).numpy()) for each in (one, other))
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise LaminaError("class means are constant or not finite: look for NaN or overflow in the states")
    return float(spearmanr(x, y).statistic)


def dissimilarities(means: Floats) -> Floats:
    """(pairs,) one minus the correlation of class means (classes, width), less the mean of all classes."""
    from scipy.spatial.distance import pdist

    return np.asarray(pdist(means - means.mean(0), "correlation"))
