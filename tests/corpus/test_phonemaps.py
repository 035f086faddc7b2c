"""Phone maps: what becomes of phones, told and counted."""

from __future__ import annotations

from pathlib import Path

import pytest
from corpus_help import textgrid, tone, write

from lamina.corpus.corpus import Segment
from lamina.corpus.importers.importing import import_corpus
from lamina.corpus.inventories import INVENTORIES
from lamina.corpus.phonemaps import phone_map
from lamina.corpus.stored import StoredCorpus
from lamina.errors import LaminaError

MFA = """
    aj aw b bʲ c cʰ cʷ d dʒ dʲ d̪ e ej f fʲ fʷ h i iː j k kʰ kʷ l m mʲ m̩ n n̩ o ow p pʰ pʲ pʷ s t tʃ tʰ tʲ tʷ t̪ u uː
    v vʲ vʷ w z æ ç ð ŋ ɐ ɑ ɑː ɒ ɒː ɔ ɔj ə əw ɚ ɛ ɛː ɜ ɜː ɝ ɟ ɟʷ ɡ ɡʷ ɪ ɫ ɫ̩ ɱ ɲ ɹ ɾ ɾʲ ʃ ʉ ʉː ʊ ʎ ʒ ʔ θ
"""


def bring(tmp_path: Path, phones: str, *labels: str, tier: str = "phones") -> StoredCorpus:
    tone(tmp_path / "src" / "x.wav")
    spans = [(place / 100, (place + 1) / 100, label) for place, label in enumerate(labels)]
    textgrid(tmp_path / "src" / "x.TextGrid", **{tier: spans})
    return import_corpus("folder", tmp_path / "src", tmp_path / "out", phones=phones)


def folded(corpus: StoredCorpus) -> list[str]:
    (utterance,) = corpus.utterances()
    return [segment.label for segment in utterance.tiers["phone"]]


@pytest.mark.parametrize("labels", [MFA.split(), sorted(INVENTORIES["ARPAbet"])])
def test_everything_english_becomes_the_39_phones(tmp_path: Path, labels: list[str]) -> None:
    corpus = bring(tmp_path, "arpabet39", *labels)
    assert set(folded(corpus)) <= {phone for phone in phone_map("arpabet39").values() if phone}
    assert len({phone for phone in phone_map("arpabet39").values() if phone}) == 39
    assert not any("does not have" in note for note in corpus.notes)
    assert any(note.startswith("phones folded by arpabet39: ") for note in corpus.notes)


def test_what_becomes_of_single_phones(tmp_path: Path) -> None:
    corpus = bring(tmp_path, "arpabet39", "tʃ", "ɑː", "tʰ", "AH0", "ix", "bcl", "b", "dx", "XX", "ej")
    assert folded(corpus) == ["CH", "AA", "T", "AH", "IH", "B", "T", "XX", "EY"]
    assert "phones left out by the map (1): bcl" in corpus.notes
    assert "phones that the map does not have (1): XX" in corpus.notes
    (utterance,) = corpus.utterances()
    assert utterance.tiers["phone"][0] == Segment("CH", 0, 160)


def test_timit_as_lee_and_hon_have_it() -> None:
    from lhotse.recipes.timit import get_phonemes

    theirs = get_phonemes(39)
    mine = phone_map("timit39")
    assert {phone: folded or "sil" for phone, folded in mine.items()} == {
        phone: folded or "sil" for phone, folded in theirs.items() if phone in mine
    }
    assert theirs.keys() - mine.keys() <= {"sil"}


def test_a_file(tmp_path: Path) -> None:
    write(tmp_path / "map.txt", "a A\nb\tA\n\nh\n")
    corpus = bring(tmp_path, str(tmp_path / "map.txt"), "a", "b", "h", "c")
    assert folded(corpus) == ["A", "A", "c"]
    for text, says in (
        ("a b c\n", "line 1, 'a b c': expected a phone"),
        ("a b\na c\n", "line 2, .* each phone once"),
        ("\n", "is an empty phone map"),
        ("q r\n", r"has none of the corpus's phones: a, b, h, c"),
    ):
        write(tmp_path / "map.txt", text)
        with pytest.raises(LaminaError, match=says):
            bring(tmp_path, str(tmp_path / "map.txt"), "a", "b", "h", "c")
    with pytest.raises(LaminaError, match="there is no phone map 'none': give arpabet39 or timit39, or a file"):
        bring(tmp_path, "none", "a")


def test_words_stay(tmp_path: Path) -> None:
    with pytest.raises(LaminaError, match=r"none of the corpus's phones: none"):
        bring(tmp_path, "arpabet39", "a", tier="words")
