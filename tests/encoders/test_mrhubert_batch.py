"""An utterance has the same states alone and in any padded batch."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mrhubert_help import STYLES, model, padded, relative

from lamina.encoders.mrhubert import MRHubertEncoder, layers

SHAPES: dict[str, dict[str, Any]] = {
    "hubert": {"label_rate_ratios": []},
    "two": {"label_rate_ratios": [1, 2]},
    "two, kernel 7": {"label_rate_ratios": [1, 2], "adapter_kernel": 7},
    "two, plain": {"label_rate_ratios": [1, 2], "plain_sampling": True, "adapter_kernel": 3},
    "mono": {"label_rate_ratios": [1, 1], "adapter_kernel": 3},
    "three": {"label_rate_ratios": [1, 2, 1, 2], "block_layers": [1] * 5, "adapter_kernel": 3},
    "20, 40, 100 ms": {"label_rate_ratios": [1, 2, 2, 5], "block_layers": [1] * 5, "adapter_kernel": 5},
}


def worst(encoder: MRHubertEncoder, lengths: list[int], seed: int = 0) -> float:
    """The largest relative difference of any tap of any utterance between the batch and alone."""
    waves, _ = padded(lengths, seed)
    batch = {states.tap.name: states for states in encoder.states(waves, torch.tensor(lengths))}
    errors = []
    for row, length in enumerate(lengths):
        for alone in encoder.states(waves[row : row + 1, :length], torch.tensor([length])):
            together = batch[alone.tap.name].utterance(row)
            assert len(together) == alone.tap.grid.frames(length)
            errors.append(relative(together, alone.utterance(0)))
    return max(errors)


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("shape", SHAPES)
def test_alone_and_in_batches(shape: str, style: str) -> None:
    encoder = MRHubertEncoder(model(**SHAPES[shape] | STYLES[style]), shape, together=True)
    error = worst(encoder, [9000, 400, 16000, 4321, 15999, 720])
    print(f"{shape}, {style}: {error:.1e}")
    assert error < 1e-5


@pytest.mark.parametrize("style", STYLES)
@settings(max_examples=10, deadline=None)
@given(lengths=st.lists(st.integers(400, 20000), min_size=2, max_size=5), seed=st.integers(0, 100))
def test_random_lengths(style: str, lengths: list[int], seed: int) -> None:
    encoder = MRHubertEncoder(
        model(label_rate_ratios=[1, 2], block_layers=[1] * 3, **STYLES[style]), "two", together=True
    )
    assert worst(encoder, lengths, seed) < 1e-5


@pytest.mark.parametrize("shape", ["two", "three", "20, 40, 100 ms"])
def test_every_length_modulo_the_coarsest_stride(shape: str) -> None:
    # a front end of stride 2 keeps the coarsest stride small enough to try every remainder
    tiny = {"conv_kernel": [3], "conv_stride": [2], "conv_dim": [8], "sampling_rate": 100}
    encoder = MRHubertEncoder(model(**SHAPES[shape] | tiny), shape, together=True)
    stride = int(max(tap.grid.stride for tap in encoder.taps))
    lengths = [60 + extra for extra in range(2 * stride)]
    assert worst(encoder, lengths) < 1e-5


def test_the_norms_are_what_makes_it_so(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = MRHubertEncoder(model(), "two", together=True)
    monkeypatch.setattr(
        layers,
        "norm_over_time",
        lambda x, groups, w, b, _, eps: torch.nn.functional.group_norm(x, groups, w, b, eps),
    )
    assert worst(encoder, [16000, 9000]) > 0.01


def test_a_norm_over_time_is_a_loop_of_group_norms() -> None:
    torch.manual_seed(0)
    x, counts = torch.randn(3, 6, 10) + 5, torch.tensor([10, 4, 1])
    weight, bias = torch.randn(6), torch.randn(6)
    for groups in (1, 2, 6):
        found = layers.norm_over_time(x, groups, weight, bias, counts, 1e-5)
        for row, count in enumerate(counts.tolist()):
            real = x[row : row + 1, :, :count].double()
            expected = torch.group_norm(real, groups, weight.double(), bias.double())
            torch.testing.assert_close(found[row, :, :count].double(), expected[0], atol=1e-5, rtol=1e-5)


def test_silence_gives_finite_states() -> None:
    for style in STYLES.values():
        encoder = MRHubertEncoder(model(do_normalize=True, **style), "two", together=True)
        for states in encoder.states(torch.zeros(2, 5000), torch.tensor([5000, 3000])):
            assert torch.isfinite(states.utterance(1)).all()


@pytest.mark.parametrize("style", STYLES)
def test_lengths_that_run_apart_come_back_in_their_rows(style: str) -> None:
    encoder = MRHubertEncoder(model(label_rate_ratios=[1, 2, 1, 2], **STYLES[style]), "three")
    assert worst(encoder, [9000, 4000, 9000, 12345, 4000]) < 1e-5
