"""Short commands: Speech Commands, Fluent Speech Commands, Audio SNIPS."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lamina.corpus.importers.importer import FoundUtterance, ImportSource, rows, told
from lamina.corpus.stored import audio_file
from lamina.corpus.texts import read_lines, read_text
from lamina.errors import LaminaError

KEYWORDS = frozenset({"yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go"})
UNKNOWN, SILENCE, BACKGROUND = "_unknown_", "_silence_", "_background_noise_"


def speechcommands(source: ImportSource) -> Iterator[FoundUtterance]:
    """A folder a word, ``validation_list.txt``, ``testing_list.txt``, ``_background_noise_``; v0.01 or v0.02.

    Where the separate test set lies beside it (``speech_commands_test_set_v0.0N``), that is the test split, and
    the files of ``testing_list.txt`` have none. Background noise becomes stretches of one second labelled
    ``_silence_``; running_tap's are dev, as the list's authors have it.
    """
    base = source.base("validation_list.txt", "testing_list.txt")
    lists = {
        split: set(read_text(base / f"{name}_list.txt").split())
        for split, name in (("dev", "validation"), ("test", "testing"))
    }
    apart = next(iter(sorted(base.parent.glob("speech_commands_test_set_v0.0*"))), None)
    known: set[str] = set()
    for folder in sorted(path for path in base.iterdir() if path.is_dir() and path.name[:1] not in "_."):
        for wave in sorted(folder.glob("*.wav")):
            name = f"{folder.name}/{wave.name}"
            known.add(name)
            split = "dev" if name in lists["dev"] else "test" if name in lists["test"] else "train"
            split = "" if apart is not None and split == "test" else split
            yield _command(wave, folder.name, split, f"{folder.name}/{wave.stem}")
    for split, names in lists.items():
        for name in sorted(names - known):
            source.faults.add(f"{base / name} is missing, but the {split} list names it: half-copied")
    noises = sorted((base / BACKGROUND).glob("*.wav"))
    if not noises:
        source.faults.add(f"{base} has no {BACKGROUND}/*.wav, of which silence is made: half-copied")
    for wave in noises:
        yield from _noise(wave, source)
    if apart is not None:
        tests = sorted(path for path in apart.iterdir() if path.is_dir() and path.name[:1] != ".")
        if not any(folder.glob("*.wav") for folder in tests):
            source.faults.add(f"{apart} holds no word: half-copied; finish it, or remove it")
        for folder in tests:
            waves = sorted(folder.glob("*.wav"))
            if not waves:
                source.faults.add(f"{folder} is empty: half-copied")
            for wave in waves:
                word = wave.stem.split("_")[0] if folder.name == UNKNOWN else folder.name
                yield _command(wave, word, "test", f"test/{folder.name}/{wave.stem}", folder.name)


def _command(wave: Path, word: str, split: str, identity: str, keyword: str = "") -> FoundUtterance:
    keyword = keyword or (word if word in KEYWORDS else UNKNOWN)
    text = "" if keyword == SILENCE else word
    before = wave.stem.split("_nohash_")[0]
    speaker = "background" if keyword == SILENCE else before.rsplit("_", 1)[-1]
    return FoundUtterance(identity, wave, speaker, split, text, labels={"keyword": keyword})


def _noise(wave: Path, source: ImportSource) -> Iterator[FoundUtterance]:
    try:
        audio, _ = audio_file(wave)
    except LaminaError as error:
        source.faults.add(str(error))
        return
    split = "dev" if wave.stem == "running_tap" else "train"
    for number in range(audio.samples // audio.rate):
        stretch = (number * audio.rate, (number + 1) * audio.rate)
        identity = f"{BACKGROUND}/{wave.stem}-{number:03d}"
        yield FoundUtterance(identity, wave, "background", split, labels={"keyword": SILENCE}, stretch=stretch)


def fluent(source: ImportSource) -> Iterator[FoundUtterance]:
    """``data/{train,valid,test}_data.csv`` and ``wavs/speakers/``; action, object and location make the intent."""
    base = source.base("data/train_data.csv", "wavs")
    for split, name in (("train", "train"), ("dev", "valid"), ("test", "test")):
        path = base / "data" / f"{name}_data.csv"
        if not path.is_file():
            source.faults.add(f"{base} has no data/{path.name}: half-copied")
            continue
        for row in rows(source, path, "path", "speakerId", "transcription", "action", "object", "location"):
            intent = " ".join(row[key] for key in ("action", "object", "location"))
            yield FoundUtterance(
                Path(row["path"]).stem, base / row["path"], row["speakerId"], split, row["transcription"],
                labels=told(
                    intent=intent, action=row["action"], object=row["object"], location=row["location"],
                    language="en"
                ),
            )  # fmt: skip


# SUPERB's speakers of each split (Yang et al. 2021); a file of another speaker is in none.
SNIPS_SPEAKERS = {
    "train": "Ivy Joanna Joey Justin Kendra Kimberly Matthew Salli",
    "valid": "Aditi Amy Geraint Nicole",
    "test": "Brian Emma Raveena Russell",
}


def snips(source: ImportSource) -> Iterator[FoundUtterance]:
    """``train``, ``valid``, ``test`` with ``SPEAKER-snips-SPLIT-N.wav`` (or mp3) and ``all.iob.snips.txt``."""
    base = source.base("all.iob.snips.txt", "train")
    said: dict[str, tuple[str, str, str]] = {}
    for number, line in enumerate(read_lines(base / "all.iob.snips.txt"), start=1):
        head, _, tags = line.partition("\t")
        words, marks = head.split(), tags.split()
        if len(words) != len(marks) + 1 or len(words) < 4:
            source.faults.add(
                f"{base / 'all.iob.snips.txt'}, line {number}: {len(words) - 1} words and {len(marks)} tags"
            )
            continue
        # id BOS words EOS, and a tag for each but the last, which is the intent
        said[words[0]] = (" ".join(words[2:-1]), " ".join(marks[1:-1]), marks[-1])
    left_out = 0
    for folder, names in SNIPS_SPEAKERS.items():
        spoken = [p for p in sorted((base / folder).glob("*")) if p.suffix.lower() in {".wav", ".mp3", ".flac"}]
        if not spoken:
            source.faults.add(f"{base / folder} holds no audio: half-copied")
        for audio in spoken:
            speaker = audio.stem.split("-")[0]
            if speaker not in names.split():
                left_out += 1
                continue
            if audio.stem not in said:
                source.faults.add(f"{audio} has no line in all.iob.snips.txt: half-copied, or another version")
                continue
            text, slots, intent = said[audio.stem]
            split = "dev" if folder == "valid" else folder
            yield FoundUtterance(audio.stem, audio, speaker, split, text, labels=told(intent=intent, slots=slots))
    if left_out:
        source.notes.append(f"{left_out} files are of speakers that SUPERB has in another split: left out")
