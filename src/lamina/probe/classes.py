"""Classes: cross-entropy, one or several slots a decision, and how often all slots are right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from lamina.errors import LaminaError
from lamina.probe.tally import Ratio, Tally
from lamina.probe.task import Example, Objective, Parts


class Classes(Objective):
    """One class a slot, of those that the training part has; a decision is right where all its slots are."""

    rows: ClassVar[Literal["frames", "mean", "segments"]] = "mean"

    def __init__(self, parts: Parts) -> None:
        super().__init__()
        self.measures = ("accuracy",)
        slots = list(zip(*(example.label for example in parts.train), strict=True))
        self.names = [tuple(sorted(set(slot))) for slot in slots]
        if all(len(names) == 1 for names in self.names):
            only = ", ".join(names[0] for names in self.names)
            raise LaminaError(
                f"the training part has one class only ({only}): there is nothing to tell apart; add examples of "
                "another, or check the splits"
            )
        self._codes = [{name: code for code, name in enumerate(names)} for names in self.names]
        self._sizes = [len(names) for names in self.names]
        self.outputs = sum(self._sizes)
        new = [
            one.label
            for one in (*parts.dev, *parts.test)
            if any(value not in codes for value, codes in zip(one.label, self._codes, strict=True))
        ]
        if new:
            names = sorted({" ".join(label) for label in new})
            told = ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
            self.notes.append(
                f"{len(new)} examples of dev and test are of classes that train lacks ({told}): they are wrong"
            )

    def prepare(self, examples: Sequence[Example]) -> list[tuple[int, ...]]:
        """A code a slot; -1 for classes that training never met."""
        return [
            tuple(codes.get(value, -1) for value, codes in zip(one.label, self._codes, strict=True))
            for one in examples
        ]

    def loss(self, outputs: Tensor, _lengths: Tensor, targets: Sequence[Any]) -> Tensor:
        """The sum over slots of the cross-entropy, mean over the batch."""
        codes = torch.tensor(targets, device=outputs.device).T
        total = outputs.new_zeros(len(outputs))
        for logits, code in zip(torch.split(outputs, self._sizes, -1), codes, strict=True):
            each = functional.cross_entropy(logits.flatten(0, 1), code.repeat(len(outputs)), reduction="none")
            total = total + each.view(len(outputs), -1).mean(1)
        return total

    def predict(self, outputs: Tensor, _lengths: Tensor) -> list[Sequence[Any]]:
        """The likeliest class of each slot, arrays (slots,) of codes."""
        best = [part.argmax(-1) for part in torch.split(outputs, self._sizes, -1)]
        return list(torch.stack(best, -1).cpu().numpy())

    def score(self, predictions: Sequence[Any], examples: Sequence[Example], _setting: Any) -> dict[str, Tally]:
        """How often every slot is right."""
        right = (np.asarray(predictions) == np.array(self.prepare(examples))).all(1)
        return {"accuracy": Ratio(right.astype(np.float64), np.ones(len(right)))}

    def majority(self, parts: Parts) -> dict[str, Tally]:
        """What always naming the most frequent decision of the training part is worth on the test part."""
        codes, counts = np.unique(np.array(self.prepare(parts.train)), axis=0, return_counts=True)
        return self.score([codes[counts.argmax()]] * len(parts.test), parts.test, None)


class SegmentClasses(Classes):
    """The same for segments of a tier."""

    rows: ClassVar[Literal["frames", "mean", "segments"]] = "segments"


class FramedClasses(Classes):
    """The same for heads that read frames, of which training sees crops."""

    rows: ClassVar[Literal["frames", "mean", "segments"]] = "frames"
