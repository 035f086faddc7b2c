"""Moments merge in any order and grouping, keep their digits, and survive the disk."""

from __future__ import annotations

from functools import reduce
from itertools import pairwise
from operator import add

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.errors import LaminaError
from lamina.stats.archive import pack, unpack
from lamina.stats.arrays import read_arrays, write_arrays
from lamina.stats.cca import Projections, Views
from lamina.stats.information import Counts
from lamina.stats.moments import ClassMoments, Moments


def rows(seed, n, p=3, q=2, offset=0.0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, p, generator=generator) + offset
    return x, x[:, :q] * 0.5 + torch.randn(n, q, generator=generator)


def same(one, other, rtol=1e-11, atol=1e-11):
    for name, value in one.to_arrays().items():
        np.testing.assert_allclose(value, other.to_arrays()[name], rtol=rtol, atol=atol, err_msg=name)


@settings(max_examples=40, deadline=None)
@given(cuts=st.lists(st.integers(0, 60), max_size=5), seed=st.integers(0, 99), left=st.booleans())
def test_any_split_gives_the_same_moments(cuts, seed, left):
    x, y = rows(seed, 60)
    labels = torch.randint(4, (2, 60), generator=torch.Generator().manual_seed(seed))
    edges = sorted({0, 60, *cuts})
    spans = [slice(a, b) for a, b in pairwise(edges)]
    for whole, parts in [
        (Moments.of(x, y), [Moments.of(x[s], y[s]) for s in spans]),
        (ClassMoments.of(x, labels, 4), [ClassMoments.of(x[s], labels[:, s], 4) for s in spans]),
        (
            Counts.of([labels[0], labels[1]], (4, 4)),
            [Counts.of([labels[0, s], labels[1, s]], (4, 4)) for s in spans],
        ),
    ]:
        merged = reduce(add, parts) if left else reduce(lambda a, b: b + a, reversed(parts))
        same(merged, whole)


@settings(max_examples=25, deadline=None)
@given(sizes=st.tuples(*[st.integers(0, 9)] * 3), seed=st.integers(0, 99))
def test_merging_is_associative(sizes, seed):
    one, two, three = (Moments.of(*rows(seed + k, n, offset=k)) for k, n in enumerate(sizes))
    same((one + two) + three, one + (two + three))


def test_against_numpy_with_a_large_offset():
    x, y = rows(0, 500, offset=3000.0)
    found = Moments.of(x[:200], y[:200]) + Moments.of(x[200:], y[200:])
    expected = np.cov(torch.cat([x, y], 1).double().numpy().T, bias=True) * 500
    both = torch.cat([torch.cat([found.sxx, found.sxy], 1), torch.cat([found.sxy.T, found.syy], 1)])
    np.testing.assert_allclose(both.numpy(), expected, rtol=1e-9, atol=1e-7)


def test_classes_are_the_one_hot_view():
    x, _ = rows(1, 80)
    labels = torch.randint(5, (80,), generator=torch.Generator().manual_seed(2))
    parts = ClassMoments.of(x[:33], labels[:33], 5) + ClassMoments.of(x[33:], labels[33:], 5)
    same(parts.joint(), Moments.of(x, torch.nn.functional.one_hot(labels, 5)))


def test_labellings_stand_apart():
    x, _ = rows(1, 40)
    labels = torch.randint(3, (2, 40), generator=torch.Generator().manual_seed(2))
    both = ClassMoments.of(x, labels, 3)
    same(both.joint(1), ClassMoments.of(x, labels[1], 3).joint())


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda x, y: Moments.of(x, y[1:]), "rows must pair up"),
        (lambda x, y: Moments.of(x, y) + Moments.of(x, x), "not of the same views"),
        (lambda x, y: ClassMoments.of(x, torch.full((len(x),), 3), 3), "drop the rows of other classes"),
        (lambda x, y: ClassMoments.empty(3, 4) + ClassMoments.empty(3, 5), "not of the same views"),
        (lambda x, y: Counts.of([torch.tensor([4])], (4,)), "drop the items of other classes"),
        (lambda x, y: Counts.empty(3, 4) + Counts.empty(4, 3), "cannot be merged"),
    ],
)
def test_what_does_not_fit_is_refused(wrong, says):
    with pytest.raises(LaminaError, match=says):
        wrong(*rows(0, 6))


def read(path):
    return read_arrays(path, unpack, version=1, what="sums", remedy="try again")


def test_round_trip_through_a_file(tmp_path):
    x, y = rows(5, 50)
    labels = torch.randint(3, (50,), generator=torch.Generator().manual_seed(2))
    solution = Views.of(Moments.of(x, y)).solve()
    told = {
        "enc20.1|mel": Moments.of(x, y),
        "enc20.1|phone": ClassMoments.of(x, labels, 3),
        "counts": Counts.of([labels, labels.flip(0)], (3, 3)),
        "scored": Projections.of(solution, x, y, labels, 3),
    }
    path = tmp_path / "sums.npz"
    write_arrays(path, pack(told), version=1)
    found = read(path)
    assert list(found) == list(told)
    for name, statistic in told.items():
        assert type(found[name]) is type(statistic)
        same(found[name], statistic, rtol=0, atol=0)


def test_a_broken_or_foreign_archive_is_an_error(tmp_path):
    path = tmp_path / "sums.npz"
    with pytest.raises(LaminaError, match="cannot read"):
        read(path)
    write_arrays(path, pack({"a": Counts.empty(2, 2)}), version=1)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(LaminaError, match="cannot read"):
        read(path)
    np.savez(path, format=99)
    with pytest.raises(LaminaError, match="format 99"):
        read(path)
