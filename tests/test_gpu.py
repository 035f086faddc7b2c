"""States are exact on every device. `pytest -m gpu` runs all tests that need a GPU, those of other files, too."""

from __future__ import annotations

import pytest
import torch

from lamina.device import exact
from lamina.encoders.mrhubert import MRHubertConfig, MRHubertEncoder, MRHubertModel
from lamina.encoders.pretrained import PretrainedEncoder

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]
SHAPE = {"hidden_size": 64, "intermediate_size": 128, "num_attention_heads": 4, "conv_dim": [32] * 7}
POSITIONS = {"num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 4}


def encoder(kind: str, device: str):
    torch.manual_seed(0)
    if kind == "transformers":
        from transformers import HubertConfig, HubertModel

        model = HubertModel(HubertConfig(**SHAPE, **POSITIONS, num_hidden_layers=2))
        return PretrainedEncoder(model.to(device), kind, normalise=True)
    layers = {"label_rate_ratios": [1, 2], "block_layers": [1, 1, 1]} if kind == "two rates" else {}
    model = MRHubertModel(MRHubertConfig(**SHAPE, **POSITIONS, **layers))
    return MRHubertEncoder(model.to(device), kind, together=True)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("kind", ["two rates", "transformers"])
def test_an_utterance_has_the_same_states_alone_and_in_any_batch(kind: str, device: str) -> None:
    lengths = torch.tensor([16000, 9111, 40007, 23456])
    waves = torch.zeros(4, 40007)
    for row, length in zip(waves, lengths.tolist(), strict=True):
        row[:length] = torch.randn(length, generator=torch.Generator().manual_seed(length))
    read = encoder(kind, device)
    checked = 0
    with exact():
        together = list(read.states(waves, lengths))
        for index, length in enumerate(lengths.tolist()):
            alone = read.states(waves[index : index + 1, :length], lengths[index : index + 1])
            for one, other in zip(alone, together, strict=True):
                mine, theirs = one.utterance(0), other.utterance(index)
                assert float((mine - theirs).norm() / mine.norm()) < 1e-5, (one.tap.name, index)
                checked += 1
    assert checked == 4 * len(read.taps)
