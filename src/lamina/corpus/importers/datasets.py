"""Hugging Face dataset folders: tables beside audio, and parquet or arrow files that hold it."""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lamina.corpus.importers.importer import FoundUtterance, ImportSource
from lamina.corpus.listing import SPLITS
from lamina.corpus.texts import COLUMNS, read_lines, read_table
from lamina.corpus.trees import AUDIO_ENDINGS
from lamina.errors import LaminaError
from lamina.files import parse_json

_ROLES = {
    "text": COLUMNS["text"],
    "speaker": COLUMNS["speaker"],
    "id": ("id", "utt_id", "utterance_id", "audio_id", "segment_id"),
    "split": ("split",),
}
_PART = re.compile(r"(.*)-(\d{5})-of-(\d{5})\.\w+")


def hf(source: ImportSource) -> Iterator[FoundUtterance]:
    """A dataset folder: ``metadata.csv`` or ``.jsonl`` beside audio, or ``.parquet`` or ``.arrow``.

    Columns of other names than usual are told by the source's ``columns``.
    """
    tables = sorted(
        path for name in ("metadata.csv", "metadata.jsonl") for path in source.path.rglob(name) if path.is_file()
    )
    binary = _parts(source)
    if not tables and not binary:
        raise source.wrong("metadata.csv, metadata.jsonl, .parquet or .arrow")
    for path in tables:
        yield from _beside(path, source)
    if binary and importlib.util.find_spec("pyarrow") is None:
        raise LaminaError(
            f"{binary[0]} is read by pyarrow, which is not installed: pip install pyarrow; or write the dataset "
            "as audio files with a metadata.csv"
        )
    seen: set[str] = set()
    for path in binary:
        for found in _arrow(path, source):
            identity = found.id
            if identity in seen:  # file names repeat from table to table
                identity = f"{path.stem}-{len(seen)}"
                source.faults.count("rows named by their table, for ids repeat", path.name)
            seen.add(identity)
            yield FoundUtterance(
                identity, found.audio, found.speaker, found.split, found.text, labels=found.labels
            )


def _parts(source: ImportSource) -> list[Path]:
    """The parquet and arrow files of the dataset; parts that are missing are faults, caches are counted."""
    found = sorted([*source.path.rglob("*.parquet"), *source.path.rglob("*.arrow")])
    for path in found:
        if path.name.startswith("cache-"):
            source.faults.count("caches of computed tables not read", path.name)
    found = [path for path in found if not path.name.startswith("cache-")]
    parts: dict[tuple[Path, str, int], set[int]] = {}
    for path in found:
        if part := _PART.fullmatch(path.name):
            parts.setdefault((path.parent, part[1], int(part[3])), set()).add(int(part[2]))
    for (folder, name, count), there in parts.items():
        if missing := sorted(set(range(count)) - there):
            source.faults.add(
                f"{folder}: {len(missing)} of the {count} parts of {name!r} are missing, such as number "
                f"{missing[0]}: half-downloaded"
            )
    return found


def _beside(path: Path, source: ImportSource) -> Iterator[FoundUtterance]:
    """The rows of ``metadata.csv`` or ``.jsonl``."""
    for place, row in enumerate(_metadata(path, source), start=1):
        name = str(row.pop(source.columns.get("audio", "file_name"), "") or "")
        if not name:
            raise LaminaError(
                f"{path}, row {place} has no file_name: it is no audio dataset, or --audio names the column"
            )
        if Path(name).suffix.lower() not in AUDIO_ENDINGS:
            source.faults.count(f"rows of {path.name} that name no wav, flac, mp3 or ogg", Path(name).suffix)
            continue
        audio = path.parent / name
        identity = audio.relative_to(source.path).with_suffix("").as_posix()
        yield _row(row, identity, audio, _split_of(audio, source.path), {}, source)


def _metadata(path: Path, source: ImportSource) -> Iterator[dict[str, Any]]:
    if path.suffix == ".csv":
        yield from read_table(path).rows(source.faults)
        return
    for place, line in enumerate(read_lines(path), start=1):
        if line.strip():
            yield parse_json(line, f"{path}, line {place}", finite=False)


def _arrow(path: Path, source: ImportSource) -> Iterator[FoundUtterance]:
    """Rows of a table whose audio column holds encoded bytes, or a path; a few rows are in memory at once."""
    import pyarrow
    import pyarrow.ipc
    import pyarrow.parquet

    split = _split_of(path, source.path)
    try:
        if path.suffix == ".parquet":
            opened = pyarrow.parquet.ParquetFile(path)
            schema, batches = opened.schema_arrow, opened.iter_batches(batch_size=16)
        else:
            stream = pyarrow.ipc.open_stream(pyarrow.memory_map(str(path)))
            schema, batches = stream.schema, iter(stream)
        column, classes = _audio_column(path, schema, source), _classes(path, schema)
        place = 0
        for batch in batches:
            for row in batch.to_pylist():
                audio = row.pop(column)
                data, named = (audio.get("bytes"), audio.get("path")) if isinstance(audio, dict) else (None, audio)
                data, named = (named, None) if isinstance(named, bytes) else (data, named)
                if not data and not named:
                    source.faults.add(f"{path}, row {place} has no audio in the column {column!r}")
                else:
                    identity = Path(str(named)).stem if named else f"{path.stem}-{place:06d}"
                    yield _row(row, identity, data or path.parent / str(named), split, classes, source)
                place += 1
    except (OSError, pyarrow.ArrowException) as error:
        raise LaminaError(f"{path} does not read ({error}): half-copied; download it again") from error


def _audio_column(path: Path, schema: Any, source: ImportSource) -> str:
    """The column that holds audio: the one that was named, ``audio``, or the only one with bytes and a path."""
    wanted = source.columns.get("audio", "")
    if wanted or "audio" in schema.names:
        if (name := wanted or "audio") in schema.names:
            return name
    else:
        import pyarrow.types

        found = [
            field.name
            for field in schema
            if pyarrow.types.is_struct(field.type) and field.type.get_field_index("bytes") >= 0
        ]
        if len(found) == 1:
            return str(found[0])
    raise LaminaError(
        f"{path} has no audio column{f' {wanted!r}' if wanted else ''}, only {', '.join(schema.names)}: it is no "
        "audio dataset, or --audio names the column"
    )


def _classes(path: Path, schema: Any) -> dict[str, list[str]]:
    """The names of the classes of each column of class labels, as ``datasets`` writes them beside the table."""
    told = (schema.metadata or {}).get(b"huggingface")
    about = path.parent / "dataset_info.json"
    try:
        if told is not None:
            features = json.loads(told)["info"]["features"]
        else:
            features = json.loads(about.read_bytes())["features"] if about.is_file() else {}
        return {
            name: [str(label) for label in feature["names"]]
            for name, feature in features.items()
            if isinstance(feature, dict) and feature.get("_type") == "ClassLabel"
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise LaminaError(f"what {path} says of its columns does not read ({error}): download it again") from error


def _row(
    row: Mapping[str, Any],
    identity: str,
    audio: Path | bytes,
    split: str,
    classes: Mapping[str, list[str]],
    source: ImportSource,
) -> FoundUtterance:
    values = {name: _value(value, classes.get(name)) for name, value in row.items()}
    told = {role: _column(row, role, source) for role in _ROLES}
    for name, value in values.items():
        if value is None:
            source.faults.count("columns not read, for they hold no plain value", repr(name))
    place = {role: values.get(name) or "" for role, name in told.items()}
    if place["split"].casefold() not in SPLITS:
        raise LaminaError(f"{identity} has the split {place['split']!r}: use train, dev, test, or leave it empty")
    labels = {name: value for name, value in values.items() if value and name not in told.values()}
    split = SPLITS[place["split"].casefold()] or split
    return FoundUtterance(place["id"] or identity, audio, place["speaker"], split, place["text"], labels=labels)


def _column(row: Mapping[str, Any], role: str, source: ImportSource) -> str:
    """The column of a role: the one that was named, else the first usual one that has a value."""
    if wanted := source.columns.get(role, ""):
        if wanted not in row:
            raise LaminaError(f"no column is called {wanted!r} (--{role}): there are {', '.join(row)}")
        return wanted
    return next((name for name in _ROLES[role] if row.get(name) not in {None, ""}), "")


def _value(value: Any, classes: list[str] | None) -> str | None:
    """A plain value as text: empty where it is missing, None where it is a list or a table."""
    if value is None or value != value:  # noqa: PLR0124 - not a number
        return ""
    if classes is not None and isinstance(value, int) and not isinstance(value, bool):
        return classes[value] if 0 <= value < len(classes) else ""
    return str(value) if isinstance(value, str | int | float) else None


def _split_of(path: Path, base: Path) -> str:
    """The split that a file's name or folders tell (``train/…``, ``data/test-00000-of-00001.parquet``)."""
    for part in reversed(path.relative_to(base).parts):
        word = re.split(r"[-_.]", part)[0].casefold()
        if SPLITS.get(word):
            return SPLITS[word]
    return ""
