"""Look a corpus over before hours are spent on it: a line for each utterance and fault, none where all is well."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lamina.corpus.corpus import Corpus, Segment, Utterance
from lamina.corpus.faults import Faults
from lamina.corpus.inventories import known_labels
from lamina.corpus.open import open_corpus
from lamina.corpus.shift import TIERS, Shift, shift, spread
from lamina.corpus.stored import SAMPLE_RATE, StoredCorpus
from lamina.corpus.voices import speakers_of
from lamina.errors import LaminaError

CLIPPED = 0.001  # share of samples at full scale
LONG_SILENCE = 2.0  # seconds
SILENT_DB = 50  # below the loudest tenth of a second
HOLE_MS = 30  # of a word that no phone covers
LEAST_MS = 5  # by which a phone goes over its word
_MARK = re.compile(r"[<{\[(].+[>}\])]|[?*]{3,}|[xX]{3,}|\W*unk\W*", re.IGNORECASE)


def examine(path: Path | str) -> tuple[StoredCorpus | None, list[str], Shift | None]:
    """Open whatever lies at ``path``, taking faults as lines, and check it.

    Returns:
        the corpus (None where no utterance of it is usable), a line for each fault, and the shift test's answer.

    Raises:
        LaminaError: there is no corpus at all at ``path``.
    """
    faults = Faults(keep=True, remarks=True)
    try:
        corpus = open_corpus(path, faults=faults)
    except LaminaError:
        if not faults.lines:
            raise
        return None, faults.lines, None
    lines, found = check(corpus, faults)
    return corpus, lines, found


def check(corpus: Corpus, faults: Faults | None = None) -> tuple[list[str], Shift | None]:
    """Read all of a corpus.

    Args:
        corpus: to check.
        faults: what was told when it was opened.

    Returns:
        a line for each fault, and the shift test's answer of the finest tier (None where there is too little).
    """
    lines: list[str] = []
    splits: dict[str, Counter[str]] = {}
    with_tier, labels = Counter[str](), _Labels()
    seen: set[str] = set()
    for utterance in corpus.utterances():
        if utterance.id in seen:
            continue  # told when it was opened
        seen.add(utterance.id)
        for speaker in speakers_of(utterance):
            splits.setdefault(speaker, Counter())[utterance.split] += 1
        with_tier.update(name for name, tier in utterance.tiers.items() if tier)
        labels.add(utterance)
        lines += [f"{utterance.id}: {problem}" for problem in [*_audio(corpus, utterance), *_tiers(utterance)]]
    lines = [*(faults.lines if faults is not None else ()), *lines, *labels.unknown()]
    lines += _missing_tiers(corpus, with_tier)
    lines += _speakers(splits)
    rates = corpus.rates if isinstance(corpus, StoredCorpus) else {}
    if len(rates) > 1:
        told = ", ".join(f"{count} at {rate:,} Hz" for rate, count in sorted(rates.items()))
        lines.append(
            f"mixed sample rates ({told}): what is resampled differs from what is not, above all at the top"
        )
    chosen = spread(corpus) if any(with_tier[tier] for tier in TIERS) else []
    asked = [found for tier in TIERS if with_tier[tier] and (found := shift(corpus, tier, chosen)) is not None]
    lines += [found.verdict for found in asked if found.verdict]
    return lines, asked[0] if asked else None


def _audio(corpus: Corpus, utterance: Utterance) -> Iterator[str]:
    try:
        wave = corpus.read(utterance)
    except LaminaError as error:
        yield str(error)
        return
    if isinstance(corpus, StoredCorpus) and (missing := corpus.cut_short(utterance)):
        yield f"its header promises {missing:,} bytes more than the file has: it was cut short; copy it again"
    if not len(wave):
        yield "the audio is empty"
    elif not np.isfinite(wave).all():
        yield "the audio holds values that are no numbers"
    elif not wave.any():
        yield "the audio is silent from start to end"
    else:
        clipped = float(np.mean(np.abs(wave) >= 0.999))
        if clipped > CLIPPED:
            yield f"{clipped:.1%} of the samples are at full scale: clipped"
        for start, seconds in _silences(wave):
            yield f"{seconds:.1f} s of silence from {start:.1f} s"


def _silences(wave: NDArray[np.float32]) -> Iterator[tuple[float, float]]:
    """Where and for how long nothing is heard, in seconds."""
    hop = SAMPLE_RATE // 50
    frames = wave[: len(wave) // hop * hop].reshape(-1, hop).astype(np.float64)
    power = (frames**2).mean(1)
    if len(power) * hop < LONG_SILENCE * SAMPLE_RATE:
        return
    loud = np.convolve(power, np.ones(5) / 5, mode="same").max()
    quiet = np.flatnonzero(np.diff(np.concatenate([[0], power < loud * 10 ** (-SILENT_DB / 10), [0]])))
    for first, last in quiet.reshape(-1, 2):
        if (last - first) * hop > LONG_SILENCE * SAMPLE_RATE:
            yield first * hop / SAMPLE_RATE, (last - first) * hop / SAMPLE_RATE


def _tiers(utterance: Utterance) -> Iterator[str]:
    for name, tier in utterance.tiers.items():
        if not tier:
            yield f"the {name!r} tier has no segment"
    phones, words = utterance.tiers.get("phone", ()), utterance.tiers.get("word", ())
    if not phones or not words:
        return
    onsets, begins = [2 * word.onset for word in words], [phone.onset for phone in phones]
    outside = 0
    for phone in phones:
        middle = phone.onset + phone.offset
        place = bisect_right(onsets, middle) - 1
        outside += place < 0 or middle >= 2 * words[place].offset
    if outside:
        yield f"{outside} of {len(phones)} phones have their middle in no word"
    inside = [(word, phones[bisect_left(begins, word.onset) : bisect_left(begins, word.offset)]) for word in words]
    without = [word for word, own in inside if not own]
    cut = [word for word, own in inside if own and own[-1].offset - word.offset > LEAST_MS * SAMPLE_RATE // 1000]
    holes = [word for word, own in inside if own and _hole(word, own) > HOLE_MS * SAMPLE_RATE // 1000]
    for faulty, what in (
        (without, "have no phones"),
        (cut, "end within their last phone"),
        (holes, f"have a gap of more than {HOLE_MS} ms that no phone covers"),
    ):
        if faulty:
            first = f"{faulty[0].label!r} at {faulty[0].onset / SAMPLE_RATE:.3f} s"
            yield f"{len(faulty)} of {len(words)} words {what}, such as {first}"


def _hole(word: Segment, phones: Sequence[Segment]) -> int:
    """The longest stretch of a word without a phone, in samples."""
    edges = [word.onset, *(edge for phone in phones for edge in (phone.onset, phone.offset)), word.offset]
    return max(after - before for before, after in list(pairwise(edges))[::2])


class _Labels:
    """Counts labels by tier and remembers where each was met first."""

    def __init__(self) -> None:
        self._counts: dict[str, Counter[str]] = {}
        self._first: dict[tuple[str, str], str] = {}

    def add(self, utterance: Utterance) -> None:
        for name, tier in utterance.tiers.items():
            if name.startswith("speaker"):
                continue
            self._counts.setdefault(name, Counter()).update(segment.label for segment in tier)
            for segment in tier:
                self._first.setdefault((name, segment.label), utterance.id)

    def unknown(self) -> Iterator[str]:
        """Labels that are marks rather than sounds or words, and phones outside a known inventory."""
        for name, counts in self._counts.items():
            inventory, known = known_labels(counts) if name.partition(":")[0] == "phone" else ("", frozenset())
            for label, count in sorted(counts.items()):
                first = self._first[name, label]
                if inventory and label not in known:
                    yield f"{first}: the {name} {label!r} is none of {inventory} ({count} times in all)"
                elif _MARK.fullmatch(label):
                    yield (
                        f"{first}: the {name} {label!r} looks like a mark ({count} times in all): it is no "
                        f"silence in "
                        "lamina.corpus.labels.SILENCES"
                    )


def _missing_tiers(corpus: Corpus, with_tier: Counter[str]) -> Iterator[str]:
    """Utterances without a tier that most others have."""
    usual = {name for name, count in with_tier.items() if 2 * count > len(corpus) and count < len(corpus)}
    if not usual:
        return
    for utterance in corpus.utterances():
        if utterance.labels.get("keyword") == "_silence_":
            continue
        for name in sorted(usual - {tier for tier, segments in utterance.tiers.items() if segments}):
            if name not in utterance.tiers:
                yield f"{utterance.id}: no {name!r} tier, which {with_tier[name]} of {len(corpus)} utterances have"


def _speakers(splits: dict[str, Counter[str]]) -> Iterable[str]:
    several = [speaker for speaker, where in splits.items() if speaker and len(where) > 1]
    if len(several) > 2 and 2 * len(several) > len(splits):
        yield (
            f"{len(several)} of {len(splits)} speakers are in several splits, such as {several[0]!r}: the splits "
            "are by utterance (as speaker identification needs them), and scores will not be of new speakers"
        )
        return
    for speaker, where in sorted(splits.items()):
        if speaker and len(where) > 1:
            named = ", ".join(sorted(split or "no split" for split in where))
            yield f"speaker {speaker!r} is in several splits ({named}): scores will not be of new speakers"
