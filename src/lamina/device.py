"""Where Lamina computes: devices by name, float32 that is float32, and what a device holds.

This is the one place that asks torch which devices there are and sets how precisely they multiply.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import TYPE_CHECKING, Any

from lamina.errors import LaminaError, first_line

if TYPE_CHECKING:
    import torch

AUTO = "auto"
# Of what a card has free, the share that batches are planned to: cuDNN and the allocator take theirs, too.
USABLE = 0.8


def resolve(name: str = AUTO) -> str:
    """A device's name for torch: ``auto`` is a GPU where there is one that computes, else the CPU.

    Under ``torchrun`` or ``accelerate launch`` each process gets a GPU of its own. An accelerator runs one small
    forward and backward pass first: some drivers are there and compute nothing, or nonsense.

    Raises:
        LaminaError: there is no such device here, or it does not compute.
    """
    import torch

    if name == "cpu":
        return name
    if name == AUTO:
        if not torch.accelerator.is_available():
            return "cpu"
        kind = torch.accelerator.current_accelerator()
        name = "cpu" if kind is None else kind.type
        if name == "cuda" and int(os.environ.get("WORLD_SIZE", "1")) > 1:
            name = f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
        return name if not _fault(name) else "cpu"
    if fault := _fault(name):
        have = ", ".join(["cpu", *(f"cuda:{number}" for number in range(torch.cuda.device_count()))])
        raise LaminaError(f"--device {name} cannot be used ({fault}); this machine has {have}: give one of them")
    return name


@cache
def _fault(name: str) -> str:
    """Why a device does not compute; empty where it does."""
    import torch

    try:
        generator = torch.Generator().manual_seed(0)
        wave, weight = (torch.randn(*shape, generator=generator) for shape in ((2, 4, 64), (8, 4, 5)))
        rows = []
        for place in (name, "cpu"):
            ours = weight.detach().to(place).requires_grad_()
            found = torch.nn.functional.conv1d(wave.to(place), ours, stride=2).transpose(1, 2)
            torch.nn.functional.gelu(found @ found.transpose(1, 2)).mean().backward()  # type: ignore[no-untyped-call] # torch's
            rows.append((ours if ours.grad is None else ours.grad).cpu())
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        return first_line(error)
    here, there = rows
    if not bool(torch.isfinite(here).all()):
        return "a small forward and backward pass gave values that are not finite"
    if not torch.allclose(here, there, rtol=1e-2, atol=1e-2):
        return "a small forward and backward pass gave other values than the CPU"
    return ""


def told(device: str | torch.device) -> str:
    """What a device is: the name of a GPU, or the CPU with its threads."""
    import torch

    place = torch.device(device)
    if place.type == "cuda":
        return str(torch.cuda.get_device_name(place))
    threads = torch.get_num_threads()
    return f"cpu, {threads} thread{'s' if threads > 1 else ''}" if place.type == "cpu" else str(place)


def wait(device: str | torch.device) -> None:
    """Until a device has done all that it was asked."""
    import torch

    if torch.device(device).type != "cpu":
        torch.accelerator.synchronize(torch.device(device))


def memory(device: str | torch.device) -> int | None:
    """Bytes that tensors may still take on a GPU, with what the allocator holds and does not use; else None."""
    import torch

    place = torch.device(device)
    if place.type != "cuda":
        return None
    free, _ = torch.cuda.mem_get_info(place)
    return int(free + torch.cuda.memory_reserved(place) - torch.cuda.memory_allocated(place))


def out_of_memory(error: BaseException) -> bool:
    """Whether a device had too little memory; what it had set aside is given back then."""
    import torch

    if not isinstance(error, torch.OutOfMemoryError):
        return False
    with suppress(RuntimeError, AssertionError):
        torch.cuda.empty_cache()
    return True


@contextmanager
def exact() -> Iterator[None]:
    """While this lasts, float32 products and convolutions are of float32: no TF32, no bfloat16 in their place.

    PyTorch's cuDNN convolutions use TF32 by default (10 bits), which moves states by 7e-4. Settings are those of
    the process, and as before afterwards.
    """
    import torch

    backends: Any = torch.backends
    places = [backends.cuda.matmul]
    places += [getattr(backends.cudnn, name, None) for name in ("conv", "rnn")]
    places += [getattr(backends.mkldnn, name, None) for name in ("matmul", "conv")]
    newer: list[tuple[Any, str]] = [(one, one.fp32_precision) for one in places if hasattr(one, "fp32_precision")]
    convolutions, products = _asked(lambda: backends.cudnn.allow_tf32), _asked(torch.get_float32_matmul_precision)
    backends.cudnn.allow_tf32 = False
    torch.set_float32_matmul_precision("highest")
    for place, _ in newer:
        place.fp32_precision = "ieee"
    try:
        yield
    finally:
        if convolutions is not None:
            backends.cudnn.allow_tf32 = convolutions
        if products is not None:
            torch.set_float32_matmul_precision(products)
        for place, before in newer:
            if place.fp32_precision != before:
                place.fp32_precision = before


def _asked(setting: Callable[[], Any]) -> Any:
    """An older setting; None where newer ones, which it does not know, are in force (torch then refuses it)."""
    try:
        return setting()
    except RuntimeError:
        return None
