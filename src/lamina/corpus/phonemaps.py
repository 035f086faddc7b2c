"""Phone maps: one phone set folded into another, so that corpora can be held against each other.

``arpabet39`` folds TIMIT's 61 and Buckeye's phones, ARPAbet with stress and extensions, and the IPA of English
(MFA's dictionaries too) into the 39 phones of the CMU dictionary; ``timit39`` TIMIT's 61 into the 39 classes of
Lee and Hon 1989. A file has two columns, by spaces or tabs: a phone and what it becomes; where the second is
missing, the phone is left out.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from lamina.corpus.corpus import Segment, Utterance
from lamina.corpus.faults import commonest
from lamina.corpus.labels import base_tier, label_of
from lamina.corpus.stored import StoredCorpus
from lamina.corpus.texts import fields, read_lines
from lamina.errors import LaminaError

_ARPABET = """
    AA AE AH AO AW AY B CH D DH EH ER EY F G HH IH IY JH K L M N NG OW OY P R S SH T TH UH UW V W Y Z ZH
"""
# What is no phone of the CMU dictionary, in ARPAbet (TIMIT's and Buckeye's phones are its lower case) and in IPA.
_TO_ARPABET = """
    AX AH, AX-H AH, AXR ER, IX IH, UX UW, DX T, NX N, EL L, EM M, EN N, ENG NG, HV HH, WH W, H HH, TQ T, Q -,
    OWN OW, AAN AA, AEN AE, AHN AH, AON AO, AWN AW, AYN AY, EHN EH, ERN ER, EYN EY, IHN IH, IYN IY, OYN OY, UHN UH,
    UWN UW, BCL -, DCL -, GCL -, PCL -, TCL -, KCL -, H# -, PAU -, EPI -, SIL -, SP -, SPN -
"""
_IPA = """
    ɑ AA, ɒ AA, a AA, æ AE, ʌ AH, ə AH, ɐ AH, ɔ AO, aʊ AW, aw AW, aɪ AY, aj AY, b B, tʃ CH, ʧ CH, d D, ð DH, ɛ EH,
    e EH, ɝ ER, ɚ ER, ɜ ER, eɪ EY, ej EY, f F, ɡ G, g G, ɟ G, h HH, ç HH, ɦ HH, ɪ IH, ɨ IH, i IY, dʒ JH, ʤ JH, k K,
    c K, l L, ɫ L, ʎ L, m M, ɱ M, n N, ɲ N, ŋ NG, oʊ OW, ow OW, əʊ OW, əw OW, o OW, ɔɪ OY, ɔj OY, p P, ɹ R,
    r R, ɻ R, s S, ʃ SH, t T, ɾ T, ʔ T, θ TH, ʊ UH, u UW, ʉ UW, v V, w W, ʍ W, j Y, z Z, ʒ ZH
"""
# Lee and Hon's 39 (with silence, which is no segment here).
_TIMIT = """
    ao aa, ax ah, ax-h ah, axr er, hv hh, ix ih, el l, em m, en n, nx n, eng ng, zh sh, ux uw, q -, bcl -, dcl -,
    gcl -, pcl -, tcl -, kcl -, h# -, pau -, epi -
"""
_TIMIT_OWN = """
    aa ae ah aw ay b ch d dh dx eh er ey f g hh ih iy jh k l m n ng ow oy p r s sh t th uh uw v w y z
"""
_DIACRITICS = re.compile(
    "[\u02b0-\u02ff\u0300-\u036f\u1d2c-\u1d6a\u207f]"
)  # of the IPA: raised letters, marks, length


def _pairs(text: str) -> dict[str, str]:
    told = (pair.split() for pair in text.split(","))
    return {phone: "" if folded == "-" else folded for phone, folded in told}


def _arpabet39() -> dict[str, str]:
    upper = {phone: phone for phone in _ARPABET.split()} | _pairs(_TO_ARPABET)
    return {phone.lower(): folded for phone, folded in upper.items()} | _pairs(_IPA) | upper


MAPS = {
    "arpabet39": _arpabet39(),
    "timit39": {phone: phone for phone in _TIMIT_OWN.split()} | _pairs(_TIMIT),
}


def phone_map(name: str) -> Mapping[str, str]:
    """The map of a name, or in a file; what becomes empty is left out.

    Raises:
        LaminaError: there is neither, or a line of the file is none of a map.
    """
    if name in MAPS:
        return MAPS[name]
    path = Path(name)
    if not path.is_file():
        raise LaminaError(f"there is no phone map {name!r}: give {' or '.join(MAPS)}, or a file of two columns")
    found: dict[str, str] = {}
    for place, line in enumerate(read_lines(path), start=1):
        parts = fields(line)
        if len(parts) > 2 or (parts and found.get(parts[0], parts[-1]) != parts[-1]):
            raise LaminaError(
                f"{path}, line {place}, {line[:40]!r}: expected a phone and what it becomes, each phone once"
            )
        if parts:
            found[parts[0]] = parts[1] if len(parts) == 2 else ""
    if not found:
        raise LaminaError(f"{path} is an empty phone map")
    return found


def fold_phones(corpus: StoredCorpus, name: str) -> StoredCorpus:
    """A corpus with its phone tiers folded by the map of a name or in a file; notes say what was folded.

    Raises:
        LaminaError: there is no such map, or it has none of the corpus's phones.
    """
    fold = PhoneMap(name)
    made = corpus.changed(fold.fold)
    made.notes = (*corpus.notes, *fold.notes())
    # A corpus may have been imported with a map: both are told.
    made.phone_map = ", then ".join(filter(None, (corpus.phone_map, fold.name)))
    return made


class PhoneMap:
    """Folds the phone tiers of utterances, and counts what it met.

    Args:
        name: of a map, or of a file (see `phone_map`).

    Attributes:
        name: as scores tell it: of a file its name without the folder.
    """

    def __init__(self, name: str) -> None:
        self.name, self._mapped = name if name in MAPS else Path(name).name, phone_map(name)
        self._kept, self._left, self._unknown = Counter[str](), Counter[str](), Counter[str]()

    def fold(self, utterance: Utterance) -> Utterance:
        """The utterance with phones of the other set; those that the map does not have stay as they are."""
        tiers = {name: tuple(self._tier(name, told)) for name, told in utterance.tiers.items()}
        return replace(utterance, tiers=tiers)

    def notes(self) -> list[str]:
        """What was folded.

        Raises:
            LaminaError: none of the phones is in the map.
        """
        if not self._kept:
            raise LaminaError(
                f"the phone map {self.name} has none of the corpus's phones: {commonest(self._unknown) or 'none'}"
            )
        told = [f"phones folded by {self.name}: {len(self._kept)} types were there"]
        for what, counts in (("left out by the map", self._left), ("that the map does not have", self._unknown)):
            if counts:
                told.append(f"phones {what} ({sum(counts.values()):,}): {commonest(counts)}")
        return told

    def _tier(self, name: str, segments: Iterable[Segment]) -> Iterator[Segment]:
        for segment in segments:
            if base_tier(name) != "phone":
                yield segment
                continue
            label = self._folded(segment.label)
            counts = self._unknown if label is None else self._kept if label else self._left
            counts[segment.label] += 1
            if label != "":
                yield segment if label is None else replace(segment, label=label)

    def _folded(self, label: str) -> str | None:
        """What a phone becomes: itself, without stress, without diacritics, whichever the map has first."""
        forms = (label, label_of("phone", label), _DIACRITICS.sub("", label))
        return next((self._mapped[form] for form in forms if form in self._mapped), None)
