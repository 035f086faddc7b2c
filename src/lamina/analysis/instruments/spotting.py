"""Query by example (SUPERB's QbE): is a spoken query in a spoken document? By warping; nothing is trained."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import normalize

from lamina.analysis.instruments.instrument import Draw, Finding, Floats, Sampled
from lamina.analysis.targets.queries import DEV, Queries
from lamina.frames import Ints
from lamina.stats.dtw import found_anywhere, query_costs
from lamina.stats.ranking import term_weighted_value
from lamina.stats.scaling import standardised

# QUESST: a miss costs 100 false alarms, and a query is expected in 8 of 10,000 documents. SUPERB leaves it to the
# scorer of QUESST 2014, which we have not read; the README of 2015's runs it with an effective prior of 0.0741289,
# which is what these two give: 100 p / (100 p + 1 - p).
BETA = 1 / 100 * (1 / 0.0008 - 1)
LEAST_FRAMES = 5  # shorter queries find nothing, as in SUPERB
DOCUMENTS = 64  # warped at a time


class Spotting(Sampled):
    """Frames of queries and documents are standardised together, scores by query."""

    families: ClassVar = ("qbe",)
    takes: ClassVar = (Queries,)
    title: ClassVar = "query by example"
    target: Queries

    def values(self, draw: Draw) -> Iterator[Finding]:
        """The value over the scored list, and over the list that chooses among taps."""
        frames = self.rows
        told = {name: self._detections(frames, name) for name in self.target.lists}
        (scored,) = (each for name, each in told.items() if name != DEV)
        owners = scored.owners
        names = sorted(set(owners))
        place = {name: number for number, name in enumerate(names)}
        whose = np.array([place[name] for name in owners])
        drawn = np.array([scored.value(weight[whose]) for weight in draw(names).double().numpy()])
        dev = {"mtwv": told[DEV].value()} if DEV in told else None
        yield Finding({"mtwv": np.array([scored.value()])}, {"mtwv": drawn}, len(scored.scores), names, dev=dev)

    def _detections(self, frames: Tensor, name: str) -> Detections:
        trials, numbers = self.target.lists[name], self.target.numbers_of
        queries = list(dict.fromkeys(trial.left for trial in trials))
        used = list(dict.fromkeys(each for trial in trials for each in (trial.left, trial.right)))
        spans = [(self.starts[numbers[each]], self.counts[numbers[each]]) for each in used]
        places = np.concatenate([np.arange(start, start + count) for start, count in spans])
        (whole,) = standardised(frames[places])
        parts = torch.split(normalize(whole, dim=-1), [int(count) for _, count in spans])
        frames_of = dict(zip(used, parts, strict=True))
        by_query: dict[str, list[int]] = {}
        for place, trial in enumerate(trials):
            by_query.setdefault(trial.left, []).append(place)
        scores = np.zeros(len(trials))
        for query, own in by_query.items():
            if len(frames_of[query]) < LEAST_FRAMES:
                continue
            # Documents of like length together: less padding.
            own.sort(key=lambda place: len(frames_of[trials[place].right]))
            documents = [frames_of[trials[place].right] for place in own]
            costs = -np.concatenate(
                [
                    found_anywhere(*query_costs(frames_of[query], documents[begin : begin + DOCUMENTS]))
                    for begin in range(0, len(own), DOCUMENTS)
                ]
            )
            scores[own] = (costs - costs.mean()) / max(costs.std(), 1e-9)
        terms = {query: place for place, query in enumerate(queries)}
        speakers = [self.target.speakers[query] for query in queries]
        return Detections(
            scores,
            np.array([trial.target for trial in trials]),
            np.array([terms[trial.left] for trial in trials]),
            speakers if len(set(speakers)) > 1 else queries,
        )


@dataclass(frozen=True)
class Detections:
    """Scored pairs of queries and documents.

    Attributes:
        scores, targets: (trials,).
        terms: (trials,) places of queries.
        owners: (queries,) who says each; the query itself where one speaker says all.
    """

    scores: Floats
    targets: NDArray[np.bool_]
    terms: Ints
    owners: list[str]

    def value(self, counts: Floats | None = None) -> float:
        """The maximum term-weighted value, where each query counts as often as told."""
        return term_weighted_value(self.scores, self.targets, self.terms, beta=BETA, counts=counts)
