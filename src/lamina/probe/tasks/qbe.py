"""Query by example (SUPERB's QbE): is a spoken query in a spoken document? By warping, nothing is trained."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import normalize

from lamina.corpus.corpus import Corpus
from lamina.corpus.trials import TRIALS, Trial, read_trials
from lamina.errors import LaminaError
from lamina.frames import long_enough
from lamina.grid import Grid
from lamina.probe.config import ProbeConfig
from lamina.probe.dtw import found_anywhere, query_costs
from lamina.probe.free import Answer, Column, Question, Reading, Say, standardised
from lamina.probe.metrics import term_weighted_value

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# QUESST: a miss costs 100 false alarms, and a query is expected in 8 of 10,000 documents. SUPERB leaves it to the
# scorer of QUESST 2014, which we have not read; the README of 2015's runs it with an effective prior of 0.0741289,
# which is what these two give: 100 p / (100 p + 1 - p).
BETA = 1 / 100 * (1 / 0.0008 - 1)
LEAST_FRAMES = 5  # shorter queries find nothing, as in SUPERB
DOCUMENTS = 64  # warped at a time
SCORED = ("test", "eval")


@dataclass(frozen=True)
class Detections:
    """Scored pairs of queries and documents: the maximum term-weighted value.

    Attributes:
        scores, targets: (trials,).
        terms: (trials,) places of queries.
        speakers: (queries,) who says each.
    """

    scores: Floats
    targets: NDArray[np.bool_]
    terms: Ints
    speakers: Sequence[str]

    @property
    def n(self) -> int:
        """The number of trials."""
        return len(self.scores)

    def value(self) -> float:
        """The maximum term-weighted value."""
        return term_weighted_value(self.scores, self.targets, self.terms, beta=BETA)

    def resampled(self, weights: Ints, groups: Sequence[str]) -> Floats:
        """The value where the queries of a speaker count as often as drawn."""
        names = {name: place for place, name in enumerate(sorted(set(groups)))}
        whose = [names[name] for name in self.speakers]
        return np.array(
            [
                term_weighted_value(
                    self.scores, self.targets, self.terms, beta=BETA, counts=weight[whose].astype(np.float64)
                )
                for weight in weights
            ]
        )


class Search(Question):
    """The trials of a corpus: those of the list ``test`` or ``eval`` are scored, those of ``dev`` choose a layer.

    Frames of queries and documents are standardised together. Scores are standardised by query.
    """

    rows: ClassVar[str] = "frames"
    how = "warped frames"

    def __init__(self, corpus: Corpus, config: ProbeConfig, grids: Sequence[Grid], say: Say) -> None:
        folder = getattr(corpus, "folder", None)
        if not isinstance(folder, (str, Path)) or not (Path(folder) / TRIALS).is_file():
            raise LaminaError(
                f"{corpus.name} cannot be probed for qbe, which needs {TASK.needs}: make or import a corpus of "
                "queries (`lamina corpus synth configs/corpus/queries.toml OUT`, QUESST 2014)"
            )
        known = {one.id: one for one in corpus.utterances() if long_enough(one.samples, grids)}
        lists: dict[str, list[Trial]] = {}
        left = 0
        for trial in read_trials(folder):
            if trial.left in known and trial.right in known:
                lists.setdefault(trial.list, []).append(trial)
            else:
                left += 1
        if left:
            say(f"qbe: {left} trials are of utterances without a frame on some grid; they are left out")
        self.split = next((name for name in SCORED if name in lists), "")
        if not self.split:
            raise LaminaError(
                f"the trials of {corpus.name} have no list test or eval, but {', '.join(lists) or 'none'}"
            )
        most = config.most_pairs if config.protocol == "lamina" else 0
        self._lists = {
            name: _some(lists[name], most, config.seed, name, say) for name in ("dev", self.split) if name in lists
        }
        for name, trials in self._lists.items():
            if len({trial.target for trial in trials}) < 2:
                raise LaminaError(
                    f"{corpus.name}: the list {name} needs queries that are in a document and not in one"
                )
        self.selects = "dev" in self._lists
        used = {name: None for trials in self._lists.values() for one in trials for name in (one.left, one.right)}
        self.utterances = [known[name] for name in used]
        self.segments = {name: [] for name in used}
        self._speakers = {one.id: one.speaker for one in self.utterances}

    def answers(self, column: Column) -> Mapping[str, Answer]:
        """The value over the scored list."""
        told = self._told(column, self.split)
        groups = (
            told.speakers if len(set(told.speakers)) > 1 else [str(place) for place in range(len(told.speakers))]
        )
        return {"mtwv": Answer(Detections(told.scores, told.targets, told.terms, groups), groups)}

    def select(self, column: Column) -> float:
        """The value over the list ``dev``."""
        return self._told(column, "dev").value()

    def _told(self, column: Column, name: str) -> Detections:
        trials = self._lists[name]
        queries = list(dict.fromkeys(trial.left for trial in trials))
        used = list(dict.fromkeys(each for trial in trials for each in (trial.left, trial.right)))
        rows = [column.rows(each) for each in used]
        (whole,) = standardised(torch.cat(rows))
        parts = torch.split(normalize(whole, dim=-1), [len(each) for each in rows])
        frames = dict(zip(used, parts, strict=True))
        by_query: dict[str, list[int]] = {}
        for place, trial in enumerate(trials):
            by_query.setdefault(trial.left, []).append(place)
        scores = np.zeros(len(trials))
        for query, places in by_query.items():
            if len(frames[query]) < LEAST_FRAMES:
                continue
            # Documents of like length together: less padding.
            places.sort(key=lambda place: len(frames[trials[place].right]))
            documents = [frames[trials[place].right] for place in places]
            own = -np.concatenate(
                [
                    found_anywhere(*query_costs(frames[query], documents[begin : begin + DOCUMENTS]))
                    for begin in range(0, len(places), DOCUMENTS)
                ]
            )
            scores[places] = (own - own.mean()) / max(own.std(), 1e-9)
        terms = {query: place for place, query in enumerate(queries)}
        return Detections(
            scores,
            np.array([trial.target for trial in trials]),
            np.array([terms[trial.left] for trial in trials]),
            [self._speakers[query] for query in queries],
        )


def _some(trials: list[Trial], most: int, seed: int, name: str, say: Say) -> list[Trial]:
    """The trials of as many documents, drawn by the seed, as make at most so many (0: all)."""
    if not most or len(trials) <= most:
        return trials
    counts = Counter(trial.right for trial in trials)
    documents = sorted(counts)
    order = np.random.default_rng([seed, 13]).permutation(len(documents))
    total = np.cumsum([counts[documents[place]] for place in order])
    kept = {documents[place] for place in order[: max(1, int(np.searchsorted(total, most, side="right")))]}
    say(f"qbe: {len(kept)} of {len(documents)} documents of the list {name}, drawn by the seed")
    return [trial for trial in trials if trial.right in kept]


TASK = Reading(
    "qbe",
    "query by example: a spoken query in spoken documents",
    "spoken queries and documents with trials",
    Search,
    superb=True,
    weaknesses=("read one layer at a time; the one that is best on dev is the row `chosen`",),
)
