"""Folders of audio with alignments, as aligners (MFA and others) and annotators leave them.

- Audio: every ``.wav``, ``.flac``, ``.mp3`` and ``.ogg`` in the folder and below, in tars too; channels are
  averaged. An utterance's id is the file's name without its ending; where folders repeat names, its path.
- Alignments: see `lamina.corpus.intervals`. A file for one utterance has its name and lies beside the audio, else
  anywhere in the folder; TextGrids go before label files, these before CTM, CSV and RTTM. Where names repeat, it
  lies in a folder of the same name; see `lamina.corpus.matching`.
- Several people: tiers that name their speakers (``ann - words``, ``bob - words``) make an utterance of each one's
  every stretch of speech, see `lamina.corpus.voices`; an RTTM makes tiers ``speaker:1``, ``speaker:2``, ….
- Speaker, split, text, labels: from ``manifest.tsv`` or ``manifest.csv``, see `lamina.corpus.listing`. Without a
  column ``split``, folders named train, dev and test are splits. Without a speaker, the folders that hold the
  audio are the speakers (splits and folders that all audio lies in left aside); where there is one, the name up to
  its first - or _.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lamina.corpus.accounts import Account
from lamina.corpus.corpus import Segment, Utterance
from lamina.corpus.faults import Faults, commonest
from lamina.corpus.listing import Listed, read_listing, split_named
from lamina.corpus.matching import Alignment, Alignments
from lamina.corpus.naming import Names
from lamina.corpus.segments import segments
from lamina.corpus.stored import SAMPLE_RATE, AudioFile, StoredCorpus, audio_file, rescale
from lamina.corpus.tars import Place, tar_members
from lamina.corpus.trees import AUDIO_ENDINGS, tell_unread, walk
from lamina.corpus.voices import Turn, by_turns, speakers_of, tiers_of_voices, voice_tiers
from lamina.corpus.xlabel import ENDS
from lamina.errors import LaminaError


@dataclass(frozen=True)
class _Audio:
    """A file of audio: its name from the top folder, and where it lies, in a tar too."""

    told: Path
    path: Path
    member: Place | None = None


def open_audio_folder(
    folder: Path, tiers: Sequence[str] = (), faults: Faults | None = None, *, stamps: str = ENDS
) -> StoredCorpus:
    """Open a folder of audio files with alignments; utterances in order of their ids.

    Args:
        folder: searched with all its folders.
        tiers: what every alignment must have; audio without any alignment is left out then, and a note says so.
        faults: where faults are told; the first is raised where None.
        stamps: see `lamina.corpus.xlabel`.

    Raises:
        LaminaError: no audio, a file that does not decode or parse, a tier that is missing or does not fit.
    """
    notes: list[str] = []
    faults = faults or Faults(keep=False)
    items = list(folder_items(folder, tiers, faults, notes, stamps=stamps))
    return StoredCorpus(folder.resolve().name, lambda: items, notes, faults, Account())


def folder_items(
    folder: Path,
    tiers: Sequence[str],
    faults: Faults,
    notes: list[str],
    *,
    stamps: str = ENDS,
    asked: Mapping[str, str] | None = None,
    turns: bool | None = None,
    elsewhere: Path | None = None,
) -> Iterator[tuple[Utterance, AudioFile]]:
    """The utterances of a folder, one at a time.

    Args:
        folder: see `open_audio_folder`.
        tiers: see there.
        faults: where faults are told.
        notes: filled with what a reader should know when all are told.
        stamps: see `lamina.corpus.xlabel`.
        asked: see `lamina.corpus.matching.Alignments`.
        turns: whether a recording of several people becomes an utterance a stretch of one of them; where None, if
            its tiers tell who says what.
        elsewhere: a folder of more alignments.
    """
    read = _Folder(folder, faults, notes, stamps, asked, elsewhere)
    if tiers and not read.known:
        raise LaminaError(_unaligned(folder, tiers, bool(read.aligned)))
    people = Counter[str]()
    for identity, audio in sorted(read.named.items()):
        if tiers and identity not in read.known:
            continue
        before = faults.added
        with faults.catching():
            utterance, place, voices = read.utterance(identity, audio, tiers)
            if faults.added > before:
                continue  # an utterance with a broken tier is not whole
            if turns or (turns is None and voices):
                people.update(speakers_of(utterance))
                yield from by_turns(utterance, place, faults)
            else:
                yield utterance, place
    for name in (name for name, count in people.items() if count > 1):
        faults.count("speakers of several recordings, taken for one person", name, people[name])
    without = f"{len(read.named) - len(read.known)} of {len(read.named)} audio files have no alignment"
    if read.known and len(read.known) < len(read.named):
        notes.append(f"{without} and are left out" if tiers else without)
    if read.several:
        notes.append(f"{read.several} of {len(read.named)} files have several channels: averaged when read")


class _Folder:
    """What a folder holds: audio by id, alignments, and what its manifest and folders say."""

    def __init__(
        self,
        folder: Path,
        faults: Faults,
        notes: list[str],
        stamps: str,
        asked: Mapping[str, str] | None,
        elsewhere: Path | None,
    ) -> None:
        self._faults = faults
        self.several = 0  # files of several channels
        paths = walk(folder, faults)
        self.named = _identities(paths, folder, faults)
        if not self.named:
            tell_unread(paths, set(), faults)
            raise LaminaError(
                f"{folder} is no corpus: it holds no corpus.json, no CutSet (cuts.jsonl.gz) and no audio "
                f"({', '.join(sorted(AUDIO_ENDINGS))}){''.join('; ' + line for line in faults.counts())}"
            )
        names = Names(
            {identity: audio.told.parent.parts for identity, audio in self.named.items()},
            {identity: audio.told.stem for identity, audio in self.named.items()},
        )
        places = {path: path.relative_to(folder) for path in paths}
        if elsewhere is not None:
            if not elsewhere.is_dir():
                raise LaminaError(f"there is no folder of alignments {elsewhere}: check --alignments")
            places |= {path: path.relative_to(elsewhere) for path in walk(elsewhere, faults)}
        self.aligned = Alignments(places, faults, stamps, asked)
        self.known = self.aligned.match(names)
        manifest, self._listed = read_listing(folder, names, faults)
        self._splits, self._speakers = _told_by_folders(names, self._listed, notes)
        read = {audio.path for audio in self.named.values()} | self.aligned.read
        tell_unread(places, read | ({manifest} if manifest is not None else set()), faults)
        self._stress = not self.aligned.toned()
        if not self._stress:
            notes.append("digits of phones are tones, for some are 3 and more: they stay")

    def utterance(self, identity: str, audio: _Audio, wanted: Sequence[str]) -> tuple[Utterance, AudioFile, bool]:
        """An utterance, its audio, and whether its tiers tell who of several people says what."""
        place, channels = audio_file(audio.path, audio.member)
        samples = rescale(place.samples, place.rate, SAMPLE_RATE)
        told = self.aligned.of(identity, samples / SAMPLE_RATE, place.rate)
        made = _tiers(told, samples, wanted, self._faults, stress=self._stress)
        row = self._listed.get(identity, Listed())
        text = row.text or " ".join(segment.label for segment in made.get("word", ()))
        self.several += channels > 1
        utterance = Utterance(
            identity, self._speakers[identity], self._splits[identity], samples, text, made, row.labels
        )
        return utterance, place, bool(told.voices)


def _tiers(
    found: Alignment, samples: int, wanted: Sequence[str], faults: Faults, *, stress: bool
) -> dict[str, tuple[Segment, ...]]:
    for tier in wanted:
        if not all(tier in tiers for tiers in found.voices.values() or [found.tiers]):
            faults.add(
                f"{found.where} has no {tier!r} tier, only {sorted(found.tiers) or 'none'}: ask for other tiers, "
                "or align again"
            )
    made = {
        name: segments(name, tier, SAMPLE_RATE, samples, f"{found.where}, tier {name!r}", faults, stress=stress)
        for name, tier in found.tiers.items()
    }
    if found.voices:
        made |= tiers_of_voices(found.voices, samples, found.where, faults, stress=stress)
    elif found.turns:
        turns: list[Turn] = [(name, (start, end), {}) for name, start, end in found.turns]
        made |= voice_tiers(turns, samples, f"{found.where}, RTTM", faults, inside=True)
    return made


def _unaligned(folder: Path, tiers: Sequence[str], some: bool) -> str:
    if some:
        return f"no alignment in {folder} has the name of an audio file there: rename them alike"
    return (
        f"{folder} holds no alignment (TextGrid, CTM, …), but the tiers {', '.join(tiers)} are asked for: put the "
        "alignments beside the audio, each under the name of its audio file, or ask for mel alone (--targets mel)"
    )


def unwritable(text: str) -> bool:
    """Whether a name has bytes that are not UTF-8, which no manifest can hold."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _identities(paths: Sequence[Path], folder: Path, faults: Faults) -> dict[str, _Audio]:
    """Audio files, and where they lie in a tar, by utterance id."""
    found: list[_Audio] = []
    for path in paths:
        if path.suffix.lower() in AUDIO_ENDINGS:
            found.append(_Audio(path.relative_to(folder), path))
        elif path.suffix.lower() == ".tar":
            members = tar_members(path, faults)
            inside = {name for name in members if Path(name).suffix.lower() in AUDIO_ENDINGS}
            found += [_Audio(Path(name), path, members[name]) for name in members if name in inside]
            tell_unread(members.keys() - inside, (), faults)
    stems: dict[str, list[Path]] = {}
    for audio in found:
        stems.setdefault(audio.told.stem, []).append(audio.told)
    repeated = {stem: every for stem, every in stems.items() if len(every) > 1}
    for stem, every in repeated.items():
        faults.count("audio files that share their names, so that ids are paths", stem, len(every))
        faults.remark(f"the name {stem!r} is that of {len(every)} files ({every[0]}, {every[1]}): ids are paths")
    named: dict[str, _Audio] = {}
    for audio in found:
        identity = audio.told.with_suffix("").as_posix() if repeated else audio.told.stem
        if unwritable(identity):
            faults.add(f"{str(audio.path)!a}: the name is not UTF-8: rename the file")
        elif identity in named:
            faults.add(
                f"two audio files have the id {identity!r}: {named[identity].path} and {audio.path}; keep one of "
                "them"
            )
        else:
            named[identity] = audio
    return named


def _told_by_folders(
    names: Names, listed: Mapping[str, Listed], notes: list[str]
) -> tuple[dict[str, str], dict[str, str]]:
    """The split and the speaker of each utterance: from the manifest, else from folders, else from names."""
    split_of = _split_folders(names.folders.values())
    splits = {identity: listed[identity].split if identity in listed else "" for identity in names.folders}
    rest: dict[str, tuple[str, ...]] = {}  # the folders that are no splits
    found: dict[str, str] = {}
    for identity, folders in names.folders.items():
        at = next((depth for depth in range(len(folders)) if folders[: depth + 1] in split_of), None)
        rest[identity] = folders if at is None else folders[:at] + folders[at + 1 :]
        found[identity] = "" if at is None else split_of[folders[: at + 1]]
    if split_of and not any(splits.values()):
        told = Counter("/".join(folders) for folders in sorted(split_of))
        notes.append(f"splits from the folders {commonest(told)}")
        splits = found
    if any(row.speaker for row in listed.values()):
        notes.append("speakers from the manifest")
        return splits, {
            identity: listed[identity].speaker if identity in listed else "" for identity in names.folders
        }
    common = set.intersection(*map(set, rest.values()))
    holders = {identity: "/".join(n for n in folders if n not in common) for identity, folders in rest.items()}
    if any(holders.values()):
        notes.append("speakers from the folders that hold the audio")
        return splits, holders
    notes.append("speakers from the file names, up to the first - or _")
    return splits, {identity: re.split(r"[-_]", Path(identity).name, maxsplit=1)[0] for identity in names.folders}


def _split_folders(every: Iterable[tuple[str, ...]]) -> dict[tuple[str, ...], str]:
    """The folders, from the top, whose names are splits: all of some neighbours, train among them, or two splits.

    A single ``dev`` or ``val`` among other names is a person; so is one below a folder that is a split.
    """
    beside: dict[tuple[str, ...], set[str]] = {}
    for folders in every:
        for depth, name in enumerate(folders):
            beside.setdefault(folders[:depth], set()).add(name)
    found: dict[tuple[str, ...], str] = {}
    for above, names in sorted(beside.items()):
        splits = {name: split for name in names if (split := split_named(name))}
        whole = len(splits) == len(names) or "train" in splits.values() or len(set(splits.values())) > 1
        if splits and whole and not any(above[:depth] in found for depth in range(1, len(above) + 1)):
            found |= {(*above, name): split for name, split in splits.items()}
    return found
