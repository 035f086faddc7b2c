"""Multiply-accumulates of an encoder by two named conventions, counted from its own forward pass.

- ``published``: convolutions and linear layers only, as in the MR-HuBERT paper (Shi et al. 2024, arXiv
  2310.02720). A transposed convolution counts at every frame of its output, as in those numbers, though the zeros
  between its inputs need no work (0.2 % of a base model);
- ``attention``: these and the two products of self-attention (queries with keys, weights with values), which grow
  with the square of the length and which the published numbers omit.

The model runs on PyTorch's meta device: shapes are computed, values are not, so any length takes a moment and no
memory. Norms, activations and softmax are not counted by either convention.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils.flop_counter import FlopCounterMode

# Names of operators that do the work of convolutions and linear layers.
_CONVOLUTION_OR_LINEAR = {"aten.convolution", "aten.mm", "aten.addmm"}


@dataclass(frozen=True, slots=True)
class Macs:
    """Multiply-accumulates.

    Attributes:
        published: of convolutions and linear layers.
        products: of the products of self-attention.
    """

    published: int
    products: int

    @property
    def attention(self) -> int:
        """Of everything counted."""
        return self.published + self.products

    def __add__(self, other: Macs) -> Macs:
        return Macs(self.published + other.published, self.products + other.products)

    def __sub__(self, other: Macs) -> Macs:
        return Macs(self.published - other.published, self.products - other.products)


def on_meta(model: nn.Module) -> dict[str, Tensor]:
    """A model's parameters and buffers by name, as shapes without values."""
    both = (*model.named_parameters(), *model.named_buffers())
    return {name: value.detach().to("meta") for name, value in both}


def forward(model: nn.Module, weights: dict[str, Tensor], values: Tensor) -> None:
    """Run ``model(values)`` with weights from `on_meta`."""
    with torch.device("meta"):  # what a model makes on its way has no values either
        functional_call(model, weights, (values.to("meta"),))


def count_macs(model: nn.Module, values: Tensor) -> dict[str, Macs]:
    """Count the multiply-accumulates of ``model(values)``.

    Args:
        model: in evaluation mode, on any device; it is not changed.
        values: an input of the right shape and type; only its shape is used.

    Returns:
        By part, in the order of the model; the parts sum to the whole. Parts are the convolutional front end, each
        member of the outermost lists of modules (a layer of HuBERT, a block of MR-HuBERT), what is beside them,
        and ``rest``, what the model computes outside of any part, where it does.
    """
    # Values that meta tensors lack (dropout of layers while training) must not steer the pass.
    if model.training:
        raise AssertionError("MACs are counted in evaluation mode")
    with FlopCounterMode(display=False, custom_mapping=_MAPPING) as counter, torch.no_grad():
        forward(model, on_meta(model), values)
    counted = {
        name: _split({str(operator): int(flops) for operator, flops in by_operator.items()})
        for name, by_operator in counter.get_flop_counts().items()
    }
    root = type(model).__name__
    whole = counted.get("Global", Macs(0, 0))
    found = {path: _inside(model.get_submodule(path), f"{root}.{path}", counted) for path in parts(model)}
    found = {path: macs for path, macs in found.items() if macs.attention}
    rest = whole - sum(found.values(), Macs(0, 0))
    return found | ({"rest": rest} if rest.attention else {})


def _convolution(
    _x_shape: Sequence[int], w_shape: Sequence[int], *_args: Any, out_shape: Sequence[int], **_kwargs: Any
) -> int:
    """Operations of a convolution, transposed or not: all its weights at every frame of its output."""
    return 2 * out_shape[0] * prod(out_shape[2:]) * prod(w_shape)


_MAPPING = {torch.ops.aten.convolution: _convolution}


def _inside(module: nn.Module, name: str, counted: Mapping[str, Macs]) -> Macs:
    """What a module did; some are never called themselves, only the modules in them."""
    if name in counted:
        return counted[name]
    inside = (_inside(child, f"{name}.{below}", counted) for below, child in module.named_children())
    return sum(inside, Macs(0, 0))


def _split(flops: dict[str, int]) -> Macs:
    # A multiply-accumulate is two operations. What is no convolution and no linear layer is a product of
    # attention: bmm, baddbmm, or one of the fused kernels.
    published = sum(count for operator, count in flops.items() if operator in _CONVOLUTION_OR_LINEAR)
    return Macs(published // 2, (sum(flops.values()) - published) // 2)


def parts(model: nn.Module, above: str = "") -> Iterator[str]:
    """The paths of the parts of a model; no part contains another."""
    for name, child in model.named_children():
        path = f"{above}{name}"
        if name == "feature_extractor" or not any(isinstance(inside, nn.ModuleList) for inside in child.modules()):
            yield path
        elif isinstance(child, nn.ModuleList):
            yield from (f"{path}.{number}" for number in range(len(child)))
        else:
            yield from parts(child, f"{path}.")
