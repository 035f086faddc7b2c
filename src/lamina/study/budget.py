"""What is left of a study, told: a row a run, how long it takes side by side, and what is missing for it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lamina.device import memory, told
from lamina.files import told_size
from lamina.study.design import StoredConfig, StudyConfig
from lamina.study.estimate import Need, training_macs

if TYPE_CHECKING:
    from rich.table import Table


def makespan(needs: Sequence[Need], jobs: int) -> float | None:
    """Seconds until all is done with so many runs side by side; None where a run's time is unknown."""
    left = [need for need in needs if not need.done]
    ends: dict[str, float] = {}
    free = [0.0] * jobs
    while left:
        missing = {need.step.name for need in left}
        open_ = [need for need in left if not missing & {each.name for each in need.step.needs.values()}]
        timed = all(need.step.alone for need in left)
        worker = min(range(jobs), key=free.__getitem__)
        begins = {
            need.step.name: max([free[worker], *(ends.get(each.name, 0.0) for each in need.step.needs.values())])
            for need in open_
            if timed or not need.step.alone
        }
        need = min((need for need in open_ if need.step.name in begins), key=lambda need: begins[need.step.name])
        if need.seconds is None:
            return None
        if timed:
            free = [max(free)] * jobs
            begins[need.step.name] = max(free)
        ends[need.step.name] = free[worker] = begins[need.step.name] + need.seconds
        left.remove(need)
    return max(free)


def table(needs: Sequence[Need]) -> Table:
    """A row a run."""
    from lamina.report.console import table as make

    rows = [
        (
            "done" if need.done else "to do",
            need.step.name,
            duration(need.seconds),
            "" if need.done else _size(need.memory),
            _size(need.disk),
        )
        for need in needs
    ]
    return make(("", "run", "time", "memory", "disk"), rows)


def summary(config: StudyConfig, needs: Sequence[Need], jobs: int, root: Path, device: str = "cpu") -> list[str]:
    """What is left to do, what it takes, and what is missing for it."""
    left = [need for need in needs if not need.done]
    counts: Mapping[str, int] = {
        kind: sum(need.step.kind == kind for need in needs) for kind in dict.fromkeys(n.step.kind for n in needs)
    }
    lines = [f"{len(needs)} runs ({', '.join(f'{n} {kind}' for kind, n in counts.items())}), {len(left)} to do"]
    times = [need.seconds for need in left if need.seconds is not None]
    whole = makespan(needs, jobs)
    unknown = sum(need.seconds is None for need in left)
    work_told = f"about {duration(sum(times))} of work on this machine, one thread a run" if times else ""
    if left and whole is not None:
        lines.append(f"{work_told}; {duration(whole)} with {jobs} side by side")
    elif left:
        lines.append(f"{work_told}{'; ' if work_told else ''}{unknown} runs of which nothing is known yet")
    work = sum(map(training_macs, (need.step for need in left)))
    if work:
        lines.append(
            f"training takes {work:.1e} multiply-accumulates in all: divide by what your GPUs do a second"
        )
    largest = sorted((need.memory or 0 for need in left), reverse=True)[:jobs]
    disk = sum(need.disk or 0 for need in left)
    if left:
        free = shutil.disk_usage(
            next(place for place in (root.absolute(), *root.absolute().parents) if place.exists())
        )
        lines.append(
            f"at most {_size(sum(largest))} of memory{_installed()} and {_size(disk)} of disk "
            f"({_size(free.free)} are free)"
        )
    card = memory(device)
    if left and card is not None:
        lines.append(
            f"{fitting(left, card)} runs side by side fit on {told(device)} ({_size(card)} free): "
            "give as many --jobs"
        )
    known = {need.step.run(root).folder.name for need in needs}
    others = sorted(run.parent.name for run in root.glob("*/run.json") if run.parent.name not in known)
    if others:
        lines.append(
            f"{len(others)} run folders here are of another design or of an older Lamina and are not used: "
            f"{', '.join(others[:3])}{' …' if len(others) > 3 else ''}"
        )
    lines += [
        f"missing: there is no corpus at {speech.path}. {speech.about}".strip()
        for speech in (config.speech, *config.read_besides.values())
        if isinstance(speech, StoredConfig) and not Path(speech.path).exists()
    ]
    return lines


def fitting(needs: Sequence[Need], card: int) -> int:
    """How many runs fit on a card side by side, each as large as the largest; one at the least.

    What a run needs is told with the memory of its process, which is about what a card sets aside for one.
    """
    largest = max((need.memory or 0 for need in needs), default=0)
    return max(1, card // largest) if largest else 1


def _installed() -> str:
    try:
        return f" (this machine has {_size(os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE'))})"
    except (AttributeError, ValueError, OSError):
        return ""


def duration(seconds: float | None) -> str:
    """A length of time in words, two digits or so."""
    if seconds is None:
        return "?"
    for unit, length in (("years", 365.25 * 86400), ("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} s"


def _size(count: int | None) -> str:
    return "?" if count is None else told_size(count)
