"""Corpus folders and lhotse CutSets: what is written is read back, exactly; lhotse's trap is met."""

from __future__ import annotations

import gzip
import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from lamina.corpus import stored
from lamina.corpus.corpus import Segment, Utterance
from lamina.corpus.manifest import open_folder, write_audio, write_manifest
from lamina.corpus.open import open_corpus
from lamina.corpus.segments import at
from lamina.corpus.stored import StoredCorpus, resample, rescale
from lamina.corpus.trials import Trial, read_trials, write_trials
from lamina.errors import LaminaError


def waves(utterances: list[Utterance]) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {u.id: rng.integers(-9000, 9000, u.samples).astype(np.float32) / 32768 for u in utterances}


UTTERANCES = [
    Utterance(
        "a-1",
        "a",
        "train",
        16001,
        "one two",
        {
            "phone": (Segment("W", 3, 4000), Segment("T", 4000, 16001)),
            "word": (Segment("one", 3, 4000), Segment("two", 4000, 16001)),
        },
    ),
    Utterance("a-2", "a", "train", 800, "", {"phone": (), "word": ()}),
    Utterance(
        "b-1", "b", "test", 5000, "noise", {"phone": (Segment("Z", 0, 1),), "word": (Segment("noise", 0, 1),)}
    ),
]


def written(folder: Path, utterances: list[Utterance] = UTTERANCES) -> StoredCorpus:
    (folder / "audio").mkdir(parents=True)
    for utterance in utterances:
        write_audio(folder, utterance, waves(utterances)[utterance.id])
    write_manifest(folder, "three", utterances, {"by": "a test"})
    return open_folder(folder)


def test_round_trip(tmp_path: Path) -> None:
    corpus = written(tmp_path / "corpus")
    assert list(corpus.utterances()) == UTTERANCES
    assert list(corpus.utterances("test")) == UTTERANCES[2:]
    assert (len(corpus), corpus.name, corpus.sample_rate, corpus.notes) == (3, "three", 16000, ())
    assert corpus.tiers == {"phone": 3, "word": 3}
    for utterance in UTTERANCES:
        assert np.array_equal(corpus.read(utterance), waves(UTTERANCES)[utterance.id])
    assert np.array_equal(corpus.read(UTTERANCES[0], 50, 90), waves(UTTERANCES)["a-1"][50:90])
    about = json.loads((tmp_path / "corpus" / "corpus.json").read_text())
    assert about["splits"]["train"] == {"utterances": 2, "hours": round(16801 / 57600000, 4), "speakers": 1}
    moved = (tmp_path / "corpus").rename(tmp_path / "elsewhere")
    assert open_corpus(moved, tiers=["words"]).digest == corpus.digest
    assert open_corpus(moved / "cuts.jsonl.gz").digest == corpus.digest


@given(
    st.lists(st.integers(0, 10**6), min_size=2, max_size=20, unique=True), st.sampled_from([8000, 16000, 22050])
)
def test_sample_times_survive_seconds(places: list[int], rate: int) -> None:
    """n samples as seconds, through lhotse's rounding to 8 digits, is n samples again."""
    for place in places:
        assert at(place / rate, rate) == at(round(place / rate, 8), rate) == place


@given(st.integers(0, 10**7), st.sampled_from([8000, 11025, 22050, 44100, 48000, 96000]))
def test_rescale_is_the_nearest_sample(place: int, rate: int) -> None:
    exact = Fraction(place * 16000, rate)
    assert abs(rescale(place, rate, 16000) - exact) <= Fraction(1, 2)
    assert rescale(place, rate, 16000) <= rescale(place + 1, rate, 16000)


def test_digest_sees_every_change(tmp_path: Path) -> None:
    def changed(**values: object) -> str:
        first = {name: getattr(UTTERANCES[0], name) for name in Utterance.__slots__} | values
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        return written(folder, [Utterance(**first), *UTTERANCES[1:]]).digest  # type: ignore[arg-type] # test values

    base = changed()
    assert changed() == base
    moved = dict(UTTERANCES[0].tiers) | {"word": (Segment("one", 3, 4001),)}
    for values in ({"split": "dev"}, {"samples": 16002}, {"text": "one"}, {"speaker": "c"}, {"tiers": moved}):
        assert changed(**values) != base, values


def test_a_manifest_that_was_edited_is_told(tmp_path: Path) -> None:
    written(tmp_path / "corpus")
    cuts = tmp_path / "corpus" / "cuts.jsonl.gz"
    lines = gzip.decompress(cuts.read_bytes()).splitlines(keepends=True)
    cuts.write_bytes(gzip.compress(b"".join(lines[:2]), mtime=0))
    with pytest.raises(LaminaError, match=r"cuts.jsonl.gz is not what corpus.json describes"):
        open_corpus(tmp_path / "corpus")
    cuts.write_bytes(cuts.read_bytes()[:60])
    with pytest.raises(LaminaError, match=r"cannot read a lhotse CutSet from .*cuts.jsonl.gz"):
        open_corpus(tmp_path / "corpus")
    (tmp_path / "corpus" / "corpus.json").write_text('{"format": 99}')
    with pytest.raises(LaminaError, match="another version"):
        open_corpus(tmp_path / "corpus")


def test_audio_that_changed_is_told(tmp_path: Path) -> None:
    corpus = written(tmp_path / "corpus")
    audio = tmp_path / "corpus" / "audio"
    soundfile.write(audio / "a-1.flac", np.zeros(500), 16000)
    with pytest.raises(LaminaError, match=r"a-1.flac ends after 500 samples, 16001 were expected"):
        corpus.read(UTTERANCES[0])
    (audio / "a-2.flac").write_bytes(b"no audio")
    with pytest.raises(LaminaError, match=r"a-2.flac does not decode"):
        corpus.read(UTTERANCES[1])
    (audio / "b-1.flac").unlink()
    with pytest.raises(LaminaError, match=r"there is no audio file .*b-1.flac"):
        corpus.read(UTTERANCES[2])


def lhotse_cut(folder: Path, rate: int = 16000):
    """A cut of 2 s with words at 0.5-0.75 s and 1.25-1.5 s, its audio a file named by an absolute path."""
    from lhotse import MonoCut, Recording, SupervisionSegment
    from lhotse.supervision import AlignmentItem

    wave = np.random.default_rng(1).standard_normal(2 * rate) * 0.1
    soundfile.write(folder / "x.wav", wave, rate)
    alignment = {
        "words": [
            AlignmentItem("Hello", 0.5, 0.25),
            AlignmentItem("<eps>", 0.75, 0.5),
            AlignmentItem("you", 1.25, 0.25),
        ]
    }
    told = SupervisionSegment("s", "x", 0.0, 2.0, text="hello you", speaker="ann", alignment=alignment)
    return MonoCut("c", 0.0, 2.0, 0, [told], recording=Recording.from_file(folder / "x.wav"))


def save(path: Path, *cuts: object) -> Path:
    from lhotse import CutSet

    CutSet.from_cuts(cuts).to_file(path)
    return path


def test_a_cutset_of_lhotse(tmp_path: Path) -> None:
    cut = lhotse_cut(tmp_path)
    corpus = open_corpus(save(tmp_path / "cuts.jsonl.gz", cut), tiers=["word"])
    (utterance,) = corpus.utterances()
    assert utterance == Utterance(
        "c", "ann", "", 32000, "hello you", {"word": (Segment("hello", 8000, 12000), Segment("you", 20000, 24000))}
    )
    assert np.array_equal(corpus.read(utterance), cut.load_audio()[0])
    assert open_corpus(tmp_path).digest == corpus.digest


def test_lhotse_leaves_alignments_where_they_were(tmp_path: Path) -> None:
    """The trap: the first assertion fails when lhotse mends it; the corpus is right before and after."""
    part = lhotse_cut(tmp_path).truncate(offset=0.4, duration=1.2, preserve_id=True)
    assert part.supervisions[0].start == -0.4
    assert [item.start for item in part.supervisions[0].alignment["words"]] == [0.5, 0.75, 1.25]
    right = (Segment("hello", 1600, 5600), Segment("you", 13600, 17600))
    corpus = open_corpus(save(tmp_path / "cuts.jsonl", part))
    (utterance,) = corpus.utterances()
    assert utterance.tiers["word"] == right
    assert np.array_equal(corpus.read(utterance), part.load_audio()[0])


def test_times_that_count_from_the_cut(tmp_path: Path) -> None:
    """Somebody mended the trap: believed where a cut of the manifest tells, refused where it cannot be told."""

    def mended(offset: float) -> Any:
        part = lhotse_cut(tmp_path).truncate(offset=offset, duration=1.2, preserve_id=True)
        told = part.supervisions[0]
        told.alignment = {"words": [item.with_offset(-offset) for item in told.alignment["words"]]}
        part.id = f"from {offset}"
        return part

    near, far = mended(0.4), mended(0.5)
    with pytest.raises(LaminaError, match=r"cut 'from 0.4' fits whether its times count .* no other cut tells"):
        open_corpus(save(tmp_path / "cuts.jsonl", near))
    far.supervisions[0].start, far.supervisions[0].duration = 0.0, 1.2
    far.supervisions[0].alignment["words"] = far.supervisions[0].alignment["words"][:1]
    first, second = open_corpus(save(tmp_path / "cuts.jsonl", near, far)).utterances()
    assert first.tiers["word"] == (Segment("hello", 1600, 5600), Segment("you", 13600, 17600))
    assert second.tiers["word"] == (Segment("hello", 0, 4000),)
    whole = lhotse_cut(tmp_path).truncate(offset=0.75, duration=1.2, preserve_id=False)
    whole.supervisions[0].start, whole.supervisions[0].duration = 0.5, 0.3
    whole.supervisions[0].alignment["words"] = whole.supervisions[0].alignment["words"][2:]
    with pytest.raises(LaminaError, match=r"counts from its recording's start and that of cut 'from 0.5' from"):
        open_corpus(save(tmp_path / "cuts.jsonl", near, far, whole))


def test_other_rates_are_resampled_and_said(tmp_path: Path) -> None:
    cut = lhotse_cut(tmp_path, 22050)
    corpus = open_corpus(save(tmp_path / "cuts.jsonl", cut))
    (utterance,) = corpus.utterances()
    assert utterance.samples == 32000
    assert utterance.tiers["word"][0] == Segment("hello", 8000, 12000)
    *others, last = corpus.notes
    assert others == [
        "1 speakers: ann",
        "word: 2 segments of 2 types, hello, you",
        "word labels that are no segments (1): '<eps>'",
    ]
    assert last == (
        "1 of 1 utterances are at 22,050 Hz: resampled to 16,000 Hz by soxr when read, boundaries moved to the "
        "nearest sample"
    )
    whole = corpus.read(utterance)
    assert np.array_equal(corpus.read(utterance, 700, 900), whole[700:900])
    tone = np.sin(2 * np.pi * 440 * np.arange(22050) / 22050).astype(np.float32)
    expected = np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)
    assert np.abs(resample(tone, 22050, 16000) - expected)[200:-200].max() < 1e-3


def test_cuts_that_are_more_than_a_file(tmp_path: Path) -> None:
    cut = lhotse_cut(tmp_path).perturb_speed(1.25)
    corpus = open_corpus(save(tmp_path / "cuts.jsonl", cut))
    (utterance,) = corpus.utterances()
    assert utterance.samples == 25600
    assert utterance.tiers["word"][0] == Segment("hello", 6400, 9600)
    assert np.allclose(corpus.read(utterance, 10, 500), cut.load_audio()[0][10:500])


def test_cutsets_that_do_not_fit(tmp_path: Path) -> None:
    cut = lhotse_cut(tmp_path)
    path = save(tmp_path / "cuts.jsonl", cut, cut)
    with pytest.raises(LaminaError, match="two utterances with the id 'c'"):
        open_corpus(path)
    with pytest.raises(LaminaError, match=r"no 'phone' tier \(it has: word\)"):
        open_corpus(save(tmp_path / "cuts.jsonl", cut), tiers=["phones"])
    path.write_text("")
    with pytest.raises(LaminaError, match=r"holds no utterance|does not read"):
        open_corpus(path)
    path.write_text(json.dumps(cut.recording.to_dict()) + "\n")
    with pytest.raises(LaminaError, match="holds Recording objects, not cuts"):
        open_corpus(path)


def test_a_run_that_made_a_corpus_opens_as_that_corpus(tmp_path: Path) -> None:
    made = written(tmp_path / "corpus-1" / "corpus")
    assert open_corpus(tmp_path / "corpus-1").digest == made.digest


def test_trials_hold_no_ends_of_lines(tmp_path: Path) -> None:
    write_trials(tmp_path, [Trial("dev", True, "a b", "c\u00e9")])
    assert list(read_trials(tmp_path)) == [Trial("dev", True, "a b", "c\u00e9")]
    for odd in ("a\tb", "a\nb", "a\rb", "a\u2028b", "a\x85b", "a\x0cb"):
        with pytest.raises(LaminaError, match="holds a tab or ends a line"):
            write_trials(tmp_path, [Trial("dev", True, "a", odd)])


def test_many_utterances_are_listed_anew_at_each_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = written(tmp_path / "small")
    monkeypatch.setattr(stored, "KEPT", 2)
    large = written(tmp_path / "large")
    assert (large.digest, len(large)) == (small.digest, 3)
    for corpus, again in ((small, True), (large, False)):
        once, twice = list(corpus.utterances()), list(corpus.utterances())
        assert once == twice == UTTERANCES
        assert (once[0] is twice[0]) == again
        assert list(corpus.utterances("test")) == UTTERANCES[2:]
