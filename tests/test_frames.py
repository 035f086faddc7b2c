"""Pooling against exact fractions and slow loops."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.frames import Pool, bounds, cells, decimated_bounds, frame_counts, narrowed, nearest
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


def slowly(pooling, grid, onset, offset, owned):
    """Which of the owned frames are averaged, by exact fractions and lists."""
    frames = list(owned)
    if pooling == "all":
        return frames
    if pooling == "middle":
        left_out = len(frames) // 3
        return frames[left_out : len(frames) - left_out]
    if pooling == "centre":
        middle = Fraction(onset + offset, 2)
        return [min(frames, key=lambda frame: (abs(grid.centre_of(frame) - middle), frame))]
    quarter = int(pooling[-1]) - 1
    first, stop = len(frames) * quarter // 4, len(frames) * (quarter + 1) // 4
    return frames[first : max(stop, first + 1)]


POOLINGS = ["all", "middle", "centre", "quarter1", "quarter2", "quarter3", "quarter4"]


@pytest.mark.parametrize("pooling", POOLINGS)
@settings(max_examples=60, deadline=None)
@given(
    grid=grids,
    spans=st.lists(st.tuples(st.integers(-500, 9000), st.integers(1, 6000)), min_size=1, max_size=8),
    samples=st.integers(3000, 20000),
)
def test_poolings_are_what_the_slow_twin_says(pooling, grid, spans, samples):
    onsets = np.array([onset for onset, _ in spans])
    offsets = np.array([onset + length for onset, length in spans])
    frames = frame_counts(grid, np.full(len(spans), samples))
    start, stop = bounds(grid, onsets, offsets, frames)
    seen = stop > start
    found = narrowed(pooling, grid, onsets[seen], offsets[seen], start[seen], stop[seen])
    for k, (first, beyond) in zip(np.flatnonzero(seen), np.stack(found, 1), strict=True):
        owned = grid.owned(int(onsets[k]), int(offsets[k]), int(frames[k]))
        assert list(range(first, beyond)) == slowly(pooling, grid, int(onsets[k]), int(offsets[k]), owned)


@settings(max_examples=60, deadline=None)
@given(fine=grids, coarse=grids, samples=st.integers(4000, 8000))
def test_decimation_takes_the_frames_whose_centres_are_nearest(fine, coarse, samples):
    few, many = coarse.frames(samples), fine.frames(samples)
    found = nearest(fine, coarse, many, few)
    for k in range(few):
        wanted = min(range(many), key=lambda j: (abs(fine.centre_of(j) - coarse.centre_of(k)), j))
        assert found[k] == wanted


@settings(max_examples=80, deadline=None)
@given(
    fine=grids,
    coarse=grids,
    spans=st.lists(st.tuples(st.integers(-500, 9000), st.integers(1, 3000)), min_size=1, max_size=8),
    samples=st.integers(4000, 9000),
)
def test_decimated_frames_are_owned_where_they_lie(fine, coarse, spans, samples):
    if coarse.stride < fine.stride:
        fine, coarse = coarse, fine
    onsets = np.array([onset for onset, _ in spans])
    offsets = np.array([onset + length for onset, length in spans])
    many, few = fine.frames(samples), coarse.frames(samples)
    start, stop = decimated_bounds(
        fine, coarse, onsets, offsets, np.full(len(spans), many), np.full(len(spans), few)
    )
    places = nearest(fine, coarse, many, few)
    for k, (onset, length) in enumerate(spans):
        wanted = [j for j in range(few) if onset <= fine.centre_of(int(places[j])) < onset + length]
        assert list(range(start[k], stop[k])) == wanted


def test_a_level_of_every_second_frame_is_decimated_to_itself():
    coarse = FRONT.conv(1, 2)
    assert list(nearest(FRONT, coarse, 49, 25)) == list(range(0, 49, 2))


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
