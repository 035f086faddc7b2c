"""Batches of audio for encoders: little padding, bounded memory, always in the same order."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lamina.corpus.corpus import Corpus, Utterance
from lamina.errors import LaminaError

BUFFER = 64  # batches' worth of utterances that are sorted by length at a time
ONE = 40_000  # samples: what a batch costs by itself; so much padding is one batch less worth
AHEAD = 2  # batches that are read while one is worked on
READERS = min(16, os.cpu_count() or 1)  # files are decoded side by side


@dataclass(frozen=True)
class Batch:
    """Some utterances side by side.

    Attributes:
        waves: (B, T) float32, zero after each utterance's end.
        lengths: (B,) int64, samples of each.
        utterances: the B utterances.
    """

    waves: Tensor
    lengths: Tensor
    utterances: tuple[Utterance, ...]

    def halves(self) -> tuple[Batch, Batch]:
        """The same utterances in two batches: where one does not fit into a GPU's memory."""
        middle = (len(self.utterances) + 1) // 2
        parts = (slice(middle), slice(middle, None))
        lengths = [self.lengths[part] for part in parts]
        one, other = (
            Batch(self.waves[part, : int(own.max())], own, self.utterances[part])
            for part, own in zip(parts, lengths, strict=True)
        )
        return one, other


def batches(
    corpus: Corpus, utterances: Iterable[Utterance], *, seconds: float, window: int = 0
) -> Iterator[Batch]:
    """Batch ``utterances``, those of like length together; the next batch is read while one is worked on.

    Args:
        corpus: whose utterances they are.
        utterances: read lazily, a bounded buffer at a time.
        seconds: the most audio in a batch, padding included; an utterance longer than that is a batch alone.
        window: samples to which the encoder pads shorter utterances; they count as padding.

    Raises:
        LaminaError: audio is missing or does not decode.
    """
    yield from read_batches(corpus, plan(utterances, round(seconds * corpus.sample_rate), window))


def read_batches(corpus: Corpus, groups: Iterable[tuple[Utterance, ...]]) -> Iterator[Batch]:
    """The batches of planned groups, in order; threads read the next ones while one is worked on."""
    with ThreadPoolExecutor(READERS, "audio") as readers:
        coming: deque[tuple[tuple[Utterance, ...], list[Future[NDArray[np.float32]]]]] = deque()
        try:
            for group in groups:
                coming.append((group, [readers.submit(_read, corpus, utterance) for utterance in group]))
                if len(coming) > AHEAD:
                    yield _batch(*coming.popleft())
            while coming:
                yield _batch(*coming.popleft())
        finally:
            readers.shutdown(wait=False, cancel_futures=True)


def plan(utterances: Iterable[Utterance], samples: int, window: int = 0) -> Iterator[tuple[Utterance, ...]]:
    """Group utterances so that the longest, of ``window`` or more, times the number is at most ``samples``."""
    buffer: list[Utterance] = []
    held = 0
    for utterance in utterances:
        buffer.append(utterance)
        held += max(utterance.samples, window)
        if held >= BUFFER * samples:
            yield from _groups(buffer, samples, window)
            buffer, held = [], 0
    yield from _groups(buffer, samples, window)


def computed(group: Sequence[Utterance], window: int) -> int:
    """Samples that an encoder of such a window computes for a batch: padding included."""
    return max(window, *(utterance.samples for utterance in group)) * len(group)


def _groups(buffer: list[Utterance], samples: int, window: int) -> Iterator[tuple[Utterance, ...]]:
    """The groups that cost least, samples that are computed and `ONE` for each group, of all that fit.

    In the order of lengths a group is a run, and the best ending of the first n does not hang on what follows.
    """
    # The longest first: what does not fit into memory shows at once. The sort is stable.
    ordered = sorted(buffer, key=lambda utterance: -utterance.samples)
    lengths = [max(utterance.samples, window) for utterance in ordered]
    least, begins = [0.0], [0]
    for end in range(1, len(ordered) + 1):
        best, begin = float("inf"), end - 1
        for start in range(end - 1, -1, -1):
            size = lengths[start] * (end - start)
            if size > samples and end - start > 1:
                break
            if least[start] + size < best:
                best, begin = least[start] + size, start
        least.append(best + ONE)
        begins.append(begin)
    ends, end = [], len(ordered)
    while end:
        ends.append(end)
        end = begins[end]
    for end in reversed(ends):
        yield tuple(ordered[begins[end] : end])


def _read(corpus: Corpus, utterance: Utterance) -> NDArray[np.float32]:
    wave = corpus.read(utterance)
    if not np.isfinite(wave).all():
        raise LaminaError(
            f"utterance {utterance.id} has samples that are no numbers (NaN or infinite): repair or remove "
            "the file; `lamina corpus check` finds all of them"
        )
    return wave


def _batch(group: tuple[Utterance, ...], coming: list[Future[NDArray[np.float32]]]) -> Batch:
    read = [each.result() for each in coming]  # before there is room: a manifest may promise any length
    lengths = torch.tensor([len(wave) for wave in read])
    waves = torch.zeros(len(read), int(lengths.max()))
    for row, wave in zip(waves, read, strict=True):
        row[: len(wave)] = torch.from_numpy(wave)
    return Batch(waves, lengths, group)
