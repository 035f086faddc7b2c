"""Tars that hold audio: members are found by their headers and read where they lie; nothing is unpacked.

Only plain files count: no link, device, pipe or sparse file is followed, and no name leads anywhere.
"""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

from lamina.corpus.faults import Faults
from lamina.errors import LaminaError
from lamina.files import reading

Place = tuple[int, int]  # the first byte of a member and how many it has


class Member(io.RawIOBase):
    """A part of an open file as a file of its own; reading ends where the part does."""

    def __init__(self, file: io.BufferedIOBase, first: int, size: int) -> None:
        self._file, self._first, self._size, self._at = file, first, size, 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place in the part."""
        self._at = max(0, offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence])
        return self._at

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override] # any writable buffer
        """Fill a buffer from here on."""
        self._file.seek(self._first + self._at)
        data = self._file.read(max(0, min(len(buffer), self._size - self._at)))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


def tar_members(path: Path, faults: Faults) -> dict[str, Place]:
    """Where each plain file lies in a tar that is not compressed.

    Args:
        path: of the tar.
        faults: is told a tar that does not read; what it held up to there is returned.
    """
    members: dict[str, Place] = {}
    try:
        with reading(path, what="a tar", remedy="copy it again, or unpack it if it is compressed") as file:
            whole = file.seek(0, io.SEEK_END)
            file.seek(0)
            # Through `Member`, no header can ask for more than the file has.
            with tarfile.open(fileobj=io.BufferedReader(Member(file, 0, whole)), mode="r:") as tar:
                before = -1
                for member in tar:
                    if member.offset <= before or member.size < 0:
                        raise tarfile.ReadError("its headers lead backwards")
                    before = member.offset
                    if not member.isreg() or member.issparse():
                        continue
                    if member.offset_data + member.size > whole:
                        raise tarfile.ReadError(f"{member.name!r} reaches beyond its end")
                    members[member.name] = (member.offset_data, member.size)
    except LaminaError as error:
        faults.add(str(error))
    return members
