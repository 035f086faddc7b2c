"""Run the steps of a study: several side by side, what is done is never made again, one failure stops no other.

Several processes may work on one study folder, on one machine or on several: each takes the runs that nobody else
has taken (`lamina.study.locks`).
"""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from lamina.errors import LaminaError, told
from lamina.runs import Run
from lamina.study.locks import Locks
from lamina.study.step import Step


class Watcher(Protocol):
    """Who shows the progress of a study."""

    def skipped(self, step: Step) -> None:
        """The step was done before, or another process has just made it."""

    def started(self, step: Step) -> None:
        """The step has started."""

    def advanced(self, step: Step, done: int, total: int) -> None:
        """The step has made ``done`` of ``total`` parts."""

    def finished(self, step: Step, seconds: float) -> None:
        """The step is done."""

    def failed(self, step: Step, error: str) -> None:
        """The step failed, or what it needs did."""

    def waiting(self, step: Step, holder: str) -> None:
        """All that is left is made by others; ``holder`` makes this step."""


def is_done(step: Step, root: Path) -> bool:
    """Whether a step's run is complete.

    Raises:
        LaminaError: it was, but files are missing now, or another version made it.
    """
    run = step.run(root)
    if not run.done:
        return False
    Run.read(run.folder).check()
    return True


def ready(steps: Sequence[Step], root: Path) -> list[Step]:
    """The steps that are not done and can be made now, held by others or not; what is timed comes last."""
    undone = [step for step in steps if not is_done(step, root)]
    late = any(not step.alone for step in undone)
    return [
        step
        for step in undone
        if all(need.run(root).done for need in step.needs.values()) and not (step.alone and late)
    ]


def next_step(steps: Sequence[Step], root: Path, locks: Locks) -> Step | None:
    """Take the lock of the next step that can be made; None where there is none (done, held, or waiting)."""
    return next((step for step in ready(steps, root) if _take(step, root, locks)), None)


def _take(step: Step, root: Path, locks: Locks) -> bool:
    """Take the lock of a step that nobody holds and nobody has made meanwhile."""
    name = step.run(root).folder.name
    if not locks.take(name):
        return False
    if step.run(root).done:
        locks.drop(name)
        return False
    return True


def run_steps(
    steps: Sequence[Step], root: Path, execute: Callable[[Step, Path], object], *, jobs: int, watcher: Watcher
) -> list[Step]:
    """Make every run folder that is missing, ``jobs`` at a time with one thread each.

    Args:
        steps: each after what it needs.
        root: the study folder.
        execute: makes one run folder; called in a worker process, so a function at a module's top.
        jobs: how many workers.
        watcher: is told what happens.

    Returns:
        The steps that could not be made, because they failed or need one that did.

    Raises:
        LaminaError: the folder cannot be written, or a finished run in it is damaged.
    """
    locks = Locks(root)
    try:
        with _pool(jobs) as pool:
            schedule = _Schedule(steps, root, execute, jobs, watcher, pool, locks)
            try:
                return schedule.run()
            except BaseException:
                # Ctrl-C or a dead worker: do not wait for long steps, they go on from their checkpoints. At the
                # first signal a training writes one and its worker would wait for more: the second ends it.
                workers = multiprocessing.active_children()
                for worker in workers:
                    worker.terminate()
                wait(schedule.running)
                for worker in workers:
                    worker.terminate()
                    worker.join()
                raise
    finally:
        locks.close()


class _Schedule:
    def __init__(
        self,
        steps: Sequence[Step],
        root: Path,
        execute: Callable[[Step, Path], object],
        jobs: int,
        watcher: Watcher,
        pool: ProcessPoolExecutor,
        locks: Locks,
    ) -> None:
        self.root, self.execute, self.jobs, self.watcher, self.pool = root, execute, jobs, watcher, pool
        self.locks = locks
        self.waiting: list[Step] = []
        self.told: set[str] = set()
        for step in steps:
            if is_done(step, root):
                watcher.skipped(step)
            else:
                self.waiting.append(step)
        self.running: dict[Future[object], tuple[Step, float]] = {}
        self.failed: list[Step] = []

    def run(self) -> list[Step]:
        while self.waiting or self.running:
            self._give_up_on_what_cannot_be()
            self._start_what_can_be()
            if self.running:
                done, _ = wait(self.running, timeout=0.5, return_when=FIRST_COMPLETED)
            elif self.waiting:
                done = set()
                self._wait_for_others()
            else:
                break
            for step, _ in self.running.values():
                told = step.run(self.root).last_log()
                if "total" in told:
                    self.watcher.advanced(step, int(told["done"]), int(told["total"]))
            for future in done:
                self._conclude(future)
        return self.failed

    def _conclude(self, future: Future[object]) -> None:
        step, since = self.running.pop(future)
        self.locks.drop(step.run(self.root).folder.name)
        error = future.exception()
        if error is None:
            self.watcher.finished(step, time.monotonic() - since)
        elif isinstance(error, BrokenProcessPool):
            raise LaminaError(
                f"a worker died while making {step.name}, most likely for want of memory: "
                "run the same command with fewer --jobs; what is done stays done"
            ) from error
        elif line := told(error):
            self._fail(step, line)
        else:
            traceback.print_exception(error)
            self._fail(step, "a mistake in Lamina: please report it with the lines above")

    def _fail(self, step: Step, error: str) -> None:
        self.failed.append(step)
        self.watcher.failed(step, error)

    def _wait_for_others(self) -> None:
        for step in self.waiting:
            name = step.run(self.root).folder.name
            holder = self.locks.holder(name)
            if holder and name not in self.told:
                self.told.add(name)
                self.watcher.waiting(step, holder)
        time.sleep(0.5)

    def _give_up_on_what_cannot_be(self) -> None:
        for step in list(self.waiting):
            lacking = [need.name for need in step.needs.values() if need in self.failed]
            if lacking:
                self.waiting.remove(step)
                self._fail(step, f"needs {', '.join(dict.fromkeys(lacking))}, which failed")

    def _start_what_can_be(self) -> None:
        for step in list(self.waiting):
            if len(self.running) >= self.jobs or any(other.alone for other, _ in self.running.values()):
                return
            if not all(need.run(self.root).done for need in step.needs.values()):
                continue
            if step.alone and (self.running or any(self._disturbs(other, step) for other in self.waiting)):
                continue  # what is timed comes last and by itself
            if not _take(step, self.root, self.locks):
                if step.run(self.root).done:  # another process made it
                    self.waiting.remove(step)
                    self.watcher.skipped(step)
                continue
            self.waiting.remove(step)
            self.watcher.started(step)
            self.running[self.pool.submit(self.execute, step, self.root)] = (step, time.monotonic())

    def _disturbs(self, other: Step, timed: Step) -> bool:
        return not other.alone or (
            other is not timed and bool(self.locks.holder(other.run(self.root).folder.name))
        )


@contextmanager
def _pool(jobs: int) -> Iterator[ProcessPoolExecutor]:
    # Two threads each on busy cores are slower than one (measured: 2 to 11 times), so each worker gets one.
    before = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = "1"
    pool = ProcessPoolExecutor(
        jobs, mp_context=multiprocessing.get_context("spawn"), initializer=_leave_with_parent
    )
    try:
        yield pool
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        if before is None:
            del os.environ["OMP_NUM_THREADS"]
        else:
            os.environ["OMP_NUM_THREADS"] = before


def _leave_with_parent() -> None:
    """In a worker: end when the parent does, however it ends; a killed study leaves nothing running."""

    def wait_and_leave() -> None:
        parent = multiprocessing.parent_process()
        if parent is not None:
            parent.join()
        os._exit(1)

    threading.Thread(target=wait_and_leave, daemon=True).start()
