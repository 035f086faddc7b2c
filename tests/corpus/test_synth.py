"""Synthetic speech: the same bits every time, boundaries where the sound changes, faults repaired."""

from __future__ import annotations

import filecmp
import importlib.util
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from corpus_help import write

from lamina.corpus.corpus import Corpus, Segment, Utterance
from lamina.corpus.stored import StoredCorpus
from lamina.corpus.synth import espeak as espeak_module
from lamina.corpus.synth.alignment import MergedError, align
from lamina.corpus.synth.config import SynthConfig
from lamina.corpus.synth.espeak import PHONEME, WORD, Espeak, Event, Speech
from lamina.corpus.synth.grammar import LEAST_WORDS, MERGED, MOST_WORDS, Lexicon, sentence
from lamina.corpus.synth.phones import CLASSES, LABELS
from lamina.corpus.synth.syllables import syllabify
from lamina.corpus.synth.synthesis import synthesize
from lamina.corpus.synth.voices import voices
from lamina.errors import LaminaError

SMALL = SynthConfig(minutes=1.0, shared_sentences=1)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> StoredCorpus:
    return synthesize(SMALL, tmp_path_factory.mktemp("synth") / "one")


def test_same_bits_with_any_number_of_workers(corpus: StoredCorpus, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(espeak_module, "REPLACE_AFTER", 5)  # workers come and go meanwhile
    seen: list[tuple[int, int]] = []
    again = synthesize(SMALL, tmp_path / "two", workers=2, progress=lambda *done: seen.append(done))
    assert again.digest == corpus.digest
    one, two = corpus_folder(corpus), tmp_path / "two"
    files = sorted(path.relative_to(one) for path in one.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(two) for path in two.rglob("*") if path.is_file())
    assert filecmp.cmpfiles(one, two, map(str, files), shallow=False) == ([str(path) for path in files], [], [])
    assert seen == sorted(seen)
    assert seen[-1] == (60, 60)


def test_another_seed_is_another_corpus(corpus: StoredCorpus, tmp_path: Path) -> None:
    other = synthesize(SMALL.model_copy(update={"seed": 2, "minutes": 0.2}), tmp_path / "other")
    assert {u.text for u in other.utterances()} != {u.text for u in corpus.utterances()}


def test_speakers_and_splits(corpus: StoredCorpus) -> None:
    speakers: dict[str, set[str]] = {}
    for utterance in corpus.utterances():
        speakers.setdefault(utterance.split, set()).add(utterance.speaker)
    assert {split: len(names) for split, names in speakers.items()} == {"train": 10, "dev": 2, "test": 4}
    assert len(set.union(*speakers.values())) == 16
    seconds = sum(utterance.samples for utterance in corpus.utterances()) / 16000
    assert 60 <= seconds < 60 + 16 * 8
    first = {utterance.id: utterance.text for utterance in corpus.utterances() if utterance.id.endswith("-0000")}
    assert len(first) == 16
    assert len(set(first.values())) == 1, "the shared sentence comes first"
    cast = voices(SMALL)
    assert len({(voice.accent, voice.variant) for voice in cast}) == 16
    many = voices(SynthConfig.model_validate({"speakers": {"train": 60, "dev": 0, "test": 20}}))
    assert len({(voice.accent, voice.variant) for voice in many}) == 80


def test_tiers_nest_and_words_are_the_text(corpus: StoredCorpus) -> None:
    for utterance in corpus.utterances():
        words, phones, parts = (utterance.tiers[name] for name in ("word", "phone", "syllable"))
        assert " ".join(word.label for word in words) == utterance.text
        for tier in (words, phones, parts):
            assert all(0 <= s.onset < s.offset <= utterance.samples for s in tier)
            assert all(a.offset <= b.onset for a, b in pairwise(tier))
        assert {phone.label for phone in phones} <= set(CLASSES)
        for small, big in ((phones, parts), (parts, words)):
            for outer in big:
                inner = [s for s in small if outer.onset <= s.onset and s.offset <= outer.offset]
                assert (inner[0].onset, inner[-1].offset) == (outer.onset, outer.offset)
            assert all(any(o.onset <= s.onset and s.offset <= o.offset for o in big) for s in small)
        assert "-".join(part.label for part in parts).split("-") == [phone.label for phone in phones]


def test_a_word_is_said_alike(corpus: StoredCorpus) -> None:
    """Words own their own phones: were events given to the wrong word, pronunciations would scatter."""
    said: dict[str, Counter[str]] = {}
    for utterance in corpus.utterances():
        for word in utterance.tiers["word"]:
            inside = [p.label for p in utterance.tiers["phone"] if word.onset <= p.onset < word.offset]
            said.setdefault(word.label, Counter())[" ".join(inside)] += 1
    usual = sum(counts.most_common(1)[0][1] for counts in said.values())
    assert usual / sum(sum(counts.values()) for counts in said.values()) > 0.85
    assert said["house"].keys() == {"HH AW S"}


def test_boundaries_lie_where_the_sound_changes(corpus: StoredCorpus) -> None:
    """Median distance from a boundary to the nearest peak of spectral change, against random places."""
    rng = np.random.default_rng(0)
    distances: dict[str, list[float]] = {"phone": [], "word": [], "chance": []}
    for utterance in corpus.utterances():
        peaks = spectral_changes(corpus.read(utterance))
        if len(peaks) < 3:
            continue
        places = {
            name: sorted({at for s in utterance.tiers[name] for at in (s.onset, s.offset)})
            for name in ("phone", "word")
        }
        low, high = places["word"][0], places["word"][-1]
        places["chance"] = list(rng.uniform(low, high, 50))
        for name, where in places.items():
            distances[name] += [float(np.abs(peaks - at).min()) / 16 for at in where]
    median = {name: float(np.median(values)) for name, values in distances.items()}
    assert median["phone"] < 7, median
    assert median["word"] < 8, median
    assert median["chance"] > 2 * median["phone"], median


def spectral_changes(wave: np.ndarray) -> np.ndarray:
    """Where the smoothed log spectrum (10 ms windows, 1 ms apart) changes most within 16 ms."""
    from scipy.signal import find_peaks

    frames = np.lib.stride_tricks.sliding_window_view(wave, 160)[::16] * np.hanning(160)
    power = np.log(np.abs(np.fft.rfft(frames, 512))[:, 1:] ** 2 + 1e-3)
    bands = np.stack([band.mean(1) for band in np.array_split(power, 24, axis=1)], axis=1)
    change = np.zeros(len(bands))
    change[8:-8] = np.linalg.norm(bands[16:] - bands[:-16], axis=1)
    return find_peaks(change, prominence=6, distance=10)[0] * 16 + 80


def speech(sounds: list[tuple[int, int]], events: list[tuple[int, int, str]], length: int) -> Speech:
    wave = np.zeros(length, np.int16)
    for start, stop in sounds:
        wave[start:stop] = 1000
    return Speech(22050, wave, tuple(Event(*event) for event in events))


def test_a_stop_owns_its_closure_and_other_silence_is_nobodys() -> None:
    said = speech(
        [(0, 1000), (1500, 2000), (2300, 3000)],
        [
            *[(WORD, 0, "1"), (PHONEME, 0, "'a"), (PHONEME, 1500, "t")],
            *[(WORD, 2000, "2"), (PHONEME, 2300, "s"), (PHONEME, 3000, "_:")],
        ],
        4000,
    )
    phones, words = align(said, ["at", "s"])
    assert phones == (Segment("AE", 0, 1000), Segment("T", 1000, 2000), Segment("S", 2300, 3000))
    assert words == (Segment("at", 0, 2000), Segment("s", 2300, 3000))


def test_a_silent_coda_l_takes_the_end_of_its_vowel() -> None:
    said = speech(
        [(0, 1000), (1600, 2000)],
        [(WORD, 0, "1"), (PHONEME, 0, "'O:"), (PHONEME, 1000, "l"), (PHONEME, 1600, "d"), (PHONEME, 2000, "_")],
        2100,
    )
    phones, words = align(said, ["called"])
    assert phones == (Segment("AO", 0, 600), Segment("L", 600, 1000), Segment("D", 1000, 2000))
    assert words == (Segment("called", 0, 2000),)


def test_the_glide_mark_lengthens_what_it_follows() -> None:
    said = speech(
        [(0, 3000)], [(WORD, 0, "1"), (PHONEME, 0, "i"), (PHONEME, 900, ";"), (PHONEME, 1500, "@")], 3000
    )
    assert align(said, ["ia"])[0] == (Segment("IY", 0, 1500), Segment("AX", 1500, 3000))


def test_merged_words_and_unknown_phones_are_told() -> None:
    said = speech([(0, 900)], [(WORD, 0, "1"), (PHONEME, 0, "I"), (PHONEME, 500, "n")], 900)
    with pytest.raises(MergedError, match="1 word events for the 2 words of 'in the'"):
        align(said, ["in", "the"])
    odd = speech([(0, 900)], [(WORD, 0, "1"), (PHONEME, 0, "q!")], 900)
    with pytest.raises(LaminaError, match="'q!', which is in no class"):
        align(odd, ["q"])


def test_espeak_repeats_itself_in_any_order() -> None:
    with Espeak() as espeak:
        texts = ["the little boy slept", "john saw a man", "we found the house"]
        first = [espeak.say(text, "gmw/en-US+f1") for text in texts]
        for text, before in reversed(list(zip(texts, first, strict=True))):
            again = espeak.say(text, "gmw/en-US+f1")
            assert np.array_equal(again.wave, before.wave)
            assert again.events == before.events


def test_merged_pairs_are_still_merged() -> None:
    """Fails when eSpeak mends this: then the grammar may use the pairs."""
    with Espeak() as espeak:
        for pair in sorted(MERGED):
            events = espeak.say(f"we dream {' '.join(pair)} book today", "gmw/en-US").events
            assert sum(event.kind == WORD for event in events) == 5, pair


def test_our_process_never_loads_espeak(tmp_path: Path) -> None:
    code = f"""if True:
        import sys
        from pathlib import Path
        from lamina.corpus.synth.config import Speakers, SynthConfig
        from lamina.corpus.synth.synthesis import synthesize
        config = SynthConfig(minutes=0.2, speakers=Speakers(train=1, dev=0, test=1))
        assert len(synthesize(config, {str(tmp_path / "speech")!r}))
        maps = Path("/proc/self/maps")
        print("espeakng_loader" in sys.modules, maps.exists() and "espeak" in maps.read_text())
    """
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.split() == ["False", "False"]


def test_espeak_errors_are_clear(monkeypatch: pytest.MonkeyPatch) -> None:
    with Espeak() as espeak, pytest.raises(LaminaError, match="no such voice"):
        espeak.say("hello", "gmw/nowhere")
    with Espeak() as espeak:
        espeak._process.kill()
        espeak._process.wait()
        with pytest.raises(LaminaError, match="worker died"):
            espeak.say("hello", "gmw/en-US")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(LaminaError, match=r"pip install 'lamina\[synth\]'"):
        Espeak()


def test_espeak_in_a_deep_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library has room for paths of 160 bytes only."""
    found = importlib.util.find_spec("espeakng_loader")
    assert found is not None
    assert found.origin is not None
    home = Path(found.origin).parent
    deep = tmp_path / ("d" * 90) / ("e" * 90) / "espeakng_loader"
    deep.mkdir(parents=True)
    for part in home.iterdir():
        (deep / part.name).symlink_to(part)
    (deep / "__init__.py").unlink()
    (deep / "__init__.py").write_text((home / "__init__.py").read_text())
    with Espeak() as espeak:
        usual = espeak.say("the deep river", "gmw/en-US")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(deep.parent), os.environ.get("PYTHONPATH", "")]))
    with Espeak() as espeak:
        assert np.array_equal(espeak.say("the deep river", "gmw/en-US").wave, usual.wave)


def test_nothing_half_written_stays(tmp_path: Path) -> None:
    config = SynthConfig.model_validate({"minutes": 0.2, "accents": ("en-US", "nowhere")})
    with pytest.raises(LaminaError, match="no such voice"):
        synthesize(config, tmp_path / "corpus", workers=2)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(LaminaError, match=r"cannot write .*in_it"):
        synthesize(SMALL, tmp_path / "file" / "in_it")


def test_the_same_command_again(tmp_path: Path) -> None:
    """What is whole and of the same config is said; anything else in the way is not overwritten."""
    write(tmp_path / "a.toml", "minutes = 0.1\nspeakers = { train = 1, dev = 0, test = 1 }\n")
    write(tmp_path / "b.toml", "minutes = 0.2\nspeakers = { train = 1, dev = 0, test = 1 }\n")

    def synth(config: str, out: str = "out") -> tuple[int, str]:
        command = [sys.executable, "-m", "lamina", "corpus", "synth", str(tmp_path / config), str(tmp_path / out)]
        told = subprocess.run(command, capture_output=True, text=True, check=False)
        return told.returncode, told.stdout + told.stderr

    code, said = synth("a.toml")
    assert (code, "made before" in said) == (0, False)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")}
    code, said = synth("a.toml")
    assert code == 0
    assert said.startswith("made before, with the same settings: ")
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")} == before
    code, said = synth("b.toml")
    assert (code, "holds a corpus that was made with other settings" in said) == (2, True)
    next((tmp_path / "out" / "audio").iterdir()).unlink()
    code, said = synth("a.toml")
    assert (code, "is no longer whole" in said) == (2, True)
    write(tmp_path / "full" / "notes.txt", "mine")
    code, said = synth("a.toml", "full")
    assert (code, "exists and nothing is overwritten" in said) == (2, True)


@pytest.mark.parametrize("seconds", [0.6, 1.2, 2.5])
def test_an_interrupt_leaves_nothing_and_shows_no_traceback(tmp_path: Path, seconds: float) -> None:
    """Ctrl-C reaches the whole group of processes, eSpeak's workers while they start, too."""
    write(tmp_path / "a.toml", "minutes = 30\n")
    command = [sys.executable, "-m", "lamina", "corpus", "synth", str(tmp_path / "a.toml"), str(tmp_path / "out")]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, process_group=0)
    while not list(tmp_path.glob(".out.*.partial")):
        time.sleep(0.01)
        assert running.poll() is None
    time.sleep(seconds)
    os.killpg(running.pid, signal.SIGINT)
    said, _ = running.communicate(timeout=60)
    assert (running.returncode, b"Traceback" in said) == (130, False), said
    assert [path.name for path in tmp_path.iterdir()] == ["a.toml"]


def test_grammar() -> None:
    lexicon = Lexicon.of(200)
    words = [word for members in lexicon.words.values() for word in members]
    assert 200 <= len(set(words)) <= 300
    assert len(set(LABELS)) == sum(len(mnemonics.split()) for mnemonics in CLASSES.values()), "a mnemonic twice"
    rng = np.random.default_rng(3)
    sentences = [sentence(lexicon, rng) for _ in range(2000)]
    assert sentences[:5] == [sentence(lexicon, r) for r in [np.random.default_rng(3)] for _ in range(5)]
    assert all(LEAST_WORDS <= len(said) <= MOST_WORDS for said in sentences)
    assert not any(pair in MERGED for said in sentences for pair in pairwise(said))
    counts = Counter(word for said in sentences for word in said)
    assert set(counts) <= set(words) | {"an"}
    # Zipf-like: on log-log axes the ranks 1 to 200 fall along a line of slope about -1.
    ranked = np.log([count for _, count in counts.most_common(200)])
    slope, _ = np.polyfit(np.log(np.arange(1, 201)), ranked, 1)
    assert -1.3 < slope < -0.7
    assert counts.most_common(1)[0][0] == "the"
    assert sum(len(members) for members in Lexicon.of(50).words.values()) < 110


@pytest.mark.parametrize(
    ("phones", "parts"),
    [
        ("L IH T EL", ["L IH", "T EL"]),
        ("W IH N D OW", ["W IH N", "D OW"]),
        ("M ER K AX T", ["M ER", "K AX T"]),
        ("T R EH ZH ER", ["T R EH", "ZH ER"]),
        ("EH K S T R AX", ["EH K", "S T R AX"]),
        ("F IH NG G ER", ["F IH NG", "G ER"]),
        ("AX", ["AX"]),
        ("S", ["S"]),
    ],
)
def test_syllables_take_the_longest_onset(phones: str, parts: list[str]) -> None:
    labels = phones.split()
    assert [" ".join(labels[i] for i in span) for span in syllabify(labels)] == parts


def corpus_folder(corpus: StoredCorpus) -> Path:
    """Where the audio of a corpus of ours lies."""
    utterance: Utterance = next(iter(corpus.utterances()))
    audio = corpus._audio[utterance.id]
    return Path(audio.path).parent.parent  # type: ignore[attr-defined] # a file, as all audio of ours


def test_it_is_a_corpus(corpus: StoredCorpus) -> None:
    kept: Corpus = corpus
    utterance = next(iter(kept.utterances("test")))
    wave = kept.read(utterance)
    assert wave.dtype == np.float32
    assert wave.shape == (utterance.samples,)
    assert np.array_equal(kept.read(utterance, 100, 900), wave[100:900])


def test_silence_holds_the_noise_floor(corpus: StoredCorpus) -> None:
    leads = [corpus.read(u, 0, u.tiers["phone"][0].onset) for u in corpus.utterances()]
    levels = [20 * np.log10(lead.std()) for lead in leads if len(lead) > 50]
    assert len(levels) > 5
    assert np.median(levels) == pytest.approx(-60, abs=0.5)  # the default of SynthConfig.noise_db
