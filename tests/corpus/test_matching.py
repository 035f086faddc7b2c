"""Whose an alignment is: by its name, by its folders where names repeat, never by chance."""

from __future__ import annotations

from pathlib import Path

import pytest
from corpus_help import textgrid, tone, write

from lamina.corpus.corpus import Segment
from lamina.corpus.faults import Faults
from lamina.corpus.importers.importing import import_corpus
from lamina.corpus.open import open_corpus
from lamina.corpus.stored import StoredCorpus
from lamina.errors import LaminaError

AH = [(0.1, 0.3, "ah")]
SAID = {"word": (Segment("ah", 1600, 4800),)}


def two_speakers(base: Path) -> None:
    for name in ("A", "B"):
        tone(base / name / "001.wav")
    tone(base / "B" / "002.wav")


def tiers(corpus: StoredCorpus) -> dict[str, object]:
    return {utterance.id: utterance.tiers for utterance in corpus.utterances()}


KINDS = {
    "TextGrid": ("A/001.TextGrid", None),
    "TextGrid in a tree of its own": ("grids/A/001.TextGrid", None),
    "label file": ("A/words/001.lab", "0.1 0.3 Ah\n"),
    "CTM beside": ("A/words.ctm", "001 1 0.1 0.2 ah\n"),
    "CTM with paths": ("all.ctm", "A/001 1 0.1 0.2 ah\n"),
    "CSV with paths": ("all.csv", "path,start,end,word\nA/001.wav,0.1,0.3,ah\n"),
    "CSV with paths of another machine": ("all.csv", "path,start,end,word\n/home/x/A/001.wav,0.1,0.3,ah\n"),
    "CSV of one file": ("A/001.csv", "start,end,word\n0.1,0.3,ah\n"),
}


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_one_speakers_alignment_is_not_anothers(tmp_path: Path, kind: str) -> None:
    """A/001.wav and B/001.wav, and an alignment of A alone: B has none, which is counted."""
    two_speakers(tmp_path / "src")
    name, text = KINDS[kind]
    if text is None:
        textgrid(tmp_path / "src" / name, words=AH)
    else:
        write(tmp_path / "src" / name, text)
    for corpus in (open_corpus(tmp_path / "src"), import_corpus("folder", tmp_path / "src", tmp_path / "out")):
        assert tiers(corpus) == {"A/001": SAID, "B/001": {}, "B/002": {}}
        assert "2 of 3 audio files have no alignment" in corpus.notes
        assert "audio files that share their names, so that ids are paths (2): 001" in corpus.notes
        assert any(note.startswith("word: 1 segments of 1 types, ah; ") for note in corpus.notes)
    assert set(tiers(open_corpus(tmp_path / "src", tiers=["word"]))) == {"A/001"}


def test_turns_of_one_speaker_are_not_anothers(tmp_path: Path) -> None:
    two_speakers(tmp_path)
    write(tmp_path / "all.rttm", "SPEAKER A/001 1 0.1 0.2 <NA> <NA> ann <NA> <NA>\n")
    found = tiers(open_corpus(tmp_path))
    assert found == {"A/001": {"speaker:1": (Segment("ann", 1600, 4800),)}, "B/001": {}, "B/002": {}}


AMBIGUOUS = {
    "grids/001.TextGrid": None,
    "lab/001.lab": "0.1 0.3 ah\n",
    "all.ctm": "001 1 0.1 0.2 ah\n",
    "all.rttm": "SPEAKER 001 1 0.1 0.2 <NA> <NA> ann <NA> <NA>\n",
    "all.csv": "utt,start,end,word\n001,0.1,0.3,ah\n",
    "manifest.tsv": "utt\tspeaker\n001\tann\n",
}


@pytest.mark.parametrize("name", sorted(AMBIGUOUS))
def test_a_name_that_may_be_two_files_is_refused(tmp_path: Path, name: str) -> None:
    two_speakers(tmp_path)
    text = AMBIGUOUS[name]
    if text is None:
        textgrid(tmp_path / name, words=AH)
    else:
        write(tmp_path / name, text)
    with pytest.raises(LaminaError, match=r"'001' may be A/001 or B/001: "):
        open_corpus(tmp_path)
    faults = Faults(keep=True)
    assert list(tiers(open_corpus(tmp_path, faults=faults)).values()) == [{}, {}, {}]
    assert len(faults.lines) == 1


def test_folders_further_up_tell_names_apart(tmp_path: Path) -> None:
    for name in ("A", "B"):
        tone(tmp_path / name / "wav" / "001.wav")
    textgrid(tmp_path / "A" / "lab" / "001.TextGrid", words=AH)
    assert tiers(open_corpus(tmp_path)) == {"A/wav/001": SAID, "B/wav/001": {}}


def test_an_alignment_in_the_folder_of_other_audio_is_not_taken(tmp_path: Path) -> None:
    """A's audio 002 is missing, and B's has the name of A's alignment."""
    tone(tmp_path / "A" / "001.wav")
    tone(tmp_path / "B" / "002.wav")
    textgrid(tmp_path / "A" / "002.TextGrid", words=AH)
    corpus = open_corpus(tmp_path)
    assert tiers(corpus) == {"001": {}, "002": {}}
    assert "alignments not taken, for they lie in a folder of other audio (1): 002.TextGrid" in corpus.notes


def test_what_is_not_used_is_counted(tmp_path: Path) -> None:
    tone(tmp_path / "wav" / "x.wav")
    textgrid(tmp_path / "grids" / "x.TextGrid", words=AH)
    textgrid(tmp_path / "grids" / "y.TextGrid", words=AH)
    write(tmp_path / "words.ctm", "x 1 0.1 0.2 oh\nz 1 0.1 0.2 oh\n")
    corpus = open_corpus(tmp_path)
    assert tiers(corpus) == {"x": SAID}, "a TextGrid goes before a CTM"
    assert "alignments of no audio here (2): y.TextGrid, z in words.ctm" in corpus.notes
    assert "alignments not read, for a TextGrid or a nearer file is there (1): .ctm" in corpus.notes
    assert "alignments in folders of another name than the audio's (1): grids for wav" in corpus.notes


def test_two_tables_of_one_tier_are_refused(tmp_path: Path) -> None:
    tone(tmp_path / "x.wav")
    write(tmp_path / "words.ctm", "x 1 0.1 0.2 oh\n")
    write(tmp_path / "other" / "words.ctm", "x 1 0.5 0.2 ah\n")
    with pytest.raises(LaminaError, match=r"words\.ctm has two 'word' tiers of x: keep one"):
        open_corpus(tmp_path)


def test_names_with_points_are_whole(tmp_path: Path) -> None:
    tone(tmp_path / "ann.1.wav")
    tone(tmp_path / "ann.2.wav")
    write(tmp_path / "all.ctm", "ann.1 1 0.1 0.2 ah\n")
    assert tiers(open_corpus(tmp_path)) == {"ann.1": SAID, "ann.2": {}}


def test_alignments_from_elsewhere(tmp_path: Path) -> None:
    """An importer's ``--alignments``: found by id, a name that two have is refused, what is over is counted."""
    for number in (1, 2):
        tone(tmp_path / "src" / "wavs" / f"LJ001-000{number}.wav")
        textgrid(tmp_path / "ali" / f"LJ001-000{number}.TextGrid", words=AH)
    textgrid(tmp_path / "ali" / "LJ001-0003.TextGrid", words=AH)
    write(tmp_path / "ali" / "README.md", "MFA")
    write(tmp_path / "src" / "metadata.csv", "LJ001-0001|x|ah\nLJ001-0002|x|ah\n")
    corpus = import_corpus("ljspeech", tmp_path / "src", tmp_path / "out", alignments=tmp_path / "ali")
    assert tiers(corpus) == {"LJ001-0001": SAID, "LJ001-0002": SAID}
    assert "alignments of no utterance here (1): LJ001-0003" in corpus.notes
    assert "files not read (1): .md" in corpus.notes
    textgrid(tmp_path / "ali" / "old" / "LJ001-0001.TextGrid", words=AH)
    with pytest.raises(LaminaError, match="LJ001-0001 has 2 TextGrids"):
        import_corpus("ljspeech", tmp_path / "src", tmp_path / "out", alignments=tmp_path / "ali")


def test_alignments_of_a_folder_that_lie_elsewhere(tmp_path: Path) -> None:
    two_speakers(tmp_path / "src")
    textgrid(tmp_path / "ali" / "A" / "001.TextGrid", words=AH)
    corpus = import_corpus("folder", tmp_path / "src", tmp_path / "out", alignments=tmp_path / "ali")
    assert tiers(corpus) == {"A/001": SAID, "B/001": {}, "B/002": {}}
    with pytest.raises(LaminaError, match=r"'alignments' says nothing to the importer 'hf', which reads"):
        import_corpus("hf", tmp_path / "src", tmp_path / "out2", alignments=tmp_path / "ali")


def test_turns_of_another_file_are_refused(tmp_path: Path) -> None:
    tone(tmp_path / "x.wav")
    write(tmp_path / "x.rttm", "SPEAKER x 1 0.5 20.0 <NA> <NA> ann <NA> <NA>\n")
    with pytest.raises(LaminaError, match="lies outside the audio"):
        open_corpus(tmp_path)
