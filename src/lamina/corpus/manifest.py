"""Lamina's corpus folder and lhotse manifests: the one module that writes and reads them.

    <folder>/
      corpus.json     format, name, digest, notes, splits (utterances, hours, speakers), and how it was made
      cuts.jsonl.gz   a lhotse CutSet: one cut and one supervision an utterance; paths relative to the folder
      audio/          one FLAC file an utterance, 16 kHz, 16 bit

A cut's only supervision holds speaker and text, its split under ``custom``, its tiers as alignments.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamina.corpus.corpus import Segment, Utterance
from lamina.corpus.segments import Interval, segments, tier_name
from lamina.corpus.stored import SAMPLE_RATE, Audio, AudioFile, CutAudio, StoredCorpus, rescale
from lamina.errors import LaminaError
from lamina.files import read_json, write_json

FORMAT = 1
ABOUT, CUTS, AUDIO = "corpus.json", "cuts.jsonl.gz", "audio"


def write_audio(folder: Path, utterance: Utterance, wave: NDArray[np.float32]) -> None:
    """Write one utterance's audio, (samples,) in [-1, 1] at 16 kHz, as 16-bit FLAC into a corpus folder."""
    import soundfile

    path = folder / AUDIO / f"{utterance.id}.flac"
    assert len(wave) == utterance.samples, (utterance.id, len(wave), utterance.samples)  # noqa: S101
    try:
        soundfile.write(path, wave, SAMPLE_RATE, subtype="PCM_16")
    except soundfile.SoundFileError as error:
        raise LaminaError(f"cannot write {path}: {error}; check the free disk space") from error


def write_manifest(folder: Path, name: str, utterances: Sequence[Utterance], made: Mapping[str, Any]) -> None:
    """Write ``cuts.jsonl.gz`` and ``corpus.json`` beside audio that is already there.

    Args:
        folder: the corpus folder.
        name: of the corpus.
        utterances: in manifest order.
        made: how the corpus was made (config, seed, speakers), plain JSON values.
    """
    with (
        (folder / CUTS).open("wb") as file,
        gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed,  # no time and no name: equal bits every time
    ):
        for utterance in utterances:
            packed.write(json.dumps(_cut(utterance), ensure_ascii=False).encode() + b"\n")
    splits: dict[str, dict[str, Any]] = {}
    for split in dict.fromkeys(utterance.split for utterance in utterances):
        members = [utterance for utterance in utterances if utterance.split == split]
        splits[split] = {
            "utterances": len(members),
            "hours": round(sum(member.samples for member in members) / SAMPLE_RATE / 3600, 4),
            "speakers": len({member.speaker for member in members}),
        }
    corpus = StoredCorpus(name, lambda: _items(folder / CUTS, folder))
    about = {"format": FORMAT, "name": name, "digest": corpus.digest, "splits": splits, "made": dict(made)}
    write_json(folder / ABOUT, about)


def open_folder(folder: Path) -> StoredCorpus:
    """Open one of our corpus folders.

    Raises:
        LaminaError: it was written by another version, or the manifest does not belong to ``corpus.json``.
    """
    about = read_json(folder / ABOUT)
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        raise LaminaError(f"{folder} was written by another version of Lamina: make the corpus again")
    corpus = open_cuts(folder / CUTS, name=str(about["name"]))
    if corpus.digest != about["digest"]:
        raise LaminaError(
            f"{folder / CUTS} is not what {ABOUT} describes (digest {corpus.digest}, not {about['digest']}): it "
            "was edited or copied in part; copy the folder again or make the corpus again"
        )
    return corpus


def open_cuts(path: Path, *, name: str = "") -> StoredCorpus:
    """Open a lhotse CutSet (``.jsonl`` or ``.jsonl.gz``); relative audio paths are looked up in its folder first.

    Raises:
        LaminaError: it does not parse as a CutSet, or an alignment does not fit its audio.
    """
    if not path.is_file():
        raise LaminaError(f"there is no CutSet {path}")
    return StoredCorpus(name or path.parent.name, lambda: _items(path, path.parent))


def _cut(utterance: Utterance) -> dict[str, Any]:
    """An utterance of ours as lhotse's MonoCut, the way lhotse itself serialises it."""
    seconds = utterance.samples / SAMPLE_RATE
    # The nearest float of n / 16000 gives n back exactly; see `segments`.
    alignment = {
        name: [[s.label, s.onset / SAMPLE_RATE, (s.offset - s.onset) / SAMPLE_RATE, None] for s in tier]
        for name, tier in utterance.tiers.items()
    }
    supervision = {
        "id": utterance.id,
        "recording_id": utterance.id,
        "start": 0.0,
        "duration": seconds,
        "channel": 0,
        "text": utterance.text,
        "speaker": utterance.speaker,
        "custom": {"split": utterance.split},
        "alignment": alignment,
    }
    recording = {
        "id": utterance.id,
        "sources": [{"type": "file", "channels": [0], "source": f"{AUDIO}/{utterance.id}.flac"}],
        "sampling_rate": SAMPLE_RATE,
        "num_samples": utterance.samples,
        "duration": seconds,
        "channel_ids": [0],
    }
    return {
        "id": utterance.id,
        "start": 0.0,
        "duration": seconds,
        "channel": 0,
        "supervisions": [supervision],
        "recording": recording,
        "type": "MonoCut",
    }


def _read_cuts(path: Path) -> Iterator[Any]:
    from lhotse import CutSet
    from lhotse.cut import Cut

    try:
        for cut in CutSet.from_jsonl_lazy(path):
            if not isinstance(cut, Cut):
                raise LaminaError(
                    f"{path} holds {type(cut).__name__} objects, not cuts: make cuts of them (lhotse.CutSet."
                    "from_manifests) and give those"
                )
            yield cut
    except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise LaminaError(
            f"{path} does not read as a lhotse CutSet ({type(error).__name__}: {error}); it may be half-copied, "
            "or another kind of manifest"
        ) from error


def _items(path: Path, base: Path) -> Iterator[tuple[Utterance, Audio]]:
    for cut in _read_cuts(path):
        rate, native = int(cut.sampling_rate), int(cut.num_samples)
        samples = rescale(native, rate, SAMPLE_RATE)
        where = f"{path}: cut {cut.id!r}"
        if not cut.has_recording:
            raise LaminaError(f"{where} has no recording: Lamina reads audio, not stored features")
        supervisions = list(cut.supervisions)
        speakers = {str(supervision.speaker or "") for supervision in supervisions} or {""}
        if len(speakers) > 1:
            raise LaminaError(
                f"{where} has {len(speakers)} speakers ({', '.join(sorted(speakers))}); make one cut a speaker: "
                "lhotse.CutSet.trim_to_supervisions"
            )
        custom = getattr(cut, "custom", None) or {}
        splits = [custom.get("split"), *((s.custom or {}).get("split") for s in supervisions)]
        utterance = Utterance(
            id=str(cut.id),
            speaker=speakers.pop(),
            split=next((str(split) for split in splits if split), ""),
            samples=samples,
            text=" ".join(supervision.text for supervision in supervisions if supervision.text),
            tiers=_tiers(cut, samples, where),
        )
        yield utterance, _audio(cut, base, rate, native)


def _tiers(cut: Any, samples: int, where: str) -> dict[str, tuple[Segment, ...]]:
    """The alignments of all supervisions of a cut.

    lhotse defines their times from the start of the recording, and (1.28 to 1.33) leaves them there when it
    cuts. So they are shifted by the cut's start; where they do not fit then, but fit unshifted, they are taken
    as they are.
    """
    tiers: dict[str, list[Interval]] = {}
    for supervision in cut.supervisions:
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
        name: segments(name, tier, SAMPLE_RATE, samples, f"{where}, tier {name!r}")
        for name, tier in shifted.items()
    }


def _fits(tiers: Mapping[str, Iterable[Interval]], seconds: float) -> bool:
    margin = 1e-3
    return all(
        -margin <= onset and offset <= seconds + margin for tier in tiers.values() for _, onset, offset in tier
    )


def _audio(cut: Any, base: Path, rate: int, native: int) -> Audio:
    """The audio of a cut: a stretch of one file where it is no more than that, else what lhotse makes of it."""
    from lhotse import MonoCut

    if isinstance(cut, MonoCut):
        recording = cut.recording
        if len(recording.sources) == 1 and recording.sources[0].type == "file" and not recording.transforms:
            source = recording.sources[0]
            path = base / source.source
            if not path.exists() and Path(source.source).exists():
                path = Path(source.source)  # lhotse's own meaning: relative to where the command runs
            return AudioFile(path, rate, round(cut.start * rate), native, source.channels.index(cut.channel))
    return CutAudio(cut.drop_supervisions())
