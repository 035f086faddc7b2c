"""A lock that lives as long as its process."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


class Lock:
    """A lock file: the system gives its lock back when the process that holds it is gone, however it ended.

    It holds between threads, processes, containers, and machines that share a file system with locks (NFS 4).
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = -1

    def take(self, told: str = "") -> bool:
        """Take the lock and write into it what others are ``told``; False where somebody has it.

        Raises:
            OSError: the file cannot be written, or its file system knows no locks.
        """
        import fcntl

        while True:
            file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.fstat(file).st_nlink:  # else its last holder removed it after it was opened here
                    os.truncate(file, 0)
                    os.write(file, told.encode())
                    self._file, file = file, -1
                    return True
            except BlockingIOError:
                return False
            finally:
                if file >= 0:
                    os.close(file)

    def drop(self) -> None:
        """Give the lock back and remove its file."""
        if self._file >= 0:
            with suppress(OSError):
                self._path.unlink()
            os.close(self._file)
            self._file = -1
