"""Segments of utterances, chosen and numbered before any forward pass.

Known from grids and alignments alone, so the pass over the audio needs no look-ahead, and nothing depends on the
order of batches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from lamina.analysis.targets.target import Target
from lamina.corpus.corpus import Segment, Utterance
from lamina.frames import Ints, bounds, decimated_bounds, frame_counts, narrowed, seen_everywhere
from lamina.grid import Grid

Spans = Callable[[Utterance], Iterable[Segment]]
NONE = np.zeros(0, dtype=np.int64)
EACH = "each"  # a pooling that averages nothing: every frame that a segment owns is a row


@dataclass(frozen=True, slots=True, eq=False)
class Segments:
    """Segments of one target and role, numbered utterance by utterance.

    Attributes:
        first: for each utterance id, its first segment and the first beyond; utterances without any may be absent.
        onsets: (segments,) first sample.
        offsets: (segments,) first sample beyond.
        samples: (segments,) length of each one's utterance.
    """

    first: Mapping[str, tuple[int, int]]
    onsets: Ints
    offsets: Ints
    samples: Ints

    @classmethod
    def none(cls) -> Segments:
        """No segment."""
        return cls({}, NONE, NONE, NONE)

    @classmethod
    def of(cls, held: Sequence[tuple[Utterance, int, int]]) -> Segments:
        """Utterances with onset and offset, all segments of an utterance side by side."""
        numbers: dict[str, tuple[int, int]] = {}
        for place, (utterance, _, _) in enumerate(held):
            numbers[utterance.id] = (numbers.get(utterance.id, (place, place))[0], place + 1)
        rows = [(onset, offset, utterance.samples) for utterance, onset, offset in held]
        return cls(numbers, *np.array(rows, dtype=np.int64).reshape(-1, 3).T)

    def __len__(self) -> int:
        return len(self.onsets)

    def owners(self, utterances: Iterable[Utterance]) -> list[str]:
        """(segments,) who says each: its speaker; its utterance where all are of one speaker."""
        speaker = {utterance.id: utterance.speaker for utterance in utterances}
        ids = [name for name, (start, stop) in self.first.items() for _ in range(start, stop)]
        found = [speaker[name] for name in ids]
        return found if len(set(found)) > 1 else ids

    def numbers(self, utterances: Sequence[Utterance]) -> tuple[Ints, Ints]:
        """Numbers of the segments of these utterances, and the place of each one's utterance among them."""
        runs = [self.first.get(utterance.id, (0, 0)) for utterance in utterances]
        numbers = [np.arange(start, stop) for start, stop in runs]
        items = np.repeat(np.arange(len(runs)), [stop - start for start, stop in runs])
        return (np.concatenate(numbers) if numbers else NONE), items


@dataclass(frozen=True, eq=False, kw_only=True)
class Segmented(Target):
    """A target whose rows are segments, or the frames of segments where its pooling is ``each``.

    Attributes:
        fit: segments of the utterances that are fitted on; of all where folds score each other.
        score: segments of the utterances that are scored apart.
    """

    whole: ClassVar[bool] = False  # whether all frames of an utterance count, wherever their centres lie

    fit: Segments
    score: Segments
    _pieces: dict[tuple[Grid, Grid | None], tuple[Ints, Ints]] = field(default_factory=dict)

    @property
    def scored(self) -> Segments:
        """Those that are scored."""
        return self.fit if self.roles.folded else self.score

    def side(self, _numbers: Ints, _fitting: bool, /) -> Tensor:
        """What rows of these segments are held against: vectors (n, size), labels (labellings, n), or none."""
        return torch.zeros(0)

    def keys(self, _numbers: Ints, /) -> Ints | None:
        """(n,) the part, fold or group of these segments; None where it is their utterance's."""
        return None

    def owned(
        self, pooling: str, grid: Grid, matched: Grid | None, onsets: Ints, offsets: Ints, samples: Ints, /
    ) -> tuple[Ints, Ints]:
        """First frame of segments and first beyond, (segments,), of a grid or of it decimated to ``matched``."""
        frames = frame_counts(grid, samples)
        if matched is None:
            runs = bounds(grid, onsets, offsets, frames)
        else:
            runs = decimated_bounds(grid, matched, onsets, offsets, frames, frame_counts(matched, samples))
        return narrowed(pooling, matched or grid, onsets, offsets, *runs)

    def pieces(self, grid: Grid, matched: Grid | None = None) -> tuple[Ints, Ints]:
        """Of each scored segment, the number of its first frame among all of theirs, and how many it has."""
        key = (grid, matched)
        if key not in self._pieces:
            held = self.scored
            start, stop = self.owned("each", grid, matched, held.onsets, held.offsets, held.samples)
            counts = stop - start
            self._pieces[key] = (np.cumsum(counts) - counts, counts)
        return self._pieces[key]


def on_support(
    held: Sequence[tuple[Utterance, Segment]], grids: Iterable[Grid], matched: Grid | None = None
) -> list[tuple[Utterance, Segment]]:
    """Those of utterances' segments that every grid sees (`lamina.frames.seen_everywhere`)."""
    rows = [(segment.onset, segment.offset, utterance.samples) for utterance, segment in held]
    onsets, offsets, samples = np.array(rows, dtype=np.int64).reshape(-1, 3).T
    seen = seen_everywhere(grids, onsets, offsets, samples, matched=matched)
    return [each for each, kept in zip(held, seen, strict=True) if kept]
