"""Phone inventories that corpora use, so that a label which is in none of them shows."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from lamina.corpus.synth.phones import CLASSES
from lamina.corpus.texts import number

MOST = 0.9  # the share of a corpus's phones that make an inventory its own
FEW = 3  # so many different whole numbers may be names of classes

_ARPABET = """
    AA AE AH AO AW AY B CH D DH EH ER EY F G HH IH IY JH K L M N NG OW OY P R S SH T TH UH UW V W Y Z ZH
    AX AXR IX UX DX NX EL EM EN Q WH H
"""
# TIMIT's 61 phones (which its 39 are among), and those that Buckeye adds: a flap, and nasalised vowels.
_SMALL = """
    aa ae ah ao aw ax ax-h axr ay b bcl ch d dcl dh dx eh el em en eng epi er ey f g gcl h# hh hv ih ix iy jh k
    kcl l m n ng nx ow oy p pau pcl q r s sh t tcl th uh uw ux v w y z zh
    tq own aan aen ahn aon awn ayn ehn ern eyn ihn iyn oyn uhn uwn ih# h id a e i o u
"""
# German SAMPA as EMO-DB has it: 4 a flap, B D G lenited stops, H a devoiced h, vowels with a vocalised r.
_GERMAN = """
    a b d e f g h i j k l m n o p s t u v x y z @ 2 4 6 9 ? aI aU OY B C D E G H I J L N O R S U V X Y Z
    a6 e6 i6 o6 u6 y6 E6 I6 O6 U6 Y6 96 @6 I@ pf ts tS
"""
INVENTORIES = {
    "ARPAbet": frozenset(_ARPABET.split()),
    "the classes of Lamina's synthesis": frozenset(CLASSES),
    "TIMIT's and Buckeye's phones": frozenset(_SMALL.split()),
    "German SAMPA": frozenset(_GERMAN.split()),
}
_LETTER = "[a-zæçðøħŋœɐ-ʯβθχᵻⱱ]"
_IPA = re.compile(rf"({_LETTER}[ʰ-˿̀-ͯᵝ-ᶿⁿ:]*͡?){{1,2}}[˥-˩]*")
KNOWN = (*INVENTORIES, "IPA")


def known_labels(counts: Mapping[str, int]) -> tuple[str, Collection[str]]:
    """The name of the inventory that most of some phones are of, and its labels; empty where none is."""
    whole = sum(counts.values())
    for name in KNOWN:
        labels = INVENTORIES.get(name) or frozenset(label for label in counts if _IPA.fullmatch(label))
        if whole and sum(count for label, count in counts.items() if label in labels) >= MOST * whole:
            return name, labels
    return "", frozenset()


def numeric(values: Collection[str]) -> bool:
    """Whether some values are numbers to correlate with (an age, a rating, a time), not names of classes.

    So they are where all are numbers and one has a fraction, or where more than three whole ones leave gaps
    (ages): 0 to 9 are digits, 1 to 5 may be groups. ``001`` is a name.
    """
    try:
        found = {number(value) for value in values}
    except ValueError:
        return False
    if any(re.fullmatch(r"[-+]?0\d+", value) for value in values):
        return False
    gaps = len(found) > FEW and (min(found) not in {0, 1} or max(found) - min(found) >= len(found))
    return gaps or any(value != int(value) for value in found)
