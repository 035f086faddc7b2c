"""Intervals in seconds, as files give them, become segments in samples: the one place where that happens.

So that one name means one thing in all corpora, tiers and labels are renamed here on the way in: tier names by
`tier_name`, words to lower case, ARPAbet phones without their stress digit (``AH0``, ``AH1`` become ``AH``). The
whole map is in docs/corpora.md; a test holds the two together.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise
from math import floor
from sys import intern

from lamina.corpus.corpus import Segment
from lamina.corpus.faults import Faults

GAP = 0.001  # seconds; less is rounding
Interval = tuple[str, float, float]  # label, onset and offset in seconds

# What marks that nothing is said, or nothing that anybody transcribed, in the tools and corpora that write
# alignments (MFA, PocketSphinx, Kaldi, TIMIT, Buckeye, Switchboard, xlabel); compared without case. Such intervals
# are no segments. Bare words such as "noise" are words: a corpus that uses them as marks says so in its importer.
_SILENCES = """
    sil sp spn nsn pau h# epi # _ - . ( !sil [sil] (sil) {sl} {sil} <sil> <eps> <s> </s> <p> <p:> <nib> <unk>
    [silence] [noise] ++noise++ ++breath++ [laughter] [vocalized-noise] [breath] [cough] [sigh] <noise> <laugh>
    <breath> {b_trans} {e_trans} <vocnoise> <iver> <unknown> <exclude>
"""
SILENCES = frozenset({"", *_SILENCES.split()})

TIERS = {
    "phone": "phone", "phones": "phone", "phn": "phone", "phoneme": "phone", "phonemes": "phone",
    "word": "word", "words": "word", "wrd": "word",
    "syllable": "syllable", "syllables": "syllable",
}  # fmt: skip
_STRESSED = re.compile(r"(AA|AE|AH|AO|AW|AX|AXR|AY|EH|ER|EY|IH|IX|IY|OW|OY|UH|UW|UX)[0-2]")


def tier_name(name: str) -> str:
    """The name of a tier here: ``phones`` is ``phone``; so is ``Ann - phones``, as MFA names a speaker's tier."""
    bare = name.strip().casefold()
    return TIERS.get(bare) or TIERS.get(bare.rsplit(" - ", 1)[-1]) or bare


def label_of(tier: str, label: str) -> str:
    """A label as it is called here: words in lower case, ARPAbet phones without stress."""
    if tier == "word":
        return label.strip().casefold()
    stressed = _STRESSED.fullmatch(label.strip()) if tier == "phone" else None
    return stressed[1] if stressed else label.strip()


def silent(label: str) -> bool:
    """Whether a label says that nothing is said (see `SILENCES`)."""
    return label.strip().casefold() in SILENCES


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
) -> tuple[Segment, ...]:
    """The segments of a tier: sorted, silences left out, intervals shorter than half a sample too.

    Boundaries may disagree by one sample (rounded times): an overlap that small goes to the later segment, an end
    one sample after the audio is the audio's end.

    Args:
        tier: its name, from `tier_name`.
        intervals: label, onset, offset, in seconds.
        sample_rate: of the samples (Hz).
        samples: the length of the audio.
        where: names the file in errors.
        faults: where faults are told; the first is raised where None.

    Raises:
        LaminaError: an interval lies outside the audio, ends before it begins, or overlaps another.
    """
    faults = faults or Faults(keep=False)
    made: list[Segment] = []
    intervals = list(intervals)
    if faults.remarks:
        _remarks(intervals, where, faults)
    for label, start, end in sorted(intervals, key=lambda interval: (interval[1], interval[2])):
        if silent(label):
            continue
        onset, offset = at(start, sample_rate), at(end, sample_rate)
        if offset < onset:
            faults.add(f"{where}: {_said(label, start, end)} ends before it begins")
            continue
        if onset < 0 or offset > samples + 1:
            faults.add(
                f"{where}: {_said(label, start, end)} lies outside the audio, which lasts "
                f"{samples / sample_rate:.4f} s; the "
                "alignment is of another file, or the audio was cut: align it again, or leave this utterance out"
            )
            continue
        if made and onset < made[-1].offset:
            last = made[-1]
            if onset < last.offset - 1:
                faults.add(
                    f"{where}: {_said(label, start, end)} overlaps {last.label!r}, which ends at "
                    f"{last.offset / sample_rate:.4f} s; a tier must not overlap itself: mend the boundary, or "
                    "put the speakers into tiers of their own"
                )
                continue
            made.pop()
            if last.onset < onset:
                made.append(Segment(last.label, last.onset, onset))
        offset = min(offset, samples)
        if onset < offset:
            # Labels repeat: one text each, however many segments there are.
            made.append(Segment(intern(label_of(tier, label)), onset, offset))
    return tuple(made)


def _said(label: str, start: float, end: float) -> str:
    return f"{label!r} from {start:.4f} s to {end:.4f} s"


def _remarks(intervals: list[Interval], where: str, faults: Faults) -> None:
    """What `segments` mends: unsorted and zero-length intervals, and gaps where silence is labelled elsewhere."""
    turned = [
        f"{after!r} at {onset:.4f} s comes after {label!r} at {start:.4f} s"
        for (label, start, _), (after, onset, _) in pairwise(intervals)
        if onset < start
    ]
    points = [f"{label!r} at {start:.4f} s" for label, start, end in intervals if start == end]
    gaps = []
    if any(silent(label) for label, _, _ in intervals):
        gaps = [
            f"{onset - end:.4f} s without any label before {after!r}"
            for (_, _, end), (after, onset, _) in pairwise(sorted(intervals, key=lambda item: item[1:]))
            if onset - end > GAP
        ]
    for what, cases in (("unsorted", turned), ("of no length", points), ("a gap", gaps)):
        if cases:
            more = f" and {len(cases) - 1} more" if len(cases) > 1 else ""
            faults.remark(f"{where}: {what}: {cases[0]}{more}")
