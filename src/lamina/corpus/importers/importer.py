"""What an importer is, and what it finds: utterances as a corpus's own files tell them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lamina.corpus.corpus import Segment
from lamina.corpus.faults import Faults
from lamina.corpus.intervals import LABEL_ENDINGS, Tiers
from lamina.corpus.matching import Alignments
from lamina.corpus.stored import AudioFile
from lamina.corpus.texts import read_table
from lamina.corpus.trees import tell_unread, walk
from lamina.corpus.trials import Trial
from lamina.corpus.xlabel import ENDS
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
        stamps: what an xlabel time is, where the corpus does not say (`lamina.corpus.xlabel`).
        root: a path's beginning on another machine, and what it is here.
        columns: what columns of a dataset are called that have no usual name: ``audio``, ``text``, ``speaker``.
        tiers: which tiers of a folder's alignments to read, and what they are called here; all where empty.
        turns: whether a recording of several people becomes an utterance a stretch of one of them.
        given, notes, trials: filled by the importer.
    """

    path: Path
    layout: str
    faults: Faults
    alignments: Path | None = None
    stamps: str = ENDS
    root: tuple[str, str] | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    tiers: Mapping[str, str] = field(default_factory=dict)
    turns: bool | None = None
    given: AlignmentFolder | None = None
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
        if self.alignments is not None:
            self.given = AlignmentFolder(self.alignments, self.faults)
        return self.given


class AlignmentFolder:
    """A tree of TextGrids (published ones, or an aligner's output), CTMs or words' ends, found by utterance id.

    Raises:
        LaminaError: the folder is missing or holds no alignment.
    """

    def __init__(self, folder: Path, faults: Faults) -> None:
        if not folder.is_dir():
            raise LaminaError(f"there is no folder of alignments {folder}: check --alignments")
        self.folder, self._faults = folder, faults
        paths = walk(folder, faults)
        # Label files need the audio's length, which is not known here.
        whole = {path: path.relative_to(folder) for path in paths if path.suffix.lower() not in LABEL_ENDINGS}
        self._found = Alignments(whole, faults)
        tell_unread(paths, self._found.read, faults)
        if not self._found:
            raise LaminaError(
                f"{folder} holds no alignment: expected TextGrids (.TextGrid), .ctm or .alignment.txt"
            )

    def of(self, identity: str) -> Tiers | None:
        """The tiers of an utterance; a missing or broken file is told as a fault."""
        try:
            found = self._found.find(identity)
        except LaminaError as error:
            self._faults.add(str(error))
            return None
        if found is None:
            self._faults.add(
                f"{identity} has no alignment in {self.folder}: the alignments are of another part or version, or "
                "half-copied"
            )
            return None
        if found.voices:
            self._faults.add(
                f"{found.where} has tiers of several speakers: import the folder (folder), not {identity}"
            )
            return None
        return found.tiers

    def tell_unused(self) -> None:
        """Count the alignments that no utterance had asked for."""
        self._found.tell_unused()


def rows(source: ImportSource, path: Path, *needed: str, used: Collection[str] = ()) -> Iterator[dict[str, str]]:
    """The rows of a table with a header; columns that are neither needed nor used are counted.

    Raises:
        LaminaError: it cannot be read, or lacks a column that is needed.
    """
    table = read_table(path)
    if not set(needed) <= set(table.columns):
        raise source.wrong(f"{', '.join(needed)} in {path.name}")
    for name in table.columns:
        if name not in needed and name not in used:
            source.faults.count(f"columns of {path.name} not read", name or "(no name)")
    yield from table.rows(source.faults)


def told(**labels: str) -> dict[str, str]:
    """Labels without the empty ones."""
    return {name: value for name, value in labels.items() if value}


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
        options: what it reads of a source besides its path; where something else is given, that is an error.
    """

    kind: str
    title: str
    layout: str
    size: str
    licence: str
    source: str
    gives: str
    read: Reader
    options: tuple[str, ...] = ()
