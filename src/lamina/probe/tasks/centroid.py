"""Nearest centroid: pooled segments named by the nearest mean of a class, nothing is trained."""

from __future__ import annotations

from collections.abc import Sequence

from lamina.corpus.corpus import Corpus
from lamina.grid import Grid
from lamina.probe.config import ProbeConfig
from lamina.probe.free import Reading, Say
from lamina.probe.nearest import Nearest, by_centroids


def ask(corpus: Corpus, config: ProbeConfig, grids: Sequence[Grid], say: Say) -> Nearest:
    """The question, of the config's tier."""
    return Nearest("centroid", by_centroids, corpus, config, grids, say)


TASK = Reading("centroid", "segments by the nearest class mean", "the tier of `--tier`, `phone` by default", ask)
