"""Read a model's tensors while its own forward pass runs, one at a time.

The forward pass runs in a worker thread that stops at every tensor asked for until the reader comes back: the
model itself says what follows what, whatever its library's version, and one layer's states exist at a time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Place:
    """Where a tensor passes: out of a module, or (``entering``) into it."""

    module: nn.Module
    entering: bool = False


class _Enough(BaseException):
    """Raised inside the forward pass when nobody reads on; no ``except Exception`` of a model catches it."""


def step_through(forward: Callable[[], object], places: Sequence[Place]) -> Iterator[tuple[int, Tensor]]:
    """Run ``forward`` without gradients; yield (index of the place, tensor) as each place is passed.

    The pass waits while the reader works, ends after the last place (what follows is not computed), and ends at
    the next place when the reader closes the iterator early. Other threads that call the model are not seen.

    Raises:
        Exception: whatever ``forward`` raises.
    """
    passed: SimpleQueue[tuple[int, Any]] = SimpleQueue()
    go_on: SimpleQueue[bool] = SimpleQueue()

    def hand_over(index: int, value: Any) -> None:
        if threading.current_thread() is worker:
            passed.put((index, value[0] if isinstance(value, tuple) else value))
            if not go_on.get():
                raise _Enough

    def run() -> None:
        try:
            with torch.no_grad():
                forward()
            passed.put((-1, None))
        except _Enough:
            passed.put((-1, None))
        except BaseException as error:  # noqa: BLE001 - the reader's thread raises it
            passed.put((-1, error))

    worker = threading.Thread(target=run, name="lamina-forward", daemon=True)
    with ExitStack() as hooks:
        for index, place in enumerate(places):
            hooks.callback(_watch(place, index, hand_over).remove)
        worker.start()
        try:
            left = len(places)
            while left:
                index, value = passed.get()
                if index < 0:
                    if value is not None:
                        raise value
                    raise AssertionError(f"the forward pass met only {len(places) - left} of {len(places)} places")
                left -= 1
                yield index, value
                del value
                if left:
                    go_on.put(True)
        finally:
            go_on.put(False)
            worker.join()


def _watch(place: Place, index: int, hand_over: Callable[[int, Any], None]) -> Any:
    if place.entering:
        return place.module.register_forward_pre_hook(lambda _module, args: hand_over(index, args))
    return place.module.register_forward_hook(lambda _module, _args, output: hand_over(index, output))
