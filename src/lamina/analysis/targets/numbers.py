"""Segments or utterances with a number each: an age, a rating, a voice onset time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import torch

from lamina.analysis.targets.labels import Labelled, Labels, chosen, most_frequent, said, spans_of
from lamina.analysis.targets.target import Basis
from lamina.analysis.targets.vectors import Vectors
from lamina.corpus.texts import number
from lamina.errors import LaminaError


@dataclass(frozen=True, eq=False, kw_only=True)
class Numbers(Vectors):
    """A tier or label whose labels are numbers: each is a vector of one dimension, none is a class.

    CCA with one dimension is the correlation of the number with what a linear map of the states says of it.
    """

    tiers: ClassVar[bool] = True
    numeric: ClassVar[bool] = True

    @classmethod
    def means(cls, _name: str, /) -> bool:
        """Any tier or label."""
        return True

    @classmethod
    def needs(cls, name: str, /) -> str:
        """The tier or label."""
        return Labels.needs(name)

    @classmethod
    def plan(cls, name: str, basis: Basis) -> Self:
        """Take every segment on the common support.

        Raises:
            LaminaError: all that are fitted on have one number.
        """
        roles, config = basis.roles, basis.config
        sides = Labelled.both(spans_of(name, roles), roles, basis)
        fit, score = (side.counts for side in sides)
        if len({number(text) for text in fit}) < 2:
            raise LaminaError(
                f"target {name!r}: the fit speakers have fewer than two numbers: there is no correlation"
            )
        texts = most_frequent(dict.fromkeys((*fit, *score), 1), 1, len(fit) + len(score))
        notes = [f"{name}: its labels are numbers, so they are correlated with and are no classes"]
        for side, role in zip(sides, said(roles), strict=True):
            notes += side.notes(name, role, texts, rarity=False)
        table = torch.tensor([[number(text)] for text in texts])
        base = chosen(name, roles, sides, texts, config, notes)
        return cls(**base, poolings=config.pooling, table=table)
