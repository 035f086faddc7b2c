"""States as instruments get them: of a size that squares of fit into float32, and seen to be finite.

What is measured does not change with the scale of states, but arithmetic does: squares of 1e19 are infinite in
float32, those of 1e-30 are zero. States of such a size are multiplied by a power of two, which rounds nothing: one
for each tap, from its states of one utterance, so that any sharing of the work takes the same. Others stay as they
are, to the bit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import frexp, isfinite

import torch

from lamina.analysis.sums import First
from lamina.corpus.batches import Batch, read_batches
from lamina.corpus.corpus import Corpus, Utterance
from lamina.encoders.encoder import Encoder, States

USUAL = 20  # states whose root mean square is within 2 ** ±20 stay as they are
MOST = 120  # the power of two that float32 holds with room to spare


class StateSource:
    """Reads encoders for an analysis.

    Args:
        corpus: whose utterances are read.
        example: the utterance that tells how large the states of a tap are.
        places: of utterances by id, for `First`.

    Attributes:
        broken: by encoder and tap, the first utterance of the batch at hand that has some not finite.
    """

    def __init__(self, corpus: Corpus, example: Utterance, places: Mapping[str, int]) -> None:
        self._corpus, self._example, self._places = corpus, example, places
        self._levels: dict[tuple[int, str], float] = {}
        self.broken: dict[tuple[int, str], First] = {}

    def states(self, encoder: Encoder, batch: Batch, taps: Sequence[str]) -> Iterator[States]:
        """The states of a batch at some taps; see `lamina.encoders.encoder.Encoder.states`."""
        if any((id(encoder), tap) not in self._levels for tap in taps):
            (one,) = read_batches(self._corpus, [(self._example,)])
            for states in encoder.states(one.waves, one.lengths, taps):
                self._levels[id(encoder), states.tap.name] = _level(states)
        for states in encoder.states(batch.waves, batch.lengths, taps):
            level = self._levels[id(encoder), states.tap.name]
            made = states if level == 1 else States(states.values * level, states.lengths, states.tap)
            if not bool(torch.isfinite(made.values.sum())):
                self.broken[id(encoder), states.tap.name] = self._first(made, batch)
            yield made

    def _first(self, states: States, batch: Batch) -> First:
        """The first utterance whose states are not finite; what lies beyond an utterance's end has no meaning."""
        found = First()
        for index, utterance in enumerate(batch.utterances):
            if not bool(torch.isfinite(states.utterance(index)).all()):
                found += First(self._places[utterance.id])
        return found


def _level(states: States) -> float:
    """The power of two by which the states of a tap are multiplied."""
    size = float(states.utterance(0).double().square().mean().sqrt())
    power = frexp(size)[1] if isfinite(size) and size else 0
    return 1.0 if abs(power) <= USUAL else 2.0 ** -max(-MOST, min(power, MOST))
