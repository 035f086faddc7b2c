"""The best layer is chosen on other speakers than those that score it: layers of pure noise gain nothing."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from lamina.score import Score
from lamina.stats.inference import halvings, over_seeds_and_speakers, resample_weights
from lamina.study.outcomes import Profile, read_at

Floats = NDArray[np.float64]
NAMES = [f"s{number}" for number in range(8)]
RESAMPLED = resample_weights(NAMES, replicates=200, seed=0) / len(NAMES)
HALVES = halvings(NAMES) / len(NAMES)


def profile(each: Floats) -> Profile:
    """Of (taps, speakers) values, whose mean is the score."""
    rows = tuple(
        Score(model="m", tap=f"t.{tap}", layer=tap + 1, depth=tap + 1, measure="cka", target="phone", value=value)
        for tap, value in enumerate(each.mean(axis=1).tolist())
    )
    return Profile(rows, each @ RESAMPLED.T, each @ HALVES.T, len(NAMES))


def test_halves_are_halves() -> None:
    weights = halvings(NAMES)
    assert weights.shape == (20, 8)
    assert (weights[0::2] * weights[1::2] == 0).all()
    assert ((weights > 0).sum(axis=1) == 4).all()
    assert (weights.sum(axis=1) == 8).all()
    assert (halvings(NAMES[::-1]) == weights).all()
    odd = halvings(NAMES[:5])
    assert sorted({int((row > 0).sum()) for row in odd}) == [2, 3]
    assert odd.sum(axis=1) == pytest.approx(5)
    assert halvings(["alone"]).shape == (0, 1)


@pytest.mark.parametrize("at", ["best", "matched"])
def test_layers_of_pure_noise_show_no_winners_gain(at: str) -> None:
    """Twelve layers that know nothing against one: the naive best gains a standard error and more."""
    random = np.random.default_rng(0)
    naive, crossed, held = [], [], 0
    for _ in range(800):
        common = random.normal(0, 1, len(NAMES))  # what is a speaker's is in all layers
        many = profile(common + random.normal(0, 1, (12, len(NAMES))))
        readings = {"many": [many], "one": [profile(common + random.normal(0, 1, (1, len(NAMES))))]}
        if at == "matched":
            readings["one"] = [profile(np.zeros((12, len(NAMES))))]
        old, new = (read_at(readings, at, crossed=each) for each in (False, True))
        naive.append(old["many"].values[0] - old["one"].values[0])
        crossed.append(new["many"].values[0] - new["one"].values[0])
        drawn = new["many"].drawn - new["one"].drawn
        low, high = over_seeds_and_speakers(np.array([crossed[-1]]), drawn, speakers=len(NAMES)).interval()
        assert low is not None
        assert high is not None
        held += low <= 0 <= high
    noise = 8**-0.5
    error = float(np.std(crossed)) / 800**0.5
    assert np.mean(naive) > 1.2 * noise
    assert abs(np.mean(crossed)) < 4 * error
    assert abs(np.mean(crossed)) < 0.15 * noise
    assert held / 800 > 0.92


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_layer_that_is_best_by_far_is_told_as_it_is(sign: float) -> None:
    random = np.random.default_rng(1)
    each = random.normal(0, 0.01, (5, len(NAMES)))
    each[3] += sign
    found = profile(each)
    if sign < 0:  # of errors the lowest is best
        rows = tuple(
            Score(model="m", tap=row.tap, layer=row.layer, depth=row.depth, measure="per", value=row.value)
            for row in found.rows
        )
        found = Profile(rows, found.drawn, found.halves, found.speakers)
    outcome = read_at({"m": [found]}, "best", crossed=True)["m"]
    assert outcome.values[0] == pytest.approx(each[3].mean())
    assert outcome.drawn[0] == pytest.approx(each[3] @ RESAMPLED.T)


def test_what_half_a_corpus_adds_to_a_measure_is_not_told() -> None:
    """A measure that is .3 higher on half of the speakers, as mutual information is, keeps its value on all."""
    random = np.random.default_rng(2)
    each = random.normal(0, 0.01, (4, len(NAMES)))
    each[2] += 1
    plain = profile(each)
    biased = Profile(plain.rows, plain.drawn, plain.halves + 0.3, plain.speakers)
    told = [read_at({"m": [found]}, "best", crossed=True)["m"].values[0] for found in (plain, biased)]
    assert told[0] == pytest.approx(told[1])


def test_halvings_that_a_tap_lacks_are_left_out() -> None:
    random = np.random.default_rng(3)
    found = profile(random.normal(0, 1, (4, len(NAMES))))
    halves = found.halves.copy()
    halves[1, :6] = np.nan
    less = Profile(found.rows, found.drawn, halves, found.speakers)
    same = Profile(found.rows, found.drawn, halves[:, 6:], found.speakers)
    told = [read_at({"m": [each]}, "best", crossed=True)["m"].values[0] for each in (less, same)]
    assert told[0] == pytest.approx(told[1])
