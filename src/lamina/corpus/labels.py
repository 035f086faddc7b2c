"""What labels and tiers are called here, so that one name means one thing in all corpora.

The whole map is in docs/corpora.md; a test holds the two together.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

# What marks that nothing is said, or nothing that anybody transcribed, in the tools and corpora that write
# alignments (MFA, PocketSphinx, Kaldi, TIMIT, Buckeye, Switchboard, xlabel); compared without case. Such intervals
# are no segments. Bare words such as "noise" are words: a corpus that uses them as marks says so in its importer.
_SILENCES = """
    sil sp spn nsn h# # _ - . ( !sil [sil] (sil) {sl} {sil} <sil> <eps> <s> </s> <p> <p:> <nib> <unk>
    [silence] [noise] ++noise++ ++breath++ [laughter] [vocalized-noise] [breath] [cough] [sigh] <noise> <laugh>
    <breath> {b_trans} {e_trans} <vocnoise> <iver> <unknown> <exclude>
"""
SILENCES = frozenset({"", *_SILENCES.split()})
PHONE_SILENCES = frozenset({"pau", "epi"})  # in phone tiers only: elsewhere these are words and syllables

TIERS = {
    "phone": "phone", "phones": "phone", "phn": "phone", "phoneme": "phone", "phonemes": "phone",
    "word": "word", "words": "word", "wrd": "word", "ort-mau": "word", "mau": "phone",
    "syllable": "syllable", "syllables": "syllable",
}  # fmt: skip
_VOWEL = "(AA|AE|AH|AO|AW|AX|AXR|AY|EH|ER|EY|IH|IX|IY|OW|OY|UH|UW|UX)"
_STRESSED = re.compile(f"{_VOWEL}[0-2]")
_TONED = re.compile(f"{_VOWEL}[3-9]")

# Marks of words in transcripts; what is left is what is said: Switchboard's [laughter-yeah], [said/meant], them_1,
# PocketSphinx's excuse(2), CHAT's &-uh (a filler), &+fr (a fragment), word@l (a form), (be)cause (half heard).
_MARKED = (
    (re.compile(r"\[laughter-([^\]]+)\]"), r"\1"),
    (re.compile(r"\[([^/\]]+)/[^\]]+\]"), r"\1"),
    (re.compile(r"(.*\w)(_1|\(\d+\))"), r"\1"),
    (re.compile(r"&[-+~]?(\w.*)"), r"\1"),
    (re.compile(r"(\w.*)@[a-z]{1,2}(:\w+)?"), r"\1"),
    (re.compile(r"(?=\w|\(\w+\)\w)([^()]*)\((\w+)\)([^()]*)"), r"\1\2\3"),
)
# No word: all of it in brackets (MFA, Switchboard, PocketSphinx), an event, an omitted or an unintelligible word
# of CHAT, or without any letter or digit.
_UNSAID = re.compile(r"<.*>|\[.*\]|\{.*\}|\(.*\)|\+\+.*\+\+|&=.*|0[^\W\d].*|xxx|yyy|www|[\W_]*")
_ODD = re.compile(r"""[\[\]<>{}()&@=*#/\\|~^_+"%$]""")


def base_tier(name: str) -> str:
    """The kind of a tier: ``phone`` of ``phone:2``, which several people at once have."""
    return name.partition(":")[0]


def tier_name(name: str) -> str:
    """The name of a tier here: ``phones`` is ``phone``; so is ``Ann - phones``, as MFA names a speaker's tier."""
    return tier_of(name)[1]


def tier_of(name: str) -> tuple[str, str]:
    """Whose tier it is, where its name tells (``Ann - words``), and the tier's name here."""
    bare = name.strip()
    speaker, dash, rest = bare.rpartition(" - ")
    if dash and (own := TIERS.get(rest.strip().casefold())):
        return speaker.strip(), own
    return "", TIERS.get(bare.casefold()) or bare.casefold()


def silent(label: str, tier: str = "phone") -> bool:
    """Whether a label of a tier says that nothing is said (see `SILENCES`)."""
    bare = label.strip().casefold()
    if bare in SILENCES:
        return True
    kind = base_tier(tier)
    if kind == "word":
        return bool(_UNSAID.fullmatch(said(bare)))
    return kind == "phone" and bare in PHONE_SILENCES


def said(word: str) -> str:
    """What is left of a word in lower case without the marks of transcripts (``[laughter-yeah]``: ``yeah``)."""
    for pattern, kept in _MARKED:
        word = pattern.sub(kept, word) if pattern.fullmatch(word) else word
    return word


def label_of(tier: str, label: str, *, stress: bool = True) -> str:
    """A label as it is called here: words in lower case without marks, ARPAbet phones without stress.

    ``stress``: whether the digit of a vowel is its stress; in a language with tones it stays.
    """
    kind, bare = base_tier(tier), label.strip()
    if kind == "word":
        return said(bare.casefold())
    stressed = _STRESSED.fullmatch(bare) if stress and kind == "phone" else None
    return stressed[1] if stressed else bare


@lru_cache(maxsize=1 << 16)  # labels repeat
def reading(tier: str, label: str, *, stress: bool) -> tuple[str | None, bool]:
    """A label as it is called here (None for no segment), and whether it is a word with what looks like a mark."""
    if silent(label, tier):
        return None, False
    named = label_of(tier, label, stress=stress)
    return named, base_tier(tier) == "word" and bool(_ODD.search(named))


def toned(labels: Iterable[str]) -> bool:
    """Whether the digits of some phones are tones: stress is 0, 1 or 2, so one of 3 to 9 tells."""
    return any(_TONED.fullmatch(label.strip()) for label in labels)


def maybe_toned(text: str) -> bool:
    """Whether a text could hold such phones; quick, for all of a TextGrid."""
    return bool(_TONED.search(text))
