"""Every importer, on a small tree in the corpus's real layout; and on halves and wrong folders."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from corpus_help import TREES, textgrid, tone, write

from lamina.corpus.check import check
from lamina.corpus.corpus import Segment, Utterance
from lamina.corpus.importers.catalogue import IMPORTERS
from lamina.corpus.importers.importing import import_corpus
from lamina.corpus.open import open_corpus
from lamina.corpus.stored import StoredCorpus
from lamina.corpus.trials import Trial, read_trials
from lamina.errors import LaminaError


def bring(kind: str, tmp_path: Path, **options: object) -> tuple[StoredCorpus, dict[str, Utterance]]:
    """Build the tree of a kind, import it, and open what was made."""
    base = tmp_path / "src"
    if not base.exists():
        TREES[kind](base)
    made = import_corpus(kind, base, tmp_path / "out", **options)  # type: ignore[arg-type] # a test's options
    opened = open_corpus(tmp_path / "out")
    assert opened.digest == made.digest
    utterances = {utterance.id: utterance for utterance in opened.utterances()}
    for utterance in utterances.values():
        wave = opened.read(utterance)
        assert wave.shape == (utterance.samples,)
        assert wave.any()
    return opened, utterances


def test_every_kind_has_a_tree() -> None:
    assert set(TREES) == set(IMPORTERS)


def test_librispeech(tmp_path: Path) -> None:
    corpus, said = bring("librispeech", tmp_path)
    assert len(corpus) == 4
    one = said["19-198-0000"]
    assert (one.speaker, one.split, one.text) == ("19", "train", "hello you")
    assert one.labels == {"part": "train-clean-100", "gender": "female"}
    assert said["84-198-0001"].split == "dev"


@pytest.mark.parametrize("layout", ["{part}/{speaker}/198/{name}.TextGrid", "{speaker}/{name}.TextGrid"])
def test_librispeech_with_published_alignments_and_from_mfa(tmp_path: Path, layout: str) -> None:
    words = {"0000": [(0.1, 0.4, "HELLO"), (0.4, 0.6, ""), (0.6, 1.0, "YOU")], "0001": [(0.1, 0.4, "AGAIN")]}
    for part, speaker in (("train-clean-100", "19"), ("dev-clean", "84")):
        for number, tier in words.items():
            place = layout.format(part=part, speaker=speaker, name=f"{speaker}-198-{number}")
            textgrid(tmp_path / "ali" / place, words=tier, phones=[(0.1, 0.2, "HH"), (0.2, 0.4, "AH0")])
    corpus, said = bring("librispeech", tmp_path, alignments=tmp_path / "ali")
    assert corpus.tiers == {"word": 6, "phone": 8}
    assert said["19-198-0000"].tiers["word"] == (Segment("hello", 1600, 6400), Segment("you", 9600, 16000))
    assert said["19-198-0000"].tiers["phone"][1].label == "AH"
    # Of another version: other words; times beyond the audio; files that are not there.
    textgrid(
        next((tmp_path / "ali").rglob("19-198-0000.TextGrid")), words=[(0.1, 0.4, "PRINTING"), (0.4, 0.5, "ONLY")]
    )
    textgrid(next((tmp_path / "ali").rglob("19-198-0001.TextGrid")), words=[(0.1, 7.4, "AGAIN")])
    next((tmp_path / "ali").rglob("84-198-0000.TextGrid")).unlink()
    with pytest.raises(
        LaminaError, match=r"1 utterances are whole, 3 faults: .*another version.*outside the audio"
    ):
        bring("librispeech", tmp_path, alignments=tmp_path / "ali")
    corpus, said = bring("librispeech", tmp_path, alignments=tmp_path / "ali", partial=True)
    assert set(said) == {"84-198-0001"}
    listed = (tmp_path / "out" / "faults.txt").read_text()
    assert "84-198-0000 has no alignment" in listed
    assert listed.count("\n") == 3
    assert corpus.notes[-1] == "a partial import: 3 faults, listed in faults.txt"


def test_librispeech_with_words_and_their_ends(tmp_path: Path) -> None:
    for part, speaker in (("train-clean-100", "19"), ("dev-clean", "84")):
        lines = f'{speaker}-198-0000 ",HELLO,YOU," "0.1,0.4,0.6,1.0"\n{speaker}-198-0001 ",AGAIN" "0.2,0.9"\n'
        write(tmp_path / "ali" / part / speaker / "198" / f"{speaker}-198.alignment.txt", lines)
    _, said = bring("librispeech", tmp_path, alignments=tmp_path / "ali")
    assert said["19-198-0000"].tiers["word"] == (Segment("hello", 1600, 6400), Segment("you", 6400, 9600))
    write(tmp_path / "ali" / "x.alignment.txt", "half\n")
    with pytest.raises(LaminaError, match=r"x.alignment.txt, 'half': expected an id, words and their ends"):
        bring("librispeech", tmp_path, alignments=tmp_path / "ali")


def test_timit(tmp_path: Path) -> None:
    from lhotse.recipes.timit import prepare_timit

    corpus, said = bring("timit", tmp_path)
    one = said["fcjf0-sx37"]
    assert one.labels == {"gender": "female", "dialect": "dr1", "kind": "sx"}
    assert one.tiers["phone"] == (
        Segment("sh", 1600, 3200), Segment("ih", 3200, 4400), Segment("t", 4400, 8000),
        Segment("ae", 8000, 9500), Segment("d", 9500, 9900),
    )  # fmt: skip
    assert one.tiers["word"] == (Segment("she", 1600, 3200), Segment("it", 3200, 8000), Segment("add", 8000, 9900))
    assert {u.speaker: u.split for u in said.values()} == {
        "fcjf0": "train", "felc0": "test", "faks0": "dev", "mzzz0": ""
    }  # fmt: skip
    assert check(corpus)[0] == [], "words are made of whole phones"
    # lhotse's recipe, given its layout, sees the same phones but for q and closures.
    (tmp_path / "lhotse").mkdir()
    (tmp_path / "lhotse" / "data").symlink_to(tmp_path / "src")
    (oracle,) = prepare_timit(tmp_path / "lhotse", num_phones=39)["TRAIN"]["supervisions"]
    phones = [(i.symbol, round(i.start * 16000), round(i.end * 16000)) for i in oracle.alignment["phone"]]
    assert [p for p in phones if p[0] not in {"sil", ""}] == [
        ("sh", 1600, 3200), ("ih", 3200, 4000), ("t", 5200, 8000), ("ae", 9000, 9500)
    ]  # fmt: skip


def test_buckeye_is_cut_at_pauses(tmp_path: Path) -> None:
    corpus, said = bring("buckeye", tmp_path)
    assert list(said) == ["s0101a-000", "s0101a-001"]
    first, second = said.values()
    assert first.samples == round(0.6 * 16000)
    assert first.tiers["phone"] == (Segment("hh", 1600, 4800), Segment("ay", 4800, 8000))
    assert second.tiers["word"] == (Segment("oh", 1600, 4800),)
    whole, _ = soundfile.read(tmp_path / "src" / "s01" / "s0101a.wav", dtype="float32")
    assert np.array_equal(corpus.read(second, 0, 100), whole[30400:30500])
    assert (first.speaker, first.text) == ("s01", "hi")


def test_vctk(tmp_path: Path) -> None:
    corpus, said = bring("vctk", tmp_path)
    assert set(said) == {"p225_001", "p225_002"}
    assert said["p225_001"].labels == {"age": "23", "gender": "female", "accent": "English", "region": "Southern"}
    assert said["p225_001"].samples == 16000
    assert "48,000 Hz" in corpus.notes[-1]


def test_ljspeech(tmp_path: Path) -> None:
    _, said = bring("ljspeech", tmp_path)
    assert said["LJ001-0001"].text == "number one"
    write(tmp_path / "src" / "metadata.csv", "LJ001-0001|No 1|number one\nLJ001-0002|Café|café\n", "latin-1")
    assert bring("ljspeech", tmp_path)[1]["LJ001-0002"].text == "café", "text that is not UTF-8 is Latin-1"


def test_emodb(tmp_path: Path) -> None:
    _, said = bring("emodb", tmp_path)
    one = said["03a01Fa"]
    assert one.tiers["phone"] == (Segment("t", 1600, 3200), Segment("ä", 3200, 14400)), "stamps are starts"
    assert one.labels["emotion"] == "happiness"
    assert (one.labels["gender"], said["08b02Wb"].labels["gender"]) == ("male", "female")
    assert one.text.startswith("der lappen")


def test_speechcommands(tmp_path: Path) -> None:
    _, said = bring("speechcommands", tmp_path)
    assert {u.id: (u.split, u.labels["keyword"], u.speaker) for u in said.values()} == {
        "yes/a1_nohash_0": ("train", "yes", "a1"),
        "yes/b2_nohash_0": ("dev", "yes", "b2"),
        "bed/c3_nohash_1": ("train", "_unknown_", "c3"),
        "_background_noise_/running_tap-000": ("dev", "_silence_", "background"),
        "_background_noise_/running_tap-001": ("dev", "_silence_", "background"),
        "test/_silence_/0": ("test", "_silence_", "background"),
        "test/_unknown_/cat_e5_nohash_0": ("test", "_unknown_", "e5"),
        "test/yes/d4_nohash_0": ("test", "yes", "d4"),
    }
    assert said["test/_unknown_/cat_e5_nohash_0"].text == "cat"


def test_voxceleb1_and_its_trials(tmp_path: Path) -> None:
    _, said = bring("voxceleb1", tmp_path)
    assert [u.split for u in said.values()] == ["train", "dev", "test"] * 2
    assert said["id10001/vid1/00001"].labels == {"gender": "male", "nationality": "Ireland", "video": "vid1"}
    assert list(read_trials(tmp_path / "out")) == [
        Trial("veri_test", True, "id10270/vid1/00001", "id10270/vid2/00002"),
        Trial("veri_test", False, "id10270/vid1/00001", "id10001/vid1/00001"),
    ]


def test_fluent(tmp_path: Path) -> None:
    _, said = bring("fluent", tmp_path)
    assert {u.id: u.split for u in said.values()} == {"train1": "train", "valid1": "dev", "test1": "test"}
    assert said["train1"].labels["intent"] == "activate lights none"
    assert said["train1"].text == "Lights on, please"


def test_librimix(tmp_path: Path) -> None:
    corpus, said = bring("librimix", tmp_path)
    mixture = said["61-70968-0000_8455-210777-0012"]
    assert mixture.tiers == {
        "speaker:1": (Segment("8455", 0, 16000),),
        "speaker:2": (Segment("61", 0, 32000),),
    }
    assert mixture.speaker == "61+8455"
    assert any("pauses are not marked" in note for note in corpus.notes)
    lines = "SPEAKER 61-70968-0000 1 0.2 0.5 <NA> <NA> 61 <NA>\n"
    lines += "SPEAKER 8455-210777-0012 1 0.6 0.3 <NA> <NA> 8455 <NA>\n"
    write(tmp_path / "rttm" / "train.rttm", lines)
    _, said = bring("librimix", tmp_path, alignments=tmp_path / "rttm", partial=True)
    assert said["61-70968-0000_8455-210777-0012"].tiers["speaker:1"] == (Segment("61", 3200, 11200),)


def test_iemocap(tmp_path: Path) -> None:
    _, said = bring("iemocap", tmp_path)
    assert len(said) == 10
    one = said["Ses01F_impro01_F000"]
    assert (one.speaker, one.text, one.split) == ("Ses01F", "Excuse me.", "")
    assert one.tiers["word"] == (Segment("excuse", 1600, 8000), Segment("me", 8000, 16000))
    other = said["Ses01F_impro01_M000"]
    assert (other.speaker, other.labels["emotion"], other.labels["session"]) == (
        "Ses01M",
        "excitement",
        "Session1",
    )


def test_quesst14(tmp_path: Path) -> None:
    corpus, said = bring("quesst14", tmp_path)
    assert said["quesst14_dev_0001"].labels == {"role": "query", "language": "nnenglish"}
    assert [u.split for u in said.values()] == ["", "", "", "dev", "test"]
    assert [(t.list, t.target, t.right) for t in read_trials(tmp_path / "out")] == [
        ("dev", False, "quesst14_00001"), ("dev", True, "quesst14_00002"),
        ("eval", False, "quesst14_00001"), ("eval", True, "quesst14_00002"),
    ]  # fmt: skip
    assert "they hold nothing above 4,000 Hz" in corpus.notes[-1]


def test_snips(tmp_path: Path) -> None:
    corpus, said = bring("snips", tmp_path)
    assert set(said) == {"Ivy-snips-train-0", "Amy-snips-valid-0", "Emma-snips-test-0"}
    one = said["Amy-snips-valid-0"]
    assert (one.split, one.text) == ("dev", "PLAY SOME BACH")
    assert one.labels == {"intent": "PlayMusic", "slots": "O O B-artist"}
    assert any("1 files are of speakers that SUPERB has in another split" in note for note in corpus.notes)


def test_commonvoice(tmp_path: Path) -> None:
    _, said = bring("commonvoice", tmp_path)
    one = said["cv_train"]
    assert (one.speaker, one.split, one.text) == ("ctrain", "train", 'Sie sagte "ja.')
    assert one.labels == {"age": "twenties", "gender": "female", "language": "de"}


def test_a_folder_with_ctm_and_rttm(tmp_path: Path) -> None:
    _, said = bring("folder", tmp_path)
    assert said["ann_1"].tiers == {"word": (Segment("hello", 1600, 4800), Segment("you", 4800, 8000))}
    assert said["bob_1"].tiers == {
        "word": (Segment("yes", 8000, 12000),),
        "speaker:1": (Segment("bob", 0, 9600),),
        "speaker:2": (Segment("eve", 6400, 14400),),
    }


@pytest.mark.parametrize(
    ("name", "text", "tier", "options"),
    [
        ("x.lab", "1000000 3000000 AH0\n3000000 5000000 sil\n", "phone", {}),
        ("words/x.lab", "0.1 0.3 Ah\n", "word", {}),
        ("x.lab", "signal x\n#\n 0.1 121 sil\n 0.3 121 AH1\n", "phone", {}),
        ("x.lab", "signal x\n#\n 0.1 121 AH1\n 0.3 121 pau\n", "phone", {"stamps": "starts"}),
        ("x.csv", "Begin,End,Label,Type,Speaker\n0.1,0.3,ah,words,ann\n", "word", {}),
        ("all.tsv", "file\tonset\tduration\tphone\nx.wav\t0.1\t0.2\tAH\n", "phone", {}),
        ("x.ctm", ";; comment\nx 1 0.1 0.2 ah\n", "word", {}),
    ],
)
def test_every_kind_of_alignment(tmp_path: Path, name: str, text: str, tier: str, options: dict[str, str]) -> None:
    tone(tmp_path / "src" / "x.wav")
    write(tmp_path / "src" / name, text)
    _, said = bring("folder", tmp_path, **options)
    (segment,) = said["x"].tiers[tier]
    assert (segment.label.casefold(), segment.onset, segment.offset) == ("ah", 1600, 4800)


@pytest.mark.parametrize("name", ["x.lab", "x.ctm", "x.csv", "x.rttm"])
def test_broken_alignments_are_told(tmp_path: Path, name: str) -> None:
    tone(tmp_path / "src" / "x.wav")
    text = {"x.csv": "start,end,label\n0.1,soon,a\n", "x.rttm": "SPEAKER x 1 0.0\n"}.get(name, "x 1\n")
    write(tmp_path / "src" / name, text)
    with pytest.raises(LaminaError, match=name):
        bring("folder", tmp_path)


def test_cuts_and_paths_of_another_machine(tmp_path: Path) -> None:
    _, said = bring("cuts", tmp_path)
    one = said["x"]
    assert (one.samples, one.speaker, one.labels) == (16000, "s0", {"mood": "good", "n": "3", "language": "en"})
    moved = tmp_path / "elsewhere"
    (tmp_path / "src").rename(moved)
    with pytest.raises(
        LaminaError, match=r"0 utterances are whole, 2 faults: there is no audio file .*--root OLD=NEW"
    ):
        import_corpus("cuts", moved, tmp_path / "out2")
    made = import_corpus("cuts", moved, tmp_path / "out2", root=(str(tmp_path / "src"), str(moved)))
    assert len(made) == 2


def test_shar_and_tar(tmp_path: Path) -> None:
    from lhotse import CutSet

    TREES["cuts"](tmp_path / "src")
    (tmp_path / "shar").mkdir()
    cuts = CutSet.from_file(tmp_path / "src" / "cuts.jsonl.gz")
    cuts.to_shar(tmp_path / "shar", fields={"recording": "flac"}, shard_size=1)
    plain, shar = open_corpus(tmp_path / "src" / "cuts.jsonl.gz"), open_corpus(tmp_path / "shar")
    assert plain.digest == shar.digest
    made = import_corpus("cuts", tmp_path / "shar", tmp_path / "out")
    assert made.digest == plain.digest
    for utterance in made.utterances():
        assert np.allclose(made.read(utterance), plain.read(utterance), atol=1e-4)
        assert np.array_equal(made.read(utterance, 100, 900), made.read(utterance)[100:900])
    tar = tmp_path / "shar" / "recording.000001.tar"
    tar.unlink()
    with pytest.raises(LaminaError, match=r"has cuts.000001.jsonl.gz but no recording.000001.tar"):
        open_corpus(tmp_path / "shar")

    import tarfile

    with tarfile.open(tmp_path / "audio.tar", "w") as packed:
        packed.add(tmp_path / "src" / "x.wav", "ann/x.wav")
    (tmp_path / "tarred").mkdir()
    (tmp_path / "audio.tar").rename(tmp_path / "tarred" / "audio.tar")
    write(tmp_path / "tarred" / "x.ctm", "x 1 0.1 0.2 ah\n")
    corpus = import_corpus("folder", tmp_path / "tarred", tmp_path / "out2")
    (utterance,) = corpus.utterances()
    assert utterance.tiers["word"] == (Segment("ah", 1600, 4800),)
    assert np.array_equal(corpus.read(utterance), soundfile.read(tmp_path / "src" / "x.wav", dtype="float32")[0])


def test_what_a_recipe_of_lhotse_prepared(tmp_path: Path) -> None:
    from lhotse.recipes.librispeech import prepare_librispeech

    TREES["librispeech"](tmp_path / "src")
    prepare_librispeech(tmp_path / "src", output_dir=tmp_path / "prepared")
    ours = {u.id: u for u in import_corpus("librispeech", tmp_path / "src", tmp_path / "a").utterances()}
    theirs = {u.id: u for u in import_corpus("cuts", tmp_path / "prepared", tmp_path / "b").utterances()}
    assert ours.keys() == theirs.keys()
    for name, one in theirs.items():
        mine = ours[name]
        assert (one.speaker, one.split, one.samples) == (mine.speaker, mine.split, mine.samples)
        assert one.text.lower() == mine.text


def test_cuts_that_are_more_than_a_file_are_written_out(tmp_path: Path) -> None:
    from lhotse import CutSet

    TREES["cuts"](tmp_path / "src")
    cuts = CutSet.from_file(tmp_path / "src" / "cuts.jsonl.gz").perturb_speed(1.25)
    (tmp_path / "fast").mkdir()
    cuts.to_file(tmp_path / "fast" / "cuts.jsonl.gz")
    made = import_corpus("cuts", tmp_path / "fast", tmp_path / "out")
    assert {u.samples for u in made.utterances()} == {12800}
    assert len(list((tmp_path / "out" / "audio").iterdir())) == 2
    for utterance in made.utterances():
        assert made.read(utterance).any()


def test_hugging_face(tmp_path: Path) -> None:
    _, said = bring("hf", tmp_path)
    one = said["train/train_1"]
    assert (one.speaker, one.split, one.text, one.labels) == ("7", "train", "Ja.", {"emotion": "joy"})


def test_hugging_face_parquet_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    write(tmp_path / "src" / "data" / "test-00000-of-00001.parquet", "PAR1")
    with pytest.raises(LaminaError, match="read by pyarrow, which is not installed: pip install"):
        import_corpus("hf", tmp_path / "src", tmp_path / "out")


def test_hugging_face_parquet(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow.parquet")
    import pyarrow.parquet

    tone(tmp_path / "x.wav")
    (tmp_path / "src" / "data").mkdir(parents=True)
    path = tmp_path / "src" / "data" / "test-00000-of-00001.parquet"
    audio = {"bytes": (tmp_path / "x.wav").read_bytes(), "path": "x.wav"}
    rows = [{"audio": audio, "text": "Ja.", "speaker_id": "7", "emotion": "joy"}]
    table = pyarrow.Table.from_pylist(rows)
    pyarrow.parquet.write_table(table, path)
    _, said = bring("hf", tmp_path)
    assert (said["x"].split, said["x"].text, said["x"].labels) == ("test", "Ja.", {"emotion": "joy"})
    path.unlink()
    with pyarrow.ipc.new_stream(path.with_suffix(".arrow"), table.schema) as stream:
        stream.write_table(table)
    _, same = bring("hf", tmp_path)
    assert same == said
    path.with_suffix(".arrow").write_bytes(b"half")
    with pytest.raises(LaminaError, match="half-copied"):
        bring("hf", tmp_path)


@pytest.mark.parametrize("kind", sorted(TREES))
def test_wrong_and_empty_folders_say_what_was_found_and_expected(tmp_path: Path, kind: str) -> None:
    with pytest.raises(LaminaError, match=r"there is nothing at .*expected"):
        import_corpus(kind, tmp_path / "none", tmp_path / "out")
    (tmp_path / "src").mkdir()
    with pytest.raises(LaminaError, match="is an empty folder: expected"):
        import_corpus(kind, tmp_path / "src", tmp_path / "out")
    write(tmp_path / "src" / "READ ME.txt", "nothing here")
    with pytest.raises(LaminaError, match=r"(found: READ ME.txt; expected: |is no corpus: it holds)"):
        import_corpus(kind, tmp_path / "src", tmp_path / "out")
    assert not (tmp_path / "out").exists(), "nothing half-made is left"


@pytest.mark.parametrize(
    "kind", sorted(set(TREES) - {"folder", "emodb", "snips", "buckeye", "timit", "speechcommands"})
)
def test_missing_audio_needs_partial(tmp_path: Path, kind: str) -> None:
    TREES[kind](tmp_path / "src")
    whole = len(import_corpus(kind, tmp_path / "src", tmp_path / "out"))
    audio = sorted(p for p in (tmp_path / "src").rglob("*") if p.suffix.lower() in {".wav", ".flac", ".mp3"})
    audio = [p for p in audio if not p.stem.endswith("mic2") and p.parent.name not in {"s1", "s2"}]
    gone = audio[0]
    if kind == "kaldi":
        gone = audio[1]  # a whole recording is one utterance
    if kind == "librimix":
        gone = gone.parent.parent / "s1" / gone.name
    gone.unlink()
    with pytest.raises(LaminaError, match=r"is not a whole .*Expected: .*--partial"):
        import_corpus(kind, tmp_path / "src", tmp_path / "out2")
    assert len(import_corpus(kind, tmp_path / "src", tmp_path / "out2", partial=True)) == whole - 1
    assert gone.stem.removesuffix("_mic1") in (tmp_path / "out2" / "faults.txt").read_text()


@pytest.mark.parametrize("kind", sorted(TREES))
def test_broken_audio_needs_partial(tmp_path: Path, kind: str) -> None:
    TREES[kind](tmp_path / "src")
    whole = len(import_corpus(kind, tmp_path / "src", tmp_path / "out"))
    audio = sorted(p for p in (tmp_path / "src").rglob("*") if p.suffix.lower() in {".wav", ".flac", ".mp3"})
    broken = next(p for p in audio if not p.stem.endswith("mic2") and "noise" not in str(p))
    broken.write_bytes(broken.read_bytes()[:20])
    with pytest.raises(LaminaError, match=r"is not a whole .*does not decode"):
        import_corpus(kind, tmp_path / "src", tmp_path / "out2")
    if whole > 2:
        assert len(import_corpus(kind, tmp_path / "src", tmp_path / "out2", partial=True)) < whole


def test_half_copied_labels_are_told(tmp_path: Path) -> None:
    for kind, gone in (
        ("speechcommands", "speech_commands_v0.01/yes/b2_nohash_0.wav"),
        ("timit", "TRAIN/DR1/FCJF0/SX37.PHN"),
        ("emodb", "lablaut/03a01Faxx.lablaut"),
        ("fluent", "data/valid_data.csv"),
        ("commonvoice", "de/dev.tsv"),
        ("quesst14", "quesst14Database/scoring/groundtruth_quesst14_dev/quesst14_dev.rttm"),
        ("vctk", "wav48_silence_trimmed/p225/p225_001_mic1.flac"),
    ):
        TREES[kind](tmp_path / kind)
        (tmp_path / kind / gone).unlink()
        with pytest.raises(LaminaError, match="half-copied"):
            import_corpus(kind, tmp_path / kind, tmp_path / "out")


def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    import os

    TREES["folder"](tmp_path / "src")
    bad = os.fsencode(tmp_path / "src" / "audio") + b"/caf\xe9_1.wav"
    with open(bad, "wb") as file:  # noqa: PTH123 - a name of bytes
        file.write((tmp_path / "src" / "audio" / "ann_1.wav").read_bytes())
    with pytest.raises(LaminaError, match=r"caf.*name is not UTF-8"):
        import_corpus("folder", tmp_path / "src", tmp_path / "out")
    assert len(import_corpus("folder", tmp_path / "src", tmp_path / "out", partial=True)) == 2


def test_no_such_kind(tmp_path: Path) -> None:
    with pytest.raises(LaminaError, match="no importer is called 'librespeech'; did you mean 'librispeech'"):
        import_corpus("librespeech", tmp_path, tmp_path / "out")


def test_nobodys_folder_is_replaced(tmp_path: Path) -> None:
    write(tmp_path / "out" / "mine.txt", "mine")
    TREES["hf"](tmp_path / "src")
    with pytest.raises(LaminaError, match="nothing is overwritten"):
        import_corpus("hf", tmp_path / "src", tmp_path / "out")


def test_the_map_of_silences_is_the_documented_one() -> None:
    from lamina.corpus.labels import PHONE_SILENCES, SILENCES, TIERS

    page = (Path(__file__).resolve().parents[2] / "docs" / "corpora.md").read_text(encoding="utf-8")
    listed = page.split("they are no segments:")[1].split("- In phone tiers")[0]
    assert set(listed.split()) == SILENCES - {""}
    assert all(f"`{mark}`" in page for mark in PHONE_SILENCES)
    assert all(f"`{name}`" in page for name in TIERS)


def test_the_table_of_formats_names_tests_that_are_there() -> None:
    import re

    here = Path(__file__).resolve().parent
    page = (here.parents[1] / "docs" / "corpora.md").read_text(encoding="utf-8")
    defined = set(
        re.findall(r"^def (test_\w+)", "".join(path.read_text() for path in here.glob("test_*.py")), re.MULTILINE)
    )
    named = set(re.findall(r"`(test_\w+)`", page))
    assert len(named) > 30
    assert named <= defined
