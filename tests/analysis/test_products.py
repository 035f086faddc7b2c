"""Float32 products of centred batches, against float64 ones: badly scaled states with an offset, many batches."""

from __future__ import annotations

import pytest
import torch

from card import CARD, Card
from lamina.analysis import products
from lamina.analysis.products import WIDE, class_moments, moments
from lamina.analysis.timing import doubles_are_quick
from lamina.stats.folds import Folds, merged
from lamina.stats.moments import ClassMoments, Moments

RIDGES = (1e-6, 1e-4, 1e-2)


@pytest.fixture(scope="module")
def rows():
    """States whose variances fall over six decades, rotated, far from zero; labels that they know a little of."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 20, (6000,), generator=generator)
    codes = torch.randn(20, WIDE, generator=generator, dtype=torch.float64)
    rotation = torch.linalg.qr(torch.randn(WIDE, WIDE, generator=generator, dtype=torch.float64))[0]
    x = codes[labels] + 4 * torch.randn(6000, WIDE, generator=generator, dtype=torch.float64)
    return (x * torch.logspace(0, -3, WIDE, dtype=torch.float64) @ rotation + 5).float(), labels


def parts(make, rows, folds=4, batch=150):
    x, side = rows
    batches = [(x[start : start + batch], side[start : start + batch]) for start in range(0, len(x), batch)]
    return [merged([make(*each) for each in batches[fold::folds]]) for fold in range(folds)]


def test_scores_of_classes_move_by_less_than_a_millionth(rows):
    quick = parts(lambda x, side: class_moments(x, side[None], 20), rows)
    exact = parts(lambda x, side: ClassMoments.of(x, side[None], 20), rows)
    compare(quick, exact)
    assert torch.equal(quick[0].counts, exact[0].counts)


def test_scores_of_vectors_move_by_less_than_a_millionth(rows):
    x, labels = rows
    table = torch.randn(20, 30, generator=torch.Generator().manual_seed(1))
    side = table[labels] + torch.randn(len(x), 30, generator=torch.Generator().manual_seed(2))
    compare(parts(moments, (x, side)), parts(Moments.of, (x, side)))


def compare(quick, exact):
    for ridge in RIDGES:
        one, other = (Folds.of(each, (ridge,)).projections().correlations() for each in (quick, exact))
        assert float((one.mean() - other.mean()).abs()) < 1e-6
    torch.testing.assert_close(quick[0].mean_x, exact[0].mean_x, rtol=1e-12, atol=1e-12)


def test_narrow_taps_keep_every_digit(rows):
    x, labels = rows
    one, other = class_moments(x[:, :9], labels[None], 20), ClassMoments.of(x[:, :9], labels[None], 20)
    assert torch.equal(one.sxx, other.sxx)


@pytest.mark.parametrize(("doubles", "most"), [(True, 1e-12), (False, 1e-5)])
def test_on_a_card_long_batches_keep_their_digits(rows, monkeypatch, doubles, most):
    """In float64 where that is quick there, else in blocks: better than one float32 sum over all rows."""
    monkeypatch.setattr(products, "doubles_are_quick", lambda device: doubles)
    quick, exact = (
        parts(lambda x, side, make=make: make(x, side[None], 20), rows, folds=2, batch=2500)
        for make in (class_moments, ClassMoments.of)
    )
    with Card() as card, torch.inference_mode():
        there = parts(
            lambda x, side: class_moments(x.to(CARD), side[None].to(CARD), 20), rows, folds=2, batch=2500
        )
        assert +card.waits == {}
        found = [each.to("cpu") for each in there]
    errors = [
        float((Folds.of(each, (1e-4,)).projections().correlations() - held).mean().abs())
        for held in [Folds.of(exact, (1e-4,)).projections().correlations()]
        for each in (found, quick)
    ]
    assert errors[0] < most
    assert errors[0] < errors[1]


def test_what_is_quick_is_timed():
    assert doubles_are_quick(torch.device("cpu")) in {True, False}
