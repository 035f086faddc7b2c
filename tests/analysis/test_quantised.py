"""Clusters of frames as units: a slow twin on states that are the label, planted rates (`pytest -s`)."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby, permutations

import numpy as np
import pytest
import torch
from planted import FRONT
from spoken_context import PHONES, Around, Chain

import lamina
from lamina.analysis.config import AnalysisConfig
from lamina.analysis.instruments.units import named, one_to_one
from lamina.analysis.sweep import analyze
from lamina.encoders.encoder import States
from lamina.errors import LaminaError

CONFIG = AnalysisConfig(targets=("phone",), measures=("units",), replicates=40, clusters={"phone": 24})
GRIDS = {"now.40": FRONT.conv(1, 2), "now.100": FRONT.conv(1, 5)}
TAPS = {"now": [0], "now.40": [0], "now.100": [0], "late": [120], "noise": []}
NAMES = ("per", "per-one", "pnmi", "purity", "bits")


@pytest.fixture(scope="module", params=[True, False], ids=["splits", "folds"])
def found(request):
    return analyze(Around(TAPS, GRIDS), Chain(each=4, splits=request.param), CONFIG).scores


def value(scores, tap, measure, control=""):
    (row,) = scores.select(tap=tap, measure=f"unit-{measure}", control=control)
    return row


def test_planted_units_are_named_and_slow_ones_miss_short_phones(found):
    print(f"\n{found.distinct('split')}\n{'':<10}", *(f"{name:>9}" for name in NAMES))
    for tap, control in [*((tap, "") for tap in TAPS), ("now", "shuffled")]:
        print(f"{tap + control:<10}", *(f"{value(found, tap, name, control).value:9.3f}" for name in NAMES))
    per = {tap: value(found, tap, "per").value for tap in TAPS}
    # Phones last 50 ms or longer: each has a frame at 20 and at 40 ms.
    assert max(per["now"], per["now.40"]) < 0.01
    assert per["now.100"] > 0.1
    assert min(per["late"], per["noise"], value(found, "now", "per", "shuffled").value) > 0.7
    assert value(found, "now", "pnmi").value > 0.9
    assert value(found, "noise", "pnmi").value < 0.1
    # Of 24 units at most 11 have a name of their own: what the others say is lost.
    assert value(found, "now", "per-one").value > 0.2
    assert value(found, "now", "bits").value > value(found, "now.100", "bits").value
    row = value(found, "now", "per")
    assert row.low <= row.value <= row.high


def slow_distance(one, other):
    table = [[i + j for j in range(len(other) + 1)] for i in range(len(one) + 1)]
    for i, a in enumerate(one, 1):
        for j, b in enumerate(other, 1):
            table[i][j] = min(table[i - 1][j] + 1, table[i][j - 1] + 1, table[i - 1][j - 1] + (a != b))
    return table[-1][-1]


def test_states_that_are_the_label_give_what_a_loop_counts():
    corpus, grid = Chain(each=4), FRONT.conv(1, 3)
    config = CONFIG.model_copy(update={"clusters": {"phone": PHONES + 1}, "shuffles": 0})
    scores = analyze(Around({"now": [0]}, {"now": grid}, noise=0.0), corpus, config).scores
    errors, phones, seconds, runs, frames = 0, 0, 0.0, {}, 0
    for one in corpus.utterances("test"):
        tier, said = one.tiers["phone"], []
        for k in range(grid.frames(one.samples)):
            centre = grid.centre_of(k)
            said += [next((s.label for s in tier if s.onset <= centre < s.offset), "")]
        heard = [label for label, _ in groupby(said)]
        for label in heard:
            runs[label] = runs.get(label, 0) + 1
        errors += slow_distance([s.label for s in tier], [label for label in heard if label])
        phones, seconds, frames = phones + len(tier), seconds + one.samples / 16000, frames + len(said)
    total = sum(runs.values())
    bits = sum(n * np.log2(total / n) for n in runs.values()) / seconds
    for name, wanted in (
        ("per", errors / phones),
        ("per-one", errors / phones),
        ("pnmi", 1),
        ("purity", 1),
        ("bits", bits),
    ):
        assert value(scores, "now", name).value == pytest.approx(wanted, abs=1e-9)
        assert value(scores, "now", name).n == frames


def test_one_to_one_is_the_best_of_all_assignments():
    random = np.random.default_rng(0)
    for _ in range(20):
        table = random.integers(0, 20, (5, 4))
        names = one_to_one(table, 3)
        right = sum(
            table[unit, label] for unit, label in enumerate(names) if label < 4 and (names == label).sum() == 1
        )
        best = max(
            sum(table[unit, label] for label, unit in enumerate(order)) for order in permutations(range(5), 4)
        )
        spare = [unit for unit, label in enumerate(names) if label == 3]
        assert right + (max(table[unit, 3] for unit in spare) if len(spare) > 1 else 0) == best


def test_repeats_count_once_and_pauses_part_words():
    names = np.array([7, 8, 7, 9])
    assert named(np.array([0, 0, 2, 1, 3, 1, 1, 0]), names, 9) == [7, 8, 8, 7]
    assert named(np.array([3, 3]), names, 9) == []


def test_what_is_drawn_is_counted_and_what_cannot_be_is_said():
    corpus = Chain(each=4)
    small = CONFIG.model_copy(update={"max_sample": 1500})
    notes = analyze(Around({"now": [0]}), corpus, small).notes
    assert any(
        note.startswith("units of phone: ") and "of 28 fit utterances, drawn by the seed" in note for note in notes
    )
    with pytest.raises(LaminaError, match="no fit utterance with the tier is as short as 50 frames: allow more"):
        analyze(Around({"now": [0]}), corpus, CONFIG.model_copy(update={"max_sample": 100}))
    with pytest.raises(LaminaError, match="frames are too few for 800 units"):
        analyze(Around({"now": [0]}), corpus, small.model_copy(update={"clusters": {"phone": 800}}))
    aged = Chain(each=2)
    aged._utterances = [replace(one, labels={"age": "1"}) for one in aged.utterances()]
    with pytest.raises(LaminaError, match="units: no utterance to fit on has a tier 'age'"):
        lamina.analyze(Around({"now": [0]}), aged, targets=("age",), measures=("units",))


class Broken(Around):
    def states(self, waves, lengths, taps=None):
        for states in super().states(waves, lengths, taps):
            values = states.values.clone()
            values[0, 3] = torch.nan
            yield States.checked(values, lengths.tolist(), states.tap)


def test_states_that_are_not_finite_are_said():
    with pytest.raises(LaminaError, match="are not finite"):
        analyze(Broken({"now": [0]}), Chain(each=2), CONFIG)
    with pytest.raises(LaminaError, match="are not finite"):
        analyze(Broken({"now": [0]}), Chain(each=2), CONFIG.model_copy(update={"measures": ("boundary",)}))
