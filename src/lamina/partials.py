"""What is written lies in a locked folder beside its place until it is whole; what the dead left there goes."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from lamina.errors import LaminaError
from lamina.lock import LOCK, Lock

PARTIAL = ".partial"


def open_room(path: Path) -> tuple[Path, Lock | None]:
    """A new folder beside ``path`` in which it is written, locked as long as this process lives."""
    while True:
        room = Path(tempfile.mkdtemp(prefix=f".{path.name[:100]}.", suffix=PARTIAL, dir=path.parent))
        lock = Lock(room / LOCK)
        try:
            if lock.take():
                return room, lock
        except LaminaError:
            if room.is_dir():  # else who removes what the dead left came between the two
                return room, None  # a file system without locks: nobody removes what a killed process leaves


def remove_partials(folder: Path) -> None:
    """Remove what killed processes left half-written in ``folder``, nothing that one still writes."""
    for room in folder.glob(f".*{PARTIAL}"):
        lock = Lock(room / LOCK)
        with suppress(OSError, LaminaError):
            if (room / LOCK).is_file():
                if lock.take():
                    close_room(room, lock)
            else:
                room.rmdir()  # only an empty one


def close_room(room: Path, lock: Lock | None) -> None:
    """Remove a locked folder, its lock last."""
    with suppress(OSError):
        for each in room.iterdir():
            if each.is_dir() and not each.is_symlink():
                shutil.rmtree(each, ignore_errors=True)
            elif each.name != LOCK:
                each.unlink()
        (room / LOCK).unlink()
        room.rmdir()
    if lock is not None:
        lock.drop()
