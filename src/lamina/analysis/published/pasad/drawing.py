"""Which rows the protocol ``pasad`` scores, and how it pools.

- Phones are pooled over the middle third of frames ``floor(start / stride)`` to ``ceil(end / stride)``, words over
  all of them (`frames`).
- At most 200 instances of each of 39 phones (stress removed, no silence: `phone`) and 15 of each of the 500 most
  frequent words (`words`) are scored (`sample`).
- Their rows are divided into ten splits, label by label (`splits`); the moments of each go to
  `lamina.analysis.published.pasad.score`.

That code draws from unseeded generators; here every draw has a seed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lamina.analysis.published.pasad.score import SPLITS
from lamina.grid import Grid

Ints = NDArray[np.int64]
Middle = Literal["third", "quarter", "all", "centre"]

CAPS = {"phone": 200, "word": 15}
WORDS = 500
MIDDLE: Mapping[str, Middle] = {"phone": "third", "word": "all"}


def frames(
    grid: Grid, onsets: Ints, offsets: Ints, frames: Ints, *, middle: Middle = "third"
) -> tuple[Ints, Ints]:
    """First frame of each segment and the first beyond it, by index alone: where frames lie is not asked.

    Seconds are divided by the stride in seconds as floats, as that code does: 0.58 s / 0.02 s is 28.99…, so the
    segment starts at frame 28, not 29. Abutting segments may share a frame.

    Args:
        grid: of the frames; only its stride counts.
        onsets: (segments,) first sample of each.
        offsets: (segments,) first sample beyond each.
        frames: (segments,) how many frames its utterance has.
        middle: which part is kept: the middle ``third`` (``floor((frames + 1) / 3)`` are left off on both sides),
            the middle half (a ``quarter`` left off; what the released file has in this place, the third being
            commented out), ``all``, or the ``centre`` frame.

    Returns:
        Both (segments,); equal where a segment lies beyond the last frame.
    """
    stride = float(grid.stride / grid.sample_rate)
    start = np.floor(onsets / grid.sample_rate / stride).astype(np.int64)
    stop = np.ceil(offsets / grid.sample_rate / stride).astype(np.int64)
    if middle in {"third", "quarter"}:
        left = (stop - start + 1) // (3 if middle == "third" else 4)
        start, stop = start + left, stop - left
    stop = np.minimum(np.where(stop == start, stop + 1, stop), frames)
    if middle == "centre":
        start = start + (stop - start) // 2
        stop = np.minimum(start + 1, frames)
    return np.minimum(start, stop), stop


def phone(label: str) -> str:
    """The phone of the 39 that a label stands for: lower case, without stress; empty for silence and noise."""
    plain = label.strip().lower()
    if plain in {"", "sil", "sp", "spn"}:
        return ""
    return plain[:-1] if plain[-1] in "012" else plain


def words(labels: Sequence[str], number: int = WORDS) -> tuple[str, ...]:
    """The most frequent words, ties in alphabetical order; unknown ones (``<unk>``) do not count."""
    found, counts = np.unique([label for label in labels if label and label != "<unk>"], return_counts=True)
    return tuple(str(word) for word in found[np.argsort(-counts, kind="stable")[:number]])


def sample(labels: NDArray[np.generic], cap: int, *, seed: int) -> Ints:
    """Which instances count: at most ``cap`` of each label, drawn without replacement, in ascending order."""
    order = np.random.default_rng(seed).permutation(len(labels))
    _, of = np.unique(labels[order], return_inverse=True)
    by_label = np.argsort(of, kind="stable")
    rank = np.arange(len(of)) - np.searchsorted(of[by_label], of[by_label])
    return np.sort(order[by_label[rank < cap]])


def splits(labels: NDArray[np.generic] | int, *, seed: int) -> Ints:
    """The split of each row: every label is spread evenly over ten, what is left over falls anywhere.

    Args:
        labels: (n,) labels, or n where there are none (frames).
        seed: of the draw.

    Returns:
        (n,) numbers from 0 to 9.
    """
    labels = np.zeros(labels, dtype=np.int64) if isinstance(labels, int) else labels
    generator = np.random.default_rng(seed)
    found = np.empty(len(labels), dtype=np.int64)
    for label in np.unique(labels):
        places = generator.permutation(np.flatnonzero(labels == label))
        even = len(places) - len(places) % SPLITS
        found[places[:even]] = np.arange(even) % SPLITS
        found[places[even:]] = generator.integers(SPLITS, size=len(places) - even)
    return found
