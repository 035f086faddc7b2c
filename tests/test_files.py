"""Nothing is ever half-written."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamina.errors import LaminaError
from lamina.files import digest, file_digest, read_json, replacing, write_json, write_text
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
    with pytest.raises(LaminaError, match="cannot create the run folder"):
        Run.plan(tmp_path / "file", "run", {}).start()


def test_json_errors(tmp_path: Path) -> None:
    with pytest.raises(LaminaError, match="there is no file"):
        read_json(tmp_path / "absent.json")
    (tmp_path / "cut.json").write_text('{"a":')
    with pytest.raises(LaminaError, match="half-copied"):
        read_json(tmp_path / "cut.json")


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
