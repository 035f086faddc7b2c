"""Who is fitted on and who is scored on: never the same speaker, where there is more than one."""

from __future__ import annotations

import numpy as np

from lamina.corpus.corpus import Corpus, Utterance
from lamina.errors import LaminaError


def roles(corpus: Corpus, *, seed: int) -> tuple[list[Utterance], list[Utterance], str]:
    """The utterances to fit on, those to score on, and what the latter are: the ``split`` of scores.

    The train and the test split where the corpus has both. Else speakers are shuffled by ``seed`` and about a
    third of them is scored; a corpus of one speaker is divided by utterances, and its scores say nothing of new
    speakers. Manifest order is kept.

    Raises:
        LaminaError: the corpus has fewer than two utterances.
    """
    everything = list(corpus.utterances())
    fit = [utterance for utterance in everything if utterance.split == "train"]
    score = [utterance for utterance in everything if utterance.split == "test"]
    if fit and score:
        return fit, score, "test"
    if len(everything) < 2:
        raise LaminaError(f"{corpus.name} has one utterance: there is nothing to score on; add more audio")
    names = sorted({utterance.speaker for utterance in everything})
    by_speaker = len(names) > 1
    if not by_speaker:
        names = sorted(utterance.id for utterance in everything)
    order = np.random.default_rng(seed).permutation(len(names))
    scored = {names[place] for place in order[: max(1, round(len(names) / 3))]}
    fit, score = [], []
    for utterance in everything:
        (score if (utterance.speaker if by_speaker else utterance.id) in scored else fit).append(utterance)
    whose = "speakers" if by_speaker else "utterances of one speaker"
    return fit, score, f"{len(scored)} of {len(names)} {whose} (seed {seed})"


def of_split(corpus: Corpus, split: str) -> list[Utterance]:
    """The utterances of a split; all of them where ``split`` is empty or the corpus has no splits at all.

    Raises:
        LaminaError: the corpus has splits, but not this one.
    """
    everything = list(corpus.utterances())
    there = sorted({utterance.split for utterance in everything} - {""})
    if not split or not there:
        return everything
    if split not in there:
        raise LaminaError(
            f"corpus {corpus.name} has no split {split!r}; it has {', '.join(there)}: set `split` in the config "
            'to one of them, or to "" for all of the corpus'
        )
    return [utterance for utterance in everything if utterance.split == split]
