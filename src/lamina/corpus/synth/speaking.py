"""One synthetic speaker's work: sentence after sentence, alone or in turns with another."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lamina.corpus.corpus import Segment, Utterance
from lamina.corpus.labels import label_of, silent
from lamina.corpus.manifest import write_audio
from lamina.corpus.stored import SAMPLE_RATE, resample, rescale
from lamina.corpus.synth.acoustics import add_noise, reverberate
from lamina.corpus.synth.alignment import MergedError, align
from lamina.corpus.synth.config import SynthConfig
from lamina.corpus.synth.espeak import Espeak, Speech
from lamina.corpus.synth.material import Draw, Said
from lamina.corpus.synth.phones import own_label, phone_label
from lamina.corpus.synth.syllables import syllables
from lamina.corpus.synth.voices import Voice
from lamina.corpus.voices import SPEAKER
from lamina.errors import LaminaError

Tiers = dict[str, tuple[Segment, ...]]
_SPLITS_OF_TEN = ("train",) * 8 + ("dev", "test")


@dataclass(frozen=True)
class Stage:
    """What all speakers share.

    Attributes:
        config: what to synthesise.
        cast: the speakers.
        script: what the speakers of each accent draw from.
        shared: what all say first.
        folder: the corpus folder that is being made.
        report: told the seconds of each finished utterance.
        stop: set where another speaker failed.
    """

    config: SynthConfig
    cast: Sequence[Voice]
    script: Mapping[str, Draw]
    shared: Sequence[Said]
    folder: Path
    report: Callable[[float], None]
    stop: threading.Event

    def speak(self, number: int, espeak: Espeak) -> list[Utterance]:
        """Let speaker ``number`` speak until their share of the minutes is full."""
        config, voice = self.config, self.cast[number]
        rng = np.random.default_rng([config.seed, 2, number])
        share = config.minutes * 60 * SAMPLE_RATE / len(self.cast)
        utterances: list[Utterance] = []
        total = tried = merged = 0
        while total < share and not self.stop.is_set():
            said = self.shared[tried] if tried < len(self.shared) else self.script[voice.accent](rng)
            tried += 1
            try:
                if config.mixtures is None:
                    name, text, labels = voice.speaker, " ".join(said.words), dict(said.labels)
                    wave, tiers = self._say(said, voice, espeak)
                else:
                    name, text, wave, tiers = self._talk(said, number, rng, espeak)
                    labels = {}
            except MergedError:
                merged += 1
                if merged > 10 + tried // 2:
                    raise
                continue  # this speaker says another sentence instead
            index = len(utterances)
            wave = self._finish(wave, number, index)
            split = _SPLITS_OF_TEN[index % 10] if config.split_by == "utterance" else voice.split
            identity = f"{voice.speaker}-{index:04d}"
            utterances.append(Utterance(identity, name, split, len(wave), text, tiers, labels))
            write_audio(self.folder, utterances[-1], wave)
            total += len(wave)
            self.report(len(wave) / SAMPLE_RATE)
        return utterances

    def _say(self, said: Said, voice: Voice, espeak: Espeak) -> tuple[NDArray[np.float32], Tiers]:
        """What one speaker says, at 16 kHz and without noise, and its tiers."""
        if not said.words:
            return np.zeros(SAMPLE_RATE, np.float32), {}
        own = self.config.texts is not None and not voice.accent.startswith("gmw/en")
        path = voice.accent if "/" in voice.accent else f"gmw/{voice.accent}"
        style = said.style
        speech = espeak.say(
            " ".join(said.words),
            f"{path}+{voice.variant}",
            pitch=min(99, max(0, voice.pitch + style.pitch)),
            rate=round(voice.rate * style.rate),
            spread=style.spread,
            volume=style.volume,
        )
        try:
            tiers = _tiers(speech, said.words, own=own)
        except LaminaError as error:
            if self.config.texts is None:
                raise
            raise MergedError(str(error)) from error  # a free text may hold what the classes do not
        wave = (speech.wave / 32768).astype(np.float32)
        return resample(wave, speech.sample_rate, SAMPLE_RATE), tiers

    def _talk(
        self, said: Said, number: int, rng: np.random.Generator, espeak: Espeak
    ) -> tuple[str, str, NDArray[np.float32], Tiers]:
        """Turns of a speaker and another one of the same split, mixed, with the tiers of each."""
        mixtures = self.config.mixtures
        assert mixtures is not None  # noqa: S101 - asked by the caller
        voice = self.cast[number]
        others = [other for other in self.cast if other.split == voice.split and other != voice]
        pair = (voice, others[int(rng.integers(len(others)))])
        turns = int(rng.integers(mixtures.turns[0], mixtures.turns[1] + 1))
        made: list[tuple[int, Voice, NDArray[np.float32], Tiers]] = []
        end, words = 0, []
        for turn in range(turns):
            who = pair[turn % 2]
            now = said if turn == 0 else self.script[who.accent](rng)
            wave, tiers = self._say(now, who, espeak)
            gap = float(rng.random()) * mixtures.seconds
            early = rng.random() < mixtures.overlap
            start = 0 if turn == 0 else end + round((-gap if early else gap) * SAMPLE_RATE)
            start = max(start, 0 if turn < 2 else made[-2][0] + len(made[-2][2]))  # never over their own last turn
            made.append((start, who, wave, tiers))
            end = max(end, start + len(wave))
            words.append(" ".join(now.words))
        mixed = np.zeros(end, np.float32)
        for start, _, wave, _ in made:
            mixed[start : start + len(wave)] += 0.5 * wave
        return f"{pair[0].speaker}+{pair[1].speaker}", " ".join(words), mixed, _of_pair(made, pair)

    def _finish(self, wave: NDArray[np.float32], number: int, index: int) -> NDArray[np.float32]:
        """With the room's echoes and noise, and the noise floor: white and Gaussian."""
        config = self.config
        if config.room is not None:
            rng = np.random.default_rng([config.seed, 5, number, index])
            if config.room.reverb_s is not None and wave.any():
                wave = reverberate(wave, float(rng.uniform(*config.room.reverb_s)), rng)
            if config.room.snr_db is not None and wave.any():
                wave = add_noise(wave, float(rng.uniform(*config.room.snr_db)), rng)
        rng = np.random.default_rng([config.seed, 3, number, index])
        noise = rng.standard_normal(len(wave), dtype=np.float32) * np.float32(10 ** (config.noise_db / 20))
        return np.clip(wave + noise, -1, 1)


def _of_pair(made: Sequence[tuple[int, Voice, NDArray[np.float32], Tiers]], pair: Sequence[Voice]) -> Tiers:
    tiers: Tiers = {}
    for number, voice in enumerate(pair, start=1):
        own = [(start, tiers) for start, who, _, tiers in made if who == voice]
        spans = [
            Segment(voice.speaker, start + inner["word"][0].onset, start + inner["word"][-1].offset)
            for start, inner in own
        ]
        tiers[f"{SPEAKER}:{number}"] = tuple(spans)
        for name in ("phone", "word"):
            tiers[f"{name}:{number}"] = tuple(
                Segment(s.label, start + s.onset, start + s.offset) for start, inner in own for s in inner[name]
            )
    return tiers


def _tiers(speech: Speech, words: Sequence[str], *, own: bool) -> Tiers:
    phone, word = align(speech, words, own_label if own else phone_label)
    tiers = {"phone": phone, "syllable": syllables(phone, word), "word": word}
    if own:  # the rules of syllables are English
        del tiers["syllable"]
    return {
        name: tuple(
            Segment(
                label_of(name, s.label),
                *(rescale(at, speech.sample_rate, SAMPLE_RATE) for at in (s.onset, s.offset)),
            )
            for s in tier
            if not silent(s.label)
        )
        for name, tier in tiers.items()
    }
