"""How long the costly steps of instruments take on this machine, each timed once, for forecasts."""

from __future__ import annotations

import time
from functools import cache

import torch

from lamina.stats.kmeans import Clusters

ROWS, ROUNDS = 4096, 20  # of k-means: rows that are timed, rounds that it usually takes with its start


@cache
def decomposing(width: int) -> float:
    """Seconds of one eigendecomposition of a covariance of this width."""
    matrix = torch.eye(width, dtype=torch.float64) + 0.1
    begun = time.perf_counter()
    torch.linalg.eigh(matrix)
    return time.perf_counter() - begun


@cache
def assigning(width: int, clusters: int) -> float:
    """Seconds that k-means takes a row: some mini-batches and Lloyd rounds, from one assignment."""
    rows = torch.randn(ROWS, width)
    centres = Clusters(rows[:clusters], 0.0)
    begun = time.perf_counter()
    centres.assign(rows)
    return ROUNDS * (time.perf_counter() - begun) / ROWS
