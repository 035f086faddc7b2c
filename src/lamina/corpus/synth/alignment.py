"""From eSpeak's events to phones and words whose boundaries lie where the sound changes.

Two systematic faults of the events are repaired here, at eSpeak's own sample rate and before any noise is added,
because both show as exact digital silence:

1. The silence before a sound (the closure of a stop; the gap of 10-13 ms between words) is counted to the phone
   before it. A stop or affricate owns its closure; any other silence belongs to no phone.
2. The event of an l or r at a syllable's end comes after its sound, which leaves it an interval of pure silence.
   It takes the last 40 % of the vowel before it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lamina.corpus.corpus import Segment
from lamina.corpus.synth.espeak import WORD, Speech
from lamina.corpus.synth.phones import CLOSED, CLOSED_MNEMONICS, GLIDE, STRESS, phone_label
from lamina.errors import LaminaError

SILENCE_MS = 2  # fewer zero samples in a row are a zero crossing, not silence
CODA_SHARE = 0.4
_CLOSED = CLOSED | CLOSED_MNEMONICS


class MergedError(LaminaError):
    """eSpeak gave two words one event, so that there is no boundary between them."""


@dataclass
class _Phone:
    label: str | None  # None: a pause
    word: int
    onset: int
    offset: int
    silent: bool = False  # a glottal stop is silence by nature


def align(
    speech: Speech, words: Sequence[str], label: Callable[[str], str | None] = phone_label
) -> tuple[tuple[Segment, ...], tuple[Segment, ...]]:
    """The phone and the word tier of ``words`` as said in ``speech``, in samples at its rate.

    ``label`` names a phone by eSpeak's mnemonic.

    Raises:
        MergedError: eSpeak gave two words one event (some pairs; some accents drop a word's first sound).
        LaminaError: eSpeak used a phone that is in no class.
    """
    phones = _repair(_phones(speech, words, label), speech, within=label is not phone_label)
    tier: list[Segment] = []
    by_word: dict[int, list[Segment]] = {}
    for phone in phones:
        if phone.label is not None and phone.onset < phone.offset:
            tier.append(Segment(phone.label, phone.onset, phone.offset))
            by_word.setdefault(phone.word, []).append(tier[-1])
    if sorted(by_word) != list(range(1, len(words) + 1)):
        raise MergedError(
            f"eSpeak gave {len(by_word)} word events for the {len(words)} words of {' '.join(words)!r}: it says a "
            "pair of these words as one; keep that pair out of the grammar (lamina.corpus.synth.grammar.MERGED)"
        )
    spans = tuple(
        Segment(word, by_word[number][0].onset, by_word[number][-1].offset)
        for number, word in enumerate(words, start=1)
    )
    return tuple(tier), spans


def _phones(speech: Speech, words: Sequence[str], name: Callable[[str], str | None]) -> list[_Phone]:
    """The events as phones: each lasts until the next, and belongs to the word event before it."""
    phones: list[_Phone] = []
    word = 0
    for event in speech.events:
        if event.kind == WORD:
            word = int(event.label)
            continue
        if phones:
            phones[-1].offset = event.sample
        bare = event.label.lstrip(STRESS)
        if bare == GLIDE and phones:
            continue  # the phone before keeps going
        try:
            label = name(event.label)
        except KeyError:
            raise LaminaError(
                f"eSpeak said {' '.join(words)!r} with the phone {event.label!r}, which is in no class: add it to "
                "lamina.corpus.synth.phones.CLASSES"
            ) from None
        phones.append(_Phone(label, word, event.sample, len(speech.wave), bare == "?"))
    return phones


def _repair(phones: list[_Phone], speech: Speech, *, within: bool) -> list[_Phone]:
    """``within``: silence inside a word is always the next phone's closure (languages without classes here)."""
    least = SILENCE_MS * speech.sample_rate // 1000
    for place, phone in enumerate(phones):
        if phone.label is None:
            continue
        silence = phone.offset - _sound_end(speech.wave, phone.onset, phone.offset)
        if silence == phone.offset - phone.onset and not phone.silent:
            _take_from(phones[place - 1] if place else None, phone)
        elif silence >= least and not phone.silent:
            phone.offset -= silence
        else:
            continue
        after = phones[place + 1] if place + 1 < len(phones) else None
        if after is not None and (after.label in _CLOSED or (within and after.label and after.word == phone.word)):
            after.onset -= silence
    return phones


def _take_from(before: _Phone | None, phone: _Phone) -> None:
    """Give a phone whose interval is pure silence the end of the sound before it."""
    if before is None or before.label is None:
        phone.offset = phone.onset
        return
    phone.offset = before.offset
    before.offset -= round(CODA_SHARE * (before.offset - before.onset))
    phone.onset = before.offset


def _sound_end(wave: NDArray[np.int16], onset: int, offset: int) -> int:
    """The end of the last sample in ``[onset, offset)`` that is not zero; ``onset`` where all are."""
    sounding = np.flatnonzero(wave[onset:offset])
    return onset + int(sounding[-1]) + 1 if len(sounding) else onset
