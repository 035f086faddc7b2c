"""Corpora read from lhotse: CutSets (``.jsonl``, ``.jsonl.gz``) and Shar folders (cuts and tars of audio)."""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from lamina.corpus.corpus import Segment, Utterance
from lamina.corpus.faults import Faults
from lamina.corpus.manifest import rows, unreadable
from lamina.corpus.segments import Interval, segments, tier_name
from lamina.corpus.stored import SAMPLE_RATE, Audio, AudioFile, CutAudio, StoredCorpus, rescale
from lamina.corpus.voices import voice_tiers
from lamina.errors import LaminaError

_SHARD = re.compile(r"cuts\.(\d+)\.jsonl(\.gz)?")
_LABELS = (str, int, float, bool)


def open_cuts(path: Path, *, name: str = "", faults: Faults | None = None) -> StoredCorpus:
    """Open a lhotse CutSet; relative audio paths are looked up in its folder first.

    Raises:
        LaminaError: it does not parse as a CutSet, or an alignment does not fit its audio.
    """
    if not path.is_file():
        raise LaminaError(f"there is no CutSet {path}")
    told = faults or Faults(keep=False)
    return StoredCorpus(name or path.parent.name, lambda: cut_items(path, told), faults=told)


def is_shar(folder: Path) -> bool:
    """Whether a folder is one that lhotse's ``CutSet.to_shar`` wrote, with audio."""
    return bool(_shards(folder)) and any(folder.glob("recording.*.tar"))


def open_shar(folder: Path, *, faults: Faults | None = None) -> StoredCorpus:
    """Open a Shar folder. The tars' headers are read once; audio is read from its place in the tar.

    Raises:
        LaminaError: a tar is missing or cut short, or a cut's audio is not in it.
    """
    told = faults or Faults(keep=False)
    return StoredCorpus(folder.resolve().name, lambda: shar_items(folder, told), faults=told)


def cut_items(path: Path, faults: Faults) -> Iterator[tuple[Utterance, Audio]]:
    """The utterances of a CutSet file, one at a time."""
    for row in rows(path):
        cut = _cut(row, path)
        where = f"{path}: cut {cut.id!r}"
        if not cut.has_recording:
            raise LaminaError(f"{where} has no recording: Lamina reads audio, not stored features")
        yield _utterance(cut, where, faults), _audio(cut, path.parent)


def shar_items(folder: Path, faults: Faults) -> Iterator[tuple[Utterance, Audio]]:
    """The utterances of a Shar folder, shard by shard."""
    for number, path in _shards(folder):
        tar = folder / f"recording.{number}.tar"
        if not tar.is_file():
            faults.add(f"{folder} has {path.name} but no {tar.name}: it was copied in part; copy it again")
            continue
        members = tar_members(tar, faults)
        by_stem = {name.rpartition(".")[0]: place for name, place in members.items() if not name.endswith(".json")}
        for row in rows(path):
            cut = _cut(row, path)
            where = f"{path}: cut {cut.id!r}"
            place = by_stem.get(str(cut.id))
            if place is None:
                faults.add(f"{where} has no audio in {tar.name}: the tar was cut short; copy it again")
                continue
            if type(cut).__name__ != "MonoCut":
                raise LaminaError(f"{where} is a {type(cut).__name__}: Lamina reads Shar folders of MonoCuts")
            rate, native = int(cut.sampling_rate), int(cut.num_samples)
            # to_shar stores the cut's own stretch of audio.
            yield _utterance(cut, where, faults), AudioFile(str(tar), rate, 0, native, 0, place)


def tar_members(path: Path, faults: Faults) -> dict[str, tuple[int, int]]:
    """First byte and length of each plain file in a tar that is not compressed."""
    members: dict[str, tuple[int, int]] = {}
    try:
        with tarfile.open(path, "r:") as tar:
            for member in tar:
                if member.isfile():
                    members[member.name] = (member.offset_data, member.size)
    except (tarfile.TarError, OSError) as error:
        faults.add(f"{path} does not read as a tar ({error}): copy it again, or unpack it if it is compressed")
    return members


def _shards(folder: Path) -> list[tuple[str, Path]]:
    found = ((_SHARD.fullmatch(path.name), path) for path in folder.glob("cuts.*.jsonl*"))
    return sorted((match[1], path) for match, path in found if match)


def _cut(row: dict[str, Any], path: Path) -> Any:
    from lhotse.cut import Cut
    from lhotse.serialization import deserialize_item

    try:
        cut = deserialize_item(row)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise LaminaError(unreadable(path, error)) from error
    if not isinstance(cut, Cut):
        raise LaminaError(
            f"{path} holds {type(cut).__name__} objects, not cuts: make cuts of them (lhotse.CutSet."
            "from_manifests) and give those, or import the folder that holds them (lamina corpus import cuts)"
        )
    return cut


def _utterance(cut: Any, where: str, faults: Faults) -> Utterance:
    samples = rescale(int(cut.num_samples), int(cut.sampling_rate), SAMPLE_RATE)
    supervisions = list(cut.supervisions)
    speakers = list(dict.fromkeys(str(supervision.speaker or "") for supervision in supervisions)) or [""]
    customs = [getattr(cut, "custom", None) or {}, *(s.custom or {} for s in supervisions)]
    splits = [custom.get("split") for custom in customs]
    tiers: dict[str, tuple[Segment, ...]] = {}
    if len(speakers) == 1:
        tiers = _tiers(cut, supervisions, samples, where, faults)
    else:
        spoken = [
            (str(s.speaker or ""), (s.start, s.end), _tiers(cut, [s], samples, where, faults))
            for s in supervisions
        ]
        tiers = voice_tiers(spoken, samples, where, faults)
    return Utterance(
        id=str(cut.id),
        speaker="+".join(speakers),
        split=next((str(split) for split in splits if split), ""),
        samples=samples,
        text=" ".join(supervision.text for supervision in supervisions if supervision.text),
        tiers=tiers,
        labels=_labels(customs, supervisions),
    )


def _labels(customs: list[Mapping[str, Any]], supervisions: list[Any]) -> dict[str, str]:
    """Ours where a custom table has ``labels``; else all plain values of the tables, and language and gender."""
    labels: dict[str, str] = {}
    for custom in customs:
        plain = custom["labels"] if isinstance(custom.get("labels"), dict) else custom
        labels |= {
            key: str(value)
            for key, value in plain.items()
            if isinstance(value, _LABELS) and key not in {"split", "channels", "dataloading_info"} and value != ""
        }
    for name in ("language", "gender"):
        told = {str(value) for s in supervisions if (value := getattr(s, name, None))}
        if len(told) == 1:
            labels.setdefault(name, told.pop())
    return labels


def _tiers(
    cut: Any, supervisions: list[Any], samples: int, where: str, faults: Faults
) -> dict[str, tuple[Segment, ...]]:
    """The alignments of some supervisions of a cut.

    lhotse defines their times from the start of the recording, and (1.28 to 1.33) leaves them there when it
    cuts. So they are shifted by the cut's start; where they do not fit then, but fit unshifted, they are taken
    as they are.
    """
    tiers: dict[str, list[Interval]] = {}
    for supervision in supervisions:
        for name, items in (supervision.alignment or {}).items():
            made = [(item.symbol, item.start, round(item.start + item.duration, 8)) for item in items]
            tiers.setdefault(tier_name(name), []).extend(made)
    start = float(getattr(cut, "start", 0.0))
    shifted = {
        name: [(label, round(onset - start, 8), round(offset - start, 8)) for label, onset, offset in tier]
        for name, tier in tiers.items()
    }
    if start and not _fits(shifted, cut.duration) and _fits(tiers, cut.duration):
        shifted = tiers
    return {
        name: segments(name, tier, SAMPLE_RATE, samples, f"{where}, tier {name!r}", faults)
        for name, tier in shifted.items()
    }


def _fits(tiers: Mapping[str, Iterable[Interval]], seconds: float) -> bool:
    margin = 1e-3
    return all(
        -margin <= onset and offset <= seconds + margin for tier in tiers.values() for _, onset, offset in tier
    )


def _audio(cut: Any, base: Path) -> Audio:
    """The audio of a cut: a stretch of one file where it is no more than that, else what lhotse makes of it."""
    from lhotse import MonoCut

    rate = int(cut.sampling_rate)
    if isinstance(cut, MonoCut):
        recording = cut.recording
        if len(recording.sources) == 1 and recording.sources[0].type == "file" and not recording.transforms:
            source = recording.sources[0]
            path = base / source.source
            if not path.exists() and Path(source.source).exists():
                path = Path(source.source)  # lhotse's own meaning: relative to where the command runs
            channel = source.channels.index(cut.channel)
            return AudioFile(str(path), rate, round(cut.start * rate), int(cut.num_samples), channel)
    return CutAudio(cut.drop_supervisions())
