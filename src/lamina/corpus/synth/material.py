"""What synthetic speakers say: sentences, keywords, intents, slots, queries, emotions, or the lines of a text.

Each kind draws its words and labels from a seeded generator, so that every probe task has a corpus whose answers
are known. The labels are those of docs/corpora.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np

from lamina.corpus.synth.grammar import MERGED, Lexicon, sentence
from lamina.errors import LaminaError
from lamina.files import file_digest

KEYWORDS = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")
UNKNOWN, SILENCE = "_unknown_", "_silence_"

# action: how it is said; objects it goes with
_ACTIONS = {
    "activate": (("switch on", "activate", "start"), ("lights", "lamp", "music", "heating")),
    "deactivate": (("switch off", "deactivate", "stop"), ("lights", "lamp", "music", "heating")),
    "increase": (("increase", "raise", "turn up"), ("volume", "heating")),
    "decrease": (("decrease", "lower", "turn down"), ("volume", "heating")),
    "bring": (("bring", "fetch", "get"), ("newspaper", "shoes", "juice", "socks")),
}
_LOCATIONS = ("none", "kitchen", "bedroom", "garden")
_SLOTS = {
    "PlayMusic": ("play {track} by {artist}", "start {service} and play {artist}", "play some {genre} now"),
    "BookTable": ("book {number} seats at {place} tomorrow", "reserve {place} for {number} people"),
    "GetWeather": ("will it rain near {city} {day}", "tell me how warm {city} gets {day}"),
}
_VALUES = {
    "track": "golden river,quiet mountain,yellow bird,winter morning,my mother's garden",
    "artist": "anna stone,peter,mary king,julia,thomas bell",
    "service": "radio,music box,sound cloud",
    "genre": "jazz,folk music,opera,blues",
    "number": "two,three,four,seven",
    "place": "village kitchen,green island,harbour house,thunder valley",
    "city": "london,paris,madrid,vienna,oslo",
    "day": "today,tomorrow,next monday,every morning",
}


@dataclass(frozen=True)
class Style:
    """How something is said: added to the speaker's pitch, and times their rate, intonation range and loudness."""

    pitch: int = 0
    rate: float = 1.0
    spread: int | None = None
    volume: int | None = None


# Emotion-like styles: not emotions, but what is heard first of them (Scherer 2003): pitch, rate, range, energy.
STYLES = {
    "neutral": Style(),
    "happiness": Style(pitch=14, rate=1.12, spread=85, volume=110),
    "anger": Style(pitch=6, rate=1.22, spread=65, volume=150),
    "sadness": Style(pitch=-12, rate=0.78, spread=20, volume=70),
}


@dataclass(frozen=True)
class Said:
    """What is said once: words, labels, and how. No words: a second of silence."""

    words: tuple[str, ...]
    labels: dict[str, str] = field(default_factory=dict)
    style: Style = Style()


Draw = Callable[[np.random.Generator], Said]


def material(kind: str, lexicon: Lexicon) -> Draw:
    """How to draw what is said, by the kind's name in a config."""
    draws: dict[str, Draw] = {
        "sentences": lambda rng: Said(sentence(lexicon, rng)),
        "keywords": lambda rng: _keyword(lexicon, rng),
        "intents": _intent,
        "slots": _slots,
        "queries": lambda rng: _query(lexicon, rng),
        "emotions": lambda rng: _emotion(lexicon, rng),
    }
    return draws[kind]


KINDS = ("sentences", "keywords", "intents", "slots", "queries", "emotions")


def _pick(rng: np.random.Generator, items: tuple[str, ...] | list[str]) -> str:
    return items[int(rng.integers(len(items)))]


def _keyword(lexicon: Lexicon, rng: np.random.Generator) -> Said:
    place = int(rng.integers(12))
    if place < 10:
        return Said((KEYWORDS[place],), {"keyword": KEYWORDS[place]})
    if place == 10:
        return Said((), {"keyword": SILENCE})
    word = KEYWORDS[0]
    while word in KEYWORDS:
        word = _pick(rng, lexicon.words["noun"])
    return Said((word,), {"keyword": UNKNOWN})


def _intent(rng: np.random.Generator) -> Said:
    action = _pick(rng, list(_ACTIONS))
    verbs, things = _ACTIONS[action]
    thing, location = _pick(rng, things), _pick(rng, _LOCATIONS)
    location = location if action in {"activate", "deactivate"} else "none"
    where = "" if location == "none" else location
    words = tuple(f"{_pick(rng, verbs)} my {where} {thing}".split())
    labels = {"intent": f"{action} {thing} {location}", "action": action, "object": thing, "location": location}
    return Said(words, labels)


def _slots(rng: np.random.Generator) -> Said:
    intent = _pick(rng, list(_SLOTS))
    words: list[str] = []
    tags: list[str] = []
    for part in _pick(rng, _SLOTS[intent]).split():
        if not part.startswith("{"):
            words.append(part)
            tags.append("O")
            continue
        name = part.strip("{}")
        value = _pick(rng, _VALUES[name].split(",")).split()
        words += value
        tags += [f"B-{name}", *[f"I-{name}"] * (len(value) - 1)]
    return Said(tuple(words), {"intent": intent, "slots": " ".join(tags)})


def _query(lexicon: Lexicon, rng: np.random.Generator) -> Said:
    if rng.random() < 0.7:
        return Said(sentence(lexicon, rng), {"role": "document"})
    words = [lexicon.draw("noun", rng)]
    if rng.random() < 0.3:
        words.insert(0, lexicon.draw("adjective", rng))
    return Said(tuple(words), {"role": "query"})


def _emotion(lexicon: Lexicon, rng: np.random.Generator) -> Said:
    emotion = _pick(rng, list(STYLES))
    return Said(sentence(lexicon, rng), {"emotion": emotion}, STYLES[emotion])


_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")


def text_lines(path: Path) -> tuple[str, list[tuple[str, ...]]]:
    """The digest of a text file, and its sentences as words: split at full stops and blank lines, 2 to 20 words.

    Sentences with digits are left out (how they are said is not what is written), and so are pairs of words that
    eSpeak says as one.

    Raises:
        LaminaError: the file cannot be read or holds no usable sentence.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise LaminaError(f"the text {path} cannot be read ({error}): give a UTF-8 text file") from error
    found = []
    for part in re.split(r"[.!?;:…]+\s|\n\s*\n|[.!?]$", text):
        words = tuple(word.replace("’", "'").lower() for word in _WORD.findall(part))
        merged = any(pair in MERGED for pair in pairwise(words))
        if 2 <= len(words) <= 20 and not re.search(r"\d", part) and not merged:
            found.append(words)
    if not found:
        raise LaminaError(f"the text {path} has no sentence of 2 to 20 words without digits")
    return file_digest(path), found
