"""Labels of the segments beside a segment, read in its own frames: planted truths, a slow twin, bad input."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from planted import FRONT
from spoken_context import Around, Chain

import lamina
from lamina.analysis.config import AnalysisConfig
from lamina.analysis.naming import tiers_of
from lamina.analysis.sweep import Sweep, analyze
from lamina.errors import LaminaError

CONFIG = AnalysisConfig(targets=("phone", "phone@+1", "phone@-2"), measures=("cca", "mi", "knn"), replicates=20)


@pytest.fixture(scope="module")
def found():
    return analyze(Around({"own": [0], "next": "+1"}), Chain(), CONFIG)


def test_who_holds_the_next_phone_is_found_and_who_holds_its_own_is_not(found):
    print()
    for measure in ("cca-mean", "mi-corrected", "knn-accuracy"):
        rows = {(row.tap, row.target): row.value for row in found.scores.select(measure=measure, control="")}
        print(f"{measure:<14}", *(f"{tap} {target} {value:.3f}" for (tap, target), value in rows.items()))
        # No phone is said twice in a row, so who knows one knows a little of its neighbours.
        assert rows["next", "phone@+1"] > 0.85
        assert rows["own", "phone"] > 0.85
        assert rows["own", "phone@+1"] < 0.3
        assert rows["next", "phone"] < 0.3
        assert rows["own", "phone@-2"] < 0.2
    for row in found.scores.select(measure="cca-mean", target="phone@+1", control="shuffled"):
        assert abs(row.value) < 0.1


def test_labels_are_those_of_a_loop_and_missing_neighbours_are_counted(found):
    corpus = Chain()
    sweep = Sweep(Around({"own": [0]}), corpus, CONFIG)
    for target in sweep.targets:
        step = {"phone": 0, "phone@+1": 1, "phone@-2": -2}[target.name]
        wanted, left = [], 0
        for utterance in corpus.utterances("test"):
            tier = utterance.tiers["phone"]
            for place, segment in enumerate(tier):
                if not 0 <= place + step < len(tier):
                    left += 1
                elif len(FRONT.owned(segment.onset, segment.offset, FRONT.frames(utterance.samples))):
                    wanted.append((segment.onset, tier[place + step].label))
        made = [target.classes[number] for number in target.answers[0]]
        assert list(zip(target.score.onsets.tolist(), made, strict=True)) == wanted
        if step:
            total, lone = 80 * 40, 80 * abs(step)
            side = "after" if step > 0 else "before"
            told = f"{target.name}: {lone} of {total} segments have no neighbour {abs(step)} {side} them"
            assert told in target.notes
            assert left == 24 * abs(step)


def test_rows_of_folded_phones_say_so_wherever_phones_are_in_them():
    corpus = Chain(each=3)
    corpus.phone_map = "some.tsv"
    asked = ("phone@+1", "phone given mel")
    found = analyze(Around({"own": [0]}), corpus, AnalysisConfig(targets=asked, measures=("cca",), replicates=0))
    settings = {row.target: row.setting for row in found.scores}
    assert settings == dict.fromkeys(asked, "phones by some.tsv")
    assert tiers_of("word@-1 given phone") == ("word", "phone")


def test_clusters_are_as_many_as_of_the_tier_itself():
    assert CONFIG.clusters_of("phone@+1", 10_000) == CONFIG.clusters_of("phone", 10_000) == 100


def test_neighbours_that_cannot_be_asked():
    corpus, encoder = Chain(each=2), Around({"own": [0]})
    with pytest.raises(LaminaError, match=r"chain has no tier or label 'word' \(it has phone\)"):
        lamina.analyze(encoder, corpus, targets=("word@+1",))
    with pytest.raises(LaminaError, match=r"chain has no tier or label 'phone@\+4'"):
        lamina.analyze(encoder, corpus, targets=("phone@+4",))
    corpus._utterances = [replace(each, tiers={"phone": each.tiers["phone"][:2]}) for each in corpus.utterances()]
    with pytest.raises(LaminaError, match="no segment of 'phone' has a neighbour 2 away in its utterance"):
        lamina.analyze(encoder, corpus, targets=("phone@+2",))


def test_an_encoder_without_context_gains_nothing_from_its_neighbours_by_averaging(found):
    """Frames of the segment itself are read: none that its neighbour owns."""
    target = Sweep(Around({"own": [0]}), Chain(each=2), CONFIG).targets[1]
    numbers = torch.arange(len(target.score)).numpy()
    start, stop = target.owned(
        "all", FRONT, None, target.score.onsets[numbers], target.score.offsets[numbers], target.score.samples
    )
    centres = [float(FRONT.centre_of(int(frame))) for frame in (*start, *(stop - 1))]
    inside = [
        onset <= centre < offset
        for centre, onset, offset in zip(
            centres, [*target.score.onsets] * 2, [*target.score.offsets] * 2, strict=True
        )
    ]
    assert all(inside)
    assert len(inside) == 2 * len(numbers)
