"""Bytes and samples of audio files, plain or in a tar, by libsndfile; nothing else is opened."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from io import BufferedReader, BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamina.corpus.allowed import RATES
from lamina.corpus.headers import counted_mp3
from lamina.corpus.tars import Member, Place
from lamina.errors import LaminaError, first_line
from lamina.files import reading


def decode(
    path: str, member: Place | None, first: int, count: int | None, data: bytes | None = None
) -> tuple[NDArray[np.float32], int, int]:
    """Samples of a file from ``first`` on, (samples, channels): fewer where it ends; its rate; its whole length.

    ``data`` is the file itself where it lies nowhere; ``path`` names it then.
    """
    with sound(path, member, data) as file:
        frames = int(file.frames)
        file.seek(min(first, frames))
        wave = file.read(-1 if count is None else count, dtype="float32", always_2d=True)
        return wave, int(file.samplerate), frames


@contextmanager
def sound(path: str, member: Place | None, data: bytes | None = None) -> Iterator[Any]:
    """An audio file, opened by libsndfile; an MP3 that does not tell its length is counted first.

    Raises:
        LaminaError: it is missing, no regular file, or does not decode.
    """
    import soundfile

    try:
        with ExitStack() as stack:
            source: Any = BytesIO(data or b"")
            if data is None and member is None:
                if not stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116 - a Path for each of many files is slow
                    raise LaminaError(
                        f"{path} is a folder, a pipe or a device, not an audio file: mend the manifest"
                    )
                source = os.fsencode(path)
            elif data is None:
                source = stack.enter_context(opened(path, member))
            file = stack.enter_context(soundfile.SoundFile(source))
            if file.format == "MP3":
                counted = counted_mp3(data or stack.enter_context(opened(path, member)).read())
                if counted is not None:
                    file = stack.enter_context(soundfile.SoundFile(BytesIO(counted)))
            if not RATES[0] <= file.samplerate <= RATES[1]:
                raise LaminaError(
                    f"{path} is at {file.samplerate} Hz, which is no rate of speech: its header is wrong"
                )
            yield file
    except FileNotFoundError as error:
        raise LaminaError(
            f"there is no audio file {path}: the manifest names it, so the corpus was moved or copied in part"
        ) from error
    except MemoryError as error:
        raise LaminaError(
            f"{path} does not fit into memory as its header has it: copy it again, or cut it into parts"
        ) from error
    except (soundfile.SoundFileError, OSError, TypeError, ValueError) as error:
        # libsndfile repeats the path before its reason.
        why = getattr(error, "strerror", None) or first_line(error).rsplit(": ", 1)[-1].strip()
        raise LaminaError(f"{path} does not decode as audio ({why}): copy it again or remove it") from error


@contextmanager
def opened(path: str, member: Place | None) -> Iterator[BufferedReader]:
    """The bytes of a file, or of a member of a tar.

    Raises:
        LaminaError: it is missing, no regular file, or the tar is too short for the member.
    """
    with reading(Path(path), what="audio") as file:
        whole = os.fstat(file.fileno()).st_size
        first, size = member or (0, whole)
        if not 0 <= first <= first + size <= whole:
            raise LaminaError(f"{path} has {whole} bytes, the manifest speaks of {first + size}: it was cut short")
        yield BufferedReader(Member(file, first, size)) if member else file


_STAMPS: dict[tuple[object, ...], str] = {}  # of files as they were when they were read last


def content(path: str, member: Place | None = None) -> str:
    """Sixteen hex digits that change when the bytes of a file change; read once while the file stays as it is."""
    with opened(path, member) as file:
        about = os.stat(path)  # noqa: PTH116 - as above
        key = (path, member, about.st_size, about.st_mtime_ns, about.st_ino)
        if key not in _STAMPS:
            _STAMPS[key] = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=8)).hexdigest()
        return _STAMPS[key]
