"""Taps tell their block, layer and rate, so that nobody cuts their names apart."""

from __future__ import annotations

import re

import pytest
from mrhubert_help import config
from test_pretrained import CASES, build

from lamina.encoders.encoder import Tap
from lamina.encoders.features import MelEncoder, MfccEncoder
from lamina.encoders.pretrained import PretrainedEncoder
from lamina.grid import Grid

FRONT = Grid.samples(16000).conv(400, 320)


def test_a_tap_is_named_by_what_it_says() -> None:
    for part, name, layer in ((3, "enc20.3", 3), ("norm", "enc20.norm", None), (None, "enc20", None)):
        tap = Tap.of("enc20", part, 4, 8, FRONT)
        assert (tap.name, tap.block, tap.layer, tap.depth, tap.width) == (name, "enc20", layer, 4, 8)
        assert tap.period_ms == 20
    assert Tap("mel", 0, 80, FRONT).block == "mel"


def check(taps: tuple[Tap, ...]) -> None:
    """Names are made of block and part, blocks of role and period, and a block's layers count up."""
    numbers: dict[str, list[int]] = {}
    for tap in taps:
        parts = ("norm", "sum") if tap.layer is None else (tap.layer,)
        assert tap.name in {tap.block, *(f"{tap.block}.{part}" for part in parts)}
        if tap.name not in {"front", "mel", "mfcc"}:
            assert re.fullmatch(rf"(enc|mid|dec|adp|up){tap.period_ms:g}[b-h]?", tap.block)
        if tap.layer is not None:
            assert tap.name != tap.block
            numbers.setdefault(tap.block, []).append(tap.layer)
    for block, found in numbers.items():
        if not block.startswith("adp"):  # every layer of an adapter ticks at a rate of its own
            assert found == list(range(1, len(found) + 1)), block


@pytest.mark.parametrize("case", CASES)
def test_blocks_and_layers_of_families(case: str) -> None:
    encoder = PretrainedEncoder(build(case), case, normalise=True)
    check(encoder.taps)
    assert [tap.layer for tap in encoder.taps if tap.block.startswith("enc") and tap.layer] == [1, 2, 3]


def test_a_block_may_tick_at_a_fraction_of_a_millisecond() -> None:
    """The small front end ticks every 1.25 ms: a name cut at its first dot would lose the block."""
    taps = PretrainedEncoder(build("hubert-base"), "m", normalise=True).taps
    assert [(tap.name, tap.block) for tap in taps[:2]] == [("front", "front"), ("enc1.25.1", "enc1.25")]
    made = config(conv_kernel=[10, 3], conv_stride=[5, 2], conv_dim=[8, 8], label_rate_ratios=[1, 2, 1, 3])
    assert [tap.name for tap in made.predicting_taps] == ["dec0.625.sum", "dec1.25.sum", "mid3.75.sum"]
    check(made.taps)


def test_blocks_and_layers_of_our_family_and_of_features() -> None:
    for ratios in ([], [1, 2], [1, 1], [1, 2, 2, 5]):
        for stable in (False, True):
            check(config(label_rate_ratios=ratios, do_stable_layer_norm=stable).taps)
    check(MelEncoder().taps)
    check(MfccEncoder("none").taps)
