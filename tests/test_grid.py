"""Grid against exact fractions, slow loops and torch's own convolutions."""

from __future__ import annotations

import doctest
from fractions import Fraction
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import lamina.grid
from lamina.grid import Grid

FRONT = [(10, 5), (3, 2), (3, 2), (3, 2), (3, 2), (2, 2), (2, 2)]


def front() -> Grid:
    grid = Grid.samples(16000)
    for kernel, stride in FRONT:
        grid = grid.conv(kernel, stride)
    return grid


convs = st.lists(
    st.tuples(st.integers(1, 7), st.integers(1, 5)).flatmap(
        lambda ks: st.tuples(st.just(ks[0]), st.just(ks[1]), st.integers(0, (ks[0] - 1) // 2))
    ),
    max_size=5,
)
segments = st.lists(st.integers(0, 9000), min_size=2, max_size=12, unique=True).map(sorted)


def build(stages: list[tuple[int, int, int]]) -> Grid:
    grid = Grid.samples(16000)
    for kernel, stride, padding in stages:
        grid = grid.conv(kernel, stride, padding)
    return grid


def test_front_end_of_hubert() -> None:
    grid = front()
    assert (grid.stride, grid.window, grid.centre) == (320, 400, Fraction(399, 2))
    assert grid.period_ms == 20.0
    assert grid.frames(399) == 0
    assert grid.frames(400) == 1
    assert grid.least_samples == 400


@pytest.mark.parametrize("kernel", [1, 3, 7])
def test_downsampling_keeps_every_second_centre(kernel: int) -> None:
    coarse = front().conv(kernel, 2, (kernel - 1) // 2)
    assert [coarse.centre_of(j) for j in range(5)] == [front().centre_of(2 * j) for j in range(5)]
    assert coarse.frames(400 + 320 * 4) == 3  # five fine frames


def test_usual_rule_is_wrong_by_opposite_errors() -> None:
    """(i + 1/2) dt is 2.5 ms early for HuBERT's frames and 7.5 ms late for the middle ones of MR-HuBERT."""
    fine, coarse = front(), front().conv(1, 2)
    assert fine.stride / 2 - fine.centre == Fraction(-79, 2)
    assert coarse.stride / 2 - coarse.centre == Fraction(241, 2)


@given(convs, st.integers(0, 3000))
def test_frames_equal_torch(stages: list[tuple[int, int, int]], samples: int) -> None:
    grid = build(stages)
    count = samples
    for kernel, stride, padding in stages:
        count = max(0, (count + 2 * padding - kernel) // stride + 1)
    assert grid.frames(samples) == count
    if 0 < samples < 300:
        values = torch.zeros(1, 1, samples)
        try:
            for kernel, stride, padding in stages:
                values = torch.nn.functional.conv1d(
                    values, torch.zeros(1, 1, kernel), stride=stride, padding=padding
                )
        except RuntimeError:  # torch refuses what yields no frame
            assert grid.frames(samples) == 0
        else:
            assert grid.frames(samples) == values.shape[-1]


@given(convs)
def test_centre_and_window_by_tracing_receptive_fields(stages: list[tuple[int, int, int]]) -> None:
    """The samples that frame i sees, found backwards stage by stage."""

    def sees(frame: int) -> tuple[int, int]:
        low = high = frame
        for kernel, stride, padding in reversed(stages):
            low, high = low * stride - padding, high * stride - padding + kernel - 1
        return low, high

    grid = build(stages)
    for frame in (0, 1, 7):
        low, high = sees(frame)
        assert grid.centre_of(frame) == Fraction(low + high, 2)
        assert grid.window == high - low + 1


@given(convs, convs)
def test_composition_is_associative(first: list[tuple[int, int, int]], second: list[tuple[int, int, int]]) -> None:
    grid = build(first)
    for stage in second:
        grid = grid.conv(*stage)
    assert grid == build(first + second)


@given(convs, segments, st.integers(0, 60))
def test_abutting_segments_share_no_frame_and_miss_none(
    stages: list[tuple[int, int, int]], edges: list[int], frames: int
) -> None:
    grid = build(stages)
    owned = [grid.owned(a, b, frames) for a, b in pairwise(edges)]
    flat = [frame for each in owned for frame in each]
    assert flat == [i for i in range(frames) if edges[0] <= grid.centre_of(i) < edges[-1]]


def test_ratio_of_two_to_five_keeps_true_length() -> None:
    """20, 40, 100 ms: the last level is made by repeating twice and keeping every fifth frame."""
    forty = front().conv(1, 2)
    hundred = forty.repeat(2).conv(1, 5)
    assert hundred.period_ms == 100.0
    for samples in range(400, 20000, 97):
        assert hundred.frames(samples) == -(-2 * forty.frames(samples) // 5)
    assert hundred.least_samples == 400


@given(st.integers(1, 5), st.integers(400, 9000))
def test_repeats_share_the_span_evenly(times: int, samples: int) -> None:
    coarse, fine = front(), front().repeat(times)
    assert fine.frames(samples) == times * coarse.frames(samples)
    for frame in range(3):
        copies = [fine.centre_of(frame * times + copy) for copy in range(times)]
        assert sum(copies) / times == coarse.centre_of(frame)


@given(convs, st.integers(1, 4))
def test_json_round_trip(stages: list[tuple[int, int, int]], times: int) -> None:
    grid = build(stages).repeat(times)
    assert Grid.from_json(grid.to_json()) == grid


@given(convs)
def test_least_samples_is_least(stages: list[tuple[int, int, int]]) -> None:
    grid = build(stages)
    assert grid.frames(grid.least_samples) >= 1
    assert grid.least_samples == 1 or grid.frames(grid.least_samples - 1) == 0


def test_impossible_stages_are_refused() -> None:
    with pytest.raises(ValueError, match="no convolution"):
        Grid.samples(16000).conv(0)
    with pytest.raises(ValueError, match="repeated"):
        Grid.samples(16000).repeat(0)


def test_examples_in_the_docstring() -> None:
    assert doctest.testmod(lamina.grid).failed == 0
