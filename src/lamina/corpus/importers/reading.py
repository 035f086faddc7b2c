"""Read speech: LibriSpeech, VCTK, LJ Speech, Common Voice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from lamina.corpus.importers.importer import FoundUtterance, ImportSource, rows, told
from lamina.corpus.texts import read_lines, read_text


def librispeech(source: ImportSource) -> Iterator[FoundUtterance]:
    """``PART/SPEAKER/CHAPTER/SPEAKER-CHAPTER-NNNN.flac`` and ``.trans.txt``; the part tells the split."""
    base = next((path for path in (source.path, source.path / "LibriSpeech") if _parts(path)), None)
    if base is None:
        raise source.wrong("part (train-clean-100, dev-clean, test-other, …)")
    aligned = source.aligned()
    gender = _genders(base / "SPEAKERS.TXT")
    for part in _parts(base):
        split = part.name.split("-")[0]
        said: dict[str, tuple[str, Path]] = {}
        for transcript in sorted(part.rglob("*.trans.txt")):
            lines = (line.partition(" ") for line in read_lines(transcript) if line.strip())
            said |= {identity: (text.strip(), transcript.parent) for identity, _, text in lines}
        if not said:
            source.faults.add(f"{part} holds no .trans.txt: half-copied")
        for flac in sorted(part.rglob("*.flac")):
            if flac.stem not in said:
                source.faults.add(
                    f"{flac} has no line in {flac.parent.name}'s .trans.txt: the chapter is half-copied"
                )
        for identity, (text, folder) in sorted(said.items()):
            speaker = identity.split("-")[0]
            found = FoundUtterance(
                identity, folder / f"{identity}.flac", speaker, split, text.lower(),
                labels=told(part=part.name, gender=gender.get(speaker, "")),
            )  # fmt: skip
            if aligned is not None:
                tiers = aligned.of(identity)
                if tiers is None:
                    continue
                found = replace(found, tiers=tiers)
            yield found


def _parts(base: Path) -> list[Path]:
    kinds = ("train-", "dev-", "test-")
    return sorted(path for path in base.glob("*-*") if path.is_dir() and path.name.startswith(kinds))


def _genders(path: Path) -> dict[str, str]:
    """``ID | SEX | SUBSET | MINUTES | NAME``; comments begin with a semicolon."""
    lines = read_lines(path) if path.is_file() else []
    parts = [[part.strip() for part in line.split("|")] for line in lines if line.strip() and line[0] != ";"]
    return {fields[0]: {"F": "female", "M": "male"}.get(fields[1], "") for fields in parts if len(fields) > 1}


def vctk(source: ImportSource) -> Iterator[FoundUtterance]:
    """0.92 (``wav48_silence_trimmed``, microphone 1) or 0.80 (``wav48``), ``txt``, ``speaker-info.txt``."""
    base = source.base("txt", "speaker-info.txt")
    audio = next((base / name for name in ("wav48_silence_trimmed", "wav48") if (base / name).is_dir()), None)
    if audio is None:
        raise source.wrong("wav48_silence_trimmed or wav48")
    people = _vctk_people(base / "speaker-info.txt")
    aligned = source.aligned()
    by_id: dict[str, Path] = {}
    for path in sorted([*audio.rglob("*.flac"), *audio.rglob("*.wav")]):
        if not path.stem.endswith("_mic2"):
            by_id[path.stem.removesuffix("_mic1")] = path
    texts = {path.stem: path for path in sorted((base / "txt").rglob("*.txt"))}
    if wordless := sorted(set(by_id) - set(texts)):
        source.notes.append(
            f"{len(wordless)} recordings have no transcript (p315's are lost), such as {wordless[0]}"
        )
    without = sorted(set(texts) - set(by_id))
    if gone := [identity for identity in without if not identity.startswith("p362")]:
        for identity in gone:
            source.faults.add(f"{texts[identity]} has no audio in {audio}: the audio is half-copied")
    for identity, path in sorted(by_id.items()):
        speaker = identity.split("_")[0]
        tiers = aligned.of(identity) if aligned is not None else {}
        if tiers is None:
            continue
        text = read_text(texts[identity]).strip() if identity in texts else ""
        yield FoundUtterance(identity, path, speaker, text=text, tiers=tiers, labels=people.get(speaker, {}))


def _vctk_people(path: Path) -> dict[str, dict[str, str]]:
    people = {}
    for line in read_lines(path)[1:]:
        fields = line.split()
        if len(fields) >= 4:
            name = fields[0] if fields[0][0] in "ps" else f"p{fields[0]}"
            gender = {"F": "female", "M": "male"}.get(fields[2], "")
            people[name] = told(age=fields[1], gender=gender, accent=fields[3], region=" ".join(fields[4:5]))
    return people


def ljspeech(source: ImportSource) -> Iterator[FoundUtterance]:
    """``metadata.csv`` (id, text, normalised text, by bars) and ``wavs/``; one speaker."""
    base = source.base("metadata.csv", "wavs")
    aligned = source.aligned()
    for number, line in enumerate(read_lines(base / "metadata.csv"), start=1):
        fields = line.split("|")
        if len(fields) < 2:
            source.faults.add(f"{base / 'metadata.csv'}, line {number}: expected id|text|normalised text")
            continue
        tiers = aligned.of(fields[0]) if aligned is not None else {}
        if tiers is not None:
            yield FoundUtterance(
                fields[0], base / "wavs" / f"{fields[0]}.wav", "LJ", text=fields[-1].strip(), tiers=tiers
            )


def commonvoice(source: ImportSource) -> Iterator[FoundUtterance]:
    """One language's folder: ``clips/`` and ``train.tsv``, ``dev.tsv``, ``test.tsv``."""
    base = source.base("clips", "train.tsv")
    aligned = source.aligned()
    for split in ("train", "dev", "test"):
        path = base / f"{split}.tsv"
        if not path.is_file():
            source.faults.add(f"{base} has no {path.name}: half-copied")
            continue
        used = ("age", "gender", "accents", "accent", "locale")
        for row in rows(source, path, "client_id", "path", "sentence", used=used):
            clip = base / "clips" / row["path"]
            clip = clip if clip.suffix else clip.with_suffix(".mp3")
            tiers = aligned.of(clip.stem) if aligned is not None else {}
            if tiers is None:
                continue
            yield FoundUtterance(
                clip.stem, clip, row["client_id"], split, row["sentence"].strip(), tiers,
                told(
                    age=row.get("age", ""), gender=row.get("gender", ""),
                    accent=row.get("accents") or row.get("accent", ""), language=row.get("locale") or base.name,
                ),
            )  # fmt: skip
