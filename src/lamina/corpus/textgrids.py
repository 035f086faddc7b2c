"""Folders of audio with Praat TextGrids, as aligners (MFA and others) and annotators leave them.

- Audio: every ``.wav``, ``.flac``, ``.mp3`` and ``.ogg`` in the folder and below; channels are averaged. An
  utterance's id is the file's name without its ending; where folders repeat names, the path from the folder.
- TextGrids: the file of the same name beside the audio, else anywhere in the folder.
- Speaker, split and text: from ``manifest.tsv`` or ``manifest.csv`` in the folder (columns ``utt`` or ``path``,
  ``speaker``, ``split``, ``text``; all but the first may be missing). Without it the speaker is the folder that
  holds the audio; where all audio lies in one folder, the id up to its first ``-`` or ``_``.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from lamina.corpus.corpus import Segment, Utterance
from lamina.corpus.segments import Interval, segments, tier_name
from lamina.corpus.stored import SAMPLE_RATE, Audio, StoredCorpus, audio_file, rescale
from lamina.errors import LaminaError

AUDIO_ENDINGS = frozenset({".wav", ".flac", ".mp3", ".ogg"})
SPLITS = {
    "": "", "train": "train", "training": "train", "dev": "dev", "valid": "dev", "validation": "dev", "val": "dev",
    "test": "test", "eval": "test",
}  # fmt: skip


def open_audio_folder(folder: Path, tiers: Sequence[str] = ()) -> StoredCorpus:
    """Open a folder of audio files with TextGrids; utterances in order of their ids.

    Args:
        folder: searched with all its folders.
        tiers: what every TextGrid must have; audio without any TextGrid is left out then, and a note says so.

    Raises:
        LaminaError: no audio, a file that does not decode or parse, a tier that is missing or does not fit.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not _hidden(path, folder))
    named = _identities([path for path in files if path.suffix.lower() in AUDIO_ENDINGS], folder)
    if not named:
        raise LaminaError(
            f"{folder} is no corpus: it holds no corpus.json, no CutSet (cuts.jsonl.gz) and no audio "
            f"({', '.join(sorted(AUDIO_ENDINGS))})"
        )
    grids = _grids(named, [path for path in files if path.suffix.lower() == ".textgrid"], tiers, folder)
    about = _about(folder)
    rule, speakers = _speakers(named, about, folder)
    notes, channels = [rule], Counter[int]()
    items: list[tuple[Utterance, Audio]] = []
    for identity, path in sorted(named.items()):
        if tiers and identity not in grids:
            continue
        audio, count = audio_file(path)
        channels[count] += 1
        samples = rescale(audio.samples, audio.rate, SAMPLE_RATE)
        made = read_textgrid(grids[identity], samples, tiers) if identity in grids else {}
        row = _row(about, identity, path, folder)
        utterance = Utterance(
            id=identity,
            speaker=speakers[identity],
            split=_split(row, folder),
            samples=samples,
            text=row.get("text") or " ".join(segment.label for segment in made.get("word", ())),
            tiers=made,
        )
        items.append((utterance, audio))
    if len(items) < len(named):
        notes.append(f"{len(named) - len(items)} of {len(named)} audio files have no TextGrid and are left out")
    if several := sum(files for count, files in channels.items() if count > 1):
        notes.append(f"{several} of {len(items)} files have several channels: averaged when read")
    return StoredCorpus(folder.resolve().name, lambda: items, notes)


def read_textgrid(path: Path, samples: int, tiers: Sequence[str] = ()) -> dict[str, tuple[Segment, ...]]:
    """The interval tiers of a TextGrid (UTF-8, UTF-16, or else Latin-1) for audio of ``samples`` at 16 kHz.

    Raises:
        LaminaError: it does not parse, lacks one of ``tiers``, or an interval does not fit (see `segments`).
    """
    from praatio.utilities import textgrid_io

    try:
        text = _text(path.read_bytes())
        parsed = textgrid_io.parseTextgridStr(text, includeEmptyIntervals=True)
        found: dict[str, list[Interval]] = {}
        for tier in parsed["tiers"]:
            name = tier_name(str(tier["name"]))
            if tier["class"] != "IntervalTier":
                continue
            if name in found:
                raise LaminaError(
                    f"{path} has two {name!r} tiers (speakers talking at once?): keep one, or split the file"
                )
            found[name] = [(str(label), float(onset), float(offset)) for onset, offset, label in tier["entries"]]
        promised = sum(int(size) for size in re.findall(r"intervals: size = (\d+)", text))
        if promised and promised != sum(map(len, found.values())):
            raise ValueError(f"{promised} intervals announced, {sum(map(len, found.values()))} found")
    except LaminaError:
        raise
    except Exception as error:  # praatio's parser raises whatever the broken text leads it to
        raise LaminaError(
            f"{path} does not parse as a TextGrid ({type(error).__name__}: {error}); it may be half-copied: copy "
            "or align it again"
        ) from error
    for tier in tiers:
        if tier not in found:
            raise LaminaError(
                f"{path} has no {tier!r} tier, only {sorted(found) or 'none'}: ask for other tiers, or align again"
            )
    return {
        name: segments(name, intervals, SAMPLE_RATE, samples, f"{path}, tier {name!r}")
        for name, intervals in found.items()
    }


def _text(raw: bytes) -> str:
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return raw.decode("utf-16")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(folder).parts)


def _identities(paths: Iterable[Path], folder: Path) -> dict[str, Path]:
    """Audio files by utterance id."""
    paths = list(paths)
    stems = Counter(path.stem for path in paths)
    unique = max(stems.values(), default=0) == 1
    named: dict[str, Path] = {}
    for path in paths:
        identity = path.stem if unique else path.relative_to(folder).with_suffix("").as_posix()
        if identity in named:
            raise LaminaError(
                f"two audio files have the id {identity!r}: {named[identity]} and {path}; keep one of them"
            )
        named[identity] = path
    return named


def _grids(
    named: Mapping[str, Path], paths: Iterable[Path], tiers: Sequence[str], folder: Path
) -> dict[str, Path]:
    """The TextGrid of each utterance that has one."""
    by_stem: dict[str, list[Path]] = {}
    for path in paths:
        by_stem.setdefault(path.stem, []).append(path)
    if tiers and not by_stem:
        raise LaminaError(
            f"{folder} holds no TextGrid, but the tiers {', '.join(tiers)} are asked for: put the alignments "
            "beside the audio, each under the name of its audio file, or ask for mel alone (--targets mel)"
        )
    grids = {}
    for identity, audio in named.items():
        found = by_stem.get(audio.stem, [])
        for near in (
            [path for path in found if path.parent == audio.parent],
            [path for path in found if path.parent.name == audio.parent.name],
            found,
        ):
            if len(near) == 1:
                grids[identity] = near[0]
                break
            if near:
                raise LaminaError(f"{audio} has {len(near)} TextGrids: {near[0]} and {near[1]}; keep one of them")
    if tiers and not grids:
        raise LaminaError(f"no TextGrid in {folder} has the name of an audio file there: rename them alike")
    return grids


def _about(folder: Path) -> dict[str, dict[str, str]]:
    """The rows of ``manifest.tsv`` or ``manifest.csv`` by ``utt`` and by ``path``; empty where there is none."""
    for name, delimiter in (("manifest.tsv", "\t"), ("manifest.csv", ",")):
        path = folder / name
        if not path.is_file():
            continue
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            if delimiter == "\t":  # quotes in a TSV are text
                rows = list(csv.DictReader(file, delimiter=delimiter, quoting=csv.QUOTE_NONE))
            else:
                rows = list(csv.DictReader(file))
        by: dict[str, dict[str, str]] = {}
        for row in rows:
            values = {key: value or "" for key, value in row.items() if isinstance(key, str)}
            for key in ("utt", "path"):
                if values.get(key):
                    by[values[key]] = values
        return by
    return {}


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
    named: Mapping[str, Path], about: Mapping[str, dict[str, str]], folder: Path
) -> tuple[str, dict[str, str]]:
    """Who speaks each utterance, and the rule that told."""
    rows = {identity: _row(about, identity, path, folder) for identity, path in named.items()}
    if rows and all(row.get("speaker") for row in rows.values()):
        return "speakers from the manifest", {identity: row["speaker"] for identity, row in rows.items()}
    missing = f"; the manifest names no speaker for some of the {len(rows)} files" if about else ""
    if len({path.parent for path in named.values()}) > 1:
        return f"speakers from the folders that hold the audio{missing}", {
            identity: path.parent.relative_to(folder).as_posix() for identity, path in named.items()
        }
    return f"speakers from the file names, up to the first - or _{missing}", {
        identity: re.split(r"[-_]", path.stem, maxsplit=1)[0] for identity, path in named.items()
    }
