"""All frames of some utterances, with what is said in each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from lamina.analysis.targets.labels import Labelled, most_frequent, said, spans_of
from lamina.analysis.targets.target import Basis
from lamina.analysis.targets.timed import Timed, TimedRows, Track, every_frame
from lamina.corpus.corpus import Utterance
from lamina.errors import LaminaError
from lamina.frames import Ints


@dataclass(frozen=True, eq=False, kw_only=True)
class Excerpt(Timed):
    """Whole utterances drawn by the seed, as many as ``max_sample`` frames of the finest grid hold.

    Where speakers are scored apart, half of the frames are theirs.

    Attributes:
        classes: the labels; pauses and others are one more class.
        chosen: the utterances of the fit speakers (all where folds score each other), and of those scored.
        numbers: by utterance, its place among those of its role: what `Rows.numbers` say.
        tracks: by utterance, what is said when.
    """

    classes: tuple[str, ...]
    chosen: tuple[tuple[Utterance, ...], ...]
    numbers: Mapping[str, int]
    tracks: Mapping[str, Track]

    @classmethod
    def plan(cls, name: str, basis: Basis) -> Self:
        """Draw the utterances.

        Raises:
            LaminaError: no utterance has such a tier, or fewer than two labels are frequent enough.
        """
        roles, config = basis.roles, basis.config
        if not any(name in one.tiers for one in roles.fit):
            raise LaminaError(f"units: no utterance to fit on has a tier {name!r}: ask it of a tier")
        counts = Labelled.both(spans_of(name, roles), roles, basis)[0].counts
        classes = most_frequent(counts, config.min_instances, config.max_classes)
        if len(classes) < 2:
            raise LaminaError(
                f"units of {name!r}: only {len(classes)} label(s) occur {config.min_instances} times or more on "
                "the fit speakers; use more speech"
            )
        labels = {label: place for place, label in enumerate(classes)}
        held = config.max_sample // (1 if roles.folded else 2)  # frames of each role
        most = held * min(grid.stride for grid in basis.grids)
        chosen, notes = [], []
        if rare := sum(counts.values()) - sum(counts[label] for label in classes):
            notes.append(
                f"units of {name}: {rare} of {sum(counts.values())} fit segments have a label outside the "
                f"{len(classes)} classes and count as pauses"
            )
        for number, (role, which) in enumerate(zip((roles.fit, roles.score), said(roles), strict=True)):
            there = [one for one in role if one.tiers.get(name)]
            order = np.random.default_rng([config.seed, 13, number]).permutation(len(there))
            ends = np.cumsum([there[place].samples for place in order])
            kept = sorted(order[: int((ends <= most).sum())].tolist())
            if role and not kept:
                raise LaminaError(
                    f"units of {name!r}: no{which} utterance with the tier is as short as {held} frames: allow "
                    f"more (max_sample = {config.max_sample})"
                )
            if len(kept) < len(role):
                notes.append(f"units of {name}: {len(kept)} of {len(role)}{which} utterances, drawn by the seed")
            chosen.append(tuple(there[place] for place in kept))
        return cls(
            name=name, roles=roles, items="frames", poolings=("",), notes=tuple(notes), classes=classes,
            chosen=tuple(chosen),
            numbers={one.id: place for own in chosen for place, one in enumerate(own)},
            tracks={one.id: Track.of(one.tiers[name], labels, one.samples) for own in chosen for one in own},
        )  # fmt: skip

    def rows(self, utterances: Sequence[Utterance], at: Sequence[Ints], /) -> TimedRows:
        """All frames; their labels are known without them (`tracks`)."""
        return every_frame(utterances, at, self.numbers)
