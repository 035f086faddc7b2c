"""Word discrimination: how high do tokens of the same word rank among all tokens?

The mean average precision of pooled tokens by cosine, every token once the query (after Carlin et al. 2011), over
all other tokens and over those of other speakers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import numpy as np
from torch import Tensor

from lamina.analysis.instruments.instrument import Draw, Finding, Sampled
from lamina.analysis.targets.tokens import Tokens
from lamina.stats.dtw import unit
from lamina.stats.inference import resampled_ratios
from lamina.stats.ranking import average_precisions

ROWS = 256  # queries ranked at a time


class Discrimination(Sampled):
    """Same labels rank first; nothing is fitted."""

    families: ClassVar = ("map",)
    takes: ClassVar = (Tokens,)
    title: ClassVar = "word discrimination"
    target: Tokens

    def values(self, draw: Draw) -> Iterator[Finding]:
        """Both precisions, of the queries that have something to find."""
        for setting, rows in self.scaled():
            for name, told in self._precisions(unit(rows)).items():
                if told:
                    values, whose = np.array([value for value, _ in told]), [who for _, who in told]
                    names = sorted(set(whose))
                    drawn = resampled_ratios(values, np.ones_like(values), whose, draw(names).double().numpy())
                    found = {name: values.mean(keepdims=True)}, {name: drawn}
                    yield Finding(*found, len(values), names, setting=setting)

    def _precisions(self, rows: Tensor) -> dict[str, list[tuple[float, str]]]:
        """The average precision of each query, and who says it, of rows (tokens, width) of length one."""
        labels, speakers = self.target.labels, self.target.speakers
        found: dict[str, list[tuple[float, str]]] = {"map": [], "map-across": []}
        for begin in range(0, len(rows), ROWS):
            own = np.arange(begin, min(begin + ROWS, len(rows)))
            alike = (rows[begin : begin + ROWS] @ rows.T).numpy()
            alike[np.arange(len(own)), own] = -np.inf
            same = (labels[own, None] == labels) & np.isfinite(alike)
            other = speakers[own, None] != speakers
            across = np.where(other, alike, -np.inf)
            for name, scores, targets in (("map", alike, same), ("map-across", across, same & other)):
                some = targets.any(1)
                if some.any():
                    values = average_precisions(scores[some], targets[some])
                    found[name] += zip(values.tolist(), speakers[own[some]].tolist(), strict=True)
        return found
