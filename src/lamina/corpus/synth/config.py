"""What to synthesise: the config of `lamina corpus synth`."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from lamina.config import Config
from lamina.corpus.synth.grammar import MOST_CONTENT

ACCENTS = ("en-US", "en", "en-US-nyc", "en-GB-x-rp")


def _between(name: str, bounds: tuple[float, float] | None, low: float, high: float) -> None:
    """See that two bounds lie between ``low`` and ``high``, the lower first."""
    if bounds is not None and not low <= bounds[0] <= bounds[1] <= high:
        raise ValueError(f"{name} lie between {low:g} and {high:g}, the lower first")


class Speakers(Config):
    """How many speakers each split has; no speaker is in two.

    Attributes:
        train, dev, test: speakers in each.
    """

    train: int = Field(10, ge=1, le=100_000)
    dev: int = Field(2, ge=0, le=100_000)
    test: int = Field(4, ge=0, le=100_000)


class Room(Config):
    """Noise and reverberation: two bounds each, between which every utterance draws its own.

    Attributes:
        snr_db: speech over white noise (dB); None for no noise beside the floor.
        reverb_s: seconds in which echoes fall by 60 dB; None for no room.
    """

    snr_db: tuple[float, float] | None = None
    reverb_s: tuple[float, float] | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        _between("snr_db", self.snr_db, -50, 100)
        _between("reverb_s", self.reverb_s, 0.01, 10)
        return self


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

    @model_validator(mode="after")
    def _fits(self) -> Self:
        _between("turns", self.turns, 2, 100)
        return self


class SynthConfig(Config):
    """What to synthesise. What is None is as if it were not there: configs without it keep their digests.

    Attributes:
        seed: of sentences, voices and noise.
        minutes: of audio in all, shared evenly by the speakers (each goes over by less than one sentence).
        speakers: of each split.
        content_words: nouns, names, verbs, adjectives and adverbs in the vocabulary, beside 44 function words.
        shared_sentences: how many sentences all speakers say.
        accents: eSpeak's English voices, given to the speakers in turn.
        noise_db: level of the noise floor relative to full scale (dB).
        say: what is said: ``keywords``, ``intents``, ``slots``, ``queries``, ``emotions``; sentences where None.
        texts: eSpeak voices (``gmw/de``, ``roa/fr``, ``gmw/en-US``) and the UTF-8 text file that each reads from
            (see `lamina.config.shipped`), instead of the grammar; given to the speakers in turn.
        rates: words a minute, the slowest and the fastest speaker; 140 and 185 where None.
        pitches: of the voices, the lowest and the highest (0 to 99); 35 and 65 where None.
        split_by: ``utterance`` has every speaker in all splits (speaker identification), with trials for speaker
            verification beside the manifest; by speaker where None.
        room: noise and reverberation.
        mixtures: two speakers in each recording.
    """

    seed: int = Field(1, ge=0, lt=2**63)
    minutes: float = Field(30.0, gt=0, le=600_000)
    speakers: Speakers = Speakers()
    content_words: int = Field(200, ge=20, le=MOST_CONTENT)
    shared_sentences: int = Field(8, ge=0, le=10_000)
    accents: tuple[str, ...] = Field(ACCENTS, min_length=1, max_length=1000)
    noise_db: float = Field(-60.0, ge=-200, le=-20)
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
        _between("rates", self.rates, 80, 400)
        _between("pitches", self.pitches, 0, 99)
        if self.mixtures is not None and 1 in {self.speakers.train, self.speakers.dev, self.speakers.test}:
            raise ValueError("mixtures need two speakers in each split, or none")
        return self
