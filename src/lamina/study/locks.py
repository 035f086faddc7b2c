"""Locks: no two processes ever make the same run, on one machine or on several that share a folder.

A lock is a file ``locks/RUN`` that says who holds it; a thread touches it every few seconds. It is stale, and
taken over, when its process is gone (told at once on the same machine, where both see the same processes) or when
nobody has touched it for minutes.
Taking one is guarded by a lock of the operating system on ``locks/.guard``, held for a moment only.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from lamina.errors import LaminaError
from lamina.files import write_json

FOLDER = "locks"
BEAT, STALE = 10.0, 300.0  # seconds between touches, and without one


class Locks:
    """The locks of one process in a study folder.

    Args:
        root: the study folder; created where missing.

    Raises:
        LaminaError: the folder cannot be written.
    """

    def __init__(self, root: Path) -> None:
        self._folder = root / FOLDER
        self._held: set[str] = set()
        self._ended = threading.Event()
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            (self._folder / ".guard").touch()
        except OSError as error:
            raise LaminaError(unwritable(root, error)) from error
        threading.Thread(target=self._beat, daemon=True).start()

    def take(self, name: str) -> bool:
        """Take the lock of a run; False where another process holds it."""
        path = self._folder / name
        with self._guarded():
            if path.is_file() and not stale(path):
                return False
            write_json(path, _me())
            self._held.add(name)
        return True

    def drop(self, name: str) -> None:
        """Give the lock back."""
        self._held.discard(name)
        path = self._folder / name
        with suppress(OSError), self._guarded():
            if _told(path) == _me():  # else somebody has taken it over
                path.unlink()

    def holder(self, name: str) -> str:
        """Who holds a lock, in words; empty where nobody does."""
        path = self._folder / name
        if not path.is_file() or stale(path):
            return ""
        told = _told(path)
        return f"process {told.get('process')} on {told.get('host')}"

    def close(self) -> None:
        """Give all locks back."""
        self._ended.set()
        for name in list(self._held):
            self.drop(name)

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        import fcntl

        with (self._folder / ".guard").open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _beat(self) -> None:
        while not self._ended.wait(BEAT):
            for name in list(self._held):
                with suppress(OSError):
                    if _told(self._folder / name) == _me():
                        os.utime(self._folder / name)


def stale(path: Path) -> bool:
    """Whether who held a lock is gone."""
    told = _told(path)
    if not told:
        return True
    me = _me()
    # A container may have the machine's name and other processes: numbers are compared within one namespace only.
    if all(told.get(key) == me[key] for key in ("host", "boot", "namespace")):
        return _began(told.get("process", 0)) != told.get("began")
    with suppress(FileNotFoundError):
        return time.time() - path.stat().st_mtime > STALE
    return True


def unwritable(root: Path, error: OSError) -> str:
    """Why a study folder cannot be made or written, and what to do."""
    for place in (root, *root.parents):
        if place.is_symlink() and not place.exists():
            return (
                f"cannot write in {root}: {place} is a link to {place.readlink()}, which is not there: make that "
                "folder, or choose another with --out"
            )
        if place.is_file():
            return f"cannot write in {root}: {place} is a file, not a folder: choose another folder with --out"
    return f"cannot write in {root}: {error.strerror or error}; choose another folder with --out"


def _me() -> dict[str, Any]:
    boot = namespace = ""
    with suppress(OSError):  # only Linux has them
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
        namespace = str(Path("/proc/self/ns/pid").readlink())
    return {
        "host": socket.gethostname(),
        "process": os.getpid(),
        "began": _began(os.getpid()),
        "boot": boot,
        "namespace": namespace,
    }


def _began(process: int) -> str:
    """When a process of this machine began, to tell it from later ones of its number; empty if there is none."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return ""
    except OSError:
        pass  # somebody else's process
    try:
        after_name = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
    except (OSError, IndexError):
        return "unknown"
    return "" if after_name[0] == "Z" else after_name[19]


def _told(path: Path) -> dict[str, Any]:
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}
