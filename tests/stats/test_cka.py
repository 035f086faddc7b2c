"""Unbiased linear CKA against kernel matrices, Gaussian closed form, and its invariances."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.errors import LaminaError
from lamina.stats.archive import pack, unpack
from lamina.stats.cka import ClassKernels, Kernels, cka


def hsic(k, other):
    """HSIC_1 of kernel matrices (Song et al. 2012, eq. 5), as written there."""
    n = len(k)
    k, other = k - np.diag(np.diag(k)), other - np.diag(np.diag(other))
    one = np.ones(n)
    middle = (one @ k @ one) * (one @ other @ one) / ((n - 1) * (n - 2))
    return (np.trace(k @ other) + middle - 2 / (n - 2) * one @ k @ other @ one) / (n * (n - 3))


def twin(x, y):
    k, other = x @ x.T, y @ y.T
    return hsic(k, other) / np.sqrt(hsic(k, k) * hsic(other, other))


def draw(seed, n=60, p=5, q=3):
    generator = np.random.default_rng(seed)
    x = generator.standard_normal((n, p)) + 4
    return x, x[:, :q] + generator.standard_normal((n, q)) - 9


def tensors(*arrays):
    return [torch.from_numpy(np.ascontiguousarray(array)) for array in arrays]


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), cuts=st.lists(st.integers(0, 60), max_size=5))
def test_any_parts_merge_to_what_kernel_matrices_give(seed, cuts):
    x, y = draw(seed)
    edges = [0, *sorted(cuts), 60]
    sums = Kernels.empty(5, 3)
    for low, high in pairwise(edges):
        sums = sums + Kernels.of(*tensors(x[low:high], y[low:high]))
    assert cka(sums) == pytest.approx(twin(x, y), abs=1e-10)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), cut=st.integers(0, 60))
def test_classes_equal_their_one_hot_view_under_every_labelling(seed, cut):
    x, _ = draw(seed)
    labels = np.random.default_rng(seed).integers(4, size=(2, 60))
    rows, classed = tensors(x, labels)
    parts = [ClassKernels.of(rows[part], classed[:, part], 4) for part in (slice(cut), slice(cut, None))]
    for labelling in range(2):
        expected = twin(x, np.eye(4)[labels[labelling]])
        assert cka(parts[0] + parts[1], labelling) == pytest.approx(expected, abs=1e-10)


def biased_cka(x, y):
    """Kornblith et al. 2019, eq. 5: the centred kernels' cosine."""
    a, b = x - x.mean(0), y - y.mean(0)
    k, other = a @ a.T, b @ b.T
    return (k * other).sum() / np.sqrt((k * k).sum() * (other * other).sum())


def test_unbiased_values_centre_on_the_population_and_biased_ones_do_not():
    """Gaussian rows: CKA tends to |Cxy|^2 / (|Cxx| |Cyy|); here that is 1/9 for 3 of 9 dimensions shared."""
    found, biased = [], []
    for seed in range(300):
        generator = np.random.default_rng(seed)
        x, y = generator.standard_normal((40, 9)), generator.standard_normal((40, 9))
        y[:, :3] = x[:, :3]
        sums = Kernels.of(*tensors(x, y))
        found.append(sums.hsic()[1])
        biased.append(biased_cka(x, y))
    assert np.mean(found) == pytest.approx(3, abs=0.15)
    assert np.mean(biased) > 3 / 9 + 0.05


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), scale=st.floats(0.01, 100))
def test_shifts_rotations_and_scale_change_nothing_and_order_of_views_neither(seed, scale):
    x, y = draw(seed)
    turn = np.linalg.qr(np.random.default_rng(seed).standard_normal((5, 5)))[0]
    there = cka(Kernels.of(*tensors(x, y)))
    assert cka(Kernels.of(*tensors(scale * x @ turn + 7, y))) == pytest.approx(there, abs=1e-8)
    assert cka(Kernels.of(*tensors(y, x))) == pytest.approx(there, abs=1e-9)
    assert cka(Kernels.of(*tensors(x, x))) == pytest.approx(1, abs=1e-12)


def test_bad_views_are_told_or_not_a_number():
    x, y = tensors(*draw(0))
    with pytest.raises(LaminaError, match="3 rows are too few for unbiased CKA"):
        cka(Kernels.of(x[:3], y[:3]))
    with pytest.raises(LaminaError, match="not finite"):
        cka(Kernels.of(x * torch.nan, y))
    assert np.isnan(cka(Kernels.of(torch.ones(60, 2), y)))
    assert np.isnan(cka(ClassKernels.of(x, torch.zeros(60, dtype=torch.int64), 3)))
    with pytest.raises(LaminaError, match="cannot be merged"):
        Kernels.of(x, y) + Kernels.of(x, x)


def test_sums_come_back_from_arrays():
    x, y = tensors(*draw(0))
    kept = {"dense": Kernels.of(x, y), "classes": ClassKernels.of(x, torch.arange(60) % 4, 4)}
    found = unpack(pack(kept))
    assert all(cka(found[name]) == cka(kept[name]) for name in kept)
