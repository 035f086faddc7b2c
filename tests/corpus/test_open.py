"""Folders of audio with TextGrids, real and broken."""

from __future__ import annotations

from pathlib import Path

import pytest
from corpus_help import textgrid, tone

from lamina.corpus.check import check
from lamina.corpus.corpus import Segment
from lamina.corpus.open import open_corpus
from lamina.errors import LaminaError

WORDS = [(0.0, 0.25, ""), (0.25, 0.5, "Grün"), (0.5, 1.0, "<eps>")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_textgrids_in_any_encoding_beside_or_apart(tmp_path: Path, encoding: str) -> None:
    tone(tmp_path / "audio" / "ann_1.wav")
    tone(tmp_path / "audio" / "bob_1.FLAC")
    textgrid(tmp_path / "audio" / "ann_1.TextGrid", encoding, words=WORDS)
    textgrid(tmp_path / "aligned" / "deep" / "bob_1.TextGrid", encoding, words=WORDS)
    corpus = open_corpus(tmp_path, tiers=["word"])
    ann, bob = corpus.utterances()
    assert (ann.id, ann.speaker, ann.text) == ("ann_1", "ann", "grün")
    assert (bob.id, bob.speaker, bob.text) == ("bob_1", "bob", "grün")
    assert ann.tiers == bob.tiers == {"word": (Segment("grün", 4000, 8000),)}
    assert corpus.notes[:2] == ("speakers from the file names, up to the first - or _", "2 speakers: ann, bob")
    assert check(corpus)[0] == []


def test_speakers_from_folders_and_from_the_manifest(tmp_path: Path) -> None:
    tone(tmp_path / "ann" / "1.wav")
    tone(tmp_path / "bob" / "1.wav", rate=8000, channels=2)
    textgrid(tmp_path / "grids" / "bob" / "1.TextGrid", words=WORDS)
    textgrid(tmp_path / "grids" / "ann" / "1.TextGrid", words=[(0.1, 0.2, "Ann")])
    corpus = open_corpus(tmp_path, tiers=["word"])
    assert [(u.id, u.speaker, u.text) for u in corpus.utterances()] == [
        ("ann/1", "ann", "ann"),
        ("bob/1", "bob", "grün"),
    ]
    assert corpus.notes[0] == "speakers from the folders that hold the audio"
    assert corpus.notes[1] == "1 of 2 files have several channels: averaged when read"
    assert corpus.notes[-1].startswith("1 of 2 utterances are at 8,000 Hz: resampled")
    bob = list(corpus.utterances())[1]
    assert corpus.read(bob).shape == (16000,)
    (tmp_path / "manifest.tsv").write_text(
        'path\tspeaker\tsplit\ttext\nann/1.wav\tA\ttrain\tsaid "so\nbob/1.wav\tB\teval\t\n'
    )
    corpus = open_corpus(tmp_path)
    assert [(u.speaker, u.split, u.text) for u in corpus.utterances()] == [
        ("A", "train", 'said "so'),
        ("B", "test", "grün"),
    ]
    assert corpus.notes[0] == "speakers from the manifest"
    (tmp_path / "manifest.tsv").write_text("path\tspeaker\tsplit\nann/1.wav\tA\tsome\n")
    with pytest.raises(LaminaError, match="has the split 'some'"):
        open_corpus(tmp_path)


def test_audio_without_a_textgrid_is_left_out_and_said(tmp_path: Path) -> None:
    tone(tmp_path / "a-1.wav")
    tone(tmp_path / "a-2.wav")
    textgrid(tmp_path / "a-1.TextGrid", words=WORDS)
    assert len(open_corpus(tmp_path)) == 2
    corpus = open_corpus(tmp_path, tiers=["word"])
    assert len(corpus) == 1
    assert "1 of 2 audio files have no alignment and are left out" in corpus.notes


def test_bad_folders(tmp_path: Path) -> None:
    with pytest.raises(LaminaError, match=r"there is no corpus at .*nowhere"):
        open_corpus(tmp_path / "nowhere")
    with pytest.raises(LaminaError, match="is an empty folder"):
        open_corpus(tmp_path)
    (tmp_path / "notes.txt").write_text("nothing")
    with pytest.raises(LaminaError, match=r"is no corpus: it holds no corpus.json"):
        open_corpus(tmp_path)
    with pytest.raises(LaminaError, match=r"notes.txt is not a corpus"):
        open_corpus(tmp_path / "notes.txt")
    tone(tmp_path / "x.wav")
    with pytest.raises(LaminaError, match="but the tiers word are asked for"):
        open_corpus(tmp_path, tiers=["word"])
    textgrid(tmp_path / "y.TextGrid", words=WORDS)
    with pytest.raises(LaminaError, match=r"no alignment in .* has the name of an audio file"):
        open_corpus(tmp_path, tiers=["word"])


@pytest.mark.parametrize(
    ("tiers", "says"),
    [
        ({"words": WORDS}, "has no 'phone' tier, only \\['word'\\]"),
        ({"phones": [(0.5, 1.2, "a")]}, "lies outside the audio"),
        ({"phones": [(0.5, 0.7, "a"), (0.6, 0.8, "b")]}, "overlaps 'a'"),
        ({"phones": WORDS, "phone": WORDS}, "has two 'phone' tiers"),
    ],
)
def test_bad_textgrids(tmp_path: Path, tiers: dict[str, list[tuple[float, float, str]]], says: str) -> None:
    tone(tmp_path / "x.wav")
    textgrid(tmp_path / "x.TextGrid", **tiers)
    with pytest.raises(LaminaError, match=f"x.TextGrid.*{says}"):
        open_corpus(tmp_path, tiers=["phone"])


def test_broken_files(tmp_path: Path) -> None:
    tone(tmp_path / "x.wav")
    textgrid(tmp_path / "x.TextGrid", words=WORDS)
    whole = (tmp_path / "x.TextGrid").read_text()
    (tmp_path / "x.TextGrid").write_text(whole[: whole.index("intervals [2]")])
    with pytest.raises(LaminaError, match=r"x.TextGrid .*half-copied"):
        open_corpus(tmp_path)
    (tmp_path / "x.TextGrid").write_text("no TextGrid at all")
    with pytest.raises(LaminaError, match=r"x.TextGrid does not parse"):
        open_corpus(tmp_path)
    textgrid(tmp_path / "x.TextGrid", words=WORDS)
    textgrid(tmp_path / "one" / "x.TextGrid", words=WORDS)
    assert len(open_corpus(tmp_path)) == 1, "the TextGrid beside the audio is the one"
    (tmp_path / "x.TextGrid").rename(tmp_path / "one" / "two.TextGrid")
    textgrid(tmp_path / "two" / "x.TextGrid", words=WORDS)
    with pytest.raises(LaminaError, match=r"x has 2 TextGrids: .*one.* and .*two"):
        open_corpus(tmp_path)
    tone(tmp_path / "x.flac")
    with pytest.raises(LaminaError, match="two audio files have the id 'x'"):
        open_corpus(tmp_path)
    (tmp_path / "x.flac").unlink()
    (tmp_path / "two" / "x.TextGrid").unlink()
    (tmp_path / "x.wav").write_bytes(b"RIFF, but no audio")
    with pytest.raises(LaminaError, match=r"x.wav does not decode as audio"):
        open_corpus(tmp_path)


@pytest.mark.parametrize(
    ("name", "utterances", "speakers", "phones"),
    [
        ("emodb", 166, 5, 5633),
        ("librispeech_testother", 100, 10, 6646),
        ("vctk", 55, 14, 4476),
        ("ljspeech", 32, 1, 2260),
    ],
)
def test_real_speech(shared: Path, name: str, utterances: int, speakers: int, phones: int) -> None:
    corpus = open_corpus(shared / "data" / name, tiers=["phone", "word"])
    assert (len(corpus), corpus.tiers["phone"]) == (utterances, phones)
    assert len({utterance.speaker for utterance in corpus.utterances()}) == speakers
    labels = {segment.label for u in corpus.utterances() for segment in u.tiers["phone"]}
    if name != "emodb":  # hand-labelled German
        assert len(labels) <= 39
    utterance = next(iter(corpus.utterances()))
    assert corpus.read(utterance).shape == (utterance.samples,)


def test_eight_kilohertz(shared: Path) -> None:
    corpus = open_corpus(shared / "data" / "fsdd_mini")
    assert corpus.notes[-1].startswith("180 of 180 utterances are at 8,000 Hz")
    assert check(corpus)[0] == []
