"""Counted against the published numbers, closed forms and torch's own counter with eager attention."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from lamina.cost.cost import measure_cost
from lamina.cost.macs import Macs, count_macs, parts
from lamina.cost.training import PeakBytes, kept_bytes
from lamina.encoders.features import MelEncoder
from lamina.encoders.pretrained import PretrainedEncoder
from lamina.errors import LaminaError
from lamina.report.costs import cost_picture, cost_tables
from lamina.score import Scores

GIGA = 1e9


def hubert(**settings: object) -> nn.Module:
    from transformers import HubertConfig, HubertModel

    with torch.device("meta"):
        return HubertModel(HubertConfig(**settings)).eval()


def total(found: dict[str, Macs]) -> Macs:
    return sum(found.values(), Macs(0, 0))


LARGE = {
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
    "feat_extract_norm": "layer",
    "conv_bias": False,
    "do_stable_layer_norm": True,
}


@pytest.mark.parametrize(("settings", "published"), [({}, 431), (LARGE, 1116)])
def test_hubert_at_62_seconds_as_published(settings: dict[str, object], published: int) -> None:
    # arXiv 2310.02720, table of computation costs.
    found = total(count_macs(hubert(**settings), torch.empty(1, 62 * 16000, device="meta")))
    assert round(found.published / GIGA) == published


def mr_hubert(**settings: object) -> nn.Module:
    from lamina.encoders.mrhubert.config import MRHubertConfig
    from lamina.encoders.mrhubert.model import MRHubertModel

    with torch.device("meta"):
        return MRHubertModel(MRHubertConfig(**settings)).eval()


MR_LARGE = {
    "hidden_size": 1024,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
    "block_layers": (8, 8, 8),
    "feat_extract_norm": "layer",
    "do_stable_layer_norm": True,
}


@pytest.mark.parametrize(
    ("settings", "published"), [({}, 394), (MR_LARGE, 971), ({"block_layers": (3, 3, 3)}, 339)]
)
def test_mr_hubert_at_62_seconds_as_published(settings: dict[str, object], published: int) -> None:
    found = count_macs(mr_hubert(**settings), torch.empty(1, 62 * 16000, device="meta"))
    assert round(total(found).published / GIGA) == published
    assert "rest" not in found
    assert [path for path in found if path.startswith("blocks.")] == ["blocks.0", "blocks.1", "blocks.2"]
    # The middle block has half of the frames: half of the linear work, a quarter of the products of attention.
    assert found["blocks.1"].products == pytest.approx(found["blocks.2"].products / 4, rel=1e-3)
    assert found["blocks.1"].published == pytest.approx(found["blocks.2"].published / 2, rel=1e-3)


@pytest.mark.parametrize(("seconds", "saved"), [(5, 9.2), (30, 11.4), (62, 13.4)])
def test_the_saving_grows_with_length_once_attention_counts(seconds: int, saved: float) -> None:
    waves = torch.empty(1, seconds * 16000, device="meta")
    plain, coarse = (total(count_macs(model, waves)).attention for model in (hubert(), mr_hubert()))
    assert 100 * (1 - coarse / plain) == pytest.approx(saved, abs=0.3)


def test_transposed_convolutions_count_at_their_output() -> None:
    layer = nn.Sequential(nn.ConvTranspose1d(4, 6, 1, stride=2, output_padding=1, bias=False)).eval()
    assert total(count_macs(layer, torch.empty(1, 4, 10))) == Macs(20 * 4 * 6, 0)


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_hubert_base_at_10_seconds_by_both_conventions(attention: str) -> None:
    model = hubert(attn_implementation=attention)
    found = total(count_macs(model, torch.empty(1, 160000, device="meta")))
    assert round(found.published / GIGA, 1) == 69.5
    assert round(found.attention / GIGA, 1) == 74.1
    # Queries with keys and weights with values, 12 layers of width 768 and 499 frames.
    assert found.products == 12 * 2 * 499 * 499 * 768


def test_a_block_by_hand() -> None:
    layers = nn.Sequential(nn.Conv1d(4, 6, 3, stride=2, groups=2), nn.Flatten(), nn.Linear(6 * 9, 5)).eval()
    found = total(count_macs(layers, torch.empty(2, 4, 19)))
    assert found == Macs(2 * (9 * 6 * (4 // 2) * 3 + 54 * 5), 0)


def test_parts_sum_to_the_whole_and_the_model_stays_where_it_is() -> None:
    from transformers import HubertConfig, HubertModel

    settings = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 64}
    model = HubertModel(
        HubertConfig(**settings, conv_dim=[16] * 7, num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=2)
    ).eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    found = count_macs(model, torch.zeros(1, 16000))
    assert next(iter(found)) == "feature_extractor"
    assert [path for path in found if path.startswith("encoder.layers.")] == [
        f"encoder.layers.{i}" for i in range(3)
    ]
    assert len({found[f"encoder.layers.{i}"] for i in range(3)}) == 1
    # One layer by hand: four projections and two feed-forward maps on 49 frames; two products.
    assert found["encoder.layers.0"] == Macs(49 * (4 * 32 * 32 + 2 * 32 * 64), 2 * 49 * 49 * 32)
    assert all(
        value.device.type == "cpu" and torch.equal(value, before[name])
        for name, value in model.state_dict().items()
    )
    paths = list(parts(model))
    assert not any(one != other and other.startswith(f"{one}.") for one in paths for other in paths)


def test_what_no_part_computes_is_the_rest() -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(3, 5))
            self.map = nn.Linear(5, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.map(x @ self.weight)

    assert count_macs(Odd().eval(), torch.empty(4, 3)) == {"map": Macs(4 * 10, 0), "rest": Macs(4 * 15, 0)}


def test_training_mode_is_our_mistake() -> None:
    with pytest.raises(AssertionError, match="evaluation mode"):
        count_macs(nn.Linear(2, 2), torch.empty(1, 2))


def test_rows_of_an_encoder_with_weights(tmp_path: Path) -> None:
    from transformers import HubertConfig, HubertModel

    config = HubertConfig(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        conv_dim=[16] * 7,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=2,
    )
    model = HubertModel(config)
    encoder = PretrainedEncoder(model, "small", normalise=False)
    state = torch.get_rng_state()
    rows = measure_cost(encoder, seconds=[0.5, 1.0], repeats=3, run_name="r")
    assert torch.equal(state, torch.get_rng_state())
    assert rows.select(measure="parameters")[0].value == sum(weight.numel() for weight in model.parameters())
    for seconds in (0.5, 1.0):
        for measure in ("macs", "macs-attention"):
            here = rows.select(measure=measure, seconds=seconds)
            assert here.select(part="")[0].value == sum(row.value for row in here if row.part)
        (speed,) = rows.select(measure="speed", seconds=seconds)
        assert speed.low is not None
        assert speed.high is not None
        assert 0 < speed.low <= speed.value <= speed.high
        assert (speed.n, speed.items, speed.unit, speed.setting) == (3, "runs", "s/s", "cpu, 1 thread")
    whole = rows.select(measure="macs", part="")
    assert whole[1].value > 1.9 * whole[0].value
    assert {row.run for row in rows} == {"r"}
    places = {row.part: (row.block, row.layer, row.period_ms) for row in rows.select(measure="macs", seconds=1.0)}
    assert places[""] == ("", None, 0.0)
    assert places["feature_extractor"] == ("front", None, 0.0)
    assert places["encoder.layers.0"] == ("enc20", 1, 20.0)
    assert places["encoder.layers.1"] == ("enc20", 2, 20.0)
    rows.write(tmp_path / "scores.jsonl")
    assert Scores.read(tmp_path / "scores.jsonl") == rows


def small(**changes: object) -> Any:
    """A small MR-HuBERT as an encoder."""
    from lamina.encoders.mrhubert import MRHubertConfig, MRHubertEncoder, MRHubertModel

    size = {"hidden_size": 32, "num_attention_heads": 2, "intermediate_size": 64, "block_layers": (1, 1, 1)}
    front = {"conv_dim": [16] * 7, "num_conv_pos_embeddings": 9, "num_conv_pos_embedding_groups": 2}
    return MRHubertEncoder(MRHubertModel(MRHubertConfig(**size, **front, **changes)).eval(), "small")


def test_measured_memory_of_training_is_what_was_counted() -> None:
    """Weights, gradients and what the backward pass needs are there at once; little else is."""
    encoder = small()
    encoder.model.set_attn_implementation("eager")  # a fused kernel keeps no attention weights, shapes alone do
    rows = measure_cost(encoder, seconds=[2.0], repeats=1)
    measured = rows.select(measure="train-memory")[0].value
    weights = 4 * sum(weight.numel() for weight in encoder.model.parameters())
    counted = kept_bytes(encoder.model, torch.empty(1, 32000)) + weights
    assert counted <= measured <= 1.6 * (counted + weights)
    assert rows.select(measure="peak-memory")[0].value < measured
    assert rows.select(measure="train-speed")[0].value < rows.select(measure="speed")[0].value
    assert not any(weight.grad is not None for weight in encoder.model.parameters())


def test_peak_bytes_by_hand() -> None:
    weight = torch.zeros(1000)
    with PeakBytes([weight]) as count:
        first = weight + 1  # 4,000 bytes more
        del first
        second = torch.ones(500) * 2  # 2,000 for the ones, 2,000 for the product
        view = second[:10]  # shares its storage
    assert count.peak == 8000
    assert view.shape == (10,)


def test_kept_bytes_by_hand() -> None:
    """A linear layer keeps its input, a GELU its input: 20 frames of 4 and of 8 values."""
    layers = nn.Sequential(nn.Linear(4, 8), nn.GELU()).eval()
    assert kept_bytes(layers, torch.empty(20, 4)) == 20 * (4 + 8) * 4


def test_parts_tell_their_block_and_rate() -> None:
    rows = measure_cost(small(label_rate_ratios=(1, 2)), seconds=[1.0], repeats=1).select(measure="macs")
    found = {row.part: (row.block, row.layer, row.period_ms) for row in rows if row.block}
    assert found == {
        "feature_extractor": ("front", None, 0.0),
        "feature_projection": ("front", None, 0.0),
        "blocks.0": ("enc20", None, 20.0),
        "blocks.1": ("mid40", None, 40.0),
        "blocks.2": ("dec20", None, 20.0),
    }
    assert {row.part for row in rows if not row.block} >= {"", "samplers.0", "samplers.1"}


def test_tables_and_picture(tmp_path: Path) -> None:
    rows = measure_cost(small(), seconds=[1.0, 2.0], repeats=1) + measure_cost(
        MelEncoder(), seconds=[1.0], repeats=1
    )
    whole, parts, rates = cost_tables(rows)
    assert whole.row_count == 3
    assert [str(cell) for cell in whole.columns[1].cells] == ["1 s", "2 s", "1 s"]
    told = [str(cell) for cell in parts.columns[1].cells]
    assert told == ["front", "enc20, 20 ms", "mid40, 40 ms", "dec20, 20 ms", "others"]
    shares = [float(str(cell).rstrip("%")) for cell in parts.columns[3].cells]
    assert sum(shares) == pytest.approx(100, abs=0.5)
    assert [str(cell) for cell in rates.columns[1].cells] == ["front end, changes of rate", "20 ms", "40 ms"]
    for name in ("cost.png", "cost.svg", "cost.pdf"):
        assert cost_picture(rows, tmp_path / name).stat().st_size > 5000
    with pytest.raises(LaminaError, match="must end in"):
        cost_picture(rows, tmp_path / "cost.txt")
    with pytest.raises(LaminaError, match="nothing to draw"):
        cost_picture(rows.select(model="mel"), tmp_path / "mel.png")


def test_features_have_no_weights_and_no_macs() -> None:
    rows = measure_cost(MelEncoder(), seconds=[1.0], repeats=1)
    assert next((row.measure, row.value) for row in rows) == ("parameters", 0.0)
    assert set(rows.distinct("measure")) == {"parameters", "speed"}


@pytest.mark.parametrize(("seconds", "repeats", "said"), [([0.01], 1, "too short"), ([1.0], 0, "0 times")])
def test_bad_input(seconds: list[float], repeats: int, said: str) -> None:
    with pytest.raises(LaminaError, match=said):
        measure_cost(MelEncoder(), seconds=seconds, repeats=repeats)


SMALL = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "conv_dim": (8, 8),
    "conv_kernel": (10, 3),
    "conv_stride": (5, 2),
    "num_feat_extract_layers": 2,
}


@pytest.mark.parametrize(
    "family",
    [
        "Data2VecAudio",
        "Hubert",
        "SEW",
        "SEWD",
        "UniSpeech",
        "UniSpeechSat",
        "Wav2Vec2",
        "Wav2Vec2Conformer",
        "WavLM",
    ],
)
def test_every_family_is_counted_and_only_what_it_runs(family: str) -> None:
    """A Conformer holds a positional convolution and runs it with no kind of positions."""
    import transformers

    model = getattr(transformers, f"{family}Model")(getattr(transformers, f"{family}Config")(**SMALL))
    rows = measure_cost(PretrainedEncoder(model, family, normalise=False), seconds=[0.2], repeats=1)
    conformer = family == "Wav2Vec2Conformer"
    idle = sum(weight.numel() for weight in model.encoder.pos_conv_embed.parameters()) if conformer else 0
    assert rows.select(measure="parameters")[0].value == sum(each.numel() for each in model.parameters()) - idle
    assert rows.select(measure="macs", part="")[0].value > 0


def test_encoders_that_take_features_are_counted_on_features() -> None:
    from transformers import Wav2Vec2BertConfig, Wav2Vec2BertModel, WhisperConfig, WhisperModel

    size = {"d_model": 16, "encoder_layers": 2, "encoder_attention_heads": 2, "encoder_ffn_dim": 32}
    small = {"decoder_layers": 1, "decoder_attention_heads": 2, "decoder_ffn_dim": 32, "vocab_size": 64}
    ids = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1}
    whisper = WhisperModel(WhisperConfig(**size, **small, **ids))
    rows = measure_cost(PretrainedEncoder(whisper, "w", normalise=False), seconds=[1.0, 2.0], repeats=1)
    one, two = rows.select(measure="macs-attention", part="")
    # Its decoder is never run, so it counts nowhere.
    weights = sum(weight.numel() for weight in whisper.get_encoder().parameters())
    assert {row.value for row in rows.select(measure="parameters")} == {weights}
    assert weights < sum(weight.numel() for weight in whisper.parameters())
    # Whisper pads to 30 s: 3,000 mel frames, 1,500 after its second convolution.
    assert one.value == two.value
    layers = 2 * (1500 * (4 * 16 * 16 + 2 * 16 * 32) + 2 * 1500 * 1500 * 16)
    assert one.value == 3000 * 80 * 3 * 16 + 1500 * 16 * 3 * 16 + layers
    bert = Wav2Vec2BertModel(
        Wav2Vec2BertConfig(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32)
    )
    rows = measure_cost(PretrainedEncoder(bert, "b", normalise=False), seconds=[1.0], repeats=1)
    (front,) = rows.select(measure="macs", part="feature_projection")
    assert (front.value, front.block) == (49 * 160 * 16, "front")
