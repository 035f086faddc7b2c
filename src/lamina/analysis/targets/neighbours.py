"""Segments and the labels beside them: what a segment's own frames say of the one before or after it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from lamina.analysis.naming import beside
from lamina.analysis.targets.labels import Labels
from lamina.analysis.targets.segments import Spans
from lamina.analysis.targets.target import Target
from lamina.corpus.corpus import Segment, Utterance
from lamina.corpus.splits import Roles
from lamina.errors import LaminaError


@dataclass(frozen=True, eq=False, kw_only=True)
class Neighbouring(Labels):
    """Segments labelled by the k-th segment after them in their tier, or before them: ``phone@+1``, ``word@-2``.

    A pause is no segment: the neighbour may lie beyond one. Segments without such a neighbour are left out.
    """

    tiers: ClassVar[bool] = False
    alike: ClassVar[type[Target] | None] = Labels

    @classmethod
    def means(cls, name: str, /) -> bool:
        """``TIER@-3`` to ``TIER@+3``."""
        return beside(name) is not None

    @classmethod
    def needs(cls, name: str, /) -> str:
        """The tier."""
        return (beside(name) or (name, 0))[0]

    @classmethod
    def found(cls, name: str, roles: Roles) -> tuple[Spans, list[str]]:
        """Segments with their neighbours' labels, and how many have none.

        Raises:
            LaminaError: no utterance has the tier, or none has two segments so far apart.
        """
        tier, step = beside(name) or (name, 0)
        own, _ = super().found(tier, roles)
        lone = total = 0
        for utterance in (*roles.fit, *roles.score):
            there = len(tuple(own(utterance)))
            total, lone = total + there, lone + min(there, abs(step))
        if lone == total:
            raise LaminaError(
                f"target {name!r}: no segment of {tier!r} has a neighbour {abs(step)} away in its utterance; ask "
                "for a nearer one, or for a tier of more segments"
            )

        def spans(utterance: Utterance) -> list[Segment]:
            held = tuple(own(utterance))
            places = range(max(0, -step), len(held) - max(0, step))
            return [Segment(held[k + step].label, held[k].onset, held[k].offset) for k in places]

        side = "before" if step < 0 else "after"
        return spans, [f"{name}: {lone} of {total} segments have no neighbour {abs(step)} {side} them"]
