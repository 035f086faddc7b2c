"""What all corpora are: utterances with a speaker and time-aligned tiers, on lhotse manifests."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
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
    """Tiers that take little memory: segments are made when they are asked for.

    Args:
        packed: of each tier the labels, and the onsets and offsets in turn as 32-bit integers.
    """

    __slots__ = ("_packed",)

    def __init__(self, packed: dict[str, tuple[tuple[str, ...], bytes]]) -> None:
        self._packed = packed

    def __getitem__(self, name: str) -> tuple[Segment, ...]:
        """The segments of a tier."""
        return tuple(map(Segment, *self.columns(name)))

    def columns(self, name: str) -> tuple[tuple[str, ...], list[int], list[int]]:
        """The labels, onsets and offsets of a tier."""
        labels, edges = self._packed[name]
        at = memoryview(edges).cast("i").tolist()
        return labels, at[::2], at[1::2]

    def __iter__(self) -> Iterator[str]:
        """The tiers' names."""
        return iter(self._packed)

    def __len__(self) -> int:
        """The number of tiers."""
        return len(self._packed)

    def __repr__(self) -> str:
        """As a plain mapping."""
        return repr(dict(self))


def columns(
    tiers: Mapping[str, tuple[Segment, ...]], name: str
) -> tuple[Sequence[str], Sequence[int], Sequence[int]]:
    """The labels, onsets and offsets of a tier, for those who need no segments."""
    if isinstance(tiers, Tiers):
        return tiers.columns(name)
    tier = tiers[name]
    return [s.label for s in tier], [s.onset for s in tier], [s.offset for s in tier]


def pack(tier: Sequence[Segment]) -> tuple[tuple[str, ...], bytes]:
    """A tier as `Tiers` keeps it."""
    edges = array("i", [at for segment in tier for at in (segment.onset, segment.offset)])
    return tuple(segment.label for segment in tier), edges.tobytes()


def packed(tiers: Mapping[str, tuple[Segment, ...]]) -> Tiers:
    """Tiers that take little memory, of any."""
    return tiers if isinstance(tiers, Tiers) else Tiers({name: pack(tier) for name, tier in tiers.items()})


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

    def small(self) -> Utterance:
        """The same, for keeping: its segments are made when they are asked for."""
        return replace(self, tiers=packed(self.tiers))


def phone_map_of(corpus: Corpus) -> str:
    """The map by which a corpus's phones were folded (its ``phone_map``); empty where they were not."""
    return str(getattr(corpus, "phone_map", ""))


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
