"""Mutual information and purity against scikit-learn, closed forms and slow twins."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.stats.information import Counts, mutual_information, pnmi, purity


def of_table(table):
    """The counts of a dense table."""
    places = torch.nonzero(table).repeat_interleave(table[table > 0], dim=0)
    return Counts.of(list(places.T), tuple(table.shape))


def drawn(seed, n=200, clusters=6, labels=4):
    generator = torch.Generator().manual_seed(seed)
    label = torch.randint(labels, (n,), generator=generator)
    noise = torch.randint(clusters, (n,), generator=generator)
    return torch.where(torch.rand(n, generator=generator) < 0.6, label, noise), label


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 999), n=st.integers(2, 60))
def test_equals_scikit_learn(seed, n):
    from sklearn.metrics import mutual_info_score

    cluster, label = drawn(seed, n)
    found = mutual_information(Counts.of([cluster, label], (6, 4)))
    assert float(found.bits[0]) == pytest.approx(mutual_info_score(label, cluster) / math.log(2), abs=1e-10)
    shares = np.bincount(label) / n
    assert float(found.label_bits[0]) == pytest.approx(-sum(p * math.log2(p) for p in shares if p), abs=1e-10)


def test_closed_form_of_a_noisy_binary_channel():
    """I = 1 - h(e) bits for a fair bit flipped with chance e."""
    table = torch.tensor([[450, 50], [50, 450]])
    flip = 0.1
    expected = 1 + flip * math.log2(flip) + (1 - flip) * math.log2(1 - flip)
    assert float(mutual_information(of_table(table)).bits[0]) == pytest.approx(expected, abs=1e-12)


def test_perfect_and_useless_clusters():
    label = torch.arange(8) % 4
    perfect = Counts.of([label + 1, label], (5, 4))
    assert pnmi(perfect) == pytest.approx(1.0)
    assert purity(perfect) == (1.0, 1.0)
    useless = Counts.of([torch.zeros(8, dtype=torch.int64), label], (5, 4))
    assert pnmi(useless) == pytest.approx(0.0, abs=1e-12)
    assert purity(useless) == (0.25, 1.0)


def test_correction_takes_most_of_the_bias_off():
    generator = torch.Generator().manual_seed(0)
    cluster, label = (torch.randint(k, (2000,), generator=generator) for k in (10, 8))
    found = mutual_information(Counts.of([cluster, label], (10, 8)))
    assert float(found.bits[0]) > 0.015
    assert abs(float(found.corrected_bits[0])) < 0.2 * float(found.bits[0])
    # Miller-Madow by hand: 9 * 7 spare cells over 2n, in bits.
    expected = float(found.bits[0]) - 63 / (2 * 2000 * math.log(2))
    assert float(found.corrected_bits[0]) == pytest.approx(expected, abs=1e-12)


def test_weights_equal_repeated_items():
    cluster, label = drawn(1)
    group = torch.arange(200) % 3
    counts = Counts.of([group, cluster, label], (3, 6, 4))
    found = mutual_information(counts, torch.tensor([[1, 1, 1], [0, 2, 1]]))
    for place, rows in enumerate(
        (
            torch.arange(200),
            torch.cat([torch.nonzero(group == 1)[:, 0].repeat(2), torch.nonzero(group == 2)[:, 0]]),
        )
    ):
        expected = mutual_information(Counts.of([cluster[rows], label[rows]], (6, 4)))
        for name in ("n", "bits", "corrected_bits", "label_bits", "normalised", "corrected"):
            value = float(getattr(found, name)[place])
            assert value == pytest.approx(float(getattr(expected, name)[0]), abs=1e-10), name


def test_renaming_changes_nothing():
    cluster, label = drawn(2)
    renamed = torch.tensor([3, 0, 5, 1, 4, 2])[cluster]
    one, other = (mutual_information(Counts.of([each, label], (6, 4))) for each in (cluster, renamed))
    assert float(one.bits[0]) == pytest.approx(float(other.bits[0]), abs=1e-12)


def test_table_is_the_crosstab():
    from sklearn.metrics.cluster import contingency_matrix

    cluster, label = drawn(3)
    counts = Counts.of([cluster, label], (6, 4))
    np.testing.assert_array_equal(counts.table(), contingency_matrix(cluster, label))
    assert counts.n == 200


def test_one_label_has_no_normalised_information():
    found = mutual_information(of_table(torch.tensor([[3, 0], [4, 0]])))
    assert math.isnan(float(found.normalised[0]))
