"""Models in half precision have the states of float32, whatever their width, with AMX and without."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from mrhubert_help import model, padded
from test_pretrained import CASES, build, noise
from torch import Tensor
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from lamina.encoders.half import HALF, right_convolutions
from lamina.encoders.mrhubert import MRHubertEncoder
from lamina.encoders.pretrained import PretrainedEncoder

pytestmark = [
    pytest.mark.filterwarnings("ignore:Support for mismatched key_padding_mask"),  # torch's word to WavLM
    pytest.mark.filterwarnings("ignore:.gradient_checkpointing_enable. is deprecated"),
]
# Rounding of values and weights to bfloat16 makes 0.03 of a small model's states, a wrong convolution 1.
TOLERANCE = {torch.bfloat16: 0.1, torch.float16: 0.02}
DTYPES = pytest.mark.parametrize("dtype", HALF, ids=["bfloat16", "float16"])
# Heads, their size, groups of the positional convolution: 2 to 48 channels a group.
WIDTHS = ((4, 2, 4), (4, 4, 4), (2, 12, 4), (4, 12, 4), (4, 7, 2), (3, 16, 1), (4, 3, 1))
LENGTHS = (3000, 2345)


class Convolutions(TorchDispatchMode):  # type: ignore[misc]  # torch does not type it
    """Sees in which dtype convolutions run."""

    def __init__(self) -> None:
        super().__init__()
        self.dtypes: list[torch.dtype] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten.convolution.default:
            self.dtypes.append(args[0].dtype)
        return func(*args, **(kwargs or {}))


def worst(full: Sequence[Tensor], half: Sequence[Tensor]) -> float:
    pairs = zip(full, half, strict=True)
    return max(float((b.double() - a.double()).norm() / a.double().norm()) for a, b in pairs)


@DTYPES
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 6, 7, 8, 10, 12, 14, 16, 18, 24, 33, 48, 64])
def test_convolutions_of_every_width(channels: int, dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(channels)
    for groups in (1, 4):
        for kernel in (1, 3, 16, 33):
            x = torch.randn(2, groups * channels, 60, generator=generator).to(dtype)
            weight = torch.randn(groups * channels, channels, kernel, generator=generator).to(dtype)
            bias = torch.randn(groups * channels, generator=generator).to(dtype)
            for function in (functional.conv1d, functional.conv_transpose1d):
                exact = function(x.double(), weight.double(), bias=bias.double(), groups=groups)
                with right_convolutions(x):
                    found = function(x, weight, bias=bias, groups=groups)
                assert found.dtype == dtype
                assert worst([exact], [found]) < 5e-3


@DTYPES
@pytest.mark.parametrize("width", WIDTHS, ids=str)
def test_a_model_of_any_width(width: tuple[int, int, int], dtype: torch.dtype) -> None:
    heads, size, groups = width
    made = model(
        num_attention_heads=heads, hidden_size=heads * size, num_conv_pos_embedding_groups=groups,
        conv_dim=[12] * 7, adapter_kernel=17,
    )  # fmt: skip
    waves, mask = padded(list(LENGTHS))
    with torch.no_grad(), Convolutions() as seen:
        full = made(waves, attention_mask=mask, output_hidden_states=True).hidden_states
        made.to(dtype)
        half = made(waves.to(dtype), attention_mask=mask, output_hidden_states=True).hidden_states
    assert worst([each[0] for each in full], [each[0] for each in half]) < TOLERANCE[dtype]
    assert set(seen.dtypes) == {torch.float32}  # what can be wrong on one processor is not run on any
    last = [*MRHubertEncoder(made, "m").states(waves, torch.tensor(LENGTHS))][-1]
    assert last.values.dtype == torch.float32
    assert worst([full[-1][0]], [last.utterance(0)]) < TOLERANCE[dtype]


@DTYPES
@pytest.mark.parametrize("case", [case for case in CASES if "rotary" not in case])  # transformers fails on it
def test_every_family(case: str, dtype: torch.dtype) -> None:
    encoder = PretrainedEncoder(build(case), case, normalise=True)
    waves, lengths = noise(*LENGTHS)
    full = [states.utterance(0) for states in encoder.states(waves, lengths)]
    encoder.model.to(dtype)
    with Convolutions() as seen:
        half = [states.utterance(0) for states in encoder.states(waves, lengths)]
    assert set(seen.dtypes) == {torch.float32}
    assert half[-1].dtype == dtype
    assert worst(full, half) < 3 * TOLERANCE[dtype]  # these weights are large


@pytest.mark.parametrize("width", WIDTHS[:4], ids=str)
def test_training_in_bfloat16(width: tuple[int, int, int]) -> None:
    """Autocast makes convolutions half-precision ones, also where a layer is computed anew for its gradients."""
    heads, size, groups = width
    made = model(
        num_attention_heads=heads, hidden_size=heads * size, num_conv_pos_embedding_groups=groups, layerdrop=0.0,
        hidden_dropout=0.0, attention_dropout=0.0, feat_proj_dropout=0.0, conv_kernel=[16, 3], conv_stride=[5, 2],
        conv_dim=[12, 12], feature_grad_mult=1.0,
    ).train()  # fmt: skip
    made.gradient_checkpointing_enable()
    waves, _ = padded([LENGTHS[0]])
    found = []
    for enabled in (False, True):
        made.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled), Convolutions() as seen:
            made(waves).last_hidden_state.square().mean().backward()
        assert set(seen.dtypes) == {torch.float32}
        found.append([parameter.grad.clone() for parameter in made.parameters() if parameter.grad is not None])
    norms = [torch.stack([each.norm() for each in gradients]) for gradients in found]
    torch.testing.assert_close(*norms, rtol=0.2, atol=0.02 * float(norms[0].max()))


def test_float32_is_left_alone() -> None:
    from lamina.encoders import half

    x = torch.randn(1, 4, 20)
    assert not isinstance(right_convolutions(x), half._InFloat32)
    assert not isinstance(right_convolutions(x.half().to("meta")), half._InFloat32)
    with half._InFloat32():
        assert torch.equal(functional.conv1d(x, x[:, :, :3]), torch.conv1d(x, x[:, :, :3]))
