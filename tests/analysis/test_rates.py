"""Planted truth at 20, 40 and 100 ms: the rules read it, the naive ones do not. `pytest -s` prints the table."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from planted import FRONT, SCALE, Plant, PlantedCorpus, PlantedEncoder, tap

from lamina.analysis.config import AnalysisConfig
from lamina.analysis.sweep import analyze
from lamina.encoders.encoder import States, find_taps
from lamina.frames import frame_counts

GRIDS = {20: FRONT, 40: FRONT.conv(1, 2), 100: FRONT.conv(1, 5)}
MEASURES = ("cca-mean", "cca-pwcca", "svcca-mean", "cka", "mi-normalised", "mi-corrected", "purity-label")
CONFIG = AnalysisConfig(
    targets=("phone",), measures=MEASURES, clusters={"phone": 24}, replicates=0, shuffles=0, rate_matched=True
)
# Every frame of a `strong` tap says its phone; the weak one hints at it; noise says nothing.
STRENGTH = {"strong": 0.25, "weak": 2.5, "noise": None}
NAMES = ["20.strong", "40.strong", "100.strong", "20.weak", "20.noise"]


def plants(names=tuple(NAMES)):
    return [
        Plant(tap(name, depth, GRIDS[int(name.split(".")[0])]), phone=STRENGTH[name.split(".")[1]])
        for depth, name in enumerate(names)
    ]


class Repeating(PlantedEncoder):
    """What many tools do: coarse frames repeated upward, read as if they were frames of 20 ms."""

    @property
    def told(self):
        return tuple(replace(each, grid=FRONT) for each in self.taps)

    def states(self, waves, lengths, taps=None):
        for states in super().states(waves, lengths, taps):
            times = int(states.tap.grid.stride / FRONT.stride)
            frames = frame_counts(FRONT, lengths.numpy())
            values = torch.zeros(len(waves), int(frames.max()), states.tap.width)
            for row, count in enumerate(frames):
                repeated = states.utterance(row).repeat_interleave(times, 0)[:count]
                values[row, : len(repeated)] = repeated
                values[row, len(repeated) : count] = repeated[-1]
            yield States.checked(values, lengths.tolist(), replace(states.tap, grid=FRONT))


class HalfWay(PlantedEncoder):
    """The usual guess: frame i lies at (i + 1/2) dt."""

    @property
    def told(self):
        return tuple(replace(each, grid=replace(each.grid, centre=each.grid.stride / 2)) for each in self.taps)

    def states(self, waves, lengths, taps=None):
        wrong = {each.name: each for each in self.told}
        for states in super().states(waves, lengths, taps):
            yield replace(states, tap=wrong[states.tap.name])


class Naive:
    """An encoder that tells its taps wrongly."""

    sample_rate, digest = 16000, "naive"

    def __init__(self, inner):
        self.name, self.taps, self._inner = type(inner).__name__, inner.told, inner

    def states(self, waves, lengths, taps=None):
        yield from self._inner.states(waves, lengths, [each.name for each in find_taps(self, taps)])


@pytest.fixture(scope="module")
def readings():
    """By rule, tap and measure, what is found."""
    corpus = PlantedCorpus(each=8)
    found = {
        "lamina": analyze(PlantedEncoder(plants()), corpus, CONFIG).scores,
        "repeat upwards": analyze(Naive(Repeating(plants())), corpus, CONFIG).scores,
        "(i + 1/2) dt": analyze(Naive(HalfWay(plants())), corpus, CONFIG).scores,
    }
    table = {
        rule: {(row.tap, row.measure): row for row in scores.select(matched=False)}
        for rule, scores in found.items()
    }
    matched = {(row.tap, row.measure): row for row in found["lamina"].select(matched=True)}
    table["lamina, decimated"] = table["lamina"] | matched
    return table


def test_the_table(readings):
    print()
    for measure in ("cca-mean", "mi-normalised"):
        print(f"{measure:<20}", *(f"{name:>12}" for name in NAMES))
        for rule, found in readings.items():
            print(f"{rule:<20}", *(f"{found[name, measure].value:12.3f}" for name in NAMES))
    assert {row.n for row in readings["lamina"].values()} == {
        row.n for row in readings["lamina, decimated"].values()
    }


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("rule", ["lamina", "lamina, decimated"])
def test_every_measure_orders_what_was_planted(readings, rule, measure):
    values = {name: readings[rule][name, measure].value for name in NAMES}
    strong = [values[name] for name in NAMES if "strong" in name]
    assert min(strong) > values["20.weak"] > values["20.noise"]


@pytest.mark.parametrize("measure", ["cca-mean", "svcca-mean", "mi-normalised", "purity-label"])
def test_one_truth_at_three_rates_is_one_value(readings, measure):
    strong = [readings["lamina"][f"{ms}.strong", measure].value for ms in GRIDS]
    assert min(strong) > 0.93
    decimated = [readings["lamina, decimated"][f"{ms}.strong", measure].value for ms in GRIDS]
    assert max(decimated) - min(decimated) < 0.04  # they differ by the frames' own noise


def test_what_more_frames_say_goes_with_decimation(readings):
    """The weak tap gains from averaging several frames a segment; decimated to 100 ms it does not."""
    native, decimated = (readings[rule]["20.weak", "cca-mean"] for rule in ("lamina", "lamina, decimated"))
    assert native.value > decimated.value + 0.1
    assert (native.period_ms, decimated.period_ms) == (20.0, 100.0)


@pytest.mark.parametrize("rule", ["repeat upwards", "(i + 1/2) dt"])
@pytest.mark.parametrize("measure", ["cca-mean", "mi-normalised"])
def test_naive_rules_find_less_the_slower_a_tap_though_all_know_the_same(readings, rule, measure):
    fine, middle, slow = (readings[rule][f"{ms}.strong", measure].value for ms in GRIDS)
    assert fine > 0.93
    assert slow < fine - 0.15
    assert slow < middle - 0.05
    # And of two taps the naive rules prefer the wrong one.
    assert slow < readings[rule]["20.weak", measure].value


class Patient(PlantedEncoder):
    """Knows the phones that last, and nothing of those shorter than 60 ms: the same at each rate."""

    def states(self, waves, lengths, taps=None):
        for states in super().states(waves, lengths, taps):
            for row, count in enumerate(states.lengths.tolist()):
                wave = (waves[row, : int(lengths[row])] * SCALE).round().numpy()
                edges = np.flatnonzero(np.diff(wave)) + 1
                begin, end = np.concatenate([[0], edges]), np.concatenate([edges, [len(wave)]])
                at = np.array([int(states.tap.grid.centre_of(k)) for k in range(count)])
                run = np.searchsorted(end, at, side="right")
                short = torch.from_numpy((end - begin)[run] < 960)
                drawn = torch.Generator().manual_seed(row)
                states.values[row, :count][short] = torch.randn(
                    int(short.sum()), states.tap.width, generator=drawn
                )
            yield states


def test_own_support_favours_the_slow_layer():
    """Scored on what each layer happens to see, the slow layer is scored on longer phones, and looks better."""
    corpus, names = PlantedCorpus(each=8), ("20.strong", "100.strong")
    encoder = Patient(plants(names))
    found = analyze(encoder, corpus, CONFIG).scores.select(measure="mi-normalised")
    common = {row.tap: row for row in found if row.matched == (row.tap == "20.strong")}
    own = {}
    for name in names:
        alone = CONFIG.model_copy(update={"taps": (name,), "rate_matched": False})
        (own[name],) = analyze(encoder, corpus, alone).scores.select(measure="mi-normalised")
    for rule, rows in (("own support", own), ("common, decimated", common)):
        print(f"mi-normalised, {rule}:", *(f"{name} {row.value:.3f} of {row.n}" for name, row in rows.items()))
    assert own["100.strong"].value > own["20.strong"].value + 0.1
    assert own["100.strong"].n < 0.95 * own["20.strong"].n
    assert common["20.strong"].n == common["100.strong"].n
    assert common["20.strong"].value == pytest.approx(common["100.strong"].value, abs=0.03)
