"""Step through a model's own modules, so that one layer's states exist at a time.

The model runs its own forward pass up to its first block, where it is stopped; what it was about to hand to that
block is handed to the blocks one after the other, from outside. So nothing of the model is written again, no work
is done for taps that nobody asked for, and a reader may stop anywhere.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from lamina.encoders.encoder import Tap


@dataclass
class Pass:
    """One batch on its way through a model.

    Attributes:
        waves: (batch, samples) audio, zero-padded.
        samples: of each utterance.
        hidden: what the next block takes.
        args: its further positional arguments.
        kwargs: its keyword arguments.
        kept: outputs of a tail that ran at once, waiting to be shown.
    """

    waves: Tensor
    samples: list[int]
    hidden: Tensor = field(init=False)
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    kept: list[Tensor] = field(default_factory=list)


@dataclass(frozen=True)
class TapStep:
    """One step of the data flow.

    Attributes:
        tap: where its states are.
        run: gives them.
        shown: what the model's own outputs call the same tensor, such as ``hidden_states[3]``; empty where they do
            not show it.
    """

    tap: Tap
    run: Callable[[Pass], Tensor]
    shown: str = ""


class _Enough(BaseException):
    """Ends a forward pass at its first block; no ``except Exception`` of a model catches it."""


def collect(forward: Callable[[], object], modules: Sequence[nn.Module], until: nn.Module | None = None) -> Any:
    """Run ``forward``; return (outputs of ``modules``, arguments of ``until``, its keyword arguments).

    The pass ends where it would enter ``until``. Other threads that use the model meanwhile are not seen.
    """
    here = threading.get_ident()
    outputs: dict[int, Tensor] = {}
    entered: list[Any] = [(), {}]

    def keep(index: int) -> Callable[[nn.Module, Any, Any], None]:
        def hook(_module: nn.Module, _args: Any, output: Any) -> None:
            if threading.get_ident() == here:
                outputs[index] = output[0] if isinstance(output, tuple) else output

        return hook

    def stop(_module: nn.Module, args: Any, kwargs: Any) -> None:
        if threading.get_ident() == here:
            entered[:] = args, kwargs
            raise _Enough

    with ExitStack() as hooks:
        for index, module in enumerate(modules):
            hooks.callback(module.register_forward_hook(keep(index)).remove)
        if until is not None:
            # Before the hooks that mend its arguments: they run when the block itself does.
            hooks.callback(until.register_forward_pre_hook(stop, with_kwargs=True, prepend=True).remove)
        with suppress(_Enough):
            forward()
    return [outputs[index] for index in range(len(modules))], *entered


def block(layer: nn.Module) -> Callable[[Pass], Tensor]:
    """A step through one block, which takes what the block before it took, but the hidden states."""

    def run(passing: Pass) -> Tensor:
        output = layer(passing.hidden, *passing.args, **passing.kwargs)
        if isinstance(output, tuple):
            # WavLM's first block computes the position bias that all others take.
            if "position_bias" in passing.kwargs:
                passing.kwargs = passing.kwargs | {"position_bias": output[1]}
            output = output[0]
        passing.hidden = output
        return passing.hidden

    return run


def transform(module: nn.Module) -> Callable[[Pass], Tensor]:
    """A step through a module that takes the hidden states alone, such as the final norm."""

    def run(passing: Pass) -> Tensor:
        passing.hidden = module(passing.hidden)
        return passing.hidden

    return run
