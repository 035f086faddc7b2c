"""Text files as people and programs write them: encodings, line ends, numbers, and tables with a header."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lamina.corpus.faults import Faults
from lamina.errors import LaminaError
from lamina.files import reading

LARGEST = 1e15  # of a number: three years in HTK's 100 ns
# What the columns of tables are called, by what they are here; compared without case.
COLUMNS = {
    "utterance": (
        "utt", "path", "utterance", "utterance_id", "utt_id", "file", "filename", "file_name", "recording",
        "audio", "wav", "id",
    ),
    "speaker": ("speaker", "speaker_id", "spk", "spk_id", "client_id"),
    "split": ("split", "subset", "partition"),
    "text": ("text", "sentence", "transcription", "transcript", "normalized_text"),
    "start": ("start", "begin", "onset", "start_time", "xmin", "tmin"),
    "end": ("end", "stop", "offset", "end_time", "xmax", "tmax"),
    "duration": ("duration", "dur", "length"),
    "label": ("label", "text", "symbol", "value"),
    "tier": ("tier", "type", "level"),
}  # fmt: skip


def decoded(raw: bytes) -> str:
    """Text in UTF-8, in UTF-16 with or without its mark, or else in cp1252 or Latin-1.

    Text in UTF-16 without its mark shows as zero bytes at every other place, for its marks and digits are ASCII.
    """
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return raw.decode("utf-16")
    first = raw[:1000]
    for encoding, zeros in (("utf-16-le", first[1::2].count(0)), ("utf-16-be", first[::2].count(0))):
        if 4 * zeros > len(first) // 2 > 0:
            return raw.decode(encoding)
    for encoding in ("utf-8-sig", "cp1252"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return raw.decode("latin-1")


def read_text(path: Path) -> str:
    """A text file in whatever encoding (see `decoded`).

    Raises:
        LaminaError: it is no regular file, or cannot be read.
    """
    with reading(path, what="text", remedy="copy it again") as file:
        return decoded(file.read())


def lines(text: str) -> list[str]:
    r"""The lines of a text: they end at ``\n`` or ``\r\n``, and at ``\r`` where there is no ``\n`` (old Macs).

    `str.splitlines` also ends lines at U+2028, U+0085 and others, which are characters of a text here.
    """
    if "\n" not in text:
        text = text.replace("\r", "\n")
    return [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")] if text else []


def read_lines(path: Path) -> list[str]:
    """The lines of a text file, see `read_text` and `lines`."""
    return lines(read_text(path))


def fields(line: str) -> list[str]:
    """A line cut at spaces and tabs; other spaces of Unicode are characters of a label."""
    return re.findall(r"[^ \t\r\f\v]+", line)


def number(text: str) -> float:
    """A finite number of bounded size, with a decimal point or a decimal comma.

    Raises:
        ValueError: it is none.
    """
    value = float(text if "." in text else text.replace(",", ".", 1))
    if not abs(value) < LARGEST or "_" in text:
        raise ValueError(f"{text!r} is no finite number, or too large for a time")
    return value


@dataclass(frozen=True)
class TextTable:
    """A table with a header: tabs, semicolons or commas between fields, whichever the header has.

    Attributes:
        path: the file.
        columns: their names as the header has them, without spaces around.
    """

    path: Path
    columns: tuple[str, ...]
    _records: Sequence[list[str]]

    def column(self, role: str) -> str:
        """The column of a role, empty where there is none; of several the one that `COLUMNS` has first."""
        known = {name.casefold(): name for name in reversed(self.columns)}
        return next((known[name] for name in COLUMNS[role] if name in known), "")

    def rows(self, faults: Faults) -> Iterator[dict[str, str]]:
        """The rows by column, without spaces around values; the header's line is 1.

        A row with more fields than the header is a fault: which of them belong together is unknown.
        """
        for place, record in enumerate(self._records, start=2):
            if not any(field.strip() for field in record):
                continue
            if any(field.strip() for field in record[len(self.columns) :]):
                faults.add(
                    f"{self.path}, row {place} has {len(record)} fields, the header {len(self.columns)}: put a "
                    "field that holds the separator into quotes"
                )
                continue
            if len(record) < len(self.columns):
                faults.count(f"rows with fewer fields than the header, in {self.path.name}", f"row {place}")
            values = [field.strip() for field in record]
            yield dict(zip(self.columns, values + [""] * (len(self.columns) - len(values)), strict=False))


def read_table(path: Path) -> TextTable:
    """Read a table; the quotes of one with tabs are text.

    Raises:
        LaminaError: it cannot be read, or has two columns of one name.
    """
    told = read_lines(path)
    head = told[0] if told else ""
    delimiter = "\t" if "\t" in head else max(",;", key=head.count)
    again = (line + "\n" for line in told)
    try:
        if delimiter == "\t":
            records = list(csv.reader(again, delimiter=delimiter, quoting=csv.QUOTE_NONE))
        else:
            records = list(csv.reader(again, delimiter=delimiter, skipinitialspace=True))
    except csv.Error as error:
        raise LaminaError(f"{path} does not read as a table ({error}): write it again") from error
    columns = tuple(name.strip() for name in records[0]) if records else ()
    if twice := [name for name, count in Counter(columns).items() if name and count > 1]:
        raise LaminaError(f"{path} has two columns {twice[0]!r}: rename or remove one")
    return TextTable(path, columns, records[1:])
