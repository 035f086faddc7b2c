"""``manifest.tsv`` or ``manifest.csv`` in a folder of audio: speaker, split, text and labels, a row a file."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from lamina.corpus.faults import Faults
from lamina.corpus.naming import Names, nearness, parted
from lamina.corpus.texts import COLUMNS, TextTable, read_table
from lamina.errors import LaminaError

SPLITS = {
    "": "", "train": "train", "training": "train", "dev": "dev", "valid": "dev", "validation": "dev", "val": "dev",
    "test": "test", "testing": "test", "eval": "test", "evaluation": "test",
}  # fmt: skip
_SPLIT_KINDS = frozenset(
    {"clean", "other", "set", "data", "all", "audio", "wav", "wavs", "speech", "seen", "unseen"}
)
# Columns that are no labels: the files themselves tell what they say.
_TOLD = frozenset({"duration", "sample_rate", "textgrid"})


@dataclass
class Listed:
    """What a row says of a file."""

    speaker: str = ""
    split: str = ""
    text: str = ""
    labels: dict[str, str] = field(default_factory=dict)


def read_listing(folder: Path, names: Names, faults: Faults) -> tuple[Path | None, dict[str, Listed]]:
    """The manifest of a folder, if there is one, and what it says by id.

    Rows that name no audio, and audio without a row, are counted.

    Raises:
        LaminaError: it names no files, an unknown split, or one file that may be several.
    """
    path = next((path for name in ("manifest.tsv", "manifest.csv") if (path := folder / name).is_file()), None)
    if path is None:
        return None, {}
    table = read_table(path)
    keys = [name for name in table.columns if name.casefold() in {"utt", "path"}] or [table.column("utterance")]
    if keys == [""]:
        raise LaminaError(
            f"{path} has no column that names the files (utt or path), only {', '.join(table.columns) or 'none'}: "
            f"name one of them so; also read are {', '.join(COLUMNS['utterance'])}"
        )
    roles = {role: table.column(role) for role in ("speaker", "split", "text")}
    found: dict[str, Listed] = {}
    near: dict[str, int] = {}
    for row in table.rows(faults):
        identity, nearest = _owner([row[key] for key in keys], names, path, faults)
        if not identity or nearest < near.get(identity, nearest):
            faults.count(
                f"rows of {path.name} that name no audio here", next(filter(None, map(row.get, keys)), "")
            )
            faults.remark(f"the manifest names {row[keys[0]]!r}, but there is no such audio in {folder}")
            continue
        if identity in found and nearest == near[identity]:
            faults.count(f"rows of {path.name} not read, for a later one names the same audio", identity)
            faults.remark(f"{path} has two rows for {row[keys[0]] or identity!r}: the later one is taken")
        near[identity] = nearest
        found[identity] = _listed(row, table, keys, roles)
    for identity in names.folders.keys() - found.keys():
        faults.count(f"audio files without a row in {path.name}", identity)
    for name in table.columns:
        if name.casefold() in _TOLD or not name:
            faults.count(f"columns of {path.name} not read", name or "(no name)")
    return path, found


def _owner(told: list[str], names: Names, path: Path, faults: Faults) -> tuple[str, int]:
    """The id that a row's names mean, and how near its folders are; empty where it means none."""
    for name in filter(None, told):
        folders, stem = parted(name)
        owners = names.find(folders, stem) or []
        if len(owners) > 1:
            faults.add(f"{path}: {name!r} may be {owners[0]} or {owners[1]}: name the audio by its path")
        elif owners:
            return owners[0], nearness(folders, names.folders[owners[0]])
    return "", 0


def _listed(row: dict[str, str], table: TextTable, keys: list[str], roles: dict[str, str]) -> Listed:
    split = row[roles["split"]].casefold() if roles["split"] else ""
    if split not in SPLITS:
        raise LaminaError(f"{table.path} has the split {split!r}: use train, dev, test, or leave it empty")
    labels = {
        name: value
        for name, value in row.items()
        if value and name and name not in {*keys, *roles.values()} and name.casefold() not in _TOLD
    }
    speaker, text = (row[roles[role]] if roles[role] else "" for role in ("speaker", "text"))
    return Listed(speaker, SPLITS[split], text, labels)


def split_named(name: str) -> str:
    """The split that a folder's name tells (``test``, ``train-clean-100``), empty where it tells none."""
    first, *others = re.split(r"[-_. ]", name.casefold())
    return SPLITS.get(first, "") if all(other in _SPLIT_KINDS or other.isdigit() for other in others) else ""
