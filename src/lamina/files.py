"""Files: whole or not at all when they are written, whole or one clear line when they are read.

What is written lies beside its place until it is whole; what a killed process left of it goes with the next write.
Whatever is wrong with a file that is read is one `LaminaError`: what, where, the likely cause, the remedy.
"""

from __future__ import annotations

import csv
import hashlib
import json
import math
import os
import re
import stat
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from lamina.errors import LaminaError, fault, first_line
from lamina.partials import close_room, open_room, remove_partials

MOST = 1 << 30  # bytes of a text file that is read whole
AGAIN = "check the path, or copy it again"


@contextmanager
def replacing(path: Path, *, mark: str = "") -> Iterator[Path]:
    """Yield a temporary path beside ``path`` to write (file or folder); rename it into place on success.

    On any exception it is removed and ``path`` stays as it was. A folder that holds something is replaced only if
    it holds a file called ``mark``, which says that it was made by the same kind of writer.

    Raises:
        LaminaError: the folder cannot be written or holds somebody's files, or the disk is full.
    """
    # What a link leads to is replaced, not the link.
    path = path.resolve() if path.is_symlink() else path.absolute()
    if path.is_dir() and any(path.iterdir()) and not (mark and (path / mark).is_file()):
        raise LaminaError(
            f"{path} exists and holds files that were not made here: nothing is overwritten; choose another folder"
        )
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise LaminaError(f"{path} is neither a file nor a folder: nothing is overwritten; choose another path")
    room = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_partials(path.parent)
        room, lock = open_room(path)
        yield room / path.name
        if path.is_dir() and (room / path.name).is_dir():
            path.rename(room / f"{path.name}.old")
        (room / path.name).replace(path)
    except LaminaError as error:
        raise LaminaError(str(error).replace(f"{room}/", f"{path.parent}/")) from error
    except OSError as error:
        name = error.filename
        if isinstance(name, str) and not name.startswith(str(path.parent)):  # of a file that is read meanwhile
            raise LaminaError(fault(error)) from error
        raise LaminaError(_unwritable(path, error.strerror or str(error))) from error
    except Exception as error:
        if code := re.search(r"\(os error (\d+)\)", str(error)):  # as libraries in Rust (safetensors) tell one
            raise LaminaError(_unwritable(path, os.strerror(int(code[1])))) from error
        raise
    finally:
        if room is not None:
            close_room(room, lock)


def _unwritable(path: Path, why: str) -> str:
    return (
        f"cannot write {path}: {why}; check the permissions of the folder and the free disk space, or choose "
        "another output folder"
    )


def unlinked(path: Path) -> Path:
    """The path; a link there, which would lead what is written out of its folder, is removed."""
    if path.is_symlink():
        path.unlink()
    return path


def check_folder(folder: Path) -> None:
    """Create ``folder`` where it is missing and see that files can be written there, before long work starts.

    Raises:
        LaminaError: it cannot be created or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        why = error.strerror or str(error)
        for place in (folder, *folder.parents):
            if place.is_symlink() and not place.exists():
                why = f"{place} is a link to {place.readlink()}, which is not there: make that folder"
            elif place.is_file():
                why = f"{place} is a file, not a folder"
        raise LaminaError(f"cannot write in {folder}: {why}; choose another output folder") from error


def allocate(path: Path, size: int) -> None:
    """Make a file of ``size`` bytes that has its room on the disk: writing to it by memory map cannot fail later.

    Raises:
        LaminaError: the disk is full.
    """
    try:
        with path.open("wb") as file:
            if size and hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, size)
            file.truncate(size)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise LaminaError(_unwritable(path, error.strerror or str(error))) from error


@contextmanager
def reading(path: Path, *, what: str, remedy: str = AGAIN) -> Iterator[BufferedReader]:
    """Open a file; whatever goes wrong inside the block, in any library that reads it, is told in one line.

    Args:
        path: a regular file: a pipe or a device is refused and never waited for.
        what: it should be, in words.
        remedy: what to do where it is not.

    Raises:
        LaminaError: it is missing, no regular file, unreadable, or damaged.
    """
    try:
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise LaminaError(f"{path} is a pipe or a device, not a file of {what}: {remedy}")
            yield file
    except LaminaError:
        raise
    except FileNotFoundError as error:
        raise LaminaError(f"cannot read {what}: there is no file {path}; {remedy}") from error
    except OSError as error:
        raise LaminaError(f"cannot read {what} from {path}: {error.strerror or error}; {remedy}") from error
    except Exception as error:  # damaged bytes make a reader raise anything
        raise LaminaError(
            f"cannot read {what} from {path} ({first_line(error)}): it may be half-copied; {remedy}"
        ) from error


def read_text(path: Path, *, what: str = "text", remedy: str = AGAIN, most: int = MOST) -> str:
    """Read a file of UTF-8 of at most ``most`` bytes; see `reading`.

    Raises:
        LaminaError: it is missing, no regular file, unreadable, too large, or not UTF-8.
    """
    with reading(path, what=what, remedy=remedy) as file:
        if (size := os.fstat(file.fileno()).st_size) > most:
            raise LaminaError(
                f"{path} is {told_size(size)} large, more than any {what} ({told_size(most)}): {remedy}"
            )
        return file.read().decode("utf-8-sig")  # some editors put a mark first


def read_json(
    path: Path,
    *,
    what: str = "JSON",
    remedy: str = AGAIN,
    version: int | None = None,
    keys: Mapping[str, type | tuple[type, ...]] | None = None,
    shape: type = dict,
) -> Any:
    """Read a JSON file; see `reading` and `parse_json`.

    Args:
        path: of the file.
        what: it is, for the error.
        remedy: for the error.
        version: what its key ``format`` must be.
        keys: what it must have, and of which type.
        shape: of the whole: ``dict`` or ``list``.

    Raises:
        LaminaError: it cannot be read, is no JSON, or is of another shape or version.
    """
    value = parse_json(read_text(path, what=what, remedy=remedy), str(path), remedy=remedy, shape=shape)
    if version is not None and value.get("format") != version:
        raise LaminaError(
            f"{path} was written by another version of Lamina (format {value.get('format')!r:.20}, not "
            f"{version}): {remedy}"
        )
    check_keys(value, keys or {}, f"{path} ({what})", remedy)
    return value


def check_keys(value: Any, keys: Mapping[str, type | tuple[type, ...]], where: str, remedy: str) -> None:
    """See that an object of JSON has these keys, of these types.

    Raises:
        LaminaError: it is no object, or one of them is missing or of another type.
    """
    for key, kind in keys.items():
        if not isinstance(value, dict) or not isinstance(value.get(key), kind):
            raise LaminaError(f"{where}: its {key!r} is missing or of another kind; {remedy}")


def read_lines(path: Path, *, what: str = "text", remedy: str = AGAIN) -> list[str]:
    r"""The lines of a file of UTF-8, split at ``\n`` alone; see `read_text`."""
    lines = read_text(path, what=what, remedy=remedy).split("\n")
    return lines if lines[-1] else lines[:-1]


def read_json_lines(
    path: Path, *, what: str = "JSON", remedy: str = AGAIN
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects of a file of one JSON object a line, each with where it stands (``PATH, line 3``).

    Raises:
        LaminaError: the file cannot be read, or a line of it is no JSON object.
    """
    for number, line in enumerate(read_lines(path, what=what, remedy=remedy), start=1):
        where = f"{path}, line {number}"
        yield where, parse_json(line, where, remedy=remedy)


def parse_json(text: str, where: str, *, remedy: str = AGAIN, shape: type = dict, finite: bool = True) -> Any:
    """The value of a JSON text: no key twice, and no NaN or infinity where ``finite``.

    Args:
        text: the JSON.
        where: it stands, for the error.
        remedy: for the error.
        shape: of the whole value: ``dict`` or ``list``.
        finite: whether every number must be finite.

    Raises:
        LaminaError: it is not JSON, nested too deep, or of another shape.
    """
    number = _finite if finite else float
    try:
        value = json.loads(text, object_pairs_hook=_once, parse_float=number, parse_constant=number)
    except (ValueError, RecursionError) as error:
        raise LaminaError(
            f"{where} is not valid JSON ({first_line(error)}): it may be half-copied; {remedy}"
        ) from error
    if not isinstance(value, shape):
        raise LaminaError(f"{where} is no JSON {'object' if shape is dict else shape.__name__}: {remedy}")
    return value


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:20]} is no finite number")
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise ValueError(f"key {twice[:40]!r} stands there twice")
    return found


def write_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8 to ``path``, atomically."""
    with replacing(path) as beside:
        beside.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as indented JSON to ``path``, atomically."""
    write_text(path, _escaped(json.dumps(value, indent=2, ensure_ascii=False)) + "\n")


def json_line(value: Any) -> str:
    """One JSON object a line: no character inside it is taken for the end of a line, by whatever reads it."""
    return _escaped(json.dumps(value, ensure_ascii=False)) + "\n"


def _escaped(text: str) -> str:
    """JSON without raw characters that end a line for some reader, or that UTF-8 cannot hold."""
    return re.sub("[\x7f-\x9f\u2028\u2029\ud800-\udfff]", lambda found: f"\\u{ord(found[0]):04x}", text)


# What makes spreadsheets take a text for a formula, wide forms of the signs included.
FORMULA = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")


def csv_text(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """Comma-separated values with a header line; no text in it is a formula for a spreadsheet."""
    lines: list[str] = []
    writer = csv.writer(SimpleNamespace(write=lines.append), lineterminator="\r\n")  # quotes what holds either end
    writer.writerow([csv_cell(column) for column in columns])
    writer.writerows([csv_cell(row[column]) for column in columns] for row in rows)
    return "".join(line.removesuffix("\r\n") + "\n" for line in lines)


def csv_cell(value: Any) -> Any:
    """A cell of a table; a text that a spreadsheet would run as a formula is quoted with ``'``."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def file_name(text: str) -> str:
    """A safe file name for any text: letters, digits and ``._+=@-`` of ASCII, at most 80 characters.

    Plain texts keep their name. Where something had to be changed, ``~`` and a digest follow, so that the names of
    different texts differ.
    """
    safe = re.sub(r"[^A-Za-z0-9._+=@-]+", "-", text).lstrip(".-")[:60]
    if safe and safe == text:
        return safe
    return f"{safe or 'x'}~{hashlib.sha256(text.encode(errors='surrogatepass')).hexdigest()[:16]}"


def told_size(count: float) -> str:
    """A number of bytes for people: ``340 bytes``, ``1.5 GiB``."""
    place = next((place for place in range(4) if count < 1024 ** (place + 1)), 4)
    number = count / 1024**place
    return f"{number:.0f} bytes" if not place else f"{number:.{0 if number >= 100 else 1}f} {'KMGT'[place - 1]}iB"


def digest(value: Any, *, length: int = 12) -> str:
    """Return the first ``length`` hex digits of the SHA-256 of ``value``'s canonical JSON."""
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode(errors="surrogatepass")).hexdigest()[:length]


def file_digest(path: Path, *, length: int = 12) -> str:
    """Return the first ``length`` hex digits of the SHA-256 of a file's bytes.

    Raises:
        LaminaError: it cannot be read.
    """
    with reading(path, what="a file") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:length]
