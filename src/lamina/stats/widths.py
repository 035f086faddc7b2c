"""How wide a curve is."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def half_widths(places: Floats, heights: Floats) -> tuple[float, float]:
    """How far before and after place 0 a curve falls to half of its highest value.

    From its peak outwards, between two places along a straight line. Where the peak lies so far off place 0 that
    the half lies beyond it, that side's width is negative. A curve that does not fall so far ends at its end.

    Args:
        places: (places,) ascending.
        heights: (places,) above what counts as nothing.
    """
    if not np.isfinite(heights).all():  # a resample of speakers without rows
        return np.nan, np.nan
    top = int(np.argmax(heights))
    half = heights[top] / 2

    def crossed(way: range) -> float:
        for inner, outer in pairwise(way):
            if heights[outer] < half:
                share = (heights[inner] - half) / (heights[inner] - heights[outer])
                return float(places[inner] + share * (places[outer] - places[inner]))
        return float(places[way[-1]])

    return -crossed(range(top, -1, -1)), crossed(range(top, len(places)))
