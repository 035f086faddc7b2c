"""How far a frame reaches: delays and windows that were planted, at three rates; `pytest -s` prints the table."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from planted import FRONT, RATE
from spoken_context import PHONES, Around, Chain

from lamina.analysis.config import AnalysisConfig
from lamina.analysis.instruments.reach import setting, told
from lamina.analysis.sweep import Sweep, analyze
from lamina.corpus.batches import batches
from lamina.errors import LaminaError
from lamina.stats.widths import half_widths

CONFIG = AnalysisConfig(targets=("phone",), measures=("reach", "lag"), replicates=40, ridges=(1e-6,))
GRIDS = {
    "now": 20,
    "now.40": 40,
    "now.100": 100,
    "later": 20,
    "later.40": 40,
    "wide": 20,
    "wide.100": 100,
    "none": 20,
}
PLANTED = {
    "now": [0],
    "now.40": [0],
    "now.100": [0],
    "later": [200],
    "later.40": [200],
    "wide": [*range(-100, 301, 25)],
    "wide.100": [*range(-100, 301, 25)],
    "none": [],
}


def encoder(names=tuple(PLANTED), **more):
    grids = {name: FRONT.conv(1, GRIDS[name] // 20) if GRIDS[name] > 20 else FRONT for name in names}
    return Around({name: PLANTED[name] for name in names}, grids, **more)


@pytest.fixture(scope="module")
def corpus():
    return Chain(each=6, phones=50)


@pytest.fixture(scope="module")
def found(corpus):
    return analyze(encoder(), corpus, CONFIG)


def rows(found, measure):
    return {row.tap: row for row in found.scores.select(measure=measure, control="", setting="")}


def test_the_table(found):
    print(f"\n{'':<10} {'before':>8} {'after':>8} {'asymmetry':>10}")
    before, after, lean = (rows(found, f"reach-{name}") for name in ("before", "after", "asymmetry"))
    for name in before:
        print(f"{name:<10} {before[name].value:8.1f} {after[name].value:8.1f} {lean[name].value:10.2f}")
    assert {row.n for row in before.values()} == {before["now"].n}
    assert {row.unit for row in before.values()} == {"ms"}


def test_labels_alone_reach_as_far_as_states_that_are_the_label(found):
    """Without this a label that lasts would be called context."""
    (note,) = [note for note in found.notes if "nothing else reaches" in note]
    before, after = (float(number) for number in re.findall(r"(\d+) ms", note))
    assert before == pytest.approx(rows(found, "reach-before")["now"].value, abs=4)
    assert after == pytest.approx(rows(found, "reach-after")["now"].value, abs=4)


def test_what_says_the_present_alone_reaches_alike_at_every_rate(found):
    before, after = rows(found, "reach-before"), rows(found, "reach-after")
    for name in ("now", "now.40", "now.100"):
        assert before[name].value == pytest.approx(before["now"].value, abs=6)
        assert after[name].value == pytest.approx(after["now"].value, abs=6)
        assert rows(found, "reach-asymmetry")[name].value == pytest.approx(0, abs=0.1)
        assert before[name].low < before[name].value < before[name].high


def test_a_planted_delay_moves_the_curve_by_as_much(found):
    before, after = rows(found, "reach-before"), rows(found, "reach-after")
    for name in ("later", "later.40"):
        assert after[name].value - after["now"].value == pytest.approx(200, abs=6)
        assert before[name].value - before["now"].value == pytest.approx(-200, abs=6)
        assert rows(found, "reach-asymmetry")[name].value == 1


def test_a_planted_window_is_found_on_both_sides_at_both_rates(found):
    before, after = rows(found, "reach-before"), rows(found, "reach-after")
    for name in ("wide", "wide.100"):
        assert before[name].value == pytest.approx(100, abs=60)
        assert after[name].value == pytest.approx(300, abs=60)
        assert after[name].value > before[name].value + 100
    assert before["wide"].value == pytest.approx(before["wide.100"].value, abs=12)


def test_the_usual_score_does_not_tell_context_from_the_label_itself(corpus):
    """The naive way: CCA with the segment under the frame is low for what looks wider, and tells no direction."""
    only = AnalysisConfig(targets=("phone",), measures=("cca",), replicates=0, shuffles=0)
    plain = {row.tap: row.value for row in analyze(encoder(), corpus, only).scores.select(measure="cca-mean")}
    print("\ncca-mean of the segment:", {name: round(value, 3) for name, value in plain.items()})
    assert plain["now"] > plain["wide"] + 0.1
    assert plain["wide"] > plain["later"]


def test_noise_has_no_reach_and_says_so(found):
    assert "none" not in rows(found, "reach-mean")
    assert any("phone: no reach: its highest value" in note and "(taps none)" in note for note in found.notes)


def test_the_curve_is_that_of_a_loop(found, corpus):
    """The labels at a lag by a loop over segments; CCA by numpy on data matrices; means of own rows taken off."""
    taps = encoder(("now.40",))
    grid = taps.taps[0].grid
    coarsest, plain = 1600, CONFIG.model_copy(update={"ridges": (0.0,)})

    def data(split, lag):
        x, y = [], []
        margin = 8000 + coarsest + 1
        for batch in batches(corpus, corpus.utterances(split), seconds=8.0):
            (states,) = taps.states(batch.waves, batch.lengths)
            for row, one in enumerate(batch.utterances):
                centres = [int(grid.centre_of(k)) for k in range(int(states.lengths[row]))]
                for moment in range(margin, one.samples - margin, coarsest):
                    k = min(range(len(centres)), key=lambda k: (abs(centres[k] - moment), -k))
                    there = centres[k] + lag * RATE // 1000
                    said = [s.label for s in one.tiers["phone"] if s.onset <= there < s.offset]
                    x.append(states.values[row, k].double().numpy())
                    y.append(int(said[0][1:]) if said else PHONES)
        return np.array(x), np.eye(PHONES + 1)[y]

    for lag in (-150, 0, 75):
        x, y = data("train", lag)
        used = y.any(0)
        ux, sx, vx = np.linalg.svd(x - x.mean(0), full_matrices=False)
        uy, sy, vy = np.linalg.svd(y[:, used] - y[:, used].mean(0), full_matrices=False)
        keep = sy > 1e-9
        u, _, vt = np.linalg.svd(ux.T @ uy[:, keep])
        k = int(keep.sum())
        a, b = vx.T @ np.diag(1 / sx) @ u[:, :k], vy[keep].T @ np.diag(1 / sy[keep]) @ vt.T[:, :k]
        x, y = data("test", lag)
        mine = np.mean([np.corrcoef(x @ a[:, i], y[:, used] @ b[:, i])[0, 1] for i in range(k)])
        again = analyze(taps, corpus, plain, support=[FRONT.conv(1, 5)])
        (row,) = again.scores.select(measure="lag-cca", setting=setting(lag), control="")
        assert row.value == pytest.approx(mine, abs=1e-6)
        assert row.n == len(x)


def test_widths_of_known_curves():
    lags = np.arange(-500, 501, 25, dtype=float)
    triangle = np.maximum(0, 1 - np.abs(lags - 50) / 200)
    assert half_widths(lags, triangle) == (pytest.approx(50), pytest.approx(150))
    assert half_widths(lags, np.exp(-((lags / 100) ** 2) * np.log(2))) == (pytest.approx(100), pytest.approx(100))
    assert half_widths(lags, np.where(lags < 0, 0.0, 1.0)) == (pytest.approx(12.5), 500)
    values = told(lags, np.stack([triangle, triangle[::-1], np.full_like(lags, np.nan)]))
    np.testing.assert_allclose(values["reach-mean"], [100, 100, np.nan])
    np.testing.assert_allclose(values["reach-asymmetry"], [0.5, -0.5, np.nan])


def test_the_same_by_folds_and_in_parts(corpus):
    folded = Chain(each=6, phones=50, splits=False)
    names = ("now", "later")
    one = analyze(encoder(names), folded, CONFIG)
    again = analyze(encoder(names), folded, CONFIG.model_copy(update={"batch_seconds": 9.0}))
    assert one.scores.distinct("split") == ["folds-5"]
    for row, other in zip(one.scores, again.scores, strict=True):
        assert row.value == pytest.approx(other.value, abs=1e-9 if row.unit == "" else 1e-5)
    after = rows(one, "reach-after")
    assert after["later"].value - after["now"].value == pytest.approx(200, abs=6)


def test_runs_in_another_order_are_the_same_runs(corpus):
    (target,) = Sweep(encoder(("now",)), corpus, CONFIG).targets
    track = next(iter(target.tracks.values()))
    moved = track.reordered(np.random.default_rng(0))
    runs = [
        sorted(zip(each.codes.tolist(), np.diff(each.begins, append=track.samples).tolist(), strict=True))
        for each in (track, moved)
    ]
    assert runs[0] == runs[1]
    assert moved.codes.tolist() != track.codes.tolist()
    assert track.at(np.array([0, 329, 330])).tolist() == [10, 10, track.codes[1]]


def test_reach_that_cannot_be_asked():
    short = Chain(each=3, phones=6)
    with pytest.raises(LaminaError, match=r"all 21 fit utterances are shorter than 1.04 s, which lags of 500 ms"):
        analyze(encoder(("now",)), short, CONFIG)
    labelled = Chain(each=3)
    labelled._utterances = [replace(one, labels={"age": "1"}) for one in labelled.utterances()]
    with pytest.raises(LaminaError, match="reach: no utterance to fit on has a tier 'age': ask it of a tier"):
        analyze(encoder(("now",)), labelled, CONFIG.model_copy(update={"targets": ("age",)}))
    mixed = Chain(each=3, phones=40)
    mixed._utterances[0] = replace(mixed._utterances[0], samples=16_000)
    mixed._waves[mixed._utterances[0].id] = mixed._waves[mixed._utterances[0].id][:16_000]
    mixed._utterances[0].tiers["phone"] = tuple(
        each for each in mixed._utterances[0].tiers["phone"] if each.offset < 16_000
    )
    noted = analyze(encoder(("now",)), mixed, CONFIG).notes
    assert "reach of phone: 1 of 21 fit utterances are too short for lags of 500 ms" in noted
