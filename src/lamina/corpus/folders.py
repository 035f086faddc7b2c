"""Folders of audio with alignments, as aligners (MFA and others) and annotators leave them.

- Audio: every ``.wav``, ``.flac``, ``.mp3`` and ``.ogg`` in the folder and below, in tars too; channels are
  averaged. An utterance's id is the file's name without its ending; where folders repeat names, its path.
- Alignments: see `lamina.corpus.intervals`. A file for one utterance has its name and lies beside the audio, else
  anywhere in the folder; TextGrids go before ``.lab``, these before CTM, CSV and RTTM.
- Speaker, split, text, labels: from ``manifest.tsv`` or ``manifest.csv`` there (columns ``utt`` or ``path``,
  ``speaker``, ``split``, ``text``; all but the first may be missing; all others are labels). Without it the
  speaker is the folder that holds the audio; where all audio lies in one folder, the id up to its first - or _.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from lamina.corpus import intervals as files
from lamina.corpus.corpus import Segment, Utterance
from lamina.corpus.faults import Faults
from lamina.corpus.segments import segments
from lamina.corpus.stored import SAMPLE_RATE, AudioFile, StoredCorpus, audio_file, rescale
from lamina.corpus.tars import tar_members
from lamina.corpus.voices import Turn, voice_tiers
from lamina.errors import LaminaError

AUDIO_ENDINGS = frozenset({".wav", ".flac", ".mp3", ".ogg"})
SPLITS = {
    "": "", "train": "train", "training": "train", "dev": "dev", "valid": "dev", "validation": "dev", "val": "dev",
    "test": "test", "eval": "test",
}  # fmt: skip
# Columns of a manifest that are no labels: what has a place of its own, or is told by the files themselves.
_NO_LABELS = frozenset({"utt", "path", "speaker", "split", "text", "duration", "sample_rate", "textgrid"})


def open_audio_folder(
    folder: Path, tiers: Sequence[str] = (), faults: Faults | None = None, *, stamps: str = files.ENDS
) -> StoredCorpus:
    """Open a folder of audio files with alignments; utterances in order of their ids.

    Args:
        folder: searched with all its folders.
        tiers: what every alignment must have; audio without any alignment is left out then, and a note says so.
        faults: where faults are told; the first is raised where None.
        stamps: see `lamina.corpus.intervals.lab`.

    Raises:
        LaminaError: no audio, a file that does not decode or parse, a tier that is missing or does not fit.
    """
    notes: list[str] = []
    items = list(folder_items(folder, tiers, faults or Faults(keep=False), notes, stamps=stamps))
    return StoredCorpus(folder.resolve().name, lambda: items, notes, faults)


def folder_items(
    folder: Path, tiers: Sequence[str], faults: Faults, notes: list[str], *, stamps: str = files.ENDS
) -> Iterator[tuple[Utterance, AudioFile]]:
    """The utterances of a folder, one at a time; ``notes`` has what a reader should know when all are told."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and not _hidden(path, folder))
    named = _identities(paths, folder, faults)
    if not named:
        raise LaminaError(
            f"{folder} is no corpus: it holds no corpus.json, no CutSet (cuts.jsonl.gz) and no audio "
            f"({', '.join(sorted(AUDIO_ENDINGS))})"
        )
    aligned = _Alignments(named, paths, folder, tiers, faults, stamps)
    about = _about(folder, faults)
    rule, speakers = _speakers(named, about, folder)
    notes.append(rule)
    if faults.remarks:
        _unmatched(about, named, folder, faults)
    channels, left_out, found = Counter[int](), 0, 0
    for identity, (path, member) in sorted(named.items()):
        if tiers and identity not in aligned.known:
            left_out += 1
            continue
        with faults.catching():
            audio, count = audio_file(path, member)
            samples = rescale(audio.samples, audio.rate, SAMPLE_RATE)
            row = _row(about, identity, path, folder)
            made = aligned.tiers(identity, samples)
            utterance = Utterance(
                id=identity,
                speaker=speakers[identity],
                split=_split(row, folder),
                samples=samples,
                text=row.get("text") or " ".join(segment.label for segment in made.get("word", ())),
                tiers=made,
                labels={key: value for key, value in row.items() if value and key not in _NO_LABELS},
            )
            channels[count] += 1
            found += 1
            yield utterance, audio
    if left_out:
        notes.append(f"{left_out} of {len(named)} audio files have no alignment and are left out")
    if several := sum(number for count, number in channels.items() if count > 1):
        notes.append(f"{several} of {found} files have several channels: averaged when read")


class _Alignments:
    """What a folder's alignment files say of its utterances."""

    def __init__(
        self,
        named: Mapping[str, tuple[Path, tuple[int, int] | None]],
        paths: Sequence[Path],
        folder: Path,
        tiers: Sequence[str],
        faults: Faults,
        stamps: str,
    ) -> None:
        self._faults, self._wanted, self._stamps = faults, tiers, stamps
        self._grids = self._beside(named, [path for path in paths if path.suffix.lower() == ".textgrid"])
        self._labs = self._beside(named, [path for path in paths if path.suffix.lower() == ".lab"])
        self._tables: dict[str, files.Tiers] = {}
        self._turns: dict[str, list[tuple[str, float, float]]] = {}
        by_stem = {identity: Path(identity).name for identity in named}
        for path in paths:
            self._read_table(path)
        self._key = {identity: identity if identity in self._tables else by_stem[identity] for identity in named}
        self.known = {
            identity
            for identity in named
            if identity in self._grids
            or identity in self._labs
            or self._key[identity] in self._tables
            or self._key[identity] in self._turns
        }
        if tiers and not self.known:
            if any(path.suffix.lower() in {".textgrid", ".lab"} for path in paths) or self._tables:
                raise LaminaError(
                    f"no TextGrid in {folder} has the name of an audio file there: rename them alike"
                )
            raise LaminaError(
                f"{folder} holds no TextGrid, but the tiers {', '.join(tiers)} are asked for: put the alignments "
                "beside the audio, each under the name of its audio file, or ask for mel alone (--targets mel)"
            )

    def tiers(self, identity: str, samples: int) -> dict[str, tuple[Segment, ...]]:
        """The tiers of an utterance."""
        seconds = samples / SAMPLE_RATE
        key, where = self._key[identity], identity
        found: files.Tiers = {}
        if identity in self._grids:
            where = str(self._grids[identity][0])
            found = files.textgrid(self._grids[identity][0])
        elif identity in self._labs:
            where = ", ".join(map(str, self._labs[identity]))
            for path in self._labs[identity]:
                found[files.lab_tier(path)] = files.lab(path, stamps=self._stamps, seconds=seconds)
        elif key in self._tables:
            found = self._tables[key]
        for tier in self._wanted:
            if tier not in found and identity in self.known:
                self._faults.add(
                    f"{where} has no {tier!r} tier, only {sorted(found) or 'none'}: ask for other tiers, or align "
                    "again"
                )
        made = {
            name: segments(name, tier, SAMPLE_RATE, samples, f"{where}, tier {name!r}", self._faults)
            for name, tier in found.items()
        }
        if key in self._turns:
            turns: list[Turn] = [(name, (start, end), {}) for name, start, end in self._turns[key]]
            made |= voice_tiers(turns, samples, f"{identity}, RTTM", self._faults)
        return made

    def _read_table(self, path: Path) -> None:
        ending = path.suffix.lower()
        with self._faults.catching():
            if ending == ".ctm":
                _merge(self._tables, files.ctm(path))
            elif ending == ".rttm":
                for key, turns in files.rttm(path).items():
                    self._turns.setdefault(key, []).extend(turns)
            elif ending in {".csv", ".tsv"} and path.stem != "manifest":
                _merge(self._tables, files.table(path) or {})

    def _beside(
        self, named: Mapping[str, tuple[Path, tuple[int, int] | None]], paths: Iterable[Path]
    ) -> dict[str, list[Path]]:
        """The alignment files of each utterance that has some, those of one tier each."""
        by_stem: dict[str, list[Path]] = {}
        for path in paths:
            by_stem.setdefault(path.stem, []).append(path)
        found: dict[str, list[Path]] = {}
        for identity, (audio, _) in named.items():
            every = by_stem.get(Path(identity).name, [])
            for near in (
                [path for path in every if path.parent == audio.parent],
                [path for path in every if path.parent.name == audio.parent.name],
                every,
            ):
                kinds = [files.lab_tier(path) if path.suffix.lower() == ".lab" else "" for path in near]
                if near and len(set(kinds)) == len(near):
                    found[identity] = near
                    break
                if near:
                    self._faults.add(
                        f"{audio} has {len(near)} TextGrids: {near[0]} and {near[1]}; keep one of them"
                        if near[0].suffix.lower() == ".textgrid"
                        else f"{audio} has {len(near)} label files: {near[0]} and {near[1]}; keep one of them"
                    )
                    break
        return found


def _merge(into: dict[str, files.Tiers], found: Mapping[str, files.Tiers]) -> None:
    for utterance, tiers in found.items():
        for tier, intervals in tiers.items():
            into.setdefault(utterance, {}).setdefault(tier, []).extend(intervals)


def unwritable(text: str) -> bool:
    """Whether a name has bytes that are not UTF-8, which no manifest can hold."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(folder).parts)


def _identities(
    paths: Sequence[Path], folder: Path, faults: Faults
) -> dict[str, tuple[Path, tuple[int, int] | None]]:
    """Audio files, and where they lie in a tar, by utterance id."""
    found: list[tuple[Path, Path, tuple[int, int] | None]] = []  # as named from the folder, file, place in it
    for path in paths:
        if path.suffix.lower() in AUDIO_ENDINGS:
            found.append((path.relative_to(folder), path, None))
        elif path.suffix.lower() == ".tar":
            for name, inside in tar_members(path, faults).items():
                if Path(name).suffix.lower() in AUDIO_ENDINGS:
                    found.append((Path(name), path, inside))
    stems = Counter(told.stem for told, _, _ in found)
    unique = max(stems.values(), default=0) <= 1
    if not unique:
        stem = next(stem for stem, count in stems.items() if count > 1)
        both = [str(told) for told, _, _ in found if told.stem == stem]
        faults.remark(
            f"the name {stem!r} is that of {len(both)} files ({both[0]}, {both[1]}): ids are paths from the "
            "folder, and an alignment may be taken for either's"
        )
    named: dict[str, tuple[Path, tuple[int, int] | None]] = {}
    for told, path, place in found:
        identity = told.stem if unique else told.with_suffix("").as_posix()
        if unwritable(identity):
            faults.add(f"{str(path)!a}: the name is not UTF-8: rename the file")
            continue
        if identity in named:
            faults.add(
                f"two audio files have the id {identity!r}: {named[identity][0]} and {path}; keep one of them"
            )
            continue
        named[identity] = (path, place)
    return named


def _about(folder: Path, faults: Faults) -> dict[str, dict[str, str]]:
    """The rows of ``manifest.tsv`` or ``manifest.csv`` by ``utt`` and by ``path``; empty where there is none."""
    for name, delimiter in (("manifest.tsv", "\t"), ("manifest.csv", ",")):
        path = folder / name
        if not path.is_file():
            continue
        lines = files.read_text(path).splitlines()
        if delimiter == "\t":  # quotes in a TSV are text
            rows = list(csv.DictReader(lines, delimiter=delimiter, quoting=csv.QUOTE_NONE))
        else:
            rows = list(csv.DictReader(lines))
        by: dict[str, dict[str, str]] = {}
        for row in rows:
            values = {key: value or "" for key, value in row.items() if isinstance(key, str)}
            for key in ("utt", "path"):
                if values.get(key):
                    if values[key] in by:
                        faults.remark(f"{path} has two rows for {values[key]!r}: the later one is taken")
                    by[values[key]] = values
        return by
    return {}


def _unmatched(
    about: Mapping[str, dict[str, str]],
    named: Mapping[str, tuple[Path, tuple[int, int] | None]],
    folder: Path,
    faults: Faults,
) -> None:
    """Rows of the manifest whose audio is missing."""
    known = set(named) | {path.relative_to(folder).as_posix() for path, _ in named.values()}
    known |= {Path(name).name for name in named}
    for row in {id(row): row for row in about.values()}.values():
        names = [row[key] for key in ("utt", "path") if row.get(key)]
        if not any(name in known for name in names):
            faults.remark(f"the manifest names {names[0]!r}, but there is no such audio in {folder}")


def _row(about: Mapping[str, dict[str, str]], identity: str, path: Path, folder: Path) -> dict[str, str]:
    return about.get(identity) or about.get(path.relative_to(folder).as_posix()) or {}


def _split(row: Mapping[str, str], folder: Path) -> str:
    told = (row.get("split") or "").strip().casefold()
    if told not in SPLITS:
        raise LaminaError(
            f"the manifest of {folder} has the split {told!r}: use train, dev, test, or leave it empty"
        )
    return SPLITS[told]


def _speakers(
    named: Mapping[str, tuple[Path, object]], about: Mapping[str, dict[str, str]], folder: Path
) -> tuple[str, dict[str, str]]:
    """Who speaks each utterance, and the rule that told."""
    rows = {identity: _row(about, identity, path, folder) for identity, (path, _) in named.items()}
    if rows and all(row.get("speaker") for row in rows.values()):
        return "speakers from the manifest", {identity: row["speaker"] for identity, row in rows.items()}
    missing = f"; the manifest names no speaker for some of the {len(rows)} files" if about else ""
    if len({path.parent for path, _ in named.values()}) > 1:
        return f"speakers from the folders that hold the audio{missing}", {
            identity: path.parent.relative_to(folder).as_posix() for identity, (path, _) in named.items()
        }
    return f"speakers from the file names, up to the first - or _{missing}", {
        identity: re.split(r"[-_]", Path(identity).name, maxsplit=1)[0] for identity in named
    }
