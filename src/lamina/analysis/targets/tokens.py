"""Tokens of labels that are said again: words, mostly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from lamina.analysis.targets.segments import Segmented, Segments, on_support
from lamina.analysis.targets.target import Basis
from lamina.corpus.corpus import Segment, Utterance
from lamina.corpus.splits import unfitted
from lamina.errors import LaminaError
from lamina.frames import Ints

TOKENS = 10  # of one label, at most


@dataclass(frozen=True, eq=False, kw_only=True)
class Tokens(Segmented):
    """At most `TOKENS` tokens of each label that is scored, ``most_items`` in all, drawn by ``seed``.

    Attributes:
        labels: (tokens,) class numbers.
        speakers: (tokens,) who says each.
    """

    tiers: ClassVar[bool] = True

    labels: Ints
    speakers: NDArray[np.str_]

    @classmethod
    def plan(cls, name: str, basis: Basis) -> Self:
        """Draw the tokens; nothing is fitted, so all who may be are scored.

        Raises:
            LaminaError: no two labels are said twice.
        """
        config, roles = basis.config, unfitted(basis.roles, basis.config.max_groups)
        scored = roles.score or roles.fit
        held = [(one, segment) for one in scored for segment in one.tiers.get(name, ())]
        found: dict[str, list[tuple[Utterance, Segment]]] = {}
        for token in on_support(held, basis.grids, basis.matched):
            found.setdefault(token[1].label, []).append(token)
        random = np.random.default_rng([config.seed, 12])
        kept: list[tuple[Utterance, Segment]] = []
        repeated = sorted(label for label, own in found.items() if len(own) > 1)
        for number in random.permutation(len(repeated)):
            own = found[repeated[number]]
            some = random.permutation(len(own))[: min(TOKENS, config.most_items - len(kept))]
            if len(some) > 1:
                kept += [own[place] for place in some]
        if len({segment.label for _, segment in kept}) < 2:
            raise LaminaError(
                f"target {name!r}: two labels or more must be said twice among those that are scored "
                f"({roles.split}): give more audio, or another tier"
            )
        order = {utterance.id: place for place, utterance in enumerate(scored)}
        kept.sort(key=lambda token: (order[token[0].id], token[1].onset))
        segments = Segments.of([(one, segment.onset, segment.offset) for one, segment in kept])
        labels = [segment.label for _, segment in kept]
        return cls(
            name=name,
            roles=roles,
            fit=segments if roles.folded else Segments.none(),
            score=Segments.none() if roles.folded else segments,
            notes=(f"{name}: {len(kept)} tokens of {len(set(labels))} labels, of {len(found)}, are told apart",),
            labels=np.unique(labels, return_inverse=True)[1].astype(np.int64),
            speakers=np.array([one.speaker for one, _ in kept]),
        )
