"""Angular Procrustes similarity of two taps: how well one turns into the other (Ding et al. 2021)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from lamina.analysis.config import AnalysisConfig
from lamina.analysis.instruments.instrument import Draw, Finding, Instrument, SpeakerParts
from lamina.analysis.products import moments
from lamina.analysis.rows import Rows, Way
from lamina.analysis.targets.sources import Frames
from lamina.encoders.encoder import Tap
from lamina.stats.cca import check_size
from lamina.stats.folds import linear_replicates
from lamina.stats.moments import Moments


class Procrustes(Instrument):
    """Both views centred; from the moments of the rows that are scored. The best rotation is theirs, too."""

    families: ClassVar = ("procrustes",)
    takes: ClassVar = (Frames,)
    title: ClassVar = "Procrustes similarity"
    follows: ClassVar = True
    target: Frames

    def __init__(self, tap: Tap, way: Way, target: Frames, config: AnalysisConfig) -> None:
        super().__init__(tap, way, target, config)
        self._kept = SpeakerParts(len(target.roles.groups))
        each = range(self._kept.count)
        self.sums = {f"part{number}": Moments.empty(tap.width, target.tap.width) for number in each}

    def score(self, x: Tensor, rows: Rows) -> None:
        """Take rows x (n, width) that are scored."""
        for part, chosen in rows.split(self._kept.of):
            self.sums[f"part{part}"] += moments(x[chosen], rows.side[chosen])

    def values(self, draw: Draw) -> Iterator[Finding]:
        """The similarity."""
        parts = [each.to("cpu") for each in self.sums.values() if isinstance(each, Moments)]
        n, names = sum(each.n for each in parts), self.target.roles.groups
        if note := check_size(n, self.tap.width, self.target.tap.width):
            self.notes.append(note)
        weights = self._kept.weights(draw(names)).numpy()
        value, resampled = (linear_replicates(parts, similarity, each) for each in (None, weights))
        yield Finding({"procrustes": value}, {"procrustes": resampled}, n, names, units=len(parts))


def similarity(both: Moments) -> float:
    """1 less the angle between the views after the best rotation, in right angles.

    The cosine of that angle is ``|Sxy|_* / sqrt(tr Sxx tr Syy)``; 1 less it is half of Ding's distance of views of
    norm one.
    """
    nuclear = torch.linalg.svdvals(both.sxy).sum()
    cosine = nuclear / (both.sxx.trace() * both.syy.trace()).sqrt()
    return float(1 - torch.arccos(cosine.clamp(max=1.0)) * 2 / np.pi)
