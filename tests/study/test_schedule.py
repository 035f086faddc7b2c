"""The scheduler: every missing run once, in order, side by side, whatever fails."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from signal import SIG_DFL, SIGTERM, signal

import pytest

from lamina.config import Config
from lamina.errors import LaminaError
from lamina.lock import STALE, Lock
from lamina.study.locks import Locks
from lamina.study.schedule import next_step, run_steps
from lamina.study.step import Step


class Made(Config):
    """Settings of a run that only tests make."""

    fail: bool = False
    new: int = 0


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

    def waiting(self, step: Step, holder: str) -> None:
        self.lines.append(f"{step.name} waits: {holder} makes it")


def execute(step: Step, root: Path) -> None:
    """Make a run folder that names its inputs; fail where the config says so."""
    run = step.run(root)
    run.start()
    for need in step.needs.values():
        if not need.run(root).done:  # this runs in processes of its own, where nothing counts assertions
            raise RuntimeError(f"{need.name} is not done")
    if isinstance(step.settings, Made) and step.settings.fail:
        raise LaminaError("asked to fail")
    run.finish()


def patient(step: Step, root: Path) -> None:
    """Like a training: at the first signal it stops in order, the second ends its process."""
    asked = threading.Event()

    def hear(*_: object) -> None:
        asked.set()
        signal(SIGTERM, SIG_DFL)

    signal(SIGTERM, hear)
    run = step.run(root)
    run.start()
    run.log(done=1, total=2)
    asked.wait()
    run.log(event="stopped")
    raise KeyboardInterrupt


class Impatient(Told):
    """A watcher that is interrupted as soon as two steps are under way."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()

    def advanced(self, step: Step, done: int, total: int) -> None:
        self.seen.add(step.name)
        if len(self.seen) == 2:
            raise KeyboardInterrupt


def diamond(fail: bool = False) -> list[Step]:
    top = Step("top", "corpus", Made())
    left = Step("left", "corpus", Made(fail=fail), needs={"top": top})
    right = Step("right", "corpus", Made(), needs={"top": top})
    bottom = Step("bottom", "corpus", Made(), needs={"left": left, "right": right})
    timed = Step("timed", "corpus", Made(), needs={"right": right}, alone=True)
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
    changed = Step("right", "corpus", Made(new=1), needs={"top": top})
    steps = [top, left, changed, Step("bottom", "corpus", Made(), needs={"left": left, "right": changed})]
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


def test_a_run_that_another_process_makes_is_waited_for(tmp_path: Path) -> None:
    others = Locks(tmp_path)
    top = diamond()[0]
    name = top.run(tmp_path).folder.name
    assert others.take(name)
    told = Told()

    def finish_it() -> None:
        while not any("makes it" in line for line in told.lines):
            time.sleep(0.05)
        execute(top, tmp_path)
        others.close()

    thread = threading.Thread(target=finish_it)
    thread.start()
    assert run_steps(diamond(), tmp_path, execute, jobs=2, watcher=told) == []
    thread.join()
    assert told.lines[0] == f"top waits: process {os.getpid()} on {socket.gethostname()} makes it"
    assert "top skipped" in told.lines
    assert "top started" not in told.lines
    assert "bottom finished" in told.lines


def test_an_interrupt_ends_all_workers_in_order(tmp_path: Path) -> None:
    """One that reaches the parent alone, as `kill -INT` does: a stopped training's worker takes no other step."""
    steps = [Step(name, "corpus", Made(new=number)) for number, name in enumerate(("one", "two"))]
    ended: list[str] = []

    def interrupted() -> None:
        try:
            run_steps(steps, tmp_path, patient, jobs=2, watcher=Impatient())
        except KeyboardInterrupt:
            ended.append("interrupted")

    thread = threading.Thread(target=interrupted, daemon=True)
    thread.start()
    thread.join(120)
    assert ended == ["interrupted"]
    assert [step.run(tmp_path).last_log()["event"] for step in steps] == ["stopped", "stopped"]
    assert not any(Locks(tmp_path).holder(step.run(tmp_path).folder.name) for step in steps)


def test_locks_of_the_dead_are_taken_over(tmp_path: Path) -> None:
    """A process that was killed leaves its lock behind; nobody has to delete it."""
    code = (
        "import os, signal, sys; from pathlib import Path; from lamina.study.locks import Locks; "
        "assert Locks(Path(sys.argv[1])).take('run'); print('taken', flush=True); signal.pause()"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "taken\n"
    mine = Locks(tmp_path)
    assert not mine.take("run")
    assert mine.holder("run") == f"process {process.pid} on {socket.gethostname()}"
    process.kill()
    process.wait()
    assert mine.holder("run") == ""
    assert mine.take("run")
    mine.close()
    assert not (tmp_path / "locks" / "run").exists()


def test_locks_of_another_machine_are_stale_once_nobody_touches_them(tmp_path: Path) -> None:
    """Some file systems keep locks to each machine: who is alive touches its file."""
    mine = Locks(tmp_path)
    path = tmp_path / "locks" / "run"
    path.write_text(json.dumps({"host": "elsewhere", "process": 1, "machine": "another"}))
    assert not mine.take("run")
    assert mine.holder("run") == "process 1 on elsewhere"
    os.utime(path, (long_ago := time.time() - 2 * STALE, long_ago))
    assert mine.holder("run") == ""
    assert mine.take("run")
    mine.close()


def test_a_lock_that_was_taken_over_is_left_to_its_new_holder(tmp_path: Path) -> None:
    """A process that slept for long neither refreshes nor deletes what another holds by now."""
    mine = Lock(tmp_path / "run")
    assert mine.take()
    theirs = json.dumps({"host": "elsewhere", "process": 1, "machine": "another"})
    (tmp_path / "new").write_text(theirs)
    (tmp_path / "new").replace(tmp_path / "run")
    os.utime(tmp_path / "run", (1e9, 1e9))
    mine.touch()
    assert (tmp_path / "run").stat().st_mtime == 1e9
    mine.drop()
    assert (tmp_path / "run").read_text() == theirs
    assert mine.take()  # nobody has touched it since 2001
    mine.drop()
    assert not (tmp_path / "run").exists()


def test_a_lock_is_touched_while_it_is_held(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from lamina import lock; lock.BEAT = 0.01; "
        "path = Path(sys.argv[1]); held = lock.Lock(path); assert held.take(); import os; "
        "os.utime(path, (1e9, 1e9)); time.sleep(0.5); print(path.stat().st_mtime > 1e9); held.drop()"
    )
    told = subprocess.run([sys.executable, "-c", code, str(tmp_path / "run")], check=True, capture_output=True)
    assert told.stdout == b"True\n"


def test_one_of_many_takes_a_lock(tmp_path: Path) -> None:
    """Forty holders ask for the same stale lock: one gets it."""
    (tmp_path / "locks").mkdir()
    (tmp_path / "locks" / "run").write_text("half a lo")
    takers = [Locks(tmp_path) for _ in range(40)]
    with ThreadPoolExecutor(40) as pool:
        assert sum(pool.map(lambda locks: locks.take("run"), takers)) == 1


def test_next_takes_one_at_a_time(tmp_path: Path) -> None:
    one, two = Locks(tmp_path), Locks(tmp_path)
    steps = diamond()
    first = next_step(steps, tmp_path, one)
    assert first is not None
    assert first.name == "top"
    assert next_step(steps, tmp_path, two) is None  # all others wait for it
    execute(first, tmp_path)
    one.close()
    taken = [next_step(steps, tmp_path, locks) for locks in (one, two)]
    assert [step.name for step in taken if step] == ["left", "right"]


def test_damaged_runs_are_named_before_anything_starts(tmp_path: Path) -> None:
    run_steps(diamond(), tmp_path, execute, jobs=1, watcher=Told())
    run = diamond()[2].run(tmp_path)
    (run.folder / "weights").write_text("heavy")
    run.finish()
    (run.folder / "weights").unlink()
    told = Told()
    with pytest.raises(LaminaError, match="half-copied or damaged: its weights is missing"):
        run_steps(diamond(), tmp_path, execute, jobs=1, watcher=told)
    assert not any("started" in line for line in told.lines)


def test_places_that_are_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LaminaError, match=r"file is a file, not a folder; choose another output folder"):
        run_steps(diamond(), tmp_path / "file" / "study", execute, jobs=1, watcher=Told())
    (tmp_path / "link").symlink_to(tmp_path / "gone")
    with pytest.raises(LaminaError, match=r"link is a link to .*gone, which is not there: make that folder"):
        run_steps(diamond(), tmp_path / "link", execute, jobs=1, watcher=Told())
    (tmp_path / "gone").mkdir()
    assert run_steps(diamond(), tmp_path / "link", execute, jobs=1, watcher=Told()) == []
    assert list((tmp_path / "gone").glob("top-*/done"))
