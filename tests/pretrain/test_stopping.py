"""What ends a run early: signals, the stop file, a full disk."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from pretrain_help import Tones, tiny
from safetensors.torch import load_file

from lamina.encoders.load import load_encoder
from lamina.errors import LaminaError
from lamina.lock import LOCK
from lamina.pretrain.loop import pretrain
from lamina.pretrain.units import UnitsConfig, make_units
from lamina.pretrain.workers import read_ahead
from lamina.runs import Run

INTERRUPTED = """
import signal, sys
from lamina import cli
from lamina.corpus import open as opening
def stopped(*_, **__):
    signal.raise_signal(signal.SIGINT)
opening.open_corpus = stopped
sys.argv = ["lamina", "corpus", "check", "nowhere"]
cli.main()
"""


@pytest.fixture(scope="module")
def corpus() -> Tones:
    return Tones()


@pytest.fixture(scope="module")
def units(corpus, tmp_path_factory):
    return make_units(UnitsConfig(clusters=6), corpus, tmp_path_factory.mktemp("units"))[0]


@pytest.fixture(scope="module")
def whole(corpus, units, tmp_path_factory) -> dict[str, torch.Tensor]:
    """The weights that an uninterrupted run ends with."""
    run = Run(tmp_path_factory.mktemp("whole"), {}, {})
    return load_file(pretrain(tiny(), corpus, units, run) / "model.safetensors")


def same(folder: Path, whole: dict[str, torch.Tensor]) -> bool:
    found = load_file(folder / "model.safetensors")
    return found.keys() == whole.keys() and all(torch.equal(found[name], whole[name]) for name in whole)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_stops(corpus, units, whole, tmp_path, number) -> None:
    run = Run(tmp_path, {}, {})

    def progress(done: int, total: int, figures: dict[str, float]) -> None:
        if done == 2:
            os.kill(os.getpid(), number)

    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt, match="after step 3"):
        pretrain(tiny(checkpoint_every=100), corpus, units, run, progress=progress)
    assert signal.getsignal(number) is before
    stopped = run.last_log()
    assert (stopped["event"], stopped["step"], stopped["asked_by"]) == ("stopped", 3, number.name)
    model = pretrain(tiny(checkpoint_every=100), corpus, units, run)
    assert [line["step"] for line in run.log_lines() if line.get("event") == "resumed"] == [3]
    assert same(model, whole)


def test_a_stop_file_saves_stops_and_leaves_the_model_as_it_is(corpus, units, whole, tmp_path) -> None:
    run = Run(tmp_path, {}, {})

    def progress(done: int, total: int, figures: dict[str, float]) -> None:
        if done == 3:
            (tmp_path / "stop").touch()

    with pytest.raises(KeyboardInterrupt, match="file 'stop' after step 4"):
        pretrain(tiny(), corpus, units, run, progress=progress)
    assert not (tmp_path / "stop").exists()
    assert not (tmp_path / "model").exists()
    assert load_encoder(str(tmp_path / "stopped")).taps
    assert same(pretrain(tiny(), corpus, units, run), whole)


@pytest.mark.parametrize("more", [0, 1 << 24])  # bytes: the error comes at the end, or in the middle
def test_a_full_disk_is_a_clear_error_and_costs_no_checkpoint(
    corpus, units, whole, tmp_path, monkeypatch, more
) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full to write to")
    run = Run(tmp_path, {}, {})
    save = torch.save

    def full(state, file) -> None:
        if state["step"] < 4:
            save(state, file)
        else:
            with Path("/dev/full").open("wb") as full_file:
                save(state | {"more": torch.zeros(more, dtype=torch.uint8)}, full_file)

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(LaminaError, match=r"step-00000004\.pt: No space left"):
        pretrain(tiny(), corpus, units, run)
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["step-00000002.pt"]
    monkeypatch.undo()
    assert same(pretrain(tiny(), corpus, units, run), whole)


def test_what_a_kill_in_the_middle_of_a_save_left_goes(corpus, units, whole, tmp_path) -> None:
    left = tmp_path / "checkpoints" / ".step-00000002.pt.77.partial"

    def leave() -> None:
        left.mkdir(parents=True)
        (left / LOCK).touch()  # its process is gone
        (left / "step-00000002.pt").write_bytes(b"half")

    leave()

    def progress(done: int, total: int, figures: dict[str, float]) -> None:
        if done > 2:
            assert not left.exists()
        if done == 6:
            leave()

    assert same(pretrain(tiny(checkpoint_every=2), corpus, units, Run(tmp_path, {}, {}), progress=progress), whole)
    assert not left.parent.exists()


def test_a_log_that_cannot_be_written_is_a_clear_error(corpus, units, tmp_path) -> None:
    (tmp_path / "log.jsonl").symlink_to("/dev/full")
    with pytest.raises(LaminaError, match="cannot write the log"):
        pretrain(tiny(), corpus, units, Run(tmp_path, {}, {}))


def test_another_config_is_another_run_folder(tmp_path) -> None:
    plans = [Run.plan(tmp_path, "tiny", tiny(**changes).to_json()) for changes in ({}, {"learning_rate": 1e-4})]
    assert plans[0].folder != plans[1].folder


def test_the_command_line_says_that_it_goes_on() -> None:
    told = subprocess.run([sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, check=False)
    assert told.returncode == 130
    assert (
        told.stderr.strip()
        == "interrupted: the same command goes on from what its run folder keeps, if it has one"
    )


def test_reading_ahead_keeps_the_order_and_passes_errors_on() -> None:
    def read(step: int) -> int:
        if step == 7:
            raise LaminaError("step 7 cannot be read")
        return step * step

    with read_ahead(read, 2, 6) as found:
        assert list(found) == [4, 9, 16, 25]
    with read_ahead(read, 3, 3) as found:
        assert list(found) == []
    with pytest.raises(LaminaError, match="step 7"), read_ahead(read, 5, 9) as found:
        list(found)
