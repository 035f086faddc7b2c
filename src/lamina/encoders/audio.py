"""The audio that encoders accept: one channel, floating point, finite, long enough for a frame."""

from __future__ import annotations

import torch
from torch import Tensor

from lamina.errors import LaminaError


def checked_audio(waves: Tensor, lengths: Tensor, least: int, name: str) -> tuple[Tensor, list[int]]:
    """The waves cut to the longest utterance, zero beyond each one's length, and the lengths as integers.

    Silence is allowed (every encoder gives finite states for it).

    Args:
        waves: (batch, samples) audio.
        lengths: (batch,) samples of each utterance.
        least: the fewest samples that give every tap a frame.
        name: of the encoder, for messages.

    Raises:
        LaminaError: the audio has integers, several channels, NaN or infinite samples, lengths that do not fit it,
            or an utterance too short for one frame.
    """
    if not waves.is_floating_point():
        raise LaminaError(
            f"encoder {name} takes floating-point audio in [-1, 1], got {waves.dtype}: "
            "divide 16-bit samples by 32768"
        )
    if waves.ndim != 2:
        raise LaminaError(
            f"encoder {name} takes (batch, samples), got shape {tuple(waves.shape)}: average the channels of "
            "stereo audio first, and give a single utterance a batch of one"
        )
    if lengths.shape != waves.shape[:1] or not len(lengths):
        raise LaminaError(
            f"encoder {name} got {len(waves)} utterances and lengths of shape {tuple(lengths.shape)}: "
            "give one length an utterance, and at least one utterance"
        )
    samples = [int(count) for count in lengths.tolist()]
    for index, count in enumerate(samples):
        if count > waves.shape[1]:
            raise LaminaError(
                f"utterance {index} of the batch claims {count} samples, the batch holds {waves.shape[1]}: "
                "pass lengths in samples, not in frames or seconds"
            )
        if count < least:
            raise LaminaError(
                f"utterance {index} of the batch has {count} samples, encoder {name} needs {least} to make a "
                "frame at every tap: leave it out"
            )
    waves = waves[:, : max(samples)]
    if min(samples) < waves.shape[1]:
        waves = waves.masked_fill(beyond(samples, waves.shape[1], waves.device), 0.0)
    finite = torch.isfinite(waves).all(dim=1)
    if not bool(finite.all()):
        raise LaminaError(
            f"utterance {int((~finite).int().argmax())} of the batch has NaN or infinite samples: "
            "its file is damaged or was scaled by zero; leave it out or convert it again"
        )
    return waves, samples


def beyond(counts: list[int], size: int, device: torch.device) -> Tensor:
    """(batch, size) booleans, true beyond each utterance's count."""
    return torch.arange(size, device=device)[None] >= torch.tensor(counts, device=device)[:, None]


def unit_variance(waves: Tensor, samples: list[int], *, add: float = 1e-7) -> Tensor:
    """Each utterance with mean 0 and variance 1 over its own samples, zeros beyond.

    As transformers' Wav2Vec2FeatureExtractor with ``do_normalize``, which adds 1e-7 to the variance.
    """
    normalised = torch.zeros_like(waves)
    for row, wave, count in zip(normalised, waves, samples, strict=True):
        var, mean = torch.var_mean(wave[:count], correction=0)
        row[:count] = (wave[:count] - mean) / torch.sqrt(var + add)
    return normalised
