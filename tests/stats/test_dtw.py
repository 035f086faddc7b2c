"""Warping in batches against loops that walk one matrix at a time."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from lamina.stats import dtw

Floats = NDArray[np.float64]


def slow_warped(costs: Floats) -> float:
    total = np.full((costs.shape[0] + 1, costs.shape[1] + 1), np.inf)
    total[0, 0] = 0
    for i, j in np.ndindex(costs.shape):
        total[i + 1, j + 1] = costs[i, j] + min(total[i, j], total[i, j + 1], total[i + 1, j])
    i, j = costs.shape
    length = 1
    while (i, j) != (1, 1):
        both, up, left = total[i - 1, j - 1], total[i - 1, j], total[i, j - 1]
        if both <= left and both <= up:
            i, j = i - 1, j - 1
        elif left <= up:
            j -= 1
        else:
            i -= 1
        length += 1
    return float(total[-1, -1]) / length


def slow_found(costs: Floats) -> float:
    total = costs[0].tolist()
    for row in costs[1:]:
        total = [row[j] + min(total[max(0, j - 2) : j + 1]) for j in range(len(row))]
    return min(total) / len(costs)


@given(
    st.lists(st.tuples(st.integers(1, 7), st.integers(1, 7)), min_size=1, max_size=8),
    st.booleans(),
    st.integers(0),
)
@settings(max_examples=100, deadline=None)
def test_many_matrices_at_once(shapes: list[tuple[int, int]], ties: bool, seed: int) -> None:
    random = np.random.default_rng(seed)
    sizes = np.array(shapes)
    costs = random.random((len(sizes), *sizes.max(0)))
    if ties:
        costs = costs.round(0)
    rows, columns = sizes.T
    wanted = [slow_warped(each[:n, :m]) for each, n, m in zip(costs, rows, columns, strict=True)]
    assert dtw.warped(costs, rows, columns) == pytest.approx(wanted)
    wanted = [slow_found(each[:, :m]) for each, m in zip(costs, columns, strict=True)]
    assert dtw.found_anywhere(costs, columns) == pytest.approx(wanted)


def test_distances_of_items_of_many_lengths(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    counts = random.integers(1, 9, 30)
    starts = np.cumsum([0, *counts[:-1]])
    frames = torch.from_numpy(random.normal(size=(counts.sum(), 5)))
    pairs = random.integers(0, 30, (200, 2))

    def slow(one: int, other: int) -> float:
        sides = [frames[starts[item] : starts[item] + counts[item]].numpy() for item in (one, other)]
        left, right = (side / np.linalg.norm(side, axis=1, keepdims=True) for side in sides)
        return slow_warped(np.arccos(np.clip(left @ right.T, -1, 1)) / np.pi)

    wanted = [slow(*pair) for pair in pairs]
    assert dtw.angular_distances(frames, starts, counts, pairs) == pytest.approx(wanted, abs=1e-7)
    monkeypatch.setattr(dtw, "CELLS", 700)  # a few pairs at a time
    assert dtw.angular_distances(frames, starts, counts, pairs) == pytest.approx(wanted, abs=1e-7)


def test_costs_of_a_query_know_no_padding() -> None:
    generator = torch.Generator().manual_seed(0)
    query, *documents = (dtw.unit(torch.randn(n, 4, generator=generator)) for n in (5, 7, 12, 3))
    costs, counts = dtw.query_costs(query, documents)
    assert counts.tolist() == [7, 12, 3]
    for found, document in zip(costs, documents, strict=True):
        wanted = np.exp(1 - (query @ document.T).numpy()) - 1
        wanted = (wanted - wanted.min(1, keepdims=True)) / np.ptp(wanted, axis=1, keepdims=True)
        assert found[:, : len(document)] == pytest.approx(wanted)


def test_a_query_is_found_where_it_is() -> None:
    random = np.random.default_rng(0)
    query = dtw.unit(torch.from_numpy(random.normal(size=(10, 8))))
    noise = [dtw.unit(torch.from_numpy(random.normal(size=(40, 8)))) for _ in range(3)]
    slower = torch.cat([noise[1][:20], query.repeat_interleave(2, 0), noise[1][20:]])
    faster = torch.cat([noise[2][:10], query[::2], noise[2][10:]])
    found = dtw.found_anywhere(*dtw.query_costs(query, [noise[0], slower, faster]))
    assert found[1] == pytest.approx(0, abs=1e-6)  # twice as slow costs nothing: a step may skip a frame
    assert found[1] < found[2] < found[0]
