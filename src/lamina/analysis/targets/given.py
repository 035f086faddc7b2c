"""Labels beyond what is known already: segments, their labels, and a view of them that is given."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from lamina.analysis.naming import parted
from lamina.analysis.targets.labels import Labels, most_frequent
from lamina.analysis.targets.neighbours import Neighbouring
from lamina.analysis.targets.segments import Segments
from lamina.analysis.targets.sources import Frames
from lamina.analysis.targets.target import Basis, Heard
from lamina.corpus.corpus import Utterance
from lamina.encoders.encoder import Encoder
from lamina.errors import LaminaError
from lamina.frames import Ints

MOST, THIRDS = 60, 3  # labels of a given tier; parts of a segment in which each one's share is told


@dataclass(frozen=True, slots=True, eq=False)
class Bag:
    """Which labels of another tier lie in each segment: how many of each, and what share of each third they take.

    Attributes:
        starts: (segments + 1,) where each segment's entries begin.
        codes: (entries,) label.
        values: (entries, 1 + THIRDS) 1 where its middle lies in the segment; shares of the segment's thirds.
        labels: how many labels there are.
    """

    starts: Ints
    codes: Ints
    values: np.ndarray[tuple[int, int], np.dtype[np.float32]]
    labels: int

    @classmethod
    def of(cls, held: Segments, utterances: tuple[Utterance, ...], tier: str, labels: tuple[str, ...]) -> Bag:
        """Of numbered segments."""
        number = {label: place for place, label in enumerate(labels)}
        counts = np.zeros(len(held), dtype=np.int64)
        codes, values = [np.zeros(0, dtype=np.int64)], [np.zeros((0, 1 + THIRDS), dtype=np.float32)]
        for one in utterances:
            first, beyond = held.first.get(one.id, (0, 0))
            inner = [each for each in one.tiers.get(tier, ()) if each.label in number]
            if first == beyond or not inner:
                continue
            begin, end = (np.array([getattr(each, side) for each in inner]) for side in ("onset", "offset"))
            code = np.array([number[each.label] for each in inner])
            onsets, offsets = held.onsets[first:beyond], held.offsets[first:beyond]
            low, high = np.searchsorted(end, onsets, side="right"), np.searchsorted(begin, offsets, side="left")
            count = np.maximum(high - low, 0)
            counts[first:beyond] = count
            own = np.repeat(np.arange(beyond - first), count)
            which = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count) + low[own]
            edges = onsets[own, None] + (offsets - onsets)[own, None] * np.arange(THIRDS + 1) / THIRDS
            shared = np.minimum(end[which, None], edges[:, 1:]) - np.maximum(begin[which, None], edges[:, :-1])
            middle = (begin + end)[which] / 2
            inside = (middle >= onsets[own]) & (middle < offsets[own])
            codes.append(code[which])
            values.append(
                np.column_stack([inside, np.clip(shared, 0, None) / np.diff(edges, axis=1)]).astype(np.float32)
            )
        return cls(
            np.concatenate([[0], np.cumsum(counts)]), np.concatenate(codes), np.concatenate(values), len(labels)
        )

    def of_segments(self, numbers: Ints) -> Tensor:
        """(n, labels (1 + THIRDS)) the view of these segments."""
        counts = self.starts[numbers + 1] - self.starts[numbers]
        own = np.repeat(np.arange(len(numbers)), counts)
        flat = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts) + self.starts[numbers][own]
        made = np.zeros((len(numbers), self.labels, 1 + THIRDS), dtype=np.float32)
        np.add.at(made, (own, self.codes[flat]), self.values[flat])
        return torch.from_numpy(made.reshape(len(numbers), -1))


@dataclass(frozen=True, eq=False, kw_only=True)
class Given(Labels):
    """Segments and labels with a view that is given: labels of another tier in them, or frames of sound or a tap.

    Attributes:
        heard: whose frames are given, averaged over each segment; None where a tier is.
        bags: of the segments that are fitted on and of those scored; none where frames are given.
        size: dimensions of the view.
    """

    tiers: ClassVar[bool] = False
    implied: ClassVar[bool] = True

    heard: Heard | None
    bags: tuple[Bag, ...]
    size: int

    @classmethod
    def means(cls, name: str, /) -> bool:
        """``TARGET given VIEW``."""
        return parted(name) is not None

    @classmethod
    def needs(cls, name: str, /) -> str:
        """What the target needs."""
        target, _ = parted(name) or (name, "")
        return _kind(target).needs(target)

    @classmethod
    def reads(cls, name: str, encoder: Encoder, others: Mapping[str, Encoder], /) -> Heard | None:
        """The tap whose frames are given, where the view is one.

        Raises:
            LaminaError: there is no such tap or encoder, or it takes audio at another rate.
        """
        _, view = parted(name) or (name, "")
        return Frames.reads(view, encoder, others) if Frames.means(view) else None

    @property
    def source(self) -> Heard | None:
        """The tap whose frames are given."""
        return self.heard

    @classmethod
    def plan(cls, name: str, basis: Basis) -> Self:
        """Choose segments as the target does alone, and the labels of the view.

        Raises:
            LaminaError: the target cannot be asked, or the corpus has no such view.
        """
        target, view = parted(name) or (name, "")
        heard = basis.sources.get(name)
        # A segment counts if the given frames see it, too.
        alone = _kind(target).plan(target, replace(basis, grids=(*basis.grids, heard[1].grid)) if heard else basis)
        notes, size = list(alone.notes), heard[1].width if heard else 0
        bags: tuple[Bag, ...] = ()
        if heard is None:
            counted = Counter(each.label for one in alone.roles.fit for each in one.tiers.get(view, ()))
            labels = most_frequent(counted, 1, MOST)
            if not labels or view == target:
                raise LaminaError(
                    f"target {name!r}: no view {view!r} can be given: write another tier that utterances have, "
                    "mel, tap:NAME or encoder:NAME[:TAP]"
                )
            if left := sum(counted.values()) - sum(counted[label] for label in labels):
                notes.append(
                    f"{name}: {left} of {sum(counted.values())} fit segments of {view} have none of the "
                    f"{len(labels)} labels that are given"
                )
            sides = ((alone.fit, alone.roles.fit), (alone.score, alone.roles.score))
            bags = tuple(Bag.of(held, role, view, labels) for held, role in sides)
            size = len(labels) * (1 + THIRDS)
        held = {each.name: getattr(alone, each.name) for each in fields(Labels) if each.name != "name"}
        return cls(**held | {"notes": tuple(notes)}, name=name, heard=heard, bags=bags, size=size)

    def fits(self, tap: object, /) -> bool:
        """All taps but the given one."""
        return self.heard is None or self.heard[0] is not None or self.heard[1] != tap

    def given(self, numbers: Ints, fitting: bool) -> Tensor:
        """(n, size) the given view of these segments, of a tier."""
        return self.bags[0 if fitting or self.roles.folded else 1].of_segments(numbers)


def _kind(target: str) -> type[Labels]:
    return Neighbouring if Neighbouring.means(target) else Labels
