"""Kaldi's data folders: ``wav.scp``, and ``segments``, ``text``, ``utt2spk``, ``spk2gender``, ``utt2lang``, CTMs.

A folder of such folders (``data`` with ``train``, ``dev``, ``test``) is one corpus; a folder's name tells the
split of its utterances. Relative paths lie, as in lhotse's own import, where the command runs, else in the data
folder or in one of those above it (Kaldi's recipes run two above). Nothing is run: ``wav.scp`` with pipes is
refused.

A CTM counts from the utterance's start where its names are utterances, from the recording's where they are those.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from lamina.corpus.accounts import Account
from lamina.corpus.corpus import Utterance
from lamina.corpus.faults import Faults
from lamina.corpus.intervals import Tiers, ctm
from lamina.corpus.labels import tier_of
from lamina.corpus.listing import split_named
from lamina.corpus.segments import TOLERANCE, segments
from lamina.corpus.stored import SAMPLE_RATE, AudioFile, StoredCorpus, audio_file, rescale
from lamina.corpus.texts import fields, number, read_lines
from lamina.errors import LaminaError

SCP = "wav.scp"
ABOVE = 3  # so many folders above the data folder may be the one that paths count from
_READ = frozenset({SCP, "segments", "text", "utt2spk", "spk2utt", "spk2gender", "utt2lang"})
_GENDERS = {"m": "male", "f": "female"}
Span = tuple[str, float, float]  # a recording, from and to (seconds); to its end where that is -1


def is_kaldi(folder: Path) -> bool:
    """Whether a folder is a Kaldi data folder, or holds some."""
    return bool(_parts(folder))


def open_kaldi(folder: Path, faults: Faults | None = None) -> StoredCorpus:
    """Open a data folder, or a folder of them.

    Raises:
        LaminaError: audio is made by a command or missing, a line is broken, or a time lies outside its recording.
    """
    faults = faults or Faults(keep=False)
    items = [(u.small(), audio) for u, audio in kaldi_items(folder, faults)]
    return StoredCorpus(folder.resolve().name, lambda: items, faults=faults, account=Account())


def kaldi_items(
    folder: Path, faults: Faults, root: tuple[str, str] | None = None
) -> Iterator[tuple[Utterance, AudioFile]]:
    """The utterances of a data folder, one at a time; ``root``: a path's beginning elsewhere, and here."""
    for part in _parts(folder):
        yield from _Data(part, faults, root).items()


def _parts(folder: Path) -> list[Path]:
    if (folder / SCP).is_file():
        return [folder]
    return sorted(path.parent for path in folder.glob(f"*/{SCP}") if path.is_file())


class _Data:
    """One data folder."""

    def __init__(self, folder: Path, faults: Faults, root: tuple[str, str] | None) -> None:
        self._folder, self._faults, self._root = folder, faults, root
        self._audio = {recording: told for recording, told in self._table(SCP).items() if self._is_file(told)}
        self._spans = self._segments()
        self._text, self._speakers = self._table("text"), self._table("utt2spk")
        self._genders, self._languages = self._table("spk2gender"), self._table("utt2lang")
        self._said: dict[str, Tiers] = {}
        for path in sorted(folder.iterdir()):
            if path.is_file() and (path.suffix == ".ctm" or path.name == "ctm"):
                for key, tiers in ctm(path, faults).items():
                    for tier, intervals in tiers.items():
                        if tier_of(tier)[0]:
                            raise LaminaError(
                                f"{path} tells of several channels of {key}: a data folder has each channel as a "
                                "recording of its own"
                            )
                        if tier in self._said.setdefault(key, {}):
                            raise LaminaError(f"{path} and another CTM have the {tier!r} tier of {key}: keep one")
                        self._said[key][tier] = intervals
            elif path.name not in _READ:
                faults.count("files not read", path.name)

    def items(self) -> Iterator[tuple[Utterance, AudioFile]]:
        """The utterances, by id."""
        split = split_named(self._folder.resolve().name)
        for name, known in (("text", self._text), ("utt2spk", self._speakers), ("utt2lang", self._languages)):
            for identity in known.keys() - self._spans.keys():
                self._faults.count(f"lines of {name} that are of no utterance", identity)
        for key in (
            self._said.keys() - self._spans.keys() - {recording for recording, _, _ in self._spans.values()}
        ):
            self._faults.count("names in CTMs that are of no utterance or recording", key)
        for identity, span in sorted(self._spans.items()):
            before = self._faults.added
            with self._faults.catching():
                audio, start = self._stretch(identity, *span)
                samples = rescale(audio.samples, audio.rate, SAMPLE_RATE)
                where = f"{self._folder}, {identity}"
                tiers = {
                    name: segments(name, tier, SAMPLE_RATE, samples, f"{where}, tier {name!r}", self._faults)
                    for name, tier in self._tiers(identity, span[0], start, samples / SAMPLE_RATE).items()
                }
                speaker = self._speakers.get(identity, "")
                gender = self._genders.get(speaker, "")
                labels = {"gender": _GENDERS.get(gender, gender), "language": self._languages.get(identity, "")}
                text = self._text.get(identity) or " ".join(segment.label for segment in tiers.get("word", ()))
                if self._faults.added == before:
                    told = {name: value for name, value in labels.items() if value}
                    yield Utterance(identity, speaker, split, samples, text, tiers, told), audio

    def _table(self, name: str) -> dict[str, str]:
        """The lines of a file, an id and what belongs to it; empty where there is no such file."""
        path, found = self._folder / name, dict[str, str]()
        for place, line in enumerate(read_lines(path) if path.is_file() else [], start=1):
            key, _, value = line.strip().partition(" " if "\t" not in line.strip() else "\t")
            if not key:
                continue
            if key in found:
                self._faults.add(f"{path}, line {place}: {key!r} is there twice; keep one of them")
            found[key] = value.strip()
        return found

    def _is_file(self, told: str) -> bool:
        """Whether ``wav.scp`` names a file; commands are refused, for a corpus runs nothing."""
        if told.endswith("|") or told.startswith("|"):
            raise LaminaError(
                f"{self._folder / SCP} makes audio by a command ({told[:60]!r}): nothing is run that a corpus "
                "says; write the audio to files (extract-segments, or wav-copy scp:wav.scp), and name these"
            )
        if re.search(r"\.ark:\d+$", told):
            self._faults.add(f"{self._folder / SCP} names an archive ({told!r}): write its audio to files")
            return False
        return True

    def _segments(self) -> dict[str, Span]:
        """Where each utterance lies; a recording is one where there are no ``segments``."""
        path = self._folder / "segments"
        if not path.is_file():
            return {recording: (recording, 0.0, -1.0) for recording in self._audio}
        found: dict[str, Span] = {}
        for place, line in enumerate(read_lines(path), start=1):
            parts = fields(line)
            if not parts:
                continue
            try:
                found[parts[0]] = (parts[1], number(parts[2]), number(parts[3]))
            except (IndexError, ValueError) as error:
                raise LaminaError(
                    f"{path}, line {place}, {line[:60]!r}: expected utterance, recording, start, end"
                ) from error
        return found

    def _stretch(self, identity: str, recording: str, start: float, end: float) -> tuple[AudioFile, float]:
        """The audio of an utterance, and where it begins in its recording (seconds)."""
        if recording not in self._audio:
            raise LaminaError(f"{self._folder}: {identity} is of {recording!r}, which {SCP} does not have")
        audio, channels = audio_file(self._place(self._audio[recording]))
        if channels > 1:
            self._faults.count("recordings of several channels, averaged when read", recording)
        length = audio.samples / audio.rate
        end = length if end == -1 else end
        if not 0 <= start < min(end, length) or end > length + TOLERANCE:
            raise LaminaError(
                f"{self._folder}: {identity} lies from {start:.3f} s to {end:.3f} s of {recording}, which lasts "
                f"{length:.3f} s: the segments are of other audio"
            )
        first, last = round(start * audio.rate), min(round(end * audio.rate), audio.samples)
        return replace(audio, start=first, samples=last - first), start

    def _place(self, told: str) -> Path:
        """Where a file of ``wav.scp`` lies."""
        if self._root is not None and told.startswith(self._root[0]):
            told = self._root[1] + told.removeprefix(self._root[0])
        path = Path(told)
        folder = self._folder.resolve()
        here = [Path(), folder, *list(folder.parents)[:ABOVE]]
        return next((base / path for base in here if (base / path).is_file()), path)

    def _tiers(self, identity: str, recording: str, start: float, seconds: float) -> Tiers:
        """The intervals of an utterance, from its start."""
        if identity in self._said:
            return self._said[identity]
        return {
            name: [
                (label, onset - start, offset - start)
                for label, onset, offset in tier
                if start <= (onset + offset) / 2 < start + seconds
            ]
            for name, tier in self._said.get(recording, {}).items()
        }
