"""How far a frame reaches: the labels spoken before and after it, read in it, as a curve over the lag."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import numpy as np
from torch import Tensor

from lamina.analysis.config import AnalysisConfig
from lamina.analysis.instruments.canonical import Canonical
from lamina.analysis.instruments.instrument import Draw, Finding, Floats, Values
from lamina.analysis.rows import Way
from lamina.analysis.targets.lagged import LAGS, SPAN, Lagged
from lamina.encoders.encoder import Tap
from lamina.errors import LaminaError
from lamina.stats.cca import Projections
from lamina.stats.widths import half_widths

CLEAR = 2  # the peak stands above the nulls' mean by so many of their ranges, or there is no reach
LAG, REACH, ASYMMETRY = "lag-cca", "reach-mean", "reach-asymmetry"
BEFORE, AFTER = "reach-before", "reach-after"


class Reach(Canonical):
    """Held-out mean CCA of frames and the label at every lag, and how wide that curve is.

    All lags are labellings of the same rows: they share the second moments of the states, their decomposition and
    the ridge, which is chosen at no lag.
    """

    families: ClassVar = ("reach", "lag")
    takes: ClassVar = (Lagged,)
    title: ClassVar = "reach"

    def __init__(self, tap: Tap, way: Way, target: Lagged, config: AnalysisConfig) -> None:
        super().__init__(tap, way, target, config)
        self._shares = (1.0,)

    def values(self, draw: Draw) -> Iterator[Finding]:
        """The curve, where it is asked for, and its width.

        Raises:
            LaminaError: the curve does not stand clear of its nulls.
        """
        held = [each for each in self.sums.values() if isinstance(each, Projections)]
        names = self.target.roles.groups
        n, drawn = held[0].n, draw(names)
        order = np.argsort(LAGS)
        value, nulls = self._curves(held, None)
        again, drawn_nulls = self._curves(held, drawn)
        if LAG in self.config.wanted:
            for place in order:
                at = {LAG: value[:, place]}, {LAG: again[:, place]}
                yield Finding(*at, n, names, setting=setting(LAGS[place]))
            for number, null in enumerate(nulls.T, 1):
                yield Finding({LAG: null}, {}, n, names, labelling=number, setting=setting(0))
        lags = np.array(LAGS, dtype=np.float64)[order]
        heights = (value - nulls.mean(1, keepdims=True))[0, order]
        if heights.max() <= CLEAR * np.ptp(nulls):
            raise LaminaError(
                f"its highest value at any lag, {value.max():.3f}, does not stand clear of {nulls.shape[1]} nulls "
                f"({nulls.min():.3f} to {nulls.max():.3f}): what is not there has no width"
            )
        found = told(lags, heights[None])
        resampled = told(lags, (again - drawn_nulls.mean(1, keepdims=True))[:, order])
        for name, side in ((BEFORE, "before"), (AFTER, "after")):
            if found[name][0] == SPAN:
                self.notes.append(f"what is said {SPAN} ms {side} is still half as well known: it reaches further")
        yield Finding(found, resampled, n, names)

    @staticmethod
    def _curves(held: list[Projections], weights: Tensor | None) -> tuple[Floats, Floats]:
        """Mean held-out correlations (weightings, lags), and those of the nulls (weightings, nulls)."""
        every = np.stack([each.correlations(weights).mean(1).numpy() for each in held], axis=1)
        return every[:, : len(LAGS)], every[:, len(LAGS) :]


def setting(lag: int) -> str:
    """How rows name a lag in ms."""
    return f"lag {lag:+d} ms"


def told(lags: Floats, heights: Floats) -> Values:
    """Widths of curves (weightings, lags), in the unit of the lags.

    The mean reach is that of both sides; the asymmetry is their difference by their sum, above 0 where it reaches
    further ahead, and -1 or 1 where one side's half lies beyond the frame's own moment.
    """
    before, after = (np.array(each) for each in zip(*(half_widths(lags, curve) for curve in heights), strict=True))
    whole = before + after
    inside = (before > 0) & (after > 0)
    asymmetry = np.where(inside, (after - before) / np.where(inside, whole, 1), np.sign(after - before))
    return {REACH: whole / 2, BEFORE: before, AFTER: after, ASYMMETRY: asymmetry}
