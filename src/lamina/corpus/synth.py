"""Synthetic speech of many speakers with exactly known phones, syllables and words, by eSpeak NG.

Every speaker says the same few shared sentences and then sentences of their own, until their share of the minutes
is full. The same config gives the same bits, whatever the number of workers.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from lamina.config import Config
from lamina.corpus.alignment import MergedError, align
from lamina.corpus.corpus import Segment, Utterance
from lamina.corpus.espeak import Espeak, Speech
from lamina.corpus.grammar import Lexicon, sentence
from lamina.corpus.manifest import AUDIO, open_folder, write_audio, write_manifest
from lamina.corpus.stored import SAMPLE_RATE, StoredCorpus, resample, rescale
from lamina.corpus.syllables import syllables
from lamina.files import replacing

# Variants without echo (an echo fills the silences that the repairs of the boundaries read), women's and men's
# voices in turn, clearly different ones first.
VARIANTS = tuple(
    name
    for names in (
        "f1 m1 Annie m7 steph m3 Andrea max belinda robert anika m5",
        "aunty Gene grandma paul steph3 m8 linda quincy zac travis steph2 m4",
    )
    for name in names.split()
)
ACCENTS = ("en-US", "en", "en-US-nyc", "en-GB-x-rp")


class Speakers(Config):
    """How many speakers each split has; no speaker is in two.

    Attributes:
        train, dev, test: speakers in each.
    """

    train: int = Field(10, ge=1)
    dev: int = Field(2, ge=0)
    test: int = Field(4, ge=0)


class SynthConfig(Config):
    """What to synthesise.

    Attributes:
        seed: of sentences, voices and noise.
        minutes: of audio in all, shared evenly by the speakers (each goes over by less than one sentence).
        speakers: of each split.
        content_words: nouns, names, verbs, adjectives and adverbs in the vocabulary, beside 39 function words.
        shared_sentences: how many sentences all speakers say.
        accents: eSpeak's English voices, given to the speakers in turn.
        noise_db: level of the noise floor relative to full scale (dB).
    """

    seed: int = Field(1, ge=0)
    minutes: float = Field(30.0, gt=0)
    speakers: Speakers = Speakers()
    content_words: int = Field(200, ge=20)
    shared_sentences: int = Field(8, ge=0)
    accents: tuple[str, ...] = Field(ACCENTS, min_length=1)
    noise_db: float = Field(-60.0, le=-20)


@dataclass(frozen=True)
class Voice:
    """One speaker: an eSpeak accent and variant, with their own pitch (0-99, 50 as it is) and rate (words/min)."""

    speaker: str
    split: str
    accent: str
    variant: str
    pitch: int
    rate: int


def voices(config: SynthConfig) -> list[Voice]:
    """The speakers of a config; the i-th has the i-th variant and accent, both taken in turn."""
    counts = config.speakers
    splits = ["train"] * counts.train + ["dev"] * counts.dev + ["test"] * counts.test
    cast = []
    for number, split in enumerate(splits):
        rng = np.random.default_rng([config.seed, 1, number])
        # A variant that comes round again gets another accent than before.
        accent = config.accents[(number + number // len(VARIANTS)) % len(config.accents)]
        variant = VARIANTS[number % len(VARIANTS)]
        pitch, rate = int(rng.integers(35, 66)), int(rng.integers(140, 186))
        cast.append(Voice(f"s{number:02d}", split, accent, variant, pitch, rate))
    return cast


def synthesize(
    config: SynthConfig,
    folder: Path | str,
    *,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> StoredCorpus:
    """Synthesise the corpus of ``config`` into ``folder`` (replaced as a whole, or not at all) and open it.

    Tiers: ``phone`` (`lamina.corpus.phones`), ``syllable``, ``word``.

    Args:
        config: what to synthesise.
        folder: where; made by `lamina.corpus.manifest`.
        workers: eSpeak processes that run at once; changes nothing but the time it takes.
        progress: called with the seconds of audio that are done and those wanted.

    Raises:
        LaminaError: eSpeak NG is not installed or fails; the folder cannot be written.
    """
    folder = Path(folder)
    lexicon = Lexicon.of(config.content_words)
    rng = np.random.default_rng([config.seed, 0])
    shared = [sentence(lexicon, rng) for _ in range(config.shared_sentences)]
    cast = voices(config)
    wanted = config.minutes * 60
    lock, done, stop = threading.Lock(), [0.0], threading.Event()

    def report(seconds: float) -> None:
        with lock:
            done[0] += seconds
            if progress is not None:
                progress(min(round(done[0]), math.ceil(wanted)), math.ceil(wanted))

    with replacing(folder, mark="corpus.json") as beside, ExitStack() as stack:
        (beside / AUDIO).mkdir(parents=True)
        pool = [stack.enter_context(Espeak()) for _ in range(max(1, min(workers, len(cast))))]

        def run(number: int) -> list[Utterance]:
            with lock:
                espeak = pool.pop()
            try:
                return _speaker(config, number, cast[number], (lexicon, shared), espeak, beside, report, stop)
            except BaseException:
                stop.set()
                raise
            finally:
                with lock:
                    pool.append(espeak)

        with ThreadPoolExecutor(len(pool)) as threads:
            try:
                spoken = list(threads.map(run, range(len(cast))))
            except BaseException:
                stop.set()
                raise
        utterances = [utterance for said in spoken for utterance in said]
        made = {
            "by": "lamina.corpus.synth",
            "config": config.to_json(),
            "seed": config.seed,
            "speakers": {voice.speaker: asdict(voice) for voice in cast},
        }
        write_manifest(beside, f"synth-{config.digest[:8]}", utterances, made)
    return open_folder(folder)


def _speaker(
    config: SynthConfig,
    number: int,
    voice: Voice,
    sentences: tuple[Lexicon, Sequence[tuple[str, ...]]],
    espeak: Espeak,
    folder: Path,
    report: Callable[[float], None],
    stop: threading.Event,
) -> list[Utterance]:
    """Let one speaker speak until their share of the minutes is full."""
    lexicon, shared = sentences
    rng = np.random.default_rng([config.seed, 2, number])
    counts = config.speakers
    share = config.minutes * 60 * SAMPLE_RATE / (counts.train + counts.dev + counts.test)
    utterances: list[Utterance] = []
    total = tried = merged = 0
    while total < share and not stop.is_set():
        words = shared[tried] if tried < len(shared) else sentence(lexicon, rng)
        tried += 1
        name = f"gmw/{voice.accent}+{voice.variant}"
        speech = espeak.say(" ".join(words), name, pitch=voice.pitch, rate=voice.rate)
        try:
            tiers = _tiers(speech, words)
        except MergedError:
            merged += 1
            if merged > 10 + tried // 2:
                raise
            continue  # this speaker says another sentence instead
        index = len(utterances)
        wave = _finish(speech, config.noise_db, np.random.default_rng([config.seed, 3, number, index]))
        identity = f"{voice.speaker}-{index:04d}"
        utterances.append(Utterance(identity, voice.speaker, voice.split, len(wave), " ".join(words), tiers))
        write_audio(folder, utterances[-1], wave)
        total += len(wave)
        report(len(wave) / SAMPLE_RATE)
    return utterances


def _finish(speech: Speech, noise_db: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """At 16 kHz, with the noise floor: white and Gaussian."""
    wave = resample((speech.wave / 32768).astype(np.float32), speech.sample_rate, SAMPLE_RATE)
    noise = rng.standard_normal(len(wave), dtype=np.float32) * np.float32(10 ** (noise_db / 20))
    return np.clip(wave + noise, -1, 1)


def _tiers(speech: Speech, words: Sequence[str]) -> dict[str, tuple[Segment, ...]]:
    phone, word = align(speech, words)
    tiers = {"phone": phone, "syllable": syllables(phone, word), "word": word}
    return {
        name: tuple(
            Segment(s.label, *(rescale(at, speech.sample_rate, SAMPLE_RATE) for at in (s.onset, s.offset)))
            for s in tier
        )
        for name, tier in tiers.items()
    }
