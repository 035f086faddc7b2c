"""The protocol `pasad`: which rows the public layerwise-analysis code of Pasad et al. scores, and how it pools.

So that published curves can be compared (Pasad, Chou and Livescu 2021, "Layer-wise analysis of a self-supervised
speech representation model", and the code published with it). `score` and its rules are in `lamina.stats.pasad`.

- Phones are pooled over the middle third of frames ``floor(start / stride)`` to ``ceil(end / stride)``, words over
  all of them (`frames`).
- At most 200 instances of each of 39 phones (stress removed, no silence: `phone`) and 15 of each of the 500 most
  frequent words (`words`) are scored (`sample`).
- Their rows are divided into ten splits, label by label (`splits`); the moments of each go to `score`.
- Mutual information clusters with scikit-learn's mini-batch k-means, stopped early (`information`).

That code draws from unseeded generators; here every draw has a seed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from lamina.errors import LaminaError
from lamina.grid import Grid
from lamina.stats.information import Counts, mutual_information
from lamina.stats.pasad import SPLITS, Scored, Tested, Trial, score, trials

__all__ = [
    "CAPS",
    "CLUSTERS",
    "MIDDLE",
    "SPLITS",
    "WORDS",
    "Scored",
    "Tested",
    "Trial",
    "frames",
    "information",
    "phone",
    "sample",
    "score",
    "splits",
    "trials",
    "words",
]

Ints = NDArray[np.int64]
Middle = Literal["third", "quarter", "all", "centre"]

CAPS = {"phone": 200, "word": 15}
WORDS = 500
MIDDLE: Mapping[str, Middle] = {"phone": "third", "word": "all"}
# Clusters, and rows a step of mini-batch k-means, for mutual information.
CLUSTERS = {"phone": (500, 1500), "word": (5000, 4000)}


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


def information(
    fitted: NDArray[np.floating], rows: NDArray[np.floating], labels: Ints, *, clusters: int, batch: int, seed: int
) -> float:
    """I(cluster; label) / H(label) with clusters as published: scikit-learn's mini-batch k-means, stopped early.

    Args:
        fitted: (m, p) pooled segments of the training split.
        rows: (n, p) those of the evaluation split.
        labels: (n,) class numbers of these.
        clusters: how many (`CLUSTERS`).
        batch: rows a step.
        seed: of the clustering (not set there).
    """
    from sklearn.cluster import MiniBatchKMeans

    if len(fitted) < clusters:
        raise LaminaError(f"{len(fitted)} segments are too few for {clusters} clusters: use more speech or fewer")
    model = MiniBatchKMeans(n_clusters=clusters, batch_size=batch, max_iter=500, random_state=seed).fit(fitted)
    found = torch.from_numpy(model.predict(rows).astype(np.int64))
    counts = Counts.of([found, torch.from_numpy(labels)], (clusters, int(labels.max()) + 1))
    return float(mutual_information(counts).normalised)
