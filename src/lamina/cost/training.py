"""What a training step needs: counted bytes for the backward pass, measured time and peak memory."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.func import functional_call


def kept_bytes(model: nn.Module, values: Tensor) -> int:
    """Bytes of the intermediate values that a training step keeps for its backward pass, weights left out.

    Counted on PyTorch's meta device, as `lamina.cost.macs.count_macs` does: shapes are computed, values are not.

    Args:
        model: on any device; it is not changed. In evaluation mode: dropout's masks are not counted.
        values: an input of the right shape and type; only its shape is used.
    """
    meta = {name: value.detach().to("meta") for name, value in (*model.named_parameters(), *model.named_buffers())}
    for name, _ in model.named_parameters():
        meta[name].requires_grad_()
    weights = {_identity(value) for value in meta.values()}
    kept: dict[int, Tensor] = {}

    def pack(value: Tensor) -> Tensor:
        kept.setdefault(_identity(value), value)
        return value

    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(pack, lambda value: value):
        functional_call(model, meta, (values.to("meta"),))
    return sum(value.untyped_storage().nbytes() for key, value in kept.items() if key not in weights)


def _identity(value: Tensor) -> int:
    return int(value.untyped_storage()._cdata)  # noqa: SLF001 - storages on the meta device have no address
