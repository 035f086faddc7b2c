"""The front door: every room opens, bad input is one clear line and exit code 2."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest

from lamina.cli import app, main
from lamina.errors import LaminaError

STUDY = Path(__file__).resolve().parents[1] / "configs" / "study" / "tiny.toml"


def lamina(*words: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """The command in this process: most of a process of its own would be the import of torch."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    with (
        mock.patch.object(sys, "argv", ["lamina", *map(str, words)]),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        contextlib.chdir(cwd or Path.cwd()),
    ):
        try:
            main()
        except SystemExit as leaving:
            code = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    return subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())


def commands() -> list[tuple[str, ...]]:
    own = [(command.name or "",) for command in app.registered_commands]
    rooms = [
        (room.name or "", command.name or "")
        for room in app.registered_groups
        if room.typer_instance
        for command in room.typer_instance.registered_commands
    ]
    return own + rooms


def test_every_command_has_help() -> None:
    from typer.testing import CliRunner

    assert len(commands()) > 10
    for words in commands():
        told = CliRunner().invoke(app, [*words, "--help"])
        assert told.exit_code == 0, words
        assert "Usage" in told.output


def bad(told: subprocess.CompletedProcess[str], *says: str) -> None:
    lines = [line for line in told.stderr.splitlines() if line]
    assert told.returncode == 2, told.stderr
    assert len([line for line in lines if line.startswith("error: ")]) == 1, told.stderr
    assert "Traceback" not in told.stderr
    for text in says:
        assert text in told.stderr


def test_configs(tmp_path: Path) -> None:
    bad(lamina("study", "run", tmp_path / "absent.toml"), "cannot read a config: there is no file")
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(f'extends = "{STUDY}"\n[analysis]\ntarget = ["phone"]\n')
    bad(lamina("study", "run", wrong), "unknown key 'analysis.target'; did you mean 'targets'")
    wrong.write_text(f'extends = "{STUDY}"\n[pretrain.model]\nhiden_size = 3\n')
    bad(lamina("study", "plan", wrong), "unknown key 'model.hiden_size'; did you mean 'hidden_size'")
    wrong.write_text(
        f'extends = "{STUDY}"\n[baselines.x]\nchanges = {{}}\n'
        'cell = { auxiliary = "aux", downsampling = "80ms" }\n'
    )
    bad(lamina("study", "plan", wrong), "has no level '80ms'")


def test_a_plan_names_every_step_once() -> None:
    told = lamina("study", "plan", STUDY, "--no-measure")
    assert told.returncode == 0, told.stderr
    names = [line.split()[2] for line in told.stdout.splitlines() if line.strip().startswith("to do")]
    assert len(names) == len(set(names))
    assert sum(name.startswith("pretrain-") for name in names) == 6
    assert sum(name.startswith("analysis-") for name in names) == 9


def test_doors_of_analyze(tmp_path: Path, shared: Path) -> None:
    speech = shared / "data" / "librispeech_testother"
    bad(lamina("analyze", "mfcc", tmp_path / "absent"), "absent")
    (tmp_path / "empty").mkdir()
    bad(lamina("analyze", "mfcc", tmp_path / "empty"), "empty")
    bad(lamina("analyze", tmp_path / "empty", speech), "empty")
    bad(lamina("analyze", "mfcc", speech, "--targets", "syllable"), "syllable")
    bad(lamina("analyze", "mfcc", speech, "--taps", "enc20.3"), "no tap 'enc20.3'")
    (tmp_path / "file").write_text("")
    bad(
        lamina("analyze", "mfcc", speech, "--targets", "phone", "--out", tmp_path / "file"),
        "another output folder",
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "file"]


def test_real_speech_and_a_transformers_folder(tmp_path: Path, shared: Path) -> None:
    """A HuBERT with random weights, saved by transformers, is analysed by path on real speech."""
    import torch
    from transformers import HubertConfig, HubertModel

    from lamina.score import Scores

    torch.manual_seed(0)
    config = HubertConfig(
        hidden_size=48, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64, conv_dim=[16] * 7,
        num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=4,
    )  # fmt: skip
    HubertModel(config).save_pretrained(tmp_path / "hubert")
    for corpus, targets in (("librispeech_testother", "mel,phone"), ("emodb", "phone,word,syllable")):
        told = lamina(
            "analyze", tmp_path / "hubert", shared / "data" / corpus, "--targets", targets,
            "--out", tmp_path / "runs", "--report", tmp_path / corpus,
        )  # fmt: skip
        assert told.returncode == 0, told.stderr
        assert "enc20.2" in told.stdout
        assert (tmp_path / corpus / "index.html").stat().st_size > 100_000
        (path,) = [line.split("scores: ")[1] for line in told.stdout.splitlines() if line.startswith("scores: ")]
        scores = Scores.read(Path(path))
        assert set(scores.distinct("tap")) == {"front", "enc20.1", "enc20.2"}
        assert set(scores.distinct("target")) == set(targets.split(","))
        assert all(row.n > 0 and row.split and row.protocol == "lamina" for row in scores)


def twice(root: Path, *words: str | Path) -> str:
    """What a command says that is run twice: the second time it finds all made, says so, and writes nothing."""
    first = lamina(*words)
    assert first.returncode == 0, first.stderr
    made = {path: path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file()}
    again = lamina(*words)
    assert again.returncode == 0, again.stderr
    said = [
        line for line in again.stdout.splitlines() if not line.startswith("made before, with the same settings")
    ]
    assert len(said) < len(again.stdout.splitlines())
    plan, *_ = said  # it tells the memory that the process has by then
    assert said[plan.startswith("plan: ") :] == first.stdout.splitlines()[plan.startswith("plan: ") :]
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file()} == made
    return first.stdout


@pytest.mark.parametrize("case", ["a_base_2res", "g_large_style"])
def test_a_published_layout_is_inspected_converted_and_read(tmp_path: Path, shared: Path, case: str) -> None:
    checkpoint = shared / "fixtures" / "mr_hubert" / case / "checkpoint.pt"
    told = lamina("encoder", "inspect", checkpoint)
    assert told.returncode == 0, told.stderr
    assert "multires_hubert" in told.stdout
    twice(tmp_path, "encoder", "convert", checkpoint, tmp_path / "model")
    told = lamina("encoder", "taps", tmp_path / "model")
    assert told.returncode == 0, told.stderr
    assert "mid40.sum" in told.stdout
    told = lamina("cost", tmp_path / "model", "--seconds", "2", "--repeats", "1", "--out", tmp_path / "cost.jsonl")
    assert told.returncode == 0, told.stderr
    assert (tmp_path / "cost.jsonl").is_file()
    for seconds in ("long", "nan", "1e12", "-3"):
        bad(lamina("cost", "mfcc", "--seconds", seconds), "--seconds")
    (tmp_path / "thesis.txt").write_text("precious")
    bad(lamina("encoder", "convert", checkpoint, tmp_path), "nothing is overwritten")
    bad(lamina("encoder", "convert", checkpoint, ".", cwd=tmp_path), "nothing is overwritten")
    bad(lamina("encoder", "convert", "no-such-name", tmp_path / "x"), "no published checkpoint")


def test_synthesis_from_the_command_line(tmp_path: Path) -> None:
    pytest.importorskip("espeakng_loader")
    config = tmp_path / "speech.toml"
    config.write_text("minutes = 0.5\nspeakers = { train = 2, dev = 1, test = 1 }\n")
    told = lamina("corpus", "synth", config, tmp_path / "speech")
    assert told.returncode == 0, told.stderr
    told = lamina("corpus", "check", tmp_path / "speech")
    assert told.returncode == 0, told.stdout
    assert "0 problems" in told.stdout
    units = tmp_path / "units.toml"
    units.write_text("clusters = 8\n")
    twice(tmp_path, "units", "fit", units, tmp_path / "speech", tmp_path / "codebook")
    label = ("units", "label", units, tmp_path / "codebook", tmp_path / "speech", tmp_path / "units")
    assert "pnmi: " in twice(tmp_path, *label)
    units.write_text("clusters = 8\nbatch_seconds = 9.0\n")
    bad(lamina(*label), "made with other settings or of other files: nothing is overwritten")
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        "steps = 2\nbatch_size = 2\ncrop_seconds = 0.5\n[model]\nhidden_size = 16\nnum_attention_heads = 2\n"
        "intermediate_size = 16\nblock_layers = [1, 1, 1]\nconv_dim = [8, 8, 8, 8, 8, 8, 8]\n"
        "num_conv_pos_embeddings = 9\nnum_conv_pos_embedding_groups = 2\nfinal_dim = 8\n"
    )
    told = twice(tmp_path, "pretrain", recipe, tmp_path / "speech", tmp_path / "units", "--out", tmp_path / "runs")
    folder = told.split("encoder: ")[1].strip()
    for encoder in (folder, "mfcc"):
        shown = twice(
            tmp_path, "probe", encoder, tmp_path / "speech", "--task", "phone", "--layers", "weighted",
            "--steps", "20", "--beside", folder, "--out", tmp_path / "probes",
        )  # fmt: skip
        assert "weighted" in shown
    shown = twice(
        tmp_path, "analyze", folder, tmp_path / "speech", "--targets", "mel", "--measures", "cca", "--out",
        tmp_path / "analyses",
    )  # fmt: skip
    assert "untrained scores: " in shown
    damaged = next((tmp_path / "analyses").glob("analysis-*/scores.jsonl"))
    damaged.write_text(damaged.read_text().replace('"n": ', '"n": 1', 1))
    bad(lamina("compare", damaged.parent), "its scores.jsonl is", "make the run again")
    told = lamina("compare", *sorted((tmp_path / "probes").iterdir()))
    assert told.returncode == 0, told.stderr
    assert "accuracy" in told.stdout


def test_doors_of_studies(tmp_path: Path) -> None:
    """What can be wrong with a study's corpus, design or folder is one line, and nothing is made."""
    published = STUDY.with_name("published.toml")
    bad(lamina("study", "run", published, "--out", tmp_path / "x"), "there is no corpus at data/librispeech")
    assert "missing: there is no corpus" in lamina("study", "plan", published, "--no-measure").stdout
    design = tmp_path / "design.toml"
    same = '[baselines.aux-40ms]\ncell = { auxiliary = "aux", downsampling = "40ms" }\nchanges = { steps = 3 }\n'
    design.write_text(f'extends = "{STUDY}"\n{same}')
    bad(lamina("study", "plan", design), "2 encoders are called 'aux-40ms'")
    (tmp_path / "file").write_text("")
    bad(
        lamina("study", "run", STUDY, "--out", tmp_path / "file" / "study"),
        "is a file, not a folder",
        "another output folder",
    )
    (tmp_path / "link").symlink_to(tmp_path / "gone")
    bad(lamina("study", "run", STUDY, "--out", tmp_path / "link"), "which is not there: make that folder")
    bad(lamina("study", "conclude", tmp_path), "is no study folder")
    shown = lamina("study", "next", STUDY, "--out", tmp_path / "new", "--show")
    assert shown.stdout.startswith("corpus-")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["design.toml", "file", "link"]


def test_devices_and_folders_are_checked_first(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    bad(
        lamina("analyze", "mfcc", tmp_path, "--device", "gpu"),
        "--device gpu cannot be used",
        "this machine has cpu: give one of them",
    )
    bad(lamina("corpus", "synth", STUDY, tmp_path), "nothing is overwritten")
    bad(lamina("corpus", "split", tmp_path), "is no corpus folder of Lamina")
    assert (tmp_path / "mine").read_text() == "mine"


@pytest.mark.parametrize(("words", "code", "told"), [(["--version"], 0, "lamina "), (["cost", "x"], 2, "error: ")])
def test_a_process_of_its_own(words: list[str], code: int, told: str) -> None:
    command = [sys.executable, "-c", "from lamina.cli import main; main()", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, (done.stdout or done.stderr).startswith(told)) == (code, True), done.stderr


RAISED = {
    "memory": (MemoryError(), "the memory ran out"),
    "torch": (RuntimeError("could not create a primitive"), "the memory ran out .*make batches smaller"),
    "allocator": (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), "the memory ran out"),
    "threads": (RuntimeError("can't start new thread"), "the memory ran out"),
    "system": (OSError(errno.ENOMEM, "Cannot allocate memory"), "the memory ran out"),
    "permission": (PermissionError(errno.EACCES, "Permission denied", "/x/y"), "/x/y: Permission denied"),
    "full": (OSError(errno.ENOSPC, "No space left on device"), "No space left on device.*free disk space"),
    "nested": (RecursionError(), "nested deeper"),
    "name": ("\udcff".encode, "a name or a text is no UTF-8"),
    "end": (EOFError(), "a file ends too early"),
    "many lines": (LaminaError("a \n b \x1b[31m"), r"a   b \\x1b\[31m"),
}


@pytest.mark.parametrize("name", RAISED)
def test_whatever_is_no_mistake_of_ours_is_one_line(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    raised, says = RAISED[name]

    def fail(_folder: Path, _best: str) -> None:
        if isinstance(raised, Exception):
            raise raised
        raised()

    monkeypatch.setattr("lamina.study.conclude.conclude", fail)
    told = lamina("study", "conclude", "x")
    bad(told)
    assert re.search(says, told.stderr)


def test_a_mistake_of_ours_shows_where_it_is_and_asks_for_a_report(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_folder: Path, _best: str) -> None:
        raise KeyError("seed")

    monkeypatch.setattr("lamina.study.conclude.conclude", fail)
    told = lamina("study", "conclude", "x")
    assert told.returncode == 1
    assert "Traceback" in told.stderr
    assert "please report it with the lines above" in told.stderr.splitlines()[-1]


@pytest.mark.parametrize("words", [["--help"], ["encoder", "list"], ["encoder", "taps", "mfcc"]])
@pytest.mark.parametrize(
    ("where", "says"), [(">&-", "standard output is closed"), ("> /dev/full", "No space left"), ("| true", "")]
)
def test_output_that_cannot_be_written(words: list[str], where: str, says: str, tmp_path: Path) -> None:
    command = f"exec {shlex.quote(sys.executable)} -m lamina {shlex.join(words)} {where}"
    told = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False, cwd=tmp_path)
    lines = told.stderr.splitlines()
    assert not any("Traceback" in line or "Exception ignored" in line for line in lines)
    assert len(lines) <= 1
    assert says in told.stderr
    if says:
        assert told.returncode == 2


def test_folders_whose_names_are_no_text(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xe9\n")
    folder.mkdir()
    told = lamina("study", "conclude", folder)
    bad(told, "is no study folder")
    assert len(told.stderr.splitlines()) == 1
