from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from pretrain_help import Tones, tiny
from sklearn.metrics import mutual_info_score

from lamina.config import load_config
from lamina.corpus.corpus import Utterance
from lamina.encoders.features import MfccEncoder
from lamina.encoders.mrhubert import MRHubertConfig, MRHubertEncoder
from lamina.errors import LaminaError
from lamina.grid import Grid
from lamina.pretrain.labels import Codebook, Units, normalised
from lamina.pretrain.units import (
    UnitsConfig,
    UnitsEncoder,
    fit_units,
    label_corpus,
    label_units,
    make_units,
    unit_quality,
)
from lamina.pretrain.weights import build

ROUNDS = Path(__file__).parents[2] / "configs" / "units"


@pytest.fixture(scope="module")
def corpus() -> Tones:
    return Tones()


@pytest.fixture(scope="module")
def made(corpus, tmp_path_factory):
    folder = tmp_path_factory.mktemp("units")
    units, quality = make_units(UnitsConfig(clusters=6, batch_seconds=2), corpus, folder)
    return units, quality, folder


def test_units_and_codebook_come_back_from_their_files(made) -> None:
    units, _, folder = made
    again = Units.read(folder)
    assert (again.labels == units.labels).all()
    assert again.labels.dtype == np.uint16
    assert (again.grid, again.ids, again.digest, again.clusters) == (
        units.grid,
        units.ids,
        units.digest,
        units.clusters,
    )
    book = Codebook.read(folder / "codebook.safetensors")
    assert book.digest == units.codebook
    flipped = bytearray((folder / "codebook.safetensors").read_bytes())
    flipped[-3] ^= 1
    (folder / "flipped.safetensors").write_bytes(flipped)
    with pytest.raises(LaminaError, match=r"flipped.safetensors was changed since it was written"):
        Codebook.read(folder / "flipped.safetensors")
    with pytest.raises(LaminaError, match="holds no units"):
        Units.read(folder / "codebook.safetensors")
    cut = folder / "cut.safetensors"
    cut.write_bytes((folder / "units.safetensors").read_bytes()[:200])
    with pytest.raises(LaminaError, match="cannot read units"):
        Units.read(cut)
    with pytest.raises(LaminaError, match=r"cannot read units: there is no file .*`lamina units label` makes one"):
        Units.read(folder / "absent.safetensors")


def test_a_frame_has_the_nearest_centre(corpus, made) -> None:
    units, _, folder = made
    book = Codebook.read(folder / "codebook.safetensors")
    utterance = next(corpus.utterances())
    wave = torch.from_numpy(corpus.read(utterance))[None]
    (states,) = MfccEncoder("utterance").states(wave, torch.tensor([utterance.samples]))
    values = normalised(states.utterance(0), "utterance")
    distances = (values[:, None].double() - book.centroids.double()).square().sum(-1)
    assert (distances.argmin(1).numpy() == units.of(utterance)).all()


def test_the_same_config_makes_the_same_units_in_any_batches(corpus, made) -> None:
    config = UnitsConfig(clusters=6, batch_seconds=2)
    encoder = MfccEncoder("utterance")
    book = fit_units(encoder, "", corpus, config)
    alone = label_units(encoder, book, corpus, batch_seconds=0.1)
    assert book.digest == made[0].codebook
    for utterance in corpus.utterances():
        assert (alone.of(utterance) == made[0].of(utterance)).all()


def test_quality_is_that_of_a_slow_count(corpus, made) -> None:
    units, quality, _ = made
    pairs = [
        (int(units.of(u)[t]), segment.label)
        for u in corpus.utterances()
        for segment in u.tiers["phone"]
        for t in units.grid.owned(segment.onset, segment.offset, len(units.of(u)))
    ]
    labels = [label for _, label in pairs]
    expected = mutual_info_score([unit for unit, _ in pairs], labels) / mutual_info_score(labels, labels)
    assert quality["pnmi"] == pytest.approx(expected)
    assert quality["pnmi"] > 0.5  # chords are easy to tell apart
    assert unit_quality(units, corpus, "word") == {}


def test_units_at_a_crop_are_those_of_the_whole(corpus, made) -> None:
    units = made[0]
    utterance = next(corpus.utterances())
    front = Grid.samples(16000).conv(400, 320)
    whole = units.at(utterance, front, front.frames(utterance.samples))
    assert (whole == units.of(utterance)[::2][: len(whole)]).all()
    crop = units.at(utterance, front, 9, start=160 * 6)
    assert (crop == whole[3:12]).all()


def test_a_codebook_labels_another_corpus(made, tmp_path) -> None:
    """Fitted here, used there; the labels are those of the codebook, whatever the corpus."""
    config, other = UnitsConfig(clusters=6, batch_seconds=2), Tones(seed=3)
    units, quality = label_corpus(config, Codebook.read(made[2]), other, tmp_path)
    assert units.corpus == other.digest
    assert units.codebook == made[0].codebook
    assert 0 < quality["pnmi"] <= 1
    assert Units.read(tmp_path).digest == units.digest
    with pytest.raises(LaminaError, match="fitted on encoder"):
        label_corpus(UnitsConfig(features="mel", clusters=6), Codebook.read(made[2]), other, tmp_path)


def test_a_codebook_of_another_tap_is_refused(corpus, tmp_path, monkeypatch) -> None:
    encoder = MRHubertEncoder(build(tiny().model, 6, seed=0), "tiny")
    monkeypatch.setattr("lamina.pretrain.units.features_of", lambda *_: encoder)
    config = UnitsConfig(features="tiny", tap="enc20.1", clusters=5, normalise="none", frames=40, batch_seconds=2)
    book = fit_units(encoder, config.tap, corpus, config)
    assert len(label_corpus(config, book, corpus, tmp_path)[0].ids) == len(corpus)
    with pytest.raises(
        LaminaError, match=r"makes units of tap mid40\.sum, the codebook is of tap enc20\.1: give the"
    ):
        label_corpus(config.model_copy(update={"tap": "mid40.sum"}), book, corpus, tmp_path)


@pytest.mark.parametrize("start", [0, 640 * 3])
def test_coarse_units_serve_both_levels(start: int) -> None:
    """Units at 40 ms, clustered at a coarse tap: its own level takes them as they are, the fine one each twice."""
    fine, coarse = MRHubertConfig().levels
    utterance = Utterance("u", "s", "train", 16000 * 2 + 77, "", {})
    count = coarse.frames(utterance.samples)
    labels = np.random.default_rng(0).integers(50, size=count).astype(np.uint16)
    units = Units(labels, np.array([0, count]), ("u",), coarse, 50, "c", "f", "b")
    first, frames = start // 640, 12
    assert (units.at(utterance, coarse, frames, start) == labels[first : first + frames]).all()
    found = units.at(utterance, fine, 2 * frames, start)
    centres = [start + fine.centre_of(t) for t in range(2 * frames)]
    places = [coarse.centre_of(i) for i in range(count)]
    for label, centre in zip(found, centres, strict=True):
        distances = [abs(place - centre) for place in places]
        assert label == labels[distances.index(min(distances))]  # the earlier of two as near
    assert (found == labels[first : first + frames].repeat(2)).all()


def test_a_coarse_tap_of_an_encoder_makes_coarse_units(corpus) -> None:
    encoder = MRHubertEncoder(build(tiny().model, 6, seed=0), "tiny")
    config = UnitsConfig(clusters=5, normalise="none", frames=40, passes=2, batch_seconds=2)
    book = fit_units(encoder, "mid40.sum", corpus, config)
    units = label_units(encoder, book, corpus)
    assert (units.grid, units.clusters) == (MRHubertConfig().levels[1], 5)
    assert units.grid.period_ms == 40
    utterance = next(corpus.utterances())
    wave = torch.from_numpy(corpus.read(utterance))[None]
    (states,) = encoder.states(wave, torch.tensor([utterance.samples]), ["mid40.sum"])
    assert (torch.cdist(states.utterance(0), book.centroids).argmin(1).numpy() == units.of(utterance)).all()
    assert set(unit_quality(units, corpus, "phone")) == {"pnmi", "label-purity", "cluster-purity", "used"}


@pytest.mark.parametrize("name", ["round1", "round2", "round3", "coarse"])
def test_the_rounds_are_configs(name: str) -> None:
    config = load_config(ROUNDS / f"{name}.toml", UnitsConfig)
    assert config.clusters == (100 if name == "round1" else 500)
    taps = {"round1": "", "round2": "enc20.6", "round3": "enc20.9", "coarse": "mid40.sum"}
    assert config.tap == taps[name]
    shape = MRHubertConfig() if name == "coarse" else MRHubertConfig(label_rate_ratios=[], block_layers=[12])
    assert not config.tap or config.tap in {tap.name for tap in shape.taps}


def test_units_of_another_corpus_or_audio_are_refused(corpus, made) -> None:
    units = made[0]
    everyone = list(corpus.utterances())
    units.check(corpus, everyone)
    with pytest.raises(LaminaError, match="made for corpus"):
        units.check(Tones(seed=1), everyone)
    longer = dataclasses.replace(everyone[1], samples=everyone[1].samples + 4000)
    with pytest.raises(LaminaError, match="utterance u1"):
        units.check(corpus, [everyone[0], longer])
    with pytest.raises(LaminaError, match="no units"):
        units.of(dataclasses.replace(everyone[0], id="stranger"))


def test_the_units_are_an_encoder_of_one_hot_states(corpus, made) -> None:
    units, _, folder = made
    encoder = UnitsEncoder(MfccEncoder("utterance"), Codebook.read(folder / "codebook.safetensors"))
    utterances = list(corpus.utterances())[:2]
    lengths = torch.tensor([u.samples for u in utterances])
    waves = torch.zeros(2, int(lengths.max()))
    for row, u in zip(waves, utterances, strict=True):
        row[: u.samples] = torch.from_numpy(corpus.read(u))
    (states,) = encoder.states(waves, lengths)
    for index, u in enumerate(utterances):
        values = states.utterance(index)
        assert (values.sum(1) == 1).all()
        assert (values.argmax(1).numpy() == units.of(u)).all()
    with pytest.raises(LaminaError, match="fitted on encoder"):
        UnitsEncoder(MfccEncoder("none"), Codebook.read(folder / "codebook.safetensors"))


def test_a_split_without_audio_cannot_be_fitted(corpus) -> None:
    with pytest.raises(LaminaError, match="has no split 'nowhere'; it has dev, train"):
        fit_units(MfccEncoder("utterance"), "", corpus, UnitsConfig(clusters=2, split="nowhere"))
    with pytest.raises(LaminaError, match="fewer clusters"):
        fit_units(MfccEncoder("utterance"), "", corpus, UnitsConfig(clusters=5000))
