"""A corpus in memory whose waves spell their own labels, and an encoder that reads them with planted noise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from lamina.analysis.config import AnalysisConfig
from lamina.corpus.corpus import Segment, Utterance
from lamina.encoders.encoder import States, Tap, find_taps
from lamina.frames import frame_counts
from lamina.grid import Grid

RATE = 16000
FRONT = Grid.samples(RATE)
for _kernel, _stride in [(10, 5), (3, 2), (3, 2), (3, 2), (3, 2), (2, 2), (2, 2)]:
    FRONT = FRONT.conv(_kernel, _stride)
PHONES, WORDS, SCALE = 12, 15, 1024


class PlantedCorpus:
    """Utterances of random words, a word being its own fixed phones with random lengths.

    A sample's value is (1 + phone + 16 (1 + word)) / SCALE, 0 in silence: whoever reads the wave knows the labels.
    """

    name, digest, sample_rate = "planted", "planted", RATE

    def __init__(
        self,
        speakers: Sequence[str] = tuple("abcdefghij"),
        each: int = 12,
        seed: int = 0,
        splits: bool = True,
        words: int = 12,
        vocabulary: int = WORDS,
    ) -> None:
        generator = np.random.default_rng(seed)
        spelling = np.random.default_rng(1).integers(0, PHONES, (vocabulary, 3))
        self._waves: dict[str, np.ndarray] = {}
        self._utterances = []
        for place, speaker in enumerate(speakers):
            for number in range(each):
                # 300 samples of silence first, so that segments do not fall on multiples of a stride.
                wave, tiers, at = [np.zeros(300)], {"phone": [], "word": []}, 300
                for word in generator.integers(0, vocabulary, words):
                    begin = at
                    for phone in spelling[word]:
                        length = int(generator.integers(400, 2400))
                        wave.append(np.full(length, (1 + phone + 16 * (1 + word)) / SCALE))
                        tiers["phone"].append(Segment(f"p{phone:02d}", at, at + length))
                        at += length
                    tiers["word"].append(Segment(f"w{word:02d}", begin, at))
                split = ("train" if place < 0.7 * len(speakers) else "test") if splits else ""
                name = f"{speaker}-{number:03d}"
                self._waves[name] = np.concatenate(wave).astype(np.float32)
                self._utterances.append(
                    Utterance(name, speaker, split, at, "", {tier: tuple(s) for tier, s in tiers.items()})
                )

    def __len__(self) -> int:
        return len(self._utterances)

    def utterances(self, split: str | None = None) -> Iterator[Utterance]:
        return iter([each for each in self._utterances if split is None or each.split == split])

    def read(self, utterance: Utterance, start: int = 0, stop: int | None = None) -> np.ndarray:
        return self._waves[utterance.id][start:stop]


@dataclass(frozen=True)
class Plant:
    """What a tap carries: how much noise lies on its phone and word codes (None: it does not carry them)."""

    tap: Tap
    phone: float | None = None
    word: float | None = None


class PlantedEncoder:
    """States are codes of the label at each frame's centre, plus noise that depends on the sound alone."""

    sample_rate, digest = RATE, "planted"
    labels = 32  # that there are codes for

    def __init__(self, plants: Sequence[Plant], name: str = "planted") -> None:
        self.name, self._plants = name, {plant.tap.name: plant for plant in plants}
        self.taps = tuple(plant.tap for plant in plants)

    def states(self, waves: torch.Tensor, lengths: torch.Tensor, taps=None) -> Iterator[States]:
        for tap in find_taps(self, taps):
            plant = self._plants[tap.name]
            counts = frame_counts(tap.grid, lengths.numpy())
            values = torch.zeros(len(waves), int(counts.max()), tap.width)
            for row, count in enumerate(counts):
                at = [int(tap.grid.centre_of(k)) for k in range(count)]
                code = (waves[row, at] * SCALE).round().long()
                generator = torch.Generator().manual_seed(int(lengths[row]) * 31 + tap.depth)
                state = torch.randn(int(count), tap.width, generator=generator)
                for label, amount, seed in ((code % 16, plant.phone, 0), (code // 16, plant.word, 1)):
                    if amount is not None:
                        codes = torch.randn(
                            self.labels, tap.width, generator=torch.Generator().manual_seed(seed + 100 * tap.depth)
                        )
                        state += codes[label] / amount
                values[row, :count] = state
            yield States.checked(values, lengths.tolist(), tap)


def tap(name: str, depth: int, grid: Grid = FRONT, width: int = 16) -> Tap:
    """A tap of 20 ms frames unless told otherwise."""
    return Tap(name, depth, width, grid)


def scale_case(*, splits: bool) -> tuple[PlantedEncoder, PlantedCorpus, AnalysisConfig]:
    """A small analysis with every kind of sum in it, in many batches."""
    coarse = FRONT.conv(1, 2)
    plants = [Plant(tap("front", 0), phone=1.0), Plant(tap("coarse", 1, coarse), phone=1.0, word=0.5)]
    config = AnalysisConfig(
        targets=("mel", "phone", "speaker", "tap"),
        measures=("cca", "cka", "rank", "mi", "purity"),
        clusters={"phone": 20, "speaker": 4},
        replicates=20,
        batch_seconds=8.0,
    )
    return PlantedEncoder(plants), Noisy(each=6, splits=splits), config


class Noisy(PlantedCorpus):
    """The planted corpus with a little real noise on its waves, so that mel has something to say."""

    def read(self, utterance: Utterance, start: int = 0, stop: int | None = None) -> np.ndarray:
        wave = super().read(utterance)
        noise = np.random.default_rng(len(wave)).standard_normal(len(wave)) * 1e-5
        return (wave + noise).astype(np.float32)[start:stop]
