"""Crops: the batch of step s is a pure function of (seed, s), so a resumed run sees what an unbroken one would."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from lamina.corpus.corpus import Corpus, Utterance
from lamina.errors import LaminaError
from lamina.grid import Grid
from lamina.pretrain.labels import Units

# Each purpose draws from a stream of its own, so that no draw of one shifts those of another.
ORDER, PLACE = 1, 2


@dataclass(frozen=True, slots=True)
class Crops:
    """A batch of equal crops.

    Attributes:
        waves: (batch, samples) float32.
        labels: a level, finest first: (batch, frames of that level) int64 units.
    """

    waves: Tensor
    labels: tuple[Tensor, ...]

    def to(self, device: torch.device) -> Crops:
        """The same on a device."""
        if device.type == "cpu":
            return self
        waves, *labels = (
            each.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else each.to(device)
            for each in (self.waves, *self.labels)
        )
        return Crops(waves, tuple(labels))


class CropReader:
    """Equal crops of a corpus's utterances with the units of every level.

    An epoch goes through every utterance as often as it holds whole crops; each time the crop's place is drawn
    anew, at a multiple of the units' stride, so that units and frames coincide as they do in the whole utterance.
    Utterances shorter than a crop are left out (`left_out` counts them). Audio enters as 16-bit samples whether
    it is held in memory or not.

    Args:
        corpus: where the audio is.
        utterances: which of its utterances to take.
        units: their labels.
        grids: a level's grid, finest first.
        samples: length of a crop.
        memory: bytes of audio to hold in memory; where it would take more, every crop is read when needed.
        normalise: whether crops are scaled to mean 0 and variance 1. # fairseq: task.normalize

    Raises:
        LaminaError: no utterance is as long as a crop, or units do not fit an utterance.
    """

    def __init__(
        self,
        corpus: Corpus,
        utterances: Sequence[Utterance],
        units: Units,
        grids: Sequence[Grid],
        *,
        samples: int,
        memory: int,
        normalise: bool = False,
    ) -> None:
        self.utterances = [utterance for utterance in utterances if utterance.samples >= samples]
        self.left_out = len(utterances) - len(self.utterances)
        if not utterances:
            raise LaminaError(f"corpus {corpus.name} has no audio to pretrain on: check its path")
        least = max(grid.least_samples for grid in grids)
        if samples < least:
            raise LaminaError(
                f"crop_seconds makes crops of {samples} samples, but the coarsest level needs {least} for one "
                "frame: set crop_seconds higher"
            )
        if not self.utterances:
            longest = max(utterance.samples for utterance in utterances) / corpus.sample_rate
            raise LaminaError(
                f"every utterance of corpus {corpus.name} is shorter than a crop of "
                f"{samples / corpus.sample_rate:g} s (the longest has {longest:.2f} s); set crop_seconds lower"
            )
        units.check(corpus, self.utterances)
        self._corpus = corpus
        self._units = units
        self._grids = tuple(grids)
        self._samples = samples
        self._normalise = normalise
        # Starts at whole samples that are multiples of the stride: with stride p / q in lowest terms, those of p.
        self._step = units.grid.stride.numerator
        self._turns = np.repeat(
            np.arange(len(self.utterances)), [utterance.samples // samples for utterance in self.utterances]
        )
        held = 2 * sum(utterance.samples for utterance in self.utterances) <= memory
        self._held = [self._read(utterance) for utterance in self.utterances] if held else None
        self._order: tuple[tuple[int, int], NDArray[np.int64]] | None = None

    @property
    def seconds(self) -> float:
        """Seconds of audio in the utterances taken."""
        return sum(utterance.samples for utterance in self.utterances) / self._corpus.sample_rate

    def batch(self, size: int, *, seed: int, step: int, rows: slice = slice(None)) -> Crops:
        """Those ``rows`` of the batch of ``size`` crops of step number ``step``; no others are read."""
        draw = np.random.default_rng([seed, PLACE, step])
        chosen = []
        for turn in range(step * size, (step + 1) * size):
            index = int(self._epoch(seed, turn // len(self._turns))[turn % len(self._turns)])
            last = (self.utterances[index].samples - self._samples) // self._step
            chosen.append((index, int(draw.integers(last + 1)) * self._step))
        return self._cut(chosen[rows])

    def fixed(self, size: int, most: int) -> Iterator[Crops]:
        """At most ``most`` crops that are always the same: utterances evenly apart, each from its middle."""
        count = min(most, len(self.utterances))
        indices = [i * len(self.utterances) // count for i in range(count)]
        places = [
            (index, (self.utterances[index].samples - self._samples) // (2 * self._step) * self._step)
            for index in indices
        ]
        for first in range(0, count, size):
            yield self._cut(places[first : first + size])

    def _epoch(self, seed: int, epoch: int) -> NDArray[np.int64]:
        if self._order is None or self._order[0] != (seed, epoch):
            order = np.random.default_rng([seed, ORDER, epoch]).permutation(self._turns)
            self._order = ((seed, epoch), order)
        return self._order[1]

    def _cut(self, places: Sequence[tuple[int, int]]) -> Crops:
        waves = np.empty((len(places), self._samples), np.int16)
        for row, (index, start) in zip(waves, places, strict=True):
            if self._held is None:
                row[:] = self._read(self.utterances[index], start, start + self._samples)
            else:
                row[:] = self._held[index][start : start + self._samples]
        labels = tuple(
            torch.from_numpy(
                np.stack(
                    [
                        self._units.at(self.utterances[index], grid, grid.frames(self._samples), start)
                        for index, start in places
                    ]
                )
            )
            for grid in self._grids
        )
        audio = torch.from_numpy(waves.astype(np.float32) / 32768)
        if self._normalise:
            audio = functional.layer_norm(audio, audio.shape[1:])
        return Crops(audio, labels)

    def _read(self, utterance: Utterance, start: int = 0, stop: int | None = None) -> NDArray[np.int16]:
        wave = self._corpus.read(utterance, start, stop)
        expected = (utterance.samples if stop is None else stop) - start
        if len(wave) != expected:
            raise LaminaError(
                f"utterance {utterance.id}: {len(wave)} samples were read where the corpus says {expected}; the "
                "audio file changed: make the corpus again"
            )
        return np.asarray(np.clip(np.rint(wave * 32768), -32768, 32767), dtype=np.int16)
