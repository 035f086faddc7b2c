"""k nearest neighbours: pooled segments named by those of other speakers, nothing is trained."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from lamina.corpus.corpus import Corpus
from lamina.grid import Grid
from lamina.probe.config import ProbeConfig
from lamina.probe.free import Reading, Say
from lamina.probe.nearest import Nearest, by_neighbours


def ask(corpus: Corpus, config: ProbeConfig, grids: Sequence[Grid], say: Say) -> Nearest:
    """The question, of the config's tier."""
    return Nearest("knn", partial(by_neighbours, k=config.neighbours), corpus, config, grids, say)


TASK = Reading("knn", "segments by their nearest neighbours", "the tier of `--tier`, `phone` by default", ask)
