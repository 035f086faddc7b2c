"""What may stand in somebody else's manifest: known sources, plain numbers and words; all else is refused.

Audio is read from plain files, from members of tars and Shar folders, and from memory that the manifest itself
carries. A source that is a shell command, a URL or anything else is refused by name; so is an array that its
library would run or fetch something for, though Lamina reads no arrays.
"""

from __future__ import annotations

import re
from typing import Any

from lamina.errors import LaminaError

Row = dict[str, Any]

SOURCES = frozenset({"file", "tar", "shar", "memory"})
# What lhotse calls arrays and pictures that lie in local files or in the manifest.
ARRAYS = frozenset({
    "lilcom_files", "numpy_files", "numpy_hdf5", "lilcom_hdf5", "chunked_lilcom_hdf5", "lilcom_chunky",
    "memory_lilcom", "memory_raw", "memory_npy", "memory_writer", "shar", "pillow_files", "pillow_memory",
})  # fmt: skip
RATES = (1000, 1_000_000)  # Hz
SECONDS = 10_000_000  # of a recording: four months
_AFAR = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://|pipe:")
_TOLD = 60  # characters of somebody else's value in an error


def source_of(value: Any, where: str) -> Row:
    """A source of audio (type, channels, source), of a kind that is read; or an error that names its kind."""
    row = table_of(value, where)
    kind, source = row.get("type"), row.get("source")
    if not known(kind, SOURCES) or not isinstance(source, str) or _AFAR.match(source):
        raise LaminaError(
            f"{where} takes audio from a {short(kind)}: {short(source)}. Only files, "
            "members of tars and Shar, and memory that the manifest carries are read; nothing is run or fetched: "
            "write the audio to files, and make the manifest of these"
        )
    if "\0" in source or (kind in {"file", "tar"} and not source):
        raise LaminaError(f"{where} takes audio from {short(source)}, which is no path of a file")
    return {"type": kind, "channels": channels_of(row.get("channels"), where), "source": source}


def known(value: Any, names: frozenset[str]) -> bool:
    """Whether a value is one of some names; it may be of any type."""
    return isinstance(value, str) and value in names


def channels_of(value: Any, where: str) -> list[int]:
    """The numbers of some channels."""
    if isinstance(value, list) and value and all(type(each) is int and 0 <= each < 1000 for each in value):
        return value
    raise LaminaError(f"{where} has the channels {short(value)}: a list of numbers from 0 on was expected")


def harmless(value: Any, where: str) -> None:
    """See that no recording and no array, at any depth, is of a kind that runs or fetches something when read."""
    left = [value]
    while left:
        node = left.pop()
        if isinstance(node, dict):
            sources = node.get("sources")
            for source in sources if isinstance(sources, list) else ():
                if isinstance(source, dict) and {"type", "source"} <= source.keys():
                    source_of({"channels": [0], **source}, where)
            if "storage_type" in node:
                kind, path = node["storage_type"], node.get("storage_path")
                if not known(kind, ARRAYS) or (isinstance(path, str) and _AFAR.match(path)):
                    raise LaminaError(
                        f"{where} has an array that is stored as {short(kind)}: {short(path)}. Lamina reads no "
                        "arrays, and refuses those that could run or fetch something: leave them out "
                        "(cuts.drop_features())"
                    )
            left.extend(node.values())
        elif isinstance(node, list):
            left.extend(node)


def plain(value: Any, where: str) -> Any:
    """A number, a word, or a list or table of some."""
    if isinstance(value, dict):
        return {text(key, "key", where): plain(each, where) for key, each in value.items()}
    if isinstance(value, list) and len(value) <= 1000:
        return [plain(each, where) for each in value]
    if value is None or isinstance(value, bool):
        return value
    return text(value, "value", where) if isinstance(value, str) else number(value, "value", where, -1e9, 1e9)


def table_of(value: Any, where: str) -> Row:
    """A JSON object."""
    if isinstance(value, dict):
        return value
    raise LaminaError(f"{where}: {short(value)} stands where a JSON object was expected: make the manifest again")


def tables_of(value: Any, name: str, where: str) -> list[Row]:
    """A list of JSON objects."""
    if isinstance(value, list) and all(isinstance(each, dict) for each in value):
        return value
    raise LaminaError(f"{where}: its {name} are {short(value)}, not a list of objects: make the manifest again")


def number(value: Any, name: str, where: str, low: float, high: float) -> float:
    """A finite number between two bounds."""
    if type(value) in (int, float) and low <= value <= high:
        return float(value)
    raise LaminaError(
        f"{where}: its {name} is {short(value)}, not a number from {low:g} to {high:g}: the manifest is damaged, "
        "or of another kind"
    )


def whole(value: Any, name: str, where: str, low: int, high: int) -> int:
    """A whole number between two bounds."""
    found = number(value, name, where, low, high)
    if found == int(found):
        return int(found)
    raise LaminaError(f"{where}: its {name} is {short(value)}, not a whole number: the manifest is damaged")


def text(value: Any, name: str, where: str) -> str:
    """A text, or a number as one; empty for nothing."""
    if value is None:
        return ""
    if isinstance(value, str | int | float):
        try:
            return value.encode().decode() if isinstance(value, str) else str(value)
        except UnicodeEncodeError as error:
            raise LaminaError(
                f"{where}: its {name} {short(value)} is no Unicode text: mend the manifest"
            ) from error
    raise LaminaError(f"{where}: its {name} is {short(value)}, not a text: make the manifest again")


def short(value: Any) -> str:
    """Somebody else's value, in an error: one line of bounded length."""
    told = ascii(value) if isinstance(value, str) else ascii(str(value)).strip("'\"")
    return told if len(told) <= _TOLD else f"{told[:_TOLD]}…"
