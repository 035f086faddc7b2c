"""Files that targets are read from: word vectors (GloVe's text format) and scored pairs of utterances."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lamina.errors import LaminaError

Vectors = dict[str, NDArray[np.float32]]


def read_word_vectors(path: Path, wanted: Collection[str]) -> Vectors:
    """The vectors of ``wanted`` words in a text file: a word and its numbers a line, separated by spaces.

    The file is read line by line; only wanted words are kept. A first line of two whole numbers (word2vec's
    header) is passed over. Of a word that occurs twice the first vector counts.

    Raises:
        LaminaError: the file cannot be read, a line has another length than the first, or holds no numbers.
    """
    found: Vectors = {}
    width = 0
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                word, *values = line.rstrip().split(" ")
                if number == 1 and len(values) == 1 and word.isdigit():
                    continue
                width = width or len(values)
                if len(values) != width or not width:
                    raise LaminaError(
                        f"{path}, line {number}: {word!r} has {len(values)} numbers, the words before it "
                        f"have {width}; the file may be cut off, or a word holds a space: mend or remove the line"
                    )
                if word in wanted and word not in found:
                    found[word] = _numbers(values, f"{path}, line {number}")
    except (OSError, UnicodeDecodeError) as error:
        raise LaminaError(f"cannot read word vectors from {path}: {error}") from error
    return found


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
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise LaminaError(f"cannot read scored pairs from {path}: {error}") from error
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
