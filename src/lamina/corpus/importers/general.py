"""Any folder of audio, any Kaldi data folder, any lhotse CutSet."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from lamina.corpus.corpus import Utterance
from lamina.corpus.cutsets import cut_items, is_shar, shar_items
from lamina.corpus.folders import folder_items
from lamina.corpus.importers.importer import FoundUtterance, ImportSource
from lamina.corpus.kaldi import is_kaldi, kaldi_items
from lamina.corpus.listing import SPLITS
from lamina.corpus.prepared import recipe_items
from lamina.corpus.stored import SAMPLE_RATE, Audio, AudioFile, audio_file
from lamina.corpus.voices import by_turns, speakers_of
from lamina.errors import LaminaError


def folder(source: ImportSource) -> Iterator[FoundUtterance]:
    """See `lamina.corpus.folders`."""
    if not source.path.is_dir():
        raise source.wrong("audio")
    items = folder_items(
        source.path, (), source.faults, source.notes, stamps=source.stamps, asked=source.tiers, turns=source.turns,
        elsewhere=source.alignments,
    )  # fmt: skip
    for utterance, audio in items:
        yield _found(utterance, audio)
    source.notes = [note for note in source.notes if "averaged" not in note]


def _found(utterance: Utterance, audio: AudioFile | bytes) -> FoundUtterance:
    return FoundUtterance(
        utterance.id, audio, utterance.speaker, utterance.split, utterance.text,
        labels=utterance.labels, segments=utterance.tiers,
    )  # fmt: skip


def kaldi(source: ImportSource) -> Iterator[FoundUtterance]:
    """See `lamina.corpus.kaldi`."""
    if not is_kaldi(source.path):
        raise source.wrong("wav.scp")
    for utterance, audio in kaldi_items(source.path, source.faults, source.root):
        yield _found(utterance, audio)


def cuts(source: ImportSource) -> Iterator[FoundUtterance]:
    """A CutSet (``.jsonl``, ``.jsonl.gz``), a Shar folder, or the folder of recordings and supervisions of a
    recipe.

    Audio that is more than a stretch of one file (mixed, perturbed) is written into the corpus folder.
    """
    made = 0
    for utterance, audio in _cut_items(source):
        several = source.turns and len(speakers_of(utterance)) > 1
        if isinstance(audio, AudioFile):
            placed = _placed(audio, source)
            if placed is not None:
                parts = by_turns(utterance, placed, source.faults) if several else [(utterance, placed)]
                yield from (_found(part, stretch) for part, stretch in parts)
            continue
        made += 1
        if several:
            raise LaminaError(
                f"cut {utterance.id!r} has several speakers and is more than a stretch of one file: save its "
                "audio to a file (CutSet.save_audios), then import it by turns"
            )
        yield _found(utterance, _flac(audio, utterance.samples))
    if made:
        source.notes.append(f"{made} cuts are more than a stretch of one file: written out at {SAMPLE_RATE:,} Hz")


def _cut_items(source: ImportSource) -> Iterator[tuple[Utterance, Audio]]:
    path = source.path
    if path.is_file():
        if not path.name.endswith((".jsonl", ".jsonl.gz")):
            raise source.wrong("CutSet (.jsonl or .jsonl.gz)")
        yield from cut_items(path, source.faults)
    elif is_shar(path):
        yield from shar_items(path, source.faults)
    elif manifests := sorted(path.glob("*cuts*.jsonl*")):
        for manifest in manifests:
            yield from cut_items(manifest, source.faults)
    else:
        yield from _recipe(source)


def _recipe(source: ImportSource) -> Iterator[tuple[Utterance, Audio]]:
    """What ``lhotse prepare`` writes: ``X_recordings_PART.jsonl.gz`` and ``X_supervisions_PART.jsonl.gz``."""
    recordings = sorted(source.path.glob("*recordings*.jsonl*"))
    if not recordings:
        raise source.wrong("CutSet, Shar or recordings and supervisions")
    for path in recordings:
        beside = path.with_name(path.name.replace("recordings", "supervisions"))
        if not beside.is_file():
            source.faults.add(f"{path} has no {beside.name} beside it: half-copied")
            continue
        part = re.split(r"[_.-]", path.name.replace("recordings", ""))
        split = next((SPLITS[word] for word in part if word in SPLITS and word), "")
        for utterance, audio in recipe_items(path, beside, source.faults, source.turns):
            told = _supervision_id(utterance)
            yield replace(told, split=told.split or split), audio


def _supervision_id(utterance: Utterance) -> Utterance:
    """Recipes name a supervision ``RECORDING-N``; a recording of one supervision keeps its name."""
    return replace(utterance, id=utterance.id.removesuffix("-0"))


def _placed(audio: AudioFile, source: ImportSource) -> AudioFile | None:
    """The audio where it is here; its header is read."""
    path = audio.path
    if source.root is not None and path.startswith(source.root[0]):
        path = source.root[1] + path.removeprefix(source.root[0])
    try:
        whole, _ = audio_file(path, audio.member)
    except LaminaError as error:
        hint = ""
        if not Path(path).exists():
            hint = " (a path of another machine? give --root OLD=NEW)"
        source.faults.add(f"{error}{hint}")
        return None
    if whole.rate != audio.rate or audio.start + audio.samples > whole.samples:
        source.faults.add(
            f"{path} has {whole.samples} samples at {whole.rate} Hz, the manifest speaks of "
            f"{audio.start + audio.samples} at {audio.rate} Hz: it was cut or replaced"
        )
        return None
    return replace(audio, path=path)


def _flac(audio: Audio, samples: int) -> bytes:
    import io

    import soundfile

    packed = io.BytesIO()
    wave = audio.read(SAMPLE_RATE, 0, samples)
    soundfile.write(packed, wave, SAMPLE_RATE, format="FLAC", subtype="PCM_16")
    return packed.getvalue()
