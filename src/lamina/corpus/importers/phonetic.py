"""Phones labelled by hand: TIMIT, Buckeye, EMO-DB."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lamina.corpus.faults import Faults
from lamina.corpus.importers.importer import FoundUtterance, ImportSource, told
from lamina.corpus.intervals import Tiers, lab
from lamina.corpus.labels import silent
from lamina.corpus.segments import Interval
from lamina.corpus.stored import audio_file
from lamina.corpus.texts import read_lines, read_text
from lamina.corpus.trees import walk
from lamina.corpus.xlabel import ENDS, STARTS
from lamina.errors import LaminaError

TIMIT_RATE = 16_000  # the unit of its label files
CLOSURES = {
    "bcl": ("b",), "dcl": ("d", "jh"), "gcl": ("g",), "pcl": ("p",), "tcl": ("t", "ch"), "kcl": ("k",),
}  # fmt: skip
BUCKEYE_SPEAKERS = 40
PAUSE = 0.5  # seconds without transcribed speech at which Buckeye's ten-minute tracks are cut


def timit(source: ImportSource) -> Iterator[FoundUtterance]:
    """``TRAIN`` and ``TEST`` with ``DRn/SPEAKER/``: ``.WAV`` (NIST or RIFF), ``.PHN``, ``.WRD``, ``.TXT``, any
    case.

    Splits: the core test set (24 speakers) is ``test``, the usual 50 other test speakers are ``dev``, the rest of
    the complete test set has none. The 61 phones become 39 (Lee and Hon 1989, as lhotse's table has it), with one
    difference: a closure is its stop's and not silence, so that words are made of whole phones. The glottal stop q
    goes to the phone after it where it begins a word, else to the phone before it.
    """
    from lhotse.recipes.timit import get_phonemes, get_speakers

    fold: dict[str, str] = get_phonemes(39)
    dev, core = (set(names) for names in get_speakers())
    waves = sorted(path for path in source.path.rglob("*") if path.suffix.lower() == ".wav")
    waves = [path for path in waves if {"train", "test"} & {part.lower() for part in path.parts}]
    if not waves:
        raise source.wrong("TRAIN or TEST with .WAV files")
    for name in ("train", "test"):
        if not any(name in {part.lower() for part in path.parts} for path in waves):
            source.faults.add(f"{source.path} has no {name.upper()} with .WAV files: half-copied")
    for wave in waves:
        speaker = wave.parent.name.lower()
        part = next(p.lower() for p in reversed(wave.parts[:-1]) if p.lower() in {"train", "test"})
        split = part if part == "train" else "dev" if speaker in dev else "test" if speaker in core else ""
        files = {path.suffix.lower(): path for path in wave.parent.glob(f"{wave.stem}.*")}
        if missing := [ending for ending in (".phn", ".wrd") if ending not in files]:
            source.faults.add(f"{wave} has no {' and no '.join(missing)} beside it: half-copied")
            continue
        try:
            words = _apart(_samples(files[".wrd"]))
            raw = [(label.lower(), start, end) for label, start, end in _samples(files[".phn"])]
            phones = _whole(raw, words)
        except LaminaError as error:
            source.faults.add(str(error))
            continue
        if unknown := sorted({label for label, _, _ in phones} - fold.keys()):
            source.faults.add(f"{files['.phn']} has the phone {unknown[0]!r}, which is none of TIMIT's 61")
            continue
        tiers = {"phone": [(fold[label], start, end) for label, start, end in phones], "word": words}
        text = " ".join(read_text(files[".txt"]).split()[2:]) if ".txt" in files else ""
        gender = {"m": "male", "f": "female"}.get(speaker[:1], "")
        labels = told(gender=gender, dialect=wave.parent.parent.name.lower(), kind=wave.stem[:2].lower())
        yield FoundUtterance(f"{speaker}-{wave.stem.lower()}", wave, speaker, split, text, tiers, labels)


def _samples(path: Path) -> list[Interval]:
    """Lines of first sample, last sample (exclusive), label."""
    made = []
    for number, line in enumerate(read_lines(path), start=1):
        parts = line.split()
        if not parts:
            continue
        try:
            made.append((parts[2], int(parts[0]) / TIMIT_RATE, int(parts[1]) / TIMIT_RATE))
        except (IndexError, ValueError) as error:
            raise LaminaError(f"{path}, line {number}, {line[:40]!r}: expected two samples and a label") from error
    return made


def _whole(phones: list[Interval], words: list[Interval]) -> list[Interval]:
    """Closures joined to their releases, and q to a neighbour, so that words are made of whole phones."""
    starts = {start for _, start, _ in words}
    made: list[Interval] = []
    opening: Interval | None = None  # a closure or word-initial q, whose time is the next phone's
    for place, (label, start, end) in enumerate(phones):
        after = phones[place + 1][0] if place + 1 < len(phones) else ""
        if label in CLOSURES and after in CLOSURES[label]:
            opening = (label, opening[1] if opening else start, end)
        elif label == "q" and start in starts and after not in {"", "h#", "pau", "epi"}:
            opening = (label, start, end)
        elif label == "q" and made and made[-1][2] == start:
            made[-1] = (made[-1][0], made[-1][1], end)
        elif label != "q":
            bare = CLOSURES[label][0] if label in CLOSURES else label
            made.append((bare, opening[1] if opening else start, end))
            opening = None
    return made


def _apart(words: list[Interval]) -> list[Interval]:
    """Some of TIMIT's words share their last phone with the next word: it is the next word's."""
    return [
        (label, start, min(end, later[1]) if later[1] > start else end)
        for (label, start, end), later in zip(words, [*words[1:], ("", float("inf"), 0.0)], strict=True)
    ]


def buckeye(source: ImportSource) -> Iterator[FoundUtterance]:
    """``sNN/sNNNNx.wav`` with ``.phones`` and ``.words``; times are ends. Tracks are cut at pauses of 0.5 s.

    Only lower-case phones are speech; the rest (SIL, NOISE, VOCNOISE, IVER, LAUGH, UNKNOWN, CUTOFF, {B_TRANS}, …)
    is none. Words in angle or curly brackets are none.
    """
    tracks = sorted(path for path in source.path.rglob("s[0-9][0-9]*.wav"))
    if not tracks:
        raise source.wrong("track (s01/s0101a.wav)")
    if (people := len({wave.stem[:3] for wave in tracks})) < BUCKEYE_SPEAKERS:
        source.notes.append(f"{people} of {BUCKEYE_SPEAKERS} speakers are there")
    for wave in tracks:
        labels = [wave.with_suffix(ending) for ending in (".phones", ".words")]
        if missing := [path.name for path in labels if not path.is_file()]:
            source.faults.add(f"{wave} has no {' and no '.join(missing)} beside it: half-copied, or still zipped")
            continue
        try:
            audio, _ = audio_file(wave)
            seconds = audio.samples / audio.rate
            raw, words = (lab(path, seconds, audio.rate, source.faults, stamps=ENDS) for path in labels)
        except LaminaError as error:
            source.faults.add(str(error))
            continue
        phones = [part for part in raw if part[0].isalpha() and part[0].islower()]
        for label, _, _ in raw:
            if not (label.isalpha() and label.islower()) and label:
                source.faults.count("phone labels that are no segments", repr(label))
        spans = _between_pauses(phones, seconds)
        for label, onset, _ in words:
            if not any(start <= onset < end for start, end in spans) and not silent(label, "word"):
                source.faults.count("words left out, for no phone is there", repr(label))
        for number, (start, end) in enumerate(spans):
            first, last = round(start * audio.rate), round(end * audio.rate)
            tiers = {
                name: [
                    (label, a - first / audio.rate, b - first / audio.rate)
                    for label, a, b in tier
                    if start <= a < end
                ]
                for name, tier in (("phone", phones), ("word", words))
            }
            yield FoundUtterance(
                f"{wave.stem}-{number:03d}", wave, wave.stem[:3], tiers=tiers, stretch=(first, last)
            )


def _between_pauses(phones: list[Interval], seconds: float) -> list[tuple[float, float]]:
    """Stretches of speech, with up to a tenth of a second around them."""
    spans: list[list[float]] = []
    for _, start, end in phones:
        if spans and start - spans[-1][1] < PAUSE:
            spans[-1][1] = end
        else:
            spans.append([start, end])
    return [(max(0.0, start - 0.1), min(seconds, max(end, end + 0.1))) for start, end in spans]


EMODB_EMOTIONS = {
    "W": "anger", "L": "boredom", "E": "disgust", "A": "fear", "F": "happiness", "T": "sadness", "N": "neutral",
}  # fmt: skip
EMODB_TEXTS = {
    "a01": "der lappen liegt auf dem eisschrank",
    "a02": "das will sie am mittwoch abgeben",
    "a04": "heute abend könnte ich es ihm sagen",
    "a05": "das schwarze stück papier befindet sich da oben neben dem holzstück",
    "a07": "in sieben stunden wird es soweit sein",
    "b01": "was sind denn das für tüten die da unter dem tisch stehen",
    "b02": "sie haben es gerade hochgetragen und jetzt gehen sie wieder runter",
    "b03": "an den wochenenden bin ich jetzt immer nach hause gefahren und habe agnes besucht",
    "b09": "ich will das eben wegbringen und dann mit karl was trinken gehen",
    "b10": "die wird auf dem platz sein wo wir sie immer hinlegen",
}
EMODB_MEN = frozenset({"03", "10", "11", "12", "15"})


def emodb(source: ImportSource) -> Iterator[FoundUtterance]:
    """``wav/03a01Fa.wav`` with ``lablaut`` (phones) and ``labsilb`` or ``silb`` (syllables), where there are.

    Time stamps are starts, against the habit of xlabel. What belongs to one phone: `lamina.corpus.xlabel`.
    """
    paths = walk(source.path, Faults(keep=True))
    waves = [path for path in paths if path.suffix.lower() in {".wav", ".flac"}]
    if not waves:
        raise source.wrong("wav/*.wav")
    labelled = {
        kind: {path.stem.removesuffix("xx"): path for path in paths if path.suffix == f".{kind}"}
        for kind in ("lablaut", "labsilb", "silb")
    }
    for wave in waves:
        speaker, text, emotion = wave.stem[:2], wave.stem[2:5], wave.stem[5:6]
        if len(wave.stem) != 7 or emotion not in EMODB_EMOTIONS:
            source.faults.add(f"{wave} has no name of EMO-DB (03a01Fa: speaker, text, emotion, version)")
            continue
        tiers: Tiers = {}
        try:
            audio, _ = audio_file(wave)
            for tier, kinds in (("phone", ("lablaut",)), ("syllable", ("labsilb", "silb"))):
                path = next((path for kind in kinds if (path := labelled[kind].get(wave.stem)) is not None), None)
                if path is not None:
                    seconds = audio.samples / audio.rate
                    tiers[tier] = lab(path, seconds, audio.rate, source.faults, stamps=STARTS)
                elif any(labelled[kind] for kind in kinds):
                    source.faults.add(f"{wave.stem} has no {' or '.join(kinds)}, which others have: half-copied")
        except LaminaError as error:
            source.faults.add(str(error))
            continue
        gender = "male" if speaker in EMODB_MEN else "female"
        labels = told(emotion=EMODB_EMOTIONS[emotion], gender=gender, sentence=text, language="de")
        yield FoundUtterance(wave.stem, wave, speaker, text=EMODB_TEXTS.get(text, ""), tiers=tiers, labels=labels)
