"""Segments as vectors: the mean of the frames whose centres lie in a segment."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from lamina.corpus.batches import batches
from lamina.corpus.corpus import Corpus, Segment, Utterance
from lamina.encoders.encoder import Encoder, Tap
from lamina.grid import Grid


@dataclass(frozen=True)
class Pooled:
    """Segments as vectors at some taps, all in the same order.

    Attributes:
        values: (segments, width) float32 by name of the tap.
        labels: (segments,) labels.
        speakers: (segments,) who speaks.
    """

    values: dict[str, NDArray[np.float32]]
    labels: NDArray[np.str_]
    speakers: NDArray[np.str_]


def supported(utterance: Utterance, tier: str, grids: Sequence[Grid]) -> list[Segment]:
    """The segments of a tier in which every grid has a frame: known before any forward pass."""
    frames = [grid.frames(utterance.samples) for grid in grids]
    return [
        segment
        for segment in utterance.tiers.get(tier, ())
        if all(
            len(grid.owned(segment.onset, segment.offset, count))
            for grid, count in zip(grids, frames, strict=True)
        )
    ]


def pool(
    encoder: Encoder,
    corpus: Corpus,
    chosen: Mapping[str, Sequence[Segment]],
    utterances: Sequence[Utterance],
    taps: Sequence[Tap],
    *,
    seconds: float,
    progress: Callable[[int], None] | None = None,
) -> Pooled:
    """Pool the chosen segments of ``utterances`` at ``taps``, one pass over the audio.

    Args:
        encoder: takes audio at the corpus's rate.
        corpus: whose audio is read.
        chosen: segments by utterance id; each owns at least one frame of every tap.
        utterances: in the order in which the segments are wanted.
        taps: where to read; all vectors are held in memory (4 bytes a value).
        seconds: the most padded audio in a batch.
        progress: told the number of utterances done.
    """
    held = [utterance for utterance in utterances if chosen[utterance.id]]
    starts, count = {}, 0
    for utterance in held:
        starts[utterance.id] = count
        count += len(chosen[utterance.id])
    values = {tap.name: np.empty((count, tap.width), np.float32) for tap in taps}
    done = 0
    for batch in batches(corpus, held, seconds=seconds):
        for states in encoder.states(batch.waves, batch.lengths, [tap.name for tap in taps]):
            for index, utterance in enumerate(batch.utterances):
                here = states.utterance(index).to("cpu", torch.float64)
                sums = torch.cat([torch.zeros_like(here[:1]), here.cumsum(0)]).numpy()
                owned = [
                    states.tap.grid.owned(segment.onset, segment.offset, len(here))
                    for segment in chosen[utterance.id]
                ]
                first, last = (np.array([getattr(frames, end) for frames in owned]) for end in ("start", "stop"))
                start = starts[utterance.id]
                means = (sums[last] - sums[first]) / (last - first)[:, None]
                values[states.tap.name][start : start + len(owned)] = means
        done += len(batch.utterances)
        if progress is not None:
            progress(done)
    pairs = [(segment.label, utterance.speaker) for utterance in held for segment in chosen[utterance.id]]
    labels, speakers = (np.array([pair[side] for pair in pairs], dtype=np.str_) for side in (0, 1))
    return Pooled(values, labels, speakers)
