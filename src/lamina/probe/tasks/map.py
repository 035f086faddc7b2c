"""Word discrimination: how high do tokens of the same word rank among all tokens? Nothing is trained.

The mean average precision of pooled tokens by cosine, every token once the query (after Carlin et al. 2011):
``map`` over all other tokens, ``map-across`` over those of other speakers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from lamina.corpus.corpus import Corpus, Segment
from lamina.corpus.splits import roles
from lamina.errors import LaminaError
from lamina.grid import Grid
from lamina.probe.config import ProbeConfig
from lamina.probe.dtw import unit
from lamina.probe.free import Answer, Column, Question, Reading, Say
from lamina.probe.metrics import average_precisions
from lamina.probe.tally import Ratio

TOKENS = 10  # of one word, at most
ROWS = 256  # queries ranked at a time


class Words(Question):
    """At most `TOKENS` tokens of each word of the scored part, ``most_items`` in all, drawn by ``seed``."""

    rows: ClassVar[str] = "segments"
    how = "pooled words, cosine"

    def __init__(self, corpus: Corpus, config: ProbeConfig, grids: Sequence[Grid], say: Say) -> None:
        _, scored, self.split = roles(corpus, seed=config.seed)
        tokens: dict[str, list[tuple[int, Segment]]] = {}
        for place, one in enumerate(scored):
            for segment in one.tiers.get("word", ()):
                frames = (
                    len(grid.owned(segment.onset, segment.offset, grid.frames(one.samples))) for grid in grids
                )
                if all(frames):
                    tokens.setdefault(segment.label, []).append((place, segment))
        random = np.random.default_rng([config.seed, 12])
        kept: list[tuple[int, Segment]] = []
        repeated = sorted(word for word, own in tokens.items() if len(own) > 1)
        for number in random.permutation(len(repeated)):
            own = tokens[repeated[number]]
            some = random.permutation(len(own))[: min(TOKENS, config.most_items - len(kept))]
            if len(some) > 1:
                kept += [own[place] for place in some]
        if len({segment.label for _, segment in kept}) < 2:
            raise LaminaError(
                f"map: the scored part of {corpus.name} ({self.split}) needs two words or more that are said "
                "twice, on a tier `word`: give more audio, or a corpus with words"
            )
        kept.sort(key=lambda token: (token[0], token[1].onset))
        say(f"map: {len(kept)} tokens of {len({token.label for _, token in kept})} words, of {len(tokens)} words")
        self.segments: dict[str, list[Segment]] = {}
        for place, segment in kept:
            self.segments.setdefault(scored[place].id, []).append(segment)
        self.utterances = [scored[place] for place in dict.fromkeys(place for place, _ in kept)]
        self._words = np.unique([segment.label for _, segment in kept], return_inverse=True)[1]
        self._speakers = np.array([scored[place].speaker for place, _ in kept])

    def answers(self, column: Column) -> Mapping[str, Answer]:
        """Both precisions, of the queries that have something to find."""
        rows = unit(column.stacked()[0])
        found: dict[str, list[tuple[float, str]]] = {"map": [], "map-across": []}
        for begin in range(0, len(rows), ROWS):
            own = np.arange(begin, min(begin + ROWS, len(rows)))
            alike = (rows[begin : begin + ROWS] @ rows.T).numpy()
            alike[np.arange(len(own)), own] = -np.inf
            same = (self._words[own, None] == self._words) & np.isfinite(alike)
            other = self._speakers[own, None] != self._speakers
            across = np.where(other, alike, -np.inf)
            for name, scores, targets in (("map", alike, same), ("map-across", across, same & other)):
                some = targets.any(1)
                if some.any():
                    values = average_precisions(scores[some], targets[some])
                    found[name] += zip(values.tolist(), self._speakers[own[some]].tolist(), strict=True)
        return {
            name: Answer(Ratio(np.array([value for value, _ in own]), np.ones(len(own))), [who for _, who in own])
            for name, own in found.items()
            if own
        }


TASK = Reading("map", "word discrimination: same words rank first", "a tier `word`", Words)
