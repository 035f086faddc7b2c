"""The check passes on good speech and finds each fault in a damaged copy of it."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from corpus_help import textgrid, tone, write

from lamina.corpus.check import check, examine
from lamina.corpus.importers.importing import import_corpus
from lamina.corpus.open import open_corpus
from lamina.corpus.shift import Shift, draw, shift
from lamina.corpus.stored import audio_file
from lamina.corpus.synth.config import Speakers, SynthConfig
from lamina.corpus.synth.synthesis import synthesize

pytest.importorskip("espeakng_loader")


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some synthetic speech: three speakers, exact phones, syllables and words."""
    folder = tmp_path_factory.mktemp("good") / "corpus"
    synthesize(SynthConfig(seed=3, minutes=0.6, speakers=Speakers(train=1, dev=1, test=1)), folder)
    return folder


def damaged(good: Path, folder: Path, change: Callable[[list[dict[str, Any]]], None]) -> Path:
    """A copy whose manifest's rows ``change`` alters."""
    shutil.copytree(good, folder)
    path = folder / "cuts.jsonl.gz"
    rows = [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]
    change(rows)
    path.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode(), mtime=0))
    return folder


def tier(row: dict[str, Any], name: str) -> list[list[Any]]:
    return row["supervisions"][0]["alignment"][name]


def test_good_speech_passes(good: Path) -> None:
    _, lines, found = examine(good)
    assert lines == []
    assert found is not None
    assert abs(found.best_ms) < 5
    assert max(found.as_starts, found.as_ends) < 0.5 * max(found.shares)


def beyond(rows: list[dict[str, Any]]) -> None:
    tier(rows[0], "word")[-1][2] += 5.0


def overlapping(rows: list[dict[str, Any]]) -> None:
    tier(rows[0], "phone")[2][1] -= 0.02


def unsorted(rows: list[dict[str, Any]]) -> None:
    tier(rows[0], "phone").reverse()


def no_length(rows: list[dict[str, Any]]) -> None:
    tier(rows[0], "phone")[1][2] = 0.0


def unknown(rows: list[dict[str, Any]]) -> None:
    tier(rows[0], "phone")[1][0] = "QQ"
    tier(rows[1], "word")[0][0] = "<mumble>"


def no_phones(rows: list[dict[str, Any]]) -> None:
    word = tier(rows[0], "word")[0]
    phones = tier(rows[0], "phone")
    rows[0]["supervisions"][0]["alignment"]["phone"] = [p for p in phones if p[1] >= word[1] + word[2]]


def not_whole(rows: list[dict[str, Any]]) -> None:
    tier(rows[0], "word")[0][2] -= 0.03


def twice(rows: list[dict[str, Any]]) -> None:
    rows.append(rows[0])


def no_audio(rows: list[dict[str, Any]]) -> None:
    rows[0]["recording"]["sources"][0]["source"] = "audio/gone.flac"


def two_splits(rows: list[dict[str, Any]]) -> None:
    rows[0]["supervisions"][0]["custom"]["split"] = "test"


def fewer_tiers(rows: list[dict[str, Any]]) -> None:
    del rows[0]["supervisions"][0]["alignment"]["word"]


def other_rate(rows: list[dict[str, Any]]) -> None:
    rows[0]["recording"]["sampling_rate"] = 8000
    rows[0]["recording"]["duration"] *= 2
    rows[0]["duration"] *= 2


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (beyond, "lies outside the audio"),
        (overlapping, "overlaps"),
        (unsorted, "unsorted"),
        (no_length, "of no length"),
        (unknown, "the phone 'QQ' is none of ARPAbet (1 times"),
        (unknown, "the word '<mumble>' looks like a mark"),
        (no_phones, "words have no phones"),
        (not_whole, "words end within their last phone"),
        (twice, "has two utterances with the id"),
        (no_audio, "there is no audio file"),
        (two_splits, "is in several splits (test, train)"),
        (fewer_tiers, "no 'word' tier, which"),
        (other_rate, "mixed sample rates (1 at 8,000 Hz"),
    ],
)
def test_each_fault_of_the_manifest(good: Path, tmp_path: Path, change: Any, says: str) -> None:
    _, lines, _ = examine(damaged(good, tmp_path / "copy", change))
    assert any(says in line for line in lines), lines
    if change not in {unsorted, twice, no_audio}:  # these change nothing that is read
        assert any("is not what corpus.json describes" in line for line in lines)
    assert len(lines) <= 16, "only what was damaged is told"


def unstamped(rows: list[dict[str, Any]]) -> None:
    """As if the audio had been so when the manifest was made."""
    for row in rows:
        del row["custom"]["lamina_stamp"]


def loud(wave: np.ndarray) -> np.ndarray:
    return np.clip(30 * wave, -1, 1)


def pause(wave: np.ndarray) -> np.ndarray:
    wave[2000:35000] = 0
    return wave


def mute(wave: np.ndarray) -> np.ndarray:
    return 0 * wave


def short(wave: np.ndarray) -> np.ndarray:
    return wave[: len(wave) // 2]


def empty(wave: np.ndarray) -> np.ndarray:
    return wave[:0]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (loud, "clipped"),
        (pause, "s of silence from"),
        (mute, "silent from start to end"),
        (short, "samples were expected|samples, .* were expected"),
        (empty, "were expected|does not decode"),
    ],
)
def test_each_fault_of_the_audio(good: Path, tmp_path: Path, change: Any, says: str) -> None:
    import re

    damaged(good, tmp_path / "copy", unstamped)
    longest = max(open_corpus(good).utterances(), key=lambda utterance: utterance.samples)
    path = tmp_path / "copy" / "audio" / f"{longest.id}.flac"
    wave, rate = soundfile.read(path, dtype="float32")
    soundfile.write(path, change(wave), rate)
    _, lines, _ = examine(tmp_path / "copy")
    assert len(lines) == 1
    assert re.search(says, lines[0])
    assert longest.id in lines[0]


@pytest.mark.parametrize("kind", ["WAV", "RF64", "AIFF"])
def test_audio_that_is_cut_in_half(tmp_path: Path, kind: str) -> None:
    """libsndfile reads what is there and says nothing; the header still promises the rest."""
    wave = np.random.default_rng(0).uniform(-0.5, 0.5, 16000)
    for name in ("whole", "half"):
        soundfile.write(tmp_path / f"{name}.wav", wave, 16000, format=kind, subtype="PCM_16")
    data = (tmp_path / "half.wav").read_bytes()
    (tmp_path / "half.wav").write_bytes(data[: len(data) // 2])
    _, lines, _ = examine(tmp_path)
    assert len(lines) == 1
    assert f"half: its header promises {len(data) - len(data) // 2:,} bytes more than the file has" in lines[0]


def test_an_mp3_that_does_not_tell_its_length(tmp_path: Path) -> None:
    """Without Xing's header libsndfile guesses from the first frame, and reads no further."""
    for rate, channels in ((16000, 1), (44100, 2), (22050, 1), (8000, 2)):
        wave = np.random.default_rng(0).uniform(-0.3, 0.3, (rate * 4, channels))
        soundfile.write(tmp_path / "told.mp3", wave, rate)
        data = (tmp_path / "told.mp3").read_bytes()
        first = 144 if rate > 32000 else 72
        assert b"Info" in data[:200] or b"Xing" in data[:200]
        same = [n for n in range(first, 2000) if data[n : n + 2] == data[:2] and data[n + 2] & 12 == data[2] & 12]
        length = same[0]
        tag = b"ID3\x04\0\0" + bytes([0, 0, 1, 5]) + b"x" * 133
        (tmp_path / "untold.mp3").write_bytes(tag + data[length:])
        guess = soundfile.info(tmp_path / "untold.mp3").frames
        told, _ = audio_file(tmp_path / "told.mp3")
        untold, _ = audio_file(tmp_path / "untold.mp3")
        assert told.samples == rate * 4
        assert 0 <= untold.samples - told.samples < 3 * 1152, "the codec's delay is not known either"
        assert guess < 0.9 * untold.samples
        heard = untold.read(rate, 0, untold.samples)
        assert heard[-2 * 1152 - rate // 2 : -2 * 1152].std() > 0.05, "to its end"


def test_faults_of_a_folder_are_a_line_each(tmp_path: Path) -> None:
    """What stops an analysis at the first fault is a line here, and all of them are told."""
    for name in "abcdef":
        tone(tmp_path / f"{name}.wav")
        textgrid(tmp_path / f"{name}.TextGrid", words=[(0.1, 0.5, "one"), (0.5, 0.9, "two")])
    (tmp_path / "a.wav").write_bytes(b"RIFF no audio")
    soundfile.write(tmp_path / "b.wav", np.zeros(0), 16000)
    textgrid(tmp_path / "c.TextGrid", words=[(0.1, 0.5, "one"), (0.4, 0.9, "two")])
    textgrid(tmp_path / "d.TextGrid", words=[(0.1, 0.5, "sil"), (0.6, 0.9, "two")])
    (tmp_path / "e.TextGrid").write_text("half")
    tone(tmp_path / "more" / "f.wav")
    write(tmp_path / "manifest.tsv", "path\tspeaker\na.wav\tx\na.wav\ty\ngone.wav\tx\n")
    _, lines, _ = examine(tmp_path)
    for says in (
        "a.wav does not decode", "b.wav holds no audio", "'two' from 0.4000 s", "a gap: 0.1000 s without any",
        "e.TextGrid does not parse", "the name 'f' is that of 2 files", "has two rows for 'a.wav'",
        "the manifest names 'gone.wav', but there is no such audio",
    ):  # fmt: skip
        assert sum(says in line for line in lines) == 1, (says, lines)


def moved(milliseconds: float) -> Callable[[list[dict[str, Any]]], None]:
    def change(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            row["supervisions"][0]["alignment"] = {
                name: [
                    [label, start + milliseconds / 1000, length, None]
                    for label, start, length, _ in items
                    if start + milliseconds / 1000 >= 0 and start + length + milliseconds / 1000 <= row["duration"]
                ]
                for name, items in row["supervisions"][0]["alignment"].items()
            }

    return change


@pytest.mark.parametrize("milliseconds", [-60, -25, 25, 60])
def test_the_shift_test_tells_by_how_much(good: Path, tmp_path: Path, milliseconds: float) -> None:
    _, lines, found = examine(damaged(good, tmp_path / "copy", moved(milliseconds)))
    assert found is not None
    assert found.best_ms == pytest.approx(-milliseconds, abs=6)
    when = "late" if milliseconds > 0 else "early"
    assert any(f"the 'phone' labels are {when} by about" in line for line in lines)


def test_no_alarm_where_it_cannot_be_told(good: Path, tmp_path: Path) -> None:
    """Labels that say nothing of the sound, rare ones, and a best offset at the edge of those tried."""
    rng = np.random.default_rng(0)

    def meaningless(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            for item in tier(row, "phone"):
                item[0] = str(rng.integers(8))

    def rare(rows: list[dict[str, Any]]) -> None:
        for number, row in enumerate(rows):
            for item in tier(row, "phone"):
                item[0] = f"{number} {item[0]}"

    for name, change in (("a", meaningless), ("b", rare)):
        corpus, lines, found = examine(damaged(good, tmp_path / name, change))
        assert corpus is not None
        assert found is not None
        assert not any("labels are" in line for line in lines)
    offsets = tuple(5.0 * step for step in range(-20, 21))
    for best, says in ((0, ""), (1, ""), (10, "late by about 50 ms"), (20, ""), (30, "early by"), (40, "")):
        shares = [0.2] * 41
        shares[best] = 0.25
        told = Shift("word", offsets, tuple(shares), 0.1, 0.1, offsets[best], ([*shares, 0.1, 0.1],) * 2)
        assert says in told.verdict
        assert bool(told.verdict) == bool(says)
        doubtful = ([*shares, 0.1, 0.1], [0.2] * 41 + [0.1, 0.1])
        assert not Shift("word", offsets, tuple(shares), 0.1, 0.1, offsets[best], doubtful).verdict


@pytest.mark.parametrize("starts", [True, False])
def test_the_shift_test_knows_starts_from_ends(good: Path, tmp_path: Path, starts: bool) -> None:
    """Rewrite good phones as one stamp each, and read the stamps the wrong way."""
    for utterance in open_corpus(good).utterances():
        stamps, at = [], 0
        for segment in utterance.tiers["phone"]:
            if segment.onset > at:
                stamps.append(("sil", at, segment.onset))
            stamps.append((segment.label, segment.onset, segment.offset))
            at = segment.offset
        lines = [f" {(onset if starts else offset) / 16000:.6f} 121 {label}" for label, onset, offset in stamps]
        write(tmp_path / "raw" / f"{utterance.id}.lab", "signal\n#\n" + "\n".join(lines) + "\n")
        shutil.copy(good / "audio" / f"{utterance.id}.flac", tmp_path / "raw")
    right, wrong = ("starts", "ends") if starts else ("ends", "starts")
    as_they_are = import_corpus("folder", tmp_path / "raw", tmp_path / "right", stamps=right)
    assert not any("read as" in line for line in check(as_they_are)[0])
    turned = import_corpus("folder", tmp_path / "raw", tmp_path / "wrong", stamps=wrong)
    says = f"the times are {right} and were read as {wrong}"
    assert any(says in line for line in check(turned)[0])


def test_the_picture(good: Path, tmp_path: Path) -> None:
    corpus = open_corpus(good)
    found = shift(corpus, "phone")
    assert found is not None
    draw(found, corpus, tmp_path / "shift.png")
    draw(found, corpus, tmp_path / "shift.svg")
    assert (tmp_path / "shift.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (tmp_path / "shift.svg").read_text()


def test_real_alignments_fit(shared: Path, tmp_path: Path) -> None:
    for name in ("vctk", "ljspeech"):
        _, lines, found = examine(shared / "data" / name)
        assert lines == []
        assert found is not None
        assert abs(found.best_ms) < 15
