"""When the words of a lhotse cut are spoken: its alignments, in seconds of the utterance.

lhotse counts the times of an alignment from the start of the recording, and leaves them there when it cuts, pads
or mixes. So each is moved by its cut's start and by its place in the mix. Some people count from the cut's start,
which no field tells. Times must lie in the supervision that they belong to, which tells most of them apart: the
times of one manifest are all of one kind, and where they could be of either and it matters, the manifest is
refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamina.corpus.allowed import short
from lamina.corpus.cuts import NEAR, Cut, Part, Supervision
from lamina.corpus.faults import Faults
from lamina.corpus.labels import silent
from lamina.errors import LaminaError

LOOSE = 0.25  # the same for the middle of a segment, where nothing else is known
RECORDING, CUT = "recording", "cut"
Times = NDArray[np.float64]
Timed = tuple[list[str], Times, Times]  # the symbols of a tier, their starts and ends (seconds)


def columns(items: Sequence[Any], where: str) -> Timed:
    """Symbols, starts and ends (seconds) of alignment items, as lists or, of old, as objects.

    Raises:
        LaminaError: an item is of another shape.
    """
    try:
        listed = [list(item.values()) if isinstance(item, dict) else item for item in items]
        labels = [item[0] for item in listed]
        starts = np.array([item[1] for item in listed], np.float64)
        ends = np.round(starts + np.array([item[2] for item in listed], np.float64), 8)
        if not (np.isfinite(starts).all() and np.isfinite(ends).all()):
            raise ValueError("a time is no finite number")
        "".join(labels).encode()
    except (TypeError, ValueError, IndexError, KeyError, OverflowError) as error:
        raise LaminaError(
            f"{where}: an alignment item is no symbol, start and duration ({short(str(error))}): make the "
            "manifest again"
        ) from error
    return labels, starts, ends


def origin(cuts: Iterable[Cut], where: str) -> str:
    """From where the alignments of a CutSet count: ``recording``, as lhotse has it, or ``cut``.

    Raises:
        LaminaError: some can only count from the one and some from the other, or it cannot be told and matters.
    """
    told: dict[str, str] = {}  # the first cut that tells
    doubtful = ""
    for cut in cuts:
        for part in cut.parts:
            if part.start <= NEAR:
                continue
            for supervision in part.supervisions:
                if not any(supervision.alignment.values()):
                    continue
                kinds = _fitting(part, supervision, f"{where}: cut {cut.id!r}")
                if len(kinds) == 1:
                    told.setdefault(kinds.pop(), cut.id)
                elif kinds and _divides(part, supervision, where):
                    doubtful = doubtful or cut.id
    if len(told) == 2:
        raise LaminaError(
            f"{where}: the alignment of cut {told[RECORDING]!r} counts from its recording's start and that of cut "
            f"{told[CUT]!r} from the cut's: let all count from the recording's start, as lhotse has it"
        )
    if doubtful and not told:
        raise LaminaError(
            f"{where}: the alignment of cut {doubtful!r} fits whether its times count from the start of the "
            "recording (as lhotse has it: then the cut divides it) or of the cut, and no other cut tells: cut at "
            "silences, or add a cut that tells"
        )
    return next(iter(told), RECORDING)


def remembered(cuts: Iterable[Cut], where: str) -> None:
    """See that the alignments of a Shar folder lie in their supervisions.

    ``to_shar`` writes a cut's own audio and sets its start to 0, but leaves its alignment where it was.

    Raises:
        LaminaError: one does not: then none of them can be believed.
    """
    for cut in cuts:
        for supervision in (each for part in cut.parts for each in part.supervisions):
            if any(supervision.alignment.values()):
                starts, ends = _times(supervision, f"{where}: cut {cut.id!r}")
                if starts.min() < supervision.start - LOOSE or ends.max() > supervision.end + LOOSE:
                    raise LaminaError(
                        f"{where}: the alignment of cut {cut.id!r} goes from {starts.min():.3f} s to "
                        f"{ends.max():.3f} s, its supervision from {supervision.start:.3f} s to "
                        f"{supervision.end:.3f} s: a Shar folder forgets where its cuts began in their "
                        "recordings; align it again, or give the CutSet that it was made of"
                    )


def _times(supervision: Supervision, where: str) -> tuple[Times, Times]:
    found = [columns(items, where) for items in supervision.alignment.values() if items]
    return np.concatenate([each[1] for each in found]), np.concatenate([each[2] for each in found])


def _fitting(part: Part, supervision: Supervision, where: str) -> set[str]:
    """Which origins put all times into the supervision."""
    starts, ends = _times(supervision, where)
    low, high = supervision.start - NEAR, supervision.end + NEAR
    moves = {RECORDING: part.start, CUT: 0.0}
    return {kind for kind, by in moves.items() if low <= starts.min() - by and ends.max() - by <= high}


def _divides(part: Part, supervision: Supervision, where: str) -> bool:
    """Whether the cut divides an alignment if it counts from the recording, and does not if from the cut."""
    starts, ends = _times(supervision, where)
    inside = [starts.min() - by >= -NEAR and ends.max() - by <= part.duration + NEAR for by in (part.start, 0.0)]
    return inside == [False, True]


def placed(
    cut: Cut, part: Part, supervision: Supervision, counted: str, where: str, faults: Faults
) -> dict[str, Timed]:
    """The tiers of a supervision: symbols, starts and ends in seconds of the utterance; ``counted`` from where.

    What lies beyond the cut's edge, where the supervision goes beyond it too, is left out and counted.
    """
    move = part.start if counted == RECORDING else 0.0
    before, after = supervision.divided(part)
    made: dict[str, Timed] = {}
    for name, items in supervision.alignment.items():
        if not items:
            made[name] = ([], np.zeros(0), np.zeros(0))
            continue
        labels, starts, ends = columns(items, where)
        starts, ends = np.round(starts - move, 8), np.round(ends - move, 8)
        middle = (starts + ends) / 2
        part_of = supervision.start > 0 or supervision.end < part.duration
        if part_of and (middle.min() < supervision.start - LOOSE or middle.max() > supervision.end + LOOSE):
            faults.add(
                f"{where}, tier {name!r}: {labels[0]!r} from {starts[0]:.4f} s is not in its supervision, which "
                f"lasts from {supervision.start:.4f} s to {supervision.end:.4f} s: the times count neither from "
                "the start of the recording nor from that of the cut, or are of another file: align it again"
            )
            continue
        keep = np.ones(len(labels), bool)
        if before:
            keep &= (starts >= -NEAR) & (ends > 0)
        if after:
            keep &= (ends <= part.duration + NEAR) & (starts < part.duration)
        if not keep.all():
            lost = [
                label for label, kept in zip(labels, keep.tolist(), strict=True) if not kept and not silent(label)
            ]
            faults.count("segments across or beyond the edge of their cut: left out", name, len(lost))
            labels = [label for label, kept in zip(labels, keep.tolist(), strict=True) if kept]
            starts, ends = starts[keep], ends[keep]
        if supervision.start < 0:
            starts = np.where(starts >= -NEAR, np.maximum(starts, 0.0), starts)
        if supervision.end > part.duration:
            ends = np.where(ends <= part.duration + NEAR, np.minimum(ends, part.duration), ends)
        # A part of a mix has its own end: a word must not lie in the padding after it.
        if len(starts) and cut.mixed and (starts.min() < -NEAR or ends.max() > part.duration + NEAR):
            faults.add(
                f"{where}, tier {name!r}: {labels[int(ends.argmax())]!r} ends at {ends.max():.4f} s and lies "
                f"outside the audio, which lasts {part.duration:.4f} s there; the alignment is of another file, "
                "or the audio was cut: align it again, or leave this utterance out"
            )
            continue
        made[name] = (labels, starts + part.offset, ends + part.offset)
    return made
