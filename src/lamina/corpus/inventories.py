"""Phone inventories that corpora use, so that a label which is in none of them shows."""

from __future__ import annotations

from collections.abc import Mapping

from lamina.corpus.synth.phones import CLASSES

MOST = 0.9  # the share of a corpus's phones that make an inventory its own

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
INVENTORIES = {
    "ARPAbet": frozenset(_ARPABET.split()),
    "the classes of Lamina's synthesis": frozenset(CLASSES),
    "TIMIT's and Buckeye's phones": frozenset(_SMALL.split()),
}


def known_labels(counts: Mapping[str, int]) -> tuple[str, frozenset[str]]:
    """The name and labels of the inventory that most of some phones are of; empty where none is."""
    whole = sum(counts.values())
    for name, labels in INVENTORIES.items():
        if whole and sum(count for label, count in counts.items() if label in labels) >= MOST * whole:
            return name, labels
    return "", frozenset()
