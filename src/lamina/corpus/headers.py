"""What audio files say of themselves, where libsndfile takes it on trust: frames of MP3s, lengths of WAVs."""

from __future__ import annotations

import io
from typing import BinaryIO, Literal

# MPEG layer III: kbit/s by index; Hz by index; version 3 is MPEG 1, 2 is MPEG 2, 0 is MPEG 2.5.
_KBITS_1 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_KBITS_2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_HERTZ = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
_COUNTED = (b"Xing", b"Info", b"VBRI")


def counted_mp3(data: bytes) -> bytes | None:
    """An MP3 that does not say how many frames it has, with a header that does; None where it says so itself.

    libsndfile guesses from the first frame's bit rate, and reads no further. The count goes into a frame of its
    own before the first, as Xing's VBR header has it, which decoders skip.
    """
    first = _next_frame(data, _after_tag(data))
    if first < 0 or any(mark in data[first : first + 256] for mark in _COUNTED):
        return None
    frames, at = 0, first
    while at >= 0:
        length = _frame(data, at)
        if not length or at + length > len(data):
            at = _next_frame(data, at + 1)
            continue
        frames += 1
        at += length
    head = bytes((0xFF, data[first + 1] | 1, 0x90 | (data[first + 2] & 0x0C), data[first + 3]))
    mono, mpeg1 = data[first + 3] >> 6 == 3, (data[first + 1] >> 3) & 3 == 3
    side = (17 if mono else 32) if mpeg1 else (9 if mono else 17)
    header = head + bytes(side) + b"Xing" + (1).to_bytes(4, "big") + frames.to_bytes(4, "big")
    return data[:first] + header.ljust(_frame(head, 0), b"\0") + data[first:]


def _after_tag(data: bytes) -> int:
    """Where an ID3v2 tag ends; its size has seven bits a byte."""
    if data[:3] != b"ID3" or len(data) < 10:
        return 0
    return 10 + sum((data[6 + place] & 0x7F) << (7 * (3 - place)) for place in range(4))


def _frame(data: bytes, at: int) -> int:
    """The bytes of the frame whose header lies at ``at``; 0 where none does."""
    if at + 4 > len(data) or data[at] != 0xFF or data[at + 1] & 0xE6 != 0xE2:  # sync, layer III
        return 0
    version, rate, hertz = (data[at + 1] >> 3) & 3, data[at + 2] >> 4, (data[at + 2] >> 2) & 3
    if version == 1 or rate in {0, 15} or hertz == 3:
        return 0
    kbits = (_KBITS_1 if version == 3 else _KBITS_2)[rate]
    return (144 if version == 3 else 72) * 1000 * kbits // _HERTZ[version][hertz] + ((data[at + 2] >> 1) & 1)


def _next_frame(data: bytes, at: int) -> int:
    """The first frame from ``at`` on that another one, or the end, follows; -1 where none is left."""
    while (at := data.find(b"\xff", at)) >= 0:
        length = _frame(data, at)
        if length and (at + length == len(data) or _frame(data, at + length)):
            return at
        at += 1
    return -1


def missing_bytes(file: BinaryIO) -> int:
    """How many bytes of sound the header of a WAV or AIFF promises beyond the end of the file; 0 for others.

    A length that a recorder never filled in (0, or all ones) promises nothing.
    """
    whole = file.seek(0, io.SEEK_END)
    file.seek(0)
    form = file.read(12)
    orders: dict[bytes, Literal["little", "big"]] = {b"RIFF": "little", b"RF64": "little", b"FORM": "big"}
    order = orders.get(form[:4])
    if order is None:
        return 0
    at, long = 12, 0
    while at + 8 <= whole:
        file.seek(at)
        head = file.read(24)
        size = int.from_bytes(head[4:8], order)
        if head[:4] == b"ds64":
            long = int.from_bytes(head[16:24], "little")
        if head[:4] in {b"data", b"SSND"}:
            size = long if size == 0xFFFFFFFF else size
            return max(0, at + 8 + size - whole)
        at += 8 + size + size % 2
    return 0
