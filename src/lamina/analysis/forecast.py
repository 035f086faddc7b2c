"""What an analysis will take, told before it starts."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from lamina.analysis.plan import Sweep
from lamina.analysis.sums import memory
from lamina.analysis.targets.segments import Segmented
from lamina.corpus.batches import computed, read_batches
from lamina.files import told_size


@dataclass(frozen=True, slots=True)
class Forecast:
    """The size of an analysis.

    Attributes:
        hours: of audio.
        utterances, batches: how many.
        taps: how many are read.
        rows: by target, segments that count; frames are not told.
        memory: bytes of the sums that are kept, and of the largest states of a batch.
        held: bytes of this process by now, encoder and list of utterances; None where that is not known.
        peak: the most bytes that this process held while it read the longest batch; None where it did not, or that
            is not known.
        reading: seconds of reading in one process, from one batch; None where it was not timed.
        fitting: seconds of what instruments do beyond reading (`Instrument.seconds`); None where it was not timed.
    """

    hours: float
    utterances: int
    batches: int
    taps: int
    rows: dict[str, int]
    memory: int
    held: int | None
    peak: int | None
    reading: float | None
    fitting: float | None

    def __str__(self) -> str:
        rows = ", ".join(f"{count} {name} segments" for name, count in self.rows.items())
        told = (
            f"{self.hours:.2f} hours, {self.utterances} utterances in {self.batches} batches, {self.taps} taps"
            + (f", {rows}" if rows else "")
            + f"; about {told_size(self.memory)} of sums and states"
            + (f" beside the {told_size(self.held)} of encoder and plan" if self.held is not None else "")
        )
        if self.peak is not None:
            told += f", {told_size(self.peak)} in all at the longest batch"
        if self.reading is not None and self.fitting is not None:
            told += f"; about {_clock(self.reading)} to read in one process, {_clock(self.fitting)} to fit"
        return told


def forecast(sweep: Sweep, *, timed: bool) -> Forecast:
    """Look ahead; with ``timed`` one batch is read and one covariance decomposed (the sweep is spent then)."""
    groups = [group for phase in sweep.phases for group in phase]
    samples = sum(utterance.samples for group in groups for utterance in group)
    held = memory(sweep.sums())
    widest = max(tap.width / tap.grid.stride for tap in sweep.taps)
    padded = max(computed(group, sweep.window) for group in groups)
    rows: dict[str, int] = {}
    for each in sweep.targets:
        if isinstance(each, Segmented):
            rows[each.name] = max(rows.get(each.name, 0), len(each.fit) + len(each.score))
    reading = fitting = peak = None
    resident = _resident()
    if timed:
        reading = _read(sweep, samples)
        peak = _peak()
        fitting = sum(each.seconds() for one in sweep.readings for each in one.instruments)
    return Forecast(
        samples / sweep.corpus.sample_rate / 3600,
        sum(len(group) for group in groups),
        len(groups),
        len(sweep.taps),
        rows,
        held + int(4 * widest * padded),
        resident,
        peak,
        reading,
        fitting,
    )


def _read(sweep: Sweep, samples: int) -> float:
    """Seconds to read everything, from a batch of middling size, after the longest one has been read."""
    groups = sorted(sweep.phases[0], key=lambda group: sum(utterance.samples for utterance in group))
    middle = groups[len(groups) // 2]
    longest = max(groups, key=lambda group: computed(group, sweep.window))
    with torch.inference_mode():
        for batch in read_batches(sweep.corpus, [longest, middle]):
            begun = time.perf_counter()
            sweep.read(batch, fitting=True)
            took = time.perf_counter() - begun
    return took * samples / sum(utterance.samples for utterance in middle)


def _resident() -> int | None:
    """Bytes of memory that this process holds; None where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError, AttributeError):
        return None


def _peak() -> int | None:
    """The most bytes of memory that this process held so far; None where the system does not say."""
    try:
        import resource
    except ImportError:
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def _clock(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
