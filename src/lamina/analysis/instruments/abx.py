"""ABX (Schatz 2016): is X, of the same class as A, nearer to A than to B? Nothing is fitted.

An item's frames are those whose centres it owns on the tap's grid; two items are compared by warping with the
angle between frames. A cell has A and B of one speaker and context; X is another item of A's group (within), or
of a second speaker (across). Errors are averaged over contexts and speakers of X together, then over speakers,
then over pairs of classes, as in ZeroSpeech and fastabx.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from lamina.analysis.instruments.instrument import Draw, Finding, Floats, Sampled
from lamina.analysis.targets.items import AbxCell, Items
from lamina.frames import Ints
from lamina.stats.dtw import angular_distances


class Abx(Sampled):
    """Error rates within and across speakers."""

    families: ClassVar = ("abx",)
    takes: ClassVar = (Items,)
    title: ClassVar = "ABX"
    target: Items

    def values(self, draw: Draw) -> Iterator[Finding]:
        """Both error rates."""
        asked = {"abx-within": self.target.within, "abx-across": self.target.across}
        told = [(name, Triples.of(cells)) for name, cells in asked.items() if cells]
        for setting, frames in self.scaled():
            for name, triples in told:
                errors = triples.errors(angular_distances(frames, self.starts, self.counts, triples.pairs))
                drawn = errors.values(draw(errors.names).double().numpy())
                value = errors.values(np.ones((1, len(errors.names))))
                said = ", ".join(filter(None, (f"{self.target.contexts} context", setting)))
                yield Finding({name: value}, {name: drawn}, triples.n, errors.names, setting=said)


@dataclass(frozen=True)
class AbxErrors:
    """The error rates of cells.

    Attributes:
        sums: (pairs of classes, speakers, speakers of X) sums over cells.
        counts: how many cells these are.
        names: of the speakers, sorted.
    """

    sums: Floats
    counts: Floats
    names: Sequence[str]

    def values(self, weights: Floats) -> Floats:
        """(weightings,) the error where each speaker counts as often as told.

        A cell counts by its speaker of X, then a speaker by its own weight; speakers and pairs of classes of which
        no cell is left are left out.
        """
        within = not self.counts[:, ~np.eye(len(self.names), dtype=bool)].any()
        found = []
        for weight in weights:
            other = np.ones_like(weight) if within else weight
            above, below = self.sums @ other, self.counts @ other  # (pairs, speakers)
            there = (below > 0) * weight
            rates = np.divide(above, below, out=np.zeros_like(above), where=below > 0)
            total = there.sum(1)
            by_pair = (rates * there).sum(1)[total > 0] / total[total > 0]
            found.append(by_pair.mean() if len(by_pair) else np.nan)
        return np.array(found)


@dataclass(frozen=True)
class Triples:
    """The triples of cells, and the pairs of items whose distances they need.

    Attributes:
        cells: what is compared with what.
        pairs: (pairs, 2) numbers of items, each pair once.
        whose: (triples,) place of the cell.
        near, far: (triples,) places of the distances from X to A and to B.
    """

    cells: Sequence[AbxCell]
    pairs: Ints
    whose: Ints
    near: Ints
    far: Ints

    @classmethod
    def of(cls, cells: Sequence[AbxCell]) -> Triples:
        """All triples; X is never A itself."""
        whose, near, far = [], [], []
        for number, cell in enumerate(cells):
            x, a, b = (each.ravel() for each in np.meshgrid(cell.x, cell.a, cell.b, indexing="ij"))
            kept = x != a
            whose.append(np.full(kept.sum(), number))
            near.append(np.stack([a[kept], x[kept]], 1))
            far.append(np.stack([b[kept], x[kept]], 1))
        both = np.sort(np.concatenate([*near, *far]), 1)  # a distance is the same both ways
        pairs, place = np.unique(both, axis=0, return_inverse=True)
        return cls(cells, pairs, np.concatenate(whose), *place.reshape(2, -1))

    @property
    def n(self) -> int:
        """How many there are."""
        return len(self.whose)

    def errors(self, distances: Floats) -> AbxErrors:
        """Of the distances of `pairs`; a tie is half an error. Warped sums of equal frames differ by rounding."""
        gap = distances[self.near] - distances[self.far]
        wrong = np.where(np.abs(gap) < 1e-9, 0.5, gap > 0)
        rates = np.bincount(self.whose, wrong) / np.bincount(self.whose)
        names = sorted({name for cell in self.cells for name in (cell.speaker, cell.other)})
        speaker = {name: place for place, name in enumerate(names)}
        classes = {pair: place for place, pair in enumerate(sorted({cell.pair for cell in self.cells}))}
        where = [(classes[cell.pair], speaker[cell.speaker], speaker[cell.other]) for cell in self.cells]
        sums, counts = (np.zeros((len(classes), len(names), len(names))) for _ in range(2))
        np.add.at(sums, tuple(np.array(where).T), rates)
        np.add.at(counts, tuple(np.array(where).T), 1)
        return AbxErrors(sums, counts, names)
