"""JSON lines, plain or gzipped: the one reader of manifests."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lamina.files import reading

LONGEST = 1 << 28  # bytes of a line; a manifest of an hour's phones has 5 million
_AGAIN = "copy it again, or make it again"


def rows(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a manifest, a line each, one at a time.

    Raises:
        LaminaError: the file is missing, no regular file, damaged, or does not read as JSON lines.
    """
    with reading(path, what="a lhotse CutSet", remedy=_AGAIN) as file:
        packed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        lines = gzip.GzipFile(fileobj=file) if packed else file
        number = 0
        while line := lines.readline(LONGEST + 1):
            number += 1
            if len(line) > LONGEST:
                raise ValueError(f"line {number} has more than {LONGEST >> 20} MiB")
            if line.strip():
                yield _row(line, number)


def _row(line: bytes, number: int) -> dict[str, Any]:
    """One line; what it raises, `reading` tells."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"line {number}: {error}") from error
    if not isinstance(value, dict):
        raise TypeError(f"line {number} is no JSON object")
    return value
