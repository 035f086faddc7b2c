"""Several processes, or one with several parts a batch, do what one does."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from pretrain_help import Tones, tiny
from safetensors.torch import load_file

from lamina.errors import LaminaError
from lamina.pretrain.loop import pretrain
from lamina.pretrain.units import UnitsConfig, make_units
from lamina.pretrain.workers import Workers
from lamina.runs import Run

# Sums of float32 in another order, through eight updates by AdamW: relative, of losses; absolute, of weights.
LOSS, WEIGHT = 1e-4, 1e-3
STILL = {"layerdrop": 0.0, "hidden_dropout": 0.0, "attention_dropout": 0.0, "feat_proj_dropout": 0.0}
SCHEDULE = {"steps": 8, "batch_size": 4, "log_every": 1, "checkpoint_every": 3, "validate_every": 4}


WHOLE = {"batch_seconds": 2.5, "crop_seconds": 1.2}
SHARED = {
    "crops": {"model": STILL},
    "dropout": {"batch_size": 5, "model": {"layerdrop": 0.3}},  # unequal parts: five crops
    "whole": WHOLE | {"model": STILL},
}


@pytest.fixture(scope="module")
def units(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("units")
    make_units(UnitsConfig(clusters=6), Tones(), folder)
    return folder


def alone(folder: Path, units: Path, **changes) -> Run:
    from lamina.pretrain.labels import Units

    run = Run(folder, {}, {})
    pretrain(tiny(**SCHEDULE | changes), Tones(), Units.read(units), run)
    return run


@pytest.fixture(scope="module")
def together(units, tmp_path_factory) -> dict[str, Run]:
    """What two processes on the CPU made of each of `SHARED`; one start of torchrun makes them all."""
    if not torch.distributed.is_available() or not torch.distributed.is_gloo_available():
        pytest.skip("this torch has no distributed package with gloo")
    root = tmp_path_factory.mktemp("together")
    program = Path(__file__).with_name("share_steps.py")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", program]
    jobs = [word for name in SHARED for word in (root / name, units, json.dumps(SCHEDULE | SHARED[name]))]
    told = subprocess.run(
        [str(word) for word in command + jobs], capture_output=True, text=True, check=False, timeout=300
    )
    assert told.returncode == 0, told.stderr[-3000:]
    return {name: Run(root / name, {}, {}) for name in SHARED}


def losses(run: Run) -> list[float]:
    return [line["loss"] for line in run.log_lines() if "gradient_norm" in line]


def agree(one: Run, other: Run) -> None:
    lines = [[line for line in run.log_lines() if "step" in line and "time" in line] for run in (one, other)]
    assert lines[0]
    assert [line["step"] for line in lines[0]] == [line["step"] for line in lines[1]]
    for a, b in zip(*lines, strict=True):
        for name in a.keys() - {
            "time",
            "audio_seconds_per_second",
            "steps_per_second",
            "seconds_left",
            "processes",
        }:
            if isinstance(a[name], float) and not name.startswith(("accuracy", "dead")):
                assert a[name] == pytest.approx(b[name], rel=LOSS, abs=LOSS), name
    weights = [load_file(run.folder / "model" / "model.safetensors") for run in (one, other)]
    assert max(float((weights[0][name] - weights[1][name]).abs().max()) for name in weights[0]) < WEIGHT


def test_two_processes_make_the_losses_of_one(units, together, tmp_path) -> None:
    one = alone(tmp_path, units, model=STILL)
    assert len(losses(one)) == 8
    agree(one, together["crops"])


def test_two_processes_make_the_losses_of_one_in_two_parts_with_dropout(units, together, tmp_path) -> None:
    """Each part of a batch has dropout of its own, whoever works on it."""
    agree(alone(tmp_path, units, **SHARED["dropout"], accumulate=2), together["dropout"])


def test_two_processes_make_the_losses_of_one_on_whole_utterances(units, together, tmp_path) -> None:
    one = alone(tmp_path / "one", units, **SHARED["whole"])
    agree(one, together["whole"])
    agree(one, alone(tmp_path / "parts", units, **SHARED["whole"], accumulate=2))


def test_parts_make_the_losses_of_the_whole(units, tmp_path) -> None:
    agree(
        alone(tmp_path / "one", units, model=STILL),
        alone(tmp_path / "three", units, accumulate=3, model=STILL),
    )


def test_a_batch_that_cannot_be_split_is_refused() -> None:
    with pytest.raises(LaminaError, match="2 crops cannot be split"):
        Workers(tiny(batch_size=2, accumulate=3))


@pytest.mark.skipif(torch.accelerator.is_available(), reason="a GPU has float16")
def test_float16_needs_a_gpu() -> None:
    with pytest.raises(LaminaError, match="needs a GPU"):
        Workers(tiny(dtype="float16"))


def test_bfloat16_learns_too(units, tmp_path) -> None:
    run = alone(tmp_path, units, dtype="bfloat16", model=STILL)
    found = losses(run)
    assert found[-1] < found[0]
    assert load_file(run.folder / "model" / "model.safetensors")["codes.0.weight"].dtype == torch.float32
