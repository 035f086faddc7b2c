"""The speakers of a synthetic corpus: eSpeak's accents and variants, each with a pitch and a rate of their own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lamina.corpus.synth.config import SynthConfig

# Variants without echo (an echo fills the silences that the repairs of the boundaries read), women's and men's
# voices in turn, clearly different ones first.
VARIANTS = tuple(
    name
    for names in (
        "f1 m1 Annie m7 steph m3 Andrea max belinda robert anika m5",
        "aunty Gene grandma paul steph3 m8 linda quincy zac travis steph2 m4",
    )
    for name in names.split()
)


@dataclass(frozen=True)
class Voice:
    """One speaker: an eSpeak accent and variant, with their own pitch (0-99, 50 as it is) and rate (words/min)."""

    speaker: str
    split: str
    accent: str
    variant: str
    pitch: int
    rate: int


def voices(config: SynthConfig) -> list[Voice]:
    """The speakers of a config; the i-th has the i-th variant and accent, both taken in turn."""
    counts = config.speakers
    splits = ["train"] * counts.train + ["dev"] * counts.dev + ["test"] * counts.test
    accents = tuple(config.texts) if config.texts else config.accents
    pitches, rates = config.pitches or (35, 65), config.rates or (140, 185)
    cast = []
    for number, split in enumerate(splits):
        rng = np.random.default_rng([config.seed, 1, number])
        # A variant that comes round again gets another accent than before.
        accent = accents[(number + number // len(VARIANTS)) % len(accents)]
        variant = VARIANTS[number % len(VARIANTS)]
        pitch, rate = int(rng.integers(pitches[0], pitches[1] + 1)), int(rng.integers(rates[0], rates[1] + 1))
        cast.append(Voice(f"s{number:02d}", split, accent, variant, pitch, rate))
    return cast
