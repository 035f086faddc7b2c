"""How large batches may be on a card, with cards that are told."""

from __future__ import annotations

import pytest
import torch

from lamina.encoders import room
from lamina.encoders.features import MelEncoder
from lamina.encoders.mrhubert import MRHubertConfig, MRHubertEncoder, MRHubertModel

GIB = 1 << 30


@pytest.fixture(scope="module")
def encoder():
    shape = {"conv_dim": [8] * 7, "block_layers": [1], "label_rate_ratios": [], "num_attention_heads": 2}
    positions = {"num_conv_pos_embeddings": 4, "num_conv_pos_embedding_groups": 2}
    torch.manual_seed(0)
    return MRHubertEncoder(MRHubertModel(MRHubertConfig(**shape, **positions, hidden_size=16)), "tiny")


# A GiB of weights and a tenth of one a second.
@pytest.mark.parametrize(
    ("whole", "expected"), [(80, 240.0), (82.1, 400.0), (26, 120.0), (8, 30.0), (5.1, 15.0), (1, 15.0)]
)
def test_a_batch_is_as_large_as_half_the_card_has_room_for(encoder, monkeypatch, whole, expected):
    monkeypatch.setattr(room, "total", lambda device: int(whole * GIB))
    read = []

    def peak(work):
        work()
        read.append(room.TRIED[len(read)])
        return GIB + read[-1] * GIB // 10

    assert room.batch_seconds(encoder, peak=peak) == expected
    assert read == list(room.TRIED)


def test_without_a_card_or_a_model_it_is_the_usual(encoder):
    assert room.batch_seconds(encoder) == room.batch_seconds(MelEncoder()) == room.USUAL
