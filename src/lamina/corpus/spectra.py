"""Log-mel spectra for looking at a corpus: plain numpy, 5 ms apart, so that a small shift shows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lamina.corpus.stored import SAMPLE_RATE

HOP, WINDOW, BANDS = 80, 400, 40  # samples, samples, mel bands
_SIZE = 512


def log_mel(wave: NDArray[np.float32]) -> NDArray[np.float32]:
    """(samples,) at 16 kHz to (frames, 40): frame i is centred on sample ``HOP i + WINDOW / 2``; natural log."""
    if len(wave) < WINDOW:
        return np.zeros((0, BANDS), np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(wave, WINDOW)[::HOP]
    spectrum = np.abs(np.fft.rfft(frames * np.hanning(WINDOW), _SIZE)) ** 2
    made: NDArray[np.float32] = np.log(spectrum @ _FILTERS + 1e-8).astype(np.float32)
    return made


def centres(frames: int) -> NDArray[np.int64]:
    """The centre of each frame, in samples."""
    return np.arange(frames, dtype=np.int64) * HOP + WINDOW // 2


def _filters() -> NDArray[np.float64]:
    """Triangles on the mel scale (O'Shaughnessy's formula), 20 Hz to 7.6 kHz: (257, 40)."""
    low, high = (2595 * np.log10(1 + hertz / 700) for hertz in (20.0, 7600.0))
    edges = 700 * (10 ** (np.linspace(low, high, BANDS + 2) / 2595) - 1)
    hertz = np.fft.rfftfreq(_SIZE, 1 / SAMPLE_RATE)[:, None]
    up = (hertz - edges[:-2]) / (edges[1:-1] - edges[:-2])
    down = (edges[2:] - hertz) / (edges[2:] - edges[1:-1])
    return np.maximum(0, np.minimum(up, down))


_FILTERS = _filters()
