"""Formats and dialects that people bring: each is read rightly, refused with one line, or counted.

The table in docs/corpora.md names these tests.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from corpus_help import textgrid, tone, write

from lamina.corpus.check import examine
from lamina.corpus.corpus import Segment, Utterance
from lamina.corpus.importers.importing import import_corpus
from lamina.corpus.open import open_corpus
from lamina.corpus.stored import StoredCorpus
from lamina.errors import LaminaError

AH = Segment("ah", 1600, 4800)


def said(corpus: StoredCorpus) -> dict[str, Utterance]:
    return {utterance.id: utterance for utterance in corpus.utterances()}


def one(tmp_path: Path, name: str, text: str, encoding: str = "utf-8", rate: int = 16000) -> StoredCorpus:
    """A folder with x.wav, a second long, and one file of text."""
    tone(tmp_path / "src" / "x.wav", rate=rate)
    write(tmp_path / "src" / name, text, encoding)
    return open_corpus(tmp_path / "src")


# Times and labels of one utterance


@pytest.mark.parametrize("rate", [16000, 8000, 48000])
@pytest.mark.parametrize(
    ("unit", "told"),
    [
        ("100 ns", "0 1000000 sil\n1000000 3000000 ah\n3000000 10000000 sil\n"),
        ("milliseconds", "0 100 sil\n100 300 ah\n300 1000 sil\n"),
        ("seconds", "0 0.1 sil\n0.1 0.3 ah\n0.3 1 sil\n"),
        ("seconds", "0 0,1 sil\n0,1 0,3 ah\n0,3 1 sil\n"),
        ("milliseconds", "0.0 100.0 sil\n100.0 300.0 ah\n300.0 1000.0 sil\n"),
        ("samples", ""),
    ],
)
def test_label_files_in_any_unit(tmp_path: Path, unit: str, told: str, rate: int) -> None:
    if not told:
        told = f"0 {rate // 10} sil\n{rate // 10} {3 * rate // 10} ah\n{3 * rate // 10} {rate} sil\n"
    corpus = one(tmp_path, "x.lab", told, rate=rate)
    assert said(corpus)["x"].tiers == {"phone": (AH,)}
    assert f"label files by the unit of their times (1): {unit}" in corpus.notes


def test_whole_seconds(tmp_path: Path) -> None:
    tone(tmp_path / "x.wav", seconds=3.0)
    write(tmp_path / "x.lab", "0 1 a\n1 3 b\n")
    (utterance,) = open_corpus(tmp_path).utterances()
    assert utterance.tiers["phone"] == (Segment("a", 0, 16000), Segment("b", 16000, 48000))


@pytest.mark.parametrize("told", ["0 100 a\n100 200 b\n", "0 20000 a\n", "0 20000000 a\n"])
def test_label_files_that_fit_in_no_unit_are_refused(tmp_path: Path, told: str) -> None:
    with pytest.raises(
        LaminaError, match=r"x\.lab: the last label ends at .*cover almost nothing; write the times"
    ):
        one(tmp_path, "x.lab", told)


@pytest.mark.parametrize("name", ["x.phn", "x.phones", "words/x.lab", "x.wrd", "x.words"])
def test_label_files_of_other_endings(tmp_path: Path, name: str) -> None:
    tier = "word" if "w" in name else "phone"
    assert said(one(tmp_path, name, "0 1600 sil\n1600 4800 ah\n4800 16000 sil\n"))["x"].tiers == {tier: (AH,)}


def test_old_mac_lines_exponents_and_byte_order(tmp_path: Path) -> None:
    for number, (name, text) in enumerate(
        [
            ("x.lab", "0 1e-01 sil\r1e-01 3.0E-1 ah\r"),
            ("x.ctm", "x 1 1e-1 2e-1 ah\r"),
            ("x.ctm", "\ufeffx 1 0,1 0,2 ah\r\n"),
            ("x.csv", "start;end;word\r0,1;0,3;ah\r"),
        ]
    ):
        corpus = one(tmp_path / str(number), name, text)
        assert list(said(corpus)["x"].tiers.values()) == [(AH,)], name


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "cp1252", "utf-8-sig"])
def test_text_in_any_encoding(tmp_path: Path, encoding: str) -> None:
    corpus = one(tmp_path, "x.csv", "start,end,word\n0.1,0.3,Grün’s\n", encoding)
    assert said(corpus)["x"].text == "grün’s"


def test_ctm_rounded_to_ten_milliseconds(tmp_path: Path) -> None:
    """Starts and lengths rounded apart overlap by 10 ms; the last word ends past the audio."""
    told = "x 1 0.10 0.21 a\nx 1 0.30 0.20 b\nx 1 0.50 0.51 c\n"
    corpus = one(tmp_path, "x.ctm", told)
    assert said(corpus)["x"].tiers["word"] == (
        Segment("a", 1600, 4800), Segment("b", 4800, 8000), Segment("c", 8000, 16000),
    )  # fmt: skip
    ours = str(tmp_path / "src" / "x.ctm")
    assert f"word segments cut where the next begins, at most 25 ms (1): {ours}" in corpus.notes[-2]
    assert f"word segments cut at the audio's end or start, at most 25 ms (1): {ours}" in corpus.notes[-1]
    assert len(import_corpus("folder", tmp_path / "src", tmp_path / "out")) == 1
    with pytest.raises(LaminaError, match="overlaps 'a'"):
        import_corpus("folder", tmp_path / "src", tmp_path / "exact", exact=True)
    _, problems, _ = examine(tmp_path / "src")
    assert sum("overlaps 'a'" in line for line in problems) == 1


def test_a_negative_start_keeps_its_sign(tmp_path: Path) -> None:
    tone(tmp_path / "x.wav")
    textgrid(tmp_path / "x.TextGrid", words=[(-0.01, 0.3, "ah")])
    assert said(open_corpus(tmp_path))["x"].tiers["word"] == (Segment("ah", 0, 4800),)
    textgrid(tmp_path / "x.TextGrid", words=[(-0.3, 0.3, "ah")])
    with pytest.raises(LaminaError, match=r"from -0\.3000 s .* lies outside the audio"):
        open_corpus(tmp_path)


def test_tones_of_a_folder_are_kept_everywhere(tmp_path: Path) -> None:
    for name, digit in (("a", 1), ("b", 4)):
        tone(tmp_path / f"{name}.wav")
        textgrid(tmp_path / f"{name}.TextGrid", phones=[(0.1, 0.3, f"AO{digit}")])
    corpus = open_corpus(tmp_path)
    assert [u.tiers["phone"][0].label for u in corpus.utterances()] == ["AO1", "AO4"]
    assert "digits of phones are tones, for some are 3 and more: they stay" in corpus.notes
    made = import_corpus("folder", tmp_path, tmp_path.parent / "out")
    assert [u.tiers["phone"][0].label for u in made.utterances()] == ["AO1", "AO4"]


def test_point_tiers_are_told(tmp_path: Path) -> None:
    tone(tmp_path / "x.wav")
    textgrid(tmp_path / "x.TextGrid", words=[(0.1, 0.3, "ah")], tones=[])
    text = (tmp_path / "x.TextGrid").read_text()
    head, _, tail = text.rpartition('"IntervalTier"')
    write(tmp_path / "x.TextGrid", f'{head}"TextTier"{tail}')
    assert "point tiers not read (1): 'tones'" in open_corpus(tmp_path).notes


# Tables


def test_a_csv_with_words_and_phones_gives_both(tmp_path: Path) -> None:
    told = "utt,start,end,phone,word,score\nx,0.1,0.2,HH,Hi,1\nx,0.2,0.3,AY1,Hi,1\n"
    told += "x,0.3,0.4,,,1\nx,0.4,0.5,OW1,Oh,1\n"
    corpus = one(tmp_path, "all.csv", told)
    assert said(corpus)["x"].tiers == {
        "phone": (Segment("HH", 1600, 3200), Segment("AY", 3200, 4800), Segment("OW", 6400, 8000)),
        "word": (Segment("hi", 1600, 4800), Segment("oh", 6400, 8000)),
    }
    assert "columns of all.csv not read (1): 'score'" in corpus.notes
    assert "tiers made of runs of rows with one label (1): word, all.csv" in corpus.notes


def test_a_table_without_times_is_told(tmp_path: Path) -> None:
    corpus = one(tmp_path, "scores.csv", "utt,score\nx,1\n")
    assert "files not read (1): .csv" in corpus.notes


# Manifests


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("manifest.tsv", "utt\tSplit\n{a}\ttrain\n{b}\ttest\n"),
        ("manifest.csv", "utt, split\n{a}, train\n{b}, Test\n"),
        ("manifest.csv", "Path;SPLIT\n{a}.wav;train\n{b}.wav;eval\n"),
        ("manifest.csv", "filename,subset\n{a}.wav,training\n{b}.wav,test\n"),
        ("manifest.tsv", "path\tsplit\n/home/other/corpus/{a}.wav\ttrain\nC:\\data\\{b}.wav\ttest\n"),
        ("manifest.tsv", "utt\ttext\tsplit\n{a}\thel\u2028lo\ttrain\n{b}\twe\u0085ll\ttest\n"),
    ],
)
def test_splits_are_found_however_they_are_written(tmp_path: Path, name: str, told: str) -> None:
    for stem in ("ann_1", "bob_1"):
        tone(tmp_path / f"{stem}.wav")
    write(tmp_path / name, told.format(a="ann_1", b="bob_1"))
    corpus = open_corpus(tmp_path)
    assert {u.id: u.split for u in corpus.utterances()} == {"ann_1": "train", "bob_1": "test"}
    assert "splits: test 1, train 1" in corpus.notes


def test_a_text_in_cp1252_loses_nothing(tmp_path: Path) -> None:
    tone(tmp_path / "x.wav")
    (tmp_path / "manifest.tsv").write_bytes(
        "utt\ttext\tspeaker\tsplit\nx\tWell\x85 no\tann\ttest\n".encode("latin-1")
    )
    (utterance,) = open_corpus(tmp_path).utterances()
    assert (utterance.text, utterance.speaker, utterance.split) == ("Well… no", "ann", "test")


def test_manifests_account_for_rows_and_columns(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        tone(tmp_path / f"{name}.wav")
    told = "utt\tspeaker\tsplit\tvot\tage\tduration\na\tann\ttrain\t0.013\t31\t1\n"
    told += "b\t\t\t0.1\t31\t1\nz\tann\ttest\t1\t1\t1\n"
    write(tmp_path / "manifest.tsv", told)
    corpus = open_corpus(tmp_path)
    for note in (
        "1 speakers: ann; 2 of 3 utterances have none",
        "splits: train 1; 2 of 3 utterances have none",
        "label vot: numbers, no classes (2 different); 1 of 3 utterances have none",
        "label age: 1 values, 31 (2); 1 of 3 utterances have none",
        "rows of manifest.tsv that name no audio here (1): z",
        "audio files without a row in manifest.tsv (1): c",
        "columns of manifest.tsv not read (1): duration",
    ):
        assert note in corpus.notes
    write(tmp_path / "manifest.tsv", "name\tspeaker\na\tann\n")
    with pytest.raises(
        LaminaError, match=r"has no column that names the files \(utt or path\), only name, speaker"
    ):
        open_corpus(tmp_path)


# Folders


def test_sound_and_video_beside_the_audio_is_told(tmp_path: Path) -> None:
    tone(tmp_path / "x.wav")
    endings = "m4a opus aac sph wma webm mp4 mkv mov".split()  # noqa: SIM905 - a list to read
    for ending in endings:
        write(tmp_path / f"y.{ending}", "")
    write(tmp_path / ".DS_Store", "")
    write(tmp_path / "NOTES", "")
    notes = open_corpus(tmp_path).notes
    (line,) = (
        note for note in notes if note.startswith("sound or video not read, to be converted to wav or flac (9)")
    )
    assert ".m4a" in line or "and 3 more" in line
    assert "files not read (2): hidden, no ending" in notes
    (tmp_path / "x.wav").unlink()
    with pytest.raises(LaminaError, match=r"holds .* no audio .*; sound or video not read"):
        open_corpus(tmp_path)


def test_folders_named_by_splits_are_no_speakers(tmp_path: Path) -> None:
    for name in ("train/ann", "train/bob", "test/cid", "dev-clean/dev"):
        tone(tmp_path / name / f"{name[-3:]}_1.wav")
    corpus = open_corpus(tmp_path)
    assert [(u.split, u.speaker) for u in corpus.utterances()] == [
        ("train", "ann"), ("train", "bob"), ("test", "cid"), ("dev", "dev"),
    ]  # fmt: skip
    assert corpus.notes[0] == "splits from the folders dev-clean, test, train"
    assert "4 speakers: ann, bob, cid, dev" in corpus.notes
    flat = tmp_path / "flat"
    for name in ("train/ann_1", "train/bob_1", "test/ann_2"):
        tone(flat / f"{name}.wav")
    corpus = open_corpus(flat)
    assert {u.id: (u.split, u.speaker) for u in corpus.utterances()} == {
        "ann_1": ("train", "ann"), "bob_1": ("train", "bob"), "ann_2": ("test", "ann"),
    }  # fmt: skip
    assert (
        "1 of 2 speakers are in several splits, such as ann (test, train): scores are not of new speakers"
        in corpus.notes
    )


def test_a_person_called_dev_is_a_speaker(tmp_path: Path) -> None:
    for name in ("ann", "dev", "val"):
        tone(tmp_path / name / f"{name}.wav")
    corpus = open_corpus(tmp_path)
    assert {u.speaker for u in corpus.utterances()} == {"ann", "dev", "val"}
    assert {u.split for u in corpus.utterances()} == {""}


def test_linked_folders_are_read_once(tmp_path: Path) -> None:
    tone(tmp_path / "elsewhere" / "bob" / "b.wav")
    tone(tmp_path / "src" / "ann" / "a.wav")
    (tmp_path / "src" / "bob").symlink_to(tmp_path / "elsewhere" / "bob")
    (tmp_path / "src" / "again").symlink_to(tmp_path / "src" / "ann")
    (tmp_path / "src" / "ann" / "loop").symlink_to(tmp_path / "src")
    (tmp_path / "src" / "gone").symlink_to(tmp_path / "nowhere")
    corpus = open_corpus(tmp_path / "src")
    assert {u.id: u.speaker for u in corpus.utterances()} == {"a": "ann", "b": "bob"}
    assert any(note.startswith("linked folders not read again (2)") for note in corpus.notes)
    assert f"pipes, devices and links that lead nowhere (1): {tmp_path / 'src' / 'gone'}" in corpus.notes


def test_empty_folders_are_told(tmp_path: Path) -> None:
    tone(tmp_path / "train" / "a.wav")
    (tmp_path / "test").mkdir()
    assert f"empty folders (1): {tmp_path / 'test'}" in open_corpus(tmp_path).notes


def test_a_partial_import_leaves_out_whole_utterances(tmp_path: Path) -> None:
    for name in ("a", "b"):
        tone(tmp_path / "src" / f"{name}.wav")
    good, bad = [(0.1, 0.3, "ah"), (0.4, 0.6, "oh")], [(0.1, 0.3, "ah"), (0.2, 0.6, "oh")]
    textgrid(tmp_path / "src" / "a.TextGrid", words=good)
    textgrid(tmp_path / "src" / "b.TextGrid", words=bad)
    corpus = import_corpus("folder", tmp_path / "src", tmp_path / "out", partial=True)
    assert {u.id: u.text for u in corpus.utterances()} == {"a": "ah oh"}
    assert "overlaps 'ah'" in (tmp_path / "out" / "faults.txt").read_text()


# Label files of the xlabel family


XLABEL = """signal wochenAO
separator ;
nfields 1
#
    0.05   -1 (
    0.10   -1 _d\t-sth
    0.14   -1 !d
    0.15   -1 dasp
    0.20   -1 a\t+lar,+hoe\t2
    0.25   -1 -lar
    0.30   -1 t +tie
    0.35   -1 !t    +asp
    0.40   -1 I+nas
    0.45   -1 (gef
    0.50   -1 +beh
    0.55   -1 N     1
    0.60   -1 .
"""


@pytest.mark.parametrize("name", ["x.lablaut", "x.lab"])
def test_fields_and_diacritics_of_xlabel(tmp_path: Path, name: str) -> None:
    tone(tmp_path / "src" / "x.wav")
    write(tmp_path / "src" / name, XLABEL)
    corpus = import_corpus("folder", tmp_path / "src", tmp_path / "out", stamps="starts")
    assert said(corpus)["x"].tiers["phone"] == (
        Segment("d", 1600, 3200), Segment("a", 3200, 4800), Segment("t", 4800, 6400), Segment("I", 6400, 7200),
        Segment("N", 8000, 9600),
    )  # fmt: skip
    assert any(note.startswith("label fields not read, beside the labels (2)") for note in corpus.notes)


def test_xlabel_whose_times_are_ends(tmp_path: Path) -> None:
    told = "#\n 0.1 121 sil\n 0.2 121 a\t2\n 0.3 121 +lar\n 0.4 121 b; x\n"
    assert said(one(tmp_path, "x.lab", told))["x"].tiers["phone"] == (
        Segment("a", 1600, 4800), Segment("b", 4800, 6400),
    )  # fmt: skip


def emodb(shared: Path, base: Path) -> Path:
    """EMO-DB as people have it: the shared audio and raw labels, linked."""
    real = shared / "data" / "emodb"
    if not (real / "labels_raw").is_dir():
        pytest.skip(f"raw label files are absent: no folder {real / 'labels_raw'}")
    base.mkdir()
    os.symlink(real / "audio", base / "wav")  # noqa: PTH211
    for kind in ("lablaut", "labsilb", "silb"):
        os.symlink(real / "labels_raw" / kind, base / kind)  # noqa: PTH211
    return base


def test_emodb_as_it_is_downloaded(shared: Path, tmp_path: Path) -> None:
    """The merged base phones of the derived TextGrids, but for three slips of the pen that are read as meant."""
    made = said(import_corpus("emodb", emodb(shared, tmp_path / "src"), tmp_path / "out"))
    right = said(open_corpus(shared / "data" / "emodb"))
    assert len(made) == 166
    other = {name for name in made if made[name].tiers["phone"] != right[name].tiers["phone"]}
    assert other == {"09a07Na", "09b02Tb", "10a04Nb"}
    assert len({segment.label for u in made.values() for segment in u.tiers["phone"]}) == 63
    assert all(u.tiers["syllable"] for u in made.values()), "labsilb is half there, silb whole"
    again = said(import_corpus("folder", tmp_path / "src", tmp_path / "again", stamps="starts"))
    assert {name: u.tiers for name, u in again.items()} == {name: u.tiers for name, u in made.items()}
