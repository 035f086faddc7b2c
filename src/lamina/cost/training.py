"""What running and training need: bytes counted for the backward pass, bytes measured at their peak."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

from lamina.cost.macs import forward, on_meta
from lamina.encoders.weights import TRAINING_KEYS


def kept_bytes(model: nn.Module, values: Tensor) -> int:
    """Bytes of the intermediate values that a training step keeps for its backward pass, weights left out.

    Counted on PyTorch's meta device, as `lamina.cost.macs.count_macs` does: shapes are computed, values are not.

    Args:
        model: on any device; it is not changed. In evaluation mode: dropout's masks are not counted.
        values: an input of the right shape and type; only its shape is used.
    """
    meta = on_meta(model)
    for name, _ in model.named_parameters():
        meta[name].requires_grad_()
    weights = {_identity(value) for value in meta.values()}
    kept: dict[int, Tensor] = {}

    def pack(value: Tensor) -> Tensor:
        kept.setdefault(_identity(value), value)
        return value

    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(pack, lambda value: value):
        forward(model, meta, values)
    return sum(value.untyped_storage().nbytes() for key, value in kept.items() if key not in weights)


def _identity(value: Tensor) -> int:
    return int(value.untyped_storage()._cdata)  # noqa: SLF001 - storages on the meta device have no address


class _Entered(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch does not type it
    """While active: which tensors operators take."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch does not type it
        self.storages: set[int] = set()

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Note what the operator takes, and run it."""
        values = tree_flatten((args, kwargs or {}))[0]
        self.storages |= {_identity(value) for value in values if isinstance(value, Tensor)}
        return func(*args, **(kwargs or {}))


def run_weights(model: nn.Module, values: Tensor) -> int:
    """How many weights ``model(values)`` uses, and the vector that stands for masked frames in training.

    A model may hold others, such as the positional convolution of a Conformer with positions of another kind.

    Args:
        model: on any device; it is not changed.
        values: an input of the right shape and type; only its shape is used.
    """
    meta = on_meta(model)
    with torch.no_grad(), _Entered() as entered:
        forward(model, meta, values)
    names = [name for name, _ in model.named_parameters()]
    return sum(meta[n].numel() for n in names if n in TRAINING_KEYS or _identity(meta[n]) in entered.storages)


class PeakBytes(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch does not type it
    """While active: the most bytes of tensors that were alive at once; what kernels use inside is not seen.

    It stands for an accelerator's own count on a CPU, where a process's peak says little of one model.

    Attributes:
        peak: so far.

    Args:
        alive: tensors that are there already, such as weights; they count.
    """

    def __init__(self, alive: Iterable[Tensor] = ()) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch does not type it
        self.peak = self._now = 0
        self._seen: dict[int, Any] = {}
        for value in alive:
            self._add(value)

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Run an operator and count the memory of what it returns, until that is freed."""
        made = func(*args, **(kwargs or {}))
        for value in tree_flatten(made)[0]:
            if isinstance(value, Tensor):
                self._add(value)
        return made

    def _add(self, value: Tensor) -> None:
        storage = value.untyped_storage()
        key, size = _identity(value), storage.nbytes()
        if key in self._seen:
            return

        def free(_: Any) -> None:
            self._seen.pop(key, None)
            self._now -= size

        self._seen[key] = weakref.ref(storage, free)
        self._now += size
        self.peak = max(self.peak, self._now)
