"""A lock that lives as long as its process.

The system gives a lock back when the process that holds it is gone, however it ended. Some file systems that
machines share keep locks to each machine, so a thread also touches what is held every few seconds: a lock of
another machine is free when nobody has touched it for minutes.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from lamina.errors import LaminaError

LOCK = ".lock"  # its name in a folder that is locked as a whole
BEAT, STALE = 10.0, 300.0  # seconds between touches, and without one


class Lock:
    """A lock file: between threads, processes, containers and machines."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = -1

    def take(self) -> bool:
        """Take the lock and write down who has it; False where somebody else has.

        Raises:
            LaminaError: the file cannot be written, or its file system knows no locks.
        """
        import fcntl

        while self._file < 0:
            file = -1
            try:
                file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if _held_elsewhere(file):
                    return False
                if _same(self._path, file):  # else its last holder removed it after it was opened here
                    os.truncate(file, 0)
                    os.pwrite(file, json.dumps(_me()).encode(), 0)
                    self._file, file = file, -1
                    _keep_alive(self)
            except BlockingIOError:
                return False
            except OSError as error:
                raise LaminaError(
                    f"cannot lock {self._path}: {error.strerror}; choose another output folder"
                ) from error
            finally:
                if file >= 0:
                    os.close(file)
        return True

    def drop(self) -> None:
        """Give the lock back and remove its file, unless it is somebody else's by now."""
        if self._file >= 0:
            _HELD.discard(self)
            with suppress(OSError):
                if _same(self._path, self._file):
                    self._path.unlink()
            os.close(self._file)
            self._file = -1

    def holder(self) -> str:
        """Who has the lock, in words; empty where nobody does."""
        import fcntl

        try:
            file = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return ""
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            free = not _held_elsewhere(file)
        except OSError:
            free = False
        told = _told(file)
        os.close(file)
        return "" if free else f"process {told.get('process')} on {told.get('host')}"

    def touch(self) -> None:
        """Say that the holder is alive."""
        with suppress(OSError):
            os.utime(self._file)


_HELD: set[Lock] = set()


def _keep_alive(lock: Lock) -> None:
    _HELD.add(lock)
    if not any(thread.name == __name__ for thread in threading.enumerate()):
        threading.Thread(target=_beat, name=__name__, daemon=True).start()


def _beat() -> None:
    while True:
        time.sleep(BEAT)
        for lock in list(_HELD):
            lock.touch()


def _held_elsewhere(file: int) -> bool:
    """Whether another machine has a lock that the system says is free, and is alive."""
    return _told(file).get("machine", _me()["machine"]) != _me()["machine"] and (
        time.time() - os.fstat(file).st_mtime < STALE
    )


def _same(path: Path, file: int) -> bool:
    with suppress(FileNotFoundError):
        return os.path.samestat(path.stat(), os.fstat(file))
    return False


def _told(file: int) -> dict[str, Any]:
    with suppress(OSError, ValueError):
        told = json.loads(os.pread(file, 4096, 0))
        return told if isinstance(told, dict) else {}
    return {}


def _me() -> dict[str, Any]:
    machine = host = socket.gethostname()
    with suppress(OSError):  # Linux: the same in all containers of a machine
        machine = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return {"host": host, "process": os.getpid(), "machine": machine}
