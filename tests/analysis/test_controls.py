"""What an analysis is held against: draws of an untrained twin, a twin without positions, positions alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from planted import FRONT, Plant, PlantedCorpus, PlantedEncoder, tap
from transformers import HubertConfig, HubertModel, WhisperConfig
from transformers.models.whisper.modeling_whisper import WhisperEncoder

import lamina
from lamina.analysis.config import AnalysisConfig
from lamina.analysis.controls import POSITION, UNPLACED, controls_of, over_draws
from lamina.analysis.sweep import analyze
from lamina.corpus.corpus import Segment
from lamina.encoders.encoder import Encoder
from lamina.encoders.position import PositionEncoder
from lamina.encoders.pretrained import PretrainedEncoder
from lamina.encoders.untrained import untrained
from lamina.errors import LaminaError
from lamina.score import SHUFFLED, UNTRAINED

CONFIG = AnalysisConfig(
    targets=("phone",), clusters={"phone": 12}, measures=("cca", "mi"), replicates=10, shuffles=4
)


def hubert() -> PretrainedEncoder:
    config = HubertConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, conv_dim=(8,) * 7,
        num_conv_pos_embeddings=4, num_conv_pos_embedding_groups=2,
    )  # fmt: skip
    return PretrainedEncoder(HubertModel(config), "tiny", normalise=False)


def whisper() -> PretrainedEncoder:
    config = WhisperConfig(
        d_model=16, encoder_layers=1, encoder_attention_heads=2, encoder_ffn_dim=16, num_mel_bins=80,
        max_source_positions=1500,
    )  # fmt: skip
    return PretrainedEncoder(WhisperEncoder(config), "w", normalise=False)


def test_a_twin_without_positions_hears_silence_alike_everywhere() -> None:
    waves, lengths = torch.zeros(1, 48000), torch.tensor([48000])
    spread = []
    for positions in (True, False):
        twin = untrained(whisper(), seed=0, positions=positions)
        assert twin is not None
        (states,) = twin.states(waves, lengths, ["front"])
        spread.append(float(states.values[0, 5:100].std(0).max()))
    assert spread[0] > 0.1
    assert spread[1] < 1e-5
    assert untrained(hubert(), seed=0, positions=False) is None  # its positions are drawn, too
    assert [name for name, _ in controls_of(whisper(), seed=0, draws=1)] == [UNTRAINED, UNPLACED, POSITION]
    assert [name for name, _ in controls_of(hubert(), seed=0, draws=1)] == [UNTRAINED, POSITION]


def test_draws_are_told_as_their_mean_and_range() -> None:
    corpus = PlantedCorpus(speakers="abcdef", each=3, words=6)
    found = lamina.analyze(hubert(), corpus, CONFIG, control="untrained", draws=3)
    alone = []
    for seed in (0, 1, 2):
        twin = untrained(hubert(), seed=seed)
        assert twin is not None
        alone.append(analyze(twin, corpus, CONFIG, control="untrained"))
    assert found.untrained is not None
    told = found.untrained.scores.select(control=UNTRAINED)
    assert len(told) == len(alone[0].scores.select(control=UNTRAINED))
    for row in told:
        own = [
            each.value for one in alone for each in one.scores if (each.key, each.control) == (row.key, UNTRAINED)
        ]
        assert len(set(own)) == 3
        assert (row.low, row.high, row.draws) == (min(own), max(own), 3)
        assert row.value == pytest.approx(np.mean(own))
        kept = [one.replicates[row.key] for one in alone]
        np.testing.assert_allclose(found.untrained.replicates[row.key], np.mean(kept, axis=0))
    nulls = found.untrained.scores.select(control=SHUFFLED)
    assert nulls.distinct("draws") == [12]
    assert over_draws(alone[:1]) is alone[0]
    assert len(found.compare(found.untrained).rows()) > 0
    position = found.controls[POSITION].scores
    assert position.distinct("model") == ["position"]
    assert position.select(control="").distinct("n") == found.scores.select(control="").distinct("n")


def test_positions_know_what_goes_with_them_and_nothing_else() -> None:
    """Phones that follow the place in the utterance, and phones that do not."""
    placed = PlantedCorpus(each=6)
    made = []
    for one in placed.utterances():
        bounds = np.linspace(0, one.samples, 9).astype(int)
        spans = tuple(Segment(f"s{k}", int(bounds[k]), int(bounds[k + 1])) for k in range(8))
        made.append(replace(one, tiers={"phone": one.tiers["phone"], "eighth": spans}))
    placed._utterances = made
    config = CONFIG.model_copy(update={"targets": ("phone", "eighth"), "clusters": {"phone": 12, "eighth": 16}})
    found = analyze(PositionEncoder(FRONT), placed, config).scores.select(control="")
    value = {(row.target, row.measure): row for row in found}
    assert value["eighth", "cca-mean"].value > 0.9
    assert value["eighth", "mi-normalised"].value > 0.8
    assert abs(value["phone", "cca-mean"].value) < 0.1
    assert value["eighth", "cca-mean"].p == 1 / 5


def test_positions_are_the_same_alone_and_in_any_batch() -> None:
    encoder: Encoder = PositionEncoder(FRONT)
    (both,) = encoder.states(torch.zeros(2, 16000), torch.tensor([16000, 9000]))
    (alone,) = encoder.states(torch.ones(1, 9000), torch.tensor([9000]))
    torch.testing.assert_close(both.utterance(1), alone.utterance(0), rtol=0, atol=0)


def test_controls_that_cannot_be() -> None:
    corpus = PlantedCorpus(speakers="abcdef", each=2, words=6)
    with pytest.raises(LaminaError, match="0 draws of weights are none"):
        lamina.analyze(hubert(), corpus, CONFIG, control="untrained", draws=0)
    planted = PlantedEncoder([Plant(tap("one", 0), phone=1.0), Plant(tap("two", 1), phone=1.0)])
    with pytest.raises(LaminaError, match="no weights to draw anew"):
        lamina.analyze(planted, corpus, CONFIG, control="untrained")
    own = CONFIG.model_copy(update={"targets": ("tap",)})
    found = lamina.analyze(hubert(), corpus, own, control="untrained", draws=1)
    assert list(found.controls) == [UNTRAINED]
    assert "no control 'position': positions are asked nothing of the encoder's own taps" in found.notes
