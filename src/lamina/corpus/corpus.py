"""What all corpora are: utterances with a speaker and time-aligned tiers, on lhotse manifests."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Segment:
    """A labelled stretch of audio: ``[onset, offset)`` in samples at the corpus's sample rate."""

    label: str
    onset: int
    offset: int


class Tiers(Mapping[str, tuple[Segment, ...]]):
    """Tiers that take little memory: a segment is made when it is asked for.

    Args:
        packed: of each tier the labels, and the onsets and offsets as 32-bit integers in turn.
    """

    __slots__ = ("_packed",)

    def __init__(self, packed: dict[str, tuple[tuple[str, ...], bytes]]) -> None:
        self._packed = packed

    def __getitem__(self, name: str) -> tuple[Segment, ...]:
        """The segments of a tier."""
        labels, edges = self._packed[name]
        at = memoryview(edges).cast("i").tolist()
        return tuple(map(Segment, labels, at[::2], at[1::2]))

    def of(self, name: str) -> tuple[tuple[str, ...], bytes]:
        """A tier as it is kept."""
        return self._packed[name]

    def __iter__(self) -> Iterator[str]:
        """The tiers' names."""
        return iter(self._packed)

    def __len__(self) -> int:
        """The number of tiers."""
        return len(self._packed)

    def __repr__(self) -> str:
        """As a plain mapping."""
        return repr(dict(self))


def packed(tiers: Mapping[str, Iterable[Segment]]) -> Tiers:
    """Tiers that take little memory, of others."""
    made: dict[str, tuple[tuple[str, ...], bytes]] = {}
    for name, tier in tiers.items():
        segments = tuple(tier)
        edges = array("i", [at for segment in segments for at in (segment.onset, segment.offset)])
        made[name] = (tuple(segment.label for segment in segments), edges.tobytes())
    return Tiers(made)


@dataclass(frozen=True, slots=True)
class Utterance:
    """One utterance.

    Attributes:
        id: unique in its corpus.
        speaker: who speaks.
        split: ``train``, ``dev``, ``test``, or empty where the corpus has no splits.
        samples: its length at the corpus's sample rate.
        text: what is said, empty where unknown.
        tiers: segments by tier name (``phone``, ``syllable``, ``word``, …), sorted, without overlap; silence is
            no segment. Several people at once have tiers of their own: ``speaker:1``, ``speaker:2``, …, whose
            labels are the speakers' names.
        labels: what holds for the whole utterance, text by name: ``emotion``, ``intent``, ``keyword``, ….
    """

    id: str
    speaker: str
    split: str
    samples: int
    text: str
    tiers: Mapping[str, tuple[Segment, ...]]
    labels: Mapping[str, str] = field(default_factory=dict)


class Corpus(Protocol):
    """Utterances, in a fixed order, whose audio is read when asked for.

    Attributes:
        name: as people call it.
        digest: changes when an utterance, its audio's length, its tiers or a split changes.
        sample_rate: of all its audio and segments (Hz); files at other rates are resampled when read.
    """

    name: str
    digest: str
    sample_rate: int

    def __len__(self) -> int:
        """The number of utterances."""
        ...

    def utterances(self, split: str | None = None) -> Iterator[Utterance]:
        """The utterances of a split (of all where None), in manifest order."""
        ...

    def read(self, utterance: Utterance, start: int = 0, stop: int | None = None) -> NDArray[np.float32]:
        """The samples ``[start, stop)`` of an utterance, one channel, float32 in [-1, 1].

        Raises:
            LaminaError: the file is missing or does not decode.
        """
        ...
