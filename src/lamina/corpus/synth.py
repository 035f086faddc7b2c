"""Synthetic speech of many speakers with exactly known phones, syllables and words, by eSpeak NG.

Every speaker says the same few shared sentences and then sentences of their own, until their share of the minutes
is full. The same config gives the same bits, whatever the number of workers.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from lamina.config import Config
from lamina.corpus.corpus import Utterance
from lamina.corpus.espeak import Espeak
from lamina.corpus.grammar import Lexicon
from lamina.corpus.manifest import AUDIO, ManifestWriter, open_folder
from lamina.corpus.material import Draw, Said, material, text_lines
from lamina.corpus.stored import StoredCorpus
from lamina.corpus.trials import write_trials
from lamina.corpus.trying import query_trials, speaker_trials
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


class Room(Config):
    """Noise and reverberation: two bounds each, between which every utterance draws its own.

    Attributes:
        snr_db: speech over white noise (dB); None for no noise beside the floor.
        reverb_s: seconds in which echoes fall by 60 dB; None for no room.
    """

    snr_db: tuple[float, float] | None = None
    reverb_s: tuple[float, float] | None = None


class Mixtures(Config):
    """Two speakers of one split in each recording, who take turns and sometimes talk at once.

    Attributes:
        turns: how many turns a recording has, at the least and at the most.
        overlap: the share of turns that begin before the last one ends.
        seconds: the longest overlap, and the longest pause.
    """

    turns: tuple[int, int] = (2, 4)
    overlap: float = Field(0.5, ge=0, le=1)
    seconds: float = Field(0.8, gt=0, le=5)


class SynthConfig(Config):
    """What to synthesise. What is None is as if it were not there: configs without it keep their digests.

    Attributes:
        seed: of sentences, voices and noise.
        minutes: of audio in all, shared evenly by the speakers (each goes over by less than one sentence).
        speakers: of each split.
        content_words: nouns, names, verbs, adjectives and adverbs in the vocabulary, beside 39 function words.
        shared_sentences: how many sentences all speakers say.
        accents: eSpeak's English voices, given to the speakers in turn.
        noise_db: level of the noise floor relative to full scale (dB).
        say: what is said: ``keywords``, ``intents``, ``slots``, ``queries``, ``emotions``; sentences where None.
        texts: eSpeak voices (``gmw/de``, ``roa/fr``, ``gmw/en-US``) and the UTF-8 text file that each reads from,
            instead of the grammar; given to the speakers in turn.
        rates: words a minute, the slowest and the fastest speaker; 140 and 185 where None.
        pitches: of the voices, the lowest and the highest (0 to 99); 35 and 65 where None.
        split_by: ``utterance`` has every speaker in all splits (speaker identification), with trials for speaker
            verification beside the manifest; by speaker where None.
        room: noise and reverberation.
        mixtures: two speakers in each recording.
    """

    seed: int = Field(1, ge=0)
    minutes: float = Field(30.0, gt=0)
    speakers: Speakers = Speakers()
    content_words: int = Field(200, ge=20)
    shared_sentences: int = Field(8, ge=0)
    accents: tuple[str, ...] = Field(ACCENTS, min_length=1)
    noise_db: float = Field(-60.0, le=-20)
    say: Literal["sentences", "keywords", "intents", "slots", "queries", "emotions"] | None = None
    texts: dict[str, str] | None = None
    rates: tuple[int, int] | None = None
    pitches: tuple[int, int] | None = None
    split_by: Literal["utterance"] | None = None
    room: Room | None = None
    mixtures: Mixtures | None = None

    def to_json(self) -> dict[str, Any]:
        """The config as plain JSON values, without what is None."""
        return self.model_dump(mode="json", exclude_none=True)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.texts is not None and self.say is not None:
            raise ValueError("give say or texts, not both: texts replace the grammar")
        for name, low, high in (("rates", 80, 400), ("pitches", 0, 99)):
            bounds = getattr(self, name)
            if bounds is not None and not low <= bounds[0] <= bounds[1] <= high:
                raise ValueError(f"{name} lie between {low} and {high}, the lower first")
        if self.mixtures is not None and 1 in {self.speakers.train, self.speakers.dev, self.speakers.test}:
            raise ValueError("mixtures need two speakers in each split, or none")
        return self


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
    accents = tuple(config.texts) if config.texts else config.accents
    pitches, rates = config.pitches or (35, 65), config.rates or (140, 185)
    cast = []
    for number, split in enumerate(splits):
        rng = np.random.default_rng([config.seed, 1, number])
        # A variant that comes round again gets another accent than before.
        accent = accents[(number + number // len(VARIANTS)) % len(accents)]
        variant = VARIANTS[number % len(VARIANTS)]
        pitch, rate = int(rng.integers(pitches[0], pitches[1] + 1)), int(rng.integers(rates[0], rates[1] + 1))
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

    Tiers: ``phone`` (`lamina.corpus.phones`), ``word``, and in English ``syllable``; of mixtures ``speaker:1``,
    ``phone:1`` and so on.

    Args:
        config: what to synthesise.
        folder: where; made by `lamina.corpus.manifest`.
        workers: eSpeak processes that run at once; changes nothing but the time it takes.
        progress: called with the seconds of audio that are done and those wanted.

    Raises:
        LaminaError: eSpeak NG is not installed or fails; a text cannot be read; the folder cannot be written.
    """
    from lamina.corpus.speaking import Stage

    folder = Path(folder)
    rng = np.random.default_rng([config.seed, 0])
    script, digests = _script(config)
    first = script[next(iter(script))]
    shared = [] if config.texts else [first(rng) for _ in range(config.shared_sentences)]
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
        stage = Stage(config, cast, script, shared, beside, report, stop)
        pool = [stack.enter_context(Espeak()) for _ in range(max(1, min(workers, len(cast))))]

        def run(number: int) -> list[Utterance]:
            with lock:
                espeak = pool.pop()
            try:
                return stage.speak(number, espeak)
            except BaseException:
                stop.set()
                raise
            finally:
                with lock:
                    pool.append(espeak)

        spoken: list[tuple[str, str, str, str]] = []  # all that trials need to know: id, speaker, split, text
        with ThreadPoolExecutor(len(pool)) as threads, ManifestWriter(beside) as writer:
            try:
                for said in threads.map(run, range(len(cast))):
                    for utterance in said:
                        writer.add(utterance)
                        kept = utterance.text if utterance.labels.get("role") != "query" else f"?{utterance.text}"
                        spoken.append((utterance.id, utterance.speaker, utterance.split, kept))
            except BaseException:
                stop.set()
                raise
            made = {
                "by": "lamina.corpus.synth",
                "config": config.to_json(),
                "seed": config.seed,
                "speakers": {voice.speaker: asdict(voice) for voice in cast},
            }
            if digests:
                made["texts"] = digests
            trials = query_trials(spoken) if config.say == "queries" else []
            if config.split_by == "utterance":
                trials = speaker_trials(spoken, config.seed)
            if trials:
                write_trials(beside, trials)
            writer.finish(f"synth-{config.digest[:8]}", made)
    return open_folder(folder)


def _script(config: SynthConfig) -> tuple[dict[str, Draw], dict[str, str]]:
    """What each accent's speakers draw their sentences from, and the digests of the texts."""
    if not config.texts:
        draw = material(config.say or "sentences", Lexicon.of(config.content_words))
        return dict.fromkeys(config.accents, draw), {}
    script: dict[str, Draw] = {}
    digests: dict[str, str] = {}
    for voice, name in config.texts.items():
        digests[name], lines = text_lines(Path(name))
        script[voice] = _reader(lines, voice)
    return script, digests


def _reader(lines: list[tuple[str, ...]], voice: str) -> Draw:
    language = voice.rpartition("/")[2].partition("-")[0]

    def draw(rng: np.random.Generator) -> Said:
        return Said(lines[int(rng.integers(len(lines)))], {"language": language})

    return draw
