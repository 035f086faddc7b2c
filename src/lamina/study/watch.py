"""Show a study's progress: bars on a terminal, one line a step elsewhere."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import TimeRemainingColumn as Remaining

from lamina.study.step import Step


class ConsoleWatcher:
    """A bar for all steps and one for each running step (`lamina.study.schedule.Watcher`)."""

    def __init__(self, total: int, console: Console) -> None:
        self._console = console
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            Remaining(),
            console=console,
            transient=True,
        )
        self._all = self._progress.add_task("all steps", total=total)
        self._bars: dict[str, TaskID] = {}
        self._total, self._done, self._began = total, 0, time.monotonic()

    def __enter__(self) -> Self:
        # Not by `disable`: before rich 15 bars that are not shown end in an empty line.
        if self._console.is_terminal:
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._console.is_terminal:
            self._progress.stop()

    def _tell(self, step: Step, what: str) -> None:
        self._done += 1
        self._progress.advance(self._all)
        minutes = (time.monotonic() - self._began) / 60
        self._console.print(
            f"[{self._done}/{self._total}, {minutes:.1f} min] {step.name}: {what}", highlight=False, markup=False
        )

    def skipped(self, step: Step) -> None:
        """The step was done before."""
        self._tell(step, "done before")

    def started(self, step: Step) -> None:
        """Give the step a bar."""
        self._bars[step.name] = self._progress.add_task(f"  {step.name}", total=None)

    def advanced(self, step: Step, done: int, total: int) -> None:
        """Move the step's bar."""
        self._progress.update(self._bars[step.name], completed=done, total=total)

    def waiting(self, step: Step, holder: str) -> None:
        """Say who makes what is waited for."""
        self._console.print(f"{step.name}: {holder} makes it; waiting", highlight=False, markup=False)

    def finished(self, step: Step, seconds: float) -> None:
        """Say how long the step took."""
        self._progress.remove_task(self._bars.pop(step.name))
        self._tell(step, f"{seconds:.0f} s")

    def failed(self, step: Step, error: str) -> None:
        """Say why the step failed."""
        bar = self._bars.pop(step.name, None)
        if bar is not None:
            self._progress.remove_task(bar)
        self._tell(step, f"FAILED: {error}")
