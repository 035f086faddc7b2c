"""By an importer into a corpus folder of ours, an utterance at a time."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from lamina.corpus.accounts import Account
from lamina.corpus.corpus import Segment, Utterance
from lamina.corpus.faults import Faults
from lamina.corpus.folders import unwritable
from lamina.corpus.importers.catalogue import IMPORTERS
from lamina.corpus.importers.importer import FoundUtterance, Importer, ImportSource
from lamina.corpus.manifest import ABOUT, AUDIO, ManifestWriter, open_folder
from lamina.corpus.phonemaps import PhoneMap
from lamina.corpus.segments import segments
from lamina.corpus.stored import SAMPLE_RATE, AudioFile, StoredCorpus, audio_file, rescale
from lamina.corpus.trees import AUDIO_ENDINGS, tell_media, walk
from lamina.corpus.trials import write_trials
from lamina.corpus.voices import Turn, voice_tiers
from lamina.corpus.xlabel import ENDS
from lamina.errors import LaminaError
from lamina.files import digest, replacing, write_text

FAULTS = "faults.txt"
_TELLING = frozenset({"folder", "kaldi", "cuts"})  # importers that tell themselves which files they do not read
ANOTHER_VERSION = 0.5  # the least likeness of an alignment's words to the transcript


def import_corpus(
    kind: str,
    source: Path | str,
    folder: Path | str,
    *,
    partial: bool = False,
    exact: bool = False,
    alignments: Path | str | None = None,
    stamps: str = ENDS,
    root: tuple[str, str] | None = None,
    columns: Mapping[str, str] | None = None,
    speaker: str = "",
    tiers: Mapping[str, str] | None = None,
    turns: bool | None = None,
    phones: str = "",
    inputs: str = "",
    progress: Callable[[int, int], None] | None = None,
) -> StoredCorpus:
    """Make a corpus folder of ours that points to the audio of a corpus on disk.

    Args:
        kind: one of `lamina.corpus.importers.catalogue.IMPORTERS`.
        source: the corpus.
        folder: the folder to make; replaced if it was made by an import, else an error.
        partial: import what is whole; the rest is listed in ``faults.txt``.
        exact: whether rounded times are faults (see `lamina.corpus.segments.segments`), else counted.
        alignments: a folder of alignments from elsewhere (TextGrids as published or from MFA, or CTMs).
        stamps: what an xlabel time stamp is, where the corpus does not say: ``ends`` or ``starts``.
        root: the beginning of paths on another machine, and what it is here.
        columns: what columns of a dataset are called, by ``audio``, ``text`` and ``speaker``, where not as usual.
        speaker: take only utterances of this speaker; the others are counted.
        tiers: which tiers of a folder's alignments to read, and what they are called here; all where None.
        turns: make an utterance of each stretch of one speaker of a recording of several; where None, of
            recordings whose tiers tell who says what.
        phones: a phone map to fold the phone tiers by (`lamina.corpus.phonemaps`); none where empty.
        inputs: what `inputs_of` says of all this; kept, so that `made_before` knows the corpus again.
        progress: called with the utterances that are done, twice, for nobody knows how many there are.

    Raises:
        LaminaError: the kind is unknown, the folder is not this corpus, or anything in it is broken or missing and
            ``partial`` was not asked for.
    """
    importer = IMPORTERS.get(kind)
    if importer is None:
        guess = difflib.get_close_matches(kind, IMPORTERS, n=1)
        hint = f"; did you mean {guess[0]!r}?" if guess else ""
        raise LaminaError(f"no importer is called {kind!r}{hint}; there are {', '.join(IMPORTERS)}")
    path, folder = Path(source), Path(folder)
    if not path.exists():
        raise LaminaError(f"there is nothing at {path}: expected {importer.layout}")
    if path.is_dir() and not any(path.iterdir()):
        raise LaminaError(f"{path} is an empty folder: expected {importer.layout}")
    faults = Faults(keep=True, exact=exact)
    beside = Path(alignments) if alignments is not None else None
    given = ImportSource(path, importer.layout, faults, beside, stamps, root, columns or {}, tiers or {}, turns)
    for option in ("alignments", "stamps", "root", "columns", "tiers", "turns"):
        if getattr(given, option) not in (None, {}, ENDS) and option not in importer.options:
            raise LaminaError(
                f"{option!r} says nothing to the importer {kind!r}, which reads {importer.options or 'no option'}"
            )
    with replacing(folder, mark=ABOUT) as made:
        made.mkdir(parents=True)
        fold = PhoneMap(phones) if phones else None
        count = _write(importer, given, made, folder, speaker, fold, inputs, progress)
        if not count:
            if faults.lines:
                raise LaminaError(_report(importer, path, faults.lines, count))
            raise given.wrong(f"utterance of the speaker {speaker!r}" if speaker else "utterance")
        if faults.lines and not partial:
            raise LaminaError(_report(importer, path, faults.lines, count))
        if faults.lines:
            write_text(made / FAULTS, "\n".join(faults.lines) + "\n")
    return open_folder(folder)


def inputs_of(kind: str, source: Path, folder: Path, options: Mapping[str, Any]) -> str:
    """A digest of what an import is made of: version, options, names, sizes and times of the files it may read.

    Args:
        kind: of corpus.
        source: the corpus.
        folder: what is made, which may lie in the source.
        options: the others of `import_corpus`; files and folders among them are read, too.
    """
    import lamina

    told = {name: os.fsdecode(value) if isinstance(value, Path) else value for name, value in options.items()}
    given = [source, *(Path(value) for value in told.values() if isinstance(value, str) and value)]
    found: list[tuple[str, int, int]] = []
    for top in given:
        for path in walk(top, Faults(keep=True)) if top.is_dir() else [top] if top.is_file() else []:
            if not path.absolute().is_relative_to(folder.absolute()):
                about = path.stat()
                found.append((ascii(str(path.absolute())), about.st_size, about.st_mtime_ns))
    return digest([lamina.__version__, kind, ascii(sorted(told.items())), found])


def _write(
    importer: Importer,
    source: ImportSource,
    folder: Path,
    place: Path,
    speaker: str,
    phones: PhoneMap | None,
    inputs: str,
    progress: Callable[[int, int], None] | None,
) -> int:
    seen: set[str] = set()
    read: set[str] = set()
    account = Account()
    with ManifestWriter(folder, place) as writer:
        for found in importer.read(source):
            if found.id in seen:
                source.faults.add(f"two utterances have the id {found.id!r}: keep one of them")
                continue
            before = source.faults.added
            try:
                utterance, audio = _utterance(found, folder, source.faults)
            except LaminaError as error:
                source.faults.add(f"{found.id}: {error}")
                continue
            if source.faults.added > before:
                continue  # an utterance with a broken tier is not whole
            if speaker and utterance.speaker != speaker:
                source.faults.count("utterances left out, for another speaker is asked for", utterance.speaker)
                continue
            if phones is not None:
                utterance = phones.fold(utterance)
            seen.add(found.id)
            read.add(audio.path)
            if Path(audio.path).is_relative_to(folder):  # written here: it moves with the folder
                audio = replace(audio, path=str(place.absolute() / Path(audio.path).relative_to(folder)))
            writer.add(utterance, audio)
            account.add(utterance)
            if progress is not None and len(seen) % 100 == 0:
                progress(len(seen), len(seen))
        _tell_rest(importer, source, read)
        folded = phones.notes() if phones is not None else []
        notes = [*source.notes, *account.lines(), *folded, *source.faults.counts()]
        if source.faults.lines:
            notes.append(f"a partial import: {len(source.faults)} faults, listed in {FAULTS}")
        made = {
            "by": "lamina.corpus.importers",
            "kind": importer.kind,
            "source": str(source.path.resolve()),
            "licence": importer.licence,
            "inputs": inputs,
            "phone_map": "" if phones is None else phones.name,
        }
        if source.alignments is not None:
            made["alignments"] = str(source.alignments.resolve())
        if source.trials:
            made["trials"] = _trials(source, folder, seen)
        name = (
            source.path.resolve().name.split(".")[0]
            if importer.kind in {"folder", "kaldi", "cuts", "hf"}
            else importer.kind
        )
        writer.finish(name, made, notes)
    return len(seen)


def _trials(source: ImportSource, folder: Path, seen: Collection[str]) -> str:
    """Write the trials whose utterances are there; returns how many."""
    kept = [trial for trial in source.trials if trial.left in seen and trial.right in seen]
    if len(kept) < len(source.trials):
        source.faults.add(
            f"{len(source.trials) - len(kept)} of {len(source.trials)} trials name utterances that are not there"
        )
    return str(write_trials(folder, kept))


def _tell_rest(importer: Importer, source: ImportSource, read: Collection[str]) -> None:
    """Count the alignments and the sound in the corpus's folder that no utterance has."""
    if source.given is not None:
        source.given.tell_unused()
    for path in walk(source.path, source.faults) if source.path.is_dir() and importer.kind not in _TELLING else ():
        if path.suffix.lower() not in AUDIO_ENDINGS:
            tell_media(path, source.faults)
        elif str(path) not in read:
            source.faults.count("audio files of no utterance", path.suffix.lower())


def _utterance(found: FoundUtterance, folder: Path, faults: Faults) -> tuple[Utterance, AudioFile]:
    """What an importer found, with the audio's header read and its tiers as segments."""
    audio = _audio(found, folder)
    if unwritable(found.id + audio.path):
        raise LaminaError(f"{audio.path!a}: the name is not UTF-8: rename the file or its folder")
    samples = rescale(audio.samples, audio.rate, SAMPLE_RATE)
    tiers: dict[str, tuple[Segment, ...]] = dict(found.segments or {})
    for name, intervals in found.tiers.items():
        tiers[name] = segments(name, intervals, SAMPLE_RATE, samples, f"{found.id}, tier {name!r}", faults)
    if found.turns:
        turns: list[Turn] = [(name, (start, end), {}) for name, start, end in found.turns]
        tiers |= voice_tiers(turns, samples, found.id, faults)
    words = [segment.label for segment in tiers.get("word", ())]
    _same_words(found, words, faults)
    text = found.text or " ".join(words)
    utterance = Utterance(found.id, found.speaker, found.split, samples, text, tiers, dict(found.labels))
    return utterance, audio


def _audio(found: FoundUtterance, folder: Path) -> AudioFile:
    if isinstance(found.audio, AudioFile):
        return found.audio
    path = found.audio
    if isinstance(path, bytes):
        (folder / AUDIO).mkdir(exist_ok=True)
        data, path = path, folder / AUDIO / f"{found.id.replace('/', '_')}.{_ending(path)}"
        try:
            path.write_bytes(data)
        except (OSError, ValueError) as error:
            raise LaminaError(
                f"its audio cannot be written ({error}): the id may be too long for a file"
            ) from error
    audio, channels = audio_file(path)
    if channels == 1:
        audio = replace(audio, channel=0)
    if found.stretch is not None:
        first, last = found.stretch
        if not 0 <= first < last <= audio.samples:
            raise LaminaError(
                f"{path} has {audio.samples} samples, the labels speak of [{first}, {last}): it was cut, or the "
                "labels are of another file"
            )
        audio = replace(audio, start=first, samples=last - first)
    return audio


def _ending(data: bytes) -> str:
    for mark, ending in ((b"RIFF", "wav"), (b"fLaC", "flac"), (b"OggS", "ogg")):
        if data.startswith(mark):
            return ending
    return "mp3"


def _same_words(found: FoundUtterance, words: list[str], faults: Faults) -> None:
    """An alignment whose words are not those of the transcript is of another version, or of another file."""
    said = found.text.casefold().split()
    if not words or not said:
        return
    alike = difflib.SequenceMatcher(None, words, said, autojunk=False).ratio()
    bare = difflib.SequenceMatcher(None, "".join(words), "".join(said), autojunk=False)
    if alike < ANOTHER_VERSION and bare.quick_ratio() < 0.8:
        heard, text = " ".join(words)[:50], " ".join(said)[:50]
        faults.add(
            f"{found.id}: the alignment says {heard!r}, the transcript {text!r}: the alignment is of another "
            "version or file"
        )


def _report(importer: Importer, path: Path, faults: list[str], whole: int) -> str:
    more = f"; and {len(faults) - 3} more" if len(faults) > 3 else ""
    return (
        f"{path} is not a whole {importer.title}: {whole} utterances are whole, {len(faults)} faults: "
        f"{'; '.join(faults[:3])}{more}. Expected: {importer.layout}. Copy what is missing, or take what is whole "
        "with --partial"
    )
