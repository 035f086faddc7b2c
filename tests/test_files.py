"""Nothing is ever half-written."""

from __future__ import annotations

import csv
import errno
import os
import resource
import socket
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.errors import LaminaError
from lamina.files import (
    allocate,
    csv_text,
    digest,
    file_digest,
    file_name,
    json_line,
    read_json,
    read_json_lines,
    read_lines,
    read_text,
    reading,
    replacing,
    told_size,
    write_json,
    write_text,
)
from lamina.lock import Lock
from lamina.runs import Run


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "value.json"
    write_json(path, {"a": 1})

    def write_half() -> None:
        with replacing(path) as beside:
            beside.write_text("half")
            raise KeyError

    with pytest.raises(KeyError):
        write_half()
    assert read_json(path) == {"a": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_folders_are_replaced_whole(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    for name in ("old", "new"):
        with replacing(folder, mark="made") as beside:
            beside.mkdir()
            write_text(beside / "made", name)
    assert (folder / "made").read_text() == "new"


def test_an_unwritable_place_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LaminaError, match=r"cannot write .*choose another output folder"):
        write_text(tmp_path / "file" / "below.txt", "x")
    with pytest.raises(LaminaError, match=r"cannot write in .*file is a file, not a folder"):
        Run.plan(tmp_path / "file", "run", {}).start()


def test_json_errors(tmp_path: Path) -> None:
    with pytest.raises(LaminaError, match="there is no file"):
        read_json(tmp_path / "absent.json")
    (tmp_path / "cut.json").write_text('{"a":')
    with pytest.raises(LaminaError, match="half-copied"):
        read_json(tmp_path / "cut.json")


FAULTS = {
    "missing": (None, "there is no file"),
    "empty": (b"", "not valid JSON"),
    "cut": (b'{"a": 1', "not valid JSON"),
    "no UTF-8": (b'{"a": "\xff"}', "codec can't decode"),
    "nested": (b'{"a":' + b"[" * 100_000, "recursion"),
    "NaN": (b'{"a": NaN}', "no finite number"),
    "infinite": (b'{"a": 1e999}', "no finite number"),
    "twice": (b'{"a": 1, "a": 2}', "key 'a' stands there twice"),
    "huge number": (b'{"a": ' + b"9" * 5000 + b"}", "not valid JSON"),
    "list": (b"[1]", "no JSON object"),
    "text": (b'"a"', "no JSON object"),
    "version": (b'{"format": 2, "a": 1}', "another version of Lamina"),
    "key": (b'{"format": 1, "a": "1"}', "its 'a' is missing or of another kind"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_of_a_json_file_is_one_line(tmp_path: Path, name: str) -> None:
    held, said = FAULTS[name]
    path = tmp_path / "value.json"
    if held is not None:
        path.write_bytes(held)
    with pytest.raises(LaminaError, match=said) as told:
        read_json(path, what="a value", remedy="make it again", version=1, keys={"a": int})
    assert str(path) in str(told.value)
    assert "make it again" in str(told.value)
    assert "\n" not in str(told.value)


def test_what_is_no_file_is_refused_and_never_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "link")
    for path in (tmp_path / "pipe", tmp_path / "folder", tmp_path / "link", Path("/dev/zero")):
        with pytest.raises(LaminaError, match="check the path"):
            read_text(path)
    with pytest.raises(LaminaError, match="neither a file nor a folder"):
        write_text(tmp_path / "pipe", "x")


@pytest.mark.parametrize("code", [errno.EACCES, errno.EIO, errno.ENAMETOOLONG, errno.EMFILE, errno.ESTALE])
def test_a_file_that_the_system_refuses_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def refuse(*_args: Any, **_values: Any) -> int:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(LaminaError, match=os.strerror(code)):
        read_text(tmp_path / "secret")


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(LaminaError, match=r"1\.0 TiB large, more than any text \(1\.0 GiB\)"):
        read_text(tmp_path / "sparse")


@pytest.mark.parametrize(
    "error", [KeyError("x"), MemoryError(), RecursionError(), RuntimeError("a\nb"), EOFError()]
)
def test_whatever_a_library_makes_of_damaged_bytes_is_one_line(tmp_path: Path, error: Exception) -> None:
    def read() -> None:
        with reading(tmp_path / "file", what="sums", remedy="add them again"):
            raise error

    write_text(tmp_path / "file", "x")
    with pytest.raises(LaminaError, match=r"cannot read sums from .*half-copied; add them again") as told:
        read()
    assert "\n" not in str(told.value)


def test_lines_end_at_newlines_alone(tmp_path: Path) -> None:
    ends = "".join(map(chr, [*range(32), 127, *range(128, 160), 0x2028, 0x2029]))
    value = {"model": f"a{ends}b\udcffä"}
    line = json_line(value)
    assert line.splitlines() == [line[:-1]]
    assert "ä" in line
    write_text(tmp_path / "lines", line + line)
    assert [each for _, each in read_json_lines(tmp_path / "lines")] == [value, value]
    write_json(tmp_path / "value", value)
    assert read_json(tmp_path / "value") == value
    write_text(tmp_path / "text", "a\u2028b\x85\n\nc")
    assert read_lines(tmp_path / "text") == ["a\u2028b\x85", "", "c"]
    write_text(tmp_path / "lines", line + "[]\n")
    with pytest.raises(LaminaError, match=r"lines, line 2 is no JSON object"):
        list(read_json_lines(tmp_path / "lines"))


@given(st.lists(st.text(), unique=True))
def test_any_text_has_a_safe_file_name_of_its_own(texts: list[str]) -> None:
    texts = list(
        dict.fromkeys([*texts, *map(file_name, texts), "", "..", "../x", "/x", "a\\b", ".a", "-a", "\0", "é"])
    )
    names = {file_name(text) for text in texts}
    assert len(names) == len(texts)
    for name in names:
        assert 0 < len(name) <= 80
        assert name[0] not in ".-~"
        assert not set(name) - set("~._+=@-0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
    assert file_name("hubert-base_v1.2") == "hubert-base_v1.2"


def test_no_cell_of_a_table_is_a_formula() -> None:
    rows = [
        {"a": text, "b": -2.5}
        for text in ("=1+1", "+1", "-x", "@x", "\t=1", "\r=1", "plain, quoted", "a=b", "x\r=1")
    ]
    lines = list(csv.reader(StringIO(csv_text(["a", "b"], rows), newline="")))
    assert lines[0] == ["a", "b"]
    assert [line[0][0] for line in lines[1:7]] == ["'"] * 6
    assert [line[0] for line in lines[7:]] == ["plain, quoted", "a=b", "x\r=1"]
    assert {line[1] for line in lines[1:]} == {"-2.5"}


def test_sizes_are_told_for_people() -> None:
    sizes = [0, 340, 1536, 200 << 10, 1 << 20, 3 << 30, 5 << 40]
    assert [told_size(size) for size in sizes] == [
        "0 bytes", "340 bytes", "1.5 KiB", "200 KiB", "1.0 MiB", "3.0 GiB", "5.0 TiB",
    ]  # fmt: skip


HALF = """
import os, sys
from pathlib import Path
from lamina.files import replacing
with replacing(Path(sys.argv[1])) as beside:
    beside.mkdir()
    (beside / "half").write_text("half")
    print("written", flush=True)
    sys.stdin.read()
    os.kill(os.getpid(), 9)
"""


def test_a_writer_removes_what_the_dead_left_and_nothing_of_the_living(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HALF, str(tmp_path / "corpus")]
    writers = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in "ab"]
    for writer in writers:
        assert writer.stdout
        writer.stdout.readline()
    left = [set(tmp_path.glob(".corpus.*.partial"))]
    for writer in writers:
        writer.communicate()
        write_text(tmp_path / "other", "x")  # any write in the folder
        left.append(set(tmp_path.glob(".*.partial")))
    assert [len(each) for each in left] == [2, 1, 0]
    assert [path.name for path in tmp_path.iterdir()] == ["other"]
    (tmp_path / ".mine.partial").mkdir()
    (tmp_path / ".mine.partial" / "thesis.txt").write_text("precious")
    write_text(tmp_path / "other", "x")
    assert (tmp_path / ".mine.partial" / "thesis.txt").is_file()


def test_a_lock_is_held_once_and_told(tmp_path: Path) -> None:
    first, second = Lock(tmp_path / "lock"), Lock(tmp_path / "lock")
    assert first.take()
    assert first.take()
    assert not second.take()
    assert second.holder() == first.holder() == f"process {os.getpid()} on {socket.gethostname()}"
    first.drop()
    assert not (tmp_path / "lock").exists()
    assert first.holder() == ""
    assert second.take()
    second.drop()
    second.drop()


def test_a_full_disk_that_a_library_tells_is_one_line(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    def write() -> None:
        with replacing(tmp_path / "units") as beside:
            save_file({"a": np.zeros(100_000)}, beside)

    allocate(tmp_path / "states", 5000)
    assert (tmp_path / "states").stat().st_blocks * 512 >= 5000
    (tmp_path / "states").unlink()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        for make in (write, lambda: allocate(tmp_path / "states", 5000)):
            with pytest.raises(LaminaError, match=r"cannot write .*File too large.*free disk space"):
                make()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    with pytest.raises(LaminaError, match="other: No such file"), replacing(tmp_path / "units"):
        Path("/nowhere/other").read_text()  # a fault of what is read is none of what is written
    assert list(tmp_path.iterdir()) == []


def test_digests(tmp_path: Path) -> None:
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    assert digest({"a": 1}) != digest({"a": 2})
    (tmp_path / "x").write_bytes(b"abc")
    assert file_digest(tmp_path / "x") == "ba7816bf8f01"


def test_run_folders(tmp_path: Path) -> None:
    run = Run.plan(tmp_path, "pretrain", {"seed": 0}, {"units": "abc"})
    assert not run.done
    assert run.folder.name.startswith("pretrain-")
    assert run.folder != Run.plan(tmp_path, "pretrain", {"seed": 1}, {"units": "abc"}).folder
    assert run.folder != Run.plan(tmp_path, "pretrain", {"seed": 0}, {"units": "abd"}).folder
    run.start()
    assert run.last_log() == {}
    run.log(step=1, loss=2.5)
    run.log(step=2, loss=1.5)
    assert run.last_log()["step"] == 2
    run.finish()
    again = Run.read(run.folder)
    assert again == run
    assert again.done
    assert again.digest == run.digest
    environment = read_json(run.folder / "run.json")["environment"]
    assert environment["versions"]["lamina"]
    write_json(run.folder / "run.json", {"format": 0})
    with pytest.raises(LaminaError, match="another version"):
        Run.read(run.folder)


def test_a_line_that_a_kill_cut_off_costs_no_other(tmp_path: Path) -> None:
    run = Run.plan(tmp_path, "pretrain", {})
    run.start()
    run.log(step=1)
    with (run.folder / "log.jsonl").open("a") as file:
        file.write('{"time": 1.0, "st')
    run.log(step=2, note="größer")
    run.log(step=3)
    assert [line["step"] for line in run.log_lines()] == [1, 2, 3]
    assert (run.folder / "log.jsonl").read_bytes().count(b"\n") == 4


@pytest.mark.parametrize(
    ("lines", "seconds"),
    [
        ([], None),
        ([(0, "began"), (5, "")], None),
        ([(0, "began"), (5, ""), (7, 7.0)], 7),
        ([(0, "began"), (5, ""), (100, "began"), (103, 3.0)], 8),
        ([(0, "began"), (100, "began"), (102, ""), (200, "began"), (203, 3.0)], 5),
        ([(1, ""), (3, 3.0)], 3),  # as logs were before they told who began
        ([(1, ""), (100, ""), (103, 3.0)], None),
        ([(1, ""), (100, "began"), (103, 3.0)], None),
    ],
)
def test_how_long_a_run_took_adds_up_its_processes(
    tmp_path: Path, lines: list[tuple[float, str | float]], seconds: float | None
) -> None:
    run = Run.plan(tmp_path, "pretrain", {})
    run.start()
    for time, what in lines:
        told = {"seconds": what} if isinstance(what, float) else {"event": what}
        run.log(**{"time": time} | told)
    assert run.seconds() == seconds


def test_somebodys_folder_is_never_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "keep"
    folder.mkdir()
    (folder / "thesis.txt").write_text("precious")

    def write() -> None:
        with replacing(folder, mark="config.json") as beside:
            beside.mkdir()
            (beside / "config.json").write_text("{}")

    with pytest.raises(LaminaError, match="nothing is overwritten"):
        write()
    assert (folder / "thesis.txt").read_text() == "precious"
    (folder / "thesis.txt").unlink()
    write()  # an empty folder is nobody's
    write()  # and what was made here may be made again
    assert [path.name for path in folder.iterdir()] == ["config.json"]


def test_what_a_link_leads_to_is_replaced_and_the_link_stays(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    for text in ("one", "two"):
        with replacing(tmp_path / "link", mark="about") as beside:
            beside.mkdir()
            (beside / "about").write_text(text)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real" / "about").read_text() == "two"
