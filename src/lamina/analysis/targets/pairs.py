"""Whole utterances held against each other: which say the same, or how alike people find them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from lamina.analysis.config import SENTENCE, AnalysisConfig
from lamina.analysis.targets.readers import read_pairs
from lamina.analysis.targets.segments import Segmented, Segments
from lamina.analysis.targets.target import Basis
from lamina.corpus.corpus import Utterance
from lamina.corpus.splits import speaker_groups, unfitted
from lamina.errors import LaminaError
from lamina.frames import Ints

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False, kw_only=True)
class Pairs(Segmented):
    """Pairs of utterances.

    Attributes:
        first, second: (pairs,) numbers of the utterances.
        truth: (pairs,) how alike they are: scores, or 1 for the same sentence and 0 for another.
        graded: whether ``truth`` is a score rather than yes or no.
        owners: (utterances,) the group in which each utterance's speaker is resampled.
        groups: names of these groups, sorted.
    """

    implied: ClassVar[bool] = True

    first: Ints
    second: Ints
    truth: Floats
    graded: bool
    owners: Ints
    groups: tuple[str, ...]

    @classmethod
    def means(cls, name: str, /) -> bool:
        """Only `SENTENCE`."""
        return name == SENTENCE

    @classmethod
    def plan(cls, name: str, basis: Basis) -> Self:
        """Choose pairs of utterances among those that are scored (nothing is fitted).

        With a file of scored pairs, those in it. Else the same sentence (equal text) by two speakers against as
        many pairs of other sentences by two speakers, at most ``max_sample`` of each, drawn by the seed.

        Raises:
            LaminaError: there are no such pairs.
        """
        config, roles = basis.config, unfitted(basis.roles, basis.config.max_groups)
        utterances = roles.score or roles.fit
        if config.sentence_pairs is not None:
            first, second, truth, notes = _scored(utterances, Path(config.sentence_pairs))
        else:
            first, second, truth, notes = _same(utterances, config)
        used = sorted({int(place) for place in (*first, *second)})
        number = np.full(len(utterances), -1, dtype=np.int64)
        number[used] = np.arange(len(used))
        chosen = [utterances[place] for place in used]
        group, groups = speaker_groups(chosen, config.max_groups)
        segments = Segments.of([(utterance, 0, utterance.samples) for utterance in chosen])
        return cls(
            name=name,
            roles=roles,
            items="pairs",
            fit=segments if roles.folded else Segments.none(),
            score=Segments.none() if roles.folded else segments,
            notes=tuple(notes),
            first=number[first],
            second=number[second],
            truth=truth,
            graded=config.sentence_pairs is not None,
            owners=np.array([groups.index(group[utterance.speaker]) for utterance in chosen], dtype=np.int64),
            groups=groups,
        )


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
