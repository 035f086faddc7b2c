"""Rooms and noise for synthetic speech: sums of delayed copies and seeded noise, the same bits on any machine.

No Fourier transforms here: their rounding differs from machine to machine. The direct sound stays where it is, so
boundaries keep their places.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lamina.corpus.stored import SAMPLE_RATE

ECHOES = 500  # a second of reverberation


def reverberate(wave: NDArray[np.float32], seconds: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Add a room whose echoes fall by 60 dB in ``seconds`` (velvet noise, Järveläinen and Karjalainen 2007).

    The echoes together have a quarter of the direct sound's power; what outlasts the wave is cut off.
    """
    count = max(1, round(ECHOES * seconds))
    longest = max(SAMPLE_RATE // 200, round(seconds * SAMPLE_RATE))
    delays = np.sort(rng.integers(SAMPLE_RATE // 400, longest, count))
    gains = rng.choice([-1.0, 1.0], count) * 10 ** (-3 * delays / (seconds * SAMPLE_RATE))
    gains *= 0.5 / np.sqrt((gains**2).sum())
    made = wave.astype(np.float64)
    for delay, gain in zip(delays.tolist(), gains.tolist(), strict=True):
        if delay < len(wave):
            made[delay:] += gain * wave[: len(wave) - delay]
    return made.astype(np.float32)


def add_noise(wave: NDArray[np.float32], snr_db: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """``wave`` with white noise, ``snr_db`` below the power of its louder half."""
    power = np.sort(wave.astype(np.float64) ** 2)[len(wave) // 2 :]
    level = np.sqrt(power.mean() * 10 ** (-snr_db / 10)) if len(power) else 0.0
    return (wave + level * rng.standard_normal(len(wave), dtype=np.float32)).astype(np.float32)
