"""Phone maps: what becomes of phones, told and counted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from corpus_help import textgrid, tone, write
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from lamina.analysis.front import analyze
from lamina.cli import app
from lamina.corpus.corpus import Segment, Utterance
from lamina.corpus.importers.importing import import_corpus
from lamina.corpus.inventories import INVENTORIES
from lamina.corpus.open import open_corpus
from lamina.corpus.phonemaps import PhoneMap, phone_map
from lamina.corpus.stored import StoredCorpus
from lamina.errors import LaminaError
from lamina.pretrain.labels import Units
from lamina.runs import Run
from lamina.score import Scores
from lamina.study.design import StoredConfig
from lamina.study.steps import open_for

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


def spoken(tmp_path: Path) -> Path:
    """Six speakers say two vowels, each written in two ways, as noise of two colours."""
    generator = np.random.default_rng(0)
    for speaker in "abcdef":
        for number in range(4):
            labels = generator.permutation(["aa", "AA1", "iy", "IY0"] * 3)
            waves = [generator.normal(0, 0.1, 1600).cumsum() * 0.02 if label.upper().startswith("A")
                     else generator.normal(0, 0.1, 1600) for label in labels]  # fmt: skip
            path = tmp_path / "speech" / speaker / f"{speaker}{number}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, np.concatenate(waves).clip(-1, 1), 16000)
            spans = [(place / 10, (place + 1) / 10, label) for place, label in enumerate(labels)]
            textgrid(path.with_suffix(".TextGrid"), phones=spans)
    return tmp_path / "speech"


def told(*words: object) -> str:
    result = CliRunner().invoke(app, list(map(str, words)))
    assert result.exit_code == 0, result.output
    return result.output


def rows_of(folder: Path) -> Scores:
    (path,) = folder.glob("*/scores.jsonl")
    return Scores.read(path)


def test_any_command_folds_phones_and_scores_name_the_map(tmp_path: Path) -> None:
    corpus, few = spoken(tmp_path), ("--phone-map", "arpabet39")
    asked = ("--targets", "phone,mel", "--measures", "cca-mean", "--control", "none")
    told("analyze", "mfcc", corpus, *asked, *few, "--out", tmp_path / "analysis")
    rows = rows_of(tmp_path / "analysis")
    assert {row.setting for row in rows if row.target == "phone"} == {"phones by arpabet39"}
    assert {row.setting for row in rows if row.target == "mel"} == {""}
    told("probe", "mfcc", corpus, "--task", "phone,pr,sid,knn", "--steps", 5, "--seeds", 1, "--heads", "linear",
         "--rates", "0.01", *few, "--out", tmp_path / "probe")  # fmt: skip
    settings = {(row.target, row.setting) for row in rows_of(tmp_path / "probe")}
    assert settings == {("phone", "phones by arpabet39"), ("pr", "phones by arpabet39"), ("sid", "")}
    write(tmp_path / "units.toml", 'features = "mfcc"\nclusters = 4\nsplit = ""\n')
    told("units", "fit", tmp_path / "units.toml", corpus, tmp_path / "book")
    for name, more in (("folded", few), ("plain", ())):
        told("units", "label", tmp_path / "units.toml", tmp_path / "book", corpus, tmp_path / name, *more)
    assert Units.read(tmp_path / "folded").digest == Units.read(tmp_path / "plain").digest
    (folded, plain) = (Run.read(tmp_path / name).last_log() for name in ("folded", "plain"))
    assert folded["setting"] == "phones by arpabet39"
    assert "setting" not in plain
    assert folded["label-purity"] > plain["label-purity"] + 0.2  # a vowel written in two ways is one


def test_a_corpus_that_was_imported_with_a_map_says_so_in_scores(tmp_path: Path) -> None:
    made = import_corpus("folder", spoken(tmp_path), tmp_path / "out", phones="arpabet39")
    assert {label for one in made.utterances() for label in {s.label for s in one.tiers["phone"]}} == {"AA", "IY"}
    found = analyze("mfcc", tmp_path / "out", targets="phone", measures="cca-mean")
    assert {row.setting for row in found.scores} == {"phones by arpabet39"}
    write(tmp_path / "coarse.txt", "AA V\nIY I\n")
    again = open_corpus(tmp_path / "out", phones=str(tmp_path / "coarse.txt"))
    assert again.phone_map == "arpabet39, then coarse.txt"
    assert again.digest != made.digest
    assert again.notes[: len(made.notes)] == made.notes


def test_a_study_of_a_corpus_folds_its_phones(tmp_path: Path) -> None:
    given = StoredConfig(path=str(spoken(tmp_path)), phone_map="arpabet39")
    assert open_for(given, ["phone"]).phone_map == "arpabet39"


@given(st.lists(st.sampled_from(["aa", "AA0", "AA1", "iy", "b", "q", "pau", "zz"]), min_size=1, max_size=30))
def test_nothing_is_lost_without_a_count(labels: list[str]) -> None:
    fold = PhoneMap("arpabet39")
    tier = tuple(Segment(label, 10 * place, 10 * place + 9) for place, label in enumerate(labels))
    kept = fold.fold(Utterance("u", "s", "", 1000, "", {"phone": tier, "word": tier})).tiers
    expected = [
        (s.onset, {"aa": "AA", "AA0": "AA", "AA1": "AA", "iy": "IY", "b": "B", "zz": "zz"}.get(s.label))
        for s in tier
    ]
    assert [(s.onset, s.label) for s in kept["phone"]] == [each for each in expected if each[1]]
    assert kept["word"] == tier
    if set(labels) <= {"q", "pau", "zz"}:
        with pytest.raises(LaminaError, match="has none of the corpus's phones"):
            fold.notes()
    else:
        left = sum(label in {"q", "pau"} for label in labels)
        assert any(f"left out by the map ({left})" in note for note in fold.notes()) == (left > 0)
