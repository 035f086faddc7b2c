"""The context control: what is left where segments are encoded alone, planted and counted."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from planted import FRONT
from spoken_context import Around, Chain

from lamina.analysis.alone import Alone, asked_alone
from lamina.analysis.config import AnalysisConfig
from lamina.analysis.sweep import analyze
from lamina.encoders.encoder import States
from lamina.errors import LaminaError
from lamina.frames import bounds

CONFIG = AnalysisConfig(targets=("phone",), measures=("cca",), replicates=20, ridges=(1e-6,))
GRIDS = {"now.40": FRONT.conv(1, 2), "wide.40": FRONT.conv(1, 2)}
TAPS = {"now": [0], "now.40": [0], "later": [200], "wide": range(-300, 301, 50), "wide.40": range(-300, 301, 50)}


def test_what_the_sound_under_a_frame_says_stays_and_context_goes():
    corpus, encoder = Chain(each=5), Around({name: list(held) for name, held in TAPS.items()}, GRIDS)
    grids = [tap.grid for tap in encoder.taps]
    whole, alone = (
        {row.tap: row for row in analyze(encoder, each, CONFIG).scores.select(measure="cca-mean", control="")}
        for each in (corpus, Alone(corpus, "phone", grids))
    )
    print()
    for name in TAPS:
        print(f"{name:<8} in the whole {whole[name].value:6.3f}   alone {alone[name].value:6.3f}")
    for name in TAPS:
        assert alone[name].n == whole[name].n
    for name in ("now", "now.40"):
        assert alone[name].value == pytest.approx(whole[name].value, abs=0.02)
    for name in ("wide", "wide.40"):
        assert alone[name].value > whole[name].value + 0.2  # nothing else is mixed in any more
    reading = CONFIG.model_copy(update={"targets": ("phone@+1",)})
    after = Around({"later": [90]})
    assert analyze(after, corpus, reading).scores.select(measure="cca-mean", control="")[0].value > 0.4
    with pytest.raises(LaminaError, match=r"no segment of 'phone' has a neighbour 1 away"):
        analyze(after, Alone(corpus, "phone", [FRONT]), reading)


class Patient(Around):
    """Knows the phone only after it has heard 150 ms."""

    def states(self, waves, lengths, taps=None):
        for states in super().states(waves, lengths, taps):
            values = states.values.clone()
            early = [k for k in range(values.shape[1]) if states.tap.grid.centre_of(k) < 2400]
            drawn = torch.Generator().manual_seed(len(waves))
            values[:, early] = torch.randn(values[:, early].shape, generator=drawn)
            yield States.checked(values, lengths.tolist(), states.tap)


def test_what_needs_context_is_lost_alone():
    corpus, encoder = Chain(each=5), Patient({"now": [0]})
    whole, alone = (
        analyze(encoder, each, CONFIG).scores.select(measure="cca-mean", control="")[0].value
        for each in (corpus, Alone(corpus, "phone", [FRONT]))
    )
    print(f"\nneeds 150 ms: in the whole {whole:.3f}, alone {alone:.3f}")
    assert whole > 0.9
    assert alone < 0.3


def test_cuts_hold_the_frames_of_the_whole_and_what_they_see():
    corpus, grids = Chain(each=2), (FRONT, FRONT.conv(1, 2), FRONT.conv(1, 3))
    cuts = Alone(corpus, "phone", grids)
    assert len(cuts) == sum(len(one.tiers["phone"]) for one in corpus.utterances())
    pairs = ((one, each) for one in corpus.utterances("test") for each in one.tiers["phone"])
    for cut, (one, segment) in zip(cuts.utterances("test"), pairs, strict=True):
        (moved,) = cut.tiers["phone"]
        start = segment.onset - moved.onset
        np.testing.assert_array_equal(cuts.read(cut), corpus.read(one, start, start + cut.samples))
        for grid in grids:
            here, there = (
                bounds(grid, np.array([each.onset]), np.array([each.offset]), np.array([grid.frames(samples)]))
                for each, samples in ((moved, cut.samples), (segment, one.samples))
            )
            assert [int(side[0]) + start / grid.stride for side in here] == [int(side[0]) for side in there]
            first = grid.centre_of(int(here[0][0])) - grid.window / 2
            assert first >= -1
            assert cut.speaker == one.speaker


def test_alone_that_cannot_be_made():
    corpus = Chain(each=1)
    with pytest.raises(LaminaError, match="chain has no 'word' to read alone: ask for a tier that it has"):
        Alone(corpus, "word", [FRONT])
    both = CONFIG.model_copy(update={"targets": ("phone", "speaker"), "measures": ("cca", "reach", "boundary")})
    asked = asked_alone(both, "phone")
    assert asked.targets == ("phone",)
    assert (
        {"cca-mean", "cca-pwcca"}
        <= asked.wanted
        == {name for name in both.wanted if name.startswith(("cca", "svcca"))}
    )
    with pytest.raises(LaminaError, match="none of reach, units can be asked of segments alone"):
        asked_alone(CONFIG.model_copy(update={"measures": ("reach", "units")}), "phone")
