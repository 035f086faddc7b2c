"""Random phones in memory, none said twice in a row, and encoders that hold what is said around a frame."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from planted import FRONT, RATE, tap

from lamina.corpus.corpus import Segment, Utterance
from lamina.encoders.encoder import States, Tap, find_taps
from lamina.frames import frame_counts
from lamina.grid import Grid

PHONES, SCALE, SILENCE = 10, 1024, -1


class Chain:
    """Utterances of random phones of 50 to 150 ms; a sample's value is (1 + phone) / SCALE, 0 in silence."""

    name, digest, sample_rate = "chain", "chain", RATE

    def __init__(self, speakers: int = 10, each: int = 8, phones: int = 40, *, splits: bool = True) -> None:
        self._waves: dict[str, np.ndarray] = {}
        self._utterances = []
        for speaker in range(speakers):
            for number in range(each):
                random = np.random.default_rng([speaker, number])
                wave, tier, at, last = [np.zeros(330)], [], 330, SILENCE
                for _ in range(phones):
                    last = int(random.choice([phone for phone in range(PHONES) if phone != last]))
                    length = int(random.integers(800, 2400))
                    wave.append(np.full(length, (1 + last) / SCALE))
                    tier.append(Segment(f"p{last}", at, at + length))
                    at += length
                name, part = f"s{speaker}-{number:03d}", "train" if speaker < 0.7 * speakers else "test"
                self._waves[name] = np.concatenate([*wave, np.zeros(170)]).astype(np.float32)
                tiers = {"phone": tuple(tier)}
                self._utterances.append(
                    Utterance(name, f"s{speaker}", part if splits else "", at + 170, "", tiers)
                )

    def __len__(self) -> int:
        return len(self._utterances)

    def utterances(self, split: str | None = None) -> Iterator[Utterance]:
        return iter([each for each in self._utterances if split is None or each.split == split])

    def read(self, utterance: Utterance, start: int = 0, stop: int | None = None) -> np.ndarray:
        return self._waves[utterance.id][start:stop]


class Around:
    """States are codes of what is said at moments around each frame's centre, and noise of the sound alone.

    Args:
        taps: by name, moments in ms (0 is the frame's own), or ``+1``: the next segment's label; a grid.
        noise: how much of it.
    """

    sample_rate, digest = RATE, "around"

    def __init__(
        self,
        taps: Mapping[str, Sequence[int] | str],
        grids: Mapping[str, Grid] | None = None,
        noise: float = 0.3,
        width: int = 16,
    ) -> None:
        self.name, self._held, self._noise = "around", dict(taps), noise
        grids = grids or {}
        self.taps: tuple[Tap, ...] = tuple(
            tap(name, depth, grids.get(name, FRONT), width) for depth, name in enumerate(taps)
        )

    def states(self, waves: torch.Tensor, lengths: torch.Tensor, taps=None) -> Iterator[States]:
        for each in find_taps(self, taps):
            counts = frame_counts(each.grid, lengths.numpy())
            values = torch.zeros(len(waves), int(counts.max()), each.width)
            codes = torch.randn(PHONES + 1, each.width, generator=torch.Generator().manual_seed(7))
            for row, count in enumerate(counts):
                said = (waves[row, : int(lengths[row])] * SCALE).round().numpy().astype(int) - 1
                at = np.array([int(each.grid.centre_of(k)) for k in range(count)])
                drawn = torch.Generator().manual_seed(int(lengths[row]) * 31 + each.depth)
                state = self._noise * torch.randn(int(count), each.width, generator=drawn)
                for labels in self._labels(self._held[each.name], said, at):
                    state += codes[torch.from_numpy(labels)]
                values[row, :count] = state
            yield States.checked(values, lengths.tolist(), each)

    @staticmethod
    def _labels(held: Sequence[int] | str, said: np.ndarray, at: np.ndarray) -> Iterator[np.ndarray]:
        if held == "+1":
            starts = np.flatnonzero(np.diff(said, prepend=said[0] - 1))
            run = np.searchsorted(starts, at, side="right") - 1
            yield said[starts[np.minimum(run + 1, len(starts) - 1)]]
            return
        for moment in held:
            place = at + moment * RATE // 1000
            inside = (place >= 0) & (place < len(said))
            yield np.where(inside, said[np.clip(place, 0, len(said) - 1)], SILENCE)
