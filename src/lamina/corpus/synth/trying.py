"""Trials of synthetic corpora: which speaker, and which query in which document."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lamina.corpus.trials import Trial

Spoken = tuple[str, str, str, str]  # id, speaker, split, text (a query's begins with "?")


def query_trials(spoken: Sequence[Spoken]) -> list[Trial]:
    """Every query of dev and test against every document of its split that somebody else says."""
    made = []
    for split in ("dev", "test"):
        queries = [item for item in spoken if item[2] == split and item[3].startswith("?")]
        documents = [item for item in spoken if item[2] == split and not item[3].startswith("?")]
        for query, speaker, _, text in queries:
            for document, other, _, said in documents:
                if other != speaker:
                    made.append(Trial(split, f" {text[1:]} " in f" {said} ", query, document))
    return made


def speaker_trials(spoken: Sequence[Spoken], seed: int) -> list[Trial]:
    """Every pair of a speaker's test utterances, and for each a pair of two speakers."""
    rng = np.random.default_rng([seed, 6])
    test = [item for item in spoken if item[2] == "test"]
    made = []
    for place, (left, speaker, _, _) in enumerate(test):
        others = [item[0] for item in test if item[1] != speaker]
        for right, same, _, _ in test[place + 1 :]:
            if same == speaker:
                made.append(Trial("test", True, left, right))
                if others:
                    made.append(Trial("test", False, left, others[int(rng.integers(len(others)))]))
    return made
