"""The whole analysis where the states are: on a card made of the CPU, and on a GPU where there is one."""

from __future__ import annotations

import copy
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from card import CARD, Card
from lamina.analysis.config import AnalysisConfig
from lamina.analysis.plan import HALVED
from lamina.analysis.sweep import Sweep, run_sweep
from lamina.corpus.corpus import Segment, Utterance
from lamina.encoders.encoder import States
from lamina.encoders.mrhubert import MRHubertConfig, MRHubertEncoder, MRHubertModel

RATE = 16000
MEASURES = ("cca", "svcca-mean", "cka", "rank", "mi", "purity", "knn", "centroid", "rsa", "procrustes")


class Talk:
    """Twelve utterances of noise by six speakers, with phones."""

    sample_rate, name, digest = RATE, "talk", "talk"

    def __init__(self, *, split: bool) -> None:
        draw = np.random.default_rng(0)
        self._all = []
        for number in range(12):
            samples = int(draw.integers(3, 5) * RATE) + 100 * number  # no two alike
            edges = np.arange(400, samples, 1000)
            phones = tuple(Segment(f"p{draw.integers(6)}", int(a), int(b)) for a, b in pairwise(edges))
            part = ("train" if number % 6 < 3 else "test") if split else ""
            self._all.append(Utterance(f"u{number}", f"s{number % 6}", part, samples, "", {"phone": phones}))

    def __len__(self) -> int:
        return len(self._all)

    def utterances(self, split=None):
        return (each for each in self._all if split is None or each.split == split)

    def read(self, utterance, start=0, stop=None):
        draw = np.random.default_rng(int(utterance.id[1:]))
        return draw.standard_normal(utterance.samples, dtype=np.float32)[start:stop]


class Elsewhere:
    """An encoder whose states are on another device."""

    def __init__(self, encoder, device) -> None:
        self._encoder, self._device = encoder, device
        self.name, self.digest, self.sample_rate = encoder.name, encoder.digest, encoder.sample_rate
        self.taps = encoder.taps

    def states(self, waves, lengths, taps=None):
        for each in self._encoder.states(waves, lengths, taps):
            yield States(each.values.to(self._device), each.lengths, each.tap)


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(0)
    tiny = {"conv_dim": [8] * 6 + [48], "block_layers": [1], "label_rate_ratios": [], "num_attention_heads": 2}
    kernel = {"num_conv_pos_embeddings": 4, "num_conv_pos_embedding_groups": 2}
    shape = MRHubertConfig(**tiny, **kernel, hidden_size=48, intermediate_size=32)
    return MRHubertEncoder(MRHubertModel(shape), "tiny")


def analysed(encoder, *, split: bool):
    config = AnalysisConfig(
        targets=("mel", "phone", "tap"),
        measures=MEASURES,
        replicates=10,
        batch_seconds=20,
        min_instances=2,
        clusters={"phone": 8},
        ridges=(1e-2,),
        taps=("enc20.1",),
    )
    sweep = Sweep(encoder, Talk(split=split), config)
    return run_sweep(sweep), sweep


@pytest.mark.parametrize("split", [False, True])
def test_scores_on_a_card_are_those_of_the_cpu(encoder, split):
    here, _ = analysed(encoder, split=split)
    with Card() as card:
        there, _ = analysed(Elsewhere(encoder, CARD), split=split)
    assert sum(card.waits.values()) > 0  # it was used
    compared = 0
    for one, other in zip(here.scores, there.scores, strict=True):
        assert replace(one, value=0, low=None, high=None) == replace(other, value=0, low=None, high=None)
        if np.isfinite(one.value):
            assert one.value == pytest.approx(other.value, abs=1e-9), one.key
            compared += 1
    assert compared > 20
    assert here.notes == there.notes


def test_no_batch_waits_for_the_card(encoder):
    """Once what taps of a grid share is worked out, statistics are handed to the card and nothing comes back."""
    from lamina.analysis.rows import Gather
    from lamina.corpus.batches import read_batches

    with Card() as card, torch.inference_mode():
        _, sweep = analysed(encoder, split=True)
        sweep = Sweep(Elsewhere(encoder, CARD), Talk(split=True), sweep.config)
        (batch, *_) = read_batches(sweep.corpus, sweep.phases[0])
        gather = Gather(batch, {}, fitting=True)
        (states,) = sweep.encoder.states(batch.waves, batch.lengths, ["enc20.1"])
        (reading,) = (each for each in sweep.readings if each.target.name == "phone")
        rows = gather.rows(reading.target, reading.way, states)
        for _ in range(2):
            card.waits.clear()
            reading.take(rows.pool.mean(states.values), rows, fitting=True)
        assert +card.waits == {}


class Small:
    """An encoder on a card that holds so many seconds at the taps after the first."""

    def __init__(self, encoder, seconds: float) -> None:
        self._encoder, self._most, self.asked = encoder, seconds * RATE, []
        self.name, self.digest, self.sample_rate = encoder.name, encoder.digest, encoder.sample_rate
        self.taps = encoder.taps

    def states(self, waves, lengths, taps=None):
        self.asked.append((len(waves), tuple(taps or ())))
        for each in self._encoder.states(waves, lengths, taps):
            if each.tap.depth and waves.numel() > self._most:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
            yield each


def test_what_does_not_fit_is_read_in_halves_and_counted_once(encoder):
    config = AnalysisConfig(
        targets=("phone",), measures=("cca", "knn", "mi"), replicates=5, batch_seconds=30, min_instances=2,
        clusters={"phone": 8}, ridges=(1e-2,),
    )  # fmt: skip
    whole = run_sweep(Sweep(encoder, Talk(split=True), config))
    small = Small(encoder, 10)
    found = run_sweep(Sweep(small, Talk(split=True), config))
    _, (count, first), (half, second), *_ = small.asked  # after the utterance that tells how large states are
    assert (len(first), half) == (2, (count + 1) // 2)
    assert second == ("enc20.1",)  # the first tap had been taken
    assert [note for note in found.notes if "halves" in note] == [HALVED]
    for one, other in zip(whole.scores, found.scores, strict=True):
        assert one.key == other.key
        assert (one.value == pytest.approx(other.value, abs=1e-6)) or not np.isfinite(one.value)
    with pytest.raises(torch.OutOfMemoryError):
        run_sweep(Sweep(Small(encoder, 1), Talk(split=True), config))


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_a_tap_that_is_not_finite_is_named(encoder, value):
    class Spoilt(Elsewhere):
        def states(self, waves, lengths, taps=None):
            for each in self._encoder.states(waves, lengths, taps):
                values = each.values.clone()
                if each.tap.name == "enc20.1":
                    values[lengths == named.samples, 7, 3] = value
                yield States(values, each.lengths, each.tap)

    corpus = Talk(split=True)
    named = list(corpus.utterances())[4]
    config = AnalysisConfig(targets=("phone",), measures=("cka",), replicates=5, min_instances=2)
    found = run_sweep(Sweep(Spoilt(encoder, "cpu"), corpus, config))
    (told,) = (note for note in found.notes if note.startswith("tap "))
    assert told.startswith("tap enc20.1: the states of utterance u4 are not finite (the largest that is: ")
    assert "--dtype float32" in told
    assert {row.tap for row in found.scores if row.measure == "cka"} == {"front"}


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_scores_of_a_gpu_agree_with_the_cpus(encoder, device):
    found = []
    for place in ("cpu", device):
        read = MRHubertEncoder(copy.deepcopy(encoder.model).to(place), "tiny", together=True)
        config = AnalysisConfig(
            targets=("mel", "phone"), measures=("cca", "cka", "rank", "rsa", "knn"), replicates=10,
            min_instances=2, ridges=(1e-2,),
        )  # fmt: skip
        found.append(run_sweep(Sweep(read, Talk(split=True), config)).scores)
    compared = 0
    for one, other in zip(*found, strict=True):
        assert replace(one, value=0, low=None, high=None) == replace(other, value=0, low=None, high=None)
        if np.isfinite(one.value) and one.measure != "knn-accuracy":
            assert one.value == pytest.approx(other.value, abs=1e-5), one.key
            compared += 1
    assert compared > 10
