"""Any folder of audio, any lhotse CutSet, any Hugging Face dataset folder."""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from lamina.corpus.corpus import Utterance
from lamina.corpus.cutsets import cut_items, is_shar, recipe_items, shar_items
from lamina.corpus.folders import SPLITS, folder_items
from lamina.corpus.importers.importer import FoundUtterance, ImportSource, rows
from lamina.corpus.intervals import read_text
from lamina.corpus.stored import SAMPLE_RATE, Audio, AudioFile, audio_file
from lamina.errors import LaminaError

_PLACES = {  # columns of a dataset that have a place of their own
    "text": ("text", "sentence", "transcription", "transcript", "normalized_text"),
    "speaker": ("speaker_id", "speaker", "client_id", "spk_id"),
    "id": ("id", "utt_id", "audio_id", "segment_id"),
}


def folder(source: ImportSource) -> Iterator[FoundUtterance]:
    """See `lamina.corpus.folders`."""
    if not source.path.is_dir():
        raise source.wrong("audio")
    items = folder_items(source.path, (), source.faults, source.notes, stamps=source.stamps)
    for utterance, audio in items:
        yield _found(utterance, audio)
    source.notes = [note for note in source.notes if "averaged" not in note]


def _found(utterance: Utterance, audio: AudioFile | bytes) -> FoundUtterance:
    return FoundUtterance(
        utterance.id, audio, utterance.speaker, utterance.split, utterance.text,
        labels=utterance.labels, segments=utterance.tiers,
    )  # fmt: skip


def cuts(source: ImportSource) -> Iterator[FoundUtterance]:
    """A CutSet (``.jsonl``, ``.jsonl.gz``), a Shar folder, or the folder of recordings and supervisions of a
    recipe.

    Audio that is more than a stretch of one file (mixed, perturbed) is written into the corpus folder.
    """
    made = 0
    for utterance, audio in _cut_items(source):
        if isinstance(audio, AudioFile):
            placed = _placed(audio, source)
            if placed is not None:
                yield _found(utterance, placed)
            continue
        made += 1
        yield _found(utterance, _flac(audio, utterance.samples))
    if made:
        source.notes.append(f"{made} cuts are more than a stretch of one file: written out at {SAMPLE_RATE:,} Hz")


def _cut_items(source: ImportSource) -> Iterator[tuple[Utterance, Audio]]:
    path = source.path
    if path.is_file():
        if not path.name.endswith((".jsonl", ".jsonl.gz")):
            raise source.wrong("CutSet (.jsonl or .jsonl.gz)")
        yield from cut_items(path, source.faults)
    elif is_shar(path):
        yield from shar_items(path, source.faults)
    elif manifests := sorted(path.glob("*cuts*.jsonl*")):
        for manifest in manifests:
            yield from cut_items(manifest, source.faults)
    else:
        yield from _recipe(source)


def _recipe(source: ImportSource) -> Iterator[tuple[Utterance, Audio]]:
    """What ``lhotse prepare`` writes: ``X_recordings_PART.jsonl.gz`` and ``X_supervisions_PART.jsonl.gz``."""
    recordings = sorted(source.path.glob("*recordings*.jsonl*"))
    if not recordings:
        raise source.wrong("CutSet, Shar or recordings and supervisions")
    for path in recordings:
        beside = path.with_name(path.name.replace("recordings", "supervisions"))
        if not beside.is_file():
            source.faults.add(f"{path} has no {beside.name} beside it: half-copied")
            continue
        part = re.split(r"[_.-]", path.name.replace("recordings", ""))
        split = next((SPLITS[word] for word in part if word in SPLITS and word), "")
        for utterance, audio in recipe_items(path, beside, source.faults):
            told = _supervision_id(utterance)
            yield replace(told, split=told.split or split), audio


def _supervision_id(utterance: Utterance) -> Utterance:
    """Recipes name a supervision ``RECORDING-N``; a recording of one supervision keeps its name."""
    return replace(utterance, id=utterance.id.removesuffix("-0"))


def _placed(audio: AudioFile, source: ImportSource) -> AudioFile | None:
    """The audio where it is here; its header is read."""
    path = audio.path
    if source.root is not None and path.startswith(source.root[0]):
        path = source.root[1] + path.removeprefix(source.root[0])
    try:
        whole, _ = audio_file(path, audio.member)
    except LaminaError as error:
        hint = ""
        if not Path(path).exists():
            hint = " (a path of another machine? give --root OLD=NEW)"
        source.faults.add(f"{error}{hint}")
        return None
    if whole.rate != audio.rate or audio.start + audio.samples > whole.samples:
        source.faults.add(
            f"{path} has {whole.samples} samples at {whole.rate} Hz, the manifest speaks of "
            f"{audio.start + audio.samples} at {audio.rate} Hz: it was cut or replaced"
        )
        return None
    return replace(audio, path=path)


def _flac(audio: Audio, samples: int) -> bytes:
    import io

    import soundfile

    packed = io.BytesIO()
    wave = audio.read(SAMPLE_RATE, 0, samples)
    soundfile.write(packed, wave, SAMPLE_RATE, format="FLAC", subtype="PCM_16")
    return packed.getvalue()


def hf(source: ImportSource) -> Iterator[FoundUtterance]:
    """A dataset folder: ``metadata.csv`` or ``.jsonl`` beside audio, or ``.parquet`` or ``.arrow``."""
    tables = sorted(
        path for name in ("metadata.csv", "metadata.jsonl") for path in source.path.rglob(name) if path.is_file()
    )
    binary = sorted([*source.path.rglob("*.parquet"), *source.path.rglob("*.arrow")])
    if not tables and not binary:
        raise source.wrong("metadata.csv, metadata.jsonl, .parquet or .arrow")
    for path in tables:
        for number, row in enumerate(_metadata(path)):
            name = str(row.pop("file_name", "") or "")
            if not name:
                raise LaminaError(f"{path}, row {number + 1} has no file_name: it is no audio dataset")
            if Path(name).suffix.lower() not in {".wav", ".flac", ".mp3", ".ogg"}:
                continue
            identity = (path.parent / name).relative_to(source.path).with_suffix("").as_posix()
            yield _row(row, identity, path.parent / name, _split_of(path.parent / name, source.path))
    if binary and importlib.util.find_spec("pyarrow") is None:
        raise LaminaError(
            f"{binary[0]} is read by pyarrow, which is not installed: pip install pyarrow; or write the "
            f"dataset as "
            "audio files with a metadata.csv"
        )
    for path in binary:
        yield from _arrow(path, source)


def _metadata(path: Path) -> Iterator[dict[str, Any]]:
    if path.suffix == ".csv":
        yield from rows(path)
        return
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        try:
            yield json.loads(line)
        except ValueError as error:
            raise LaminaError(f"{path}, line {number} is not JSON ({error}): half-copied") from error


def _arrow(path: Path, source: ImportSource) -> Iterator[FoundUtterance]:
    """Rows whose ``audio`` column holds encoded bytes, or a path."""
    import pyarrow
    import pyarrow.ipc
    import pyarrow.parquet

    split = _split_of(path, source.path)
    try:
        if path.suffix == ".parquet":
            batches = pyarrow.parquet.ParquetFile(path).iter_batches(batch_size=16)
        else:
            batches = iter(pyarrow.ipc.open_stream(pyarrow.memory_map(str(path))))
        for number, batch in enumerate(batches):
            for place, row in enumerate(batch.to_pylist()):
                audio = row.pop("audio", None)
                if not isinstance(audio, dict) or not (audio.get("bytes") or audio.get("path")):
                    raise LaminaError(f"{path} has no audio column: it is no audio dataset")
                named = Path(str(audio.get("path") or "")).stem or f"{path.stem}-{number:04d}-{place:02d}"
                data = audio.get("bytes")
                yield _row(row, named, data or path.parent / str(audio["path"]), split)
    except (OSError, pyarrow.ArrowException) as error:
        raise LaminaError(f"{path} does not read ({error}): half-copied; download it again") from error


def _row(row: Mapping[str, Any], identity: str, audio: Path | bytes, split: str) -> FoundUtterance:
    place = {
        role: next((str(row[name]) for name in names if row.get(name)), "") for role, names in _PLACES.items()
    }
    used = {name for names in _PLACES.values() for name in names}
    labels = {
        key: str(value)
        for key, value in row.items()
        if key not in used and isinstance(value, str | int | float) and str(value) and key != "split"
    }
    told = SPLITS.get(str(row.get("split") or split).casefold(), split)
    return FoundUtterance(place["id"] or identity, audio, place["speaker"], told, place["text"], labels=labels)


def _split_of(path: Path, base: Path) -> str:
    """The split that a file's name or folders tell (``train/…``, ``data/test-00000-of-00001.parquet``)."""
    for part in reversed(path.relative_to(base).parts):
        word = re.split(r"[-_.]", part)[0].casefold()
        if word in SPLITS and word:
            return SPLITS[word]
    return ""
