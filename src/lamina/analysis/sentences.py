"""Whole utterances held against each other: which say the same, or how alike people find them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lamina.analysis.config import SENTENCE, AnalysisConfig
from lamina.analysis.gather import Rows
from lamina.analysis.measures import Values
from lamina.analysis.sums import Sample, Sums
from lamina.analysis.targets import Pairs, Segments, Target
from lamina.analysis.vectors import read_pairs
from lamina.corpus.corpus import Utterance
from lamina.corpus.splits import Roles, speaker_groups
from lamina.errors import LaminaError
from lamina.frames import Ints

Floats = NDArray[np.float64]


def plan_sentences(roles: Roles, config: AnalysisConfig) -> Target:
    """Choose pairs of utterances among those that are scored (nothing is fitted).

    With a file of scored pairs, those in it. Else the same sentence (equal text) by two speakers against as many
    pairs of other sentences by two speakers, at most ``max_sample`` of each, drawn by the seed.

    Raises:
        LaminaError: there are no such pairs.
    """
    utterances = roles.score or roles.fit
    if config.sentence_pairs is not None:
        first, second, truth, notes = _scored(utterances, Path(config.sentence_pairs))
    else:
        first, second, truth, notes = _same(utterances, config)
    used = sorted({int(place) for place in (*first, *second)})
    slot = np.full(len(utterances), -1, dtype=np.int64)
    slot[used] = np.arange(len(used))
    chosen = [utterances[place] for place in used]
    group, groups = speaker_groups(chosen, config.max_groups)
    owners = np.array([groups.index(group[utterance.speaker]) for utterance in chosen], dtype=np.int64)
    pairs = Pairs(slot[first], slot[second], truth, config.sentence_pairs is not None, owners, groups)
    segments, none = _whole(chosen), _whole([])
    fit, score = (none, segments) if roles.score else (segments, none)
    return Target(SENTENCE, roles, (), fit, score, len(used), tuple(notes), None, pairs)


def _whole(utterances: Sequence[Utterance]) -> Segments:
    """Each utterance as one segment, in a slot of its own."""
    places = np.arange(len(utterances))
    first = {utterance.id: (place, place + 1) for place, utterance in enumerate(utterances)}
    offsets = np.array([utterance.samples for utterance in utterances], dtype=np.int64)
    return Segments(first, np.zeros_like(offsets), offsets, np.zeros((1, len(places)), dtype=np.int64), places)


def _scored(utterances: Sequence[Utterance], path: Path) -> tuple[Ints, Ints, Floats, list[str]]:
    place = {utterance.id: number for number, utterance in enumerate(utterances)}
    listed = read_pairs(path)
    known = [(place[one], place[other], score) for one, other, score in listed if one in place and other in place]
    if len(known) < 3:
        raise LaminaError(
            f"target 'sentence': {len(known)} of {len(listed)} pairs in {path} are of utterances that are scored; "
            "their names must be utterance ids of this corpus"
        )
    notes = []
    if len(known) < len(listed):
        notes.append(f"sentence: {len(listed) - len(known)} of {len(listed)} pairs are not of scored utterances")
    rows = np.array(known, dtype=np.float64)
    return rows[:, 0].astype(np.int64), rows[:, 1].astype(np.int64), rows[:, 2], notes


def _same(utterances: Sequence[Utterance], config: AnalysisConfig) -> tuple[Ints, Ints, Floats, list[str]]:
    texts: dict[str, list[int]] = {}
    for number, utterance in enumerate(utterances):
        if text := " ".join(utterance.text.casefold().split()):
            texts.setdefault(text, []).append(number)
    same = [
        (one, other)
        for numbers in texts.values()
        for place, one in enumerate(numbers)
        for other in numbers[place + 1 :]
        if utterances[one].speaker != utterances[other].speaker
    ]
    if not same or len(texts) < 2:
        raise LaminaError(
            "target 'sentence': no sentence is said by two of the scored speakers; give scored pairs "
            "(--sentence-pairs FILE) or use a corpus with texts that speakers share"
        )
    generator = np.random.default_rng([config.seed, *SENTENCE.encode()])
    chosen = np.array(same)[np.sort(generator.permutation(len(same))[: config.max_sample])]
    text_of = {number: text for text, numbers in texts.items() for number in numbers}
    # The others pair the same utterances, shuffled, so both kinds of pairs are of like length and speakers.
    ends, others = chosen.reshape(-1), set()
    for _ in range(20):
        drawn = generator.permutation(ends).reshape(-1, 2)
        for one, other in drawn.tolist():
            if text_of[one] != text_of[other] and utterances[one].speaker != utterances[other].speaker:
                others.add((min(one, other), max(one, other)))
        if len(others) >= len(chosen):
            break
    if not others:
        raise LaminaError(
            "target 'sentence': no two speakers say different sentences: there is nothing to tell apart"
        )
    apart = np.array(sorted(others))
    apart = apart[np.sort(generator.permutation(len(apart))[: len(chosen)])]
    pairs = np.concatenate([chosen, apart]).astype(np.int64)
    truth = np.zeros(len(pairs))
    truth[: len(chosen)] = 1.0
    notes = []
    if without := sum(not utterance.text for utterance in utterances):
        notes.append(f"sentence: {without} of {len(utterances)} utterances have no text")
    return pairs[:, 0], pairs[:, 1], truth, notes


class Likeness:
    """How alike whole utterances are at one tap, pair by pair.

    Args:
        width: of the tap.
        size: how many utterances there are.
        pairs: which are held against each other.
    """

    def __init__(self, width: int, size: int, pairs: Pairs) -> None:
        self.pairs, self._sample = pairs, Sample.empty(size, width)

    def learn(self, x: Tensor, rows: Rows) -> None:
        """Keep the means x (n, width) of utterances that have a slot."""
        if rows.slots is not None:
            self._sample.put(x, rows.slots)

    def values(self, weights: Tensor | None) -> Values:
        """The measure, one value a weighting of the speakers' groups."""
        similarity = cosines(self._sample.rows, self.pairs)
        weighed = torch.ones(1, len(self.pairs.groups)) if weights is None else weights
        name = "sentence-spearman" if self.pairs.graded else "sentence-auc"
        return {name: agreement(similarity, self.pairs, weighed.double().numpy())}

    @property
    def n(self) -> int:
        """How many pairs there are."""
        return len(self.pairs.truth)

    def settle(self) -> None:
        """Check what was kept.

        Raises:
            LaminaError: a state is not finite.
        """
        if not bool(torch.isfinite(self._sample.rows).all()):
            raise LaminaError("states hold values that are not finite: look for NaN or overflow in the states")

    @property
    def sums(self) -> dict[str, Sums]:
        """What this phase has accumulated."""
        return {"sample": self._sample}

    @sums.setter
    def sums(self, found: Mapping[str, Sums]) -> None:
        (self._sample,) = (each for each in found.values() if isinstance(each, Sample))


def cosines(rows: Tensor, pairs: Pairs) -> Floats:
    """(pairs,) cosine similarity of the utterances' means (utterances, width)."""
    unit = nn.functional.normalize(rows.double(), dim=1)
    found: Floats = (unit[pairs.first] * unit[pairs.second]).sum(1).numpy()
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
