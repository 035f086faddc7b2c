"""Item files of ABX evaluations (ABXpy, ZeroSpeech, fastabx). The one module that writes and reads them.

Text with a header line and columns by spaces: ``#file onset offset #phone prev-phone next-phone speaker``;
times are in seconds, ``#file`` is the utterance's id.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from lamina.corpus.corpus import Corpus, Segment, Utterance
from lamina.errors import LaminaError
from lamina.files import read_lines, write_text

COLUMNS = ("#file", "onset", "offset", "#phone", "prev-phone", "next-phone", "speaker")
EDGE = "#"  # before the first and behind the last segment


@dataclass(frozen=True, slots=True)
class Item:
    """One token to compare.

    Attributes:
        utterance: id of the utterance it is of.
        segment: where it lies, and its label.
        before: the label before it.
        after: the label behind it.
        speaker: who speaks.
    """

    utterance: str
    segment: Segment
    before: str
    after: str
    speaker: str


def tier_items(utterances: Iterable[Utterance], tier: str) -> list[Item]:
    """Every segment of a tier, in its context: the labels beside it, `EDGE` where nothing abuts."""
    made = []
    for one in utterances:
        segments = one.tiers.get(tier, ())
        for place, segment in enumerate(segments):
            before = segments[place - 1] if place else None
            after = segments[place + 1] if place + 1 < len(segments) else None
            made.append(
                Item(
                    one.id,
                    segment,
                    before.label if before is not None and before.offset == segment.onset else EDGE,
                    after.label if after is not None and after.onset == segment.offset else EDGE,
                    one.speaker,
                )
            )
    return made


def write_items(path: Path, items: Iterable[Item], sample_rate: int) -> None:
    """Write an item file, atomically; times are exact where the sample rate allows it (16 kHz does)."""
    lines = [" ".join(COLUMNS)]
    for item in items:
        cells = [item.utterance, item.segment.label, item.before, item.after, item.speaker]
        if any(len(cell.split()) != 1 for cell in cells):
            raise LaminaError(
                f"an item of utterance {item.utterance!r} has an empty name or one with a space ({cells}): item "
                "files part columns by spaces; rename it in the corpus"
            )
        times = [_decimal(at, sample_rate) for at in (item.segment.onset, item.segment.offset)]
        lines.append(" ".join([cells[0], *times, *cells[1:]]))
    write_text(path, "\n".join(lines) + "\n")


def _decimal(samples: int, sample_rate: int) -> str:
    """Seconds to nine places, without trailing zeros."""
    return f"{samples / sample_rate:.9f}".rstrip("0").rstrip(".")


def read_items(path: Path, corpus: Corpus) -> list[Item]:
    """The items of a file, as segments of a corpus.

    Raises:
        LaminaError: the file is missing or no item file, or an item is of no utterance or lies outside it.
    """
    lines = read_lines(path, what="items", remedy="give an item file of fastabx or ZeroSpeech")
    header = lines[0].split() if lines else []
    missing = [name for name in COLUMNS if name not in header]
    if missing:
        raise LaminaError(
            f"{path} is no item file: its first line has no column {missing[0]!r}; it should begin "
            f"'{' '.join(COLUMNS)}'"
        )
    known = {one.id: one for one in corpus.utterances()}
    order = [header.index(name) for name in COLUMNS]
    return [
        _item(line.split(), order, known, corpus, f"{path}, line {number}")
        for number, line in enumerate(lines[1:], 2)
        if line.strip()
    ]


def _item(
    cells: Sequence[str], order: Sequence[int], known: dict[str, Utterance], corpus: Corpus, where: str
) -> Item:
    try:
        name, onset, offset, label, before, after, speaker = (cells[place] for place in order)
        # Half a sample's tolerance: times of other tools are rounded.
        begin, end = (math.floor(Fraction(time) * corpus.sample_rate + Fraction(1, 2)) for time in (onset, offset))
    except (IndexError, ValueError, ZeroDivisionError) as error:
        raise LaminaError(f"{where} is no item: it needs {len(COLUMNS)} columns, times in seconds") from error
    if name not in known:
        raise LaminaError(f"{where}: {corpus.name} has no utterance {name!r}: give the corpus the items are of")
    if not 0 <= begin < end <= known[name].samples:
        raise LaminaError(
            f"{where}: {onset} to {offset} s is no stretch of {name}, which lasts "
            f"{known[name].samples / corpus.sample_rate:g} s"
        )
    return Item(name, Segment(label, begin, end), before, after, speaker)
