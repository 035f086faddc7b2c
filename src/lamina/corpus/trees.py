"""The files of a folder and all folders below it, and what is said of those that are not read."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from lamina.corpus.faults import Faults

AUDIO_ENDINGS = frozenset({".wav", ".flac", ".mp3", ".ogg"})
# Sound and video that is not decoded here.
_MEDIA = """
    m4a m4b aac opus sph nist shn wma webm mp4 mkv mov avi mpg mpeg 3gp flv wmv ogv oga aif aiff aifc au snd caf
    amr ape ac3 ra w64 wv spx mp2 raw pcm
"""
MEDIA_ENDINGS = frozenset(f".{ending}" for ending in _MEDIA.split())


def walk(folder: Path, faults: Faults) -> list[Path]:
    """All files, sorted; links are followed, each folder is read once.

    Hidden files, empty folders, links that lead nowhere or where the walk was before are counted in ``faults``.
    """
    seen: set[tuple[int, int]] = set()
    links: list[str] = []
    found = list(_files(str(folder), seen, links, faults))
    for link in links:  # after all that is here itself, so that its own name is kept
        found += _files(link, seen, [], faults, links)
    return sorted(map(Path, found))


def _files(
    top: str, seen: set[tuple[int, int]], later: list[str], faults: Faults, again: list[str] | None = None
) -> Iterator[str]:
    about = os.stat(top)  # noqa: PTH116 - a Path for each of a million files is slow
    if (about.st_dev, about.st_ino) in seen:
        faults.count("linked folders not read again", top)
        return
    seen.add((about.st_dev, about.st_ino))
    entries = sorted(os.scandir(top), key=lambda entry: entry.name)
    if not entries:
        faults.count("empty folders", top)
    for entry in entries:
        if entry.name.startswith("."):
            faults.count("files not read", "hidden")
        elif entry.is_dir() and entry.is_symlink():
            (later if again is None else again).append(entry.path)
        elif entry.is_dir():
            yield from _files(entry.path, seen, later, faults, again)
        elif entry.is_file():
            yield entry.path
        else:
            faults.count("pipes, devices and links that lead nowhere", entry.path)


def tell_media(path: Path | str, faults: Faults) -> bool:
    """Count a file of sound or video that is not decoded here; whether it is one."""
    ending = os.path.splitext(path)[1].lower()  # noqa: PTH122 - names of a tar's members, too
    if ending in MEDIA_ENDINGS:
        faults.count("sound or video not read, to be converted to wav or flac", ending)
    return ending in MEDIA_ENDINGS


def tell_unread(paths: Iterable[Path | str], read: Collection[Path], faults: Faults) -> None:
    """Count the files that are not ``read``, by their endings."""
    for path in paths:
        if path not in read and not tell_media(path, faults):
            faults.count("files not read", os.path.splitext(path)[1].lower() or "no ending")  # noqa: PTH122
