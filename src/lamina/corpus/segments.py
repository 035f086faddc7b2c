"""Intervals in seconds, as files give them, become segments in samples: the one place where that happens.

Labels are renamed on the way, see `lamina.corpus.labels`.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from math import floor
from sys import intern

from lamina.corpus.corpus import Segment
from lamina.corpus.faults import Faults
from lamina.corpus.labels import base_tier, reading, silent, toned

GAP = 0.001  # seconds; less is rounding
TOLERANCE = 0.025  # seconds by which rounded times may overlap, or lie outside the audio: a frame of most aligners
Interval = tuple[str, float, float]  # label, onset and offset in seconds


def at(seconds: float, sample_rate: int) -> int:
    """The sample nearest to a time, halves upwards; 1e-6 keeps decimal halves (x.5 samples) from falling."""
    return floor(seconds * sample_rate + 0.5 + 1e-6)


def segments(
    tier: str,
    intervals: Iterable[Interval],
    sample_rate: int,
    samples: int,
    where: str,
    faults: Faults | None = None,
    *,
    stress: bool = True,
    renamed: bool = False,
) -> tuple[Segment, ...]:
    """The segments of a tier: sorted, silences and marks left out, intervals shorter than half a sample too.

    Times may be rounded: an overlap of up to 25 ms goes to the later segment, what lies up to 25 ms outside the
    audio is cut. More than a sample of it is counted in ``faults``, as are the labels that are no segments.

    Args:
        tier: its name, from `lamina.corpus.labels.tier_name`.
        intervals: label, onset, offset, in seconds.
        sample_rate: of the samples (Hz).
        samples: the length of the audio.
        where: names the file in errors.
        faults: where faults are told; the first is raised where None.
        stress: see `lamina.corpus.labels.label_of`; False too where one of the labels has a tone.
        renamed: whether the labels went through here before, so that they stay as they are.

    Raises:
        LaminaError: an interval lies outside the audio, ends before it begins, or overlaps another.
    """
    faults = faults or Faults(keep=False)
    intervals = list(intervals)
    if faults.remarks:
        _remarks(tier, intervals, where, faults)
    stress = stress and not (base_tier(tier) == "phone" and toned(label for label, _, _ in intervals))
    made = _Row(tier, sample_rate, samples, where, faults)
    for label, start, end in sorted(intervals, key=lambda interval: interval[1:]):
        if renamed:
            made.add(label, label, start, end)
            continue
        named, odd = reading(tier, label, stress=stress)
        if named is None:
            if label := label.strip():
                faults.count(f"{tier} labels that are no segments", repr(label))
            continue
        if odd:
            faults.count(f"{tier} labels read as words, though they hold marks", repr(named))
        made.add(label, named, start, end)
    return tuple(made.segments)


class _Row:
    """Segments in order, each mended against those before it."""

    def __init__(self, tier: str, sample_rate: int, samples: int, where: str, faults: Faults) -> None:
        self.segments: list[Segment] = []
        self._tier, self._rate, self._samples = tier, sample_rate, samples
        self._where, self._faults = where, faults
        self._most = at(TOLERANCE, sample_rate)

    def add(self, label: str, named: str, start: float, end: float) -> None:
        onset, offset = at(start, self._rate), at(end, self._rate)
        if offset < onset:
            self._faults.add(f"{self._where}: {_said(label, start, end)} ends before it begins")
            return
        if onset < -self._most or offset > self._samples + self._most or onset > self._samples:
            self._faults.add(
                f"{self._where}: {_said(label, start, end)} lies outside the audio, which lasts "
                f"{self._samples / self._rate:.4f} s; the alignment is of another file, or the audio was cut: "
                "align it again, or leave this utterance out"
            )
            return
        outside = max(-onset, offset - self._samples)
        if outside > 1:
            self._mend(
                "segments cut at the audio's end or start, at most 25 ms",
                f"{_said(label, start, end)} lies {outside / self._rate:.4f} s outside the audio",
            )
        onset, offset = max(0, onset), min(offset, self._samples)
        if onset >= offset:
            self._faults.count(f"{self._tier} labels left out, for they have no length", repr(label))
        elif not self.segments or self.segments[-1].offset <= onset or self._room(onset, label, start, end):
            # Labels repeat: one text each, however many segments there are.
            self.segments.append(Segment(intern(named), onset, offset))

    def _room(self, onset: int, label: str, start: float, end: float) -> bool:
        """Cut the last segment, which overlaps one that begins at ``onset``; whether something of it is left."""
        last = self.segments[-1]
        over = last.offset - onset
        what = (
            f"{_said(label, start, end)} overlaps {last.label!r}, which ends at {last.offset / self._rate:.4f} s"
        )
        if over > self._most or (over > 1 and last.onset >= onset):
            self._faults.add(
                f"{self._where}: {what}; a tier must not overlap itself: mend the boundary, or put the speakers "
                "into tiers of their own"
            )
            return False
        if over > 1:
            self._mend("segments cut where the next begins, at most 25 ms", what)
        self.segments.pop()
        if last.onset < onset:
            self.segments.append(Segment(last.label, last.onset, onset))
        return True

    def _mend(self, what: str, remark: str) -> None:
        self._faults.mend(f"{self._tier} {what}", self._where, f"{self._where}: {remark}")


def _said(label: str, start: float, end: float) -> str:
    return f"{label!r} from {start:.4f} s to {end:.4f} s"


def _remarks(tier: str, intervals: list[Interval], where: str, faults: Faults) -> None:
    """Unsorted and zero-length intervals, and gaps where silence is labelled elsewhere."""
    turned = [
        f"{after!r} at {onset:.4f} s comes after {label!r} at {start:.4f} s"
        for (label, start, _), (after, onset, _) in pairwise(intervals)
        if onset < start
    ]
    points = [f"{label!r} at {start:.4f} s" for label, start, end in intervals if start == end]
    gaps = []
    if any(silent(label, tier) for label, _, _ in intervals):
        gaps = [
            f"{onset - end:.4f} s without any label before {after!r}"
            for (_, _, end), (after, onset, _) in pairwise(sorted(intervals, key=lambda item: item[1:]))
            if onset - end > GAP
        ]
    for what, cases in (("unsorted", turned), ("of no length", points), ("a gap", gaps)):
        if cases:
            more = f" and {len(cases) - 1} more" if len(cases) > 1 else ""
            faults.remark(f"{where}: {what}: {cases[0]}{more}")
