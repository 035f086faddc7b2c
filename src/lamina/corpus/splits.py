"""Who is fitted on and who is scored on: never the same speaker, where there is more than one."""

from __future__ import annotations

import numpy as np

from lamina.corpus.corpus import Corpus, Utterance
from lamina.errors import LaminaError


def roles(corpus: Corpus, *, seed: int) -> tuple[list[Utterance], list[Utterance], str]:
    """The utterances to fit on, those to score on, and one line that says how they were told apart.

    The train and the test split where the corpus has both. Else speakers are shuffled by ``seed`` and about a
    third of them is scored; a corpus of one speaker is divided by utterances. Manifest order is kept.

    Raises:
        LaminaError: the corpus has fewer than two utterances.
    """
    everything = list(corpus.utterances())
    fit = [utterance for utterance in everything if utterance.split == "train"]
    score = [utterance for utterance in everything if utterance.split == "test"]
    if fit and score:
        return fit, score, "fitted on the train split, scored on the test split"
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
    if by_speaker:
        fitted = len(names) - len(scored)
        told = f"no train and test splits: fitted on {fitted} speakers, scored on {len(scored)} others"
    else:
        told = (
            f"one speaker: fitted on {len(fit)} utterances, scored on {len(score)} others of the same speaker, so "
            "scores say nothing of new speakers"
        )
    return fit, score, f"{told} (seed {seed})"
