"""Look a corpus over before hours are spent on it."""

from __future__ import annotations

import numpy as np

from lamina.corpus.corpus import Corpus, Utterance
from lamina.errors import LaminaError


def check(corpus: Corpus) -> list[str]:
    """Read all of a corpus; one line for each problem, none where all is well."""
    problems: list[str] = []
    splits: dict[str, set[str]] = {}
    for utterance in corpus.utterances():
        splits.setdefault(utterance.speaker, set()).add(utterance.split)
        problems += [f"{utterance.id}: {problem}" for problem in [*_audio(corpus, utterance), *_tiers(utterance)]]
    for speaker, where in sorted(splits.items()):
        if len(where) > 1:
            named = ", ".join(sorted(split or "no split" for split in where))
            problems.append(
                f"speaker {speaker!r} is in several splits ({named}): scores will not be of new speakers"
            )
    return problems


def _audio(corpus: Corpus, utterance: Utterance) -> list[str]:
    try:
        wave = corpus.read(utterance)
    except LaminaError as error:
        return [str(error)]
    if not np.isfinite(wave).all():
        return ["the audio holds values that are no numbers"]
    if not wave.any():
        return ["the audio is silent from start to end"]
    clipped = float(np.mean(np.abs(wave) >= 0.999))
    return [f"{clipped:.1%} of the samples are at full scale: clipped"] if clipped > 0.001 else []


def _tiers(utterance: Utterance) -> list[str]:
    problems = [f"the {name!r} tier has no segment" for name, tier in utterance.tiers.items() if not tier]
    phones, words = utterance.tiers.get("phone", ()), utterance.tiers.get("word", ())
    if phones and words:
        outside = sum(
            not any(2 * word.onset <= phone.onset + phone.offset < 2 * word.offset for word in words)
            for phone in phones
        )
        if outside:
            problems.append(f"{outside} of {len(phones)} phones have their middle in no word")
    return problems
