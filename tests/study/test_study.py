"""The main job from nothing to a report, small: two cells and the untrained control on three minutes of speech."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lamina.score import Scores
from lamina.study.record import Study

CONFIG = """
name = "small"
question = "Does it run?"
seeds = [0]
[corpus]
minutes = 3
speakers = { train = 4, dev = 1, test = 2 }
[units.mfcc]
clusters = 16
[pretrain]
steps = 6
batch_size = 2
crop_seconds = 0.6
checkpoint_every = 2
validate_every = 6
[pretrain.model]
block_layers = [1, 1, 1]
hidden_size = 24
num_attention_heads = 2
intermediate_size = 32
conv_dim = [8, 8, 8, 8, 8, 8, 8]
num_conv_pos_embeddings = 9
num_conv_pos_embedding_groups = 2
final_dim = 16
[factors.downsampling]
label = "middle block at 40 ms"
[factors.downsampling.levels.20ms]
model.label_rate_ratios = [1, 1]
[factors.downsampling.levels.40ms]
model.label_rate_ratios = [1, 2]
[baselines.untrained]
cell = { downsampling = "40ms" }
changes = { steps = 0 }
control = "untrained"
[analysis]
targets = ["mel", "phone"]
replicates = 20
clusters = { phone = 10 }
[cost]
seconds = [1.0]
repeats = 1
"""


def start(folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", "from lamina.cli import main; main()"]
    return subprocess.Popen(
        [*command, "study", "run", folder / "small.toml", "--out", folder / "study"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(folder: Path) -> str:
    process = start(folder)
    out, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    return out


def comparable(folder: Path) -> Scores:
    """All scores but measured speeds, which no two runs share."""
    return Scores.read(folder / "study" / "scores.jsonl").select(lambda row: row.measure != "speed")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("espeakng_loader")
    folder = tmp_path_factory.mktemp("whole")
    (folder / "small.toml").write_text(CONFIG)
    out = finish(folder)
    assert f"report: {folder / 'study' / 'report' / 'index.html'}" in out
    return folder


def test_everything_is_there(whole: Path) -> None:
    study = whole / "study"
    scores = Scores.read(study / "scores.jsonl")
    assert set(scores.select(measure="cca-mean", control="").distinct("model")) >= {
        "20ms",
        "40ms",
        "mfcc",
        "units",
    }
    assert scores.select(control="untrained").distinct("model") == ["untrained"]
    assert set(scores.distinct("target")) >= {"mel", "phone"}
    assert set(scores.distinct("measure")) >= {
        "cca-mean",
        "cca-pwcca",
        "mi-normalised",
        "macs",
        "speed",
        "parameters",
    }
    assert {row.model for row in scores.select(unit="difference")} == {"effect:downsampling"}
    assert set(scores.select(model="40ms", measure="cca-mean").distinct("period_ms")) == {20.0, 40.0}
    assert len({row.n for row in scores.select(measure="cca-mean", target="phone", control="")}) == 1
    macs = {row.model: row.value for row in scores.select(measure="macs", tap="")}
    assert macs["40ms"] < macs["20ms"]
    assert (study / "scores.csv").is_file()
    assert list((study / "report" / "figures").glob("*.svg"))
    page = (study / "report" / "index.html").read_text(encoding="utf-8")
    assert "Does it run?" in page


def test_a_second_run_does_nothing_again(whole: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in whole.glob("study/*/run.json")}
    out = finish(whole)
    assert out.count("done before") == len(Study.read(whole / "study").runs)
    assert {path: path.stat().st_mtime_ns for path in whole.glob("study/*/run.json")} == before


@pytest.mark.slow
def test_killed_and_run_again_it_ends_with_the_same_scores(whole: Path, tmp_path: Path) -> None:
    (tmp_path / "small.toml").write_text(CONFIG)
    for wanted in ("corpus-*/done", "pretrain-*/log.jsonl"):
        process = start(tmp_path)
        deadline = time.monotonic() + 300
        while not list((tmp_path / "study").glob(wanted)) and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert list((tmp_path / "study").glob(wanted))
    finish(tmp_path)
    assert comparable(tmp_path) == comparable(whole)


def test_workers_end_with_a_killed_parent(tmp_path: Path) -> None:
    pytest.importorskip("espeakng_loader")
    (tmp_path / "small.toml").write_text(CONFIG.replace("minutes = 3", "minutes = 60"))
    process = start(tmp_path)
    while not list((tmp_path / "study").glob("corpus-*/run.json")):
        time.sleep(0.05)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    if not children.is_file():
        process.kill()
        pytest.skip("this system does not list a process's children in /proc")
    workers = [int(pid) for pid in children.read_text().split()]
    assert workers
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 60
    while any(_runs(pid) for pid in workers) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not [pid for pid in workers if _runs(pid)]


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (OSError, IndexError):
        return False
