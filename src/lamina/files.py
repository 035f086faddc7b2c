"""Files are written beside their final place and renamed, so that no reader ever meets half a file."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from lamina.errors import LaminaError


@contextmanager
def replacing(path: Path, *, mark: str = "") -> Iterator[Path]:
    """Yield a temporary sibling of ``path`` to write (file or folder); rename it into place on success.

    On any exception the sibling is removed and ``path`` stays as it was. A folder that holds something is replaced
    only if it holds a file called ``mark``, which says that it was made by the same kind of writer.

    Raises:
        LaminaError: the folder cannot be written or holds somebody's files, or the disk is full.
    """
    path = (
        path.resolve() if path.is_symlink() else path.absolute()
    )  # what a link leads to is replaced, not the link
    if path.is_dir() and any(path.iterdir()) and not (mark and (path / mark).is_file()):
        raise LaminaError(
            f"{path} exists and holds files that were not made here: nothing is overwritten; choose another folder"
        )
    beside = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield beside
        if path.is_dir() and beside.is_dir():
            shutil.rmtree(path)
        beside.replace(path)
    except OSError as error:
        raise LaminaError(
            f"cannot write {path}: {error.strerror or error}; check the permissions of the folder and the free "
            "disk space, or choose another output folder"
        ) from error
    finally:
        if beside.is_dir():
            shutil.rmtree(beside, ignore_errors=True)
        else:
            with suppress(OSError):
                beside.unlink(missing_ok=True)


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
        raise LaminaError(
            f"cannot write in {folder}: {error.strerror or error}; choose another output folder"
        ) from error


def write_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8 to ``path``, atomically."""
    with replacing(path) as beside:
        beside.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as indented JSON to ``path``, atomically."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        LaminaError: the file is missing or is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise LaminaError(f"there is no file {path}") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise LaminaError(f"{path} is not valid JSON ({error}); it may be half-copied: copy it again") from error


def digest(value: Any, *, length: int = 12) -> str:
    """Return the first ``length`` hex digits of the SHA-256 of ``value``'s canonical JSON."""
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:length]


def file_digest(path: Path, *, length: int = 12) -> str:
    """Return the first ``length`` hex digits of the SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:length]


def read_lines(path: Path, *, remedy: str) -> list[str]:
    """The lines of a UTF-8 file, parted at line feeds alone.

    Raises:
        LaminaError: the file is missing, cannot be read, or is not UTF-8.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise LaminaError(f"cannot read {path}: {error}: {remedy}") from error
    return text.removesuffix("\n").split("\n") if text else []


def json_line(value: Any) -> str:
    """One JSON object as a line of its own; characters that some readers take for line ends are escaped."""
    line = json.dumps(value, ensure_ascii=False)
    return "".join(f"\\u{ord(each):04x}" if each in "\x85\u2028\u2029" else each for each in line) + "\n"


def csv_cell(value: Any) -> Any:
    """A cell of a table; text that a spreadsheet would run as a formula is quoted."""
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value
