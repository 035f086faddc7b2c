"""Batches of audio for encoders: little padding, bounded memory, always in the same order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lamina.corpus.corpus import Corpus, Utterance
from lamina.errors import LaminaError

BUFFER = 16  # batches' worth of utterances that are sorted by length at a time


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
    """The batches of planned groups, in order; the next one is read while one is worked on."""
    with ThreadPoolExecutor(1) as reader:
        coming: Future[Batch] | None = None
        for group in groups:
            before, coming = coming, reader.submit(_read, corpus, group)
            if before is not None:
                yield before.result()
        if coming is not None:
            yield coming.result()


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
    group: list[Utterance] = []
    # The longest first: what does not fit into memory shows at once. The sort is stable.
    for utterance in sorted(buffer, key=lambda utterance: -utterance.samples):
        if group and max(group[0].samples, window) * (len(group) + 1) > samples:
            yield tuple(group)
            group = []
        group.append(utterance)
    if group:
        yield tuple(group)


def _read(corpus: Corpus, group: tuple[Utterance, ...]) -> Batch:
    read: list[NDArray[np.float32]] = []  # before there is room for them: a manifest may promise any length
    for utterance in group:
        wave = corpus.read(utterance)
        if not np.isfinite(wave).all():
            raise LaminaError(
                f"utterance {utterance.id} has samples that are no numbers (NaN or infinite): repair or remove "
                "the file; `lamina corpus check` finds all of them"
            )
        read.append(wave)
    lengths = torch.tensor([len(wave) for wave in read])
    waves = torch.zeros(len(read), int(lengths.max()))
    for row, wave in zip(waves, read, strict=True):
        row[: len(wave)] = torch.from_numpy(wave)
    return Batch(waves, lengths, group)
