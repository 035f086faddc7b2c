"""Audio that is read when asked for, at the corpus's sample rate, and the corpus made of such audio."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import gcd
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from lamina.corpus.corpus import Utterance, columns
from lamina.corpus.decoding import content, decode, opened, sound
from lamina.corpus.faults import Faults
from lamina.corpus.headers import missing_bytes
from lamina.corpus.tars import Place
from lamina.errors import LaminaError

if TYPE_CHECKING:
    from lamina.corpus.accounts import Account

WHOLE = 60  # seconds of a file that are resampled at once
KEPT = 200_000  # utterances, of about 3 kB each
SAMPLE_RATE = 16_000  # of every corpus that Lamina opens; speech encoders expect it


def rescale(sample: int, rate: int, to: int) -> int:
    """Where sample ``sample`` at ``rate`` lies at rate ``to``: the nearest sample, halves upwards, exactly."""
    return (2 * sample * to + rate) // (2 * rate)


def resample(wave: NDArray[np.float32], rate: int, to: int) -> NDArray[np.float32]:
    """``wave`` (samples,) at rate ``to``, by soxr (HQ): ``rescale(len(wave), rate, to)`` samples."""
    if rate == to:
        return wave
    import soxr

    made: NDArray[np.float32] = soxr.resample(wave, rate, to, quality="HQ").astype(np.float32, copy=False)
    length = rescale(len(wave), rate, to)
    return made[:length] if len(made) >= length else np.pad(made, (0, length - len(made)))


class Audio(Protocol):
    """Where the audio of one utterance comes from."""

    @property
    def rate(self) -> int:
        """Its own sample rate (Hz)."""
        ...

    def read(self, sample_rate: int, start: int, stop: int) -> NDArray[np.float32]:
        """Samples ``[start, stop)`` at ``sample_rate``.

        Raises:
            LaminaError: the audio is missing, does not decode, or is not what the manifest was made of.
        """
        ...

    def content(self) -> str:
        """A digest of the bytes that it is made of, as they are now."""
        ...


@dataclass(frozen=True, slots=True)
class AudioFile:
    """A stretch of an audio file.

    Attributes:
        path: WAV, FLAC, OGG or MP3, or a tar that holds it; text, for a corpus holds one for each utterance.
        rate: of the file (Hz).
        start, samples: the stretch, in samples of the file.
        channel: which channel; None for the mean of all.
        member: first byte and number of bytes of the file in the tar; None for a plain file.
        whole, channels: how many samples and channels the file has, where a manifest says so; else 0.
        stamp: of its content (`content`), where a manifest says so.
    """

    path: str
    rate: int
    start: int
    samples: int
    channel: int | None = None
    member: Place | None = None
    whole: int = 0
    channels: int = 0
    stamp: str = ""

    def read(self, sample_rate: int, start: int, stop: int) -> NDArray[np.float32]:
        """See `Audio.read`. Up to a minute at another rate is resampled whole, so that cutting changes nothing.

        Of more, so much around the stretch is resampled, from where samples of both rates coincide, that the
        filter sees no end: what comes differs from that of the whole by rounding alone.
        """
        if self.rate == sample_rate:
            return self._decode(start, stop)
        if self.samples <= WHOLE * self.rate:
            return resample(self._decode(0, self.samples), self.rate, sample_rate)[start:stop]
        step = sample_rate // gcd(self.rate, sample_rate)  # samples from one that coincides to the next
        first = max(0, (start - sample_rate) // step) * step
        low = first * self.rate // sample_rate
        high = min(self.samples, (stop + sample_rate) * self.rate // sample_rate)
        made = resample(self._decode(low, high), self.rate, sample_rate)
        return made[start - first : stop - first]

    def content(self) -> str:
        """See `Audio.content`."""
        return content(self.path, self.member)

    def _decode(self, start: int, stop: int) -> NDArray[np.float32]:
        first, count = self.start + start, stop - start
        wave, rate, frames = decode(self.path, self.member, first, count)
        if rate != self.rate:
            raise LaminaError(replaced(self.path, f"it is at {rate:,} Hz, {self.rate:,} Hz were expected"))
        if len(wave) != count:
            raise LaminaError(
                f"{self.path} ends after {first + len(wave)} samples, {first + count} were expected: it was cut "
                "or replaced after the corpus was made; restore it, or make the corpus again"
            )
        if self.whole and frames != self.whole and not self.path.lower().endswith(_LOSSY):
            raise LaminaError(replaced(self.path, f"it has {frames} samples, {self.whole} were expected"))
        if self.channels and self.channels != wave.shape[1]:
            raise LaminaError(replaced(self.path, f"it has {wave.shape[1]} channels, not {self.channels}"))
        if self.channel is not None and self.channel >= wave.shape[1]:
            raise LaminaError(
                f"{self.path} has {wave.shape[1]} channels, channel {self.channel} is asked for (the first is 0): "
                "mend the manifest, or restore the file"
            )
        if self.stamp and self.stamp != content(self.path, self.member):
            raise LaminaError(replaced(self.path, "its content is another"))
        one: NDArray[np.float32] = wave.mean(axis=1) if self.channel is None else wave[:, self.channel]
        return np.ascontiguousarray(one)


_LOSSY = (".mp3", ".ogg", ".opus")  # of which every decoder counts a few samples more or less


def replaced(path: str, what: str) -> str:
    """What is said of audio that is not what the manifest was made of."""
    return (
        f"{path} is not the audio that the manifest was made of ({what}): it was replaced or edited since; "
        "restore it, or make the manifest again"
    )


def audio_file(path: Path | str, member: Place | None = None) -> tuple[AudioFile, int]:
    """The whole of the file at ``path`` (its channels averaged), and its number of channels.

    Args:
        path: the file, or a tar that holds it.
        member: where it lies in the tar, see `AudioFile`.

    Raises:
        LaminaError: the file is missing, does not decode, or holds no samples.
    """
    with sound(str(path), member) as file:
        rate, frames, channels = int(file.samplerate), int(file.frames), int(file.channels)
    if frames < 1:
        raise LaminaError(f"{path} holds no audio: remove it from the corpus, or copy it again")
    return AudioFile(str(path), rate, 0, frames, None, member), channels


class StoredCorpus:
    """A `Corpus` whose audio is read when asked for.

    Up to `KEPT` utterances are kept in memory, without their audio; more are listed anew at each pass.

    Attributes:
        tiers: the number of segments of each tier.
        labels: the names of labels that utterances have.
        rates: the number of utterances at each sample rate (Hz).
        notes: what a reader should know of how it was opened, resampling last; the command line prints them.
        folder: the corpus folder of ours that it was opened from, which may hold trials; None for others.
        phone_map: the name of the map by which its phones were folded (`lamina.corpus.phonemaps`), or empty.

    Args:
        name: as people call it.
        items: makes the utterances, with their audio, at every call the same.
        notes: the first of its ``notes``.
        faults: where repeated ids are told; an error where None. What it counts is told in the notes.
        account: counts what the corpus is made of, for the notes.

    Raises:
        LaminaError: it holds no utterance, or two of the same id.
    """

    def __init__(
        self,
        name: str,
        items: Callable[[], Iterable[tuple[Utterance, Audio]]],
        notes: Iterable[str] = (),
        faults: Faults | None = None,
        account: Account | None = None,
    ) -> None:
        self.name = name.encode(errors="replace").decode()  # a folder's name may be no text
        self.folder: Path | None = None
        self.phone_map = ""
        self.sample_rate = SAMPLE_RATE
        self._items = items
        self._kept: list[Utterance] = []
        self._audio: dict[str, Audio] = {}
        self.tiers: dict[str, int] = {}
        self.labels: set[str] = set()
        faults = faults or Faults(keep=False)
        self.rates = Counter[int]()
        digest = Digest()
        for utterance, audio in items():
            if utterance.id in self._audio:
                faults.add(f"{name} has two utterances with the id {utterance.id!r}: rename or remove one")
                continue
            try:
                digest.update(utterance)
            except UnicodeEncodeError:
                faults.add(
                    f"{utterance.id!a}: its speaker, text or label is not UTF-8: rename the file or its folder"
                )
                continue
            self._audio[utterance.id] = audio
            if len(self._audio) <= KEPT:
                self._kept.append(utterance.small())
            else:
                self._kept.clear()
            self.rates[audio.rate] += 1
            for tier in utterance.tiers:
                self.tiers[tier] = self.tiers.get(tier, 0) + len(columns(utterance.tiers, tier)[0])
            self.labels.update(utterance.labels)
            if account is not None:
                account.add(utterance)
        if not self._audio:
            more = f"; {faults.lines[0]}" if faults.lines else ""
            raise LaminaError(
                f"{name} holds no utterance: it is empty, or of a kind that Lamina does not read{more}"
            )
        self.digest = str(digest)
        made_of = account.lines() if account is not None else []
        self.notes = (*notes, *made_of, *faults.counts(), *_resampling(self.rates))

    def __len__(self) -> int:
        """The number of utterances."""
        return len(self._audio)

    def utterances(self, split: str | None = None) -> Iterator[Utterance]:
        """The utterances of a split (of all where None), in manifest order."""
        whole = len(self._kept) == len(self)
        listed = self._kept if whole else (utterance for utterance, _ in self._items())
        return (utterance for utterance in listed if split is None or utterance.split == split)

    def read(self, utterance: Utterance, start: int = 0, stop: int | None = None) -> NDArray[np.float32]:
        """The samples ``[start, stop)`` of an utterance, one channel, float32 in [-1, 1].

        Raises:
            LaminaError: the file is missing or does not decode, or is shorter than it was.
        """
        stop = utterance.samples if stop is None else stop
        if not 0 <= start <= stop <= utterance.samples:
            raise ValueError(f"{utterance.id}: no samples [{start}, {stop}) in {utterance.samples}")
        return self._audio[utterance.id].read(self.sample_rate, start, stop)

    def changed(self, change: Callable[[Utterance], Utterance]) -> StoredCorpus:
        """The same audio under other tiers or labels; notes are the same, too."""
        made = StoredCorpus(
            self.name, lambda: ((change(one), self._audio[one.id]) for one in self.utterances()), self.notes
        )
        made.notes, made.folder, made.phone_map = self.notes, self.folder, self.phone_map
        return made

    def content(self, utterance: Utterance) -> str:
        """A digest of the bytes of an utterance's audio, as they are now.

        Raises:
            LaminaError: the file is missing or cannot be read.
        """
        return self._audio[utterance.id].content()

    def cut_short(self, utterance: Utterance) -> int:
        """How many bytes the header of an utterance's WAV or AIFF promises beyond its end."""
        audio = self._audio[utterance.id]
        if not isinstance(audio, AudioFile):
            return 0
        with opened(audio.path, audio.member) as file:
            return missing_bytes(file)

    def missing(self) -> str:
        """The first audio file that is not there; empty where all are."""
        paths = (audio.path for audio in self._audio.values() if isinstance(audio, AudioFile))
        return next((path for path in paths if not Path(path).is_file()), "")


def _resampling(rates: Mapping[int, int]) -> list[str]:
    """One line for each sample rate, of those counted in ``rates``, that is resampled when read."""
    lines = []
    for rate, count in sorted(rates.items()):
        if rate == SAMPLE_RATE:
            continue
        line = (
            f"{count} of {sum(rates.values())} utterances are at {rate:,} Hz: resampled to {SAMPLE_RATE:,} Hz by "
            "soxr when read, boundaries moved to the nearest sample"
        )
        if rate < SAMPLE_RATE:
            line += f"; they hold nothing above {rate // 2:,} Hz, a band that encoders of wide-band speech expect"
        lines.append(line)
    return lines


class Digest:
    """The digest of a corpus, an utterance at a time; its text is the first twelve hex digits."""

    def __init__(self) -> None:
        self._running = hashlib.sha256(str(SAMPLE_RATE).encode())

    def update(self, utterance: Utterance) -> None:
        """Take in the next utterance: all that it carries, and its audio's length."""
        tiers = {name: list(zip(*columns(utterance.tiers, name), strict=True)) for name in sorted(utterance.tiers)}
        values = [utterance.id, utterance.speaker, utterance.split, utterance.samples, utterance.text, tiers]
        if utterance.labels:  # corpora without labels keep the digests that they had before there were any
            values.append(sorted(utterance.labels.items()))
        self._running.update(json.dumps(values, separators=(",", ":"), ensure_ascii=False).encode())

    def __str__(self) -> str:
        """Twelve hex digits."""
        return self._running.hexdigest()[:12]
