"""The alignment files of a tree, and whose they are: by their names, and by their folders where names repeat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lamina.corpus import intervals as files
from lamina.corpus.faults import Faults
from lamina.corpus.intervals import LABEL_ENDINGS, Tiers
from lamina.corpus.labels import maybe_toned, tier_name, tier_of, toned
from lamina.corpus.naming import Names, nearness, parted
from lamina.corpus.segments import Interval
from lamina.corpus.texts import read_text
from lamina.corpus.xlabel import ENDS
from lamina.errors import LaminaError

GRID, LABELS, TABLE, TURNS = "TextGrid", "label file", "table", "RTTM"
_ORDER = (GRID, LABELS, TABLE)  # of the files that an utterance may have, the first kind is read


@dataclass(frozen=True)
class _Named:
    """What one file has of one name: all of it (TextGrid, label file), or some rows of a table."""

    kind: str
    path: Path
    folders: tuple[str, ...]  # of the name, from the top
    tiers: Tiers | None = None
    turns: tuple[Interval, ...] = ()

    @property
    def part(self) -> str:
        """What it is a part of, so that two of one part contradict each other."""
        return files.lab_tier(self.path) if self.kind == LABELS else ""


@dataclass(frozen=True)
class Alignment:
    """What the files say of one utterance: where, intervals (seconds) by tier, also by speaker, and turns."""

    where: str
    tiers: Tiers
    voices: dict[str, Tiers]
    turns: tuple[Interval, ...]


class Alignments:
    """Reads the tables of some files, and a TextGrid or label file when its utterance is asked for.

    Args:
        paths: files, and their places below a top folder; those that are no alignments are left aside.
        faults: where faults are told, and what was counted.
        stamps: see `lamina.corpus.xlabel`.
        asked: the tiers to read, all where empty: names as the files have them, and what they are called here.

    Attributes:
        read: the files that are alignments.
    """

    def __init__(
        self,
        paths: Mapping[Path, Path],
        faults: Faults,
        stamps: str = ENDS,
        asked: Mapping[str, str] | None = None,
    ) -> None:
        self._faults, self._stamps = faults, stamps
        self._asked = {name.strip().casefold(): tier_name(role) for name, role in (asked or {}).items()}
        self._named: dict[str, list[_Named]] = {}
        self._of: dict[str, list[_Named]] = {}
        self.read: set[Path] = set()
        for path, told in paths.items():
            with faults.catching():
                self._take(path, told)

    def __bool__(self) -> bool:
        return bool(self._named)

    def _take(self, path: Path, told: Path) -> None:
        ending = path.suffix.lower()
        beside = told.parent.parts
        if ending == ".textgrid" or ending in LABEL_ENDINGS:
            named = _Named(GRID if ending == ".textgrid" else LABELS, path, beside)
            self._named.setdefault(path.stem, []).append(named)
        elif ending == ".rttm":
            for key, turns in files.rttm(path, self._faults).items():
                self._add(key, beside, _Named(TURNS, path, (), turns=tuple(turns)))
        elif tables := self._tables(path, ending):
            for key, tiers in tables.items():
                self._add(key, beside, _Named(TABLE, path, (), tiers))
        else:
            return
        self.read.add(path)

    def _tables(self, path: Path, ending: str) -> dict[str, Tiers] | None:
        if ending == ".ctm":
            return files.ctm(path, self._faults)
        if path.name.endswith(".alignment.txt"):
            return files.word_ends(path)
        if ending in {".csv", ".tsv"} and path.stem != "manifest":
            return files.table(path, self._faults)
        return None

    def _add(self, key: str, beside: tuple[str, ...], named: _Named) -> None:
        """A row's name may be a path, with the ending of the audio; else it is of the table's folder."""
        folders, stem = parted(key)
        placed = _Named(named.kind, named.path, folders or beside, named.tiers, named.turns)
        self._named.setdefault(stem, []).append(placed)

    def match(self, names: Names) -> set[str]:
        """Give each alignment to the audio of its name; returns the ids that have one."""
        for stem, every in self._named.items():
            for named in every:
                where = named.path.name if named.path.stem == stem else f"{stem} in {named.path.name}"
                owners = names.find(named.folders, stem)
                if owners is None:
                    self._faults.count("alignments not taken, for they lie in a folder of other audio", where)
                elif not owners:
                    self._faults.count("alignments of no audio here", where)
                elif len(owners) > 1:
                    self._faults.add(
                        f"{named.path}: {stem!r} may be {owners[0]} or {owners[1]}: where names repeat, put the "
                        "alignment into a folder of the audio's folder's name, or name the audio by its path"
                    )
                else:
                    self._of.setdefault(owners[0], []).append(named)
        for identity in self._of:
            with self._faults.catching():
                self._of[identity] = self._chosen(identity, self._of[identity], names.folders[identity])
        return set(self._of)

    def _chosen(self, identity: str, every: list[_Named], folders: Sequence[str] | None) -> list[_Named]:
        """The alignments of an utterance that are read: the first kind there is, the nearest; and turns."""
        turns = [named for named in every if named.kind == TURNS]
        kind = next((kind for kind in _ORDER if any(named.kind == kind for named in every)), "")
        chosen: list[_Named] = []
        for part in dict.fromkeys(named.part for named in every if named.kind == kind):
            mine = [named for named in every if named.kind == kind and named.part == part]
            near = [1 if folders is None else nearness(named.folders, folders) for named in mine]
            best = [named for named, how in zip(mine, near, strict=True) if kind == TABLE or how == max(near)]
            if kind != TABLE and len(best) > 1:
                raise LaminaError(
                    f"{identity} has {len(best)} {kind}s: {best[0].path} and {best[1].path}; keep one of them"
                )
            if folders is not None and not max(near):
                what = "alignments in folders of another name than the audio's"
                self._faults.count(what, f"{'/'.join(best[0].folders)} for {'/'.join(folders)}")
            chosen += best
        for named in every:
            if named not in chosen and named not in turns:
                what = "alignments not read, for a TextGrid or a nearer file is there"
                self._faults.count(what, named.path.suffix)
        return [*chosen, *turns]

    def toned(self) -> bool:
        """Whether the digits of phones are tones (see `lamina.corpus.labels.toned`) in any of the files."""
        aside = Faults(keep=True)  # what is wrong is told when the utterance is read
        for named in (named for every in self._of.values() for named in every):
            labels: list[str] = []
            with aside.catching():
                if named.kind == TABLE or (named.kind == GRID and maybe_toned(read_text(named.path))):
                    found = named.tiers if named.kind == TABLE else files.textgrid(named.path, aside)
                    phones = [tier for name, tier in (found or {}).items() if self._called(name)[1] == "phone"]
                    labels = [label for tier in phones for label, _, _ in tier]
                elif named.kind == LABELS and named.part == "phone":
                    labels = read_text(named.path).split()
            if toned(labels):
                return True
        return False

    def find(self, identity: str) -> Alignment | None:
        """The alignment under the name of an utterance whose folders say nothing; None where there is none.

        Raises:
            LaminaError: two files have its name, or one does not read.
        """
        named = self._named.get(identity)
        if named is None:
            return None
        self._of[identity] = self._chosen(identity, named, None)
        return self.of(identity, 0.0, 1)

    def tell_unused(self) -> None:
        """Count the alignments that `find` was not asked for."""
        for stem in self._named.keys() - self._of.keys():
            self._faults.count("alignments of no utterance here", stem)

    def of(self, identity: str, seconds: float, rate: int) -> Alignment:
        """What the files say of an utterance that `match` found; ``seconds`` and ``rate`` are the audio's."""
        named = self._of.get(identity, [])
        where = ", ".join(str(one.path) for one in named) or identity
        voices: dict[str, Tiers] = {}
        for one in named:
            for told, intervals in self._read(one, seconds, rate).items():
                speaker, tier = self._called(told)
                if not tier:
                    self._faults.count("tiers not read, for others are asked for", repr(told))
                elif tier in voices.setdefault(speaker, {}):
                    raise LaminaError(_twice(where, identity, tier))
                else:
                    voices[speaker][tier] = intervals
        tiers = voices.pop("", {})
        if len(voices) == 1:  # one speaker's name says nothing of the tiers
            (alone,) = voices.values()
            if twice := sorted(tiers.keys() & alone.keys()):
                raise LaminaError(_twice(where, identity, twice[0]))
            tiers, voices = {**tiers, **alone}, {}
        return Alignment(where, tiers, voices, tuple(turn for one in named for turn in one.turns))

    def _read(self, one: _Named, seconds: float, rate: int) -> Tiers:
        if one.kind == GRID:
            return files.textgrid(one.path, self._faults)
        if one.kind == LABELS:
            read = files.lab(one.path, seconds, rate, self._faults, stamps=self._stamps)
            return {files.lab_tier(one.path): read}
        return one.tiers or {}

    def _called(self, told: str) -> tuple[str, str]:
        """Whose a file's tier is, and what it is called here; empty where other tiers are asked for."""
        speaker, tier = tier_of(told)
        if not self._asked:
            return speaker, tier
        bare = told.strip().casefold()
        asked = (role for name, role in self._asked.items() if name == bare or tier_name(name) == tier)
        return speaker, next(asked, "")


def _twice(where: str, identity: str, tier: str) -> str:
    return (
        f"{where} has two {tier!r} tiers of {identity}: keep one, ask for one (--tier {tier}=NAME), or name the "
        f"speakers (ann - {tier})"
    )
