"""Effective rank, participation ratio and leading directions against closed forms, and their invariances."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.errors import LaminaError
from lamina.stats.spectrum import Spectrum, effective_rank, participation_ratio


def turned(values, seed=0):
    """A covariance with these eigenvalues."""
    turn = np.linalg.qr(np.random.default_rng(seed).standard_normal((len(values), len(values))))[0]
    return torch.from_numpy(turn @ np.diag(np.array(values, dtype=float)) @ turn.T)


def test_equal_variances_count_each_and_one_counts_one():
    assert effective_rank(turned([2, 2, 2, 2])) == pytest.approx(4)
    assert participation_ratio(turned([2, 2, 2, 2])) == pytest.approx(4)
    assert effective_rank(turned([3, 0, 0])) == pytest.approx(1)
    assert participation_ratio(turned([3, 0, 0])) == pytest.approx(1)


@settings(max_examples=40, deadline=None)
@given(
    values=st.lists(st.floats(0.01, 100), min_size=1, max_size=8),
    seed=st.integers(0, 1000),
    scale=st.floats(0.001, 1000),
)
def test_formulas_bounds_and_invariances(values, seed, scale):
    shares = np.array(values) / sum(values)
    rank, ratio = effective_rank(turned(values, seed)), participation_ratio(turned(values, seed))
    assert rank == pytest.approx(np.exp(-(shares * np.log(shares)).sum()), rel=1e-6)
    assert ratio == pytest.approx(1 / (shares**2).sum(), rel=1e-6)
    assert 1 - 1e-9 <= ratio <= rank + 1e-9
    assert rank <= len(values) + 1e-9
    assert effective_rank(scale * turned(values, seed + 1)) == pytest.approx(rank, rel=1e-6)


def test_leading_directions_are_the_fewest_that_hold_the_share():
    spectrum = Spectrum.of(turned([5, 3, 1.5, 0.5]))
    kept = [len(spectrum.leading(share).values) for share in (0.4, 0.49, 0.51, 0.79, 0.81, 0.94, 0.96, 1)]
    assert kept == [1, 1, 2, 2, 3, 3, 4, 4]
    assert spectrum.leading(0.49).values.tolist() == pytest.approx([5])
    for share in (0.0, 1.1, float("nan")):
        with pytest.raises(LaminaError, match="a share of variance"):
            spectrum.leading(share)


def test_bad_covariances_are_told():
    for measure in (effective_rank, participation_ratio):
        with pytest.raises(LaminaError, match="no dimension of a view varies"):
            measure(torch.zeros(3, 3, dtype=torch.float64))
        broken = turned([1, 2, 3])
        broken[1] = broken[:, 1] = torch.nan
        with pytest.raises(LaminaError, match="1 of 3 dimensions of a view hold values that are not finite"):
            measure(broken)
