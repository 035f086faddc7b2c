"""Linear maps, convolutions, attention and dropout of the CPU against PyTorch's own and against float64."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from mrhubert_help import config, model, padded, relative, shake
from torch import Tensor
from torch.nn import functional

from lamina.encoders.mrhubert import products
from lamina.encoders.mrhubert.layers import ConvLayer

TOLERANCE = 1e-5


def compare(found: Callable[..., Tensor], expected: Callable[..., Tensor], *inputs: Tensor) -> None:
    """Values and gradients of a float32 function against those of another in float64."""
    assert products.quick(*inputs)
    exact = [each.detach().double().requires_grad_() for each in inputs]
    own = [each.detach().clone().requires_grad_() for each in inputs]
    y, wanted = found(*own), expected(*exact)
    weights = torch.randn(wanted.shape)
    y.backward(weights)
    wanted.backward(weights.double())
    assert relative(y.detach().double(), wanted.detach()) < TOLERANCE
    for a, b in zip(own, exact, strict=True):
        assert relative(a.grad.double(), b.grad) < TOLERANCE


@pytest.mark.parametrize("shape", [(5,), (7, 5), (2, 7, 5), (2, 3, 7, 5)])
@pytest.mark.parametrize("biased", [True, False])
def test_linear(shape: tuple[int, ...], biased: bool) -> None:
    torch.manual_seed(0)
    extra = [torch.randn(6)] if biased else []
    compare(products.linear, functional.linear, torch.randn(shape), torch.randn(6, 5), *extra)


@pytest.mark.parametrize("chunk", [3, 1024])
@pytest.mark.parametrize(("kernel", "stride"), [(1, 1), (3, 1), (3, 2), (2, 2), (10, 5), (5, 3), (1, 3), (2, 3)])
@pytest.mark.parametrize("frames", [10, 31, 32])
def test_conv(kernel: int, stride: int, frames: int, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "CHUNK", chunk)
    torch.manual_seed(0)
    compare(
        lambda x, w, b: products.conv(x, w, b, stride),
        lambda x, w, b: functional.conv1d(x.transpose(1, 2), w, b, stride).transpose(1, 2),
        *(torch.randn(2, frames, 4), torch.randn(6, 4, kernel), torch.randn(6)),
    )


@pytest.mark.parametrize(("kernel", "groups"), [(1, 1), (16, 4), (5, 2), (33, 8)])
def test_long_conv(kernel: int, groups: int) -> None:
    torch.manual_seed(0)
    compare(
        lambda x, w: products.long_conv(x, w, groups),
        lambda x, w: functional.conv1d(x.transpose(1, 2), w, groups=groups).transpose(1, 2),
        *(torch.randn(3, 47, 16), torch.randn(8, 16 // groups, kernel)),
    )


def test_a_kernel_longer_than_the_input_is_an_error() -> None:
    for conv in (lambda x, w: products.conv(x, w, None, 1), lambda x, w: products.long_conv(x, w, 1)):
        with pytest.raises(RuntimeError, match="Kernel size can't be greater"):
            conv(torch.randn(1, 5, 2), torch.randn(2, 2, 9))


def test_smooth_numbers() -> None:
    def slow(size: int) -> int:
        found = {2**a * 3**b * 5**c for a in range(11) for b in range(8) for c in range(6)}
        return min(number for number in found if number >= size)

    assert [products.smooth(size) for size in range(1, 600)] == [slow(size) for size in range(1, 600)]


@pytest.mark.parametrize("long", [4, 1000])
@pytest.mark.parametrize("masked", [False, True])
def test_attention(masked: bool, long: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "LONG", long)
    torch.manual_seed(0)
    inputs = [torch.randn(2, 3, 9, 4) for _ in range(3)]
    mask = (torch.arange(9) < torch.tensor([9, 5])[:, None])[:, None, None] if masked else None
    compare(
        lambda q, k, v: products.attention(q, k, v, mask, 0.0),
        lambda q, k, v: functional.scaled_dot_product_attention(q, k, v, attn_mask=mask),
        *inputs,
    )


def test_attention_drops_weights() -> None:
    torch.manual_seed(0)
    inputs = [torch.randn(2, 3, 9, 4) for _ in range(3)]

    def found(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        torch.manual_seed(1)
        return products.attention(q, k, v, None, 0.4)

    torch.manual_seed(1)
    keep = products.kept((2, 3, 9, 9), 0.4)
    assert 0 < int(keep.sum()) < keep.numel()
    share = 1 - round(0.4 * products.LANES) / products.LANES

    def expected(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return ((q @ k.mT / 2).softmax(-1) * keep / share) @ v

    compare(found, expected, *inputs)


@pytest.mark.parametrize("probability", [0.05, 0.1, 0.5, 0.9])
def test_dropout(probability: float) -> None:
    torch.manual_seed(0)
    x = torch.ones(1003, 997, requires_grad=True)
    y = products.dropout(x, probability, training=True)
    y.sum().backward()
    assert torch.equal(x.grad, y.detach())
    dropped = y.detach() == 0
    # four standard deviations
    deviation = (probability * (1 - probability) / x.numel()) ** 0.5
    assert float(dropped.double().mean()) == pytest.approx(probability, abs=4 * deviation + 0.5 / products.LANES)
    assert float(y.detach()[~dropped].unique()) == pytest.approx(1 / (1 - probability), rel=1e-3)
    # neighbours, which share a random number, fall independently
    both = (dropped.flatten()[:-1] & dropped.flatten()[1:]).double().mean()
    assert float(both) == pytest.approx(probability**2, abs=8 * deviation)


def test_dropout_at_its_ends() -> None:
    x = torch.randn(5)
    assert products.dropout(x, 0.0, training=True) is x
    assert products.dropout(x, 0.5, training=False) is x
    assert torch.equal(products.dropout(x, 1.0, training=True), torch.zeros(5))


def test_dropout_follows_the_seed() -> None:
    x, found = torch.randn(100), []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        found.append(products.dropout(x, 0.5, training=True))
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


@pytest.mark.parametrize("offset", [0.0, 100.0])
@pytest.mark.parametrize("padded", [False, True])
def test_the_first_convolution_and_its_norm_in_one(padded: bool, offset: float) -> None:
    torch.manual_seed(0)
    layer = ConvLayer(config(), 0)
    shake(layer)
    # neighbouring samples of this wave are nearly alike, as in speech
    wave = torch.randn(2, 4000, 1).cumsum(1) + offset
    counts = torch.tensor([799, 500]) if padded else None
    found = layer(wave, counts)
    weights = torch.randn(found.shape)
    if counts is not None:
        weights[1, 500:] = 0
    (found * weights).sum().backward()
    gradients = {name: parameter.grad.clone() for name, parameter in layer.named_parameters()}
    layer.zero_grad()
    layer.double()  # one after the other
    for row in range(2):
        count = 799 if counts is None else int(counts[row])
        y = functional.conv1d(wave[row].double().T, layer.conv.weight, stride=5)[:, :count]
        norm = layer.layer_norm
        y = layer.activation(torch.group_norm(y[None], 16, norm.weight, norm.bias, norm.eps))[0].T
        assert relative(found[row, :count].detach().double(), y.detach()) < 10 * TOLERANCE
        (y * weights[row, :count]).sum().backward()
    for name, parameter in layer.named_parameters():
        assert relative(gradients[name].double(), parameter.grad) < 20 * TOLERANCE, name


def test_training_reads_padded_batches_as_evaluation_does() -> None:
    waves, mask = padded([9000, 16000])
    made = model(hidden_dropout=0.0, attention_dropout=1e-9, feat_proj_dropout=0.0, layerdrop=0.0)
    expected = made(waves, attention_mask=mask).last_hidden_state
    found = made.train()(waves, attention_mask=mask).last_hidden_state
    assert relative(found[0, :27].detach(), expected[0, :27].detach()) < TOLERANCE
    assert relative(found[1].detach(), expected[1].detach()) < TOLERANCE


def test_other_tensors_take_pytorchs_way() -> None:
    x = torch.randn(4, 4)
    assert products.quick(x, None)
    assert not products.quick(x.double())
    assert not products.quick(x.to("meta"))
    assert not products.quick(x, torch.empty(0, 4))
    with torch.autocast("cpu", torch.bfloat16):
        assert not products.quick(x)
        assert products.linear(x, x).dtype == torch.bfloat16
    assert products.linear(torch.empty(0, 4), x).shape == (0, 4)
