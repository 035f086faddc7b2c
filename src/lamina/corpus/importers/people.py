"""Who speaks, and how: VoxCeleb1, LibriMix, IEMOCAP."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from lamina.corpus.importers.importer import FoundUtterance, ImportSource, rows, told
from lamina.corpus.intervals import Tiers, rttm
from lamina.corpus.segments import Interval
from lamina.corpus.stored import audio_file
from lamina.corpus.texts import read_lines, read_text
from lamina.corpus.trials import Trial
from lamina.errors import LaminaError

VOX_SPLITS = {"1": "train", "2": "dev", "3": "test"}


def voxceleb1(source: ImportSource) -> Iterator[FoundUtterance]:
    """``dev/wav`` and ``test/wav`` (or ``wav``) with ``id1NNNN/VIDEO/NNNNN.wav``, and ``iden_split.txt``.

    The split is that of speaker identification (1, 2, 3 in ``iden_split.txt``, also called
    ``veri_test_class.txt``):
    by video, so that every speaker is in all of them. ``veri_test*.txt`` and ``list_test_*.txt`` become trials.
    """
    lists = _named(source.path, "iden_split.txt") or _named(source.path, "veri_test_class.txt")
    if lists is None:
        raise source.wrong("iden_split.txt (or veri_test_class.txt)")
    roots = [path for pattern in ("wav", "*/wav", "*/*/wav") for path in sorted(source.path.glob(pattern))]
    if not roots:
        raise source.wrong("wav, dev/wav or test/wav")
    people = {}
    if (meta := _named(source.path, "vox1_meta.csv")) is not None:
        used = ("Gender", "Nationality")
        people = {row["VoxCeleb1 ID"]: row for row in rows(source, meta, "VoxCeleb1 ID", used=used)}
    for number, line in enumerate(read_lines(lists), start=1):
        parts = line.split()
        if len(parts) != 2 or parts[0] not in VOX_SPLITS:
            source.faults.add(f"{lists}, line {number}, {line[:60]!r}: expected 1, 2 or 3 and a path")
            continue
        wave = next((path for root in roots if (path := root / parts[1]).is_file()), None)
        if wave is None:
            source.faults.add(f"{parts[1]} is in none of {', '.join(map(str, roots))}, but {lists.name} names it")
            continue
        speaker = parts[1].split("/")[0]
        about = people.get(speaker, {})
        gender = {"f": "female", "m": "male"}.get(about.get("Gender", ""), "")
        labels = told(gender=gender, nationality=about.get("Nationality", ""), video=parts[1].split("/")[1])
        yield FoundUtterance(parts[1].removesuffix(".wav"), wave, speaker, VOX_SPLITS[parts[0]], labels=labels)
    for path in sorted([*source.path.rglob("veri_test*.txt"), *source.path.rglob("list_test_*.txt")]):
        if path.name == "veri_test_class.txt":
            continue
        for line in read_lines(path):
            parts = line.split()
            if len(parts) == 3 and parts[0] in {"0", "1"}:
                left, right = (name.removesuffix(".wav") for name in parts[1:])
                source.trials.append(Trial(path.stem, parts[0] == "1", left, right))


def _named(folder: Path, name: str) -> Path | None:
    return next(iter(sorted(folder.rglob(name))), None)


def librimix(source: ImportSource) -> Iterator[FoundUtterance]:
    """``wav16k/max/{train-100,dev,test}/mix_clean/`` (or ``mix_both``) with ``s1`` and ``s2`` beside.

    Who speaks when: from RTTMs in ``--alignments`` (of the mixtures, or of the LibriSpeech utterances, as
    LibriMix's ``metadata/LibriSpeech`` has them); else each speaker from the start to the end of their source.
    """
    mixed = sorted(path for kind in ("mix_clean", "mix_both") for path in source.path.rglob(kind) if path.is_dir())
    if not mixed:
        raise source.wrong("mix_clean or mix_both")
    turns: dict[str, list[Interval]] = {}
    if source.alignments is not None:
        for path in sorted(source.alignments.rglob("*")):
            if path.is_file() and (path.suffix == ".rttm" or path.name == "rttm"):
                turns |= rttm(path, source.faults)
        if not turns:
            raise LaminaError(f"{source.alignments} holds no .rttm: give LibriMix's metadata/LibriSpeech")
    else:
        source.notes.append("speakers are active from the start to the end of their source; pauses are not marked")
    several = len({path.name for path in mixed}) > 1 or len({path.parent.parent for path in mixed}) > 1
    for folder in mixed:
        split = folder.parent.name.split("-")[0]
        waves = sorted(folder.glob("*.wav"))
        if not waves:
            source.faults.add(f"{folder} is empty: half-copied")
        for wave in waves:
            names = wave.stem.split("_")
            try:
                made = _active(wave, names, turns)
            except LaminaError as error:
                source.faults.add(str(error))
                continue
            prefix = (
                f"{folder.parent.parent.parent.name}/{folder.parent.parent.name}/{folder.name}/" if several else ""
            )
            yield FoundUtterance(
                prefix + wave.stem, wave, "+".join(name.split("-")[0] for name in names), split,
                turns=tuple(made), labels={"mixture": folder.name},
            )  # fmt: skip


def _active(wave: Path, names: list[str], turns: dict[str, list[Interval]]) -> list[Interval]:
    if wave.stem in turns:
        return turns[wave.stem]
    if turns:
        if missing := [name for name in names if name not in turns]:
            raise LaminaError(f"{wave.stem}: no RTTM line for {missing[0]}: it is of another part")
        return [(name.split("-")[0], start, end) for name in names for _, start, end in turns[name]]
    made = []
    for number, name in enumerate(names, start=1):
        path = wave.parent.parent / f"s{number}" / wave.name
        audio, _ = audio_file(path)
        sounding = audio.read(audio.rate, 0, audio.samples).nonzero()[0]
        if len(sounding):
            made.append(
                (name.split("-")[0], float(sounding[0]) / audio.rate, float(sounding[-1] + 1) / audio.rate)
            )
    return made


EMOTIONS = {
    "neu": "neutral", "hap": "happiness", "exc": "excitement", "ang": "anger", "sad": "sadness",
    "fru": "frustration", "fea": "fear", "sur": "surprise", "dis": "disgust", "oth": "other", "xxx": "undecided",
}  # fmt: skip
_EVALUATED = re.compile(r"\[([\d.]+) - ([\d.]+)\]\t(\S+)\t(\w+)\t\[([\d.]+), ([\d.]+), ([\d.]+)\]")


def iemocap(source: ImportSource) -> Iterator[FoundUtterance]:
    """``Session1`` to ``Session5`` with ``sentences/wav``, ``dialog/EmoEvaluation``, ``dialog/transcriptions``.

    ``emotion`` is the agreed category, ``session`` the fold. Word and phone tiers come from
    ``sentences/ForcedAlignment`` where it is there. No split is given: the custom is to leave a session out.
    """
    sessions = sorted(path for pattern in ("", "*/") for path in source.path.glob(pattern + "Session[1-5]"))
    if not sessions:
        raise source.wrong("Session1")
    if len(sessions) < 5:
        source.notes.append(f"{len(sessions)} of 5 sessions are there")
    for session in sessions:
        evaluated = session / "dialog" / "EmoEvaluation"
        if not evaluated.is_dir():
            source.faults.add(f"{session} has no dialog/EmoEvaluation: half-copied")
            continue
        for path in sorted(evaluated.glob("Ses*.txt")):
            said = _transcript(session / "dialog" / "transcriptions" / path.name)
            for match in _EVALUATED.finditer(read_text(path)):
                identity, emotion = match[3], match[4]
                wave = session / "sentences" / "wav" / path.stem / f"{identity}.wav"
                labels = told(
                    emotion=EMOTIONS.get(emotion, emotion), session=session.name, gender=_gender(identity),
                    style="improvised" if "impro" in identity else "scripted",
                    valence=match[5], activation=match[6], dominance=match[7],
                )  # fmt: skip
                speaker = f"{identity[:5]}{identity.rsplit('_', 1)[-1][0]}"
                try:
                    tiers = _forced(session / "sentences" / "ForcedAlignment" / path.stem / identity, wave)
                except LaminaError as error:
                    source.faults.add(str(error))
                    continue
                yield FoundUtterance(
                    identity, wave, speaker, text=said.get(identity, ""), tiers=tiers, labels=labels
                )


def _gender(identity: str) -> str:
    return {"F": "female", "M": "male"}.get(identity.rsplit("_", 1)[-1][:1], "")


def _transcript(path: Path) -> dict[str, str]:
    """Lines such as ``Ses01F_impro01_F000 [006.2901-008.2357]: Excuse me.``."""
    lines = read_lines(path) if path.is_file() else []
    matches = (re.match(r"(\S+) \[[^\]]*\]: ?(.*)", line) for line in lines)
    return {match[1]: match[2].strip() for match in matches if match}


def _forced(stem: Path, wave: Path) -> Tiers:
    """Sphinx's segmentation: first and last frame of 10 ms, score, label (pauses in ``<>``, noises in ``++``)."""
    tiers: Tiers = {}
    for name, ending in (("word", ".wdseg"), ("phone", ".phseg")):
        path = stem.with_name(stem.name + ending)
        if not path.is_file():
            continue
        audio, _ = audio_file(wave)
        seconds = audio.samples / audio.rate
        made: list[Interval] = []
        for line in read_lines(path):
            parts = line.split()
            if len(parts) < 4 or not (parts[0].isdigit() and parts[1].isdigit()):
                continue  # the header and the total score
            label = re.sub(r"\(\d+\)$", "", parts[3])
            if label[0] not in "<+":
                start, end = int(parts[0]) / 100, (int(parts[1]) + 1) / 100
                made.append((label, start, min(end, seconds) if end - seconds < 0.1 else end))
        tiers[name] = made
    return tiers
