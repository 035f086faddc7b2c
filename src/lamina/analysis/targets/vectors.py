"""Words and their vectors."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from lamina.analysis.config import VECTORS
from lamina.analysis.targets.labels import Labelled, Labels, chosen, most_frequent, said, spans_of
from lamina.analysis.targets.readers import read_word_vectors
from lamina.analysis.targets.target import Basis
from lamina.errors import LaminaError
from lamina.frames import Ints

WORDS = "word"


@dataclass(frozen=True, eq=False, kw_only=True)
class Vectors(Labels):
    """Words that have a vector.

    Attributes:
        table: (classes, size) the vector of each.
    """

    tiers: ClassVar[bool] = False

    table: Tensor

    @classmethod
    def means(cls, name: str, /) -> bool:
        """Only `VECTORS`."""
        return name == VECTORS

    @classmethod
    def needs(cls, _name: str, /) -> str:
        """The tier of words."""
        return WORDS

    @classmethod
    def plan(cls, name: str, basis: Basis) -> Self:
        """Choose the words on the common support that the file knows.

        Raises:
            LaminaError: no utterance has words, the file cannot be read, or it knows fewer than two of them.
        """
        roles, config = basis.roles, basis.config
        sides = Labelled.both(spans_of(WORDS, roles), roles, basis)
        counted, others = (side.counts for side in sides)
        words = counted.keys() | others.keys()
        found = read_word_vectors(Path(str(config.word_vectors)), words)
        notes = []
        if unknown := [word for word in words if word not in found]:
            total = sum(counted.get(word, 0) + others.get(word, 0) for word in unknown)
            notes.append(
                f"{name}: {len(unknown)} of {len(words)} words ({total} segments) are not in {config.word_vectors}"
            )
        classes = most_frequent({word: n for word, n in counted.items() if word in found}, 1, len(words))
        if len(classes) < 2:
            raise LaminaError(
                f"target {name!r}: only {len(classes)} label(s) occur 1 times or more on the fit speakers; see "
                f"whether {config.word_vectors} is of this language"
            )
        for side, role in zip(sides, said(roles), strict=True):
            notes += side.notes(name, role, classes, rarity=False)
        table = torch.from_numpy(np.stack([found[word] for word in classes]))
        # Every further labelling would need second moments of its own vectors.
        config = config.model_copy(update={"shuffles": min(1, config.shuffles)})
        base = chosen(name, roles, sides, classes, config, notes)
        return cls(**base, poolings=config.pooling, table=table)

    def side(self, numbers: Ints, fitting: bool, /) -> Tensor:
        """(n, labellings * size) their vectors, one labelling beside the other."""
        return self.table[super().side(numbers, fitting)].movedim(0, 1).flatten(1)
