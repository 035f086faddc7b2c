"""Frames by where they lie: single frames of a tap, held against what is said at or around each one's centre."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor

from lamina.analysis.targets.labels import SPEAKER
from lamina.analysis.targets.target import Target
from lamina.corpus.corpus import Segment, Utterance
from lamina.frames import Ints, centres, nearest
from lamina.grid import Grid


class TimedRows(NamedTuple):
    """Frames of a batch: their utterance and place (rows,), labels (labellings, rows), and numbers (rows,)."""

    items: Ints
    places: Ints
    side: Tensor
    numbers: Tensor


@dataclass(frozen=True, eq=False, kw_only=True)
class Timed(Target):
    """A target whose rows are frames chosen by time, in the order of time within each utterance."""

    tiers: ClassVar[bool] = True

    @classmethod
    def means(cls, name: str, /) -> bool:
        """Any tier."""
        return name != SPEAKER

    @abstractmethod
    def rows(self, utterances: Sequence[Utterance], at: Sequence[Ints], /) -> TimedRows:
        """The frames of these utterances that count.

        Args:
            utterances: of a batch.
            at: for each, the sample in which each of its frames' centres lies (`times`).
        """


def every_frame(utterances: Sequence[Utterance], at: Sequence[Ints], numbers: Mapping[str, int]) -> TimedRows:
    """All frames of the utterances that have a number, without labels; see `Timed.rows`."""
    none = np.zeros(0, dtype=np.int64)
    kept = [(item, len(at[item]), numbers[one.id]) for item, one in enumerate(utterances) if one.id in numbers]
    items, places, found = (
        np.concatenate([none, *each])
        for each in (
            [np.full(count, item) for item, count, _ in kept],
            [np.arange(count) for _, count, _ in kept],
            [np.full(count, number) for _, count, number in kept],
        )
    )
    return TimedRows(items, places, torch.zeros(0), torch.from_numpy(found))


def times(grid: Grid, matched: Grid | None, samples: int) -> Ints:
    """(frames,) the sample in which the centre of each frame of so much audio lies.

    Those of a grid that is decimated to ``matched`` lie where the frames that are kept lie.
    """
    frames = np.arange(grid.frames(samples))
    if matched is not None:
        frames = nearest(grid, matched, len(frames), matched.frames(samples))
    return centres(grid, frames)


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """What is said when in an utterance: runs that abut, from its first sample on.

    Attributes:
        begins: (runs,) first sample of each.
        codes: (runs,) the class of each; the last class of all is none of them.
        samples: of the utterance.
    """

    begins: Ints
    codes: Ints
    samples: int

    @classmethod
    def of(cls, segments: Sequence[Segment], numbers: dict[str, int], samples: int) -> Track:
        """Segments of an utterance, the class of each label by ``numbers``; others and pauses are the next one."""
        none, at = len(numbers), 0
        begins, codes = [], []
        for segment in segments:
            if segment.onset > at:
                begins.append(at)
                codes.append(none)
            begins.append(segment.onset)
            codes.append(numbers.get(segment.label, none))
            at = segment.offset
        if at < samples:
            begins.append(at)
            codes.append(none)
        return cls(np.array(begins, dtype=np.int64), np.array(codes, dtype=np.int64), samples)

    def at(self, places: Ints) -> Ints:
        """The class of each of these samples."""
        found: Ints = self.codes[np.searchsorted(self.begins, places, side="right") - 1]
        return found

    def reordered(self, random: np.random.Generator) -> Track:
        """The same runs in another order: chance that keeps what is said and for how long."""
        order = random.permutation(len(self.codes))
        lengths = np.diff(self.begins, append=self.samples)[order]
        return Track(np.cumsum(lengths) - lengths, self.codes[order], self.samples)
