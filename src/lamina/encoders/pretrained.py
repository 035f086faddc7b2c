"""Any transformers speech encoder, read at its taps, exactly the same alone and in any batch."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from lamina.encoders.audio import checked_audio
from lamina.encoders.encoder import States, Tap, find_taps
from lamina.encoders.families import wire
from lamina.encoders.half import right_convolutions
from lamina.encoders.masked_norm import reading
from lamina.encoders.stepping import Pass
from lamina.errors import LaminaError
from lamina.files import digest

# What says how a config came to be, not what the model computes.
_INCIDENTAL = ("_name_or_path", "architectures", "dtype", "torch_dtype", "transformers_version")


class PretrainedEncoder:
    """A transformers speech encoder (`lamina.encoders.families.KNOWN` lists the families).

    The model is put in eval mode and adopted: its norms and convolutions over time are mended in place so that
    they see real frames only while Lamina reads; its own forward pass stays what it was.

    Args:
        model: a base model without heads, such as ``HubertModel``.
        name: as people call it.
        normalise: whether every waveform gets mean 0 and variance 1 over its own samples first (the feature
            extractor's ``do_normalize``); without meaning for wav2vec2-bert and Whisper, whose features have their
            own normalisation.
        sample_rate: of the audio it takes (Hz).

    Attributes:
        exact_batches: utterances have the same states alone and in any batch.

    Raises:
        LaminaError: the model's family is unknown.
    """

    exact_batches = True

    def __init__(self, model: Any, name: str, *, normalise: bool, sample_rate: int = 16000) -> None:
        self.name = name
        self.sample_rate = sample_rate
        self.normalise = normalise
        self.digest = digest([weights_digest(model), bool(normalise), sample_rate])
        self.model = model.eval()
        self._wiring = wire(model, normalise=normalise, sample_rate=sample_rate)

    @property
    def taps(self) -> tuple[Tap, ...]:
        """All taps, in the order of the data flow."""
        return tuple(step.tap for step in self._wiring.steps)

    @property
    def most_samples(self) -> int | None:
        """The longest audio that it takes at once (Whisper's window), None where there is no limit."""
        return self._wiring.most

    @property
    def least_samples(self) -> int:
        """The shortest audio that gives every tap a frame."""
        return max(tap.grid.least_samples for tap in self.taps)

    def states(self, waves: Tensor, lengths: Tensor, taps: Sequence[str] | None = None) -> Iterator[States]:
        """Yield the states at the asked taps, one tap at a time (see `Encoder.states`).

        One layer's states are in memory at a time, blocks after the last asked tap are not run, and the iterator
        may be closed early. Values come in the model's dtype, on its device, without gradients.

        Raises:
            LaminaError: bad audio (see `checked_audio`), unknown taps, or audio longer than ``most_samples``.
        """
        wanted = {tap.name for tap in find_taps(self, taps)}
        waves, samples = checked_audio(waves, lengths, self.least_samples, self.name)
        if self.most_samples is not None and waves.shape[1] > self.most_samples:
            raise LaminaError(
                f"an utterance has {waves.shape[1]} samples, encoder {self.name} takes {self.most_samples} "
                "at once: read it in chunks (`lamina.encoders.chunks`)"
            )
        passing = Pass(waves.to(self.model.device).float(), samples)
        for step in self._wiring.steps:
            # Neither setting may leak to the reader between two steps.
            with torch.no_grad(), reading(samples), right_convolutions(*self.model.parameters()):
                values = step.run(passing)
            if step.tap.name in wanted:
                wanted.remove(step.tap.name)
                if self.most_samples is not None:
                    values = values[:, : step.tap.grid.frames(max(samples))]
                yield States.checked(values, samples, step.tap)
            del values
            if not wanted:
                return


def weights_digest(model: Any) -> str:
    """Hex digits that change when the config or any weight of a transformers model changes.

    SHA-256 over the names, dtypes, shapes and bytes of all parameters and buffers in the order of their names, and
    over the config without what only says where it came from. So a folder that is saved again keeps its digest.
    """
    sha = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        sha.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        sha.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    config = {key: value for key, value in model.config.to_dict().items() if key not in _INCIDENTAL}
    return digest([sha.hexdigest(), {key: str(value) for key, value in config.items()}])
