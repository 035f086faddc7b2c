"""How alike whole utterances are: the same sentence or another, or as people say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import numpy as np
from torch import Tensor

from lamina.analysis.instruments.instrument import Draw, Finding, Floats, Sampled
from lamina.analysis.targets.pairs import Pairs
from lamina.stats.dtw import unit


class Likeness(Sampled):
    """Cosines of the means of utterances, pair by pair; nothing is fitted."""

    families: ClassVar = ("sentence",)
    takes: ClassVar = (Pairs,)
    title: ClassVar = "likeness"
    target: Pairs

    def values(self, draw: Draw) -> Iterator[Finding]:
        """How well likeness tells the pairs apart."""
        pairs = self.target
        name = "sentence-spearman" if pairs.graded else "sentence-auc"
        one, drawn = np.ones((1, len(pairs.groups))), draw(pairs.groups).double().numpy()
        for setting, rows in self.scaled():
            similarity = cosines(rows, pairs)
            values, resampled = ({name: agreement(similarity, pairs, each)} for each in (one, drawn))
            yield Finding(values, resampled, len(pairs.truth), pairs.groups, setting=setting)


def cosines(rows: Tensor, pairs: Pairs) -> Floats:
    """(pairs,) cosine similarity of the utterances' means (utterances, width)."""
    directions = unit(rows)
    found: Floats = (directions[pairs.first] * directions[pairs.second]).sum(1).numpy()
    return found


def agreement(similarity: Floats, pairs: Pairs, weights: Floats) -> Floats:
    """(weightings,) how well similarity tells which pairs are alike.

    Spearman's rank correlation with graded scores; else the area under the ROC curve, the chance that a pair of
    the same sentence is more alike than a pair of others (ties count half). A pair counts as often as the groups
    of its two speakers together: the product of their ``weights`` (weightings, groups).
    """
    weighed = weights[:, pairs.owners[pairs.first]] * weights[:, pairs.owners[pairs.second]]
    ranks = _ranks(similarity, weighed)
    if pairs.graded:
        return _correlation(ranks, _ranks(pairs.truth, weighed), weighed)
    # Mann and Whitney: the mean rank of the pairs of one sentence, among all, says the area.
    ones, total = (weighed * pairs.truth).sum(1), weighed.sum(1)
    zeros = total - ones
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(((weighed * pairs.truth * ranks).sum(1) - ones * ones / 2) / (ones * zeros))


def _ranks(values: Floats, weights: Floats) -> Floats:
    """(weightings, n) middle ranks, counted from 0, of values that occur as often as they weigh."""
    _, group = np.unique(values, return_inverse=True)
    size = int(group.max()) + 1
    ranks = np.empty_like(weights)
    for row, weight in enumerate(weights):
        tied = np.bincount(group, weight, minlength=size)
        ranks[row] = (np.cumsum(tied) - tied / 2)[group]
    return ranks


def _correlation(x: Floats, y: Floats, weights: Floats) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        total = weights.sum(1, keepdims=True)
        x = x - (weights * x).sum(1, keepdims=True) / total
        y = y - (weights * y).sum(1, keepdims=True) / total
        return np.asarray((weights * x * y).sum(1) / np.sqrt((weights * x * x).sum(1) * (weights * y * y).sum(1)))
