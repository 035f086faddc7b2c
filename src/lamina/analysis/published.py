"""The protocol `pasad` in the pass: its own segments, frames, splits and score, as published curves have them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lamina.analysis.config import AnalysisConfig
from lamina.analysis.gather import PUBLISHED, Rows
from lamina.analysis.linear import Found
from lamina.analysis.pasad import CAPS, MIDDLE, frames, phone, sample, splits, words
from lamina.analysis.sums import Sums, numbered
from lamina.analysis.targets import Segments, Target
from lamina.corpus.corpus import Corpus
from lamina.corpus.splits import Roles
from lamina.errors import LaminaError
from lamina.frames import frame_counts
from lamina.grid import Grid
from lamina.stats.cca import check_size
from lamina.stats.moments import ClassMoments
from lamina.stats.pasad import SPLITS, score

__all__ = ["PUBLISHED", "Published", "published_roles", "published_target"]


def published_roles(corpus: Corpus, grids: Sequence[Grid]) -> Roles:
    """All utterances of the corpus, whoever speaks: this protocol splits rows, not speakers.

    Raises:
        LaminaError: no utterance is long enough.
    """
    least = max(grid.least_samples for grid in grids)
    everyone = tuple(corpus.utterances())
    fit = tuple(utterance for utterance in everyone if utterance.samples >= least)
    if not fit:
        raise LaminaError(f"{corpus.name}: no utterance is as long as {least} samples, one frame of every tap")
    notes = ["protocol pasad: rows of the same speakers are fitted and scored, and there are no intervals"]
    if len(fit) < len(everyone):
        notes.append(f"{len(everyone) - len(fit)} utterances are shorter than one frame of some tap")
    return Roles(fit, (), f"splits-{SPLITS}", {}, ("all",), tuple(notes))


def published_target(name: str, roles: Roles, grids: Sequence[Grid], config: AnalysisConfig) -> Target:
    """The segments of a tier that this protocol draws, each in one of its ten splits.

    Phones are the 39 without stress, at most 200 of each; of any other tier the 500 most frequent labels, at most
    15 of each.

    Raises:
        LaminaError: no utterance has the tier, or fewer than two labels occur.
    """
    held = [(u, segment) for u in roles.fit for segment in u.tiers.get(name, ())]
    if not held:
        raise LaminaError(
            f"protocol pasad measures tiers; no utterance has a tier {name!r}: ask for phone or word"
        )
    found: NDArray[np.str_] = np.array([phone(s.label) if name == "phone" else s.label for _, s in held])
    classes = tuple(sorted(set(found.tolist()) - {""})) if name == "phone" else words(found.tolist())
    onsets, offsets = (np.array([getattr(s, end) for _, s in held]) for end in ("onset", "offset"))
    seen = np.isin(found, classes)
    notes = []
    if not seen.all():
        notes.append(f"{name}: {int((~seen).sum())} of {len(held)} segments are of no class of protocol pasad")
    inside = np.ones_like(seen)
    for grid in dict.fromkeys(grids):
        counts = frame_counts(grid, np.array([u.samples for u, _ in held]))
        start, stop = frames(grid, onsets, offsets, counts, middle=MIDDLE.get(name, "all"))
        inside &= stop > start
    if not inside.all():
        notes.append(f"{name}: {int((~inside).sum())} of {len(held)} segments lie beyond the last frame of a tap")
    usable = np.flatnonzero(seen & inside)
    kept = usable[sample(found[usable], CAPS.get(name, CAPS["word"]), seed=config.seed)]
    if len(set(found[kept].tolist())) < 2:
        raise LaminaError(f"target {name!r}: fewer than two labels occur: use more speech")
    numbers = np.searchsorted(np.array(sorted(classes)), found[kept])
    ids = [held[place][0].id for place in kept]
    order = {utterance.id: place for place, utterance in enumerate(roles.fit)}
    edges = np.searchsorted([order[one] for one in ids], np.arange(len(order) + 1))
    first = {one: (int(edges[place]), int(edges[place + 1])) for one, place in order.items()}
    segments = Segments(
        first,
        onsets[kept],
        offsets[kept],
        numbers[None],
        np.full(len(kept), -1),
        splits(found[kept], seed=config.seed),
    )
    none = Segments({}, onsets[:0], onsets[:0], numbers[None, :0], onsets[:0])
    return Target(name, roles, tuple(sorted(classes)), segments, none, 0, tuple(notes))


class Published:
    """PWCCA of one tap and classes by the published procedure.

    Args:
        width: of the tap.
        classes: how many there are.
        seed: of the three trials.
    """

    def __init__(self, width: int, classes: int, seed: int) -> None:
        self._width, self._classes, self._seed = width, classes, seed
        self._parts = [ClassMoments.empty(width, classes) for _ in range(SPLITS)]
        self._value = float("nan")
        self._n = 0

    def learn(self, x: Tensor, rows: Rows) -> None:
        """Take rows x (n, width), each in a split."""
        for split in torch.unique(rows.keys).tolist():
            chosen = rows.keys == split
            added = ClassMoments.of(x[chosen], rows.side[:, chosen], self._classes)
            self._parts[split] = self._parts[split] + added

    def settle(self) -> str:
        """Fit and test; a warning where rows are few, else an empty text.

        Raises:
            LaminaError: rows are too few, or states are not finite.
        """
        self._n = sum(part.n for part in self._parts)
        note = check_size(self._n * (SPLITS - 2) // SPLITS, self._width, self._classes)
        self._value = score(self._parts, seed=self._seed).value
        self._parts = []
        return note

    def values(self, weights: Tensor) -> Iterator[Found]:
        """Labelling, rows, the value, and no resampled ones."""
        yield 0, self._n, {"cca-pwcca": np.array([self._value])}, {"cca-pwcca": np.full(len(weights), np.nan)}

    @property
    def sums(self) -> dict[str, Sums]:
        """What has accumulated."""
        return dict(numbered("part", self._parts))

    @sums.setter
    def sums(self, found: Mapping[str, Sums]) -> None:
        self._parts = [each for each in found.values() if isinstance(each, ClassMoments)]
