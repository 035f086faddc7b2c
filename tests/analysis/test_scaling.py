"""What compares rows by distance reads standardised states: one wide, useless dimension hides nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from planted import Plant, PlantedCorpus, PlantedEncoder, tap

from lamina.analysis.config import AnalysisConfig
from lamina.analysis.results import Analysis
from lamina.analysis.sweep import analyze
from lamina.corpus.corpus import Utterance
from lamina.encoders.encoder import States
from lamina.errors import LaminaError
from lamina.score import RAW, Scores
from lamina.stats.scaling import Scale, standardised

WIDE = 1000.0


class OneWide(PlantedEncoder):
    """The planted states, but for one dimension: noise that spreads a thousand times wider."""

    def states(self, waves: torch.Tensor, lengths: torch.Tensor, taps: Any = None) -> Iterator[States]:
        for found in super().states(waves, lengths, taps):
            values = found.values.clone()
            for row, count in enumerate(lengths.tolist()):
                seed = count + round(1e6 * float(waves[row, 0]))  # of the sound alone: its length, who speaks
                noise = torch.randn(values.shape[1], generator=torch.Generator().manual_seed(seed))
                values[row, :, 0] = WIDE * noise
            yield States.checked(values, lengths.tolist(), found.tap)


class Sentences(PlantedCorpus):
    """The planted corpus, in which several speakers say the same words for the same length of time."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        first = self._utterances[0].speaker
        own = [one for one in self._utterances if one.speaker == first]
        made = []
        for place, one in enumerate(self._utterances):
            model = own[place % len(own)]
            self._waves[one.id] = self._waves[model.id].copy()
            self._waves[one.id][:300] = ord(one.speaker) * 1e-6  # each in a silence of their own
            made.append(replace(one, samples=model.samples, tiers=model.tiers, text=model.id))
        self._utterances: list[Utterance] = made


def read(corpus: PlantedCorpus, target: str, *measures: str, **settings: Any) -> Analysis:
    config = AnalysisConfig(
        targets=(target,),
        measures=measures or ("mi",),
        states=("standardised", "raw"),
        clusters={"phone": 24, "word": 30},
        contexts="any",
        replicates=30,
        **settings,
    )
    plant = Plant(tap("wide", 0), phone=0.25) if target == "phone" else Plant(tap("wide", 0), word=0.25)
    return analyze(OneWide([plant]), corpus, config)


def both(found: Scores, measure: str, control: str = "") -> tuple[float, float]:
    """The value of standardised states, and that of raw ones."""
    rows = found.select(measure=measure, control=control)
    assert len(rows) == 2
    (own,), (raw,) = (rows.select(lambda row, raw=raw: row.setting.endswith(RAW) == raw) for raw in (False, True))
    return own.value, raw.value


@pytest.mark.parametrize("splits", [True, False])
def test_a_wide_useless_dimension_hides_phones_from_raw_clusters_only(splits: bool) -> None:
    found = read(PlantedCorpus(splits=splits), "phone", "mi", "purity", "centroid").scores
    for measure, high in (
        ("mi-normalised", 0.95),
        ("purity-label", 0.95),
        ("centroid-accuracy", 0.99),
    ):
        value, raw = both(found, measure)
        null, raw_null = both(found, measure, "shuffled")
        print(f"{measure}: standardised {value:.3f} (null {null:.3f}), raw {raw:.3f} (null {raw_null:.3f})")
        assert value > high
        assert null < 0.4
        assert abs(raw - raw_null) < (0.03 if measure.startswith(("mi", "purity")) else 0.2)


def test_items_and_sentences_are_hidden_alike() -> None:
    corpus = PlantedCorpus(each=6)
    value, raw = both(read(corpus, "phone", "abx").scores, "abx-across")
    assert value < 0.01
    assert raw > 0.2
    value, raw = both(read(corpus, "word", "map").scores, "map")
    assert value > 0.95
    assert raw < 0.5
    value, raw = both(read(Sentences(each=6), "sentence").scores, "sentence-auc")
    assert value == 1
    assert raw < 0.8


def test_the_default_is_standardised_and_rows_of_raw_states_say_so() -> None:
    found = read(PlantedCorpus(each=6), "phone", "mi")
    assert found.best("mi-normalised", "phone").setting == ""
    assert {row.setting for row in found.scores} == {"", RAW}
    usual = AnalysisConfig(targets=("phone",), measures=("mi",), clusters={"phone": 24}, replicates=30)
    again = analyze(OneWide([Plant(tap("wide", 0), phone=0.25)]), PlantedCorpus(each=6), usual)
    assert again.scores == found.scores.select(setting="")
    with pytest.raises(LaminaError, match="states must be distinct"):
        AnalysisConfig(states=("raw", "raw"))


def test_scales_are_numpys_and_leave_out_what_does_not_vary() -> None:
    generator = np.random.default_rng(0)
    rows = generator.normal(size=(200, 5)) * [1, 1e4, 1e-2, 0, 1] + [0, 3, 0, 7, 1e3]
    x = torch.from_numpy(rows).float()
    (told,) = standardised(x)
    held = [0, 1, 2, 4]
    wanted = (rows - rows.mean(0))[:, held] / rows[:, held].std(0)
    np.testing.assert_allclose(told[:, held], wanted, atol=2e-3)
    assert (told[:, 3] == 0).all()
    assert torch.equal(Scale.none(5)(x), x)
