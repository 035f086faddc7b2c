from __future__ import annotations

import inspect
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from pretrain_help import Tones, tiny
from safetensors.torch import load_file

from lamina.encoders.load import load_encoder
from lamina.encoders.mrhubert import MRHubertConfig
from lamina.errors import LaminaError
from lamina.pretrain.data import CropReader, Crops
from lamina.pretrain.journal import Journal
from lamina.pretrain.loop import learning_rate, pretrain
from lamina.pretrain.meter import Alarms, Meter
from lamina.pretrain.plan import EqualCrops
from lamina.pretrain.recipe import ModelConfig
from lamina.pretrain.units import UnitsConfig, make_units
from lamina.pretrain.weights import build
from lamina.pretrain.workers import Workers
from lamina.runs import Run


class KilledError(Exception):
    pass


@pytest.fixture(scope="module")
def corpus() -> Tones:
    return Tones()


@pytest.fixture(scope="module")
def units(corpus, tmp_path_factory):
    return make_units(UnitsConfig(clusters=6), corpus, tmp_path_factory.mktemp("units"))[0]


def log(run: Run) -> list[dict]:
    return [json.loads(line) for line in (run.folder / "log.jsonl").read_text().splitlines()]


def weights(run: Run) -> dict[str, torch.Tensor]:
    return load_file(run.folder / "model" / "model.safetensors")


def run_to_end(config, corpus, units, folder: Path, **options) -> Run:
    run = Run(folder, config.to_json(), {})
    pretrain(config, corpus, units, run, **options)
    return run


def kill_at(step: int):
    def progress(done: int, total: int, figures: dict[str, float]) -> None:
        if done == step:
            raise KilledError

    return progress


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_a_resumed_run_ends_with_the_same_weights_to_the_bit(corpus, units, tmp_path) -> None:
    config = tiny()  # with dropout and layerdrop
    whole = run_to_end(config, corpus, units, tmp_path / "whole")
    run = Run(tmp_path / "broken", config.to_json(), {})
    for step in (1, 3, 5):  # before the first checkpoint, between two, and after the second
        with pytest.raises(KilledError):
            pretrain(config, corpus, units, run, progress=kill_at(step))
    pretrain(config, corpus, units, run)
    assert same(weights(whole), weights(run))
    assert [line["step"] for line in log(run) if line.get("event") == "resumed"] == [2, 4]
    assert not (run.folder / "checkpoints").exists()


@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_a_damaged_checkpoint_falls_back_to_the_one_before(corpus, units, tmp_path, damage) -> None:
    config = tiny()
    whole = run_to_end(config, corpus, units, tmp_path / "whole")
    run = Run(tmp_path / "damaged", config.to_json(), {})
    with pytest.raises(KilledError):
        pretrain(config, corpus, units, run, progress=kill_at(5))
    newest = run.folder / "checkpoints" / "step-00000004.pt"
    held = bytearray(newest.read_bytes())
    held[len(held) // 2] ^= 1
    newest.write_bytes(held[:1000] if damage == "cut" else held)
    pretrain(config, corpus, units, run)
    messages = [line.get("message", "") for line in log(run)]
    assert any("step-00000004.pt" in said and "trying the one before" in said for said in messages)
    assert same(weights(whole), weights(run))


def test_a_checkpoint_of_another_config_is_refused(corpus, units, tmp_path) -> None:
    run = Run(tmp_path, {}, {})
    with pytest.raises(KilledError):
        pretrain(tiny(), corpus, units, run, progress=kill_at(3))
    with pytest.raises(LaminaError, match="another config"):
        pretrain(tiny(learning_rate=1e-4), corpus, units, run)


def test_the_global_generator_neither_matters_nor_moves(corpus, units, tmp_path) -> None:
    torch.manual_seed(1)
    one = run_to_end(tiny(steps=2), corpus, units, tmp_path / "one")
    torch.manual_seed(2)
    before = torch.get_rng_state()
    other = run_to_end(tiny(steps=2), corpus, units, tmp_path / "other")
    assert same(weights(one), weights(other))
    assert torch.equal(before, torch.get_rng_state())
    third = run_to_end(tiny(steps=2, seed=1), corpus, units, tmp_path / "third")
    assert not same(weights(one), weights(third))


@pytest.mark.parametrize("changes", [{"label_rate_ratios": [1, 1]}, {"single_prediction": True}])
def test_matched_models_start_alike(changes: dict) -> None:
    base = build(tiny().model, 6, seed=3).state_dict()
    other = build(tiny(model=changes).model, 6, seed=3).state_dict()
    assert set(other) <= set(base)
    assert all(torch.equal(base[name], other[name]) for name in other)
    assert not torch.equal(base["codes.0.weight"], base["codes.1.weight"])


def crops_of(corpus, *, samples: int, size: int) -> EqualCrops:
    lengths = [utterance.samples for utterance in corpus.utterances()]
    return EqualCrops(lengths, samples=samples, size=size, grain=160)


def test_batches_and_masks_do_not_depend_on_the_cell(corpus, units) -> None:
    readers = []
    for ratios in ([1, 2], [1, 1]):
        grids = MRHubertConfig(label_rate_ratios=ratios).levels
        everyone = list(corpus.utterances())
        readers.append(CropReader(corpus, everyone, [units], grids, memory=1 << 20))
    for step in range(5):
        places = crops_of(corpus, samples=8000, size=3).batch(0, step)
        one, other = (reader.read(places) for reader in readers)
        assert torch.equal(one.waves, other.waves)
        assert torch.equal(one.labels[0], other.labels[0])
        assert torch.equal(one.labels[1], other.labels[1][:, ::2])


def test_crops_are_the_same_from_memory_and_from_disk(corpus, units) -> None:
    grids = MRHubertConfig().levels
    everyone = list(corpus.utterances())
    held, read = (
        CropReader(corpus, everyone, [units], grids, memory=memory, normalise=True) for memory in (1 << 20, 0)
    )
    for step in range(6):
        places = crops_of(corpus, samples=9000, size=2).batch(1, step)
        one, other = held.read(places), read.read(places)
        assert torch.equal(one.waves, other.waves)
        assert all(torch.equal(a, b) for a, b in zip(one.labels, other.labels, strict=True))


def test_labels_of_a_crop_are_those_of_its_place(corpus, units) -> None:
    """Encode-then-crop: the crop's labels are every second unit from its start."""
    reader = CropReader(corpus, list(corpus.utterances()), [units], MRHubertConfig().levels, memory=0)
    batch = reader.read(crops_of(corpus, samples=8000, size=4).batch(0, 0))
    for wave, labels in zip(batch.waves.numpy(), batch.labels[0].numpy(), strict=True):
        places = [
            (u, start)
            for u in corpus.utterances()
            for start in range(0, u.samples - 8000 + 1, 160)
            if np.array_equal(corpus.waves[u.id][start : start + 8000], wave)
        ]
        assert len(places) == 1
        utterance, start = places[0]
        assert (labels == units.of(utterance)[start // 160 :][: 2 * len(labels) : 2]).all()


def test_an_epoch_takes_every_utterance_as_often_as_it_holds_crops(corpus) -> None:
    everyone = list(corpus.utterances())
    plan = crops_of(corpus, samples=6400, size=2)
    turns = sorted(plan.epoch(0, 0).tolist())
    assert turns == [i for i, u in enumerate(everyone) for _ in range(u.samples // 6400)]
    assert not np.array_equal(plan.epoch(0, 0), plan.epoch(0, 1))


def test_short_utterances_are_left_out_and_counted(corpus, units, tmp_path) -> None:
    run = run_to_end(tiny(steps=1, crop_seconds=1.2), corpus, units, tmp_path)
    start = next(line for line in log(run) if line.get("event") == "start")
    assert (start["utterances"], start["left_out"]) == (1, 2)
    with pytest.raises(LaminaError, match="shorter than a crop of 5 s"):
        pretrain(tiny(crop_seconds=5.0), corpus, units, Run(tmp_path / "b", {}, {}))
    with pytest.raises(LaminaError, match="has no split 'nowhere'"):
        pretrain(tiny(split="nowhere"), corpus, units, Run(tmp_path / "c", {}, {}))
    with pytest.raises(LaminaError, match="take longer crops"):
        pretrain(tiny(mask_length=30), corpus, units, Run(tmp_path / "d", {}, {}))
    with pytest.raises(LaminaError, match="made for corpus"):
        pretrain(tiny(), Tones(seed=5), units, Run(tmp_path / "e", {}, {}))
    with pytest.raises(LaminaError, match="takes audio at 8000 Hz"):
        pretrain(tiny(model={"sampling_rate": 8000}), corpus, units, Run(tmp_path / "f", {}, {}))
    assert not any((tmp_path / name / "model").exists() for name in "bcdef")


def test_it_learns_and_logs(corpus, units, tmp_path) -> None:
    config = tiny(steps=60, learning_rate=1e-2, mask_kind="budget", mask_probability=0.4, model={"layerdrop": 0.0})
    run = run_to_end(config, corpus, units, tmp_path)
    lines = [line for line in log(run) if "perplexity_1" in line]
    assert lines[-1]["loss"] < 0.8 * lines[0]["loss"]
    chance = np.bincount(units.labels).max() / len(units.labels)
    assert lines[-1]["accuracy_unmasked_0"] > 1.5 * chance
    for key in ("accuracy_masked_0", "accuracy_masked_1", "gradient_norm", "audio_seconds_per_second"):
        assert lines[-1][key] > 0
    checks = [line["step"] for line in log(run) if line.get("event") == "validation"]
    assert checks == list(range(3, 61, 3))
    encoder = load_encoder(str(run.folder))
    assert encoder.taps[0].name == "front"


@pytest.mark.parametrize(
    ("figures", "told"),
    [
        ([{"perplexity_0": 1.2, "perplexity_1": 5.0}], "level 0 says the same unit"),
        ([{"perplexity_1": 9.0, "dead_1": 0.7}], "level 1 never names 70% of the units"),
        ([{"loss_masked_0": 1.0, "loss_masked_1": 1.0}, {"loss_masked_0": 3.0}], "rose from 2 to 3 nats"),
    ],
)
def test_alarms_ring_once_and_say_what_to_try(figures, told, tmp_path) -> None:
    alarms = Alarms(tiny(warmup_share=0.5), Journal(Run(tmp_path, {}, {})))
    for each in figures:
        alarms.hear(each, 3)  # still warming up
    assert not (tmp_path / "log.jsonl").exists()
    for step in (5, 6):
        alarms.hear(figures[-1], step)
    (line,) = log(Run(tmp_path, {}, {}))
    assert line["event"] == "warning"
    assert told in line["message"]
    assert "try" in line["message"]


def test_dead_codes_are_those_met_and_never_said(corpus, units, tmp_path) -> None:
    meter = Meter(tiny(model={"single_prediction": True}), Workers(tiny(model={"single_prediction": True})))
    logits = torch.tensor([[[0.0, 1, 0, 0], [0, 1, 0, 0], [9, 0, 0, 0]]])
    output = SimpleNamespace(
        losses=torch.ones(1, 2),
        correct=torch.ones(1, 2),
        counts=torch.ones(1, 2),
        logits=(logits,),
        feature_penalty=torch.zeros(()),
    )
    meter.add(output, Crops(torch.zeros(1, 9), (torch.tensor([[1, 2, 2]]),)))
    meter.step(torch.tensor(1.0), torch.tensor(1.0))
    assert meter.read()["dead_0"] == 0.5


def test_a_loss_that_is_no_number_stops_the_run(corpus, units, tmp_path) -> None:
    with pytest.raises(LaminaError, match="lower learning_rate"):
        pretrain(tiny(learning_rate=1e6, warmup_share=0), corpus, units, Run(tmp_path, {}, {}))


def test_no_steps_write_the_model_as_drawn(corpus, units, tmp_path) -> None:
    run = run_to_end(tiny(steps=0), corpus, units, tmp_path)
    drawn = build(tiny().model, 6, seed=0).state_dict()
    assert same(weights(run), drawn)


def test_the_learning_rate_rises_and_falls() -> None:
    config = tiny(steps=10, warmup_share=0.2, learning_rate=1.0)
    assert [learning_rate(config, step) for step in range(10)] == pytest.approx(
        [0.5, 1.0, 1.0, 7 / 8, 6 / 8, 5 / 8, 4 / 8, 3 / 8, 2 / 8, 1 / 8]
    )


def test_the_models_keys_and_defaults_are_those_of_its_config() -> None:
    known = inspect.signature(MRHubertConfig.__init__).parameters
    for name, field in ModelConfig.model_fields.items():
        assert known[name].default == field.default, name
