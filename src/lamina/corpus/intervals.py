"""Time-aligned labels as tools write them, read as intervals in seconds: by utterance, then by tier.

| format | one file holds | times |
|---|---|---|
| TextGrid (Praat, MFA) | one utterance, several tiers | start and end |
| ``.lab`` (HTK, Merlin) | one utterance, one tier | start and end, in 100 ns, or in seconds with a point |
| ``.lab``, xlabel (ESPS, Festival; a ``#`` line ends the header) | one utterance, one tier | ends, or starts |
| CTM (Kaldi) | many utterances, one tier | start and length |
| RTTM (NIST) | many utterances, who speaks when | start and length |
| CSV, TSV | many utterances or one, one tier or several | start and end, or start and length |

Text is UTF-8, UTF-16 (with its mark), or else Latin-1.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from pathlib import Path

from lamina.corpus.segments import TIERS, Interval, tier_name
from lamina.errors import LaminaError

Tiers = dict[str, list[Interval]]
ENDS, STARTS = "ends", "starts"  # what an xlabel time stamp is of its label
_COLUMNS = {
    "utterance": ("utt", "utterance", "file", "filename", "recording", "audio", "path", "id"),
    "start": ("start", "begin", "onset", "start_time", "xmin", "tmin"),
    "end": ("end", "stop", "offset", "end_time", "xmax", "tmax"),
    "duration": ("duration", "dur", "length"),
    "label": ("label", "word", "phone", "text", "symbol", "value"),
    "tier": ("tier", "type", "level"),
    "speaker": ("speaker",),
}


def decoded(raw: bytes) -> str:
    """Text in UTF-8, UTF-16 with its mark, or else Latin-1."""
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return raw.decode("utf-16")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def read_text(path: Path) -> str:
    """A text file in whatever encoding (see `decoded`).

    Raises:
        LaminaError: it cannot be read.
    """
    try:
        return decoded(path.read_bytes())
    except (OSError, UnicodeDecodeError) as error:
        raise LaminaError(f"{path} cannot be read ({error}): copy it again") from error


def textgrid(path: Path) -> Tiers:
    """The interval tiers of a TextGrid, short or long.

    Raises:
        LaminaError: it does not parse, or has two tiers of one name.
    """
    from praatio.utilities import textgrid_io

    found: Tiers = {}
    try:
        text = read_text(path)
        parsed = textgrid_io.parseTextgridStr(text, includeEmptyIntervals=True)
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
    return found


def lab(path: Path, *, stamps: str = ENDS, seconds: float | None = None) -> list[Interval]:
    """The labels of an HTK or xlabel file.

    Args:
        path: the file.
        stamps: what the one time of an xlabel line is: the label's end, as ESPS defines it, or its start.
        seconds: the length of the audio, where the last label of ``starts`` ends.

    Raises:
        LaminaError: a line is of neither kind.
    """
    lines = [line for line in read_text(path).splitlines() if line.strip()]
    header = next((place for place, line in enumerate(lines) if line.strip() == "#"), None)
    if header is not None:
        return _xlabel(path, lines[header + 1 :], stamps, seconds)
    made: list[Interval] = []
    for number, line in enumerate(lines, start=1):
        parts = line.split()
        try:
            start, end, label = parts[0], parts[1], parts[2]
            unit = 1.0 if "." in start + end else 1e-7
            made.append((label, float(start) * unit, float(end) * unit))
        except (IndexError, ValueError) as error:
            raise LaminaError(
                f"{path}, line {number}, {line[:40]!r}: expected a start, an end and a label (HTK), or a '#' line "
                "above the labels (xlabel)"
            ) from error
    return made


def _xlabel(path: Path, lines: Iterable[str], stamps: str, seconds: float | None) -> list[Interval]:
    stamped: list[tuple[float, str]] = []
    for line in lines:
        parts = line.split(maxsplit=2)
        try:
            label = parts[2].split(";")[0].strip() if len(parts) > 2 else ""
            stamped.append((float(parts[0]), label))
        except (IndexError, ValueError) as error:
            raise LaminaError(f"{path}, {line[:40]!r}: expected a time, a colour and a label (xlabel)") from error
    if stamps == ENDS:
        starts = [0.0, *(time for time, _ in stamped)]
        return [(label, start, time) for start, (time, label) in zip(starts, stamped, strict=False)]
    last = max(seconds or 0.0, stamped[-1][0]) if stamped else 0.0
    ends = [*(time for time, _ in stamped[1:]), last]
    return [(label, time, end) for (time, label), end in zip(stamped, ends, strict=True)]


def ctm(path: Path) -> dict[str, Tiers]:
    """A CTM: utterance, channel, start, length, label a line; the file's name tells the tier, else ``word``."""
    tier = _tier_of(path, "word")
    found: dict[str, Tiers] = {}
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        parts = line.split()
        if not parts or parts[0].startswith(";;"):
            continue
        try:
            start = float(parts[2])
            interval = (parts[4], start, round(start + float(parts[3]), 8))
        except (IndexError, ValueError) as error:
            raise LaminaError(
                f"{path}, line {number}, {line[:60]!r}: expected utterance, channel, start, length, label (CTM)"
            ) from error
        found.setdefault(parts[0], {}).setdefault(tier, []).append(interval)
    return found


def rttm(path: Path) -> dict[str, list[Interval]]:
    """An RTTM: for each utterance, who speaks from when to when."""
    found: dict[str, list[Interval]] = {}
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        parts = line.split()
        if not parts or parts[0] != "SPEAKER":
            continue
        try:
            start = float(parts[3])
            found.setdefault(parts[1], []).append((parts[7], start, round(start + float(parts[4]), 8)))
        except (IndexError, ValueError) as error:
            raise LaminaError(f"{path}, line {number}, {line[:60]!r}: not a SPEAKER line of an RTTM") from error
    return found


def table(path: Path) -> dict[str, Tiers] | None:
    """A CSV or TSV with times (MFA's too: Begin, End, Label, Type); None where it has no such columns."""
    text = read_text(path)
    first = text.split("\n", 1)[0]
    reader = csv.DictReader(text.splitlines(), delimiter="\t" if "\t" in first else ";" if ";" in first else ",")
    names = {str(name).strip().casefold(): str(name) for name in reader.fieldnames or ()}
    column = {role: next((names[n] for n in known if n in names), "") for role, known in _COLUMNS.items()}
    if not column["start"] or not column["label"] or not (column["end"] or column["duration"]):
        return None
    found: dict[str, Tiers] = {}
    for number, row in enumerate(reader, start=2):
        try:
            start = float(row[column["start"]])
            end = float(row[column["end"]]) if column["end"] else start + float(row[column["duration"]])
        except (TypeError, ValueError) as error:
            raise LaminaError(f"{path}, line {number}: the times do not read as seconds") from error
        utterance = Path(row[column["utterance"]] or "").stem if column["utterance"] else path.stem
        tier = tier_name(row[column["tier"]]) if column["tier"] else _tier_of(path, tier_name(column["label"]))
        if tier in {"label", "text", "symbol", "value"}:
            tier = "word"
        found.setdefault(utterance, {}).setdefault(tier, []).append((row[column["label"]] or "", start, end))
    return found


def _tier_of(path: Path, default: str) -> str:
    """The tier that a file's name or its folder's name tells (``phones.ctm``, ``words/x.lab``)."""
    for name in (*re.split(r"[^A-Za-z]+", path.stem), *re.split(r"[^A-Za-z]+", path.parent.name)):
        if name.casefold() in TIERS:
            return TIERS[name.casefold()]
    return default


def lab_tier(path: Path) -> str:
    """The tier of a ``.lab`` file: what its folder's name says, ``phone`` by default."""
    return _tier_of(path.parent / "x", "phone")
