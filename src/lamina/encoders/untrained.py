"""The same encoder with its weights drawn anew: what an architecture knows before it has learned anything."""

from __future__ import annotations

from typing import Any

import torch

from lamina.encoders.encoder import Encoder
from lamina.encoders.mrhubert.encoder import MRHubertEncoder
from lamina.encoders.pretrained import PretrainedEncoder


def untrained(encoder: Encoder, *, seed: int, positions: bool = True) -> Encoder | None:
    """An encoder of the same config with weights drawn by its own initialisation; None for one without any.

    Position encodings that are written down, such as Whisper's sinusoids, are no weights: the twin has them, and
    they alone tell of all that goes with the place in an utterance.

    Args:
        encoder: a `PretrainedEncoder` or `MRHubertEncoder`; features (mfcc, mel) have no weights.
        seed: of the draw; the global random state stays as it was.
        positions: False for a twin whose written-down position encodings are zero; None where it has none.
    """
    if not isinstance(encoder, PretrainedEncoder | MRHubertEncoder):
        return None
    old: Any = encoder.model
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        fresh = type(old)(old.config).to(old.device)
    name = f"{encoder.name}-untrained"
    if not positions:
        written = [module for module in fresh.modules() if _written(module)]
        if not written:
            return None
        for module in written:
            torch.nn.init.zeros_(module.weight)
        name += "-no-positions"
    if isinstance(encoder, MRHubertEncoder):
        return MRHubertEncoder(fresh, name, together=encoder.together)
    return PretrainedEncoder(fresh, name, normalise=encoder.normalise, sample_rate=encoder.sample_rate)


def _written(module: torch.nn.Module) -> bool:
    """Whether a module is a table of positions that training never changes (audio has no other embeddings)."""
    return isinstance(module, torch.nn.Embedding) and not module.weight.requires_grad
