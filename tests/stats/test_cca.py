"""CCA from moments against closed forms, data-matrix twins (QR and SVD) and cca-zoo."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.errors import LaminaError
from lamina.stats.cca import Projections, Views, check_size
from lamina.stats.moments import ClassMoments, Moments


def draw(seed, n, rho, p=5, q=4):
    """Gaussian views with known canonical correlations, mixed by random matrices, with offsets."""
    generator = np.random.default_rng(seed)
    mixing = np.random.default_rng(7)
    x, noise = generator.standard_normal((n, p)), generator.standard_normal((n, q))
    k = len(rho)
    y = noise.copy()
    y[:, :k] = np.array(rho) * x[:, :k] + np.sqrt(1 - np.array(rho) ** 2) * noise[:, :k]
    x, y = x @ mixing.standard_normal((p, p)) + 20, y @ mixing.standard_normal((q, q)) - 5
    return torch.from_numpy(x), torch.from_numpy(y)


def twin(x, y):
    """Canonical correlations of data matrices (Bjorck and Golub 1973): QR, then SVD."""
    qx, _ = np.linalg.qr(x - x.mean(0))
    qy, _ = np.linalg.qr(y - y.mean(0))
    return np.linalg.svd(qx.T @ qy, compute_uv=False)


def correlations(u, v):
    return np.array([np.corrcoef(u[:, i], v[:, i])[0, 1] for i in range(u.shape[1])])


def in_parts(make, n):
    return make(slice(0, n // 3)) + make(slice(n // 3, n))


def test_known_correlations_of_gaussians_come_out():
    rho = (0.9, 0.6, 0.3)
    x, y = draw(0, 200_000, rho)
    found = Views.of(Moments.of(x, y)).solve().correlations
    np.testing.assert_allclose(found.numpy(), [*rho, 0.0], atol=0.006)


@pytest.mark.parametrize(("p", "q"), [(5, 4), (3, 6)])
def test_equals_the_data_matrix_twin(p, q):
    x, y = draw(1, 300, (0.8, 0.5), p, q)
    solution = Views.of(in_parts(lambda s: Moments.of(x[s], y[s]), 300)).solve()
    np.testing.assert_allclose(solution.correlations.numpy(), twin(x.numpy(), y.numpy()), atol=1e-10)


def test_one_hot_equals_the_data_matrix_twin_without_its_null_direction():
    x, _ = draw(2, 400, (0.5,))
    labels = (x[:, 0] > 20).long() + 2 * (x[:, 1] > 21).long()
    one_hot = torch.nn.functional.one_hot(labels, 6)[:, :3].numpy()  # the others follow from these, or never occur
    solution = Views.of(in_parts(lambda s: ClassMoments.of(x[s], labels[s], 6), 400)).solve()
    np.testing.assert_allclose(solution.correlations.numpy(), twin(x.numpy(), one_hot), atol=1e-10)


def test_one_hot_closed_form_equals_the_dense_view():
    x, _ = draw(2, 400, (0.5,))
    labels = torch.randint(4, (400,), generator=torch.Generator().manual_seed(0))
    stats = ClassMoments.of(x, labels, 4)
    closed, dense = Views.of(stats).solve(0.01), Views.of(stats.joint()).solve(0.01, 0.0)
    np.testing.assert_allclose(closed.correlations, dense.correlations, atol=1e-10)
    np.testing.assert_allclose(closed.weights_y, dense.weights_y, atol=1e-9)
    test = ClassMoments.of(x[:50], labels[:50], 4).joint()
    np.testing.assert_allclose(closed.held_out(test), dense.held_out(test), atol=1e-9)


def test_equals_cca_zoo():
    zoo = pytest.importorskip("cca_zoo.linear")
    x, y = draw(3, 500, (0.8, 0.5))
    x, y = x - x.mean(0), y - y.mean(0)
    solution = Views.of(Moments.of(x, y)).solve()
    model = zoo.CCA(n_components=3).fit([x.numpy(), y.numpy()])
    u, v = model.transform([x.numpy(), y.numpy()])
    np.testing.assert_allclose(solution.correlations[:3], np.abs(correlations(u, v)), atol=1e-6)


@pytest.mark.parametrize("ridge", [0.0, 1e-3, 0.5])
def test_a_ridge_equals_solving_the_regularised_problem(ridge):
    x, y = draw(4, 300, (0.8, 0.5))
    a, b = (x - x.mean(0)).numpy(), (y - y.mean(0)).numpy()
    cxx, cyy, cxy = a.T @ a / 300, b.T @ b / 300, a.T @ b / 300
    cxx += ridge * np.trace(cxx) / 5 * np.eye(5)
    cyy += ridge * np.trace(cyy) / 4 * np.eye(4)
    squared = np.linalg.eigvals(np.linalg.solve(cxx, cxy) @ np.linalg.solve(cyy, cxy.T)).real
    found = Views.of(Moments.of(x, y)).solve(ridge, ridge).correlations
    np.testing.assert_allclose(found, np.sqrt(np.sort(squared)[::-1][:4].clip(0)), atol=1e-9)


def test_held_out_equals_projecting_the_rows():
    x, y = draw(5, 300, (0.8, 0.5))
    others, answers = draw(6, 90, (0.8, 0.5))
    solution = Views.of(Moments.of(x, y)).solve(0.01, 0.01)
    u, v = others.numpy() @ solution.a.numpy(), answers.numpy() @ solution.b.numpy()
    found = solution.held_out(in_parts(lambda s: Moments.of(others[s], answers[s]), 90))
    np.testing.assert_allclose(found, correlations(u, v), atol=1e-10)


def test_projections_equal_held_out_and_reweight_as_repeated_rows():
    x, y = draw(5, 300, (0.8, 0.5))
    others, answers = draw(6, 90, (0.8, 0.5))
    groups = torch.arange(90) % 3
    solution = Views.of(Moments.of(x, y)).solve()
    parts = in_parts(lambda s: Projections.of(solution, others[s], answers[s], groups[s], 3), 90)
    np.testing.assert_allclose(parts.correlations()[0], solution.held_out(Moments.of(others, answers)), atol=1e-10)
    repeated = torch.cat([torch.nonzero(groups == 0)[:, 0].repeat(2), torch.nonzero(groups == 2)[:, 0]])
    expected = solution.held_out(Moments.of(others[repeated], answers[repeated]))
    np.testing.assert_allclose(parts.correlations(torch.tensor([[2, 0, 1]]))[0], expected, atol=1e-10)


def test_projections_of_labels_equal_those_of_one_hot_rows():
    x, _ = draw(5, 300, (0.8,))
    labels = torch.randint(4, (300,), generator=torch.Generator().manual_seed(0))
    solution = Views.of(ClassMoments.of(x, labels, 4)).solve(0.01)
    one_hot = torch.nn.functional.one_hot(labels, 4)
    none = torch.zeros(300, dtype=torch.int64)
    sparse, dense = (Projections.of(solution, x, side, none, 1) for side in (labels, one_hot))
    np.testing.assert_allclose(sparse.sums, dense.sums, atol=1e-8)


def test_a_weighting_without_rows_is_not_a_number():
    x, y = draw(5, 30, (0.8,))
    solution = Views.of(Moments.of(x, y)).solve()
    found = Projections.of(solution, x, y, torch.zeros(30, dtype=torch.int64), 2)
    assert found.correlations(torch.tensor([[0, 2]])).isnan().all()


def test_pwcca_weights_follow_the_paper():
    x, y = draw(8, 400, (0.9, 0.4))
    solution = Views.of(Moments.of(x, y)).solve()
    centred = (x - x.mean(0)).numpy()
    h = centred @ solution.a.numpy()
    h /= np.linalg.norm(h, axis=0)
    alpha = np.array([sum(abs(h[:, i] @ centred[:, j]) for j in range(5)) for i in range(h.shape[1])])
    np.testing.assert_allclose(solution.weights_x, alpha / alpha.sum(), atol=1e-12)
    swapped = Views.of(Moments.of(y, x)).solve()
    np.testing.assert_allclose(swapped.weights_y, solution.weights_x, atol=1e-9)


def test_mean_correlation_is_invariant_to_invertible_maps_and_ridges_to_scale():
    x, y = draw(9, 300, (0.8, 0.5))
    mixed = x @ torch.from_numpy(np.random.default_rng(0).standard_normal((5, 5))) + 3
    found = Views.of(Moments.of(mixed, y)).solve().correlations
    np.testing.assert_allclose(found, Views.of(Moments.of(x, y)).solve().correlations, atol=1e-9)
    scaled = Views.of(Moments.of(1000 * x, y)).solve(0.1, 0.1).correlations
    np.testing.assert_allclose(scaled, Views.of(Moments.of(x, y)).solve(0.1, 0.1).correlations, atol=1e-9)


def test_repeated_and_constant_dimensions_change_nothing():
    x, y = draw(10, 300, (0.8, 0.5))
    wide = torch.cat([x, x[:, :2], torch.full((300, 1), 4.0)], 1)
    found = Views.of(Moments.of(wide, y)).solve()
    assert found.a.shape == (8, 4)
    np.testing.assert_allclose(found.correlations, Views.of(Moments.of(x, y)).solve().correlations, atol=1e-9)


def test_too_few_rows_are_refused_and_few_are_told():
    with pytest.raises(LaminaError, match="19 rows are too few for CCA of 10 and 3 dimensions"):
        check_size(19, 10, 3)
    assert "20 rows are few" in check_size(20, 10, 3)
    assert check_size(100, 10, 3) == ""


def test_views_without_any_variance_or_with_nan_are_errors():
    x, y = draw(0, 30, (0.5,))
    with pytest.raises(LaminaError, match="no dimension of a view varies"):
        Views.of(Moments.of(torch.ones(30, 3), y))
    with pytest.raises(LaminaError, match="not finite"):
        Views.of(Moments.of(x * torch.nan, y))
    with pytest.raises(LaminaError, match="only one class"):
        Views.of(ClassMoments.of(x, torch.zeros(30, dtype=torch.int64), 3)).solve()


@pytest.mark.parametrize("case", ["gauss_64v39", "onehot_64v39"])
def test_agrees_with_the_public_procedure_where_that_is_plain(shared, case):
    """Canonical correlations of rows 0 to 2400 and their held-out mean on the rest, at a vanishing ridge."""
    folder = shared / "fixtures" / "cca"
    data = np.load(folder / f"{case}.npz")
    told = json.loads((folder / "scores.json").read_text())[case]
    x, y = (torch.from_numpy(np.ascontiguousarray(data[name].T)) for name in ("view1", "view2"))
    dense = y.ndim == 2
    train, test = (
        Moments.of(x[rows], y[rows]) if dense else ClassMoments.of(x[rows], y[rows].long(), 39)
        for rows in (slice(0, 2400), slice(2400, 3000))
    )
    solution = Views.of(train).solve()
    first = told["canon_corr_train"]["1e-11"]
    np.testing.assert_allclose(solution.correlations[:10], first, atol=1e-6 if dense else 1e-5)
    single = told["single_split"][0]
    # The public code counts the null direction of a one-hot view, which is rounding noise, as one more.
    k = 39 if dense else 38
    assert abs(float(solution.correlations.sum()) / 39 - single["mean_coef"]) < (1e-6 if dense else 1e-2)
    held = solution.held_out(test if isinstance(test, Moments) else test.joint())
    assert len(held) == k
    assert abs(float(held.sum()) / 39 - single["test_mean_coef"]) < (1e-6 if dense else 1e-2)


def test_svcca_equals_the_data_matrix_twin():
    """SVD of each view, the fewest directions that hold 90 % of the squared singular values, then CCA of those."""
    x, y = draw(11, 300, (0.8, 0.5), 6, 4)
    scores = []
    for view in (x.numpy(), y.numpy()):
        u, s, _ = np.linalg.svd(view - view.mean(0), full_matrices=False)
        kept = int(np.searchsorted((s**2).cumsum() / (s**2).sum(), 0.9) + 1)
        scores.append(u[:, :kept] * s[:kept])
    found = Views.of(Moments.of(x, y), share=0.9).solve().correlations
    np.testing.assert_allclose(found, twin(*scores)[: len(found)], atol=1e-10)
    assert len(found) == min(score.shape[1] for score in scores)


def test_svcca_of_classes_equals_that_of_their_one_hot_view():
    x, _ = draw(2, 400, (0.5,))
    labels = torch.randint(4, (400,), generator=torch.Generator().manual_seed(0))
    stats = ClassMoments.of(x, labels, 4)
    dense = Moments.of(x, torch.nn.functional.one_hot(labels, 4))
    np.testing.assert_allclose(
        Views.of(stats, share=0.7).solve().correlations,
        Views.of(dense, share=0.7).solve().correlations,
        atol=1e-10,
    )


def test_svcca_is_invariant_to_rotations_and_scale_and_whole_it_is_cca():
    x, y = draw(12, 300, (0.8, 0.5))
    turn = torch.from_numpy(np.linalg.qr(np.random.default_rng(0).standard_normal((5, 5)))[0])
    there = Views.of(Moments.of(x, y), share=0.9).solve().correlations
    np.testing.assert_allclose(
        Views.of(Moments.of(30 * x @ turn + 2, y), share=0.9).solve().correlations, there, atol=1e-9
    )
    whole = Views.of(Moments.of(x, y)).solve().correlations
    np.testing.assert_allclose(Views.of(Moments.of(x, y), share=1.0).solve().correlations, whole, atol=1e-12)


def test_gaussian_correlations_give_their_mutual_information():
    """I(x; y) = -1/2 sum log2(1 - rho^2) for Gaussians: also of two halves, what a tap knows of them."""
    rho = (0.9, 0.6)
    x, y = draw(13, 200_000, rho)
    found = Views.of(Moments.of(x, y)).solve().correlations.numpy()
    expected = -0.5 * np.log2(1 - np.array(rho) ** 2).sum()
    assert -0.5 * np.log2(1 - found**2).sum() == pytest.approx(expected, abs=0.02)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), scale=st.floats(0.01, 100))
def test_what_pwcca_does_and_does_not_change_under(seed, scale):
    x, y = draw(seed, 200, (0.9, 0.4))
    generator = np.random.default_rng(seed)
    order = torch.from_numpy(generator.permutation(5))
    flips = torch.from_numpy(generator.choice([-1.0, 1.0], 5))
    mixed_y = y @ torch.from_numpy(generator.standard_normal((4, 4)) + 3 * np.eye(4))
    there = Views.of(Moments.of(x, y)).solve()
    same = Views.of(Moments.of(scale * x[:, order] * flips - 3, mixed_y)).solve()
    np.testing.assert_allclose(same.weights_x, there.weights_x, atol=1e-7)
    np.testing.assert_allclose(same.correlations, there.correlations, atol=1e-7)


def test_tiny_correlations_keep_their_digits():
    """Where the Gram matrix would lose the directions, the singular value decomposition is taken."""
    generator = np.random.default_rng(0)
    q, _ = np.linalg.qr(generator.standard_normal((300, 7)) - 0.0)
    q = np.linalg.qr(q - q.mean(0))[0]
    rho = np.array([0.9, 1e-3, 1e-7])
    x, y = q[:, :3], rho * q[:, :3] + np.sqrt(1 - rho**2) * q[:, 3:6]
    solution = Views.of(Moments.of(torch.from_numpy(x), torch.from_numpy(y))).solve()
    np.testing.assert_allclose(solution.correlations, rho, atol=1e-12)
    np.testing.assert_allclose(
        np.abs(solution.a.numpy() / np.abs(solution.a.numpy()).max(0)), np.eye(3), atol=1e-6
    )
