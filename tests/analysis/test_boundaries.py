"""Boundaries from changes of states: planted at three rates, slow twins, closed forms (`pytest -s`)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from planted import FRONT
from spoken_context import Around, Chain

import lamina
from lamina.analysis.config import AnalysisConfig
from lamina.analysis.instruments.boundaries import changes, hits, prominent, r_value
from lamina.analysis.sweep import analyze
from lamina.encoders.encoder import find_taps
from lamina.errors import LaminaError

CONFIG = AnalysisConfig(targets=("phone",), measures=("boundary",), replicates=40)
GRIDS = {"now.40": FRONT.conv(1, 2), "now.100": FRONT.conv(1, 5)}
TAPS = {"now": [0], "now.40": [0], "now.100": [0], "late": [60], "noise": []}


class HalfWay:
    """The same states, told to lie at (i + 1/2) dt."""

    sample_rate, digest, name = 16000, "halfway", "halfway"

    def __init__(self, inner):
        self._inner = inner
        self.taps = tuple(
            replace(each, grid=replace(each.grid, centre=each.grid.stride / 2)) for each in inner.taps
        )

    def states(self, waves, lengths, taps=None):
        wrong = {each.name: each for each in find_taps(self, taps)}
        for states in self._inner.states(waves, lengths, list(wrong)):
            yield replace(states, tap=wrong[states.tap.name])


def encoder():
    return Around(TAPS, GRIDS)


@pytest.fixture(scope="module", params=[True, False], ids=["splits", "folds"])
def found(request):
    corpus = Chain(each=4, splits=request.param)
    return {
        "true": analyze(encoder(), corpus, CONFIG).scores,
        "(i + 1/2) dt": analyze(HalfWay(encoder()), corpus, CONFIG).scores,
    }


def value(scores, tap, measure, near="within 20 ms", control=""):
    (row,) = scores.select(tap=tap, measure=f"boundary-{measure}", setting=near, control=control)
    return row


def test_planted_boundaries_are_found_up_to_the_ceiling_of_the_rate(found):
    names = ("r", "f1", "precision", "recall", "ceiling")
    for rule, scores in found.items():
        for near in ("within 20 ms", "within half a frame"):
            print(f"\n{rule}, {near}\n{'':<8}", *(f"{name:>10}" for name in names))
            for tap in TAPS:
                print(f"{tap:<8}", *(f"{value(scores, tap, name, near).value:10.3f}" for name in names))
    scores = found["true"]
    for near in ("within 20 ms", "within half a frame"):
        for tap, short in (("now", 0.03), ("now.40", 0.12)):
            row, ceiling = (value(scores, tap, name, near) for name in ("f1", "ceiling"))
            assert ceiling.value - short < row.value <= ceiling.value + 1e-9
            assert row.low <= row.value <= row.high
            assert row.n == value(scores, "noise", "f1", near).n
            assert row.items == "boundaries"
    assert value(scores, "now", "ceiling").value > value(scores, "now.100", "ceiling").value + 0.2


def test_noise_and_what_comes_late_lie_at_the_null(found):
    scores = found["true"]
    null = value(scores, "now", "f1", "within half a frame", control="shuffled").value
    for tap in ("late", "noise"):
        assert value(scores, tap, "f1", "within half a frame").value < null + 0.12
    assert value(scores, "now", "f1", "within half a frame").value > null + 0.4


def test_the_usual_guess_of_where_frames_lie_loses_slow_boundaries(found):
    """At half a frame of 40 ms the guess is 7.5 ms late."""
    near = "within half a frame"
    assert (
        value(found["(i + 1/2) dt"], "now.40", "f1", near).value
        < value(found["true"], "now.40", "f1", near).value - 0.03
    )


def test_hits_are_those_of_a_loop():
    random = np.random.default_rng(0)
    for _ in range(200):
        places = np.sort(random.choice(400, random.integers(0, 12), replace=False)) + 0.5
        there = np.sort(random.choice(400, random.integers(0, 12), replace=False))
        near, count = float(random.integers(1, 60)), 0
        for edge in there:
            if len(places):
                best = min(places, key=lambda place: (abs(place - edge), place))
                back = min(there, key=lambda other: (abs(other - best), other))
                count += back == edge and abs(best - edge) <= near
        assert hits(places, there, near) == count


def test_changes_are_those_of_a_loop_and_scale_does_not_matter():
    random = np.random.default_rng(1)
    states = random.standard_normal((30, 5)) * [1, 10, 100, 1e3, 0] + 7
    scaled = (states - states.mean(0))[:, :4] / states.std(0)[:4]
    wanted = [
        np.linalg.norm(scaled[k : k + 2].mean(0) - scaled[max(0, k - 2) : k].mean(0)) / np.sqrt(5)
        for k in range(1, 30)
    ]
    np.testing.assert_allclose(changes(states, 2), wanted, atol=1e-12)
    np.testing.assert_allclose(changes(3 * states + 1, 2), wanted, atol=1e-12)
    peaks, prominences = prominent(np.array([0, 1.0, 0, 3, 2, 2.5, 0]))
    assert peaks.tolist() == [1, 3, 5]
    np.testing.assert_allclose(prominences * np.std([0, 1.0, 0, 3, 2, 2.5, 0]), [1, 3, 0.5])


def test_r_value_of_known_counts():
    """Räsänen et al. 2009: 1 at the aim; naming a place everywhere has full recall and a low value."""
    assert r_value(np.array([10.0]), np.array([10.0]), 10.0)[0] == pytest.approx(1)
    assert r_value(np.array([10.0]), np.array([30.0]), 10.0)[0] == pytest.approx(1 - (2 + 2 / np.sqrt(2)) / 2)
    assert r_value(np.array([5.0]), np.array([10.0]), 10.0)[0] == pytest.approx(1 - (0.5 + 0.5 / np.sqrt(2)) / 2)


def test_boundaries_that_cannot_be_asked():
    corpus = Chain(each=2)
    with pytest.raises(LaminaError, match=r"chain has no tier or label 'word' \(it has phone\)"):
        lamina.analyze(encoder(), corpus, targets=("word",), measures=("boundary",))
    corpus._utterances = [
        replace(one, tiers={"phone": () if place % 2 else one.tiers["phone"]})
        for place, one in enumerate(corpus.utterances())
    ]
    notes = analyze(encoder(), corpus, CONFIG).notes
    assert "boundaries of phone: 7 of 14 fit utterances have none" in notes
    corpus._utterances = [replace(one, tiers={"phone": ()}) for one in corpus.utterances()]
    with pytest.raises(LaminaError, match="boundaries of 'phone': none of 14 fit utterances has any"):
        analyze(encoder(), corpus, CONFIG)
