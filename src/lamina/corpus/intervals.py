"""Time-aligned labels as tools write them, read as intervals in seconds: by utterance, then by tier.

| format | one file holds | times |
|---|---|---|
| TextGrid (Praat, MFA) | one utterance, several tiers | start and end |
| ``.lab`` (HTK, Merlin), ``.phn``, ``.wrd`` (TIMIT) | one utterance, one tier | start and end, one unit a file |
| xlabel (ESPS, Festival, Buckeye; a ``#`` line ends the header) | one utterance, one tier | ends, or starts |
| CTM (Kaldi) | many utterances, one tier | start and length |
| RTTM (NIST) | many utterances, who speaks when | start and length |
| CSV, TSV | many utterances or one, one tier or several | start and end, or start and length |

How text is decoded and numbers are read: `lamina.corpus.texts`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from lamina.corpus.faults import Faults
from lamina.corpus.labels import TIERS, tier_name
from lamina.corpus.segments import TOLERANCE, Interval
from lamina.corpus.textgrid import read_textgrid
from lamina.corpus.texts import fields, number, read_lines, read_table
from lamina.corpus.xlabel import ENDS, xlabel
from lamina.errors import LaminaError

Tiers = dict[str, list[Interval]]
# Files of one tier of one utterance, by their endings; a .lab is of the tier that its folder's name says.
LABEL_ENDINGS = {
    ".lab": "", ".phn": "phone", ".phones": "phone", ".lablaut": "phone", ".wrd": "word", ".words": "word",
    ".labsilb": "syllable", ".silb": "syllable",
}  # fmt: skip
_MOST_OF_IT = 0.5  # the share of the audio that labels in whole numbers cover in the unit that is believed
_HTK_LEAST = 0.01  # the same of HTK's own unit, for which samples or milliseconds would cover less


def textgrid(path: Path, faults: Faults) -> Tiers:
    """The interval tiers of a TextGrid by their own names, long or short; point tiers are counted.

    Raises:
        LaminaError: it does not parse, or has two tiers of one name.
    """
    found: Tiers = {}
    for tier in read_textgrid(path):
        if tier.intervals is None:
            faults.count("point tiers not read", repr(tier.name))
        elif tier.name in found:
            raise LaminaError(f"{path} has two tiers {tier.name!r}: rename or remove one")
        else:
            found[tier.name] = tier.intervals
    return found


def lab(path: Path, seconds: float, rate: int, faults: Faults, *, stamps: str = ENDS) -> list[Interval]:
    """The labels of an HTK, TIMIT or xlabel file.

    Args:
        path: the file.
        seconds: the length of the audio.
        rate: of the audio (Hz).
        faults: where fields that are not read, and units, are counted.
        stamps: what the one time of an xlabel line is: the label's end, as ESPS defines it, or its start.

    Raises:
        LaminaError: a line is of no kind, or the times fit the audio in no unit.
    """
    told = [line for line in read_lines(path) if line.strip()]
    header = next((place for place, line in enumerate(told) if line.strip() == "#"), None)
    if header is not None or (told and _stamped(told[0])):
        below = told[0 if header is None else header + 1 :]
        return xlabel(path, below, lab_tier(path), seconds, faults, stamps=stamps)
    rows: list[tuple[str, str, str]] = []
    for place, line in enumerate(told, start=1):
        parts = fields(line)
        try:
            rows.append((parts[2], parts[0], parts[1]))
            number(parts[0]), number(parts[1])
        except (IndexError, ValueError) as error:
            raise LaminaError(
                f"{path}, line {place}, {line[:40]!r}: expected a start, an end and a label (HTK), or a '#' line "
                "above the labels (xlabel)"
            ) from error
        if len(parts) > 3:
            faults.count("fields after labels not read", f"{path.suffix}, {len(parts) - 3} fields")
    unit = _unit(path, rows, seconds, rate, faults)
    return [(label, number(start) * unit, number(end) * unit) for label, start, end in rows]


def _stamped(line: str) -> bool:
    """Whether a line is one time and a label, as EMO-DB's ``.silb`` has them, without a header."""
    parts = fields(line)
    return len(parts) == 2 and [_is_number(part) for part in parts] == [True, False]


def _is_number(text: str) -> bool:
    try:
        number(text)
    except ValueError:
        return False
    return True


def _unit(path: Path, rows: list[tuple[str, str, str]], seconds: float, rate: int, faults: Faults) -> float:
    """The one unit of a file's times, in seconds: what fits the audio; whole numbers must cover enough of it."""
    last = max((number(end) for _, _, end in rows), default=0.0)
    if any(set(".,") & set(start + end) for _, start, end in rows):
        units, least = {"seconds": 1.0, "milliseconds": 1e-3}, 0.0
    else:
        units = {"seconds": 1.0, "milliseconds": 1e-3, "samples": 1 / rate, "100 ns": 1e-7}
        least = _MOST_OF_IT
    for name, unit in units.items():
        covered = last * unit / seconds
        if last * unit <= seconds + TOLERANCE and covered >= (_HTK_LEAST if name == "100 ns" else least):
            faults.count("label files by the unit of their times", name)
            return unit
    if not rows or len(units) == 2:
        return 1.0  # said to lie outside the audio
    read = ", ".join(f"{last * unit:.4g} s as {name}" for name, unit in units.items())
    raise LaminaError(
        f"{path}: the last label ends at {last:.0f}, which is {read}, and the audio lasts {seconds:.4g} s: the "
        "labels are of another file, or cover almost nothing; write the times in seconds with a point"
    )


def ctm(path: Path, faults: Faults) -> dict[str, Tiers]:
    """A CTM: utterance, channel, start, length, label a line; the file's name tells the tier, else ``word``.

    Where an utterance has several channels, each is somebody: its name stands before the tier (``1 - word``).
    """
    tier = _tier_of(path, "word")
    read: dict[str, dict[str, list[Interval]]] = {}
    for place, parts in _nist(path):
        try:
            start = number(parts[2])
            interval = (parts[4], start, round(start + number(parts[3]), 8))
        except (IndexError, ValueError) as error:
            raise LaminaError(
                f"{path}, line {place}, {' '.join(parts)[:60]!r}: expected utterance, channel, start, length, "
                "label (CTM)"
            ) from error
        read.setdefault(parts[0], {}).setdefault(parts[1], []).append(interval)
    found: dict[str, Tiers] = {}
    for name, channels in read.items():
        several = len(channels) > 1
        if several:
            faults.count(f"channels of {path.name}, read as a speaker each", name, len(channels))
        found[name] = {f"{channel} - {tier}" if several else tier: own for channel, own in channels.items()}
    return found


def word_ends(path: Path) -> dict[str, Tiers]:
    """``id "A,B,,C" "0.5,0.9,1.0,1.4"``: words, an empty one for silence, and their ends (LibriSpeech)."""
    found: dict[str, Tiers] = {}
    for line in read_lines(path):
        try:
            identity, words, ends = line.replace('"', "").split()
            times = [0.0, *map(number, ends.split(","))]
            told = zip(words.split(","), pairwise(times), strict=True)
            found[identity] = {"word": [(word, start, end) for word, (start, end) in told]}
        except ValueError as error:
            raise LaminaError(
                f"{path}, {line[:60]!r}: expected an id, words and their ends: half-copied"
            ) from error
    return found


def _nist(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The lines of a NIST file with their numbers, cut at spaces, without comments."""
    for place, line in enumerate(read_lines(path), start=1):
        parts = fields(line)
        if parts and not parts[0].startswith(";;"):
            yield place, parts


def rttm(path: Path, faults: Faults) -> dict[str, list[Interval]]:
    """An RTTM: for each utterance, who speaks from when to when; lines that are no SPEAKER are counted."""
    found: dict[str, list[Interval]] = {}
    for place, parts in _nist(path):
        if parts[0] != "SPEAKER":
            faults.count("lines of RTTMs not read, for they are no SPEAKER", parts[0])
            continue
        try:
            start = number(parts[3])
            found.setdefault(parts[1], []).append((parts[7], start, round(start + number(parts[4]), 8)))
        except (IndexError, ValueError) as error:
            raise LaminaError(
                f"{path}, line {place}, {' '.join(parts)[:60]!r}: not a SPEAKER line of an RTTM"
            ) from error
    return found


def table(path: Path, faults: Faults) -> dict[str, Tiers] | None:
    """A CSV or TSV with times (MFA's too: Begin, End, Label, Type); None where it has no such columns.

    Each column that names a tier (``word``, ``phone``, …) is one. Where there are several, a row is of the finest;
    the others' segments are runs of rows with one label. A speaker's name stands before the tier (``ann - word``).
    """
    rows = read_table(path)
    roles = ("utterance", "start", "end", "duration", "tier", "label", "speaker")
    column = {role: rows.column(role) for role in roles}
    named = [name for name in rows.columns if name.casefold() in TIERS]
    if not column["tier"] and named:
        column["label"] = ""
    if not column["start"] or not (column["end"] or column["duration"]) or not (column["label"] or named):
        return None
    labelled = {name: tier_name(name) for name in named} if not column["label"] else {column["label"]: ""}
    if column["end"]:
        column["duration"] = ""
    for name in rows.columns:
        if name and name not in labelled and name not in column.values():
            faults.count(f"columns of {path.name} not read", repr(name))
    found: dict[str, Tiers] = {}
    for place, row in enumerate(rows.rows(faults), start=2):
        try:
            start = number(row[column["start"]])
            end = number(row[column["end"]]) if column["end"] else start + number(row[column["duration"]])
        except ValueError as error:
            raise LaminaError(f"{path}, row {place}: the times do not read as seconds") from error
        told = {role: row[name] if (name := column[role]) else "" for role in ("utterance", "tier", "speaker")}
        tiers = found.setdefault(told["utterance"] or path.stem, {})
        for name, named_tier in labelled.items():
            tier = named_tier or (tier_name(told["tier"]) if told["tier"] else _tier_of(path, "word"))
            tier = f"{told['speaker']} - {tier}" if told["speaker"] else tier
            tiers.setdefault(tier, []).append((row[name], start, end))
    if len(labelled) > 1:
        finest = next(tier for tier in ("phone", "syllable", "word") if tier in labelled.values())
        for tiers in found.values():
            for tier in [tier for tier in tiers if tier_name(tier) != finest]:
                tiers[tier] = _runs(tiers[tier])
                faults.count("tiers made of runs of rows with one label", f"{tier_name(tier)}, {path.name}")
    return found


def _runs(intervals: list[Interval]) -> list[Interval]:
    made: list[Interval] = []
    for label, start, end in intervals:
        if made and made[-1][0] == label and abs(start - made[-1][2]) <= TOLERANCE:
            made[-1] = (label, made[-1][1], end)
        else:
            made.append((label, start, end))
    return made


def _tier_of(path: Path, default: str) -> str:
    """The tier that a file's name or its folder's name tells (``phones.ctm``, ``words/x.lab``)."""
    for name in (*re.split(r"[^A-Za-z]+", path.stem), *re.split(r"[^A-Za-z]+", path.parent.name)):
        if name.casefold() in TIERS:
            return TIERS[name.casefold()]
    return default


def lab_tier(path: Path) -> str:
    """The tier of a label file: what its ending, or its folder's name, says; ``phone`` by default."""
    return LABEL_ENDINGS[path.suffix.lower()] or _tier_of(path.parent / "x", "phone")
