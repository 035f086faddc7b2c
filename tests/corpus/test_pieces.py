"""Long audio in pieces: every sample once, every segment once or counted, pauses first; in each room."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from corpus_help import textgrid
from hypothesis import given
from hypothesis import strategies as st

from lamina.analysis.config import AnalysisConfig
from lamina.analysis.forecast import forecast
from lamina.analysis.plan import Sweep
from lamina.analysis.sweep import analyze
from lamina.corpus.corpus import Corpus, Segment, Utterance
from lamina.corpus.open import open_corpus
from lamina.corpus.pieces import Pieces, in_pieces, notes_of
from lamina.corpus.stored import AudioFile
from lamina.corpus.trials import Trial, write_trials
from lamina.encoders.features import MfccEncoder
from lamina.errors import LaminaError
from lamina.pretrain.units import UnitsConfig, fit_units, label_corpus
from lamina.probe.config import ProbeConfig
from lamina.probe.probe import probe

RATE, MOST = 100, 1000


class Made:
    """A corpus of given utterances, whose every sample is its own number."""

    name, digest, sample_rate = "made", "made", RATE

    def __init__(self, *utterances: Utterance) -> None:
        self._utterances = utterances

    def __len__(self) -> int:
        return len(self._utterances)

    def utterances(self, split: str | None = None) -> list[Utterance]:
        return [one for one in self._utterances if split in {None, one.split}]

    def read(self, utterance: Utterance, start: int = 0, stop: int | None = None) -> np.ndarray:
        assert utterance in self._utterances or not utterance.tiers  # pieces need not carry what is said
        return np.arange(start, utterance.samples if stop is None else stop, dtype=np.float32)


@st.composite
def spoken(draw: st.DrawFn) -> Utterance:
    """Words of some phones, and pauses, on an odd number of samples."""
    phones, words, at = [], [], draw(st.integers(0, 300))
    for number in range(draw(st.integers(0, 40))):
        begin = at
        for phone in range(draw(st.integers(1, 4))):
            length = draw(st.integers(1, 90))
            phones.append(Segment(f"p{phone}", at, at + length))
            at += length
        words.append(Segment(f"w{number}", begin, at))
        at += draw(st.sampled_from([0, 0, 0, 7, 40, 900]))
    samples = at + draw(st.integers(1, 2500))
    tiers = {"phone": tuple(phones), "word": tuple(words)} if draw(st.booleans()) else {"phone": tuple(phones)}
    return Utterance("long", "s", "train", samples, "said", tiers, {"emotion": "joy"})


@given(spoken())
def test_every_sample_and_segment_is_in_one_piece_or_counted(utterance: Utterance) -> None:
    corpus = Made(utterance, Utterance("short", "s", "test", MOST, "", {}))
    made = in_pieces(corpus, MOST / RATE)
    if utterance.samples <= MOST:
        assert made is corpus
        return
    *pieces, short = made.utterances()
    assert short.id == "short"
    assert len(made) == len(pieces) + 1
    assert all(MOST // 8 <= piece.samples <= MOST for piece in pieces)
    starts = np.cumsum([0, *(piece.samples for piece in pieces)]).tolist()
    assert starts[-1] == utterance.samples
    read = np.concatenate([made.read(piece) for piece in pieces])
    assert (read == np.arange(utterance.samples)).all()
    assert made.read(pieces[1], 3, 9).tolist() == [starts[1] + place for place in range(3, 9)]
    for name, tier in utterance.tiers.items():
        there = [
            Segment(s.label, s.onset + start, s.offset + start)
            for piece, start in zip(pieces, starts, strict=False)
            for s in piece.tiers[name]
        ]
        lost = [segment for segment in tier if segment not in there]
        assert len(there) + len(lost) == len(tier)
        across = [segment for segment in tier if any(segment.onset < cut < segment.offset for cut in starts)]
        assert lost == across
        said = f"{len(lost)} {name} segments lie across a cut and are left out"
        assert (said in notes_of(made)) == bool(lost)
    assert {(one.speaker, one.split, one.labels["emotion"]) for one in pieces} == {("s", "train", "joy")}
    words = " ".join(piece.text for piece in pieces).split()
    assert words == [s.label for piece in pieces for s in piece.tiers.get("word", ())]
    assert any("have a text without times" in note for note in notes_of(made)) == ("word" not in utterance.tiers)
    assert in_pieces(made, MOST / RATE) is made


def test_cuts_lie_in_the_widest_pause() -> None:
    tier = tuple(Segment("x", at, at + 95) for at in range(0, 3000, 100))
    tier = tuple(s for s in tier if s.onset not in {700, 1500})  # two pauses of 105 samples
    made = in_pieces(Made(Utterance("long", "s", "", 3000, "", {"phone": tier})), MOST / RATE)
    first, second, *_ = made.utterances()
    assert first.samples == (695 + 800) // 2
    assert first.samples + second.samples == (1495 + 1600) // 2
    assert not any("left out" in note for note in notes_of(made))


def test_what_is_read_whole() -> None:
    corpus = Made(Utterance("long", "s", "", 3000, "", {}))
    assert in_pieces(corpus, 0) is corpus
    assert in_pieces(corpus, 5.0, listed=True) is corpus
    assert len(in_pieces(corpus, 0, window=1500)) == 2
    assert [piece.samples for piece in in_pieces(corpus, 20.0, window=1500).utterances()] == [1500, 1500]


def test_a_piece_is_no_other_utterance() -> None:
    corpus = Made(Utterance("long", "s", "", 3000, "", {}), Utterance("long-001", "s", "", 10, "", {}))
    with pytest.raises(LaminaError, match="made: long-001 is an utterance and a piece of one: rename it"):
        in_pieces(corpus, 10.0)


def test_utterances_of_trials_stay_whole(tmp_path: Path) -> None:
    corpus = Made(Utterance("long", "s", "", 3000, "", {}))
    corpus.folder = tmp_path  # type: ignore[attr-defined]
    assert isinstance(in_pieces(corpus, 10.0), Pieces)
    write_trials(tmp_path, [Trial("test", True, "long", "long")])
    assert in_pieces(corpus, 10.0) is corpus


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000])
def test_a_stretch_of_a_long_file_at_another_rate_is_that_of_the_whole(tmp_path: Path, rate: int) -> None:
    wave = np.random.default_rng(0).normal(0, 0.1, 70 * rate + 17).astype(np.float32)
    soundfile.write(tmp_path / "x.wav", wave, rate, subtype="FLOAT")
    audio = AudioFile(str(tmp_path / "x.wav"), rate, 0, len(wave))
    (utterance,) = open_corpus(tmp_path).utterances()
    whole = audio.read(16000, 0, utterance.samples)
    assert len(whole) == utterance.samples
    for start, stop in ((0, 5000), (16001, 48003), (777_777, 800_000), (utterance.samples - 9, utterance.samples)):
        assert np.abs(audio.read(16000, start, stop) - whole[start:stop]).max() < 1e-5


def recordings(folder: Path, seconds: int = 12) -> Corpus:
    """Six speakers, a recording each: noises of four colours, a pause after every eight."""
    generator = np.random.default_rng(1)
    for speaker in "abcdef":
        waves, spans, at = [], [], 0.0
        while at < seconds:
            for _ in range(8):
                phone = int(generator.integers(4))
                noise = generator.normal(0, 0.1, 1600)
                waves.append(np.convolve(noise, np.ones(1 + 3 * phone) / (1 + phone), "same"))
                spans.append((at, at + 0.1, f"p{phone}"))
                at += 0.1
            waves.append(np.zeros(3200))
            at += 0.2
        (folder / speaker).mkdir(parents=True)
        soundfile.write(folder / speaker / "talk.wav", np.concatenate(waves).clip(-1, 1), 16000)
        textgrid(folder / speaker / "talk.TextGrid", phones=spans)
    return open_corpus(folder)


def test_scores_of_pieces_are_those_of_the_whole_where_frames_see_no_further(tmp_path: Path) -> None:
    corpus, encoder = recordings(tmp_path), MfccEncoder("none")
    config = AnalysisConfig(targets=("phone",), measures=("cca", "knn"), chunk_seconds=0, shuffles=0)
    whole = analyze(encoder, corpus, config)
    cut = analyze(encoder, corpus, config.model_copy(update={"chunk_seconds": 4.0}))
    assert cut.notes[0].startswith("6 of 6 utterances are longer than 4 s: read in ")
    assert [row.n for row in cut.scores] == [row.n for row in whole.scores]
    found = {row.measure: row.value for row in cut.scores}
    for row in whole.scores:
        assert found[row.measure] == pytest.approx(row.value, abs=0.01)


def test_an_encoder_with_a_window_reads_pieces_of_it(tmp_path: Path) -> None:
    corpus, encoder = recordings(tmp_path), MfccEncoder("none")
    encoder.window_samples = 8 * 16000
    sweep = Sweep(encoder, corpus, AnalysisConfig(targets=("phone",), measures=("cca",)))
    read = [one for phase in sweep.phases for group in phase for one in group]
    assert max(one.samples for one in read) <= 8 * 16000
    assert sum(one.samples for one in read) == sum(one.samples for one in corpus.utterances())


def test_probes_and_units_read_pieces(tmp_path: Path) -> None:
    corpus, encoder = recordings(tmp_path / "speech"), MfccEncoder("utterance")
    config = ProbeConfig(
        tasks=("phone",), heads=("linear",), rates=(0.01,), seeds=(0,), steps=5, chunk_seconds=4.0, replicates=2
    )
    assert any("longer than 4 s: read in" in note for note in probe(encoder, corpus, config).notes)
    asked = UnitsConfig(clusters=4, split="", chunk_seconds=4.0)
    units, quality = label_corpus(asked, fit_units(encoder, "", corpus, asked), corpus, tmp_path)
    cut = units.pieces(corpus)
    units.check(cut, cut.utterances())
    assert len(units.ids) == len(cut) > len(corpus)
    assert quality["label-purity"] > 0.4
    with pytest.raises(LaminaError, match="the units were made for corpus"):
        units.check(corpus, ())


def test_a_plan_tells_the_pieces_and_the_peak_of_the_longest_batch(tmp_path: Path) -> None:
    config = AnalysisConfig(targets=("phone",), measures=("cca",), chunk_seconds=4.0)
    told = forecast(Sweep(MfccEncoder("none"), recordings(tmp_path), config), timed=True)
    assert "6 of 6 utterances are longer than 4 s: read in " in str(told)
    assert " in all at the longest batch" in str(told)
    assert told.peak is not None
    assert told.peak >= told.memory
