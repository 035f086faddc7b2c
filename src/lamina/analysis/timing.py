"""How long the costly steps of instruments take on this machine, each timed once, for forecasts."""

from __future__ import annotations

import time
from functools import cache

import torch

from lamina.device import wait
from lamina.stats.kmeans import Clusters

SIZE, REPEATS = 2048, 4  # of products that are timed on a GPU
ROWS, ROUNDS = 4096, 20  # of k-means: rows that are timed, rounds that it usually takes with its start


@cache
def doubles_are_quick(device: torch.device) -> bool:
    """Whether products in float64 take at most three times as long as in float32: on GPUs of data centres.

    Those of consumers take 32 to 64 times as long; nothing is near the bound.
    """
    taken = []
    for kind in (torch.float32, torch.float64):
        matrix = torch.ones(SIZE, SIZE, dtype=kind, device=device)
        for _ in range(2):  # the first warms up
            wait(device)
            begun = time.perf_counter()
            for _ in range(REPEATS):
                matrix @ matrix
            wait(device)
        taken.append(time.perf_counter() - begun)
    return taken[1] <= 3 * taken[0]


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
