"""Every measure at states that are huge, tiny or not finite: the same number, or none and a note."""

from __future__ import annotations

import pytest
import torch
from planted import Plant, PlantedCorpus, PlantedEncoder, tap

from lamina.analysis.config import FAMILIES, AnalysisConfig
from lamina.analysis.sweep import analyze
from lamina.encoders.encoder import States
from lamina.errors import LaminaError
from lamina.probe.config import ProbeConfig
from lamina.probe.probe import probe

CONFIG = AnalysisConfig(
    targets=("phone", "word", "tap"),
    measures=tuple(name for name in FAMILIES if name not in {"sentence", "qbe"}),
    replicates=5,
    clusters={"phone": 20, "word": 20},
    other_clusters=10,
    shuffles=0,
)


class Scaled(PlantedEncoder):
    """The planted encoder, its states multiplied; a tap may hold a value that is none."""

    def __init__(self, by: float = 1.0, wrong: float | None = None) -> None:
        super().__init__([Plant(tap("a", 0), phone=1.0, word=1.0), Plant(tap("b", 1), phone=0.5, word=0.5)])
        self._by, self._wrong = by, wrong

    def states(self, waves, lengths, taps=None):
        for each in super().states(waves, lengths, taps):
            values = each.values * self._by
            if self._wrong is not None and each.tap.name == "b":
                values[0, 3, 2] = self._wrong
            values[-1, int(each.lengths[-1]) :] = torch.nan  # what lies beyond the end has no meaning
            yield States(values, each.lengths, each.tap)


@pytest.fixture(scope="module", params=[True, False], ids=["splits", "folds"])
def usual(request):
    corpus = PlantedCorpus(each=3, splits=request.param, words=8)
    return corpus, analyze(Scaled(), corpus, CONFIG)


@pytest.mark.parametrize("by", [1e25, 1e19, 1e-15, 1e-30])
def test_no_measure_changes_with_the_scale_of_states(usual, by):
    corpus, found = usual
    again = analyze(Scaled(by), corpus, CONFIG)
    assert [row.key for row in again.scores] == [row.key for row in found.scores]
    families = {row.measure.partition("-")[0] for row in found.scores}
    assert {"cca", "cka", "mi", "purity", "rsa", "procrustes", "knn", "centroid", "abx", "map"} <= families
    for row, same in zip(again.scores, found.scores, strict=True):
        assert row.value == pytest.approx(same.value, abs=2e-3), row.key


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_states_that_are_not_finite_have_no_row_and_are_told(usual, wrong):
    corpus, found = usual
    again = analyze(Scaled(wrong=wrong), corpus, CONFIG)
    assert {row.tap for row in again.scores} == {"a"}
    kept = found.scores.select(tap="a", target="phone")
    assert [row.value for row in again.scores.select(tap="a", target="phone")] == [row.value for row in kept]
    for target in ("phone", "word", "tap:a"):
        (note,) = (note for note in again.notes if note.startswith(f"{target}: no row: states are not finite"))
        assert note.endswith("(taps b)")
        assert "first in utterance " in note


@pytest.mark.parametrize("wrong", [float("nan"), float("-inf")])
def test_states_that_are_not_finite_have_no_row_and_no_weighted_sum(tmp_path, wrong):
    encoder = Scaled(wrong=wrong)
    corpus = PlantedCorpus(each=2, words=4)
    config = ProbeConfig(
        tasks=("phone", "asv"), heads=("linear",), layers="each", rates=(0.01,), seeds=(0,), steps=3, replicates=5
    )
    found = probe(encoder, corpus, config, folder=tmp_path)
    assert {row.tap for row in found.scores.select(control="")} == {"a"}
    assert any(
        note.startswith("tap b has no row: its states are not finite, first in utterance ") for note in found.notes
    )
    assert found.notes[-1:] == probe(encoder, corpus, config, folder=tmp_path).notes[-1:]  # also when read again
    with pytest.raises(LaminaError, match="phone: tap b cannot be read: its states are not finite, first in"):
        probe(encoder, corpus, config.model_copy(update={"layers": "weighted"}))
    with pytest.raises(LaminaError, match="phone: tap b cannot be read"):
        probe(encoder, corpus, config.model_copy(update={"taps": ("b",)}))
