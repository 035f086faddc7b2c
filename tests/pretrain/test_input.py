"""Bad input is one clear line before the first step; odd input is said aloud and left out."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path

import numpy as np
import pytest
from pretrain_help import Tones, tiny
from typer.testing import CliRunner

from lamina.cli import app
from lamina.cli import pretrain as command
from lamina.encoders.features import MfccEncoder
from lamina.encoders.mrhubert import MRHubertConfig
from lamina.errors import LaminaError
from lamina.lock import LOCK
from lamina.pretrain.labels import Units
from lamina.pretrain.loop import pretrain
from lamina.pretrain.units import UnitsConfig, fit_units, label_units, make_units
from lamina.runs import Run

RECIPE = """
steps = {steps}
batch_size = 2
crop_seconds = {crop}
mask_length = 3
log_every = 1
{more}
[model]
{model}
hidden_size = 16
num_attention_heads = 2
intermediate_size = 32
conv_dim = [8, 8, 8, 8, 8, 8, 8]
num_conv_pos_embeddings = 5
num_conv_pos_embedding_groups = 2
"""


@pytest.fixture
def corpus() -> Tones:
    return Tones()


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("units")
    make_units(UnitsConfig(clusters=6), Tones(), folder)
    return folder


@pytest.fixture
def units(folder) -> Units:
    return Units.read(folder)


def coarse(units: Units, grid, corpus: Tones) -> Units:
    """Units of three clusters on another grid."""
    counts = [grid.frames(utterance.samples) for utterance in corpus.utterances()]
    labels = np.random.default_rng(0).integers(3, size=sum(counts)).astype(np.uint16)
    offsets = np.cumsum([0, *counts], dtype=np.int64)
    ids = tuple(utterance.id for utterance in corpus.utterances())
    return dataclasses.replace(units, labels=labels, offsets=offsets, ids=ids, grid=grid, clusters=3)


def refused(corpus, units, tmp_path, match: str, **changes) -> None:
    run = Run(tmp_path / "run", {}, {})
    with pytest.raises(LaminaError, match=match) as told:
        pretrain(tiny(**changes), corpus, units, run)
    assert "\n" not in str(told.value)
    assert not run.folder.exists()


def test_no_audio(corpus, units, tmp_path) -> None:
    corpus._utterances = []
    refused(corpus, units, tmp_path, "has no audio to pretrain on: check its path")
    with pytest.raises(LaminaError, match="has no audio to cluster"):
        fit_units(MfccEncoder("none"), "", corpus, UnitsConfig(clusters=2))


def test_all_silent(corpus, units, tmp_path) -> None:
    for wave in corpus.waves.values():
        wave[:] = 0
    refused(corpus, units, tmp_path, "is digital silence: check how its files were converted")
    refused(corpus, units, tmp_path, "is digital silence", memory_bytes=0)


def test_a_silent_file_is_named_and_harms_nothing(corpus, units, tmp_path) -> None:
    corpus.waves["u1"][:] = 0
    heard: list[str] = []
    config = tiny(model={"do_normalize": True})
    pretrain(config, corpus, units, Run(tmp_path, {}, {}), warn=heard.append)
    assert [note for note in heard if "silence" in note] == [
        "1 utterance (u1) is digital silence: check these files (`lamina corpus check`)"
    ]
    losses = [line["loss"] for line in Run(tmp_path, {}, {}).log_lines() if "gradient_norm" in line]
    assert np.isfinite(losses).all()


def test_samples_that_are_no_numbers(corpus, units, tmp_path) -> None:
    corpus.waves["u1"][5] = np.nan
    refused(corpus, units, tmp_path, "utterance u1 has samples that are no numbers")


def test_a_file_that_changed(corpus, units, tmp_path) -> None:
    corpus.waves["u3"] = corpus.waves["u3"][:-7]
    refused(corpus, units, tmp_path, r"utterance u3: \d+ samples were read where the corpus says")


def test_rates_that_do_not_divide(corpus, units, tmp_path) -> None:
    fine, level = MRHubertConfig(label_rate_ratios=[1, 2]).levels
    for_both = coarse(units, level, corpus)
    ratios = {"label_rate_ratios": [1, 2, 2, 5], "block_layers": [1] * 5}  # 20, 40, 100 ms
    refused(
        corpus, for_both, tmp_path, "level 2 has a frame every 100 ms, its units one every 40 ms", model=ratios
    )
    pretrain(tiny(steps=1, model=ratios), corpus, units, Run(tmp_path / "ten", {}, {}))
    pretrain(tiny(steps=1), corpus, [coarse(units, fine, corpus), for_both], Run(tmp_path / "two", {}, {}))


def test_each_level_may_have_units_of_its_own(corpus, units, tmp_path) -> None:
    _, level = MRHubertConfig().levels
    own = coarse(units, level, corpus)
    model = pretrain(tiny(steps=2), corpus, [units, own], Run(tmp_path / "a", {}, {}))
    assert json.loads((model / "config.json").read_text())["num_classes"] == [6, 3]
    refused(corpus, [units] * 3, tmp_path, "3 sets of units for 2 predicting levels: give one for all")
    refused(corpus, [units, own], tmp_path, "2 sets of units for 1", model={"single_prediction": True})


def test_units_of_another_corpus_rate_or_length(corpus, units, tmp_path) -> None:
    refused(Tones(seed=4), units, tmp_path, "run `lamina units label` on this corpus")
    other = dataclasses.replace(units.grid, sample_rate=8000)
    refused(corpus, dataclasses.replace(units, grid=other), tmp_path, "on an axis of 8000 Hz")
    place = units.ids.index("u1")
    short = dataclasses.replace(units, offsets=units.offsets.copy())
    short.offsets[place + 1 :] -= 3
    refused(corpus, short, tmp_path, r"utterance u1: \d+ units, but its \d+ samples make \d+ frames")
    lost = dataclasses.replace(units, ids=tuple("x" if name == "u1" else name for name in units.ids))
    refused(corpus, lost, tmp_path, "utterance u1 has no units")
    # Those of the second level are looked at, too
    refused(corpus, [units, short], tmp_path, "utterance u1")


def test_what_a_kill_left_beside_the_model_goes_at_the_next_start(corpus, units, tmp_path) -> None:
    left = tmp_path / ".model.77.partial"
    (left / "model").mkdir(parents=True)
    (left / LOCK).touch()  # its process is gone
    (left / "model" / "model.safetensors").write_bytes(b"half")
    (tmp_path / ".run.json.78.partial").mkdir()
    pretrain(tiny(steps=1), corpus, units, Run(tmp_path, {}, {}))
    assert not list(tmp_path.glob(".*"))


def test_a_folder_in_which_another_process_trains_is_left_to_it(corpus, units, tmp_path) -> None:
    run = Run(tmp_path, {}, {})
    said = rf"process {os.getpid()} on .* works on .*: wait for it"
    with run.held():
        before = sorted(tmp_path.rglob("*"))
        with pytest.raises(LaminaError, match=said):
            pretrain(tiny(steps=1), corpus, units, run)
        assert sorted(tmp_path.rglob("*")) == before


def test_only_damaged_checkpoints_start_anew_and_say_so(corpus, units, tmp_path) -> None:
    damaged = tmp_path / "checkpoints" / "step-00000002.pt"
    damaged.parent.mkdir()
    damaged.write_bytes(b"half")
    heard: list[str] = []
    pretrain(tiny(steps=1), corpus, units, Run(tmp_path, {}, {}), warn=heard.append)
    assert any("the run starts anew" in note for note in heard)


def invoke(monkeypatch, tmp_path, corpus, folders, **changes):
    """`lamina pretrain` on tones; the error as the command line prints it."""
    monkeypatch.setattr(command, "open_speech", lambda _: corpus)
    file = tmp_path / "small.toml"
    values = {"steps": 2, "crop": 0.5, "more": "", "model": "block_layers = [1, 1, 1]"} | changes
    file.write_text(RECIPE.format(**values))
    words = ["pretrain", str(file), "tones", *map(str, folders), "--out", str(tmp_path / "runs")]
    return CliRunner().invoke(app, words)


def test_the_command_says_what_is_left_out_and_where_the_encoder_is(monkeypatch, tmp_path, corpus, folder) -> None:
    done = invoke(monkeypatch, tmp_path, corpus, [folder], crop=1.0)
    assert done.exit_code == 0, done.output
    assert "1 utterance (u0) is too short and left out; 2 utterances of" in done.stderr
    (run,) = (tmp_path / "runs").iterdir()
    assert done.stdout.splitlines()[1:] == [f"encoder: {run}"]  # after the device
    (logged,) = [line for line in Run(run, {}, {}).log_lines() if line.get("kind") == "audio"]
    assert "u0" in logged["message"]
    steps = [line for line in Run(run, {}, {}).log_lines() if "gradient_norm" in line]
    assert steps[0]["seconds_left"] >= steps[1]["seconds_left"] == 0  # rounded: two steps may take no time
    assert steps[0]["steps_per_second"] > 0
    assert {"model", "run.json", "log.jsonl", "done"} <= {path.name for path in run.iterdir()}


def test_one_of_several_processes_speaks(monkeypatch, tmp_path, corpus, folder) -> None:
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setattr("lamina.pretrain.loop.pretrain", lambda *_, **__: None)
    done = invoke(monkeypatch, tmp_path, corpus, [folder])
    assert (done.exit_code, done.output) == (0, "")
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"model": "block_layers = [1, 1]"}, "small.toml: MR-HuBERT config: block_layers [1, 1]: 3 blocks"),
        ({"model": "block_layer = [1]"}, "small.toml: unknown key 'model.block_layer'; did you mean"),
        ({"crop": 7}, "every utterance of corpus tones is shorter than a crop of 7 s"),
        ({"more": "batch_seconds = 0.1"}, "small.toml: "),
    ],
)
def test_errors_of_a_config_name_its_file_and_leave_no_folder(
    monkeypatch, tmp_path, corpus, folder, changes, told
) -> None:
    done = invoke(monkeypatch, tmp_path, corpus, [folder], **changes)
    assert isinstance(done.exception, LaminaError)
    assert told in str(done.exception)
    assert not (tmp_path / "runs").exists()


def test_missing_files_say_what_makes_them(monkeypatch, tmp_path, corpus) -> None:
    done = invoke(monkeypatch, tmp_path, corpus, [tmp_path / "nowhere"])
    assert "`lamina units label` makes one" in str(done.exception)


def test_a_codebook_of_another_encoder_is_refused(corpus) -> None:
    book = fit_units(MfccEncoder("none"), "", corpus, UnitsConfig(clusters=4, normalise="none"))
    with pytest.raises(LaminaError, match="label with the encoder that it was fitted on"):
        label_units(MfccEncoder("utterance"), book, corpus)
