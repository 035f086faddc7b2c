"""Seeded English-like sentences whose words follow a Zipf-like law: frequent function words, rare nouns.

A small grammar (clauses of noun phrases, verbs in the past tense, prepositional phrases, sometimes joined by a
conjunction) over about 250 words. Within a category the word of rank r (from 1) has weight 1 / (r + 1.7), a
Zipf-Mandelbrot law. Sentences need no meaning; phones, words and sentences must form a true hierarchy.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

LEAST_WORDS, MOST_WORDS = 4, 10

# Function words: closed classes, always used whole. The order is the rank.
_FUNCTION = {
    "article": "the a my his this her our that their your every",
    "pronoun": "he she they we you it someone everyone",
    "preposition": "to at in on with from for by under near into over behind across beside",
    "conjunction": "and but when because while so",
    "auxiliary": "could would must should",
}
# Content words: open classes, shortened from the rare end where a smaller vocabulary is asked for.
_CONTENT = {
    "noun": (
        "man house dog thing water girl book day boy car mother garden city child tree night horse river "
        "treasure door friend table bird teacher king road school fish stone morning window farmer "
        "letter doctor flower kitchen church ship market mountain voice summer bottle jacket engine "
        "village mouth paper finger shoulder island valley hammer carpet pencil jungle thunder wizard "
        "orange cloud knife bridge judge coin thief vision leather yellow onion elephant umbrella uncle "
        "apple eagle oven giant beach noise shadow mouse feather cushion earth pillow button cherry "
        "breath pasture leisure path sugar bush garage measure"
    ),
    "name": "john mary peter anna david susan george julia thomas alice",
    "adjective": (
        "little old big good new young small long dark happy white cold strange usual tall quiet heavy "
        "empty busy green clever golden bright broken angry gentle foolish wooden hungry famous smooth "
        "yearly thick royal rough hot spare lonely"
    ),
    "transitive": (
        "saw took found made gave left heard held knew wanted brought bought followed opened carried "
        "watched loved pushed cleaned painted measured caught showed covered joined touched avoided "
        "guarded chose shook washed borrowed enjoyed"
    ),
    "intransitive": (
        "went came stood walked sat worked slept waited laughed played turned danced smiled shouted swam listened "
        "jumped vanished breathed returned"
    ),
    "base": "see find take help make follow hear choose leave watch carry join enjoy measure catch",
    "adverb": "again slowly away often quickly today early outside together quietly yesterday gladly",
}
MOST_CONTENT = sum(len(words.split()) for words in _CONTENT.values())
# eSpeak says each of these pairs as one word event, which would leave no boundary between the two words.
MERGED = frozenset(
    (first, second)
    for first, seconds in {
        "at": "a",
        "for": "a an the",
        "from": "the",
        "in": "the",
        "of": "a the",
        "on": "the",
        "that": "a it the",
        "was": "the",
        "with": "the",
    }.items()
    for second in seconds.split()
)


@dataclass(frozen=True)
class Lexicon:
    """Words by category, most frequent first, and how likely each is within its category."""

    words: dict[str, tuple[str, ...]]

    @classmethod
    def of(cls, content: int) -> Lexicon:
        """All function words and about ``content`` content words, the categories shortened alike."""
        whole = {category: tuple(words.split()) for category, words in _CONTENT.items()}
        share = min(1.0, content / sum(map(len, whole.values())))
        kept = {category: words[: max(2, round(share * len(words)))] for category, words in whole.items()}
        return cls({category: tuple(words.split()) for category, words in _FUNCTION.items()} | kept)

    def draw(self, category: str, rng: np.random.Generator) -> str:
        """One word of a category by the Zipf-Mandelbrot law."""
        words = self.words[category]
        weights = 1 / (np.arange(len(words)) + 2.7)
        return words[int(rng.choice(len(words), p=weights / weights.sum()))]


def sentence(lexicon: Lexicon, rng: np.random.Generator) -> tuple[str, ...]:
    """One sentence of 4 to 10 words without a pair that eSpeak merges."""
    while True:
        words = _clause(lexicon, rng)
        if rng.random() < 0.2:
            words += [lexicon.draw("conjunction", rng), *_clause(lexicon, rng)]
        for place in range(len(words) - 1):
            if words[place] == "a" and words[place + 1][0] in "aeiou" and words[place + 1] != "usual":
                words[place] = "an"
        pairs = set(pairwise(words))
        if LEAST_WORDS <= len(words) <= MOST_WORDS and not pairs & MERGED:
            return tuple(words)


def _clause(lexicon: Lexicon, rng: np.random.Generator) -> list[str]:
    words = _noun_phrase(lexicon, rng, subject=True)
    kind = rng.random()
    if kind < 0.5:
        words += [lexicon.draw("transitive", rng), *_noun_phrase(lexicon, rng, subject=False)]
    elif kind < 0.7:
        words += [lexicon.draw("auxiliary", rng), lexicon.draw("base", rng)]
        words += _noun_phrase(lexicon, rng, subject=False)
    else:
        words.append(lexicon.draw("intransitive", rng))
    if rng.random() < 0.45:
        words += [lexicon.draw("preposition", rng), *_noun_phrase(lexicon, rng, subject=False)]
    elif rng.random() < 0.3:
        words.append(lexicon.draw("adverb", rng))
    return words


def _noun_phrase(lexicon: Lexicon, rng: np.random.Generator, *, subject: bool) -> list[str]:
    kind = rng.random()
    if subject and kind < 0.3:
        return [lexicon.draw("pronoun", rng)]
    if kind < 0.42:
        return [lexicon.draw("name", rng)]
    words = [lexicon.draw("article", rng)]
    if rng.random() < 0.4:
        words.append(lexicon.draw("adjective", rng))
    return [*words, lexicon.draw("noun", rng)]
