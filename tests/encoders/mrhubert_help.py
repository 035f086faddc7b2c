"""Small models and fixture readers that the tests of the family share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lamina.encoders.mrhubert import MRHubertConfig, MRHubertModel

CASES = (
    "a_base_2res",
    "c1_3res_1212",
    "e_plain_updown",
    "f_mono_res",
    "g_large_style",
    "h2_single_prediction",
)
STYLES: dict[str, dict[str, Any]] = {
    "group": {},
    "layer": {"feat_extract_norm": "layer", "do_stable_layer_norm": True, "conv_bias": True},
}


def config(**changes: Any) -> MRHubertConfig:
    """A tiny config of the base style; the front end has the published kernels and strides."""
    settings: dict[str, Any] = {
        "hidden_size": 32,
        "num_attention_heads": 4,
        "intermediate_size": 48,
        "conv_dim": [16] * 7,
        "num_conv_pos_embeddings": 16,
        "num_conv_pos_embedding_groups": 4,
        "block_layers": [2] * (len(changes.get("label_rate_ratios", [1, 2])) + 1),
        "final_dim": 8,
    }
    return MRHubertConfig(**settings | changes)


def model(seed: int = 0, **changes: Any) -> MRHubertModel:
    """A tiny model whose biases, gains and codes are random, so that nothing hides behind zeros and ones."""
    torch.manual_seed(seed)
    made = MRHubertModel(config(**changes))
    shake(made)
    return made.eval()


def shake(module: torch.nn.Module) -> None:
    """Add noise to all parameters."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))


def padded(lengths: list[int], seed: int = 0) -> tuple[Tensor, Tensor]:
    """Random waves (batch, longest) with zeros beyond each length, and the attention mask."""
    generator = torch.Generator().manual_seed(seed)
    waves = torch.randn(len(lengths), max(lengths), generator=generator)
    mask = torch.arange(max(lengths))[None] < torch.tensor(lengths)[:, None]
    return waves * mask, mask.long()


def relative(found: Tensor, expected: Tensor) -> float:
    """The largest difference over the largest expected value."""
    assert found.shape == expected.shape
    return float((found - expected).abs().max() / expected.abs().max())


def fixture(shared: Path, case: str) -> tuple[Path, dict[str, Any], dict[str, Tensor]]:
    """The checkpoint, the meta data and the tensors of a reference case."""
    folder = shared / "fixtures" / "mr_hubert" / case
    meta = json.loads((folder / "meta.json").read_text())
    with np.load(folder / "data.npz") as data:
        return folder / "checkpoint.pt", meta, {key: torch.from_numpy(data[key]) for key in data.files}
