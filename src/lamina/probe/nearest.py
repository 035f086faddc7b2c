"""Pooled segments named by those nearest to them in the training part: k neighbours, or the mean of each class."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lamina.corpus.corpus import Corpus, Segment
from lamina.grid import Grid
from lamina.probe.config import ProbeConfig
from lamina.probe.data import parts
from lamina.probe.free import Answer, Column, Question, Say, drawn, standardised
from lamina.probe.recipes import segments
from lamina.probe.tally import Ratio

Ints = NDArray[np.int64]
# From standardised training rows, their codes, and test rows: the codes of the latter.
Name = Callable[[Tensor, Ints, Tensor], Ints]


class Nearest(Question):
    """How often test segments are named rightly; test speakers are not in train.

    At most ``most_items`` segments a part, drawn by ``seed``; every dimension is centred and scaled by those of
    the training part.
    """

    rows: ClassVar[str] = "segments"

    def __init__(
        self, name: str, rule: Name, corpus: Corpus, config: ProbeConfig, grids: Sequence[Grid], say: Say
    ) -> None:
        (division,) = parts(segments(config.tier, name), corpus, config, grids, say)
        self.split, self._name = division.split, rule
        self.how = f"{config.tier}, {len({one.label[0] for one in division.train})} classes"
        sides = []
        for number, whole in enumerate((division.train, division.test)):
            some = drawn(len(whole), config.most_items, [config.seed, 10, number])
            if len(some) < len(whole):
                part = ("training", "test")[number]
                say(f"{name}: {len(some)} of {len(whole)} {part} segments, drawn by the seed")
            sides.append([whole[place] for place in some])
        fit, test = sides
        self.segments: dict[str, list[Segment]] = {}
        self.utterances = list({one.utterance.id: one.utterance for one in (*fit, *test)}.values())
        for one in self.utterances:
            self.segments[one.id] = []
        where = []
        for one in (*fit, *test):
            own = self.segments[one.utterance.id]
            where.append((one.utterance.id, len(own)))
            if one.segment is not None:
                own.append(one.segment)
        before = dict(
            zip(self.segments, np.cumsum([0, *map(len, self.segments.values())])[:-1].tolist(), strict=True)
        )
        place = np.array([before[utterance] + number for utterance, number in where])
        self._fit, self._test = place[: len(fit)], place[len(fit) :]
        names = sorted({one.label[0] for one in (*fit, *test)})
        codes = {label: code for code, label in enumerate(names)}
        self._true, self._told = (np.array([codes[one.label[0]] for one in side]) for side in (test, fit))
        self._groups = [one.utterance.speaker for one in test]
        if len(set(self._groups)) < 2:
            self._groups = [one.utterance.id for one in test]

    def answers(self, column: Column) -> Mapping[str, Answer]:
        """The accuracy."""
        rows, _, _ = column.stacked()
        fit, test = standardised(rows[torch.from_numpy(self._fit)], rows[torch.from_numpy(self._test)])
        right = self._name(fit, self._told, test) == self._true
        return {"accuracy": Answer(Ratio(right.astype(np.float64), np.ones(len(right))), self._groups)}


def by_neighbours(fit: Tensor, codes: Ints, test: Tensor, *, k: int) -> Ints:
    """The most frequent code among the k rows of the highest cosine; where codes tie, the more alike ones win."""
    fit, test = (torch.nn.functional.normalize(each, dim=-1) for each in (fit, test))
    alike, nearest = (test @ fit.T).topk(min(k, len(fit)), dim=-1)
    # A vote is 1, and less than 1/k more by how alike: similarities only break ties.
    votes = torch.zeros(len(test), int(codes.max()) + 1, dtype=torch.float64)
    votes.scatter_add_(1, torch.from_numpy(codes)[nearest], 1 + (alike.double() + 1) / (4 * k))
    return votes.argmax(1).numpy()


def by_centroids(fit: Tensor, codes: Ints, test: Tensor) -> Ints:
    """The code whose mean row is nearest (Euclidean)."""
    known, place = np.unique(codes, return_inverse=True)
    sums = torch.zeros(len(known), fit.shape[1], dtype=torch.float64)
    sums.index_add_(0, torch.from_numpy(place), fit.double())
    means = sums / torch.from_numpy(np.bincount(place))[:, None]
    named: Ints = known[torch.cdist(test.double(), means).argmin(1).numpy()]
    return named
