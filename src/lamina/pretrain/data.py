"""Audio with the units of every level: what is read of a corpus, and what one split of it gives in each step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import lcm

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lamina.corpus.corpus import Corpus, Utterance
from lamina.encoders.mrhubert.pretraining import IGNORED
from lamina.errors import LaminaError
from lamina.grid import Grid
from lamina.pretrain.labels import Units
from lamina.pretrain.masking import Masks
from lamina.pretrain.plan import Buckets, EqualCrops, Place, Plan
from lamina.pretrain.recipe import PretrainConfig

MASK, CHECK = 3, 4  # streams of random numbers beside those of `lamina.pretrain.plan`
VARIANCE_FLOOR = 1e-5  # added to an utterance's variance, as fairseq does
NAMED = 5  # ids that a message lists at most


@dataclass(frozen=True, slots=True)
class Crops:
    """Stretches of audio side by side.

    Attributes:
        waves: (batch, samples) float32, zeros beyond each one's end.
        labels: a level, finest first: (batch, frames of that level) int64 units; `IGNORED` beyond the end.
        lengths: samples of each; None where all fill the batch.
    """

    waves: Tensor
    labels: tuple[Tensor, ...]
    lengths: tuple[int, ...] | None = None

    @property
    def samples(self) -> int:
        """Samples of audio, padding left out."""
        return self.waves.numel() if self.lengths is None else sum(self.lengths)

    @property
    def attention_mask(self) -> Tensor | None:
        """(batch, samples) booleans on the waves' device, true for audio; None where nothing is padded."""
        if self.lengths is None:
            return None
        lengths = torch.tensor(self.lengths, device=self.waves.device)
        return torch.arange(self.waves.shape[1], device=self.waves.device)[None] < lengths[:, None]

    def to(self, device: torch.device) -> Crops:
        """The same on a device."""
        if device.type == "cpu":
            return self
        waves, *labels = (
            each.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else each.to(device)
            for each in (self.waves, *self.labels)
        )
        return Crops(waves, tuple(labels), self.lengths)


class CropReader:
    """Reads stretches of utterances with the units of every level.

    Audio enters as 16-bit samples whether it is held in memory or not. With ``normalise`` it is scaled by the mean
    and variance of the whole utterance, before it is cut, as in fairseq: the samples of a crop are those that an
    encoder sees at this place of the whole utterance. So crop-then-encode and encode-then-crop agree in audio,
    labels and (where the crop starts at a multiple of the frames' stride) frames; not in the states, which see the
    crop's edges, and a group norm over its length.

    Args:
        corpus: where the audio is.
        utterances: which of its utterances to take; a `Place` counts them from 0.
        units: the labels of each level, or one for all.
        grids: a level's grid, finest first.
        memory: bytes of audio to hold in memory; where it would take more, every crop is read when needed.
        normalise: whether utterances are scaled to mean 0 and variance 1. # fairseq: task.normalize

    Raises:
        LaminaError: units do not fit an utterance or a level, or the audio is silent throughout.
    """

    def __init__(
        self,
        corpus: Corpus,
        utterances: Sequence[Utterance],
        units: Sequence[Units],
        grids: Sequence[Grid],
        *,
        memory: int,
        normalise: bool = False,
    ) -> None:
        self.utterances = list(utterances)
        self.corpus = corpus
        self._grids = tuple(grids)
        self._units = tuple(units) * (len(self._grids) if len(units) == 1 else 1)
        for level, (each, grid) in enumerate(zip(self._units, self._grids, strict=True)):
            each.check(corpus, self.utterances if level == 0 or each is not self._units[0] else ())
            each.check_rate(grid, level)
        self._normalise = normalise
        self._scales: dict[int, tuple[float, float]] = {}
        held = 2 * sum(utterance.samples for utterance in self.utterances) <= memory
        self._held = [self._read(utterance) for utterance in self.utterances] if held else None
        if not any(self._whole(index).any() for index in range(len(self.utterances))):
            raise LaminaError(
                f"all audio of corpus {corpus.name} is digital silence: check how its files were converted "
                "(`lamina corpus check` tells)"
            )

    @property
    def seconds(self) -> float:
        """Seconds of audio in the utterances taken."""
        return sum(utterance.samples for utterance in self.utterances) / self.corpus.sample_rate

    @property
    def silent(self) -> list[str]:
        """Ids of the utterances held in memory that are digital silence."""
        pairs = zip(self.utterances, self._held or (), strict=False)
        return [utterance.id for utterance, wave in pairs if not wave.any()]

    def read(self, places: Sequence[Place]) -> Crops:
        """Those stretches, padded to the longest."""
        longest = max(place.samples for place in places)
        audio = np.zeros((len(places), longest), np.float32)
        for row, place in zip(audio, places, strict=True):
            stop = place.start + place.samples
            if self._held is None:
                cut = self._read(self.utterances[place.index], place.start, stop)
            else:
                cut = self._held[place.index][place.start : stop]
            row[: place.samples] = cut.astype(np.float32) / 32768
            if self._normalise:
                mean, deviation = self._scale(place.index)
                row[: place.samples] = (row[: place.samples] - mean) / deviation
        labels = []
        for units, grid in zip(self._units, self._grids, strict=True):
            level = np.full((len(places), grid.frames(longest)), IGNORED, np.int64)
            for line, place in zip(level, places, strict=True):
                frames = grid.frames(place.samples)
                line[:frames] = units.at(self.utterances[place.index], grid, frames, place.start)
            labels.append(torch.from_numpy(level))
        lengths = tuple(place.samples for place in places)
        return Crops(torch.from_numpy(audio), tuple(labels), None if min(lengths) == longest else lengths)

    def _scale(self, index: int) -> tuple[float, float]:
        """Mean and deviation of a whole utterance."""
        if index not in self._scales:
            wave = self._whole(index) / 32768
            self._scales[index] = (float(wave.mean()), float(np.sqrt(wave.var() + VARIANCE_FLOOR)))
        return self._scales[index]

    def _whole(self, index: int) -> NDArray[np.int16]:
        return self._read(self.utterances[index]) if self._held is None else self._held[index]

    def _read(self, utterance: Utterance, start: int = 0, stop: int | None = None) -> NDArray[np.int16]:
        wave = self.corpus.read(utterance, start, stop)
        expected = (utterance.samples if stop is None else stop) - start
        if len(wave) != expected:
            raise LaminaError(
                f"utterance {utterance.id}: {len(wave)} samples were read where the corpus says {expected}; the "
                "audio file changed: make the corpus again"
            )
        if not np.isfinite(wave).all():
            raise LaminaError(
                f"utterance {utterance.id} has samples that are no numbers (NaN or infinite): repair or remove "
                "the file; `lamina corpus check` finds all of them"
            )
        return np.asarray(np.clip(np.rint(wave * 32768), -32768, 32767), dtype=np.int16)


class Source:
    """One split of a corpus, ready to train or validate on: what is in each batch, its audio, its masks.

    Args:
        config: says how batches are made, and how much is masked.
        corpus: where the audio is.
        utterances: those of the split.
        units: the labels of each level, or one for all.
        grids: a level's grid, finest first.
        parts: at least so many stretches must be in a batch.

    Attributes:
        left_out: ids of the utterances that are too short.

    Raises:
        LaminaError: before anything is trained, where audio, units and config do not fit.
    """

    def __init__(
        self,
        config: PretrainConfig,
        corpus: Corpus,
        utterances: Sequence[Utterance],
        units: Sequence[Units],
        grids: Sequence[Grid],
        *,
        parts: int = 1,
    ) -> None:
        if not utterances:
            raise LaminaError(f"corpus {corpus.name} has no audio to pretrain on: check its path")
        self._grid = grids[0]
        crop, least, shortest = crop_samples(config), least_samples(config, grids), shortest_taken(config, grids)
        if crop < least:
            raise LaminaError(
                f"crop_seconds = {config.crop_seconds:g} makes crops of {crop} samples, but the masks and the "
                f"coarsest level need {least}: take longer crops (crop_seconds), or shorter spans (mask_length)"
            )
        self._masks = Masks(config, self._grid.frames(crop))
        taken = [utterance for utterance in utterances if utterance.samples >= shortest]
        self.left_out = [utterance.id for utterance in utterances if utterance.samples < shortest]
        if not taken:
            longest = max(utterance.samples for utterance in utterances) / corpus.sample_rate
            raise LaminaError(
                f"every utterance of corpus {corpus.name} is shorter than a crop of "
                f"{shortest / corpus.sample_rate:g} s (the longest has {longest:.2f} s); set crop_seconds lower, "
                "or batch_seconds to take whole utterances"
            )
        self.reader = CropReader(
            corpus, taken, units, grids, memory=config.memory_bytes, normalise=config.model.do_normalize
        )
        lengths = [utterance.samples for utterance in taken]
        # Whole samples that are multiples of the units' strides, so that units and frames coincide as they do in
        # the whole utterance: with a stride of p / q in lowest terms, those of p.
        grain = lcm(*(each.grid.stride.numerator for each in units))
        self._plan: Plan = (
            Buckets(
                lengths,
                longest=crop,
                budget=round(config.batch_seconds * corpus.sample_rate),
                grain=grain,
                parts=parts,
            )
            if config.batch_seconds
            else EqualCrops(lengths, samples=crop, size=config.batch_size, grain=grain)
        )
        self._seed, self._most = config.seed, config.validation_crops

    def notes(self) -> Iterator[str]:
        """What somebody should know of the audio."""
        if self.left_out:
            yield (
                f"{some(self.left_out)} too short and left out; {len(self.reader.utterances)} utterances of "
                f"{self.reader.seconds / 3600:.3g} h stay"
            )
        if self.reader.silent:
            yield f"{some(self.reader.silent)} digital silence: check these files (`lamina corpus check`)"

    def batch(self, step: int) -> tuple[list[Place], Tensor]:
        """The whole batch of a step and its masks (batch, frames of the finest level), no audio read."""
        places = self._plan.batch(self._seed, step)
        return places, self._masks.of(self.frames(places), MASK, step)

    def checks(self) -> Iterator[tuple[list[Place], Tensor]]:
        """The batches to validate on, and their masks."""
        for number, places in enumerate(self._plan.fixed(self._most)):
            yield places, self._masks.of(self.frames(places), CHECK, number)

    def frames(self, places: Sequence[Place]) -> list[int]:
        """Frames of the finest level in each stretch."""
        return [self._grid.frames(place.samples) for place in places]


def crop_samples(config: PretrainConfig) -> int:
    """Samples of a crop; of the longest one, where batches hold whole utterances."""
    return round(config.crop_seconds * config.model.sampling_rate)


def least_samples(config: PretrainConfig, grids: Sequence[Grid]) -> int:
    """The fewest samples that have a frame at every level and can be masked."""
    frames = Masks.least_frames(config)
    masked = grids[0].least_samples + (frames - 1) * grids[0].stride
    return max(-int(-masked // 1), *(grid.least_samples for grid in grids))


def shortest_taken(config: PretrainConfig, grids: Sequence[Grid]) -> int:
    """Samples of the shortest utterance that is not left out."""
    return least_samples(config, grids) if config.batch_seconds else crop_samples(config)


def some(ids: Sequence[str]) -> str:
    """How many utterances, and which."""
    shown = ", ".join(ids[:NAMED]) + (", …" if len(ids) > NAMED else "")
    return f"{len(ids)} utterance{'s' if len(ids) > 1 else ''} ({shown}) {'are' if len(ids) > 1 else 'is'}"
