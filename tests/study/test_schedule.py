"""The scheduler: every missing run once, in order, side by side, whatever fails."""

from __future__ import annotations

import fcntl
from pathlib import Path

import pytest

from lamina.errors import LaminaError
from lamina.study.design import Step
from lamina.study.schedule import run_steps


class Told:
    """A watcher that writes down what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def skipped(self, step: Step) -> None:
        self.lines.append(f"{step.name} skipped")

    def started(self, step: Step) -> None:
        self.lines.append(f"{step.name} started")

    def advanced(self, step: Step, done: int, total: int) -> None:
        pass

    def finished(self, step: Step, seconds: float) -> None:
        self.lines.append(f"{step.name} finished")

    def failed(self, step: Step, error: str) -> None:
        self.lines.append(f"{step.name} failed: {error}")


def execute(step: Step, root: Path) -> None:
    """Make a run folder that names its inputs; fail where the config says so."""
    run = step.run(root)
    run.start()
    for need in step.needs.values():
        assert need.run(root).done
    if step.config.get("fail"):
        raise LaminaError("asked to fail")
    run.finish()


def diamond(fail: bool = False) -> list[Step]:
    top = Step("top", "x", {})
    left = Step("left", "x", {"fail": fail}, {"top": top})
    right = Step("right", "x", {}, {"top": top})
    bottom = Step("bottom", "x", {}, {"left": left, "right": right})
    timed = Step("timed", "x", {}, {"right": right}, alone=True)
    return [top, left, right, timed, bottom]


def test_every_step_once_and_never_again(tmp_path: Path) -> None:
    told = Told()
    assert run_steps(diamond(), tmp_path, execute, jobs=2, watcher=told) == []
    assert all(step.run(tmp_path).done for step in diamond())
    assert sorted(line for line in told.lines if line.endswith("finished")) == sorted(
        f"{name} finished" for name in ("top", "left", "right", "bottom", "timed")
    )
    # What is timed comes last, alone.
    assert told.lines[-2:] == ["timed started", "timed finished"]
    again = Told()
    run_steps(diamond(), tmp_path, execute, jobs=2, watcher=again)
    assert sorted(again.lines) == sorted(f"{step.name} skipped" for step in diamond())


def test_a_changed_setting_remakes_what_depends_on_it(tmp_path: Path) -> None:
    run_steps(diamond(), tmp_path, execute, jobs=1, watcher=Told())
    top, left, *_ = diamond()
    changed = Step("right", "x", {"new": 1}, {"top": top})
    steps = [top, left, changed, Step("bottom", "x", {}, {"left": left, "right": changed})]
    told = Told()
    run_steps(steps, tmp_path, execute, jobs=1, watcher=told)
    assert [line for line in told.lines if line.endswith("finished")] == ["right finished", "bottom finished"]


def test_a_failure_stops_only_what_needs_it(tmp_path: Path) -> None:
    told = Told()
    failed = run_steps(diamond(fail=True), tmp_path, execute, jobs=2, watcher=told)
    assert [step.name for step in failed] == ["left", "bottom"]
    assert "left failed: asked to fail" in told.lines
    assert "bottom failed: needs left, which failed" in told.lines
    assert "timed finished" in told.lines


def test_two_processes_never_share_a_folder(tmp_path: Path) -> None:
    with (tmp_path / ".lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(LaminaError, match="another process works on"):
            run_steps(diamond(), tmp_path, execute, jobs=1, watcher=Told())
    (tmp_path / "file").write_text("")
    with pytest.raises(LaminaError, match="--out"):
        run_steps(diamond(), tmp_path / "file", execute, jobs=1, watcher=Told())
