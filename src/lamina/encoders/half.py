"""Convolutions of half-precision models are right on every processor.

On processors with AMX, PyTorch 2.13's bfloat16 convolutions of 2, 4, … 14 channels a group and kernels of 16 or
more return values without any relation to the right ones, also where there is one group. Nothing tells for which
shapes that holds in other releases. So on a CPU half-precision convolutions are computed in float32 and rounded
once; matrix products and attention were right in every shape tried and stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

HALF = (torch.bfloat16, torch.float16)
CONVOLUTIONS = (
    torch.conv1d,
    torch.conv2d,
    torch.conv_transpose1d,
    torch.conv_transpose2d,
)


def on_gpu(x: Tensor) -> bool:
    """Whether a tensor is on an accelerator: not on the CPU, and not a shape without values."""
    return x.device.type not in {"cpu", "meta"}


def right_convolutions(*tensors: Tensor) -> AbstractContextManager[object]:
    """While this lasts (in this thread), convolutions in half precision are right.

    Args:
        tensors: what is convolved, or the model's weights: one in half precision on a CPU is enough. Under
            autocast convolutions of float32 tensors are in half precision, too.
    """
    cast = torch.is_autocast_enabled("cpu")
    if any(each.device.type == "cpu" and (cast or each.dtype in HALF) for each in tensors):
        return _InFloat32()
    return nullcontext()


class _InFloat32(TorchFunctionMode):
    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func not in CONVOLUTIONS:
            return func(*args, **kwargs)
        dtype = (args[0] if args else kwargs["input"]).dtype
        if torch.is_autocast_enabled("cpu") and dtype == torch.float32:
            dtype = torch.get_autocast_dtype("cpu")
        if dtype not in HALF:
            return func(*args, **kwargs)
        with torch.autocast("cpu", enabled=False):
            out: Tensor = func(*map(_single, args), **{name: _single(value) for name, value in kwargs.items()})
        return out.to(dtype)


def _single(value: Any) -> Any:
    return value.float() if isinstance(value, Tensor) else value
