"""The main job from nothing to a report, small: two cells and the untrained control on little speech."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lamina.config import load_config
from lamina.effect import read_effects
from lamina.errors import LaminaError
from lamina.runs import Run
from lamina.score import Scores
from lamina.study.budget import makespan, summary
from lamina.study.conclude import conclude
from lamina.study.design import StudyConfig
from lamina.study.estimate import estimates, training_macs
from lamina.study.plan import plan
from lamina.study.record import Study
from lamina.study.study import open_runs, run_next

CONFIG = """
name = "small"
question = "Does it run?"
seeds = [0]
[corpus]
minutes = 1.5
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
measures = ["cca-mean", "cca-pwcca", "mi-normalised"]
replicates = 20
clusters = { phone = 10 }
[analysis.corpus.far]
seed = 5
minutes = 1.0
speakers = { train = 2, dev = 0, test = 2 }
[cost]
seconds = [1.0]
repeats = 1
"""


def start(folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", "from lamina.cli import main; main()"]
    return subprocess.Popen(
        [*command, "study", "run", folder / "small.toml", "--out", folder / "study", "--jobs", "1"],
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
    return Scores.read(folder / "study" / "scores.jsonl").select(lambda row: row.unit != "s/s")


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
        "mfcc-cmvn",
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
    assert {each.name for each in read_effects(study)} == {"downsampling"}
    assert set(scores.select(model="40ms", measure="cca-mean").distinct("period_ms")) == {20.0, 40.0}
    assert len({row.n for row in scores.select(measure="cca-mean", target="phone", control="", split="test")}) == 1
    splits = scores.select(measure="cca-mean", model="40ms", control="").distinct("split")
    assert sorted(splits) == ["test", "test of far"]
    assert {each.split for each in read_effects(study) if each.measure == "cca-mean"} == {
        "test", "test of far", "pooled"
    }  # fmt: skip
    far = next(study.glob("analysis-40ms-s0-on-far-*"))
    assert any("speakers that training heard" in note for note in Run.read(far).notes())
    macs = {row.model: row.value for row in scores.select(measure="macs", part="")}
    assert macs["40ms"] < macs["20ms"]
    assert (study / "scores.csv").is_file()
    assert not (study / "report" / "figures").exists()
    page = (study / "report" / "index.html").read_text(encoding="utf-8")
    assert "Does it run?" in page


def test_a_second_run_does_nothing_again(whole: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in whole.glob("study/*/run.json")}
    out = finish(whole)
    assert "index.html (up to date, not made again)" in " ".join(out.split())
    assert out.count("done before") == len(Study.read(whole / "study").runs)
    assert {path: path.stat().st_mtime_ns for path in whole.glob("study/*/run.json")} == before


@pytest.mark.slow
def test_interrupted_three_times_it_ends_with_the_same_scores(whole: Path, tmp_path: Path) -> None:
    """At random moments: twice killed, so that nothing is tidied up, once by Ctrl-C."""
    (tmp_path / "small.toml").write_text(CONFIG)
    moments = random.Random(0)
    seconds = max(file.stat().st_mtime for file in whole.glob("study/*/done")) - min(
        file.stat().st_mtime for file in whole.glob("study/*/run.json")
    )
    for how in (signal.SIGKILL, signal.SIGINT, signal.SIGKILL):
        process = start(tmp_path)
        deadline = time.monotonic() + 120
        while not (tmp_path / "study" / "study.json").is_file() and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(moments.uniform(0, 0.3 * seconds))  # three of them never make the whole
        process.send_signal(how)
        process.communicate()
    assert not (tmp_path / "study" / "scores.jsonl").is_file()
    finish(tmp_path)
    assert comparable(tmp_path) == comparable(whole)


def test_two_processes_share_a_study(whole: Path, tmp_path: Path) -> None:
    """Both end well, no run is made twice, and the scores are those of one process."""
    (tmp_path / "small.toml").write_text(CONFIG)
    both = [start(tmp_path), start(tmp_path)]
    told = [process.communicate(timeout=600) for process in both]
    assert [process.returncode for process in both] == [0, 0], told
    assert len(list((tmp_path / "study").glob("*/run.json"))) == len(Study.read(tmp_path / "study").runs)
    done = [
        sum(line.get("event") == "done" for line in Run.read(path.parent).log_lines())
        for path in (tmp_path / "study").glob("*/run.json")
    ]
    assert set(done) == {1}
    assert comparable(tmp_path) == comparable(whole)


def test_next_makes_one_run_a_time(whole: Path, tmp_path: Path) -> None:
    """A copy without its last runs is finished run by run, then nothing is left."""
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    for path in [*(tmp_path / "study").glob("cost-*"), *(tmp_path / "study").glob("analysis-untrained-*")]:
        shutil.rmtree(path)
    config, root = load_config(tmp_path / "small.toml", StudyConfig), tmp_path / "study"
    assert open_runs(config, root)[0].name == "analysis-untrained-s0"
    made = []
    while step := run_next(config, root):
        made.append(step.name)
    assert made == ["analysis-untrained-s0", "analysis-untrained-s0-on-far", "cost-20ms", "cost-40ms"]
    told = lamina(tmp_path, "next")
    assert (told.returncode, "no run can be made now" in told.stderr) == (3, True)
    done_before = run_next(config, root, only="cost-20ms")
    assert done_before is not None
    with pytest.raises(LaminaError, match="no step 'nothing'"):
        run_next(config, root, only="nothing")
    conclude(root)
    assert comparable(tmp_path) == comparable(whole)


def test_plan_tells_what_finished_runs_took_and_scales_the_others(whole: Path, tmp_path: Path) -> None:
    (tmp_path / "small.toml").write_text(CONFIG.replace("seeds = [0]", "seeds = [0, 1]"))
    config = load_config(tmp_path / "small.toml", StudyConfig)
    needs = {need.step.name: need for need in estimates(config, whole / "study")}
    assert needs["pretrain-40ms-s0"].done
    assert not needs["pretrain-40ms-s1"].done
    assert (
        needs["pretrain-40ms-s0"].seconds
        == Run.read(needs["pretrain-40ms-s0"].step.run(whole / "study").folder).seconds()
    )
    assert (needs["pretrain-40ms-s1"].seconds or 0) > 0
    assert (needs["pretrain-40ms-s1"].memory or 0) > 3e8
    assert makespan(list(needs.values()), 2) is not None
    lines = summary(config, list(needs.values()), 2, whole / "study")
    assert any("to do" in line for line in lines)
    assert not any("another design" in line for line in lines)


def test_what_a_folder_holds_of_others_is_told_and_kept(tmp_path: Path) -> None:
    (tmp_path / "small.toml").write_text(CONFIG)
    config, root = load_config(tmp_path / "small.toml", StudyConfig), tmp_path / "study"
    foreign = Run(root / "analysis-old-s0-12345678", {"kind": "analysis"}, {})
    foreign.start()
    needs = estimates(config, root, measure=False)
    (line,) = [line for line in summary(config, needs, 2, root) if "another design" in line]
    assert "analysis-old-s0-12345678" in line
    (root / "study.json").write_text('{"format": 0}')
    for act in (lambda: estimates(config, root, measure=False), lambda: run_next(config, root)):
        with pytest.raises(LaminaError, match="another version of Lamina"):
            act()
    assert (root / "study.json").read_text() == '{"format": 0}'


def test_the_rate_is_that_of_finished_trainings(tmp_path: Path) -> None:
    """What other runs take is estimated from it, though none of their kind has finished."""
    (tmp_path / "small.toml").write_text(CONFIG)
    config = load_config(tmp_path / "small.toml", StudyConfig)
    trainings = [step for step in plan(config) if training_macs(step)]
    expected = {}
    for seconds in (1.0, 1000.0):
        run = trainings[0].run(tmp_path / str(seconds))
        run.start()
        run.log(event="done", seconds=seconds)
        run.finish()
        needs = {need.step.name: need for need in estimates(config, tmp_path / str(seconds), measure=False)}
        other = needs[trainings[1].name].seconds
        assert other == pytest.approx(seconds * training_macs(trainings[1]) / training_macs(trainings[0]))
        expected[seconds] = needs["cost-20ms"].seconds or 0
    assert expected[1000.0] - 1 == pytest.approx(1000 * (expected[1.0] - 1))


def lamina(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from lamina.cli import main; main()", "study", words[0]]
    return subprocess.run(
        [*command, folder / "small.toml", "--out", folder / "study", *words[1:]],
        capture_output=True,
        text=True,
        check=False,
    )


def test_workers_end_with_a_killed_parent(tmp_path: Path) -> None:
    pytest.importorskip("espeakng_loader")
    (tmp_path / "small.toml").write_text(CONFIG.replace("minutes = 1.5", "minutes = 60"))
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
