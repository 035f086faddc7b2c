"""Frozen states, computed once: the rows that heads read, in memory or in a file that a stopped reading resumes.

A file ``NAME.states`` holds plain bfloat16 (frames) or float32 (pooled) values of shape (rows, taps, width), laid
out before the first forward pass, as grids and segments say how many there will be; beside it ``NAME.json`` says
what it is and ``NAME.done`` has one byte an item, 1 where its rows are written.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lamina.corpus.batches import batches
from lamina.corpus.corpus import Corpus, Segment, Utterance
from lamina.encoders.encoder import Encoder, Tap, window_samples
from lamina.errors import LaminaError
from lamina.files import allocate, digest, read_json, told_size, write_json
from lamina.frames import aligned, means
from lamina.probe.layers import Group

FORMAT = 1
GIB = 2**30


@dataclass(frozen=True, eq=False)
class Want:
    """Rows that are wanted of some utterances.

    Attributes:
        rows: ``frames``, ``mean`` (one row an utterance) or ``segments`` (one row each).
        group: taps, and the grid of frames.
        segments: by utterance id, in the order of the utterances; empty lists where whole utterances are meant.
        name: of its files.
    """

    rows: str
    group: Group
    segments: Mapping[str, Sequence[Segment]]
    name: str

    def count(self, utterance: Utterance) -> int:
        """How many rows an utterance has."""
        if self.rows == "mean":
            return 1
        if self.rows == "frames":
            return self.group.grid.frames(utterance.samples)
        return len(self.segments[utterance.id])

    def digest(self, utterances: Sequence[Utterance]) -> str:
        """What the rows are of: taps, utterances and segments, in order."""
        of = []
        for one in utterances:
            held = [(int(each.onset), int(each.offset)) for each in self.segments.get(one.id, ())]
            of.append([one.id, one.samples, held])
        taps = [[tap.name, repr(tap.grid)] for tap in self.group.taps]
        return digest([self.rows, repr(self.group.grid), taps, of])


WHOLE, ODD = 1, 2  # of an utterance that is kept: whether all its rows are surely finite


class Store:
    """The rows of a want.

    Attributes:
        values: (rows, taps, width).
        starts: by utterance id, its first row.
        counts: by utterance id, how many rows it has.
    """

    def __init__(self, want: Want, utterances: Sequence[Utterance], folder: Path | None, identity: str) -> None:
        self.want = want
        self.counts = {one.id: want.count(one) for one in utterances}
        ends = np.cumsum([0, *self.counts.values()])
        self.starts = dict(zip(self.counts, ends[:-1].tolist(), strict=True))
        shape = (int(ends[-1]), len(want.group.taps), want.group.taps[0].width)
        kind = torch.bfloat16 if want.rows == "frames" else torch.float32
        self._place = {name: place for place, name in enumerate(self.counts)}
        self._odd: set[str] = set()  # utterances with rows that may not be finite
        self._done: NDArray[np.uint8] = np.zeros(len(self.counts), np.uint8)
        if folder is None:
            self.values = torch.empty(shape, dtype=kind)
            return
        folder.mkdir(parents=True, exist_ok=True)
        rows = want.digest(utterances)
        about = {"format": FORMAT, "of": identity, "rows": rows, "shape": list(shape), "type": str(kind)}
        path, told, done = (folder / f"{want.name}.{end}" for end in ("states", "json", "done"))
        if not (told.is_file() and path.is_file() and done.is_file() and read_json(told) == about):
            path.unlink(missing_ok=True)
            done.write_bytes(bytes(len(self.counts)))
            allocate(path, math.prod(shape) * kind.itemsize)
            write_json(told, about)
        size = math.prod(shape)
        self.values = torch.from_file(str(path), shared=True, size=size, dtype=kind).view(shape)
        self._done = np.memmap(done, np.uint8, "r+", shape=(len(self.counts),))

    @property
    def bytes(self) -> int:
        """How large it is."""
        return self.values.numel() * self.values.itemsize

    def missing(self, utterance: Utterance) -> bool:
        """Whether an utterance's rows are wanted and not yet there."""
        return utterance.id in self._place and not self._done[self._place[utterance.id]]

    def put(self, utterance: Utterance, tap: Tap, states: Tensor) -> None:
        """Keep what one tap says of an utterance, (frames, width), where it is wanted and not there yet."""
        want, grid = self.want, tap.grid
        if tap not in want.group.taps or not self.missing(utterance):
            return
        if want.rows == "frames":
            rows = aligned(states, grid, want.group.grid, self.counts[utterance.id])
        elif want.rows == "mean":
            rows = states.double().mean(0, keepdim=True)
        else:
            owned = [grid.owned(one.onset, one.offset, len(states)) for one in want.segments[utterance.id]]
            start, stop = (np.array([getattr(frames, end) for frames in owned]) for end in ("start", "stop"))
            rows = means(states, start, stop)
        if not bool(torch.isfinite(rows.sum())):
            self._odd.add(utterance.id)
        begin = self.starts[utterance.id]
        self.values[begin : begin + len(rows), want.group.taps.index(tap)] = rows.to("cpu", self.values.dtype)

    def close(self, utterance: Utterance) -> None:
        """Say that all taps of an utterance are kept."""
        if utterance.id in self._place:
            self._done[self._place[utterance.id]] = ODD if utterance.id in self._odd else WHOLE

    def broken(self) -> dict[str, str]:
        """The taps that hold what is not finite, by name, with the first utterance where."""
        found: dict[str, str] = {}
        for name in (name for name, place in self._place.items() if self._done[place] == ODD):
            rows = self.values[self.starts[name] : self.starts[name] + self.counts[name]]
            fine = torch.isfinite(rows).all(dim=2).all(dim=0).tolist()
            for tap, whole in zip(self.want.group.taps, fine, strict=True):
                if not whole:
                    found.setdefault(tap.name, name)
        return found


def bytes_of(want: Want, utterances: Sequence[Utterance]) -> int:
    """How large the rows of a want are, known before any forward pass."""
    width = len(want.group.taps) * want.group.taps[0].width
    return sum(map(want.count, utterances)) * width * (2 if want.rows == "frames" else 4)


def read(
    encoder: Encoder,
    corpus: Corpus,
    wants: Mapping[str, tuple[Want, Sequence[Utterance]]],
    *,
    seconds: float,
    memory_gib: float,
    folder: Path | None,
    progress: Callable[[int, int], None] | None = None,
    say: Callable[[str], None] | None = None,
) -> dict[str, Store]:
    """Read all that is wanted in one pass over the audio; what a file already holds is not computed again.

    Args:
        encoder: takes audio at the corpus's rate.
        corpus: whose audio is read.
        wants: by name, rows and the utterances they are of, each with a frame at every tap.
        seconds: the most padded audio in a batch.
        memory_gib: wants that need more in all are kept in files.
        folder: where files may be made; None where they may not.
        progress: told how many of how many utterances are read.
        say: told what will be kept, and where.

    Raises:
        LaminaError: the states fit neither in memory nor on the disk.
    """
    size = _check(encoder, corpus, wants, memory_gib, folder)
    if say is not None:
        where = "in memory" if folder is None else f"in {folder}"
        say(f"states: {told_size(size)} {where}")
    identity = f"{encoder.digest} {corpus.digest}"
    stores = {name: Store(want, whose, folder, identity) for name, (want, whose) in wants.items()}
    everyone = list({one.id: one for _, whose in wants.values() for one in whose}.values())
    todo = [one for one in everyone if any(store.missing(one) for store in stores.values())]
    done = len(everyone) - len(todo)
    taps = {tap.name: None for want, _ in wants.values() for tap in want.group.taps}
    for batch in batches(corpus, todo, seconds=seconds, window=window_samples(encoder)):
        with torch.inference_mode():
            for states in encoder.states(batch.waves, batch.lengths, list(taps)):
                for index, one in enumerate(batch.utterances):
                    for store in stores.values():
                        store.put(one, states.tap, states.utterance(index))
        for one in batch.utterances:
            for store in stores.values():
                store.close(one)
        done += len(batch.utterances)
        if progress is not None:
            progress(done, len(everyone))
    return stores


def _check(
    encoder: Encoder,
    corpus: Corpus,
    wants: Mapping[str, tuple[Want, Sequence[Utterance]]],
    memory_gib: float,
    folder: Path | None,
) -> int:
    """How many bytes are wanted.

    Raises:
        LaminaError: they fit nowhere.
    """
    size = sum(bytes_of(want, utterances) for want, utterances in wants.values())
    if folder is None and size > memory_gib * GIB:
        raise LaminaError(
            f"the states of {encoder.name} on {corpus.name} need {told_size(size)}, more than `memory_gib` = "
            f"{memory_gib:g}: give a run folder (--out) to keep them on disk, fewer taps, or less audio "
            "(`most_minutes`)"
        )
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free + sum(file.stat().st_size for file in folder.glob("*.states"))
        if size > free:
            raise LaminaError(
                f"the states of {encoder.name} on {corpus.name} need {told_size(size)} and {folder} has "
                f"{told_size(free)} free: choose another folder, fewer taps, or less audio (`most_minutes`)"
            )
    return size
