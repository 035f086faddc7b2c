"""Sequences: connectionist temporal classification (Graves et al. 2006), greedy decoding, error rates."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby, pairwise
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from lamina.errors import LaminaError
from lamina.grid import Grid
from lamina.probe.config import ProbeConfig
from lamina.probe.tally import Ratio, Tally
from lamina.probe.task import Example, Objective, Parts
from lamina.stats.edits import edit_distance

# A measure of sequences: errors (or what is counted) and their whole, of a reference and a hypothesis.
Compare = Callable[[Sequence[str], Sequence[str]], tuple[float, float]]


class Sequences(Objective):
    """Label sequences by CTC; the symbols are those of the training part, output 0 is the blank.

    Args:
        parts: whose labels are sequences of symbols.
        measures: what is scored, the one that selects first.
        ends: symbols put behind every target and taken off every prediction (s3prl puts its ``<eos>`` there).
        grid: of the frames that heads read: heads are then tried from two starts, as they come and with the blank
            as likely as it is frequent in train. A head as it comes names a symbol at nearly every frame and takes
            long to unlearn it; from the other start, states that stay alike through a phone may never leave the
            blank. None: as they come only, as in s3prl.
    """

    rows: ClassVar[Literal["frames", "mean", "segments"]] = "frames"
    items: ClassVar[str] = "symbols"

    def __init__(
        self, parts: Parts, measures: Mapping[str, Compare], ends: tuple[str, ...] = (), grid: Grid | None = None
    ) -> None:
        super().__init__()
        self._compare, self._ends = dict(measures), ends
        self.measures = tuple(measures)
        symbols = {symbol for example in parts.train for symbol in example.label}
        if len(symbols) < 2:
            raise LaminaError(
                f"the training part has {len(symbols)} different symbols: nothing to tell apart; check the labels"
            )
        self.symbols = ("", *ends, *sorted(symbols - set(ends)))
        self._code = {symbol: code for code, symbol in enumerate(self.symbols) if code}
        self.outputs = len(self.symbols)
        if grid is not None:
            self.starts = ((0.0,) * self.outputs, (self._odds(parts.train, grid), *(0.0,) * (self.outputs - 1)))
        unknown = [
            symbol for example in (*parts.dev, *parts.test) for symbol in example.label if symbol not in self._code
        ]
        if unknown:
            names = sorted(set(unknown))
            told = ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
            self.notes.append(
                f"{len(unknown)} symbols of dev and test never occur in train ({told}): they count as errors"
            )

    def _odds(self, train: Sequence[Example], grid: Grid) -> float:
        """What the blank's output is above the others' where it is as likely as it is frequent in train."""
        frames = sum(grid.frames(one.utterance.samples) for one in train)
        symbols = sum(len(one.label) + len(self._ends) for one in train)
        share = min(max(1 - symbols / frames, 0.1), 0.99)
        return math.log(share / (1 - share) * (self.outputs - 1))

    def prepare(self, examples: Sequence[Example]) -> list[list[int]]:
        """The codes of each label; -1 for symbols that training never met."""
        return [[self._code.get(symbol, -1) for symbol in (*one.label, *self._ends)] for one in examples]

    def fits(self, target: Any, frames: int) -> bool:
        """CTC needs a frame a symbol, and one between equal neighbours."""
        twice = sum(one == other for one, other in pairwise(target))
        return bool(len(target) + twice <= frames)

    def loss(self, outputs: Tensor, lengths: Tensor, targets: Sequence[Any]) -> Tensor:
        """Mean over the batch of the loss a symbol."""
        heads, batch = outputs.shape[:2]
        logs = functional.log_softmax(outputs.float(), -1).flatten(0, 1).transpose(0, 1)
        sizes = torch.tensor([len(target) for target in targets])
        codes = torch.tensor([code for target in targets for code in target], dtype=torch.long)
        each = functional.ctc_loss(
            logs,
            codes.repeat(heads).to(logs.device),
            lengths.repeat(heads).to(logs.device),
            sizes.repeat(heads).to(logs.device),
            reduction="none",
            zero_infinity=True,
        )
        loss: Tensor = (each.view(heads, batch) / sizes.clamp(min=1).to(each.device)).mean(1)
        return loss

    def predict(self, outputs: Tensor, lengths: Tensor) -> list[Sequence[Any]]:
        """The best symbol a frame, repetitions collapsed, blanks and end symbols dropped."""
        dropped = {0, *(self._code[end] for end in self._ends)}
        told = outputs.argmax(-1).cpu().numpy()
        return [
            [
                [self.symbols[code] for code, _ in groupby(row[:length].tolist()) if code not in dropped]
                for row, length in zip(head, lengths.tolist(), strict=True)
            ]
            for head in told
        ]

    def score(self, predictions: Sequence[Any], examples: Sequence[Example], _setting: Any) -> dict[str, Tally]:
        """Each measure over all examples."""
        found: dict[str, Tally] = {}
        for measure, compare in self._compare.items():
            pairs = [compare(one.label, told) for one, told in zip(examples, predictions, strict=True)]
            counts = np.array(pairs, dtype=np.float64)
            found[measure] = Ratio(counts[:, 0], counts[:, 1])
        return found


def sequences(
    parts: Parts, measures: Mapping[str, Compare], config: ProbeConfig, grid: Grid, *, end: str
) -> Sequences:
    """SUPERB puts the symbol ``end`` behind every target; elsewhere heads are tried from two starts."""
    superb = config.protocol == "superb"
    return Sequences(parts, measures, (end,) if superb else (), None if superb else grid)


def symbol_errors(reference: Sequence[str], hypothesis: Sequence[str]) -> tuple[float, float]:
    """Wrong symbols, and symbols there are."""
    return edit_distance(reference, hypothesis), len(reference)


def word_errors(reference: Sequence[str], hypothesis: Sequence[str]) -> tuple[float, float]:
    """The same for words: characters between ``|``."""
    return symbol_errors(*("".join(side).replace("|", " ").split() for side in (reference, hypothesis)))
