"""What an importer is, and what it finds: utterances as a corpus's own files tell them."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lamina.corpus.corpus import Segment
from lamina.corpus.faults import Faults
from lamina.corpus.intervals import ENDS, Tiers, ctm, read_text, textgrid
from lamina.corpus.stored import AudioFile
from lamina.corpus.trials import Trial
from lamina.errors import LaminaError


@dataclass(frozen=True)
class FoundUtterance:
    """One utterance as an importer finds it.

    Attributes:
        id, speaker, split, text, labels: see `lamina.corpus.corpus.Utterance`.
        audio: its file; or the encoded bytes of one; or audio that is already known to be whole.
        tiers: intervals in seconds by tier name, from the start of the utterance.
        stretch: first and last sample, exclusive, at the file's own rate; the whole file where None.
        turns: who speaks from when to when, where several do: name, start, end (seconds).
        segments: tiers that are segments already.
    """

    id: str
    audio: Path | bytes | AudioFile
    speaker: str
    split: str = ""
    text: str = ""
    tiers: Tiers = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    stretch: tuple[int, int] | None = None
    turns: tuple[tuple[str, float, float], ...] = ()
    segments: Mapping[str, tuple[Segment, ...]] | None = None


@dataclass
class ImportSource:
    """What an importer reads from and where it tells what it found.

    Attributes:
        path: the corpus's folder (or file).
        layout: what the importer expects there, for errors.
        faults: where faults of single utterances are told.
        alignments: a folder of alignments from elsewhere.
        stamps: what an xlabel time is, where the corpus does not say (`lamina.corpus.intervals.lab`).
        root: a path's beginning on another machine, and what it is here.
        notes, trials: filled by the importer.
    """

    path: Path
    layout: str
    faults: Faults
    alignments: Path | None = None
    stamps: str = ENDS
    root: tuple[str, str] | None = None
    notes: list[str] = field(default_factory=list)
    trials: list[Trial] = field(default_factory=list)

    def wrong(self, missing: str) -> LaminaError:
        """The error of a folder that is not this corpus: what was found and what was expected."""
        there = sorted(path.name for path in self.path.iterdir()) if self.path.is_dir() else [self.path.name]
        some = ", ".join(there[:8]) + (f" and {len(there) - 8} more" if len(there) > 8 else "")
        return LaminaError(
            f"{self.path} has no {missing}; found: {some or 'nothing'}; expected: {self.layout}; give the folder "
            "that holds these, or finish the download"
        )

    def base(self, *names: str) -> Path:
        """The folder that holds all of ``names``: the source itself or a folder one or two levels below.

        Raises:
            LaminaError: none does.
        """
        for pattern in ("", "*/", "*/*/"):
            for first in sorted(self.path.glob(pattern + names[0])):
                base = first
                for _ in Path(names[0]).parts:
                    base = base.parent
                if all((base / name).exists() for name in names):
                    return base
        raise self.wrong(" and ".join(names))

    def aligned(self) -> AlignmentFolder | None:
        """The alignments given beside the corpus, if any."""
        return AlignmentFolder(self.alignments, self.faults) if self.alignments is not None else None


class AlignmentFolder:
    """A tree of TextGrids (published ones, or an aligner's output), or CTMs, found by utterance id.

    Raises:
        LaminaError: the folder is missing or holds no alignment.
    """

    def __init__(self, folder: Path, faults: Faults) -> None:
        if not folder.is_dir():
            raise LaminaError(f"there is no folder of alignments {folder}: check --alignments")
        self.folder, self._faults = folder, faults
        self._grids: dict[str, str] = {}
        self._tables: dict[str, Tiers] = {}
        for place, _, names in os.walk(folder):
            for name in sorted(names):
                stem, ending = os.path.splitext(name)  # noqa: PTH122 - of a name; a Path for each of 300,000 is slow
                path = os.path.join(place, name)  # noqa: PTH118
                if ending.lower() == ".textgrid":
                    if stem in self._grids:
                        faults.add(f"{folder} has two TextGrids {name}: {self._grids[stem]} and {path}; keep one")
                    self._grids[stem] = path
                elif ending.lower() == ".ctm":
                    for utterance, tiers in ctm(Path(path)).items():
                        self._tables.setdefault(utterance, {}).update(tiers)
                elif name.endswith(".alignment.txt"):
                    self._tables |= _timestamps(Path(path))
        if not self._grids and not self._tables:
            raise LaminaError(
                f"{folder} holds no alignment: expected TextGrids (.TextGrid), .ctm or .alignment.txt"
            )

    def of(self, identity: str) -> Tiers | None:
        """The tiers of an utterance; a missing or broken file is told as a fault."""
        if identity in self._grids:
            try:
                return textgrid(Path(self._grids[identity]))
            except LaminaError as error:
                self._faults.add(str(error))
                return None
        if identity in self._tables:
            return self._tables[identity]
        self._faults.add(
            f"{identity} has no alignment in {self.folder}: the alignments are of another part or version, or "
            "half-copied"
        )
        return None


def _timestamps(path: Path) -> dict[str, Tiers]:
    """``id "A,B,,C" "0.5,0.9,1.0,1.4"``: words, an empty one for silence, and their ends (LibriSpeech)."""
    found: dict[str, Tiers] = {}
    for line in read_text(path).splitlines():
        try:
            identity, words, ends = line.replace('"', "").split()
            times = [0.0, *map(float, ends.split(","))]
        except ValueError as error:
            raise LaminaError(
                f"{path}, {line[:60]!r}: expected an id, words and their ends: half-copied"
            ) from error
        found[identity] = {"word": list(zip(words.split(","), times, times[1:], strict=False))}
    return found


def rows(path: Path, delimiter: str = ",") -> Iterator[dict[str, str]]:
    """The rows of a table with a header; the quotes of a TSV are text.

    Raises:
        LaminaError: it cannot be read.
    """
    lines = read_text(path).splitlines()
    plain = csv.DictReader(lines, delimiter=delimiter, quoting=csv.QUOTE_NONE)
    for row in plain if delimiter == "\t" else csv.DictReader(lines, delimiter=delimiter):
        yield {str(key): value or "" for key, value in row.items() if isinstance(value, str)}


def told(**labels: str) -> dict[str, str]:
    """Labels without the empty ones."""
    return {name: value for name, value in labels.items() if value}


def ids(paths: Iterable[Path]) -> dict[str, Path]:
    """Files by their name without its ending."""
    return {path.stem: path for path in paths}


Reader = Callable[[ImportSource], Iterator[FoundUtterance]]


@dataclass(frozen=True)
class Importer:
    """One kind of corpus.

    Attributes:
        kind: its name on the command line.
        title: the corpus.
        layout: what must be in its folder.
        size: hours and bytes.
        licence: under which terms.
        source: where it comes from.
        gives: tiers, labels and splits that the import has.
        read: finds the utterances.
    """

    kind: str
    title: str
    layout: str
    size: str
    licence: str
    source: str
    gives: str
    read: Reader
