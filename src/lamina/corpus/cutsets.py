"""Corpora read from lhotse: CutSets (``.jsonl``, ``.jsonl.gz``) and Shar folders (cuts and tars of audio)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from itertools import accumulate
from pathlib import Path
from sys import intern
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamina.corpus.accounts import Account
from lamina.corpus.allowed import Row, text
from lamina.corpus.corpus import Tiers, Utterance, pack, packed
from lamina.corpus.cuts import Cut, Part, Supervision, cut_of
from lamina.corpus.faults import Faults
from lamina.corpus.labels import base_tier, reading, silent, tier_name, toned
from lamina.corpus.mixed import MixedAudio, place_of
from lamina.corpus.rows import rows
from lamina.corpus.segments import segments
from lamina.corpus.spoken import RECORDING, Timed, origin, placed, remembered
from lamina.corpus.stored import SAMPLE_RATE, Audio, AudioFile, StoredCorpus, rescale
from lamina.corpus.tars import tar_members
from lamina.corpus.voices import Turn, voice_tiers
from lamina.errors import LaminaError

STAMP = "lamina_stamp"  # the field of a cut that holds a digest of its audio's file
LONGEST = 2**31  # samples at 16 kHz: 37 hours
_SHARD = re.compile(r"cuts\.(\d+)\.jsonl(\.gz)?")
_NO_LABELS = frozenset({"split", "channels", "dataloading_info", STAMP})


def open_cuts(path: Path, *, name: str = "", faults: Faults | None = None) -> StoredCorpus:
    """Open a lhotse CutSet; relative audio paths are looked up in its folder first.

    Raises:
        LaminaError: it does not parse as a CutSet, or an alignment does not fit its audio.
    """
    if not path.is_file():
        raise LaminaError(f"there is no CutSet {path}")
    told = faults or Faults(keep=False)
    items = partial(cut_items, path, told, counted=origin(_cuts(path), str(path)))
    return StoredCorpus(name or path.parent.name, items, faults=told, account=Account())


def is_shar(folder: Path) -> bool:
    """Whether a folder is one that lhotse's ``CutSet.to_shar`` wrote, with audio."""
    return bool(_shards(folder)) and any(folder.glob("recording.*.tar"))


def open_shar(folder: Path, *, faults: Faults | None = None) -> StoredCorpus:
    """Open a Shar folder. The tars' headers are read once; audio is read from its place in the tar.

    Raises:
        LaminaError: a tar is missing or cut short, or a cut's audio is not in it.
    """
    told = faults or Faults(keep=False)
    return StoredCorpus(folder.resolve().name, partial(shar_items, folder, told), faults=told, account=Account())


def cut_items(
    path: Path, faults: Faults, *, ours: bool = False, counted: str = ""
) -> Iterator[tuple[Utterance, Audio]]:
    """The utterances of a CutSet file, one at a time.

    Args:
        path: of the CutSet.
        faults: where those of single cuts are told.
        ours: it is the manifest of a corpus folder (`lamina.corpus.manifest`).
        counted: from where its alignments count (`lamina.corpus.spoken.origin`); found out where empty.
    """
    counted = counted or (RECORDING if ours else origin(_cuts(path), str(path)))
    for row in rows(path):
        with faults.catching():
            cut = cut_of(row, str(path))
            before = faults.added
            made = utterance_of(cut, counted, str(path), faults, ours), audio_of(cut, path, ours)
            if faults.added == before:  # a cut with a broken tier is not whole
                yield made


def shar_items(folder: Path, faults: Faults) -> Iterator[tuple[Utterance, Audio]]:
    """The utterances of a Shar folder, shard by shard."""
    for _, path in _shards(folder):
        remembered(_cuts(path), str(path))
    for number, path in _shards(folder):
        tar = folder / f"recording.{number}.tar"
        if not tar.is_file():
            faults.add(f"{folder} has {path.name} but no {tar.name}: it was copied in part; copy it again")
            continue
        members = tar_members(tar, faults)
        by_stem = {name.rpartition(".")[0]: place for name, place in members.items() if not name.endswith(".json")}
        for row in rows(path):
            with faults.catching():
                cut = cut_of(row, str(path))
                place = by_stem.get(cut.id)
                if place is None:
                    raise LaminaError(
                        f"{path}: cut {cut.id!r} has no audio in {tar.name}: the tar was cut short; copy it again"
                    )
                if cut.audio["type"] == "MixedCut":
                    raise LaminaError(
                        f"{path}: cut {cut.id!r} is a MixedCut: Lamina reads Shar folders of one cut each"
                    )
                # to_shar stores the cut's own stretch of audio, of its own channels.
                channel = 0 if cut.audio["type"] == "MonoCut" else None
                audio = AudioFile(str(tar), cut.rate, 0, cut.samples, channel, place)
                yield utterance_of(cut, RECORDING, str(path), faults), audio


def _cuts(path: Path) -> Iterator[Cut]:
    """The cuts of a CutSet that read."""
    for row in rows(path):
        with suppress(LaminaError):  # told when it is read
            yield cut_of(row, str(path))


def _shards(folder: Path) -> list[tuple[str, Path]]:
    found = ((_SHARD.fullmatch(path.name), path) for path in folder.glob("cuts.*.jsonl*"))
    return sorted((match[1], path) for match, path in found if match)


def utterance_of(
    cut: Cut, counted: str, path: str, faults: Faults, ours: bool = False, voices: bool = False
) -> Utterance:
    """The utterance that a cut is.

    Args:
        cut: of the CutSet at ``path``.
        counted: from where its alignments count.
        path: for errors.
        faults: where those of its tiers are told.
        ours: whether it is of a manifest of ours.
        voices: whether one speaker, too, gets tiers of their own (``speaker:1``).
    """
    where = f"{path}: cut {cut.id!r}"
    samples = rescale(cut.samples, cut.rate, SAMPLE_RATE)
    if samples >= LONGEST:
        raise LaminaError(f"{where} is {samples / SAMPLE_RATE / 3600:.0f} hours long: cut it into parts")
    told = [(part, each) for part in cut.parts for each in part.supervisions]
    customs: list[Row] = [cut.parts[0].custom, *(each.custom for _, each in told)]
    speakers = list(dict.fromkeys(each.speaker for _, each in told)) or [""]
    plain = ours and told and not faults.remarks
    tiers = _own_tiers(told[0][1].alignment, cut.parts[0].start, samples) if plain else None
    said = [each.text for _, each in told]
    if tiers is None:
        timed = [placed(cut, part, each, counted, where, faults) for part, each in told]
        said = [_text(part, each, tier, faults) for (part, each), tier in zip(told, timed, strict=True)]
        if len(speakers) == 1 and not voices:
            tiers = _tiers(timed, samples, where, faults, ours)
        else:
            turns: list[Turn] = [
                (
                    each.speaker,
                    (part.offset + each.start, part.offset + each.end),
                    _tiers([tier], samples, where, faults, ours),
                )
                for (part, each), tier in zip(told, timed, strict=True)
            ]
            tiers = packed(voice_tiers(turns, samples, where, faults))
    return Utterance(
        id=cut.id,
        speaker=intern("+".join(speakers)),
        split=next((split for custom in customs if (split := text(custom.get("split"), "split", where))), ""),
        samples=samples,
        text=" ".join(filter(None, said)),
        tiers=tiers,
        labels=_labels(customs, [each for _, each in told], where),
    )


def _text(part: Part, supervision: Supervision, timed: Mapping[str, Timed], faults: Faults) -> str:
    """What is said of a supervision inside the cut."""
    if not supervision.text or not any(supervision.divided(part)):
        return supervision.text
    words = next((timed[name][0] for name in timed if tier_name(name) == "word"), None)
    how = "that have no times of words: left out" if words is None else "of which the words inside are kept"
    faults.count(f"texts that the edge of their cut divides, {how}", supervision.id)
    return " ".join(word for word in words or () if not silent(word))


def _labels(customs: list[Row], supervisions: list[Supervision], where: str) -> dict[str, str]:
    """Ours where a custom table has ``labels``; else all plain values of the tables, and language and gender."""
    labels: dict[str, str] = {}
    for custom in customs:
        own = custom["labels"] if isinstance(custom.get("labels"), dict) else custom
        labels |= {
            text(key, "label", where): told
            for key, value in own.items()
            if isinstance(value, str | int | float) and key not in _NO_LABELS and (told := text(value, key, where))
        }
    for name in ("language", "gender"):
        spoken = {each.told[name] for each in supervisions if name in each.told}
        if len(spoken) == 1:
            labels.setdefault(name, spoken.pop())
    return labels


class _Called(dict[str, str | None]):
    """How the labels of a tier are called here: empty for silence, None where that needs a decision."""

    def __init__(self, tier: str) -> None:
        super().__init__()
        self._tier = tier

    def __missing__(self, label: str) -> str | None:
        named, odd = reading(self._tier, label, stress=True)
        tone = base_tier(self._tier) == "phone" and toned([label])
        called = self[label] = None if odd or tone else intern(named or "")
        return called


_CALLED: dict[str, _Called] = {}


def _tiers(timed: Iterable[Mapping[str, Timed]], samples: int, where: str, faults: Faults, ours: bool) -> Tiers:
    """The tiers of supervisions of one speaker together."""
    found: dict[str, list[Timed]] = {}
    for tiers in timed:
        for name, tier in tiers.items():
            found.setdefault(name if ours else tier_name(name), []).append(tier)
    return Tiers({name: _tier(name, parts, samples, where, faults, ours) for name, parts in found.items()})


def _tier(
    name: str, parts: list[Timed], samples: int, where: str, faults: Faults, ours: bool
) -> tuple[tuple[str, ...], bytes]:
    """A tier: in one step where nothing in it needs a decision, else by `segments`; labels of ours stay."""
    labels = [label for part in parts for label in part[0]]
    starts, ends = (np.concatenate([part[side] for part in parts]) for side in (1, 2))
    called = _CALLED.setdefault(name, _Called(name))
    known = list(map(intern, labels)) if ours else [called[label] for label in labels]
    if not faults.remarks and None not in known:
        heard = np.array([bool(label) for label in known], bool)
        edges = _samples(np.stack([starts[heard], ends[heard]], axis=1))
        if _in_order(edges, samples):
            for label, unheard in zip(labels, ~heard, strict=True):
                if unheard and label.strip():
                    faults.count(f"{name} labels that are no segments", repr(label.strip()))
            return tuple(filter(None, known)), edges.astype(np.int32).tobytes()
    intervals = zip(labels, starts.tolist(), ends.tolist(), strict=True)
    where = f"{where}, tier {name!r}"
    return pack(segments(name, intervals, SAMPLE_RATE, samples, where, faults, renamed=ours))


def _own_tiers(alignment: Mapping[str, list[Any]], start: float, samples: int) -> Tiers | None:
    """All tiers of a manifest of ours in one step; None where something in them needs a decision."""
    items = [item for tier in alignment.values() for item in tier]
    if not items:
        return Tiers(dict.fromkeys(alignment, ((), b"")))
    try:
        labels, starts, lengths, _ = zip(*items, strict=True)
        labels = tuple(map(intern, labels))
        times = np.array([starts, lengths], np.float64)
    except (TypeError, ValueError):
        return None
    times[1] += times[0]
    flat = _samples((times - start).T).ravel()
    ends = list(accumulate(map(len, alignment.values())))
    steps = flat[1:] - flat[:-1]
    gaps = steps[1::2]
    gaps[[end - 1 for end in ends[:-1] if 0 < end < len(items)]] = 0  # from one tier to the next
    if not (flat.min() >= 0 and flat.max() <= samples and steps[::2].min() > 0 and gaps.min(initial=0) >= 0):
        return None  # what is no number is none of this
    edges = flat.astype(np.int32).tobytes()
    made: dict[str, tuple[tuple[str, ...], bytes]] = {}
    first = 0
    for name, end in zip(alignment, ends, strict=True):
        made[intern(name)] = labels[first:end], edges[8 * first : 8 * end]
        first = end
    return Tiers(made)


def _samples(seconds: NDArray[np.float64]) -> NDArray[np.float64]:
    """As `lamina.corpus.segments.at` has it."""
    return np.floor(seconds * SAMPLE_RATE + 0.5 + 1e-6)


def _in_order(edges: NDArray[np.float64], samples: int) -> bool:
    """Whether segments lie inside the audio, one after the other, each of some length."""
    flat = edges.ravel()
    if not len(flat):
        return True
    steps = np.diff(flat)
    return bool(flat[0] >= 0 and flat[-1] <= samples and steps.min() >= 0 and steps[::2].min() > 0)


def audio_of(cut: Cut, path: Path, ours: bool) -> Audio:
    """The audio of a cut: a stretch of one file where it is no more than that, else what lhotse makes of it."""
    audio, base = cut.audio, str(path.parent)
    if not cut.mixed and "transforms" not in audio["recording"]:
        recording, channel = audio["recording"], audio["channel"]
        asked = channel if isinstance(channel, list) else [channel]
        for source in recording["sources"]:
            whole = len(asked) > 1 and set(source["channels"]) == set(asked)
            if source["type"] not in {"file", "tar"} or not (
                whole or (len(asked) == 1 and asked[0] in source["channels"])
            ):
                continue
            custom = cut.parts[0].custom
            # Our manifests name a channel of the file, lhotse's one of the recording.
            chosen = None if whole else asked[0] if ours else source["channels"].index(asked[0])
            place, member = place_of(source, base, ours=ours)
            return AudioFile(
                place,
                cut.rate,
                round(cut.parts[0].start * cut.rate),
                cut.samples,
                None if ours and custom.get("channels") == "mean" else chosen,
                member,
                0 if ours else recording["num_samples"],
                0 if ours else len(source["channels"]),
                text(custom.get(STAMP), STAMP, str(path)) if ours else "",
            )
    return MixedAudio.of(cut, base)
