"""Readings without training: questions that distances between frozen states answer, a tap at a time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lamina.corpus.corpus import Corpus, Segment, Utterance
from lamina.encoders.encoder import Tap
from lamina.grid import Grid
from lamina.probe.config import ProbeConfig
from lamina.probe.store import Store
from lamina.probe.tally import Tally

Ints = NDArray[np.int64]
Say = Callable[[str], None]


@dataclass(frozen=True)
class Answer:
    """What one tap says to one measure.

    Attributes:
        tally: what was counted.
        groups: whose each item is; resampled for intervals.
    """

    tally: Tally
    groups: Sequence[str]


@dataclass(frozen=True)
class Column:
    """The rows of one tap.

    Attributes:
        tap: which.
        store: where they are kept.
        place: of the tap in its store.
    """

    tap: Tap
    store: Store
    place: int

    def rows(self, utterance: str) -> Tensor:
        """All rows of an utterance (id), (rows, width) float32."""
        begin = self.store.starts[utterance]
        return self.store.values[begin : begin + self.store.counts[utterance], self.place].float()

    def stacked(self) -> tuple[Tensor, Ints, Ints]:
        """All rows, (rows, width) float32, and where each segment's begin and how many it has.

        Segments are in the order of the utterances in which they were asked for.
        """
        counts = self.store.pieces
        starts = np.cumsum(counts) - counts
        return self.store.values[:, self.place].float(), starts, counts


class Question(ABC):
    """A question, made for one corpus.

    Attributes:
        rows: what is read: the mean of each of the ``segments``, the frames it has (``owned``), or all ``frames``
            of an utterance; each tap at its own rate.
        utterances: those that are read.
        segments: by utterance id, in the order of the utterances.
        split: what is scored.
        how: what is compared, in words: the ``support`` of its scores.
        selects: whether some part chooses among taps (`select`).
    """

    rows: ClassVar[str]
    selects: bool = False
    utterances: list[Utterance]
    segments: dict[str, list[Segment]]
    split: str
    how: str

    @abstractmethod
    def answers(self, column: Column, /) -> Mapping[str, Answer]:
        """What a tap says, by measure."""

    def keep(self, _folder: Path, /) -> str:
        """Write down what is compared, where others may want to compare the same; returns the file's name."""
        return ""

    def select(self, _column: Column, /) -> float:
        """What a tap says to the part that chooses among taps."""
        return float("nan")


@dataclass(frozen=True)
class Reading:
    """One question of `lamina probe` that needs no training.

    Attributes:
        name: as in ``--task``; the ``target`` of its scores.
        title: in words.
        needs: what the corpus must carry, in words.
        ask: makes the question, from the grids on which everything that is compared must have a frame.
        superb: whether it is one of SUPERB's tasks.
        weaknesses: of SUPERB's, printed beside the numbers.
    """

    name: str
    title: str
    needs: str
    ask: Callable[[Corpus, ProbeConfig, Sequence[Grid], Say], Question]
    superb: bool = False
    weaknesses: tuple[str, ...] = ()


def standardised(fit: Tensor, *others: Tensor) -> list[Tensor]:
    """Rows (n, width) with every dimension centred and scaled by those of ``fit``, which comes first.

    A dimension that is constant in ``fit`` says nothing and is set to zero.
    """
    mean, spread = fit.double().mean(0), fit.double().std(0, correction=0)
    scale = torch.where(spread > 1e-4 * spread.max().clamp(min=1e-30), 1 / spread, torch.zeros_like(spread))
    return [(each - mean.float()) * scale.float() for each in (fit, *others)]


def drawn(count: int, most: int, seed: Sequence[int]) -> Ints:
    """At most so many of ``count`` places, drawn by the seed, in ascending order."""
    if count <= most:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).permutation(count)[:most])
