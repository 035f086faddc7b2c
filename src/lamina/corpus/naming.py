"""Which audio a name in a manifest, a table or an alignment means: by folders, too, where names repeat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from lamina.corpus.trees import AUDIO_ENDINGS

BESIDE = 1_000  # how near two files of one folder are


class Names:
    """The audio of a folder by name.

    Args:
        folders: by id, the names of the folders from the top that hold the file.
        stems: by id, the file's name without its ending.
    """

    def __init__(self, folders: Mapping[str, tuple[str, ...]], stems: Mapping[str, str]) -> None:
        self.folders = folders
        self._rivals: dict[str, list[str]] = {}
        for identity, stem in stems.items():
            self._rivals.setdefault(stem, []).append(identity)
        self._all = {folder for every in folders.values() for folder in every}

    def find(self, folders: Sequence[str], stem: str) -> list[str] | None:
        """The ids that a name in some folders may mean.

        One where it is told; none where no audio has the name; several where it is several's; None where the only
        audio of the name is not meant, for one of the folders is that of other audio.
        """
        rivals = self._rivals.get(stem, [])
        if len(rivals) == 1:
            strange = set(folders) & self._all - set(self.folders[rivals[0]])
            return None if strange else rivals
        near = {identity: nearness(folders, self.folders[identity]) for identity in rivals}
        most = max(near.values(), default=0)
        return [identity for identity in rivals if near[identity] == most]


def nearness(folders: Sequence[str], others: Sequence[str]) -> int:
    """How many names of folders two files share; more than any where they lie in one folder."""
    return BESIDE if tuple(folders) == tuple(others) else len(set(folders) & set(others))


def parted(name: str) -> tuple[tuple[str, ...], str]:
    """The folders and the bare name that a name has: ``A/001.wav`` is 001 in A."""
    *folders, last = PurePosixPath(name.replace("\\", "/")).parts or (name,)
    path = PurePosixPath(last)
    return tuple(folders), path.stem if path.suffix.lower() in AUDIO_ENDINGS else last
