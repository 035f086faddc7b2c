"""Run the steps of a study: several side by side, what is done is never made again, one failure stops no other."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from lamina.errors import LaminaError
from lamina.study.design import Step


class Watcher(Protocol):
    """Who shows the progress of a study."""

    def skipped(self, step: Step) -> None:
        """The step was done before."""

    def started(self, step: Step) -> None:
        """The step has started."""

    def advanced(self, step: Step, done: int, total: int) -> None:
        """The step has made ``done`` of ``total`` parts."""

    def finished(self, step: Step, seconds: float) -> None:
        """The step is done."""

    def failed(self, step: Step, error: str) -> None:
        """The step failed, or what it needs did."""


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
        LaminaError: another process works on this study folder.
    """
    with _locked(root), _pool(jobs) as pool:
        try:
            return _Schedule(steps, root, execute, jobs, watcher, pool).run()
        except BaseException:
            # Ctrl-C or a dead worker: do not wait for steps that take minutes; they go on from their checkpoints.
            for process in multiprocessing.active_children():
                process.terminate()
            raise


class _Schedule:
    def __init__(
        self,
        steps: Sequence[Step],
        root: Path,
        execute: Callable[[Step, Path], object],
        jobs: int,
        watcher: Watcher,
        pool: ProcessPoolExecutor,
    ) -> None:
        self.root, self.execute, self.jobs, self.watcher, self.pool = root, execute, jobs, watcher, pool
        self.waiting: list[Step] = []
        for step in steps:
            if step.run(root).done:
                watcher.skipped(step)
            else:
                self.waiting.append(step)
        self.running: dict[Future[object], tuple[Step, float]] = {}
        self.failed: list[Step] = []

    def run(self) -> list[Step]:
        while self.waiting or self.running:
            self._give_up_on_what_cannot_be()
            self._start_what_can_be()
            done, _ = wait(self.running, timeout=0.5, return_when=FIRST_COMPLETED)
            for step, _ in self.running.values():
                told = step.run(self.root).last_log()
                if "total" in told:
                    self.watcher.advanced(step, int(told["done"]), int(told["total"]))
            for future in done:
                step, since = self.running.pop(future)
                error = future.exception()
                if error is None:
                    self.watcher.finished(step, time.monotonic() - since)
                elif isinstance(error, BrokenProcessPool):
                    raise LaminaError(
                        f"a worker died while making {step.name}, most likely for want of memory: "
                        "run the same command with fewer --jobs; what is done stays done"
                    ) from error
                else:
                    self._fail(step, str(error) or type(error).__name__)
        return self.failed

    def _fail(self, step: Step, error: str) -> None:
        self.failed.append(step)
        self.watcher.failed(step, error)

    def _give_up_on_what_cannot_be(self) -> None:
        for step in list(self.waiting):
            lacking = [need.name for need in step.needs.values() if need in self.failed]
            if lacking:
                self.waiting.remove(step)
                self._fail(step, f"needs {', '.join(lacking)}, which failed")

    def _start_what_can_be(self) -> None:
        for step in list(self.waiting):
            if len(self.running) >= self.jobs or any(other.alone for other, _ in self.running.values()):
                return
            if not all(need.run(self.root).done for need in step.needs.values()):
                continue
            if step.alone and (self.running or any(not other.alone for other in self.waiting)):
                continue  # what is timed comes last and by itself
            self.waiting.remove(step)
            self.watcher.started(step)
            self.running[self.pool.submit(self.execute, step, self.root)] = (step, time.monotonic())


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


@contextmanager
def _locked(root: Path) -> Iterator[None]:
    """Hold the study folder for this process; the lock goes with the process, however it ends."""
    import fcntl

    try:
        root.mkdir(parents=True, exist_ok=True)
        file = (root / ".lock").open("w")
    except OSError as error:
        raise LaminaError(f"cannot write in {root}: {error.strerror}; choose another folder with --out") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise LaminaError(f"another process works on {root}: wait for it, or choose another --out") from error
        yield
