"""CCA after principal components: where a tap is too wide for as few rows as there are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

import torch
from torch import Tensor

from lamina.analysis.config import AnalysisConfig
from lamina.analysis.instruments.canonical import Canonical
from lamina.analysis.instruments.instrument import Draw, Finding
from lamina.analysis.rows import Rows, Way
from lamina.analysis.targets.labels import Labels
from lamina.analysis.targets.sources import Frames
from lamina.encoders.encoder import Tap
from lamina.errors import LaminaError
from lamina.stats.cca import WARN_BELOW, Projections, check_size
from lamina.stats.components import PrincipalAxes
from lamina.stats.folds import Part, merged
from lamina.stats.moments import ClassMoments, Moments


class Principal(Canonical):
    """Held-out mean CCA of the states' leading principal components: one for every ten rows that are fitted on.

    Components are chosen on the fit speakers, of folds on those that score a fold, without labels. Taps of the
    same rows have as many, so they compare.
    """

    families: ClassVar = ("cca-pca",)
    title: ClassVar = "CCA of principal components"

    def __init__(self, tap: Tap, way: Way, target: Labels | Frames, config: AnalysisConfig) -> None:
        super().__init__(tap, way, target, config)
        self._shares = (1.0,)
        self._components: PrincipalAxes | None = None

    def settle(self) -> None:
        """Choose the components, then all that CCA chooses, in them.

        Raises:
            LaminaError: rows are too few for two components, or for the classes.
        """
        parts: list[Part] = [each for each in self.sums.values() if isinstance(each, Moments | ClassMoments)]
        self.sums = {}
        whole, ridges = merged(parts), self.config.ridges
        rows = whole.n - max(part.n for part in parts) if self.folded else whole.n
        count = min(self.tap.width, rows // WARN_BELOW)
        if count < 2:
            raise LaminaError(
                f"{rows} rows are too few for two principal components (at least {2 * WARN_BELOW}): use "
                "more speech"
            )
        if note := check_size(rows, count, self._size):
            self.notes.append(note)
        if self.folded:
            scored = self._fold_by_fold(parts, count)
        else:
            self._components = PrincipalAxes.of(whole, count)
            self._told(self._components, count)
            turned = [_turned(self._components, part) for part in parts]
            scored = self._apart(turned, merged(turned), ridges)
        self.sums |= {f"projections{place}": each for place, each in enumerate(scored)}

    def _fold_by_fold(self, parts: Sequence[Part], count: int) -> Iterator[Projections]:
        """Every fold in the components of the others."""
        ridges = self.config.ridges
        full = [place for place, part in enumerate(parts) if part.n]
        if len(full) < 3 and len(ridges) > 1:
            ridges = (max(ridges),)  # nobody is left to choose it on
        found: list[dict[int, Projections]] = [{} for _ in range(self._labellings)]
        for fold in full:
            components = PrincipalAxes.of(merged(parts, without=(fold,)), count)
            if fold == full[0]:
                self._told(components, count)
            turned = [_turned(components, part) for part in parts]
            for labelling, held in enumerate(self._cross_validated(turned, ridges)):
                found[labelling][fold] = held
        return (_joined(each, len(parts)) for each in found)

    def _told(self, components: PrincipalAxes, count: int) -> None:
        if count < self.tap.width:
            self.notes.append(
                f"{self.title}: the leading {components.directions.shape[1]} of {self.tap.width}, one for every "
                f"{WARN_BELOW} rows that are fitted on"
            )

    def score(self, x: Tensor, rows: Rows) -> None:
        """Project score rows, each of a group."""
        if self._components is not None:
            super().score(self._components.rows(x), rows)

    def values(self, draw: Draw) -> Iterator[Finding]:
        """The mean correlation of every labelling."""
        names = self.target.roles.groups
        for labelling, held in enumerate(self.sums.values()):
            if isinstance(held, Projections):
                value, again = (
                    {"cca-pca": held.correlations(each).mean(1).numpy()} for each in (None, draw(names))
                )
                yield Finding(value, {} if labelling else again, held.n, names, labelling=labelling)


def _turned(components: PrincipalAxes, part: Part) -> Part:
    return components.classes(part) if isinstance(part, ClassMoments) else components.pairs(part)


def _joined(by_fold: dict[int, Projections], number: int) -> Projections:
    """Each fold as it was scored in its own components; the same ranks of all."""
    k = min(each.sums.shape[2] for each in by_fold.values())
    sums, counts = torch.zeros(number, 5, k, dtype=torch.float64), torch.zeros(number, dtype=torch.int64)
    for fold, each in by_fold.items():
        sums[fold], counts[fold] = each.sums[fold, :, :k], each.counts[fold]
    even = torch.full((k,), 1 / k, dtype=torch.float64)
    return Projections(counts, sums, even, even)
