"""A config says where every tap lies, without weights; values that describe no model are refused."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from mrhubert_help import config, model

from lamina.encoders.encoder import Encoder
from lamina.encoders.mrhubert import MRHubertConfig, MRHubertEncoder
from lamina.encoders.mrhubert.names import fairseq_block, key_names, tap_names
from lamina.errors import LaminaError


def names(**changes: Any) -> list[str]:
    return [tap.name for tap in config(**changes).taps]


def test_names_of_the_published_base() -> None:
    taps = MRHubertConfig().taps
    expected = ["front", *(f"enc20.{n}" for n in range(1, 5)), *(f"mid40.{n}" for n in range(1, 5)), "mid40.sum"]
    assert [tap.name for tap in taps] == [*expected, *(f"dec20.{n}" for n in range(1, 5)), "dec20.sum"]
    assert [tap.depth for tap in taps] == list(range(15))
    assert {tap.width for tap in taps} == {768}
    by_name = {tap.name: tap.grid for tap in taps}
    assert by_name["dec20.2"] == by_name["enc20.1"] == by_name["front"]
    assert (by_name["front"].stride, by_name["front"].centre) == (320, Fraction(399, 2))
    assert (by_name["mid40.sum"].stride, by_name["mid40.sum"].centre) == (640, Fraction(399, 2))
    assert by_name["mid40.1"].frames(16000) == 25


def test_names_of_other_shapes() -> None:
    assert names(label_rate_ratios=[], block_layers=[2]) == ["front", "enc20.1", "enc20.2"]
    assert names(label_rate_ratios=[], block_layers=[1], do_stable_layer_norm=True) == [
        "front", "enc20.1", "enc20.norm",
    ]  # fmt: skip
    assert names(label_rate_ratios=[1, 1], block_layers=[1, 1, 1]) == [
        "front", "enc20.1", "mid20.1", "mid20.sum", "dec20.1", "dec20.sum",
    ]  # fmt: skip
    assert names(label_rate_ratios=[1, 2], block_layers=[1, 1, 1], do_stable_layer_norm=True) == [
        "front", "enc20.1", "enc20.norm", "mid40.1", "mid40.norm", "mid40.sum",
        "dec20.1", "dec20.norm", "dec20.sum",
    ]  # fmt: skip
    assert names(label_rate_ratios=[1, 2, 2, 5], block_layers=[1] * 5) == [
        "front", "enc20.1", "enc40.1", "mid100.1", "mid100.sum", "dec40.1", "dec40.sum", "dec20.1", "dec20.sum",
    ]  # fmt: skip
    # two encoder levels of one period stay apart
    assert names(label_rate_ratios=[1, 1, 1, 2], block_layers=[1] * 5) == [
        "front", "enc20.1", "enc20b.1", "mid40.1", "mid40.sum", "dec20b.1", "dec20b.sum", "dec20.1", "dec20.sum",
    ]  # fmt: skip


@pytest.mark.parametrize("ratios", [[], [1, 2], [1, 1], [2, 3], [1, 2, 2, 5], [1, 1, 1, 1, 1, 3]])
@pytest.mark.parametrize("stable", [False, True])
def test_taps_tell_what_the_model_computes(ratios: list[int], stable: bool) -> None:
    import torch

    made = model(label_rate_ratios=ratios, do_stable_layer_norm=stable, adapter_kernel=3)
    encoder: Encoder = MRHubertEncoder(made, "x")
    taps = encoder.taps
    assert len({tap.name for tap in taps}) == len(taps)
    least = max(tap.grid.least_samples for tap in taps)
    for samples in (least, 5000, 7777):
        states = list(encoder.states(torch.randn(1, samples), torch.tensor([samples])))
        assert tuple(state.tap for state in states) == taps  # shapes are checked by States itself
    with pytest.raises(LaminaError, match="samples"):
        list(encoder.states(torch.randn(1, least - 1), torch.tensor([least - 1])))


def test_the_grid_follows_the_impulse() -> None:
    """With the norms' offsets gone, an impulse moves the frames that the grids put around it, and no others."""
    import torch

    made = model(label_rate_ratios=[1, 2], feat_extract_norm="layer", block_layers=[1, 1, 1])
    for layer in made.feature_extractor:
        layer.conv.weight.data.abs_()
    grid = made.config.levels[0]
    base = torch.zeros(1, 16000)
    with torch.no_grad():
        quiet = made.conv_features(base, None)
        for place in (4000, 8125, 12000):
            wave = base.clone()
            wave[0, place] = 1.0
            moved = (made.conv_features(wave, None) - quiet).abs().sum(-1)[0].nonzero().flatten().tolist()
            near = [
                frame
                for frame in range(grid.frames(16000))
                if abs(grid.centre_of(frame) - place) <= (grid.window - 1) / 2
            ]
            assert moved == near


def test_round_trip(tmp_path: Any) -> None:
    made = config(label_rate_ratios=[1, 2, 2, 5], num_classes=[5, 6, 7], single_target=True, feature_grad_mult=0.5)
    made.save_pretrained(tmp_path)
    again = MRHubertConfig.from_pretrained(tmp_path)
    assert again.to_dict() == made.to_dict()
    assert again.taps == made.taps
    assert again.num_hidden_layers == 10


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"label_rate_ratios": [1]}, "pairs"),
        ({"label_rate_ratios": [0, 2]}, "a whole number from 1"),
        ({"block_layers": [1, 1]}, "3 blocks"),
        ({"block_layers": [1, 0, 1]}, "a whole number from 1"),
        ({"conv_dim": [8]}, "as many of each"),
        ({"adapter_kernel": 2}, "odd"),
        ({"label_rate_ratios": [2, 3], "block_layers": [1] * 3, "plain_sampling": True}, "plain sampling"),
        ({"feat_extract_norm": "batch"}, "'group' or 'layer'"),
        ({"num_attention_heads": 5}, "multiple"),
        ({"hidden_size": 48, "num_conv_pos_embedding_groups": 9}, "multiple of the 9 groups"),
        ({"hidden_size": 32.0}, "a whole number"),
        ({"hidden_size": True}, "a whole number"),
        ({"block_layers": [10**9] * 3}, "whole number from 1 to 65536"),
        ({"block_layers": [600] * 3}, "1000 layers or less"),
        ({"conv_kernel": [3] * 100_000}, "64 at most"),
        ({"conv_stride": [0] * 7}, "whole number from 1"),
        ({"layer_norm_eps": float("nan")}, "a number from"),
        ({"layer_norm_eps": -1.0}, "a number from"),
        ({"hidden_dropout": "0.1"}, "a number from 0 to 1"),
        ({"do_normalize": "no"}, "true or false"),
        ({"num_classes": [10]}, "2 predicting levels"),
        ({"num_classes": [10, 10], "single_prediction": True}, "1 predicting levels"),
    ],
)
def test_values_that_describe_no_model(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(LaminaError, match=message):
        config(**changes)


def test_every_weight_has_a_fairseq_name() -> None:
    from lamina.encoders.mrhubert import MRHubertForPreTraining

    for changes in ({}, {"plain_sampling": True}, {"label_rate_ratios": [1, 2, 1, 2]}, {"conv_bias": True}):
        levels = len(changes.get("label_rate_ratios", [1, 2])) // 2 + 1
        made = config(num_classes=[5] * levels, **changes)
        assert set(key_names(made).values()) == set(MRHubertForPreTraining(made).state_dict())


def test_what_others_call_the_taps() -> None:
    rows = {row.tap.name: row for row in tap_names(config(do_stable_layer_norm=True))}
    assert list(rows) == [tap.name for tap in config(do_stable_layer_norm=True).taps]
    assert rows["mid40.1"].fairseq == "middle_encoder.layers.0"
    assert (rows["mid40.2"].s3prl, rows["mid40.norm"].s3prl) == ("", "hidden_states[5]")
    assert (rows["mid40.sum"].fairseq, rows["dec20.sum"].fairseq) == ("x[0]", "x[1]")
    assert rows["dec20.sum"].transformers == f"hidden_states[{len(rows) - 1}]"
    assert fairseq_block(config().blocks[2], 2, 1) == "decoders.0"


def test_the_losses_act_on_the_sums() -> None:
    def names(**settings: Any) -> list[str]:
        return [tap.name for tap in MRHubertConfig(**settings).predicting_taps]

    assert names(label_rate_ratios=[1, 2]) == ["dec20.sum", "mid40.sum"]
    assert names(label_rate_ratios=[1, 1]) == ["dec20.sum", "mid20.sum"]
    assert names(label_rate_ratios=[1, 2], single_prediction=True) == ["dec20.sum"]
    assert names(label_rate_ratios=[1, 2, 1, 2], block_layers=[1] * 5) == ["dec20.sum", "dec40.sum", "mid80.sum"]
    assert names(label_rate_ratios=[], block_layers=[3]) == ["enc20.3"]
