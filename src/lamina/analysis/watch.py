"""Which taps hold values that are not finite: named with the utterance, the largest value and the remedy."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from lamina.corpus.corpus import Utterance
from lamina.encoders.encoder import States

MANY = 4096  # figures that wait on a GPU before they are fetched


class Watch:
    """The largest value of every utterance at every tap; a GPU is waited for now and then only."""

    def __init__(self) -> None:
        self._waiting: list[tuple[str, Sequence[Utterance], Tensor]] = []
        self._largest: dict[str, float] = {}
        self._found: dict[str, str] = {}

    def see(self, states: States, utterances: Sequence[Utterance]) -> None:
        """Look at one tap of a batch."""
        largest = torch.linalg.vector_norm(states.values, torch.inf, dim=(1, 2))  # of NaN it is NaN
        self._waiting.append((states.tap.name, utterances, largest))
        if len(self._waiting) > MANY:
            self._fetch()

    def notes(self) -> list[str]:
        """A sentence a tap whose states are not finite."""
        self._fetch()
        return [
            f"tap {tap}: the states of utterance {name} are not finite (the largest that is: "
            f"{self._largest.get(tap, 0.0):.3g}): read in float32 or bfloat16 (--dtype float32; float16 ends at "
            "65504), and look at that utterance and the weights where they are float32 already"
            for tap, name in self._found.items()
        ]

    def _fetch(self) -> None:
        for tap, utterances, largest in self._waiting:
            for utterance, value in zip(utterances, largest.cpu().tolist(), strict=True):
                if value < torch.inf:
                    self._largest[tap] = max(value, self._largest.get(tap, 0.0))
                else:
                    self._found.setdefault(tap, utterance.id)
        self._waiting = []
