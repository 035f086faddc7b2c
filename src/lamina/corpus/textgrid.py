"""Praat's TextGrids, long and short: read by Praat's own rule for text files.

Praat reads what stands free between spaces: numbers, texts in double quotes (a quote inside is doubled), flags in
angle brackets; all else is for people (``xmin =``, ``intervals [1]:``). So long and short files are one. Source:
https://www.fon.hum.uva.nl/praat/manual/TextGrid_file_formats.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lamina.corpus.segments import Interval
from lamina.corpus.texts import number, read_text
from lamina.errors import LaminaError

Record = tuple[list[float], str | None]  # the numbers before a text, and the text; None at the end
_END: Record = ([], None)
_COMMENT = re.compile(r"(?<!\S)![^\n]*")
_NUMERIC = frozenset("0123456789+-.,")


@dataclass(frozen=True)
class GridTier:
    """A tier of a TextGrid: its name as the file has it, and its intervals in seconds; None for one of points."""

    name: str
    intervals: list[Interval] | None


def read_textgrid(path: Path) -> list[GridTier]:
    """The tiers of a TextGrid, in order.

    Raises:
        LaminaError: it does not parse, or holds less, or more, than it announces.
    """
    text = read_text(path)
    if text.startswith("ooBinaryFile"):
        raise LaminaError(f"{path} is a binary TextGrid: save it as a text file in Praat")
    try:
        return list(_tiers(_records(text)))
    except ValueError as error:
        raise LaminaError(
            f"{path} does not parse as a TextGrid ({error}); it may be half-copied, or a quote inside a label is "
            "not doubled: copy or align it again"
        ) from error


def _records(text: str) -> Iterator[Record]:
    """The texts, each with the numbers before it; at the end the numbers after the last."""
    parts = text.split('"')
    if len(parts) % 2 == 0:
        raise ValueError("a quote is not closed")
    place = 0
    while place < len(parts) - 1:
        numbers, label = _numbers(parts[place]), parts[place + 1]
        place += 2
        while not parts[place] and place + 1 < len(parts):  # two quotes that touch are one inside a text
            label += '"' + parts[place + 1]
            place += 2
        yield numbers, label
    yield _numbers(parts[place]), None


def _numbers(between: str) -> list[float]:
    """The numbers that stand free."""
    if "!" in between:
        between = _COMMENT.sub("", between)
    found = []
    for word in between.split():
        if word[0] in _NUMERIC:
            try:
                found.append(number(word))
            except ValueError:
                continue
    return found


def _tiers(records: Iterator[Record]) -> Iterator[GridTier]:
    head = [label for _, label in (next(records, _END), next(records, _END))]
    if not (head[0] or "").startswith("ooTextFile") or head[1] != "TextGrid":
        raise ValueError("it does not begin as one")
    numbers, kind = next(records, _END)
    count = _count(numbers)
    for _ in range(count):
        if kind not in {"IntervalTier", "TextTier"}:
            raise ValueError(f"{str(kind)[:30]!r} stands where a tier should begin")
        times = 2 if kind == "IntervalTier" else 1
        _, name = next(records, _END)
        numbers, label = next(records, _END)
        size, numbers = _count(numbers[:3]), numbers[3:]
        entries: list[Interval] = []
        for _ in range(size):
            if len(numbers) != times or label is None:
                raise ValueError(f"{size} labels announced in {name!r}, {len(entries)} found")
            entries.append((label, numbers[0], numbers[-1]))
            numbers, label = next(records, _END)
        if numbers:
            raise ValueError(f"more than the {size} labels that {name!r} announces")
        yield GridTier(name or "", entries if times == 2 else None)
        kind = label
    if kind is not None:
        raise ValueError(f"more than the {count} tiers that it announces")


def _count(numbers: list[float]) -> int:
    """The last of three numbers: from, to, how many."""
    if len(numbers) != 3 or numbers[2] != int(numbers[2]):
        raise ValueError(f"from, to and how many expected, {numbers} found")
    return int(numbers[2])
