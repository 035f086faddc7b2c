"""Kaldi's data folders: what they say is read, nothing that they say is run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from corpus_help import TREES, tone, write

from lamina.corpus.corpus import Segment, Utterance
from lamina.corpus.importers.importing import import_corpus
from lamina.corpus.open import open_corpus
from lamina.errors import LaminaError


def said(path: Path) -> dict[str, Utterance]:
    return {utterance.id: utterance for utterance in open_corpus(path).utterances()}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    TREES["kaldi"](tmp_path / "data")
    return tmp_path / "data"


def test_a_folder_of_data_folders(data: Path, tmp_path: Path) -> None:
    opened = open_corpus(data)
    made = import_corpus("kaldi", data, tmp_path / "out")
    for corpus in (opened, made):
        assert {u.id: (u.speaker, u.split, u.samples, u.text) for u in corpus.utterances()} == {
            "ann-r1-1": ("ann", "train", 8000, "hi you"),
            "ann-r1-2": ("ann", "train", 16000, "oh"),
            "bob-r2": ("bob", "test", 16000, ""),
        }
        three, one, two = corpus.utterances()
        assert one.labels == {"gender": "female"}
        assert one.tiers == {"word": (Segment("hi", 1600, 4800), Segment("you", 4800, 8000))}, "of the utterance"
        assert two.tiers == {"word": (Segment("oh", 4000, 8000),)}, "of the recording: 1.25 s there"
        assert three.tiers == {}
        wave, _ = soundfile.read(data / "wav" / "r1.wav", dtype="float32")
        assert np.array_equal(corpus.read(two), wave[16000:32000])
        assert "files not read (1): reco2dur" in corpus.notes
        assert "names in CTMs that are of no utterance or recording (1): zzz" in corpus.notes
        assert "lines of text that are of no utterance (1): ann-r9" in corpus.notes


def test_one_data_folder_and_lhotse_see_the_same(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from lhotse.kaldi import load_kaldi_data_dir

    monkeypatch.chdir(data)
    recordings, supervisions, _ = load_kaldi_data_dir("train", 16000)
    assert supervisions is not None
    mine = said(data / "train")
    theirs = {s.id: s for s in supervisions}
    assert mine.keys() == theirs.keys()
    for name, one in theirs.items():
        assert (mine[name].speaker, mine[name].text) == (one.speaker, one.text)
        assert mine[name].samples == round(one.duration * 16000)
        assert Path(recordings[one.recording_id].sources[0].source).is_file(), "relative to where the command runs"


@pytest.mark.parametrize(
    ("told", "says"),
    [
        ("r1 sph2pipe -f wav -p r1.sph |", r"makes audio by a command .* nothing is run"),
        ("r1 | cat r1.wav", r"makes audio by a command"),
        ("r1 data/raw.ark:42", r"names an archive"),
        ("r1 wav/gone.wav", r"there is no audio file"),
    ],
)
def test_commands_and_archives_are_refused(data: Path, tmp_path: Path, told: str, says: str) -> None:
    write(data / "train" / "wav.scp", f"{told}\n")
    for reads in (open_corpus, lambda path: import_corpus("kaldi", path, tmp_path / "out")):
        with pytest.raises(LaminaError, match=says):
            reads(data / "train")


@pytest.mark.parametrize(
    ("name", "line", "says"),
    [
        ("segments", "ann-r1-9 r1 1.0 2.5\n", r"lies from 1.000 s to 2.500 s of r1, which lasts 2.000 s"),
        ("segments", "ann-r1-9 r7 0.0 1.0\n", r"is of 'r7', which wav.scp does not have"),
        ("segments", "ann-r1-9 r1 soon\n", r"line 3, .*expected utterance, recording, start, end"),
        ("utt2spk", "ann-r1-1 eve\n", r"'ann-r1-1' is there twice"),
        ("words.ctm", "ann-r1-1 1 0.3 0.1 x\n", r"overlaps 'you'|another CTM"),
    ],
)
def test_broken_data_folders_are_refused(data: Path, name: str, line: str, says: str) -> None:
    with (data / "train" / name).open("a") as file:
        file.write(line)
    with pytest.raises(LaminaError, match=says):
        open_corpus(data / "train")


def test_a_segment_to_the_recordings_end_and_paths_elsewhere(tmp_path: Path) -> None:
    tone(tmp_path / "here" / "r.wav", seconds=2.0, channels=2)
    write(tmp_path / "data" / "wav.scp", "r /there/r.wav\n")
    write(tmp_path / "data" / "segments", "u r 0.5 -1\n")
    corpus = import_corpus("kaldi", tmp_path / "data", tmp_path / "out", root=("/there", str(tmp_path / "here")))
    (utterance,) = corpus.utterances()
    assert (utterance.samples, utterance.speaker) == (24000, "")
    assert "recordings of several channels, averaged when read (1): r" in corpus.notes
    assert "0 speakers: none is named; 1 of 1 utterances have none" in corpus.notes
