"""Phones of words by a lexicon: lines ``WORD P1 P2 …``, as LibriSpeech and CMUdict have them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path

from lamina.errors import LaminaError
from lamina.files import read_lines

UNKNOWN = "SPN"  # SUPERB's symbols have it; that it stands for unknown words is Lamina's rule
_COMMENT = re.compile(r"\s#")  # CMUdict: aalborg AO1 L B AO0 R G # place, danish
_NUMBER = re.compile(r"[-+]?\d*\.?\d+")


def read_lexicon(path: Path) -> dict[str, tuple[str, ...]]:
    """The first pronunciation of each word (in capitals), phones as they are written, stress digits included.

    Empty lines and lines that begin with ``;;;`` are skipped, and what stands behind `` #`` is a comment.

    Raises:
        LaminaError: the file is missing, is no text, or a line of it is no pronunciation.
    """
    lines = read_lines(path, what="the lexicon", remedy="give a text in UTF-8 of lines WORD P1 P2 …")
    found: dict[str, tuple[str, ...]] = {}
    for number, whole in enumerate(lines, 1):
        line = _COMMENT.split(whole, maxsplit=1)[0]
        if not line.strip() or line.startswith(";;;"):
            continue
        word, *phones = line.split()
        if not phones or any(_NUMBER.fullmatch(phone) for phone in phones):
            why = "has no phones" if not phones else "has a number among its phones (a probability?)"
            raise LaminaError(f"{path}, line {number}: {word!r} {why}; write WORD P1 P2 …")
        found.setdefault(unicodedata.normalize("NFC", word).upper(), tuple(phones))
    if not found:
        raise LaminaError(f"the lexicon {path} is empty; it needs lines WORD P1 P2 …")
    return found


def pronounced(words: Sequence[str], lexicon: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """The phones of words (in capitals); a word that the lexicon lacks is `UNKNOWN`."""
    return tuple(phone for word in words for phone in lexicon.get(word, (UNKNOWN,)))
