"""A corpus in memory, small models, and no eSpeak."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lamina.corpus.corpus import Segment, Utterance
from lamina.files import digest
from lamina.pretrain.recipe import PretrainConfig

RATE = 16000
TINY = {
    "block_layers": [1, 1, 1],
    "hidden_size": 16,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "do_stable_layer_norm": True,
    "conv_dim": [8] * 7,
    "num_conv_pos_embeddings": 5,
    "num_conv_pos_embedding_groups": 2,
    "final_dim": 8,
    "layerdrop": 0.1,
    "feature_grad_mult": 1.0,
    "unmasked_loss_weight": 1.0,
}


class Tones:
    """Utterances of "phones" that are chords of their own; lengths differ."""

    sample_rate = RATE

    def __init__(self, seconds=(0.7, 1.3, 0.9, 1.1), phones: int = 4, seed: int = 0) -> None:
        self.name = "tones"
        self.rng = np.random.default_rng(seed)
        self.waves: dict[str, np.ndarray] = {}
        self._utterances = []
        for number, length in enumerate(seconds):
            samples = int(length * RATE) + number
            self._utterances.append(self._make(f"u{number}", samples, phones, "dev" if number == 2 else "train"))
        self.digest = digest([self.name, seed, list(seconds)])
        self.reads = 0

    def _make(self, name: str, samples: int, phones: int, split: str) -> Utterance:
        wave = np.zeros(samples)
        segments = []
        for onset in range(0, samples, 1600):
            phone = int(self.rng.integers(phones))
            offset = min(onset + 1600, samples)
            t = np.arange(offset - onset) / RATE
            wave[onset:offset] = np.sin(2 * np.pi * 300 * (phone + 1) * t) + 0.5 * np.sin(
                2 * np.pi * 900 * (phone + 1) * t
            )
            segments.append(Segment(f"p{phone}", onset, offset))
        wave = 0.2 * wave + 0.01 * self.rng.standard_normal(samples)
        self.waves[name] = (np.rint(wave * 32768).clip(-32768, 32767) / 32768).astype(np.float32)
        return Utterance(name, f"s{split}", split, samples, "", {"phone": tuple(segments)})

    def __len__(self) -> int:
        return len(self._utterances)

    def utterances(self, split: str | None = None) -> Iterator[Utterance]:
        return (u for u in self._utterances if split in (None, u.split))

    def read(self, utterance: Utterance, start: int = 0, stop: int | None = None) -> np.ndarray:
        self.reads += 1
        return self.waves[utterance.id][start:stop]


def tiny(**changes) -> PretrainConfig:
    base = {
        "model": TINY | changes.pop("model", {}),
        "steps": 6,
        "batch_size": 2,
        "crop_seconds": 0.5,
        "learning_rate": 3e-3,
        "mask_length": 3,
        "log_every": 2,
        "checkpoint_every": 2,
        "validate_every": 3,
    }
    return PretrainConfig.model_validate(base | changes)
