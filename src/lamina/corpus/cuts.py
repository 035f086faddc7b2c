"""A lhotse cut as its JSON has it, key by key.

A manifest is somebody else's text (`lamina.corpus.allowed`), so lhotse never sees a row: what it is given to mix
is made anew, of the keys that are known here and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import floor
from typing import Any

from lamina.corpus.allowed import (
    RATES,
    SECONDS,
    Row,
    channels_of,
    harmless,
    known,
    number,
    plain,
    short,
    source_of,
    table_of,
    tables_of,
    text,
    whole,
)
from lamina.errors import LaminaError

MIXED_SECONDS = 86_400  # of a cut that has to be mixed in memory
NEAR = 0.025  # seconds by which lhotse lets lengths differ
KINDS = frozenset({"MonoCut", "MultiCut", "Cut"})
TRANSFORMS = frozenset({
    "Clipping", "Compress", "DereverbWPE", "LoudnessNormalization", "Narrowband", "Resample",
    "ReverbWithImpulseResponse", "Speed", "Tempo", "Volume",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Supervision:
    """What is said in a stretch of a cut.

    Attributes:
        id: its name.
        start, end: in the cut (seconds); before 0 or after the cut's end where the cut divides it.
        speaker, text: empty where unknown.
        told: ``language`` and ``gender`` where they are told.
        custom: fields of its own.
        alignment: items ``[symbol, start, duration, score]`` by tier name, the start as the manifest has it.
        recordings: from whose beginning those starts count, by name.
    """

    id: str
    start: float
    end: float
    speaker: str
    text: str
    told: Mapping[str, str]
    custom: Row
    alignment: Mapping[str, list[Any]]
    recordings: tuple[str, ...]

    def divided(self, part: Part) -> tuple[bool, bool]:
        """Whether the edges of the cut, its start and its end, divide it."""
        return self.start < -NEAR, self.end > part.duration + NEAR


@dataclass(frozen=True, slots=True)
class Part:
    """What a cut takes of one recording.

    Attributes:
        offset: where it begins in the cut (seconds).
        start, duration: the stretch of its recording (seconds).
        custom: fields of its own.
        supervisions: what is said there.
        recording: its name; empty for padding.
    """

    offset: float
    start: float
    duration: float
    custom: Row
    supervisions: tuple[Supervision, ...]
    recording: str


@dataclass(frozen=True, slots=True)
class Cut:
    """One row of a CutSet.

    Attributes:
        id: its name.
        rate: of its audio (Hz).
        samples: its length at that rate.
        parts: what it takes of recordings, in the order of the mix.
        audio: what lhotse needs to make its audio: known keys alone.
    """

    id: str
    rate: int
    samples: int
    parts: tuple[Part, ...]
    audio: Row

    @property
    def mixed(self) -> bool:
        """Whether it is made of several cuts, or of one and padding."""
        return "tracks" in self.audio


def cut_of(row: Row, path: str) -> Cut:
    """The cut that a row of the CutSet at ``path`` is.

    Raises:
        LaminaError: it is no cut, has no recording, or holds what is not read from a manifest.
    """
    kind = row.get("type")
    if not known(kind, KINDS | {"MixedCut"}):
        raise LaminaError(
            f"{path} holds {_kind(row)}, not cuts: make cuts of them (lhotse.CutSet.from_manifests) and give "
            "those, or import the folder that holds them (lamina corpus import cuts)"
        )
    identity = text(row.get("id"), "id", path)
    where = f"{path}: cut {identity!r}"
    try:
        if kind == "MixedCut":
            return _mixed(identity, row, where)
        part, audio, rate = _part(row, 0.0, where)
    except RecursionError as error:
        raise LaminaError(f"{where} is nested too deep for any cut: make the manifest again") from error
    return Cut(identity, rate, samples_of(part.duration, rate), (part,), audio)


def _kind(row: Row) -> str:
    kinds = {"sources": "Recording", "num_features": "Features", "recording_id": "SupervisionSegment"}
    found = next((kind for key, kind in kinds.items() if key in row), "")
    return f"{found} objects" if found else f"objects of type {short(row.get('type'))}"


def samples_of(seconds: float, rate: int) -> int:
    """The number of samples in a time, halves upwards, as lhotse counts them."""
    return floor(round(seconds * rate, 8) + 0.5)


def _mixed(identity: str, row: Row, where: str) -> Cut:
    tracks = tables_of(row.get("tracks"), "tracks", where)
    if row.get("snr_reference"):  # as lhotse wrote it for a while
        tracks = [*tracks, {**table_of(row["snr_reference"], where), "mute": True, "is_snr_reference": True}]
    parts: list[Part] = []
    made: list[Row] = []
    rates: set[int] = set()
    end = 0.0
    for track in tracks:
        part, audio, rate, seconds = _track(track, where)
        heard = not track.get("mute")
        rates.add(rate)
        made.append({
            "cut": audio,
            "type": audio.pop("type"),
            "offset": part.offset,
            "mute": not heard,
            "is_snr_reference": bool(track.get("is_snr_reference")),
            "snr": None if track.get("snr") is None else number(track["snr"], "snr", where, -1000, 1000),
        })  # fmt: skip
        if heard:
            end = max(end, part.offset + seconds)
            parts += [part] if "recording" in audio else []
    if not parts:
        raise LaminaError(f"{where} is padding alone: leave it out")
    if len(parts) > 1:
        _belong(parts, where)
    if len(rates) > 1:
        raise LaminaError(
            f"{where} mixes the sample rates {', '.join(map(str, sorted(rates)))}: resample them first"
        )
    end = round(end, 8)
    if end > MIXED_SECONDS:
        raise LaminaError(f"{where} is {end:.0f} s long: what is mixed is made in memory, a day of it at most")
    rate = rates.pop()
    audio = {"id": identity, "type": "MixedCut", "tracks": made}
    if row.get("transforms"):
        audio["transforms"] = _transforms(row["transforms"], where)
    return Cut(identity, rate, samples_of(end, rate), tuple(parts), audio)


def _belong(parts: list[Part], where: str) -> None:
    """Each supervision's times count from its own track: lhotse puts what it merges on the first."""
    for part in parts:
        for each in part.supervisions:
            if each.alignment and set(each.recordings) - {"", part.recording}:
                raise LaminaError(
                    f"{where}: supervision {each.id!r} lies on recording {part.recording!r} and its times count "
                    f"from {' and '.join(map(repr, each.recordings))}: lhotse merged the supervisions of a mix. "
                    "Mix first and leave out merge_supervisions"
                )


def _track(track: Row, where: str) -> tuple[Part, Row, int, float]:
    """A track of a mix: what is told of it, what lhotse needs, its rate and its length (seconds)."""
    cut, kind = table_of(track.get("cut"), where), track.get("type")
    offset = number(track.get("offset", 0.0), "offset", where, 0, MIXED_SECONDS)
    if known(kind, KINDS):
        part, audio, rate = _part({**cut, "type": kind}, offset, where)
        return part, audio, rate, part.duration
    if kind != "PaddingCut":
        raise LaminaError(f"{where} has a track of type {short(kind)}: mixes of cuts of recordings are read")
    harmless(cut, where)
    rate = whole(cut.get("sampling_rate"), "sampling_rate", where, *RATES)
    seconds = number(cut.get("duration"), "duration", where, 0, MIXED_SECONDS)
    samples = samples_of(seconds, rate)
    audio = {"id": "padding", "type": "PaddingCut", "duration": seconds, "sampling_rate": rate, "feat_value": 0.0}
    return Part(offset, 0.0, seconds, {}, (), ""), {**audio, "num_samples": samples}, rate, seconds


def _part(row: Row, offset: float, where: str) -> tuple[Part, Row, int]:
    """A cut of one recording: what is told of it, what lhotse needs, and its rate."""
    if not row.get("recording"):
        raise LaminaError(f"{where} has no recording: Lamina reads audio, not stored features")
    harmless([row.get("features"), row.get("image"), row.get("custom")], where)
    recording = _recording(row["recording"], where)
    rate, channels = recording["sampling_rate"], recording["channel_ids"]
    length = recording["num_samples"] / rate
    start = number(row.get("start", 0.0), "start", where, 0, SECONDS)
    seconds = number(row.get("duration"), "duration", where, 0.5 / rate, SECONDS)
    if start + seconds > length + NEAR:
        raise LaminaError(
            f"{where} ends at {start + seconds:.3f} s of a recording of {length:.3f} s: the manifest is damaged, "
            "or of other audio"
        )
    seconds = min(seconds, round(length - start, 8))
    channel = row.get("channel", channels[0])
    asked = channels_of(channel if isinstance(channel, list) else [channel], where)
    if not set(asked) <= set(channels):
        raise LaminaError(f"{where} asks for channel {short(channel)}; its recording has {short(channels)}")
    told = tables_of(row.get("supervisions", []), "supervisions", where)
    custom = table_of(row.get("custom") or {}, where)
    supervisions = tuple(_supervision(each, where) for each in told)
    part = Part(offset, start, seconds, custom, supervisions, recording["id"])
    audio = {
        "id": text(row.get("id"), "id", where),
        "type": "MultiCut" if isinstance(channel, list) else "MonoCut",
        "start": start,
        "duration": seconds,
        "channel": channel,
        "recording": recording,
    }
    return part, audio, rate


def _recording(value: Any, where: str) -> Row:
    row = table_of(value, where)
    sources = [source_of(each, where) for each in tables_of(row.get("sources"), "sources", where)]
    if not sources:
        raise LaminaError(f"{where} has a recording without a source: make the manifest again")
    there = [channel for source in sources for channel in source["channels"]]
    rate = whole(row.get("sampling_rate"), "sampling_rate", where, *RATES)
    samples = whole(row.get("num_samples"), "num_samples", where, 1, SECONDS * rate)
    seconds = number(row.get("duration"), "duration", where, 0, SECONDS)
    if abs(seconds - samples / rate) > NEAR:
        raise LaminaError(
            f"{where} has a recording of {samples} samples at {rate} Hz that is to last {seconds:.3f} s: the "
            "manifest is damaged; make it again"
        )
    made = {
        "id": text(row.get("id"), "id", where),
        "sources": sources,
        "sampling_rate": rate,
        "num_samples": samples,
        "duration": seconds,
        "channel_ids": channels_of(row.get("channel_ids") or sorted(set(there)), where),
    }
    if row.get("transforms"):
        made["transforms"] = _transforms(row["transforms"], where)
    return made


def _transforms(value: Any, where: str) -> list[Row]:
    """Changes of the sound that lhotse makes: known ones, with plain values and, for a room, its recording."""
    harmless(value, where)
    made = []
    for row in tables_of(value, "transforms", where):
        name = row.get("name")
        if not known(name, TRANSFORMS):
            raise LaminaError(
                f"{where} has the transform {short(name)}; known are {', '.join(sorted(TRANSFORMS))}"
            )
        given = dict(table_of(row.get("kwargs") or {}, where))
        room = given.pop("rir", None)
        values = plain(given, f"{where}, transform {name}")
        for key, each in values.items():
            if key.endswith("rate"):
                whole(each, key, where, *RATES)
        if name in {"Speed", "Tempo"}:
            number(values.get("factor"), "factor", where, 0.05, 20)
        if room is not None:
            room = table_of(room, where)
            values["rir"] = _part(room, 0.0, where)[1] if "recording" in room else _recording(room, where)
            if "rir" in repr(values["rir"]):
                raise LaminaError(f"{where} has a room within a room: one at a time is read")
        made.append({"name": name, "kwargs": values})
    return made


def _supervision(row: Row, where: str) -> Supervision:
    start = number(row.get("start"), "start", where, -SECONDS, SECONDS)
    alignment = table_of(row.get("alignment") or {}, where)
    if not all(isinstance(items, list) for items in alignment.values()):
        raise LaminaError(f"{where} has an alignment that is no table of lists: make the manifest again")
    harmless(row.get("custom"), where)
    return Supervision(
        text(row.get("id"), "id", where),
        start,
        start + number(row.get("duration"), "duration", where, 0, SECONDS),
        "+".join(_merged(text(row.get("speaker"), "speaker", where))),
        text(row.get("text"), "text", where),
        {key: told for key in ("language", "gender") if (told := text(row.get(key), key, where))},
        table_of(row.get("custom") or {}, where),
        alignment,
        _merged(text(row.get("recording_id"), "recording_id", where)),
    )


def _merged(name: str) -> tuple[str, ...]:
    """The names in one: lhotse merges supervisions of ``ann``, ``ann`` and ``bob`` to ``cat#ann#ann#bob``."""
    return tuple(dict.fromkeys(name.split("#")[1:])) if name.startswith("cat#") else (name,)
