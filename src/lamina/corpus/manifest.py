"""Lamina's corpus folder, a lhotse CutSet: the one module that writes and reads it.

    <folder>/
      corpus.json     format, name, digest, notes, splits (utterances, hours, speakers), and how it was made
      cuts.jsonl.gz   a lhotse CutSet: one cut and one supervision an utterance; paths relative to the folder
      audio/          where the corpus owns its audio: one FLAC file an utterance, 16 kHz, 16 bit
      trials.tsv      pairs of utterances to compare, where the corpus has some

A cut's only supervision holds speaker and text, its split and labels under ``custom``, its tiers as alignments. An
imported corpus points to audio elsewhere: by a relative path where both lie in one tree, else by an absolute one.
"""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from lamina.corpus.corpus import Segment, Utterance
from lamina.corpus.faults import Faults
from lamina.corpus.segments import segments
from lamina.corpus.stored import SAMPLE_RATE, Audio, AudioFile, Digest, StoredCorpus, rescale
from lamina.errors import LaminaError
from lamina.files import read_json, replacing, write_json

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


class _Tally:
    """The digest of utterances, and how many, how long and of how many speakers each split is."""

    def __init__(self) -> None:
        self.digest = Digest()
        self._splits: dict[str, tuple[int, int, set[str]]] = {}

    def add(self, utterance: Utterance) -> None:
        self.digest.update(utterance)
        count, samples, speakers = self._splits.setdefault(utterance.split, (0, 0, set()))
        speakers.add(utterance.speaker)
        self._splits[utterance.split] = (count + 1, samples + utterance.samples, speakers)

    def splits(self) -> dict[str, dict[str, Any]]:
        """What ``corpus.json`` says of them."""
        return {
            split: {
                "utterances": count,
                "hours": round(samples / SAMPLE_RATE / 3600, 4),
                "speakers": len(speakers),
            }
            for split, (count, samples, speakers) in self._splits.items()
        }


class ManifestWriter:
    """Writes ``cuts.jsonl.gz`` an utterance at a time, then ``corpus.json``; use as a context manager.

    Args:
        folder: the folder that is being made.
        place: where the folder will lie in the end, from which relative paths are told; ``folder`` where None.
    """

    def __init__(self, folder: Path, place: Path | None = None) -> None:
        self.folder = folder
        self._place = (place or folder).resolve()
        self._tally = _Tally()
        self._file = (folder / CUTS).open("wb")
        self._packed = gzip.GzipFile("", "wb", fileobj=self._file, mtime=0)  # no time, no name: always equal bits

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._packed.close()
        self._file.close()

    def add(self, utterance: Utterance, audio: AudioFile | None = None) -> None:
        """Add an utterance; ``audio`` says where its audio lies if not in the folder's own ``audio``."""
        self._packed.write(json.dumps(self._cut(utterance, audio), ensure_ascii=False).encode() + b"\n")
        self._tally.add(utterance)

    def finish(self, name: str, made: Mapping[str, Any], notes: Sequence[str] = ()) -> None:
        """Write ``corpus.json``: the corpus's name, how it was made, and what its reader should know."""
        self.__exit__(None, None, None)
        about: dict[str, Any] = {
            "format": FORMAT,
            "name": name,
            "digest": str(self._tally.digest),
            "splits": self._tally.splits(),
        }
        if notes:
            about["notes"] = list(notes)
        write_json(self.folder / ABOUT, about | {"made": dict(made)})

    def _cut(self, utterance: Utterance, audio: AudioFile | None) -> dict[str, Any]:
        """An utterance as lhotse's MonoCut, the way lhotse itself serialises it."""
        source: dict[str, Any] = {"type": "file", "channels": [0], "source": f"{AUDIO}/{utterance.id}.flac"}
        rate, first, count = SAMPLE_RATE, 0, utterance.samples
        if audio is not None:
            rate, first, count = audio.rate, audio.start, audio.samples
            source = self._source(audio)
        start, seconds = first / rate, count / rate
        # lhotse counts alignments from the start of the recording. The nearest float of n / 16000 gives n back
        # exactly; see `segments`.
        alignment = {
            name: [
                [s.label, start + s.onset / SAMPLE_RATE, (s.offset - s.onset) / SAMPLE_RATE, None] for s in tier
            ]
            for name, tier in utterance.tiers.items()
        }
        custom: dict[str, Any] = {"split": utterance.split}
        if utterance.labels:
            custom["labels"] = dict(utterance.labels)
        supervision = {
            "id": utterance.id,
            "recording_id": utterance.id,
            "start": 0.0,
            "duration": seconds,
            "channel": source["channels"][0],
            "text": utterance.text,
            "speaker": utterance.speaker,
            "custom": custom,
            "alignment": alignment,
        }
        recording = {
            "id": utterance.id,
            "sources": [source],
            "sampling_rate": rate,
            "num_samples": first + count,
            "duration": (first + count) / rate,
            "channel_ids": source["channels"],
        }
        cut: dict[str, Any] = {
            "id": utterance.id,
            "start": start,
            "duration": seconds,
            "channel": source["channels"][0],
            "supervisions": [supervision],
            "recording": recording,
            "type": "MonoCut",
        }
        if audio is not None and audio.channel is None:
            cut["custom"] = {"channels": "mean"}
        return cut

    def _source(self, audio: AudioFile) -> dict[str, Any]:
        path = Path(audio.path).absolute()
        if len(Path(os.path.commonpath([path, self._place])).parts) > 1:
            told = Path(os.path.relpath(path, self._place)).as_posix()
        else:
            told = path.as_posix()
        if audio.member is not None:  # not a source that lhotse knows
            told = f"{told}?first={audio.member[0]}&bytes={audio.member[1]}"
        kind = "file" if audio.member is None else "tar"
        return {"type": kind, "channels": [audio.channel or 0], "source": told}


def write_manifest(folder: Path, name: str, utterances: Iterable[Utterance], made: Mapping[str, Any]) -> None:
    """Write ``cuts.jsonl.gz`` and ``corpus.json`` beside audio that is already there.

    Args:
        folder: the corpus folder.
        name: of the corpus.
        utterances: in manifest order.
        made: how the corpus was made (config, seed, speakers), plain JSON values.
    """
    with ManifestWriter(folder) as writer:
        for utterance in utterances:
            writer.add(utterance)
        writer.finish(name, made)


def open_folder(folder: Path, faults: Faults | None = None) -> StoredCorpus:
    """Open one of our corpus folders; its utterances are read anew at each pass.

    Raises:
        LaminaError: it was written by another version, or the manifest does not belong to ``corpus.json``.
    """
    faults = faults or Faults(keep=False)
    about = read_about(folder)
    path = folder / CUTS
    if not path.is_file():
        raise LaminaError(f"{folder} has {ABOUT} but no {CUTS}: it was copied in part; copy it again")
    corpus = StoredCorpus(
        str(about["name"]), lambda: _items(path, folder, faults), about.get("notes", ()), faults=faults
    )
    if corpus.digest != about["digest"]:
        faults.add(
            f"{path} is not what {ABOUT} describes (digest {corpus.digest}, not {about['digest']}): it "
            "was edited or copied in part; copy the folder again or make the corpus again"
        )
    corpus.folder = folder
    return corpus


def read_about(folder: Path) -> dict[str, Any]:
    """``corpus.json`` of one of our folders.

    Raises:
        LaminaError: it is missing or was written by another version.
    """
    if not (folder / ABOUT).is_file():
        raise LaminaError(
            f"{folder} is no corpus folder of Lamina (it has no {ABOUT}): make one with `lamina corpus import`"
        )
    about = read_json(folder / ABOUT)
    if not isinstance(about, dict) or about.get("format") != FORMAT or "digest" not in about:
        raise LaminaError(f"{folder} was written by another version of Lamina: make the corpus again")
    return about


def rewrite_splits(folder: Path, where: Mapping[str, str], drawn: Mapping[str, Any]) -> StoredCorpus:
    """Give every utterance the split that ``where`` has for its id, and keep how they were drawn."""
    about, path = read_about(folder), folder / CUTS
    with replacing(path) as beside:
        with beside.open("wb") as file, gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed:
            for row in rows(path):
                row["supervisions"][0]["custom"]["split"] = where[row["id"]]
                packed.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
        tally = _Tally()
        for utterance, _ in _items(beside, folder, Faults(keep=False)):
            tally.add(utterance)
    write_json(
        folder / ABOUT, about | {"digest": str(tally.digest), "splits": tally.splits(), "drawn": dict(drawn)}
    )
    return open_folder(folder)


def rows(path: Path) -> Iterator[dict[str, Any]]:
    """The JSON lines of a manifest, plain or gzipped, one at a time.

    Raises:
        LaminaError: the file does not read as JSON lines.
    """
    try:
        with path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            for line in gzip.GzipFile(fileobj=file) if packed else file:
                if line.strip():
                    value = json.loads(line)
                    if not isinstance(value, dict):
                        raise TypeError("a line is no table")
                    yield value
    except (OSError, EOFError, ValueError, TypeError) as error:
        raise LaminaError(unreadable(path, error)) from error


def unreadable(path: Path, error: Exception) -> str:
    """What is said of a manifest that does not read."""
    return (
        f"{path} does not read as a lhotse CutSet ({type(error).__name__}: {error}); it may be half-copied, "
        "or another kind of manifest"
    )


def _items(path: Path, base: Path, faults: Faults) -> Iterator[tuple[Utterance, Audio]]:
    """The utterances of our own manifest: no library is needed to read it."""
    for row in rows(path):
        try:
            (supervision,), (source,) = row["supervisions"], row["recording"]["sources"]
            rate, start = int(row["recording"]["sampling_rate"]), float(row["start"])
            native = round(row["duration"] * rate)
            identity, custom = str(row["id"]), supervision["custom"]
            samples = rescale(native, rate, SAMPLE_RATE)
            tiers: dict[str, tuple[Segment, ...]] = {
                name: segments(
                    name,
                    ((label, onset - start, onset - start + length) for label, onset, length, _ in items),
                    SAMPLE_RATE,
                    samples,
                    f"{path}: cut {identity!r}, tier {name!r}",
                    faults,
                )
                for name, items in supervision["alignment"].items()
            }
            utterance = Utterance(
                identity,
                supervision["speaker"],
                custom["split"],
                samples,
                supervision["text"],
                tiers,
                custom.get("labels", {}),
            )
            mean = row.get("custom", {}).get("channels") == "mean"
            channel = None if mean else int(row["channel"])
            audio = _audio_of(source, base, rate, round(start * rate), native, channel)
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise LaminaError(unreadable(path, error)) from error
        yield utterance, audio


def _audio_of(
    source: Mapping[str, Any], base: Path, rate: int, first: int, native: int, channel: int | None
) -> AudioFile:
    told, member = str(source["source"]), None
    if source["type"] == "tar":
        told, _, query = told.rpartition("?")
        where = dict(part.split("=") for part in query.split("&"))
        member = (int(where["first"]), int(where["bytes"]))
    # No pathlib here: a path for each of a million utterances is to be cheap.
    return AudioFile(os.path.normpath(os.path.join(base, told)), rate, first, native, channel, member)  # noqa: PTH118
