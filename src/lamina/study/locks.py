"""Locks: no two processes ever make the same run, on one machine or on several that share a folder."""

from __future__ import annotations

from pathlib import Path

from lamina.files import check_folder
from lamina.lock import Lock

FOLDER = "locks"


class Locks:
    """The locks of one process in a study folder: a file ``locks/RUN`` each (`lamina.lock`).

    Args:
        root: the study folder; created where missing.

    Raises:
        LaminaError: the folder cannot be written.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._held: dict[str, Lock] = {}
        check_folder(root / FOLDER)

    def take(self, name: str) -> bool:
        """Take the lock of a run; False where another process holds it.

        Raises:
            LaminaError: the folder cannot be written, or its file system knows no locks.
        """
        lock = Lock(self._root / FOLDER / name)
        if not lock.take():
            return False
        self._held[name] = lock
        return True

    def drop(self, name: str) -> None:
        """Give the lock back."""
        self._held.pop(name).drop()

    def holder(self, name: str) -> str:
        """Who holds a lock, in words; empty where nobody does."""
        return Lock(self._root / FOLDER / name).holder()

    def close(self) -> None:
        """Give all locks back."""
        for name in list(self._held):
            self.drop(name)
