"""Error rates against hand-made cases, the usual table, and other libraries."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.probe import metrics


def slow_distance(one: list[int], other: list[int]) -> int:
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        before, row[0] = row[0], i
        for j, b in enumerate(other, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (a != b))
    return row[-1]


@given(st.lists(st.integers(0, 3), max_size=80), st.lists(st.integers(0, 3), max_size=80))
@settings(max_examples=200, deadline=None)
def test_edit_distance_is_the_tables(one: list[int], other: list[int]) -> None:
    assert metrics.edit_distance(one, other) == slow_distance(one, other)


def test_equal_error_rate_of_hand_made_scores() -> None:
    targets = np.array([True, True, False, False])
    assert metrics.equal_error_rate(np.array([4.0, 3, 2, 1]), targets) == 0
    assert metrics.equal_error_rate(np.array([1.0, 2, 3, 4]), targets) == 1
    assert metrics.equal_error_rate(np.array([4.0, 2, 3, 1]), targets) == 0.5
    assert metrics.equal_error_rate(np.ones(4), targets) == 0.5


@pytest.mark.parametrize("seed", range(5))
def test_equal_error_rate_is_that_of_scikit_learns_curve(seed: int) -> None:
    from scipy.interpolate import interp1d
    from scipy.optimize import brentq
    from sklearn.metrics import roc_curve

    random = np.random.default_rng(seed)
    targets = random.random(300) < 0.4
    scores = np.round(random.normal(size=300) + targets, 1)  # many ties
    false, true, _ = roc_curve(targets, scores, drop_intermediate=False)
    wanted = brentq(lambda x: 1 - x - interp1d(false, true)(x), 0, 1)
    counts = random.integers(1, 4, 300)
    assert metrics.equal_error_rate(scores, targets) == pytest.approx(wanted, abs=1e-9)
    repeated = metrics.equal_error_rate(np.repeat(scores, counts), np.repeat(targets, counts))
    assert metrics.equal_error_rate(scores, targets, counts.astype(float)) == pytest.approx(repeated, abs=1e-9)


def test_diarization_error_by_hand() -> None:
    reference = {"a": [(0.0, 10.0)], "b": [(8.0, 14.0)]}
    assert metrics.diarization_errors(reference, {"x": [(8, 14)], "y": [(0, 10)]}) == (0, 16)
    # 2 s of a missed, 1 s of false alarm behind b.
    assert metrics.diarization_errors(reference, {"x": [(8, 15)], "y": [(2, 10)]}) == (3, 16)
    assert metrics.diarization_errors(reference, {}) == (16, 16)
    # One speaker for all: a is found, b is missed where both speak and confused where alone.
    assert metrics.diarization_errors(reference, {"x": [(0, 14)]}) == (6, 16)
    # A collar of one forgives what is near the edges 0, 8, 10 and 14: scored are 1-7 and 11-13.
    assert metrics.diarization_errors(reference, {"x": [(8, 15)], "y": [(2, 10)]}, collar=1) == (1, 8)


def test_slots_by_hand() -> None:
    reference = "PLAY B-song HEY JUDE E-song BY B-artist THE BEATLES E-artist"
    assert metrics.slots(reference) == {"song": ["HEY JUDE"], "artist": ["THE BEATLES"]}
    told = "PLAY B-song HEY JUD E-song BY B-year THE E-year"
    assert metrics.slot_type_f1(reference, told) == 0.5
    assert metrics.slot_value_errors(reference, told) == (1 + len("THE BEATLES"), len("HEY JUDE" + "THE BEATLES"))
    assert metrics.slot_type_f1("A", "B") == 1
    assert metrics.slot_type_f1(reference, "A") == 0
