"""Spoken queries and documents, with trials: is the one in the other?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from lamina.analysis.targets.segments import EACH, Segmented, Segments
from lamina.analysis.targets.target import Basis
from lamina.corpus.splits import everybody
from lamina.corpus.trials import TRIALS, Trial, read_trials
from lamina.errors import LaminaError
from lamina.frames import long_enough

QUERY = "query"
SCORED, DEV = ("test", "eval"), "dev"


@dataclass(frozen=True, eq=False, kw_only=True)
class Queries(Segmented):
    """The trials of a corpus: those of the list ``test`` or ``eval`` are scored, those of ``dev`` choose a tap.

    Attributes:
        lists: the trials of both lists, by name.
        numbers: by utterance id, its number.
        speakers: by utterance id, who says it.
    """

    implied: ClassVar[bool] = True

    lists: Mapping[str, list[Trial]]
    numbers_of: Mapping[str, int]
    speakers: Mapping[str, str]

    @classmethod
    def means(cls, name: str, /) -> bool:
        """Only `QUERY`."""
        return name == QUERY

    @classmethod
    def plan(cls, name: str, basis: Basis) -> Self:
        """Choose the trials; at most ``most_pairs`` a list, all those of documents drawn by ``seed``.

        Raises:
            LaminaError: the corpus has no trials of queries.
        """
        corpus, config = basis.corpus, basis.config
        folder = getattr(corpus, "folder", None)
        if not isinstance(folder, (str, Path)) or not (Path(folder) / TRIALS).is_file():
            raise LaminaError(
                f"target {name!r}: {corpus.name} has no spoken queries and documents with trials: make or import "
                "such a corpus (`lamina corpus synth configs/corpus/queries.toml OUT`, QUESST 2014)"
            )
        known = {one.id: one for one in corpus.utterances() if long_enough(one.samples, basis.grids)}
        lists: dict[str, list[Trial]] = {}
        left = 0
        for trial in read_trials(folder):
            if trial.left in known and trial.right in known:
                lists.setdefault(trial.list, []).append(trial)
            else:
                left += 1
        notes = [f"{name}: {left} trials are of utterances without a frame on some grid"] if left else []
        scored = next((each for each in SCORED if each in lists), "")
        if not scored:
            raise LaminaError(
                f"the trials of {corpus.name} have no list test or eval, but {', '.join(lists) or 'none'}"
            )
        chosen = {}
        for each in (DEV, scored):
            if each in lists:
                chosen[each] = _some(lists[each], config.most_pairs, config.seed)
                if len(chosen[each]) < len(lists[each]):
                    told = (
                        f"{len(chosen[each])} of {len(lists[each])} trials of the list {each}, drawn by the seed"
                    )
                    notes.append(f"{name}: {told}")
                if len({trial.target for trial in chosen[each]}) < 2:
                    raise LaminaError(
                        f"{corpus.name}: the list {each} needs queries that are in a document and not in one"
                    )
        used = {place: None for trials in chosen.values() for one in trials for place in (one.left, one.right)}
        utterances = [known[one] for one in used]
        return cls(
            name=name,
            roles=everybody(utterances, scored, config.max_groups),
            items="trials",
            poolings=(EACH,),
            fit=Segments.of([(one, 0, one.samples) for one in utterances]),
            score=Segments.none(),
            notes=tuple(notes),
            lists=chosen,
            numbers_of={one.id: number for number, one in enumerate(utterances)},
            speakers={one.id: one.speaker for one in utterances},
        )


def _some(trials: list[Trial], most: int, seed: int) -> list[Trial]:
    """The trials of as many documents, drawn by the seed, as make at most so many."""
    if len(trials) <= most:
        return trials
    counts = Counter(trial.right for trial in trials)
    documents = sorted(counts)
    order = np.random.default_rng([seed, 13]).permutation(len(documents))
    total = np.cumsum([counts[documents[place]] for place in order])
    kept = {documents[place] for place in order[: max(1, int(np.searchsorted(total, most, side="right")))]}
    return [trial for trial in trials if trial.right in kept]
