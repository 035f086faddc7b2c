"""Syllables of English words from their phones: every vowel is a nucleus, onsets are as long as English allows.

The maximal onset principle (Kahn 1976): of the consonants between two vowels, the longest run that can begin an
English word begins the second syllable; the rest end the first. Syllables do not cross words.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from lamina.corpus.corpus import Segment
from lamina.corpus.synth.phones import CLASSES, VOWELS

_CLUSTERS = (
    "P L,P R,P Y,B L,B R,B Y,T R,T W,T Y,D R,D W,D Y,K L,K R,K W,K Y,G L,G R,G W,F L,F R,F Y,V Y,TH R,TH W,SH R,"
    "HH Y,M Y,N Y,S P,S T,S K,S M,S N,S F,S W,S L,S P L,S P R,S P Y,S T R,S T Y,S K R,S K W,S K Y"
)
ONSETS = frozenset(
    [()]
    + [(phone,) for phone in CLASSES if phone not in VOWELS | {"NG"}]
    + [tuple(cluster.split()) for cluster in _CLUSTERS.split(",")]
)


def syllabify(phones: Sequence[str]) -> list[range]:
    """Which of a word's phones make each syllable; one syllable where there is no vowel."""
    nuclei = [place for place, phone in enumerate(phones) if phone in VOWELS]
    starts = [0]
    for before, nucleus in pairwise(nuclei):
        start = before + 1
        while tuple(phones[start:nucleus]) not in ONSETS:
            start += 1
        starts.append(start)
    return [range(start, stop) for start, stop in zip(starts, [*starts[1:], len(phones)], strict=True)]


def syllables(phones: Sequence[Segment], words: Sequence[Segment]) -> tuple[Segment, ...]:
    """The syllable tier under words, labelled by their phones: ``L-IH``, ``T-EL``."""
    made: list[Segment] = []
    place = 0
    for word in words:
        inside = []
        while place < len(phones) and phones[place].offset <= word.offset:
            inside.append(phones[place])
            place += 1
        for span in syllabify([phone.label for phone in inside]):
            part = inside[span.start : span.stop]
            made.append(Segment("-".join(phone.label for phone in part), part[0].onset, part[-1].offset))
    return tuple(made)
