"""The null is many shuffles: their mean and range, and how often they reach a value."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from planted import Plant, PlantedCorpus, PlantedEncoder, tap

from lamina.analysis.config import AnalysisConfig
from lamina.analysis.instruments.canonical import Canonical
from lamina.analysis.plan import Sweep
from lamina.analysis.results import Analysis, chance, spread
from lamina.analysis.sweep import analyze
from lamina.stats.cca import Views
from lamina.stats.moments import ClassMoments

PLANTS = [Plant(tap("noise", 0)), Plant(tap("told", 1), phone=1.0)]
CONFIG = AnalysisConfig(
    targets=("phone",),
    measures=("cca", "cka", "mi", "purity", "knn", "rsa"),
    clusters={"phone": 24},
    replicates=30,
    shuffles=15,
)


@pytest.fixture(scope="module", params=["splits", "folds"])
def found(request: pytest.FixtureRequest) -> Analysis:
    return analyze(PlantedEncoder(PLANTS), PlantedCorpus(each=8, splits=request.param == "splits"), CONFIG)


def test_what_is_told_beats_every_shuffle_and_noise_lies_among_them(found: Analysis) -> None:
    nulls = {row.key.removesuffix("|shuffled"): row for row in found.scores.select(control="shuffled")}
    values = found.scores.select(control="")
    assert len(nulls) == len(values)
    inside = 0
    for row in values.select(lambda row: row.key in nulls):
        null = nulls[row.key]
        assert (null.draws, null.p, row.draws) == (15, None, 0)
        assert null.low is not None
        assert null.high is not None
        assert null.low < null.value < null.high
        assert row.p is not None
        if row.tap == "told":
            assert row.p == 1 / 16
            assert row.value > null.high
        inside += row.tap == "noise" and row.p > 1 / 16
    assert inside > len(nulls) / 4  # of one half: most of noise's, and none of the other's


def test_the_shuffles_of_cca_are_those_of_cca_on_shuffled_labels() -> None:
    """The slow twin: every labelling on its own, from the rows themselves."""
    corpus, encoder = PlantedCorpus(each=4), PlantedEncoder(PLANTS[1:])
    config = CONFIG.model_copy(update={"measures": ("cca",), "ridges": (1e-6,), "shuffles": 3})
    sweep = Sweep(encoder, corpus, config)
    (target,) = sweep.targets
    rows: dict[bool, torch.Tensor] = {}
    for fitting, side in ((True, "train"), (False, "test")):
        held = []
        for utterance in corpus.utterances(side):
            wave = torch.from_numpy(corpus.read(utterance))[None]
            (states,) = encoder.states(wave, torch.tensor([utterance.samples]))
            grid, frames = states.tap.grid, states.values[0]
            spans = [grid.owned(s.onset, s.offset, len(frames)) for s in utterance.tiers["phone"]]
            held += [frames[span.start : span.stop].mean(0) for span in spans if len(span)]
        rows[fitting] = torch.stack(held)
    wanted = []
    for labels, answers in zip(target.labels, target.answers, strict=True):  # type: ignore[attr-defined]
        codes = (torch.from_numpy(labels), torch.from_numpy(answers))
        number = len(target.classes)  # type: ignore[attr-defined]
        fit, test = (
            ClassMoments.of(rows[way], each, number) for way, each in ((True, codes[0]), (False, codes[1]))
        )
        wanted.append(float(Views.of(fit).solve(1e-6, 1e-6).held_out(test.joint()).mean()))
    scores = analyze(encoder, corpus, config).scores.select(measure="cca-mean")
    value, null = scores
    assert value.value == pytest.approx(wanted[0], abs=1e-7)
    assert null.value == pytest.approx(np.mean(wanted[1:]), abs=1e-7)
    assert (null.low, null.high) == pytest.approx(tuple(np.quantile(wanted[1:], [0.025, 0.975])), abs=1e-7)


def test_chances_and_ranges() -> None:
    assert chance("cca-mean", 0.5, [0.1, 0.2, 0.3]) == 1 / 4
    assert chance("cca-mean", 0.2, [0.1, 0.2, 0.3]) == 3 / 4  # ties are as good
    assert chance("abx-within", 0.1, [0.05, 0.2, 0.3]) == 2 / 4  # less is better
    assert chance("effective-rank", 0.1, [0.05]) is None
    assert chance("cca-mean", 0.5, []) is None
    assert spread([2.0], 0.95) == {"value": 2.0, "low": None, "high": None}
    assert spread([1.0, 3.0], 0.5) == {"value": 2.0, "low": 1.5, "high": 2.5}


def test_as_many_shuffles_as_are_cheap() -> None:
    config = CONFIG.model_copy(update={"shuffles": 4000, "measures": ("cca", "mi")})
    many = Sweep(PlantedEncoder(PLANTS), PlantedCorpus(each=4), config)
    (target,) = many.targets
    assert len(target.classes) == 11  # type: ignore[attr-defined]
    assert target.labellings == 4001  # type: ignore[attr-defined]
    assert target.cheap(768) == 768 // 11  # type: ignore[attr-defined]
    assert target.cheap(8192) == 8192 // 11  # type: ignore[attr-defined]
    assert target.cheap(1 << 19) == 4001  # type: ignore[attr-defined]
    (canonical,) = (each for each in many.readings[0].instruments if isinstance(each, Canonical))
    held = canonical.sums["part0"]
    assert isinstance(held, ClassMoments)
    assert held.sums.numel() <= 1 << 19
