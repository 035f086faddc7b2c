"""Whole utterances by length: the plan, the padding, and training on them exactly as on equal crops."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pretrain_help import Tones, tiny
from safetensors.torch import load_file
from test_workers import STILL, WHOLE

from lamina.config import parse_config
from lamina.encoders.mrhubert import MRHubertConfig, MRHubertEncoder, MRHubertForPreTraining
from lamina.encoders.mrhubert.pretraining import IGNORED
from lamina.errors import LaminaError
from lamina.pretrain.data import CropReader, Source, least_samples
from lamina.pretrain.labels import Units
from lamina.pretrain.loop import pretrain
from lamina.pretrain.masking import Masks
from lamina.pretrain.plan import Buckets, Place
from lamina.pretrain.recipe import PretrainConfig
from lamina.pretrain.units import UnitsConfig, make_units
from lamina.pretrain.update import Updater, Work
from lamina.pretrain.weights import build
from lamina.pretrain.workers import Workers
from lamina.runs import Run


@pytest.fixture(scope="module")
def corpus() -> Tones:
    return Tones()


@pytest.fixture(scope="module")
def units(corpus, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("units")
    make_units(UnitsConfig(clusters=6), corpus, folder)
    return folder


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(1000, 90_000), min_size=1, max_size=80),
    st.integers(20_000, 100_000),
    st.integers(0, 3),
    st.integers(100_000, 400_000),
)
def test_an_epoch_holds_every_utterance_within_the_budget(lengths, longest, epoch, budget) -> None:
    plan = Buckets(lengths, longest=longest, budget=budget, grain=160)
    batches = [plan.batch(3, step) for step in range(epoch * len(plan), (epoch + 1) * len(plan))]
    assert {place.index for batch in batches for place in batch} == set(range(len(lengths)))
    for batch in batches:
        assert max(place.samples for place in batch) * len(batch) <= budget
        for place in batch:
            assert place.samples == min(lengths[place.index], longest)
            assert place.start % 160 == 0
            assert place.start + place.samples <= lengths[place.index]


def test_a_batch_depends_on_seed_and_step_alone() -> None:
    lengths = np.random.default_rng(0).integers(16_000, 200_000, size=500).tolist()
    one, other = (Buckets(lengths, longest=160_000, budget=1_000_000, grain=160) for _ in range(2))
    forward = [one.batch(0, step) for step in range(300)]
    backward = [other.batch(0, step) for step in reversed(range(300))]
    assert forward == backward[::-1]
    assert forward != [one.batch(1, step) for step in range(300)]
    audio = sum(place.samples for batch in forward for place in batch)
    padded = sum(len(batch) * max(place.samples for place in batch) for batch in forward)
    assert audio / padded > 0.9
    # A batch as full as its longest utterance allows, whatever the lengths
    assert min(len(batch) for batch in forward) >= 6


def test_validation_takes_the_same_utterances_always() -> None:
    plan = Buckets([30_000, 90_000, 50_000, 70_000], longest=60_000, budget=120_000, grain=160)
    (short, *rest) = plan.fixed(4)
    assert [(place.index, place.samples) for place in short] == [(0, 30_000), (2, 50_000)]
    # The middle 60,000 samples, from a multiple of the grain.
    cuts = {place.index: (place.start, place.samples) for batch in rest for place in batch}
    assert cuts == {1: (30_000 // 320 * 160, 60_000), 3: (10_000 // 320 * 160, 60_000)}
    assert list(plan.fixed(4)) == [short, *rest]


def test_too_few_utterances_for_the_processes_are_refused() -> None:
    with pytest.raises(LaminaError, match="cannot be split into 4 parts"):
        Buckets([16_000] * 3, longest=16_000, budget=160_000, grain=160, parts=4)
    with pytest.raises(LaminaError, match="raise batch_seconds"):
        Buckets([16_000] * 30, longest=16_000, budget=20_000, grain=160, parts=2)


def test_whole_utterances_are_padded_labelled_and_masked_on_their_own_frames(corpus, units) -> None:
    grids = MRHubertConfig().levels
    everyone = list(corpus.utterances())
    labels = Units.read(units)
    reader = CropReader(corpus, everyone, [labels], grids, memory=0)
    places = [Place(index, 0, utterance.samples) for index, utterance in enumerate(everyone)]
    batch = reader.read(places)
    assert batch.lengths == tuple(utterance.samples for utterance in everyone)
    assert batch.samples == sum(batch.lengths)
    mask = Masks(tiny(**WHOLE), 59).of([grids[0].frames(place.samples) for place in places], 0, 0)
    for row, utterance in enumerate(everyone):
        assert np.array_equal(batch.waves[row, : utterance.samples].numpy(), corpus.waves[utterance.id])
        assert not batch.waves[row, utterance.samples :].any()
        assert batch.attention_mask[row].sum() == utterance.samples
        for level, grid in zip(batch.labels, grids, strict=True):
            frames = grid.frames(utterance.samples)
            assert (level[row, :frames].numpy() == labels.at(utterance, grid, frames)).all()
            assert (level[row, frames:] == IGNORED).all()
        frames = grids[0].frames(utterance.samples)
        assert 0.2 * frames < mask[row, :frames].sum() < 0.8 * frames
        assert not mask[row, frames:].any()


def test_padding_adds_nothing_to_the_loss_or_its_gradients(corpus, units) -> None:
    """One padded batch gives what its utterances give alone, each counted by its frames."""
    config = tiny(**WHOLE, model=STILL)
    grids = MRHubertConfig(**config.model.to_json()).levels
    source = Source(config, corpus, list(corpus.utterances("train")), [Units.read(units)], grids)
    gradients = []
    for apart in (False, True):
        model = build(config.model, 6, seed=0)
        workers = Workers(config)
        updater = Updater(config, model, workers)
        whole = Work.of(config, source, 0, workers)
        ((_, crops, mask, _),) = whole.parts
        assert crops.lengths is not None
        rows = [slice(row, row + 1) for row in range(len(mask))] if apart else [slice(None)]
        loss = 0.0
        for row in rows:
            lengths = crops.lengths[row]
            frames = [[grid.frames(length) for length in lengths] for grid in grids]
            output = model(
                crops.waves[row, : max(lengths)],
                attention_mask=None if apart else crops.attention_mask,
                mask_time_indices=mask[row, : max(frames[0])],
                labels=[labels[row, : max(each)] for labels, each in zip(crops.labels, frames, strict=True)],
                return_dict=True,
            )
            share = sum(frames[0]) / sum(grids[0].frames(length) for length in crops.lengths)
            part = updater.share_of_loss(output, whole.scored, share)
            part.backward()
            loss += float(part.detach())
        gradients.append((loss, torch.cat([w.grad.flatten() for w in model.parameters() if w.grad is not None])))
    (one, together_), (other, alone_) = gradients
    assert one == pytest.approx(other, rel=1e-5)
    assert float((together_ - alone_).norm() / alone_.norm()) < 1e-4


def test_resumed_runs_on_whole_utterances_are_exact(corpus, units, tmp_path) -> None:
    config = tiny(**WHOLE)  # with dropout and layerdrop
    whole = pretrain(config, corpus, Units.read(units), Run(tmp_path / "whole", {}, {}))
    run = Run(tmp_path / "broken", {}, {})

    class KilledError(Exception):
        pass

    def progress(done, total, figures) -> None:
        if done in (3, 5):
            raise KilledError

    for _ in range(2):
        with pytest.raises(KilledError):
            pretrain(config, corpus, Units.read(units), run, progress=progress)
    model = pretrain(config, corpus, Units.read(units), run)
    one, other = (load_file(folder / "model.safetensors") for folder in (whole, model))
    assert all(torch.equal(one[name], other[name]) for name in one)
    lines = [line for line in run.log_lines() if "gradient_norm" in line]
    assert all(line["frames_masked_0"] > 0 and line["perplexity_1"] > 1 for line in lines)


def test_short_utterances_are_left_out_by_what_masks_need(corpus, units) -> None:
    config = tiny(**WHOLE, mask_length=40)
    grids = MRHubertConfig().levels
    assert grids[0].frames(least_samples(config, grids)) == 43
    assert grids[0].frames(least_samples(config, grids) - 1) == 42
    source = Source(config, corpus, list(corpus.utterances()), [Units.read(units)], grids)
    assert source.left_out == ["u0"]
    assert any("1 utterance (u0) is too short" in note for note in source.notes())
    with pytest.raises(LaminaError, match=r"batch_seconds = 1 holds no utterance of crop_seconds = 1.2"):
        parse_config({"steps": 1, "batch_seconds": 1.0, "crop_seconds": 1.2}, PretrainConfig, "x.toml")


def test_scaled_audio_is_what_an_encoder_sees_at_that_place(corpus, units) -> None:
    """crop-then-encode equals encode-then-crop: the whole utterance is scaled, then cut (fairseq's order)."""
    utterance = list(corpus.utterances())[1]
    reader = CropReader(
        corpus, [utterance], [Units.read(units)], MRHubertConfig().levels, memory=0, normalise=True
    )
    crop = reader.read([Place(0, 3200, 8000)]).waves[0]
    config = MRHubertConfig(**tiny(model={"do_normalize": True}).model.to_json(), num_classes=[6, 6])
    encoder = MRHubertEncoder(MRHubertForPreTraining(config), "tiny")
    wave = torch.from_numpy(corpus.waves[utterance.id])[None]
    whole, _ = encoder.prepared(wave, torch.tensor([utterance.samples]))
    assert torch.allclose(crop, whole[0, 3200:11200], atol=2e-5)
