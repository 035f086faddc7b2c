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
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from lamina.corpus.corpus import Utterance
from lamina.corpus.cutsets import STAMP, cut_items
from lamina.corpus.decoding import content
from lamina.corpus.faults import Faults
from lamina.corpus.rows import rows
from lamina.corpus.stored import SAMPLE_RATE, AudioFile, Digest, StoredCorpus
from lamina.errors import LaminaError
from lamina.files import check_keys, json_line, read_json, replacing, write_json

FORMAT = 1
ABOUT, CUTS, AUDIO = "corpus.json", "cuts.jsonl.gz", "audio"
_KEYS = {"name": str, "digest": str, "splits": dict, "made": dict}


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
        self._packed.write(json_line(self._cut(utterance, audio)).encode())
        self._tally.add(utterance)

    def finish(self, name: str, made: Mapping[str, Any], notes: Sequence[str] = ()) -> None:
        """Write ``corpus.json``: the corpus's name, how it was made, and what its reader should know.

        ``made["inputs"]`` is a digest of all that it was made of, see `made_before`.
        """
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
        where = self.folder / AUDIO / f"{utterance.id}.flac" if audio is None else self._now(audio.path)
        cut["custom"] = {STAMP: content(str(where), None if audio is None else audio.member)}
        if audio is not None and audio.channel is None:
            cut["custom"]["channels"] = "mean"
        return cut

    def _now(self, path: str) -> Path:
        """Where a file that will lie in the corpus folder lies while that is made."""
        there = Path(path).absolute()
        return self.folder / there.relative_to(self._place) if there.is_relative_to(self._place) else there

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
    items = partial(cut_items, path, faults, ours=True)
    corpus = StoredCorpus(str(about["name"]), items, about.get("notes", ()), faults=faults)
    if corpus.digest not in {about["digest"], about.get("next", {}).get("digest")}:
        faults.add(
            f"{path} is not what {ABOUT} describes (digest {corpus.digest}, not {about['digest']}): it "
            "was edited or copied in part; copy the folder again or make the corpus again"
        )
    corpus.folder = folder
    corpus.phone_map = str(about["made"].get("phone_map", ""))
    return corpus


def read_about(folder: Path) -> dict[str, Any]:
    """``corpus.json`` of one of our folders.

    Raises:
        LaminaError: it is missing, damaged, or was written by another version.
    """
    path, again = folder / ABOUT, "make the corpus again"
    if not path.is_file():
        raise LaminaError(
            f"{folder} is no corpus folder of Lamina (it has no {ABOUT}): make one with `lamina corpus import`"
        )
    about: dict[str, Any] = read_json(path, what="a corpus", remedy=again, version=FORMAT, keys=_KEYS)
    for key, kind in (("notes", list), ("next", dict), ("drawn", dict)):
        check_keys(about, {key: kind} if key in about else {}, str(path), again)
    check_keys({**about, **about.get("next", {})}, _KEYS, str(path), again)
    return about


def settle(folder: Path, digest: str) -> dict[str, Any]:
    """``corpus.json`` as it describes the manifest of a digest, mended where a killed draw of splits left two."""
    about = read_about(folder)
    if (after := about.pop("next", None)) is not None:
        about |= after if digest == after["digest"] else {}
        write_json(folder / ABOUT, about)
    return about


def made_before(folder: Path, inputs: str) -> StoredCorpus | None:
    """The corpus that a folder holds, if it was made of inputs of this digest; None where it holds none.

    Raises:
        LaminaError: it was made of others, or is no longer whole.
    """
    if not (folder / ABOUT).is_file():
        return None
    if read_about(folder)["made"].get("inputs") != inputs:
        raise LaminaError(
            f"{folder} holds a corpus that was made with other settings or of other files: nothing is "
            "overwritten; choose another folder, or remove it first"
        )
    corpus = open_folder(folder)
    if missing := corpus.missing():
        raise LaminaError(f"{folder} is no longer whole: {missing} is gone; remove the folder and make it again")
    return corpus


def rewrite_splits(folder: Path, where: Mapping[str, str], drawn: Mapping[str, Any]) -> StoredCorpus:
    """Give every utterance the split that ``where`` has for its id, and keep how they were drawn.

    Whenever it is killed, the manifest decides which splits there are: `corpus.json` describes those before and
    those after until it is done.
    """
    corpus, path = open_folder(folder), folder / CUTS
    about = settle(folder, corpus.digest)
    with replacing(path) as beside:
        with beside.open("wb") as file, gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed:
            for row in rows(path):
                row["supervisions"][0]["custom"]["split"] = where[row["id"]]
                packed.write(json_line(row).encode())
        tally = _Tally()
        for utterance in corpus.utterances():
            tally.add(replace(utterance, split=where[utterance.id]))
        after = {"digest": str(tally.digest), "splits": tally.splits(), "drawn": dict(drawn)}
        write_json(folder / ABOUT, about | {"next": after})
    write_json(folder / ABOUT, about | after)
    return open_folder(folder)
