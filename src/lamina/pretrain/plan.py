"""Which stretches of which utterances make the batch of step s: a pure function of (seed, s), no audio read.

So a resumed run sees what an unbroken one would, and every process knows the whole batch. lhotse's
DynamicBucketingSampler is not used for the buckets: it gets to step s by walking through all steps before, its
batches depend on the number of processes, and it takes lhotse's cuts alone where Lamina has corpora of any kind.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lamina.errors import LaminaError

# Each purpose draws from a stream of its own, so that no draw of one shifts those of another.
ORDER, PLACE = 1, 2
MOST_BUCKETS, BATCHES_A_BUCKET = 30, 4


@dataclass(frozen=True, slots=True)
class Place:
    """A stretch of audio: ``samples`` samples of utterance number ``index`` from sample ``start`` on."""

    index: int
    start: int
    samples: int


class Plan(Protocol):
    """What makes the batches."""

    def batch(self, seed: int, step: int) -> list[Place]:
        """The whole batch of a step."""
        ...

    def fixed(self, most: int) -> Iterator[list[Place]]:
        """Batches of at most ``most`` stretches in all that are always the same: to validate on."""
        ...


class EqualCrops:
    """Batches of ``size`` crops of equal length.

    An epoch goes through every utterance as often as it holds whole crops; each time the crop's place is drawn
    anew, at a multiple of ``grain`` samples.

    Args:
        lengths: samples of every utterance, none shorter than a crop.
        samples: length of a crop.
        size: crops a batch.
        grain: crops start at multiples of it.
    """

    def __init__(self, lengths: Sequence[int], *, samples: int, size: int, grain: int) -> None:
        self._lengths = lengths
        self._samples, self._size, self._grain = samples, size, grain
        self._turns = np.repeat(np.arange(len(lengths)), [length // samples for length in lengths])
        self._order: tuple[tuple[int, int], NDArray[np.int64]] | None = None

    def batch(self, seed: int, step: int) -> list[Place]:
        """The crops of a step."""
        draw = np.random.default_rng([seed, PLACE, step])
        chosen = []
        for turn in range(step * self._size, (step + 1) * self._size):
            index = int(self.epoch(seed, turn // len(self._turns))[turn % len(self._turns)])
            last = (self._lengths[index] - self._samples) // self._grain
            chosen.append(Place(index, int(draw.integers(last + 1)) * self._grain, self._samples))
        return chosen

    def fixed(self, most: int) -> Iterator[list[Place]]:
        """Crops from the middle of utterances evenly apart."""
        chosen = [
            Place(index, (self._lengths[index] - self._samples) // (2 * self._grain) * self._grain, self._samples)
            for index in evenly(len(self._lengths), most)
        ]
        for first in range(0, len(chosen), self._size):
            yield chosen[first : first + self._size]

    def epoch(self, seed: int, epoch: int) -> NDArray[np.int64]:
        """The utterances of an epoch, in its order."""
        if self._order is None or self._order[0] != (seed, epoch):
            order = np.random.default_rng([seed, ORDER, epoch]).permutation(self._turns)
            self._order = ((seed, epoch), order)
        return self._order[1]


class Buckets:
    """Batches of whole utterances of like length, as many as ``budget`` samples of padded audio hold.

    Utterances are sorted into buckets by length, once; a bucket's batches all have the same number of utterances.
    An epoch goes through all batches of all buckets in a random order, each bucket shuffled anew; its last batch
    takes what it lacks from its beginning, so every epoch has as many batches.

    Args:
        lengths: samples of every utterance.
        longest: what is longer is cut to so many samples, at a drawn place. # fairseq: max_sample_size
        budget: samples a batch, padding included. # fairseq: max_tokens
        grain: cuts start at multiples of it.
        parts: a batch must have at least so many utterances.

    Raises:
        LaminaError: a batch would have fewer.
    """

    def __init__(self, lengths: Sequence[int], *, longest: int, budget: int, grain: int, parts: int = 1) -> None:
        self._lengths, self._longest, self._budget, self._grain = lengths, longest, budget, grain
        cut = np.minimum(np.asarray(lengths, dtype=np.int64), longest)
        order = np.argsort(cut, kind="stable")
        audio = np.cumsum(cut[order])
        count = int(np.clip(audio[-1] // (BATCHES_A_BUCKET * budget), 1, MOST_BUCKETS))
        edges = np.searchsorted(audio, audio[-1] * np.arange(1, count) // count)
        self._buckets = [part for part in np.split(order, edges) if len(part)]
        self._sizes = [min(len(part), max(1, budget // int(cut[part].max()))) for part in self._buckets]
        # One entry a batch of an epoch: its bucket, and its number within it.
        self._batches = [
            (bucket, number)
            for bucket, (part, size) in enumerate(zip(self._buckets, self._sizes, strict=True))
            for number in range(-(-len(part) // size))
        ]
        self._drawn: tuple[tuple[int, int], NDArray[np.int64], list[NDArray[np.int64]]] | None = None
        if min(self._sizes) < parts:
            raise LaminaError(
                f"a batch of {min(self._sizes)} utterances (what batch_seconds holds, or all there are) cannot be "
                f"split into {parts} parts: raise batch_seconds, lower crop_seconds (the longest utterance), "
                "accumulate or the number of processes, or use more speech"
            )

    def __len__(self) -> int:
        """Batches of an epoch."""
        return len(self._batches)

    def batch(self, seed: int, step: int) -> list[Place]:
        """The utterances of a step."""
        epoch, turn = divmod(step, len(self._batches))
        order, shuffled = self._epoch(seed, epoch)
        bucket, number = self._batches[order[turn]]
        members, size = shuffled[bucket], self._sizes[bucket]
        draw = np.random.default_rng([seed, PLACE, step])
        chosen = []
        for turn in range(number * size, (number + 1) * size):
            index = int(members[turn % len(members)])
            last = max(0, self._lengths[index] - self._longest) // self._grain
            chosen.append(self._place(index, int(draw.integers(last + 1))))
        return chosen

    def fixed(self, most: int) -> Iterator[list[Place]]:
        """Utterances evenly apart, those of like length together; long ones are cut from the middle."""
        group: list[Place] = []
        wanted = set(evenly(len(self._lengths), most))
        for index in (int(each) for part in self._buckets for each in part):
            if index in wanted:
                place = self._place(index, max(0, self._lengths[index] - self._longest) // (2 * self._grain))
                if group and place.samples * (len(group) + 1) > self._budget:
                    yield group
                    group = []
                group.append(place)
        yield group

    def _place(self, index: int, grains: int) -> Place:
        return Place(index, grains * self._grain, min(self._lengths[index], self._longest))

    def _epoch(self, seed: int, epoch: int) -> tuple[NDArray[np.int64], list[NDArray[np.int64]]]:
        if self._drawn is None or self._drawn[0] != (seed, epoch):
            draw = np.random.default_rng([seed, ORDER, epoch])
            order = draw.permutation(len(self._batches))
            self._drawn = ((seed, epoch), order, [draw.permutation(part) for part in self._buckets])
        return self._drawn[1:]


def evenly(count: int, most: int) -> list[int]:
    """At most ``most`` of ``count`` numbers, evenly apart."""
    taken = min(most, count)
    return [i * count // taken for i in range(taken)]
