"""The audio of a lhotse cut that is more than a stretch of one file: mixed or changed by lhotse, read by Lamina.

lhotse opens no file here: some of its readers hand the name of one to a shell.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamina.corpus.allowed import Row
from lamina.corpus.cuts import NEAR, Cut
from lamina.corpus.decoding import content, decode
from lamina.corpus.stored import replaced, resample
from lamina.corpus.tars import Place
from lamina.errors import LaminaError, first_line

_LENGTH = {"Resample", "Speed", "Tempo"}  # transforms after which a recording has another number of samples


@dataclass(frozen=True, slots=True)
class MixedAudio:
    """What lhotse makes of a cut.

    Attributes:
        id: of the cut, for errors.
        rate: of its audio (Hz).
        samples: its length.
        cut: `lamina.corpus.cuts.Cut.audio` as JSON, for a corpus holds one for each utterance.
        base: the folder in which relative paths are looked up first.
    """

    id: str
    rate: int
    samples: int
    cut: str
    base: str

    @classmethod
    def of(cls, cut: Cut, base: str) -> MixedAudio:
        """The audio of a cut whose manifest lies in ``base``."""
        return cls(cut.id, cut.rate, cut.samples, json.dumps(cut.audio), base)

    def read(self, sample_rate: int, start: int, stop: int) -> NDArray[np.float32]:
        """See `lamina.corpus.stored.Audio.read`."""
        from lhotse.cut.set import deserialize_cut

        try:
            cut = deserialize_cut(json.loads(self.cut))
            for recording in _recordings(cut):
                for source in recording.sources:
                    source.load_audio = partial(self._load, source, recording)
            wave = cut.load_audio()
        except LaminaError:
            raise
        except Exception as error:  # lhotse passes on whatever its transforms raise
            raise LaminaError(f"lhotse cannot make the audio of cut {self.id!r}: {first_line(error)}") from error
        if wave.shape[-1] != self.samples:
            raise LaminaError(
                f"lhotse makes {wave.shape[-1]} samples of cut {self.id!r}, {self.samples} were expected: make "
                "the manifest again"
            )
        return resample(wave.mean(axis=0, dtype=np.float32), self.rate, sample_rate)[start:stop]

    def content(self) -> str:
        """See `lamina.corpus.stored.Audio.content`."""
        found = hashlib.blake2b(digest_size=8)
        for source in _sources(json.loads(self.cut)):
            told = source["source"] if source["type"] == "memory" else content(*place_of(source, self.base))
            found.update(told.encode())
        return found.hexdigest()

    def _load(
        self, source: Any, recording: Any, offset: float = 0.0, duration: float | None = None, **_options: Any
    ) -> NDArray[np.float32]:
        """In place of ``AudioSource.load_audio``: (channels, samples)."""
        changes = [each for each in recording.transforms or [] if type(each).__name__ in _LENGTH]
        rates = [each.source_sampling_rate for each in changes if hasattr(each, "source_sampling_rate")]
        expected = rates[0] if rates else recording.sampling_rate
        count = None if duration is None else round(duration * expected)
        if source.type == "memory":
            name, member, data = f"the audio in cut {self.id!r}", None, _bytes(source.source, self.id)
        else:
            (name, member), data = place_of(vars(source), self.base), None
        wave, rate, frames = decode(name, member, round(offset * expected), count, data)
        if rate != expected:
            raise LaminaError(replaced(name, f"it is at {rate:,} Hz, {expected:,} Hz were expected"))
        if not changes and abs(frames - recording.num_samples) > NEAR * rate:
            raise LaminaError(replaced(name, f"it has {frames} samples, {recording.num_samples} were expected"))
        if count is not None and len(wave) < count - NEAR * rate:
            raise LaminaError(replaced(name, f"it ends {(count - len(wave)) / rate:.3f} s early"))
        if len(source.channels) != wave.shape[1]:
            raise LaminaError(replaced(name, f"it has {wave.shape[1]} channels, not {len(source.channels)}"))
        return wave.T


def place_of(source: Row, base: str, *, ours: bool = False) -> tuple[str, Place | None]:
    """Where the file of a source lies, and where in it if it is a tar.

    Raises:
        LaminaError: its audio is in a Shar folder, or its place in a tar is none.
    """
    told, member = source["source"], None
    if source["type"] == "shar":
        raise LaminaError(
            f"the audio of a cut lies in a Shar folder: open that folder, not its cuts alone ({base})"
        )
    if source["type"] == "tar":
        told, _, query = told.rpartition("?")
        where = dict(part.partition("=")[::2] for part in query.split("&"))
        try:
            member = (int(where["first"]), int(where["bytes"]))
        except (KeyError, ValueError) as error:
            raise LaminaError(f"{source['source']!a} is no place in a tar: import the corpus again") from error
    # No pathlib here: a path for each of a million utterances is to be cheap.
    path = os.path.normpath(os.path.join(base, told))  # noqa: PTH118
    if not ours and not os.path.exists(path) and os.path.exists(told):  # noqa: PTH110
        path = told  # lhotse's own meaning: relative to where the command runs
    return path, member


def _bytes(text: str, identity: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise LaminaError(f"the audio in cut {identity!r} is no base64 text: write the audio to files") from error


def _recordings(cut: Any) -> Iterator[Any]:
    """All recordings of a cut of lhotse, those of the rooms in its transforms too."""
    changes = list(getattr(cut, "transforms", None) or [])
    for each in [track.cut for track in cut.tracks] if hasattr(cut, "tracks") else [cut]:
        if getattr(each, "recording", None) is not None:
            yield each.recording
            changes += each.recording.transforms or []
    for change in changes:
        room = getattr(change, "rir", None)
        if room is not None:
            yield from _recordings(room) if hasattr(room, "recording") else _recordings(room.to_cut())


def _sources(node: Any) -> Iterator[Row]:
    """All sources in the JSON of a cut."""
    if isinstance(node, dict) and {"type", "source", "channels"} <= node.keys():
        yield node
    for each in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _sources(each)
