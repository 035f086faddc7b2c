"""Cross-validation from moments of folds against rows, cut and projected by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lamina.errors import LaminaError
from lamina.stats.cca import Views
from lamina.stats.folds import Folds, linear_replicates, merged
from lamina.stats.moments import ClassMoments, Moments

RIDGES = (0.0, 1e-2, 1.0)


def draw(seed=0, n=240, p=6, q=4):
    generator = np.random.default_rng(seed)
    x = generator.standard_normal((n, p))
    y = 0.6 * x[:, :q] + generator.standard_normal((n, q))
    folds = generator.integers(5, size=n)
    return (
        torch.from_numpy(x @ generator.standard_normal((p, p)) + 3),
        torch.from_numpy(y),
        torch.from_numpy(folds),
    )


def fit(x, y, ridge, dense=True):
    stats = Moments.of(x, y) if dense else ClassMoments.of(x, y, 4)
    return Views.of(stats).solve(ridge, ridge)


def correlate(u, v):
    return np.array([np.corrcoef(u[:, i], v[:, i])[0, 1] for i in range(u.shape[1])])


def twin(x, y, folds, ridges, dense=True):
    """By rows: each fold's ridge on the other folds, and its projections, centred within the fold."""
    chosen, us, vs, shares = {}, [], [], []
    side = y.double() if dense else torch.nn.functional.one_hot(y, 4).double()
    for fold in range(5):
        means = []
        for ridge in ridges:
            held, size = 0.0, 0
            for inner in set(range(5)) - {fold}:
                train, test = (folds != fold) & (folds != inner), folds == inner
                solution = fit(x[train], y[train], ridge, dense)
                found = correlate((x[test] @ solution.a).numpy(), (side[test] @ solution.b).numpy())
                held, size = held + int(test.sum()) * found.mean(), size + int(test.sum())
            means.append(held / size)
        chosen[fold] = ridges[int(np.argmax(means))]
        train, test = folds != fold, folds == fold
        solution = fit(x[train], y[train], chosen[fold], dense)
        u, v = x[test] @ solution.a, side[test] @ solution.b
        us.append((u - u.mean(0)).numpy())
        vs.append((v - v.mean(0)).numpy())
        shares.append(solution.weights_x.numpy())
    u, v = np.concatenate(us), np.concatenate(vs)
    return chosen, (u * v).sum(0) / np.sqrt((u * u).sum(0) * (v * v).sum(0)), np.mean(shares, axis=0)


@pytest.mark.parametrize("dense", [True, False])
def test_equals_the_twin_on_rows(dense):
    x, y, folds = draw()
    y = y if dense else y.argmax(1)
    parts = [
        Moments.of(x[folds == k], y[folds == k]) if dense else ClassMoments.of(x[folds == k], y[folds == k], 4)
        for k in range(5)
    ]
    found = Folds.of(parts, RIDGES)
    chosen, correlations, shares = twin(x, y, folds, RIDGES, dense)
    assert found.ridges == chosen
    projections = found.projections()
    np.testing.assert_allclose(projections.correlations()[0], correlations, atol=1e-9)
    np.testing.assert_allclose(projections.shares, shares, atol=1e-9)
    assert projections.counts.tolist() == [int((folds == k).sum()) for k in range(5)]


def test_reweighted_folds_are_folds_counted_so_often():
    x, y, folds = draw(1)
    parts = [Moments.of(x[folds == k], y[folds == k]) for k in range(5)]
    found = Folds.of(parts, (0.1,)).projections()
    weights = torch.tensor([[2, 0, 1, 1, 1]])
    us, vs = [], []
    for fold in (0, 0, 2, 3, 4):
        solution = Views.of(merged(parts, without=(fold,))).solve(0.1, 0.1)
        u, v = x[folds == fold] @ solution.a, y[folds == fold] @ solution.b
        us.append(u - u.mean(0))
        vs.append(v - v.mean(0))
    u, v = torch.cat(us), torch.cat(vs)
    expected = (u * v).sum(0) / (u.square().sum(0) * v.square().sum(0)).sqrt()
    np.testing.assert_allclose(found.correlations(weights)[0], expected, atol=1e-9)


def test_other_labellings_share_ridges_and_decompositions():
    x, y, folds = draw(2)
    labels = torch.stack([y.argmax(1), y.argmax(1).roll(7)])
    parts = [ClassMoments.of(x[folds == k], labels[:, folds == k], 4) for k in range(5)]
    alone = [ClassMoments.of(x[folds == k], labels[1, folds == k], 4) for k in range(5)]
    found = Folds.of(parts, (0.01,))
    expected = Folds.of(alone, (0.01,)).projections().correlations()
    np.testing.assert_allclose(found.projections(1).correlations(), expected, atol=1e-9)
    np.testing.assert_allclose(found.projections(parts=alone).correlations(), expected, atol=1e-9)
    assert float(found.projections().correlations().mean()) > 0.2 > float(expected.mean())


def test_svcca_keeps_the_leading_directions():
    x, y, folds = draw(3)
    parts = [Moments.of(x[folds == k], y[folds == k]) for k in range(5)]
    found = Folds.of(parts, (0.1,)).projections(share=0.8)
    ranks = []
    for fold in range(5):
        train = merged(parts, without=(fold,))
        counts = []
        for squares in (train.sxx, train.syy):
            values = np.sort(np.linalg.eigvalsh(squares.numpy()))[::-1]
            counts.append(int(np.searchsorted(values.cumsum() / values.sum(), 0.8) + 1))
        ranks.append(min(counts))
    assert found.correlations().shape == (1, min(ranks))


def test_inner_folds_can_be_limited_and_empty_folds_count_nothing():
    x, y, folds = draw(4)
    parts = [Moments.of(x[folds == k], y[folds == k]) for k in range(5)]
    with_empty = [*parts[:2], Moments.empty(6, 4), *parts[2:]]
    for inner in (None, 1, 2):
        whole, padded = Folds.of(parts, RIDGES, inner=inner), Folds.of(with_empty, RIDGES, inner=inner)
        assert list(whole.ridges.values()) == list(padded.ridges.values())
        np.testing.assert_allclose(padded.projections().correlations(), whole.projections().correlations())
    assert padded.projections().counts[2] == 0
    # Fold 0's ridge with one inner fold is what fold 1 says of folds 2 to 4.
    train = merged(parts, without=(0, 1))
    scores = [float(Views.of(train).solve(ridge, ridge).held_out(parts[1]).mean()) for ridge in RIDGES]
    assert Folds.of(parts, RIDGES, inner=1).ridges[0] == RIDGES[int(np.argmax(scores))]


def test_constant_dimensions_are_dropped_and_counted():
    x, y, folds = draw(5)
    wide = torch.cat([x, x[:, :1], torch.ones(240, 2)], 1)
    parts = [Moments.of(wide[folds == k], y[folds == k]) for k in range(5)]
    narrow = [Moments.of(x[folds == k], y[folds == k]) for k in range(5)]
    found = Folds.of(parts, (0.0,))
    assert found.dropped == 3
    expected = Folds.of(narrow, (0.0,)).projections().correlations()
    np.testing.assert_allclose(found.projections().correlations(), expected, atol=1e-9)


def test_what_cannot_be_validated_is_told():
    x, y, folds = draw(6)
    parts = [Moments.of(x[folds == k], y[folds == k]) for k in range(5)]
    with pytest.raises(LaminaError, match="2 folds with rows are too few for 3 ridges"):
        Folds.of(parts[:2], RIDGES).projections()
    with pytest.raises(LaminaError, match="1 folds with rows are too few for 1 ridges"):
        Folds.of(parts[:1], (0.1,)).projections()
    with pytest.raises(LaminaError, match="no ridge"):
        Folds.of(parts, ()).projections()
    with pytest.raises(LaminaError, match="6 of 6 dimensions of a view hold values that are not finite"):
        Folds.of([Moments.of(x[folds == k] * torch.nan, y[folds == k]) for k in range(5)], RIDGES)
    one_class = [ClassMoments.of(x[folds == k], folds[folds == k] * 0, 3) for k in range(5)]
    with pytest.raises(LaminaError, match="only one class"):
        Folds.of(one_class, RIDGES).projections()


def test_replicates_of_a_mean_are_its_bootstrap_and_of_others_nearly():
    """A ratio of sums is what a bootstrap counts exactly; its linear replicates have nearly the same spread."""
    generator = np.random.default_rng(0)
    x = torch.from_numpy(generator.standard_normal((400, 1)) + 1)
    parts = [Moments.of(x[k::40], x[k::40]) for k in range(40)]
    weights = generator.multinomial(40, np.full(40, 1 / 40), size=400)
    mean = linear_replicates(parts, lambda whole: float(whole.mean_x), weights)
    means = np.array([float(part.mean_x) for part in parts])
    np.testing.assert_allclose(mean, weights @ means / 40, atol=1e-12)
    found = linear_replicates(parts, lambda whole: float(whole.sxx) / whole.n, weights)
    redrawn = [float(merged([parts[k] for k in np.repeat(np.arange(40), row)]).sxx) / 400 for row in weights]
    assert np.corrcoef(found, redrawn)[0, 1] > 0.98
    assert np.std(found) == pytest.approx(np.std(redrawn), rel=0.1)
    assert linear_replicates(parts, lambda whole: float(whole.mean_x)) == pytest.approx(means.mean())
    assert np.isnan(linear_replicates(parts[:1], lambda whole: 1.0, np.ones((3, 1)))).all()
