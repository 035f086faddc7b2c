"""Where segments of a tier begin and end, for all frames of an utterance in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch

from lamina.analysis.targets.labels import said
from lamina.analysis.targets.target import Basis
from lamina.analysis.targets.timed import Timed, TimedRows, every_frame
from lamina.corpus.corpus import Utterance
from lamina.errors import LaminaError
from lamina.frames import Ints


@dataclass(frozen=True, eq=False, kw_only=True)
class Edges(Timed):
    """All frames of the utterances that have a tier. ``side`` of a row is the sample in which its centre lies.

    Attributes:
        numbers: by utterance, its place in ``edges``: what `Rows.numbers` say.
        edges: samples at which a segment begins or ends, inside the audio, ascending, each once.
        rate: samples a second.
    """

    numbers: Mapping[str, int]
    edges: Sequence[Ints]
    rate: int

    @classmethod
    def plan(cls, name: str, basis: Basis) -> Self:
        """Gather the boundaries.

        Raises:
            LaminaError: no utterance has such a tier, or a boundary inside the audio.
        """
        numbers: dict[str, int] = {}
        edges: list[Ints] = []
        notes = []
        for role, which in zip((basis.roles.fit, basis.roles.score), said(basis.roles), strict=True):
            found = 0
            for one in role:
                ends = {end for each in one.tiers.get(name, ()) for end in (each.onset, each.offset)}
                inside = np.array(sorted(end for end in ends if 0 < end < one.samples), dtype=np.int64)
                if len(inside):
                    numbers[one.id] = len(edges)
                    edges.append(inside)
                    found += 1
            if role and not found:
                raise LaminaError(
                    f"boundaries of {name!r}: none of {len(role)}{which} utterances has any: ask it of a tier"
                )
            if found < len(role):
                notes.append(
                    f"boundaries of {name}: {len(role) - found} of {len(role)}{which} utterances have none"
                )
        return cls(
            name=name, roles=basis.roles, items="boundaries", poolings=("",), notes=tuple(notes), numbers=numbers,
            edges=edges, rate=basis.corpus.sample_rate,
        )  # fmt: skip

    def rows(self, utterances: Sequence[Utterance], at: Sequence[Ints], /) -> TimedRows:
        """All frames."""
        none = np.zeros(0, dtype=np.int64)
        centres = [each for one, each in zip(utterances, at, strict=True) if one.id in self.numbers]
        side = torch.from_numpy(np.concatenate([none, *centres]))[None]
        return every_frame(utterances, at, self.numbers)._replace(side=side)
