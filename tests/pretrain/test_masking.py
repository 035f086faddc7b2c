from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from math import floor

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pretrain_help import tiny

from lamina.errors import LaminaError
from lamina.grid import Grid
from lamina.pretrain.masking import budget_mask, nearest_frames, span_mask
from lamina.pretrain.weights import build

FRONT = Grid.samples(16000)
for kernel, stride in [(10, 5), (3, 2), (3, 2), (3, 2), (3, 2), (2, 2), (2, 2)]:
    FRONT = FRONT.conv(kernel, stride)
MFCC = Grid.samples(16000).conv(400, 160)


def runs(row: np.ndarray) -> list[int]:
    """Lengths of the masked stretches."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], row.astype(int), [0]])))
    return list(edges[1::2] - edges[::2])


def test_spans_are_of_the_asked_length_and_share() -> None:
    rng = np.random.default_rng(0)
    alone = [span_mask(1, 499, probability=0.8, length=10, generator=rng)[0] for _ in range(200)]
    assert min(length for row in alone for length in runs(row)) == 10
    # 40 spans over 489 starts: a frame stays free with probability about (1 - 10 / 489) ** 40
    assert abs(np.mean(alone) - (1 - (1 - 10 / 489) ** 40)) < 0.015
    batches = [span_mask(8, 499, probability=0.8, length=10, generator=rng) for _ in range(50)]
    assert all(len(set(mask.sum(1))) == 1 for mask in batches)
    assert 0.51 < np.mean(batches) < 0.54


def test_there_are_at_least_two_spans() -> None:
    mask = span_mask(50, 30, probability=0.0, length=3, generator=np.random.default_rng(1))
    assert {int(row.sum()) for row in mask} <= {4, 5, 6}
    with pytest.raises(LaminaError, match="too short for masks"):
        span_mask(1, 12, probability=0.8, length=10, generator=np.random.default_rng(1))


@given(st.integers(1, 80), st.floats(0, 1), st.integers(1, 12), st.integers(0, 99))
def test_a_budget_is_kept_exactly(frames: int, share: float, length: int, seed: int) -> None:
    mask = budget_mask(3, frames, share=share, length=length, generator=np.random.default_rng(seed))
    assert (mask.sum(1) == round(share * frames)).all()


def test_a_budget_masks_all_frames_alike() -> None:
    mask = budget_mask(4000, 20, share=0.4, length=5, generator=np.random.default_rng(0))
    assert np.abs(mask.mean(0) - 0.4).max() < 0.06


def test_a_mask_is_a_function_of_its_generator() -> None:
    make = [span_mask(4, 99, probability=0.8, length=10, generator=np.random.default_rng([3, 1])) for _ in "ab"]
    assert (make[0] == make[1]).all()


grids = st.builds(
    lambda kernel, stride, more, up: Grid.samples(16000).conv(kernel, stride).conv(1, more).repeat(up),
    st.integers(1, 500),
    st.integers(1, 400),
    st.integers(1, 4),
    st.integers(1, 3),
)


@given(grids, grids, st.integers(0, 5000), st.integers(1, 30))
def test_nearest_frames_are_nearest(source: Grid, places: Grid, start: int, count: int) -> None:
    for place, found in enumerate(nearest_frames(source, places, count, start)):
        position = (start + places.centre_of(place) - source.centre) / source.stride
        below = floor(position)
        assert found == (below if position - below <= Fraction(1, 2) else below + 1)


def test_units_of_mfcc_are_taken_every_second_one_exactly() -> None:
    assert list(nearest_frames(MFCC, FRONT, 5)) == [0, 2, 4, 6, 8]
    assert list(nearest_frames(MFCC, FRONT.conv(1, 2), 3, start=480)) == [3, 7, 11]


@pytest.mark.parametrize("ratios", [[1, 2], [1, 1], [1, 2, 1, 2], [1, 2, 2, 5]])
def test_the_model_carries_masks_by_frame_centres(ratios: list[int]) -> None:
    model = build(tiny(model={"label_rate_ratios": ratios, "block_layers": [1] * (len(ratios) + 1)}).model, 5, 0)
    mask = np.random.default_rng(0).random((3, 99)) < 0.5
    levels = model.config.levels
    masks = [level.numpy() for level in model.level_masks(torch.from_numpy(mask))]
    assert (masks[0] == mask).all()
    for (fine, finer), (coarse, coarser) in pairwise(zip(masks, levels, strict=True)):
        assert (coarse == fine[:, nearest_frames(finer, coarser, coarse.shape[1])]).all()
