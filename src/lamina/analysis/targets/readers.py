"""Files that targets are read from: word vectors (GloVe's text format) and scored pairs of utterances."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from gzip import GzipFile
from io import BufferedReader
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lamina.errors import LaminaError
from lamina.files import read_lines, reading

Vectors = dict[str, NDArray[np.float32]]


# How files begin that are no text.
_BINARY = {
    b"\x80": "a Python pickle, which is never loaded: it could run anything",
    b"PK": "a zip (of text, of numpy or of torch): unpack it",
    b"\x93NUMPY": "a numpy array, which names no words",
    b"\x89HDF": "an HDF5 file",
    b"\xba\x16\x4f\x2f": "a model of fastText (.bin): take its .vec file",
    b"BZh": "packed by bzip2: unpack it",
    b"\xfd7zXZ": "packed by xz: unpack it",
}


def read_word_vectors(path: Path, wanted: Collection[str]) -> Vectors:
    """The vectors of ``wanted`` words in a text file: a word and its numbers a line, separated by spaces or tabs.

    The file may be gzipped. It is read line by line; only wanted words are kept. A first line of two whole numbers
    (word2vec's header) is passed over. A word may hold spaces, as some of GloVe's do. Of a word that occurs twice
    the first vector counts.

    Raises:
        LaminaError: the file cannot be read, is no text, a line has another length than the first, or holds no
            numbers.
    """
    found: Vectors = {}
    width = 0
    with reading(path, what="word vectors", remedy="give a text file with a word and its numbers a line") as file:
        for number, line in enumerate(_lines(path, file), 1):
            word, *values = line.replace("\t", " ").split(" ")
            if number == 1 and len(values) == 1 and word.isdigit():
                continue
            width = width or len(values)
            if len(values) > width and not _are_numbers(values[:-width]):
                word, values = " ".join([word, *values[:-width]]), values[-width:]
            if len(values) != width or not width:
                raise LaminaError(
                    f"{path}, line {number}: {word[:40]!r} has {len(values)} numbers, the words before it have "
                    f"{width}; the file may be cut off: mend or remove the line"
                )
            if word in wanted and word not in found:
                found[word] = _numbers(values, f"{path}, line {number}")
    return found


def _lines(path: Path, file: BufferedReader) -> Iterator[str]:
    """The lines of a file of UTF-8, gzipped or not; what is no text says what it is."""
    source = GzipFile(fileobj=file) if file.peek(2)[:2] == b"\x1f\x8b" else file
    head = source.peek(1024)[:1024]
    kind = next((kind for mark, kind in _BINARY.items() if head.startswith(mark)), "")
    if not kind and b"\0" in head:
        kind = "word2vec's binary format (.bin), or text in UTF-16: save it as text in UTF-8"
    if kind:
        raise LaminaError(f"{path} is {kind}; word vectors are read from text, a word and its numbers a line")
    for number, raw in enumerate(source):
        yield raw.decode("utf-8-sig" if number == 0 else "utf-8").rstrip()


def _are_numbers(values: list[str]) -> bool:
    try:
        return bool([float(value) for value in values])
    except ValueError:
        return False


def _numbers(values: list[str], where: str) -> NDArray[np.float32]:
    try:
        vector = np.array([float(value) for value in values], dtype=np.float32)
    except ValueError as error:
        raise LaminaError(f"{where} holds what is no number ({error}): mend or remove the line") from error
    if not np.isfinite(vector).all():
        raise LaminaError(f"{where} holds a number that is not finite: mend or remove the line")
    return vector


def read_pairs(path: Path) -> list[tuple[str, str, float]]:
    """Pairs of utterances and how alike people find them: ``id id score`` a line, separated by tabs or spaces.

    Raises:
        LaminaError: the file cannot be read, or a line is not of that form.
    """
    lines = read_lines(path, what="scored pairs", remedy="write `id id score` a line, in UTF-8")
    pairs = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            first, second, score = line.split()
            pairs.append((first, second, float(score)))
        except ValueError as error:
            raise LaminaError(
                f"{path}, line {number}: {line.strip()!r} is not two utterances and a score: write `id id score`"
            ) from error
    return pairs
