"""Several people in one recording: whose words, whose stretches, and what overlaps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from corpus_help import textgrid, tone, write

from lamina.corpus.corpus import Segment, Utterance
from lamina.corpus.importers.importing import import_corpus
from lamina.corpus.open import open_corpus
from lamina.corpus.stored import StoredCorpus
from lamina.errors import LaminaError

# ann speaks from 0.5 to 1.0 and from 2.0 to 2.5 s, bob from 0.9 to 1.4 and from 3.0 to 3.2 s.
ANN = {
    "ann - words": [(0.5, 0.7, "Hello"), (0.7, 0.95, "you"), (0.95, 1.0, "so"), (2.0, 2.5, "Yes")],
    "ann - phones": [(0.5, 0.7, "HH"), (0.7, 0.9, "Y"), (0.9, 0.95, "UW1"), (2.0, 2.5, "Y")],
}
BOB = {"bob - words": [(0.9, 1.0, "No"), (1.0, 1.4, "way"), (3.0, 3.2, "oh")]}


def said(corpus: StoredCorpus) -> dict[str, Utterance]:
    return {utterance.id: utterance for utterance in corpus.utterances()}


def seconds(*words: tuple[str, float, float]) -> tuple[Segment, ...]:
    return tuple(Segment(label, round(16000 * start), round(16000 * end)) for label, start, end in words)


@pytest.mark.parametrize("rate", [16000, 8000])
def test_each_speakers_stretches_are_utterances(tmp_path: Path, rate: int) -> None:
    tone(tmp_path / "src" / "talk.wav", seconds=4.0, rate=rate)
    tone(tmp_path / "src" / "alone.wav")
    textgrid(tmp_path / "src" / "talk.TextGrid", **ANN, **BOB)
    textgrid(tmp_path / "src" / "alone.TextGrid", **{"ann - words": [(0.1, 0.3, "ah")]})
    for corpus in (open_corpus(tmp_path / "src"), import_corpus("folder", tmp_path / "src", tmp_path / "out")):
        made = said(corpus)
        assert {name: (u.speaker, u.samples, u.text) for name, u in made.items()} == {
            "alone": ("alone", 16000, "ah"),
            "talk-ann-000": ("ann", 11200, "hello you so"),
            "talk-ann-001": ("ann", 11200, "yes"),
            "talk-bob-000": ("bob", 11200, "no way"),
            "talk-bob-001": ("bob", 6400, "oh"),
        }
        one = made["talk-ann-000"]  # from 0.4 to 1.1 s
        assert one.tiers["word"] == seconds(("hello", 0.1, 0.3)), "you and so overlap bob's no"
        assert one.tiers["phone"] == seconds(("HH", 0.1, 0.3), ("Y", 0.3, 0.5))
        assert made["talk-bob-000"].tiers["word"] == seconds(("way", 0.2, 0.6))
        assert "word segments left out, for somebody else speaks then (3): talk" in corpus.notes
        assert "phone segments left out, for somebody else speaks then (1): talk" in corpus.notes
        whole, _ = soundfile.read(tmp_path / "src" / "talk.wav", dtype="float32")
        if rate == 16000:
            assert np.array_equal(corpus.read(one), whole[6400:17600])


def test_whole_recordings_where_they_are_asked_for(tmp_path: Path) -> None:
    tone(tmp_path / "src" / "talk.wav", seconds=4.0)
    textgrid(tmp_path / "src" / "talk.TextGrid", **ANN, **BOB)
    (whole,) = import_corpus("folder", tmp_path / "src", tmp_path / "out", turns=False).utterances()
    assert set(whole.tiers) == {"speaker:1", "word:1", "phone:1", "speaker:2", "word:2"}
    assert [s.label for s in whole.tiers["word:2"]] == ["no", "way", "oh"]


def test_one_speaker_and_some_tiers_are_asked_for(tmp_path: Path) -> None:
    tone(tmp_path / "src" / "talk.wav", seconds=4.0)
    textgrid(tmp_path / "src" / "talk.TextGrid", **ANN, **BOB, noise=[(0.0, 4.0, "hum")])
    corpus = import_corpus("folder", tmp_path / "src", tmp_path / "out", speaker="bob", tiers={"words": "word"})
    assert {name: set(u.tiers) for name, u in said(corpus).items()} == {
        "talk-bob-000": {"word"},
        "talk-bob-001": {"word"},
    }
    assert "utterances left out, for another speaker is asked for (2): ann" in corpus.notes
    assert "tiers not read, for others are asked for (2): 'ann - phones', 'noise'" in corpus.notes
    corpus = import_corpus("folder", tmp_path / "src", tmp_path / "out", tiers={"noise": "word"})
    assert [u.text for u in corpus.utterances()] == ["hum"], "a tier of any name is words"
    with pytest.raises(LaminaError, match=r"has no utterance of the speaker 'eve'"):
        import_corpus("folder", tmp_path / "src", tmp_path / "out", speaker="eve")


def test_two_tiers_of_one_kind_are_refused_where_nobody_says_whose(tmp_path: Path) -> None:
    tone(tmp_path / "talk.wav", seconds=4.0)
    textgrid(tmp_path / "talk.TextGrid", words=[(0.1, 0.2, "a")], Words=[(0.3, 0.4, "b")])
    with pytest.raises(LaminaError, match=r"has two 'word' tiers of talk: keep one"):
        open_corpus(tmp_path)
    textgrid(tmp_path / "talk.TextGrid", **{"ann - words": [(0.1, 0.2, "a")], "words": [(0.3, 0.4, "b")]})
    with pytest.raises(LaminaError, match=r"has two 'word' tiers of talk: keep one"):
        open_corpus(tmp_path)


def test_a_csv_with_speakers(tmp_path: Path) -> None:
    """As MFA writes it: Begin, End, Label, Type, Speaker."""
    tone(tmp_path / "talk.wav", seconds=4.0)
    rows = [
        "Begin,End,Label,Type,Speaker",
        "0.5,0.7,Hello,words,ann",
        "0.9,1.4,No,words,bob",
        "2.0,2.5,Yes,words,ann",
    ]
    write(tmp_path / "talk.csv", "\n".join(rows) + "\n")
    made = said(open_corpus(tmp_path))
    assert {name: u.text for name, u in made.items()} == {
        "talk-ann-000": "hello", "talk-ann-001": "yes", "talk-bob-000": "no",
    }  # fmt: skip


def test_turns_of_an_rttm_and_words_of_a_ctm(tmp_path: Path) -> None:
    tone(tmp_path / "src" / "talk.wav", seconds=4.0)
    lines = (
        "SPEAKER talk 1 0.5 0.5 <NA> <NA> ann <NA>\nSPEAKER talk 1 0.9 0.5 <NA> <NA> bob <NA>\nSPKR-INFO talk 1\n"
    )
    write(tmp_path / "src" / "who.rttm", lines)
    write(
        tmp_path / "src" / "words.ctm",
        "talk 1 0.5 0.2 hi\ntalk 1 0.92 0.06 so\ntalk 1 1.1 0.2 no\ntalk 1 3.0 0.2 oh\n",
    )
    (whole,) = open_corpus(tmp_path / "src").utterances()
    assert set(whole.tiers) == {"word", "speaker:1", "speaker:2"}, "a recording for diarization"
    corpus = import_corpus("folder", tmp_path / "src", tmp_path / "out", turns=True)
    made = said(corpus)
    assert made["talk-ann-000"].tiers == {"word": seconds(("hi", 0.1, 0.3))}
    assert made["talk-bob-000"].tiers == {"word": seconds(("no", 0.3, 0.5))}
    for note in (
        "word segments left out, for somebody else speaks then (2): talk",
        "word segments left out, for nobody speaks then (1): talk",
        "lines of RTTMs not read, for they are no SPEAKER (1): SPKR-INFO",
    ):
        assert note in corpus.notes


def test_lhotse_recordings_of_several_speakers(tmp_path: Path) -> None:
    from lhotse import CutSet, MonoCut, Recording, SupervisionSegment
    from lhotse.supervision import AlignmentItem

    tone(tmp_path / "talk.wav", seconds=4.0)
    told = []
    for number, (speaker, start, end, word) in enumerate(
        [("ann", 0.5, 0.9, "hi"), ("bob", 0.8, 1.4, "no"), ("ann", 2.0, 2.5, "yes")]
    ):
        ali = {"word": [AlignmentItem(word, start, end - start)]}
        told.append(
            SupervisionSegment(f"s{number}", "talk", start, end - start, speaker=speaker, text=word, alignment=ali)
        )
    cut = MonoCut("talk", 0.0, 4.0, 0, told, recording=Recording.from_file(tmp_path / "talk.wav"))
    CutSet.from_cuts([cut]).to_file(tmp_path / "cuts.jsonl")
    made = said(import_corpus("cuts", tmp_path / "cuts.jsonl", tmp_path / "out", turns=True))
    assert {name: (u.speaker, u.text) for name, u in made.items()} == {
        "talk-ann-000": ("ann", "hi"), "talk-ann-001": ("ann", "yes"), "talk-bob-000": ("bob", "no"),
    }  # fmt: skip
    assert made["talk-ann-001"].tiers == {"word": seconds(("yes", 0.1, 0.6))}
    assert made["talk-ann-000"].tiers == {"word": ()}, "bob speaks then"


WORDS = [  # of a recipe that writes a supervision a word: speaker, channel, start, end, word
    ("ann", 0, 0.5, 0.7, "hi"), ("bob", 1, 0.6, 0.9, "no"), ("ann", 0, 0.8, 1.1, "you"),
    ("ann", 0, 2.0, 2.5, "yes"), ("bob", 1, 2.6, 2.9, "so"),
]  # fmt: skip


def prepare(folder: Path, channels: bool) -> None:
    """What ``lhotse prepare`` writes of a recording of two people, whose every word is a supervision."""
    from lhotse import Recording, RecordingSet, SupervisionSegment, SupervisionSet

    generator = np.random.default_rng(0)
    folder.mkdir()
    wave = generator.normal(0, 0.1, (64000, 2)).astype(np.float32)
    soundfile.write(folder / "talk.wav", wave if channels else wave[:, 0], 16000, subtype="FLOAT")
    told = [
        SupervisionSegment(
            f"talk-{n}", "talk", start, end - start, channel if channels else 0, speaker=speaker, text=word
        )
        for n, (speaker, channel, start, end, word) in enumerate(WORDS)
    ]
    RecordingSet.from_recordings([Recording.from_file(folder / "talk.wav")]).to_file(
        folder / "x_recordings_test.jsonl"
    )
    SupervisionSet.from_segments(told).to_file(folder / "x_supervisions_test.jsonl")


def test_a_supervision_a_word_makes_stretches_of_each_speaker(tmp_path: Path) -> None:
    prepare(tmp_path / "src", channels=False)
    corpus = import_corpus("cuts", tmp_path / "src", tmp_path / "out")
    made = said(corpus)
    assert {name: (u.speaker, u.text, u.split) for name, u in made.items()} == {
        "talk-ann-000": ("ann", "hi you", "test"), "talk-ann-001": ("ann", "yes", "test"),
        "talk-bob-000": ("bob", "no", "test"), "talk-bob-001": ("bob", "so", "test"),
    }  # fmt: skip
    assert made["talk-ann-001"].tiers == {"word": seconds(("yes", 0.1, 0.6))}
    assert made["talk-ann-000"].tiers == {"word": ()}, "bob speaks then"
    assert "word segments left out, for somebody else speaks then (3): talk" in corpus.notes
    whole = import_corpus("cuts", tmp_path / "src", tmp_path / "whole", turns=False)
    (one,) = whole.utterances()
    assert set(one.tiers) == {"speaker:1", "speaker:2", "word:1", "word:2"}
    assert one.tiers["word:2"] == seconds(("no", 0.6, 0.9), ("so", 2.6, 2.9))


def test_a_supervision_a_word_on_two_channels(tmp_path: Path) -> None:
    prepare(tmp_path / "src", channels=True)
    corpus = import_corpus("cuts", tmp_path / "src", tmp_path / "out")
    made = said(corpus)
    assert list(made) == ["talk-c0-ann-000", "talk-c0-ann-001", "talk-c1-bob-000", "talk-c1-bob-001"]
    assert made["talk-c0-ann-000"].tiers == {"word": seconds(("hi", 0.1, 0.3), ("you", 0.4, 0.7))}
    wave, _ = soundfile.read(tmp_path / "src" / "talk.wav", dtype="float32")
    assert np.array_equal(corpus.read(made["talk-c1-bob-000"]), wave[8000:16000, 1])


@pytest.mark.parametrize("names", [("1", "2"), ("A", "B")])
def test_channels_of_a_ctm_are_speakers(tmp_path: Path, names: tuple[str, str]) -> None:
    tone(tmp_path / "src" / "talk.wav", seconds=4.0, channels=2)
    one, two = names
    lines = f"talk {one} 0.5 0.4 hi\ntalk {two} 0.8 0.4 no\ntalk {one} 2.0 0.5 yes\n"
    write(tmp_path / "src" / "words.ctm", lines)
    corpus = import_corpus("folder", tmp_path / "src", tmp_path / "out")
    made = said(corpus)
    assert {name: u.text for name, u in made.items()} == {
        f"talk-{one}-000": "hi", f"talk-{one}-001": "yes", f"talk-{two}-000": "no",
    }  # fmt: skip
    assert made[f"talk-{one}-001"].tiers == {"word": seconds(("yes", 0.1, 0.6))}
    assert "channels of words.ctm, read as a speaker each (2): talk" in corpus.notes
    assert "word segments left out, for somebody else speaks then (2): talk" in corpus.notes


def test_a_name_in_two_recordings_is_one_person_and_told(tmp_path: Path) -> None:
    for name in ("a", "b"):
        tone(tmp_path / f"{name}.wav", seconds=4.0)
        textgrid(tmp_path / f"{name}.TextGrid", **ANN, **BOB)
    notes = open_corpus(tmp_path).notes
    assert "speakers of several recordings, taken for one person (4): ann (2), bob (2)" in notes
