"""Label files of the xlabel family (ESPS, Festival, Buckeye, EMO-DB), field by field.

A line has a time, a colour where there is a header, and fields: the label, and what was noted of it. Fields end
at a semicolon or a tab. Phones hold no space, and what EMO-DB's labels have beside the phone is taken off:
diacritics (``a +lar``: laryngealised; ``d -sth``: voiceless), the stress, and what is a part of a phone.
A stretch with a diacritic alone is the rest of the phone before it (or, after a pause, the beginning of the one
after); ``_d``, ``!d``, ``dasp`` (closure, burst, aspiration) are parts of one d; ``(`` and ``(gef`` are pauses,
silent and filled.
Source: the corpus's own label files, and http://emodb.bilderbar.info/docu (labels).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from lamina.corpus.faults import Faults
from lamina.corpus.labels import silent
from lamina.corpus.segments import Interval
from lamina.corpus.texts import number
from lamina.errors import LaminaError

ENDS, STARTS = "ends", "starts"  # what a time is of its label: its end, as ESPS defines it, or its start
# EMO-DB's diacritics: voicing, place, nasality, phonation, release, length, ….
_DIACRITICS = """
    sth lar tie hoe beh sil nas na asp fr har ung zen flu vor spr rue ger lac ges lat lab fal det pal vel api lam :
"""
_DIACRITIC = re.compile(rf"\[?[+-](?:{'|'.join(_DIACRITICS.split())})(?![A-Za-z]).*")


def xlabel(
    path: Path, told: Iterable[str], tier: str, seconds: float, faults: Faults, *, stamps: str
) -> list[Interval]:
    """The intervals of the lines below the header.

    Args:
        path: names the file in errors.
        told: the lines.
        tier: phones are read as said above, other labels as they are.
        seconds: the length of the audio, where the last label of ``starts`` ends.
        faults: where fields that are not read are counted.
        stamps: ``ends`` or ``starts``.

    Raises:
        LaminaError: a line has no time.
    """
    labels, times = [], []
    for line in told:
        parts = line.split(maxsplit=1)
        rest = parts[1] if len(parts) > 1 else ""
        colour = re.match(r"-?\d+(?:\s+|$)", rest)  # .silb files have none
        try:
            times.append(number(parts[0]))
        except ValueError as error:
            raise LaminaError(f"{path}, {line[:40]!r}: expected a time, a colour and a label (xlabel)") from error
        label, *more = re.split(r"[\t;]", rest[colour.end() if colour else 0 :])
        if any(field.strip() for field in more):
            faults.count("label fields not read, beside the labels", path.suffix)
        labels.append(label.strip())
    edges = [0.0, *times] if stamps == ENDS else [*times, max([seconds, *times[-1:]])]
    intervals = list(zip(labels, edges, edges[1:], strict=False))
    return _phones(intervals) if tier == "phone" else intervals


def _phones(stretches: Iterable[Interval]) -> list[Interval]:
    """Phones without diacritics, stress and parts; the label of a pause is empty."""
    made: list[Interval] = []
    early: float | None = None  # where a stretch with a diacritic alone began, after a pause
    for label, start, end in stretches:
        bare = _DIACRITIC.sub("", label.split()[0]) if label else ""
        before = made[-1][0] if made else ""
        alone = bool(label) and not bare
        if alone and silent(before):
            early = start if early is None else early
            continue
        bare = "" if bare.startswith("(") else bare
        part = bare if silent(bare) else bare.lstrip("!_").removesuffix("asp")
        if alone or (part != bare and part in {"", before} and not silent(before)):
            made[-1] = (before, made[-1][1], end)
        else:
            made.append((part or bare, start if early is None else early, end))
            early = None
    return made
