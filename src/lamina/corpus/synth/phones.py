"""What eSpeak's phone mnemonics are called here: 41 classes, ARPAbet's 39 and two that eSpeak times as one sound.

English accents share the classes, so that a class means the same word sounds with every speaker (its colour
may differ, as among people): the vowel of "lot" is AA, of "thought" AO, of "nurse" and "letter" ER; the
reduced vowel of "comma", AH in ARPAbet, is AX here. A vowel with a coloured end that eSpeak gives one time
(START, NORTH, SQUARE, NEAR, CURE) takes the class of its vowel. EL is the syllabic l of "little". Flaps,
glottal stops and dental t are T.
"""

from __future__ import annotations

CLASSES = {
    "P": "p", "B": "b", "T": "t t# t2 t[ ?", "D": "d d#", "K": "k", "G": "g", "CH": "tS", "JH": "dZ",
    "F": "f", "V": "v", "TH": "T", "DH": "D", "S": "s", "Z": "z", "SH": "S", "ZH": "Z", "HH": "h",
    "M": "m", "N": "n n-", "NG": "N", "L": "l", "R": "r r-", "W": "w w#", "Y": "j",
    "IY": "i: i", "IH": "I I2 I# i@ i@3", "EH": "E e@", "AE": "a aa", "AA": "A: 0 A@", "AO": "O: O O2 O@ o@",
    "UH": "U U@", "UW": "u: u", "AH": "V", "AX": "@ @2 @5 a#", "ER": "3 3: IR VR @r", "EL": "@L",
    "EY": "eI", "AY": "aI aI2 aI@ aI3", "OY": "OI", "AW": "aU aU@", "OW": "oU",
}  # fmt: skip
LABELS = {mnemonic: label for label, mnemonics in CLASSES.items() for mnemonic in mnemonics.split()}

# A stop or affricate owns the silence before its burst: its closure.
CLOSED = frozenset({"P", "B", "T", "D", "K", "G", "CH", "JH"})
VOWELS = frozenset(
    {"IY", "IH", "EH", "AE", "AA", "AO", "UH", "UW", "AH", "AX", "ER", "EL", "EY", "AY", "OY", "AW", "OW"}
)
# The same of other languages, whose phones keep eSpeak's mnemonics.
CLOSED_MNEMONICS = frozenset("p b t d k g tS dZ ts dz pF t[ d[ c J t# d# k^".split())  # noqa: SIM905 - a list to read
GLIDE = ";"  # a palatal glide between two vowels; the sound before it keeps its time
STRESS = "',%=|"


def own_label(mnemonic: str) -> str | None:
    """A mnemonic without stress marks, for languages that have no classes here; None for a pause."""
    bare = mnemonic.lstrip(STRESS)
    return None if not bare or bare.startswith(("_", "(")) else bare


def phone_label(mnemonic: str) -> str | None:
    """The class of a mnemonic, its stress mark aside; None for a pause.

    Raises:
        KeyError: the mnemonic is in no class.
    """
    bare = mnemonic.lstrip(STRESS)
    return None if not bare or bare.startswith("_") else LABELS[bare]
