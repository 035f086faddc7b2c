"""Pooling against exact fractions and slow loops."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.analysis.pooling import Pool, bounds, cells, frame_counts
from lamina.grid import Grid

FRONT = Grid.samples(16000)
for _kernel, _stride in [(10, 5), (3, 2), (3, 2), (3, 2), (3, 2), (2, 2), (2, 2)]:
    FRONT = FRONT.conv(_kernel, _stride)
GRIDS = [
    Grid.samples(16000).conv(400, 160),
    FRONT,
    FRONT.conv(1, 2),
    FRONT.conv(5, 5, padding=2),
    FRONT.conv(1, 3).repeat(2),
    Grid(16000, Fraction(1000, 3), Fraction(-7, 6), Fraction(400), ((3, 0, 1000),)),
]
grids = st.sampled_from(GRIDS)


@settings(max_examples=150, deadline=None)
@given(
    grid=grids,
    spans=st.lists(st.tuples(st.integers(-500, 9000), st.integers(0, 3000)), min_size=1, max_size=8),
    samples=st.integers(0, 9000),
)
def test_bounds_are_the_frames_that_the_grid_says_a_segment_owns(grid, spans, samples):
    onsets = np.array([onset for onset, _ in spans])
    offsets = np.array([onset + length for onset, length in spans])
    frames = frame_counts(grid, np.full(len(spans), samples))
    start, stop = bounds(grid, onsets, offsets, frames)
    for k in range(len(spans)):
        owned = grid.owned(int(onsets[k]), int(offsets[k]), int(frames[k]))
        assert list(range(start[k], stop[k])) == list(owned)


@settings(max_examples=80, deadline=None)
@given(fine=grids, coarse=grids, samples=st.integers(0, 8000))
def test_cells_hold_the_centres_that_lie_in_them(fine, coarse, samples):
    few, many = coarse.frames(samples), fine.frames(samples)
    start, stop = cells(fine, coarse, many, few)
    assert len(start) == few
    for k in range(few):
        low = coarse.centre_of(k) - coarse.stride / 2
        inside = [j for j in range(many) if low <= fine.centre_of(j) < low + coarse.stride]
        assert list(range(start[k], stop[k])) == inside


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 999), single=st.booleans())
def test_means_are_those_of_a_loop(seed, single):
    generator = np.random.default_rng(seed)
    values = torch.from_numpy(generator.standard_normal((3, 20, 4))).float()
    items = np.sort(generator.integers(0, 3, 10))
    start = generator.integers(0, 20, 10)
    stop = start + 1 if single else generator.integers(start + 1, 21)
    found = Pool.of(items, start, stop, 20).mean(values)
    for k in range(10):
        torch.testing.assert_close(found[k], values[items[k], start[k] : stop[k]].mean(0))


def test_no_segment_makes_no_row():
    none = np.zeros(0, dtype=np.int64)
    assert Pool.of(none, none, none, 20).mean(torch.zeros(2, 20, 4)).shape == (0, 4)


@pytest.mark.parametrize("stop", [3, 21])
def test_an_empty_or_overlong_run_is_our_mistake(stop):
    with pytest.raises(AssertionError, match="run of frames"):
        Pool.of(np.array([0]), np.array([3]), np.array([stop]), 20)
