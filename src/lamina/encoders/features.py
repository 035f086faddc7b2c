"""Log-mel and MFCC features as encoders of one tap, Kaldi's way, in plain torch.

They agree with lhotse's Fbank and Mfcc (and so with Kaldi's) for audio in [-1, 1] and the settings 25 ms windows
every 10 ms, ``snip_edges=True``, ``dither=0``, ``use_energy=False``, ``low_freq=20``, ``high_freq=-400``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Literal

import torch
from torch import Tensor

from lamina.encoders.audio import beyond, checked_audio
from lamina.encoders.encoder import States, Tap, find_taps
from lamina.files import digest
from lamina.grid import Grid

SAMPLE_RATE = 16000
WINDOW, SHIFT, FFT = 400, 160, 512
GRID = Grid.samples(SAMPLE_RATE).conv(WINDOW, SHIFT)
# Frames are transformed so many at a time: an hour of audio needs no more memory than a minute.
BLOCK = 4096


def mel_filters(bins: int, low: float, high: float) -> Tensor:
    """Triangles on Kaldi's mel scale, 1127 ln(1 + f / 700): (FFT // 2 + 1, bins), the last row zero.

    Args:
        bins: number of filters.
        low: lower edge of the first (Hz).
        high: upper edge of the last (Hz).
    """

    def mel(hertz: Tensor) -> Tensor:
        return 1127.0 * torch.log1p(hertz / 700.0)

    edges = mel(torch.tensor([low, high], dtype=torch.float64))
    points = torch.linspace(float(edges[0]), float(edges[1]), bins + 2, dtype=torch.float64)
    left, centre, right = points[:-2], points[1:-1], points[2:]
    at = mel(torch.arange(FFT // 2, dtype=torch.float64) * SAMPLE_RATE / FFT)[:, None]
    triangles = torch.minimum((at - left) / (centre - left), (right - at) / (right - centre)).clamp(min=0.0)
    return torch.cat([triangles, triangles.new_zeros(1, bins)]).float()


def log_mel(waves: Tensor, filters: Tensor, floor: float) -> Tensor:
    """Log mel energies (batch, frames, bins) of waves (batch, samples).

    Kaldi's steps a frame: offset removed, pre-emphasis 0.97, Povey window, power spectrum, filters, logarithm.

    Args:
        waves: audio, at least WINDOW samples.
        filters: from `mel_filters`.
        floor: least energy before the logarithm.
    """
    window = torch.hann_window(WINDOW, periodic=False, dtype=waves.dtype, device=waves.device).pow(0.85)
    filters = filters.to(waves)

    def block(frames: Tensor) -> Tensor:
        frames = frames - frames.mean(dim=-1, keepdim=True)
        before = torch.cat([frames[..., :1], frames[..., :-1]], dim=-1)
        spectrum = torch.fft.rfft((frames - 0.97 * before) * window, n=FFT)
        power = spectrum.real.square() + spectrum.imag.square()
        return (power @ filters).clamp(min=floor).log()

    pieces = waves.unfold(1, WINDOW, SHIFT).split(max(1, BLOCK // len(waves)), dim=1)
    return torch.cat([block(piece) for piece in pieces], dim=1)


def deltas(values: Tensor, frames: list[int]) -> Tensor:
    """Slopes over five frames, sum_k k (x[t+k] - x[t-k]) / 10 for k = 1, 2, each utterance's edges repeated.

    As torchaudio's compute_deltas of every utterance alone (Kaldi's add-deltas differs at the edges of second
    deltas only).

    Args:
        values: (batch, frames, width).
        frames: real frames of each utterance.
    """
    last = torch.tensor(frames, device=values.device)[:, None] - 1
    at = torch.arange(values.shape[1], device=values.device)[None]

    def moved(by: int) -> Tensor:
        index = (at + by).clamp(min=0).minimum(last)
        return values.gather(1, index[..., None].expand_as(values))

    return (moved(1) - moved(-1) + 2.0 * (moved(2) - moved(-2))) / 10.0


class MelEncoder:
    """80 log-mel energies every 10 ms, one tap ``mel``.

    Audio is taken in [-1, 1]; energies below float32's epsilon are floored, so silence gives log(1.19e-7).
    """

    sample_rate = SAMPLE_RATE
    exact_batches = True

    def __init__(self, device: str = "cpu") -> None:
        self.name = "mel"
        self.digest = digest(["mel", 80, 20.0, -400.0])
        self.taps = (Tap("mel", 0, 80, GRID),)
        self._device = torch.device(device)
        self._filters = mel_filters(80, 20.0, SAMPLE_RATE / 2 - 400.0)

    def states(self, waves: Tensor, lengths: Tensor, taps: Sequence[str] | None = None) -> Iterator[States]:
        """Yield the log-mel energies (see `Encoder.states`)."""
        wanted = find_taps(self, taps)
        waves, samples = checked_audio(waves, lengths, GRID.least_samples, self.name)
        for tap in wanted:
            yield States.checked(log_mel(waves.to(self._device).float(), self._filters, _EPSILON), samples, tap)


class MfccEncoder:
    """13 MFCC (from 23 mel bins) with their deltas and second deltas every 10 ms: 39 values, one tap ``mfcc``.

    HuBERT's first targets are clusters of these (Hsu et al. 2021, arXiv 2106.07447), without normalisation.
    The encoder is called ``mfcc``; with normalisation ``mfcc-cmvn`` (cepstral mean and variance normalisation).

    Args:
        normalise: ``utterance`` gives every coefficient mean 0 and variance 1 over each utterance's real frames
            (a coefficient that never moves becomes 0), ``none`` leaves them.
        device: where to compute.
    """

    sample_rate = SAMPLE_RATE
    exact_batches = True

    def __init__(self, normalise: Literal["none", "utterance"], device: str = "cpu") -> None:
        self.name = "mfcc" if normalise == "none" else "mfcc-cmvn"
        self.digest = digest(["mfcc", 13, 23, 20.0, -400.0, normalise])
        self.taps = (Tap("mfcc", 0, 39, GRID),)
        self._normalise = normalise
        self._device = torch.device(device)
        self._filters = mel_filters(23, 20.0, SAMPLE_RATE / 2 - 400.0)
        self._cosines = _lifted_cosines(13, 23)

    def states(self, waves: Tensor, lengths: Tensor, taps: Sequence[str] | None = None) -> Iterator[States]:
        """Yield the coefficients (see `Encoder.states`)."""
        wanted = find_taps(self, taps)
        waves, samples = checked_audio(waves, lengths, GRID.least_samples, self.name)
        for tap in wanted:
            yield States.checked(self._mfcc(waves.to(self._device).float(), samples), samples, tap)

    def _mfcc(self, waves: Tensor, samples: list[int]) -> Tensor:
        frames = [GRID.frames(count) for count in samples]
        cepstra = log_mel(waves, self._filters, _EPSILON) @ self._cosines.to(waves)
        slopes = deltas(cepstra, frames)
        values = torch.cat([cepstra, slopes, deltas(slopes, frames)], dim=-1)
        return zscored(values, frames) if self._normalise == "utterance" else values


def zscored(values: Tensor, frames: list[int], *, correction: int = 0, add: float = 0.0) -> Tensor:
    """Values (batch, frames, width) with mean 0 and variance 1 over each utterance's real frames, zeros beyond.

    Args:
        values: the features.
        frames: real frames of each utterance.
        correction: 1 divides the squares by n - 1, 0 by n.
        add: added to the variance; where the sum is 0 the value becomes 0.
    """
    hidden = beyond(frames, values.shape[1], values.device)[..., None]
    count = torch.tensor(frames, device=values.device, dtype=values.dtype)[:, None, None]
    mean = values.masked_fill(hidden, 0.0).sum(dim=1, keepdim=True) / count
    centred = (values - mean).masked_fill(hidden, 0.0)
    variance = centred.square().sum(dim=1, keepdim=True) / (count - correction) + add
    # Rounding leaves a constant coefficient a variance of about 1e-13; it must not be blown up to 1.
    return torch.where(variance > 1e-10, centred / variance.sqrt(), 0.0)


_EPSILON = torch.finfo(torch.float32).eps


def _lifted_cosines(ceps: int, bins: int) -> Tensor:
    """Orthonormal cosine transform (bins, ceps) times Kaldi's lifter 1 + 11 sin(pi k / 22)."""
    place = torch.arange(bins, dtype=torch.float64)[:, None] + 0.5
    order = torch.arange(ceps, dtype=torch.float64)
    cosines = torch.cos(math.pi / bins * place * order) * math.sqrt(2.0 / bins)
    cosines[:, 0] /= math.sqrt(2.0)
    return (cosines * (1.0 + 11.0 * torch.sin(math.pi * order / 22.0))).float()
