"""CKA of a tap with another view, and how many directions the tap uses; nothing is fitted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

from torch import Tensor

from lamina.analysis.config import AnalysisConfig
from lamina.analysis.instruments.canonical import view_of
from lamina.analysis.instruments.instrument import Draw, Finding, Instrument, SpeakerParts, Values
from lamina.analysis.rows import Rows, Way
from lamina.analysis.targets.labels import Labels
from lamina.analysis.targets.numbers import Numbers
from lamina.analysis.targets.sources import Frames
from lamina.analysis.targets.target import Target
from lamina.analysis.targets.vectors import Vectors
from lamina.encoders.encoder import Tap
from lamina.stats.cka import ClassKernels, Kernels, cka
from lamina.stats.folds import linear_replicates
from lamina.stats.moments import ClassMoments, Moments
from lamina.stats.spectrum import effective_rank, participation_ratio


class CKA(Instrument):
    """CKA and dimensions of the rows that are scored, in `SpeakerParts`."""

    families: ClassVar = ("cka", "rank")
    takes: ClassVar = (Labels, Vectors, Numbers, Frames)
    title: ClassVar = "CKA"
    follows: ClassVar = True

    def __init__(self, tap: Tap, way: Way, target: Target, config: AnalysisConfig) -> None:
        super().__init__(tap, way, target, config)
        self._size, self._labellings, self._classed = view_of(target, tap.width)
        self._kept = SpeakerParts(len(target.roles.groups))
        for number in range(1 if self._classed else self._labellings):
            for bucket in range(self._kept.count):
                self.sums[f"{number}-{bucket}"] = (
                    ClassKernels.empty(tap.width, self._size, self._labellings)
                    if self._classed
                    else Kernels.empty(tap.width, self._size)
                )

    def score(self, x: Tensor, rows: Rows) -> None:
        """Take rows x (n, width) that are scored."""
        for bucket, chosen in rows.split(self._kept.of):
            for key, held in self.sums.items():
                number, _, own = key.partition("-")
                if int(own) != bucket:
                    continue
                if isinstance(held, ClassKernels):
                    self.sums[key] = held + ClassKernels.of(
                        x[chosen], rows.side[: self._labellings, chosen], self._size
                    )
                elif isinstance(held, Kernels):
                    part = slice(int(number) * self._size, (int(number) + 1) * self._size)
                    self.sums[key] = held + Kernels.of(x[chosen], rows.side[chosen, part])

    def values(self, draw: Draw) -> Iterator[Finding]:
        """CKA of every labelling, then dimensions."""
        names = self.target.roles.groups
        drawn, units = self._kept.weights(draw(names)), self._kept.count
        for labelling in range(self._labellings):
            parts = self._parts(0 if self._classed else labelling)
            number = labelling if self._classed else 0
            n = sum(part.n for part in parts)
            again = {} if labelling else cka_values(parts, drawn, number)
            yield Finding(cka_values(parts, None, number), again, n, names, labelling=labelling, units=units)
        moments = [part.moments for part in self._parts(0)]
        found, width = dimension_values(moments), float(self.tap.width)
        again, most = dimension_values(moments, drawn), dict.fromkeys(found, width)
        yield Finding(found, again, n, names, units=units, most=most)

    def _parts(self, number: int) -> list[Kernels | ClassKernels]:
        mine = (held for key, held in self.sums.items() if key.startswith(f"{number}-"))
        return [held for held in mine if isinstance(held, Kernels | ClassKernels)]


def cka_values(
    parts: Sequence[Kernels | ClassKernels], weights: Tensor | None = None, labelling: int = 0
) -> Values:
    """Unbiased linear CKA of all rows; parts (of different speakers) are what weights count, to first order."""
    drawn = None if weights is None else weights.double().numpy()
    return {"cka": linear_replicates(parts, lambda whole: cka(whole, labelling), drawn)}


def dimension_values(parts: Sequence[Moments | ClassMoments], weights: Tensor | None = None) -> Values:
    """How many directions the states use; parts (of different speakers) are what weights count, to first order."""
    drawn = None if weights is None else weights.double().numpy()
    return {
        "effective-rank": linear_replicates(parts, lambda whole: effective_rank(whole.sxx / whole.n), drawn),
        "participation-ratio": linear_replicates(
            parts, lambda whole: participation_ratio(whole.sxx / whole.n), drawn
        ),
    }
