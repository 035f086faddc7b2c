"""The same encoder with its weights drawn anew: what an architecture knows before it has learned anything."""

from __future__ import annotations

from typing import Any

import torch

from lamina.encoders.encoder import Encoder
from lamina.encoders.mrhubert.encoder import MRHubertEncoder
from lamina.encoders.pretrained import PretrainedEncoder


def untrained(encoder: Encoder, *, seed: int) -> Encoder | None:
    """An encoder of the same config with weights drawn by its own initialisation; None for one without any.

    Args:
        encoder: a `PretrainedEncoder` or `MRHubertEncoder`; features (mfcc, mel) have no weights.
        seed: of the draw; the global random state stays as it was.
    """
    if not isinstance(encoder, PretrainedEncoder | MRHubertEncoder):
        return None
    old: Any = encoder.model
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        fresh = type(old)(old.config).to(old.device, old.dtype)
    name = f"{encoder.name}-untrained"
    if isinstance(encoder, MRHubertEncoder):
        return MRHubertEncoder(fresh, name, together=encoder.together)
    return PretrainedEncoder(fresh, name, normalise=encoder.normalise, sample_rate=encoder.sample_rate)
