"""Measures as scores name them: values, weights of groups, and other libraries."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lamina.analysis.instruments.canonical import cca_values, svcca_values
from lamina.analysis.instruments.codebook import debiased, mi_values, purity_values
from lamina.analysis.instruments.kernels import cka_values, dimension_values
from lamina.stats.cca import Projections, Views
from lamina.stats.cka import ClassKernels, Kernels, cka
from lamina.stats.folds import Folds, merged
from lamina.stats.information import Counts
from lamina.stats.moments import Moments
from lamina.stats.spectrum import effective_rank


def rows(n=240):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(n, 6, generator=generator, dtype=torch.float64) * torch.tensor([9, 3, 2, 1, 1, 0.5])
    y = x[:, :3] + torch.randn(n, 3, generator=generator, dtype=torch.float64)
    return x, y, torch.arange(n) % 4


def table():
    generator = torch.Generator().manual_seed(0)
    label = torch.randint(5, (600,), generator=generator)
    cluster = (label + torch.randint(3, (600,), generator=generator)) % 7
    group = torch.randint(3, (600,), generator=generator)
    return group, cluster, label, Counts.of([group, cluster, label], (3, 7, 5))


def test_pwcca_weighs_by_either_view():
    x, y, groups = rows()
    solution = Views.of(Moments.of(x, y)).solve()
    projections = Projections.of(solution, x, y, groups, 4)
    found = cca_values(projections)
    held = projections.correlations()[0]
    assert found["cca-mean"][0] == pytest.approx(float(held.mean()))
    assert found["cca-pwcca"][0] == pytest.approx(float(held @ solution.weights_x))
    assert found["cca-pwcca-y"][0] == pytest.approx(float(held @ solution.weights_y))
    swapped = Projections.of(Views.of(Moments.of(y, x)).solve(), y, x, groups, 4)
    assert cca_values(swapped)["cca-pwcca-y"][0] == pytest.approx(found["cca-pwcca"][0], abs=1e-9)
    assert (projections + projections).shares_y is projections.shares_y


def test_projections_come_back_from_arrays_with_both_weights():
    x, y, groups = rows()
    projections = Projections.of(Views.of(Moments.of(x, y)).solve(), x, y, groups, 4)
    again = Projections.from_arrays(projections.to_arrays())
    assert {key: float(value[0]) for key, value in cca_values(again).items()} == {
        key: float(value[0]) for key, value in cca_values(projections).items()
    }


def test_svcca_is_the_mean_of_what_its_projections_hold():
    x, y, groups = rows()
    parts = [Moments.of(x[groups == k], y[groups == k]) for k in range(4)]
    projections = Folds.of(parts, (0.0,)).projections(share=0.9)
    assert svcca_values(projections)["svcca-mean"][0] == pytest.approx(float(projections.correlations().mean()))


@pytest.mark.parametrize("dense", [True, False])
def test_cka_of_parts_is_that_of_the_whole_and_follows_weights(dense):
    x, y, groups = rows()
    side = y if dense else y.argmax(1)
    parts = [
        Kernels.of(x[groups == k], side[groups == k])
        if dense
        else ClassKernels.of(x[groups == k], side[groups == k], 3)
        for k in range(4)
    ]
    whole = cka(Kernels.of(x, side) if dense else ClassKernels.of(x, side, 3))
    assert cka_values(parts)["cka"] == pytest.approx([whole], abs=1e-12)
    found = cka_values(parts, torch.tensor([[1, 1, 1, 1], [0, 1, 1, 1]]))["cka"]
    without = cka(merged(parts, without=(0,)))
    assert found[0] == pytest.approx(whole, abs=1e-12)
    assert found[1] == pytest.approx(whole - 3 / 4 * (whole - without), abs=1e-12)


def test_dimensions_are_those_of_all_rows():
    x, y, groups = rows()
    parts = [Moments.of(x[groups == k], y[groups == k]) for k in range(4)]
    found = dimension_values(parts, torch.ones(2, 4))
    covariance = torch.from_numpy(np.cov(x.numpy().T, bias=True))
    assert found["effective-rank"] == pytest.approx([effective_rank(covariance)] * 2, abs=1e-9)
    shares = np.linalg.eigvalsh(covariance.numpy()) / np.trace(covariance.numpy())
    assert found["participation-ratio"] == pytest.approx([1 / (shares**2).sum()] * 2, abs=1e-9)


def test_information_is_scikit_learns():
    from sklearn.metrics import mutual_info_score

    _, cluster, label, counts = table()
    found = mi_values(counts)
    nats = mutual_info_score(label, cluster)
    assert found["mi-bits"][0] == pytest.approx(nats / np.log(2), abs=1e-12)
    normalised = nats / mutual_info_score(label, label)
    assert found["mi-normalised"][0] == pytest.approx(normalised, abs=1e-12)


def test_purities_equal_scikit_learns_tables_under_any_weights():
    from sklearn.metrics.cluster import contingency_matrix

    group, cluster, label, counts = table()
    weights = torch.tensor([[1, 1, 1], [2, 0, 1], [0, 0, 0]])
    found = purity_values(counts, weights)
    for row, times in enumerate(weights[:2].tolist()):
        repeated = torch.cat([torch.nonzero(group == k)[:, 0].repeat(n) for k, n in enumerate(times)])
        joint = contingency_matrix(cluster[repeated], label[repeated])
        assert found["purity-label"][row] == pytest.approx(joint.max(1).sum() / joint.sum(), abs=1e-12)
        assert found["purity-cluster"][row] == pytest.approx(joint.max(0).sum() / joint.sum(), abs=1e-12)
    assert np.isnan(found["purity-label"][2])


def test_debiasing_centres_replicates_on_the_value():
    assert debiased(np.array([3.0, 5.0, np.nan, 9.0]), 1.0, 3)[[0, 1, 3]].tolist() == [0.0, 2.0, 6.0]
