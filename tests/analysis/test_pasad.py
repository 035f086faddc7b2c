"""The published protocol against its fixtures, a data-matrix twin, and its pooling and sampling rules by hand."""

from __future__ import annotations

import json
import re
from fractions import Fraction

import numpy as np
import published
import pytest
import torch

from lamina.analysis.published.pasad import drawing
from lamina.analysis.published.pasad import score as pasad
from lamina.errors import LaminaError
from lamina.grid import Grid
from lamina.stats.moments import ClassMoments, Moments

CASES = ("gauss_64v39", "onehot_64v39")
GRID = Grid(16000, Fraction(320), Fraction(399, 2), Fraction(400))
NAME = re.compile(r"proj_x_(\S+?)_(\S+?)_(\d)_(\d).npy")


def load(shared, case):
    """Views (p, n) and (q, n), split of each row, trials as drawn there, and what was found."""
    folder = shared / "fixtures" / "cca"
    data = np.load(folder / f"{case}.npz")
    told = json.loads((folder / "scores.json").read_text())[case]
    x, y = data["view1"].astype(float), data["view2"]
    of = np.empty(x.shape[1], dtype=np.int64)
    of[data["splits"]] = np.repeat(np.arange(10), data["split_sizes"])
    pairs = {}
    for name, *_ in told["train"]:
        ridge_x, ridge_y, dev, test = NAME.match(name).groups()
        pairs.setdefault((int(dev), int(test)), []).append((float(ridge_x), float(ridge_y)))
    given = [pasad.Fitting(*splits, tuple(ridges)) for splits, ridges in pairs.items()]
    return x, (np.eye(39)[:, y] if y.ndim == 1 else y.astype(float)), of, given, told


def moments(x, y, of, one_hot):
    rows, others = torch.from_numpy(x.T.copy()), torch.from_numpy(y.T.copy())
    if one_hot:
        return [ClassMoments.of(rows[of == k], others[of == k].argmax(1), len(y)) for k in range(10)]
    return [Moments.of(rows[of == k], others[of == k]) for k in range(10)]


class Knobs:
    """What that code can do besides, for these tests."""

    def __init__(self, monkeypatch):
        self._patch, self._roots, self._weighing = monkeypatch, pasad._roots, pasad._weighing

    def score(self, *given, both=False, null=True):
        """Weights by ``both`` views (``mean_score`` there); without ``null``, only directions of some variance."""

        def real(values, ridge):
            return torch.where(values > pasad.TOLERANCE * values[-1], self._roots(values, ridge), 0.0)

        self._patch.setattr(pasad, "_roots", self._roots if null else real)
        self._patch.setattr(pasad, "_weighing", (lambda *_: (True, True)) if both else self._weighing)
        return pasad.score(*given).value


@pytest.fixture
def knobs(monkeypatch):
    return Knobs(monkeypatch)


def test_parity_table(shared, knobs):
    """Dense to 1e-6; one-hot to 1e-6 without the null direction, and else within that code's own rounding."""
    lines = [f"{'case':14}{'weights':9}{'null':6}{'published':>12}{'its twin':>12}{'ours':>12}{'difference':>13}"]
    for case in CASES:
        x, y, of, given, told = load(shared, case)
        parts = moments(x, y, of, case.startswith("onehot"))
        for both in (False, True):
            for null in (True, False):
                ours = knobs.score(parts, given, both=both, null=null)
                twin = published.score(x, y, of, given, both=both, null=null)
                there = told["score_mean" if both else "score"] if null or case.startswith("gauss") else None
                against = twin if there is None else there
                lines.append(
                    f"{case:14}{'both' if both else 'smaller':9}{'kept' if null else 'off':6}"
                    f"{'' if there is None else f'{there:.7f}':>12}{twin:12.7f}{ours:12.7f}{ours - against:13.1e}"
                )
                # The null direction's partner in x is arbitrary, too, which the weights by both views see.
                inexact = 0.003 if both else 0.002
                exact = case.startswith("gauss") or not null
                assert abs(ours - against) < (1e-7 if exact else inexact), lines[-1]
    print("", *lines, sep="\n")


def test_single_splits_agree_at_every_ridge(shared):
    """Fits of rows 0 to 2400 at four ridges, scored on themselves and on the rest."""
    for case in CASES:
        x, y, _, _, told = load(shared, case)
        of = np.full(x.shape[1], 9)
        of[:2400] = np.arange(2400) % 8
        of[2400] = 8  # nothing is chosen on dev where one ridge is given
        for single in told["single_split"]:
            ridges = ((single["eps"], single["eps"]),)
            parts = moments(x, y, of, case.startswith("onehot"))
            parts[9] = parts[8] + parts[9]
            found = pasad.score(parts, [pasad.Fitting(8, 9, ridges)]).value
            # The one-hot null direction has a weight of 0.034 and, there, a random correlation of about 0.03.
            assert abs(found - single["test_score"]) < (1e-7 if case.startswith("gauss") else 1.2e-3)


def test_the_published_one_hot_score_depends_on_the_order_of_rows(shared):
    x, y, of, given, told = load(shared, "onehot_64v39")
    found = [told["score"]]
    for seed in range(6):
        order = np.random.default_rng(seed).permutation(len(of))
        found.append(published.score(x[:, order], y[:, order], of[order], given))
    ours = pasad.score(moments(x, y, of, True), given).value
    assert max(found) - min(found) > 1e-3
    assert min(found) < ours < max(found)


@pytest.mark.parametrize("sizes", [(6, 9), (9, 6), (6, 6)])
def test_equals_the_twin_whichever_view_is_smaller(sizes, knobs):
    p, q = sizes
    generator = np.random.default_rng(p)
    x = generator.standard_normal((p, 600)) + 3
    y = generator.standard_normal((q, p)) @ x + generator.standard_normal((q, 600))
    of = drawing.splits(600, seed=0)
    given = pasad.trials(seed=1)
    for both in (False, True):
        ours = knobs.score(moments(x, y, of, False), given, both=both)
        assert ours == pytest.approx(published.score(x, y, of, given, both=both), abs=1e-9)


def test_constant_dimensions_are_dropped_and_counted():
    generator = np.random.default_rng(0)
    x = np.concatenate([generator.standard_normal((5, 500)), np.full((2, 500), 7.0)])
    y = x[:3] + generator.standard_normal((3, 500))
    of, given = drawing.splits(500, seed=0), pasad.trials(seed=0)
    found = pasad.score(moments(x, y, of, False), given)
    assert {tested.dropped for tested in found.tested} == {(2, 0)}
    assert found.value == pytest.approx(published.score(x, y, of, given), abs=1e-9)


def test_ridges_that_matter_get_fits_of_their_own():
    generator = np.random.default_rng(0)
    x = generator.standard_normal((5, 500)) * np.array([1, 1, 1, 1e-3, 1e-4])[:, None]
    y = x[:3] + generator.standard_normal((3, 500))
    of = drawing.splits(500, seed=0)
    pairs = ((1e-5, 1e-5), (1e-7, 1e-7), (1e-11, 1e-11), (1.00001e-11, 1e-11))
    given = [pasad.Fitting(0, 1, pairs), pasad.Fitting(2, 3, pairs)]
    found = pasad.score(moments(x, y, of, False), given)
    assert [tested.fits for tested in found.tested] == [3, 3]
    assert found.value == pytest.approx(published.score(x, y, of, given), abs=1e-9)


def test_classes_that_a_split_lacks_weigh_nothing_and_are_counted():
    generator = np.random.default_rng(0)
    labels = np.repeat(np.arange(30), 12)
    x = generator.standard_normal((4, 360)) + labels % 4
    of = drawing.splits(labels, seed=0)
    of[labels == 29] = 0
    x = np.concatenate([x, generator.standard_normal((40, 360))])
    found = pasad.score(moments(x, np.eye(30)[:, labels], of, True), [pasad.Fitting(1, 2, ((1e-9, 1e-9),))])
    assert found.tested[0].dependent >= 1
    assert np.isfinite(found.value)


def test_what_cannot_be_scored_is_told():
    rows = torch.randn(40, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    parts = [Moments.of(rows[k::10], rows[k::10, :2]) for k in range(10)]
    with pytest.raises(LaminaError, match="10 splits, not 3"):
        pasad.score(parts[:3])
    wide = [Moments.of(rows[k::10].repeat(1, 6), rows[k::10, :2]) for k in range(10)]
    with pytest.raises(LaminaError, match="32 training rows are too few for CCA of 36 and 2 dimensions"):
        pasad.score(wide)
    with pytest.raises(LaminaError, match="not finite"):
        pasad.score([Moments.of(rows[k::10] * torch.nan, rows[k::10, :2]) for k in range(10)])
    with pytest.raises(LaminaError, match="no dimension of a view varies"):
        pasad.score([Moments.of(rows[k::10] * 0, rows[k::10, :2]) for k in range(10)])
    none = torch.zeros(4, dtype=torch.int64)
    one_class = [ClassMoments.of(rows[k::10], none, 3) for k in range(10)]
    with pytest.raises(LaminaError, match="no dimension of a view varies"):
        pasad.score(one_class)


def indices(start, end, frames, middle):
    """The frames of a segment in seconds, as that code finds them: one at a time, in floats."""
    first, last = int(np.floor(start / 0.02)), int(np.ceil(end / 0.02))
    left = {"third": 3, "quarter": 4}.get(middle)
    if left:
        left = int(np.floor((last - first + 1) / left))
        first, last = first + left, last - left
    if last == first:
        last += 1
    if last == frames + 1:
        last = frames
    found = list(range(first, last))
    return [found[len(found) // 2]] if middle == "centre" else found


@pytest.mark.parametrize("middle", ["third", "quarter", "all", "centre"])
def test_frames_are_those_of_the_published_code(middle):
    generator = np.random.default_rng(0)
    onsets = generator.integers(0, 400, 300)
    offsets = np.minimum(onsets + generator.integers(1, 60, 300), 449)
    count = int(np.ceil(449 / 2))
    frames = np.full(300, count)
    start, stop = drawing.frames(GRID, onsets * 160, offsets * 160, frames, middle=middle)
    for place in range(300):
        expected = indices(onsets[place] / 100, offsets[place] / 100, count, middle)
        assert list(range(start[place], stop[place])) == expected


def test_frames_beyond_the_end_are_none_and_the_last_is_kept():
    onsets, offsets = np.array([0, 16000, 15700]), np.array([640, 16320, 16000])
    start, stop = drawing.frames(GRID, onsets, offsets, np.full(3, 49), middle="all")
    assert list(zip(start, stop, strict=True)) == [(0, 2), (49, 49), (49, 49)]


def test_phones_lose_stress_and_silence():
    labels = ["AH0", "AA1", "B", "SIL", "sp", "spn", "", "zh"]
    assert [drawing.phone(label) for label in labels] == ["ah", "aa", "b", "", "", "", "", "zh"]


def test_words_are_the_most_frequent_with_ties_by_name():
    assert drawing.words(["b", "a", "c", "c", "<unk>", "<unk>", "<unk>", ""], 2) == ("c", "a")


def test_samples_are_capped_by_label():
    labels = np.repeat(np.array(["a", "b", "c"]), [30, 4, 10])
    chosen = drawing.sample(labels, 10, seed=0)
    assert np.array_equal(chosen, np.unique(chosen))
    assert dict(zip(*np.unique(labels[chosen], return_counts=True), strict=True)) == {"a": 10, "b": 4, "c": 10}
    assert not np.array_equal(chosen, drawing.sample(labels, 10, seed=1))


def test_splits_spread_every_label():
    labels = np.repeat(np.arange(3), [57, 20, 5])
    found = drawing.splits(labels, seed=0)
    table = np.zeros((3, 10), dtype=int)
    np.add.at(table, (labels, found), 1)
    assert (table[0] >= 5).all()
    assert (table[1] == 2).all()
    assert table[2].sum() == 5
    assert np.bincount(drawing.splits(1000, seed=3), minlength=10).tolist() == [100] * 10


def test_trials_are_disjoint_and_try_the_small_ridges_first():
    found = pasad.trials(seed=0)
    used = [split for trial in found for split in (trial.dev, trial.test)]
    assert len(found) == 3
    assert len(set(used)) == 6
    assert all(len(set(trial.ridges)) == 6 and max(max(pair) for pair in trial.ridges) <= 1e-9 for trial in found)
    assert len(set(pasad.trials(seed=0, ridges=25)[0].ridges)) == 25
