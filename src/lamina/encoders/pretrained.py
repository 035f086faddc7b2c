"""Any transformers speech encoder, read at its taps, exactly the same alone and in any batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from lamina.encoders.audio import checked_audio
from lamina.encoders.encoder import States, Tap, find_taps
from lamina.encoders.families import run_of, wire
from lamina.encoders.half import right_convolutions
from lamina.encoders.masked_norm import reading
from lamina.encoders.stepping import Pass
from lamina.encoders.weights import weights_digest
from lamina.errors import LaminaError
from lamina.files import digest


class PretrainedEncoder:
    """A transformers speech encoder (`lamina.encoders.families.KNOWN` lists the families).

    The model is put in eval mode and adopted: its norms and convolutions over time are mended in place so that
    they see real frames only while Lamina reads; its own forward pass stays what it was.

    Args:
        model: a base model without heads, such as ``HubertModel``; of Whisper's the encoder alone is kept.
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
        self.model = run_of(model).eval()
        self.digest = digest([weights_digest(self.model), bool(normalise), sample_rate])
        self._wiring = wire(self.model, normalise=normalise, sample_rate=sample_rate)

    @property
    def taps(self) -> tuple[Tap, ...]:
        """All taps, in the order of the data flow."""
        return tuple(step.tap for step in self._wiring.steps)

    @property
    def shown(self) -> tuple[str, ...]:
        """What the outputs of the transformers model call the tensor at each tap; empty where they show none."""
        return tuple(step.shown for step in self._wiring.steps)

    @property
    def window_samples(self) -> int:
        """Samples to which all audio is padded, and which none may exceed (Whisper's window); 0 where none is."""
        return self._wiring.window

    @property
    def least_samples(self) -> int:
        """The shortest audio that gives every tap a frame."""
        return max(tap.grid.least_samples for tap in self.taps)

    def states(self, waves: Tensor, lengths: Tensor, taps: Sequence[str] | None = None) -> Iterator[States]:
        """Yield the states at the asked taps, one tap at a time (see `Encoder.states`).

        One layer's states are in memory at a time, blocks after the last asked tap are not run, and the iterator
        may be closed early. Values come in the model's dtype, on its device, without gradients.

        Raises:
            LaminaError: bad audio (see `checked_audio`), unknown taps, or audio longer than its window.
        """
        wanted = {tap.name for tap in find_taps(self, taps)}
        waves, samples = checked_audio(waves, lengths, self.least_samples, self.name)
        if 0 < self.window_samples < waves.shape[1]:
            raise LaminaError(
                f"an utterance has {waves.shape[1]} samples, encoder {self.name} takes {self.window_samples} "
                "at once: read it in pieces (`lamina.corpus.pieces`)"
            )
        passing = Pass(waves.to(self.model.device).float(), samples)
        for step in self._wiring.steps:
            # Neither setting may leak to the reader between two steps.
            with torch.no_grad(), reading(samples), right_convolutions(*self.model.parameters()):
                values = step.run(passing)
            if step.tap.name in wanted:
                wanted.remove(step.tap.name)
                if self.window_samples:
                    values = values[:, : step.tap.grid.frames(max(samples))]
                yield States.checked(values, samples, step.tap)
            del values
            if not wanted:
                return
