"""The protocol `pasad` in the pass: its own segments, frames, splits and score, as published curves have them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lamina.analysis.config import AnalysisConfig
from lamina.analysis.instruments.instrument import Draw, Finding, Instrument
from lamina.analysis.protocol import Rules
from lamina.analysis.published.pasad import FAMILY, MEASURE
from lamina.analysis.published.pasad.drawing import CAPS, MIDDLE, frames, phone, sample, splits, words
from lamina.analysis.published.pasad.score import SPLITS, score
from lamina.analysis.rows import Rows, Way
from lamina.analysis.targets.segments import Segmented, Segments
from lamina.analysis.targets.target import Basis
from lamina.corpus.corpus import Corpus
from lamina.corpus.splits import Roles
from lamina.encoders.encoder import Tap
from lamina.errors import LaminaError
from lamina.frames import Ints, frame_counts
from lamina.grid import Grid
from lamina.stats.cca import check_size
from lamina.stats.moments import ClassMoments


def roles(corpus: Corpus, least: int, _config: AnalysisConfig) -> Roles:
    """All utterances of the corpus, whoever speaks: this protocol splits rows, not speakers.

    Raises:
        LaminaError: no utterance is long enough.
    """
    everyone = tuple(corpus.utterances())
    fit = tuple(utterance for utterance in everyone if utterance.samples >= least)
    if not fit:
        raise LaminaError(f"{corpus.name}: no utterance is as long as {least} samples, one frame of every tap")
    notes = ["protocol pasad: rows of the same speakers are fitted and scored, and there are no intervals"]
    if len(fit) < len(everyone):
        notes.append(f"{len(everyone) - len(fit)} utterances are shorter than one frame of some tap")
    return Roles(fit, (), f"splits-{SPLITS}", {}, ("all",), tuple(notes))


@dataclass(frozen=True, eq=False, kw_only=True)
class DrawnTier(Segmented):
    """The segments of a tier that this protocol draws, each in one of its ten splits.

    Phones are the 39 without stress, at most 200 of each; of any other tier the 500 most frequent labels, at most
    15 of each.

    Attributes:
        classes: the labels.
        labels: (segments,) class numbers.
        splits: (segments,) the split of each.
    """

    tiers: ClassVar[bool] = True
    support: ClassVar[str] = "published"

    classes: tuple[str, ...]
    labels: Ints
    splits: Ints

    @classmethod
    def plan(cls, name: str, basis: Basis) -> Self:
        """Draw them.

        Raises:
            LaminaError: no utterance has the tier, or fewer than two labels occur.
        """
        held = [(u, segment) for u in basis.roles.fit for segment in u.tiers.get(name, ())]
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
        for grid in basis.grids:
            counts = frame_counts(grid, np.array([u.samples for u, _ in held]))
            start, stop = frames(grid, onsets, offsets, counts, middle=MIDDLE.get(name, "all"))
            inside &= stop > start
        if not inside.all():
            notes.append(
                f"{name}: {int((~inside).sum())} of {len(held)} segments lie beyond the last frame of a tap"
            )
        usable = np.flatnonzero(seen & inside)
        seed = basis.config.seed
        kept = usable[sample(found[usable], CAPS.get(name, CAPS["word"]), seed=seed)]
        if len(set(found[kept].tolist())) < 2:
            raise LaminaError(f"target {name!r}: fewer than two labels occur: use more speech")
        return cls(
            name=name,
            roles=basis.roles,
            poolings=("",),
            notes=tuple(notes),
            fit=Segments.of([(held[place][0], int(onsets[place]), int(offsets[place])) for place in kept]),
            score=Segments.none(),
            classes=tuple(sorted(classes)),
            labels=np.searchsorted(np.array(sorted(classes)), found[kept]),
            splits=splits(found[kept], seed=seed),
        )

    def side(self, numbers: Ints, _fitting: bool, /) -> Tensor:
        """(1, n) their class numbers."""
        return torch.from_numpy(self.labels[None, numbers])

    def keys(self, numbers: Ints, /) -> Ints:
        """(n,) their splits."""
        return self.splits[numbers]

    def owned(
        self, _pooling: str, grid: Grid, _matched: Grid | None, onsets: Ints, offsets: Ints, samples: Ints, /
    ) -> tuple[Ints, Ints]:
        """Frames by index, phones only in their middle third."""
        return frames(grid, onsets, offsets, frame_counts(grid, samples), middle=MIDDLE.get(self.name, "all"))


class PublishedCCA(Instrument):
    """PWCCA of one tap and classes by the published procedure."""

    families: ClassVar = (FAMILY,)
    takes: ClassVar = (DrawnTier,)
    title: ClassVar = "CCA"
    target: DrawnTier

    def __init__(self, tap: Tap, way: Way, target: DrawnTier, config: AnalysisConfig) -> None:
        super().__init__(tap, way, target, config)
        self.sums = {f"part{part}": ClassMoments.empty(tap.width, len(target.classes)) for part in range(SPLITS)}

    def learn(self, x: Tensor, rows: Rows) -> None:
        """Take rows x (n, width), each in a split."""
        for split in torch.unique(rows.keys).tolist():
            chosen = rows.keys == split
            added = ClassMoments.of(x[chosen], rows.side[:, chosen], len(self.target.classes))
            self.sums[f"part{split}"] += added

    def values(self, draw: Draw) -> Iterator[Finding]:
        """The value, and no resampled ones."""
        parts = [each for each in self.sums.values() if isinstance(each, ClassMoments)]
        n, names = sum(part.n for part in parts), self.target.roles.groups
        if note := check_size(n * (SPLITS - 2) // SPLITS, self.tap.width, len(self.target.classes)):
            self.notes.append(note)
        value = np.array([score(parts, seed=self.config.seed).value])
        yield Finding({MEASURE: value}, {MEASURE: np.full(len(draw(names)), np.nan)}, n, names)


RULES = Rules(roles, (DrawnTier,), (PublishedCCA,))
