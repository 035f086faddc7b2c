"""How much audio a batch may hold on a GPU: found by reading some, so that the card is filled and no more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from lamina.device import total
from lamina.encoders.encoder import Encoder

USUAL = 60.0  # seconds of audio, where nothing is found: on a CPU, or of an encoder without a model
STEPS = (400.0, 240.0, 120.0, 60.0, 30.0, 15.0)  # more than the first fills no card better
TRIED = (8, 16)  # seconds of audio that are read
# Of the whole card: sums, cuDNN's workspaces and holes between tensors take theirs; what does not fit is halved.
SHARE = 0.5


def batch_seconds(encoder: Encoder, *, peak: Callable[[Callable[[], None]], int] | None = None) -> float:
    """Seconds of padded audio that a batch may hold where the encoder is, one of `STEPS`.

    The same on one card whatever else is on it, so that a command goes on where it was stopped.

    Args:
        encoder: any.
        peak: runs some work and gives the most bytes that it had in memory; asked of the GPU by default.
    """
    model: Any = getattr(encoder, "model", None)
    weight = next(model.parameters(), None) if model is not None else None
    whole = None if weight is None else total(weight.device)
    if weight is None or whole is None:
        return USUAL
    few, many = ((peak or _peak)(_reading(encoder, seconds)) for seconds in TRIED)
    a_second = max(many - few, 1) / (TRIED[1] - TRIED[0])
    room = SHARE * whole - (few - TRIED[0] * a_second)  # what stays whatever is read: the weights
    return next((step for step in STEPS if step * a_second <= room), STEPS[-1])


def _reading(encoder: Encoder, seconds: int) -> Callable[[], None]:
    samples = seconds * encoder.sample_rate
    waves = 0.1 * torch.randn(1, samples, generator=torch.Generator().manual_seed(0))

    def read() -> None:
        with torch.inference_mode():
            for _ in encoder.states(waves, torch.tensor([samples])):
                pass

    return read


def _peak(work: Callable[[], None]) -> int:
    work()  # the first one makes workspaces
    torch.cuda.reset_peak_memory_stats()
    work()
    return int(torch.cuda.max_memory_allocated())
