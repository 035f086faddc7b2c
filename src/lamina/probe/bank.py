"""Many heads side by side: their parameters are stacked, one forward and backward pass trains them all.

A search over learning rates, seeds and taps reads each batch once. Heads made of linear layers and convolutions
run as one batched product (`torch.func.vmap`); recurrent ones and those with dropout one after the other on the
same batch. Every head has a learning rate, a gradient norm, Adam moments and random numbers of its own, so each is
trained as if it were alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

MIX = "mix"  # the parameter that says how much each tap counts


@dataclass(frozen=True, slots=True)
class Slot:
    """One head of a bank.

    Attributes:
        tap: which tap it reads; None for a learned weighted sum of all.
        rate: its learning rate.
        seed: of its first weights, of what it drops and of what is masked for it.
        start: what is added to its outputs, (outputs,); empty for nothing.
    """

    tap: int | None
    rate: float
    seed: int
    start: tuple[float, ...] = ()


class Bank:
    """Heads of one shape.

    Args:
        make: makes one head.
        slots: the heads; those of one seed begin with the same weights.
        taps: how many taps there are.
        device: where to train.
    """

    def __init__(self, make: Callable[[], nn.Module], slots: Sequence[Slot], taps: int, device: str) -> None:
        self.slots = tuple(slots)
        made = {seed: seeded(make, seed) for seed in dict.fromkeys(slot.seed for slot in slots)}
        modules = [made[slot.seed] for slot in slots]
        stacked, _ = stack_module_state(modules)
        self.parameters: dict[str, Tensor] = {
            name: value.detach().clone().to(device) for name, value in stacked.items()
        }
        self._head = next(iter(made.values())).to(device)
        # vmap knows no recurrent layers, and would draw the dropout of all heads from one stream.
        self._serial = any(isinstance(module, (nn.RNNBase, nn.Dropout)) for module in self._head.modules())
        self._single = [slot.tap for slot in slots]
        self._starts = _stacked(self.slots, device)
        self._mixed = all(tap is None for tap in self._single)
        if self._mixed:
            self.parameters[MIX] = torch.zeros(len(slots), taps, device=device)

    def __len__(self) -> int:
        return len(self.slots)

    def subset(self, places: Sequence[int], parameters: dict[str, Tensor]) -> Bank:
        """The heads at ``places`` with other parameters (of all heads)."""
        made = object.__new__(Bank)
        made.__dict__.update(self.__dict__)
        made.slots = tuple(self.slots[place] for place in places)
        made._single = [slot.tap for slot in made.slots]
        made._starts = None if self._starts is None else self._starts[list(places)]
        made.parameters = {name: value[list(places)] for name, value in parameters.items()}
        return made

    def weights(self) -> Tensor:
        """How much each tap counts, (heads, taps)."""
        return torch.softmax(self.parameters[MIX], -1)

    def __call__(
        self,
        states: Tensor,
        lengths: Tensor,
        *,
        parameters: dict[str, Tensor] | None = None,
        seeds: Sequence[int] | None = None,
        augment: Callable[[Tensor, int], Tensor] | None = None,
    ) -> Tensor:
        """The outputs of all heads, (heads, batch, …).

        Args:
            states: (batch, taps, width), or (batch, frames, taps, width) for heads that read frames.
            lengths: (batch,) frames of each.
            parameters: other than the bank's own (while training: those that want gradients).
            seeds: while training, of what is random in each head here (torch's generators are seeded by them);
                None: nothing is dropped or augmented.
            augment: changes the mixed states, (batch, frames, width), of each head, by its seed.
        """
        values = self.parameters if parameters is None else parameters
        self._head.train(seeds is not None)
        if self._mixed:
            mixed = torch.einsum("hl,b...ld->hb...d", torch.softmax(values[MIX], -1), states)
        else:
            mixed = states.movedim(-2, 0)[[tap or 0 for tap in self._single]]
        if augment is not None and seeds is not None:
            mixed = torch.stack([augment(each, seed) for each, seed in zip(mixed, seeds, strict=True)])
        inside = {name: value for name, value in values.items() if name != MIX}
        if self._serial:
            each = []
            for place, one in enumerate(mixed):
                if seeds is not None:
                    torch.manual_seed(seeds[place])
                own = {name: value[place] for name, value in inside.items()}
                each.append(functional_call(self._head, own, (one, lengths)))
            return self._started(torch.stack(each))

        def run(own: dict[str, Tensor], one: Tensor) -> Tensor:
            out: Tensor = functional_call(self._head, own, (one, lengths))
            return out

        outputs: Tensor = vmap(run)(inside, mixed)
        return self._started(outputs)

    def _started(self, outputs: Tensor) -> Tensor:
        if self._starts is None:
            return outputs
        return outputs + self._starts.view(len(self), *[1] * (outputs.dim() - 2), -1)


def _stacked(slots: Sequence[Slot], device: str) -> Tensor | None:
    """What is added to the outputs of all heads, (heads, outputs)."""
    return (
        torch.tensor([slot.start for slot in slots], device=device) if any(slot.start for slot in slots) else None
    )


def seeded(make: Callable[[], nn.Module], seed: int) -> nn.Module:
    """What ``make`` makes with torch's generator seeded; the generator is put back."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make()


class Adam:
    """Adam (Kingma & Ba 2015; AdamW with ``decay``) for stacked heads: rate, clipping, steps are each head's own.

    A head whose gradient is not finite sits that step out, as in s3prl.
    """

    def __init__(self, parameters: dict[str, Tensor], rates: Tensor, *, clip: float, decay: float = 0.0) -> None:
        self._rates, self._clip, self._decay = rates, clip, decay
        self._steps = torch.zeros_like(rates)
        self._first = {name: torch.zeros_like(value) for name, value in parameters.items()}
        self._second = {name: torch.zeros_like(value) for name, value in parameters.items()}

    @torch.no_grad()
    def step(self, parameters: dict[str, Tensor], gradients: dict[str, Tensor], scale: float = 1.0) -> None:
        """Move ``parameters`` in place; ``scale`` multiplies every rate (a schedule)."""
        squares = [gradient.flatten(1).square().sum(1) for gradient in gradients.values()]
        norm = torch.stack(squares).sum(0).sqrt()
        good = norm.isfinite()
        shrink = (self._clip / (norm + 1e-6)).clamp(max=1.0)
        self._steps += good
        rates = self._rates * scale
        for name, value in parameters.items():
            here = (-1, *[1] * (value.dim() - 1))
            keep = good.view(here)
            gradient = torch.where(keep, gradients[name] * shrink.view(here), 0.0)
            first, second = self._first[name], self._second[name]
            torch.where(keep, first.lerp(gradient, 0.1), first, out=first)
            torch.where(keep, second.lerp(gradient.square(), 0.001), second, out=second)
            steps = self._steps.clamp(min=1)
            size = (rates / (1 - 0.9**steps)).view(here)
            root = (second / (1 - 0.999**steps).view(here)).sqrt() + 1e-8
            moved = value * (1 - rates.view(here) * self._decay) - size * first / root
            value.copy_(torch.where(keep, moved, value))
