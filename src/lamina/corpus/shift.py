"""Do the labels lie where the sound is? The offset at which they explain the log-mel spectrum best.

At each offset, the labels (silence is one of them) explain a share of the variance of log-mel frames: the variance
between labels over the whole (the correlation ratio). Good labels explain most at 0 ms. The same is asked of
labels moved by one interval, which is what reading time stamps as ends does when they are starts, and the reverse.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lamina.corpus.corpus import Corpus, Segment, Utterance
from lamina.corpus.spectra import HOP, centres, log_mel
from lamina.corpus.stored import SAMPLE_RATE
from lamina.errors import LaminaError

REACH = 20  # offsets on each side, of 5 ms each
UTTERANCES = 80  # at most so many are looked at, spread over the corpus
BLOCK = 2  # seconds that go to one half of the speech
ALLOWED_MS = 15.0  # a frame and a half of most aligners
BETTER = 1.05  # how much better moved labels must explain to be believed
EDGE = 2  # offsets at each end of those tried that count as its edge


@dataclass(frozen=True)
class Shift:
    """How well labels explain the spectrum.

    Attributes:
        tier: which tier's labels.
        offsets_ms: tried offsets; positive: the labels come too early by that, and fit when moved later.
        shares: of variance explained at each offset.
        as_starts: the same at 0 ms where each label is moved to the next interval (stamps were starts).
        as_ends: where each label is moved to the interval before (stamps were ends).
        best_ms: the offset of the highest share, between offsets by a parabola.
        halves: all of these shares, in this order, of every other two seconds and of the rest.
    """

    tier: str
    offsets_ms: tuple[float, ...]
    shares: tuple[float, ...]
    as_starts: float
    as_ends: float
    best_ms: float
    halves: tuple[Sequence[float], Sequence[float]]

    @property
    def here(self) -> float:
        """The share that the labels explain where they are."""
        return self.shares[len(self.shares) // 2]

    @property
    def verdict(self) -> str:
        """A line where the labels do not lie where the sound is; empty where they do, or where it cannot be told.

        Both halves of the speech must say so. A best offset at the edge of those tried is none: rare labels
        explain about as much wherever they lie.
        """
        tried, top = len(self.shares), max(self.shares)
        best = self.shares.index(top)
        for place, share, where, are, were in (
            (tried, self.as_starts, "next interval", "starts", "ends"),
            (tried + 1, self.as_ends, "interval before", "ends", "starts"),
        ):
            if share > BETTER * top and self._firm(place, best):
                return (
                    f"the {self.tier!r} labels fit far better on the {where} ({share:.3f} of the log-mel "
                    f"variance, {top:.3f} now): the times are {are} and were read as {were}"
                )
        better = top > BETTER * self.here and self._firm(best, tried // 2)
        if abs(self.best_ms) > ALLOWED_MS and EDGE <= best < tried - EDGE and better:
            return (
                f"the {self.tier!r} labels are {'early' if self.best_ms > 0 else 'late'} by about "
                f"{abs(self.best_ms):.0f} ms: moved by that they explain {top:.3f} of the log-mel variance, "
                f"{self.here:.3f} where they are"
            )
        return ""

    def _firm(self, place: int, than: int) -> bool:
        """Whether both halves find one place better than another."""
        return all(half[place] > BETTER * half[than] for half in self.halves)


TIERS = ("phone", "syllable", "word")
LEAST = {"phone": 10, "syllable": 60, "word": 60}  # seconds: coarser labels are many and rare


def shift(corpus: Corpus, tier: str, chosen: Iterable[Utterance] | None = None) -> Shift | None:
    """Ask of one tier; None where the corpus has too little of it (see `LEAST`).

    Args:
        corpus: whose labels they are.
        tier: its name.
        chosen: the utterances to look at; `spread` where None.
    """
    names: dict[str, int] = {"": 0}
    mels, now, later, before = [], [], [], []
    for utterance in spread(corpus) if chosen is None else chosen:
        segments = utterance.tiers.get(tier, ())
        if not segments:
            continue
        try:
            mel = log_mel(corpus.read(utterance))
        except LaminaError:
            continue  # told by the check of the audio
        if len(mel) <= 2 * REACH:
            continue
        mels.append(mel[REACH:-REACH] - mel.mean(0))
        spans = _spans(segments, utterance.samples)
        numbers = [names.setdefault(label, len(names)) for label, _ in spans]
        starts = np.array([start for _, start in spans])
        at = centres(len(mel))[REACH:-REACH]
        now.append(np.stack([_labels(starts, numbers, at - step * HOP) for step in range(-REACH, REACH + 1)]))
        later.append(_labels(starts, [numbers[0], *numbers[:-1]], at))
        before.append(_labels(starts, [*numbers[1:], numbers[-1]], at))
    if sum(map(len, mels)) * HOP < LEAST.get(tier, 10) * SAMPLE_RATE:
        return None
    mel, count = np.concatenate(mels), len(names)
    moved = [*np.concatenate(now, axis=1), np.concatenate(later), np.concatenate(before)]
    odd = np.arange(len(mel)) // (BLOCK * SAMPLE_RATE // HOP) % 2 == 1
    *shares, as_starts, as_ends = (_share(mel, labels, count) for labels in moved)
    halves = tuple([_share(mel[half], labels[half], count) for labels in moved] for half in (odd, ~odd))
    offsets = tuple(1000 * step * HOP / SAMPLE_RATE for step in range(-REACH, REACH + 1))
    return Shift(tier, offsets, tuple(shares), as_starts, as_ends, _peak(offsets, shares), (halves[0], halves[1]))


def spread(corpus: Corpus) -> list[Utterance]:
    """Some utterances from all over a corpus."""
    step = max(1, len(corpus) // UTTERANCES)
    return [utterance for place, utterance in enumerate(corpus.utterances()) if place % step == 0]


def _spans(segments: Sequence[Segment], samples: int) -> list[tuple[str, int]]:
    """All of the utterance as labels and their onsets; silence has the empty label."""
    spans: list[tuple[str, int]] = []
    if segments[0].onset > 0:
        spans.append(("", 0))
    for segment, after in pairwise([*segments, Segment("", samples, samples)]):
        spans.append((segment.label, segment.onset))
        if segment.offset < after.onset:
            spans.append(("", segment.offset))
    return spans


def _labels(starts: NDArray[np.int64], numbers: Sequence[int], at: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.asarray(numbers, dtype=np.int64)[np.maximum(np.searchsorted(starts, at, side="right") - 1, 0)]


def _share(mel: NDArray[np.float32], labels: NDArray[np.int64], count: int) -> float:
    """The correlation ratio, summed over bands."""
    from scipy.sparse import csr_matrix

    ones = np.ones(len(labels), np.float32)
    member = csr_matrix((ones, (labels, np.arange(len(labels)))), shape=(count, len(labels)))
    sums = np.asarray(member @ mel, dtype=np.float64)
    sizes = np.bincount(labels, minlength=count)[:, None]
    mean = mel.mean(0, dtype=np.float64)
    between = (sums**2 / np.maximum(sizes, 1)).sum() - len(labels) * (mean**2).sum()
    whole = (mel.astype(np.float64) ** 2).sum() - len(labels) * (mean**2).sum()
    return float(between / whole) if whole > 0 else 0.0


def _peak(offsets: Sequence[float], shares: Sequence[float]) -> float:
    top = int(np.argmax(shares))
    if not 0 < top < len(shares) - 1:
        return offsets[top]
    left, middle, right = shares[top - 1 : top + 2]
    bend = left - 2 * middle + right
    step = offsets[1] - offsets[0]
    return offsets[top] + (0.5 * (left - right) / bend * step if bend else 0.0)


def draw(found: Shift, corpus: Corpus, path: Path) -> None:
    """Draw the shares by offset, and the start of one utterance with its labels, as PNG or SVG by the ending.

    Raises:
        LaminaError: the ending is another, or the file cannot be written.
    """
    from lamina.corpus.pictures import INK, figure, save, spectrogram

    drawn, (left, right) = figure(1, 2, size=(11, 4))
    left.plot(found.offsets_ms, found.shares, color=INK, marker="o", markersize=3)
    left.axvline(0, color="0.6", linewidth=0.8)
    left.axhline(found.as_starts, color="C1", linestyle="--", label="read as starts")
    left.axhline(found.as_ends, color="C2", linestyle=":", label="read as ends")
    left.set_xlabel("labels moved later by (ms)")
    left.set_ylabel(f"share of log-mel variance that {found.tier}s explain")
    left.set_title(
        found.verdict.split(":")[0][:70] or f"best at {found.best_ms:.1f} ms: the labels fit", fontsize=9
    )
    left.legend(frameon=False, fontsize=8)
    utterance = next(u for u in corpus.utterances() if u.tiers.get(found.tier))
    spectrogram(right, corpus, utterance, found.tier, seconds=2.0)
    save(drawn, path)
