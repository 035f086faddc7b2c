"""Synthetic corpora for every probe task: answers are known, audio and labels belong together."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from lamina.config import load_config
from lamina.corpus.check import check
from lamina.corpus.stored import StoredCorpus
from lamina.corpus.synth.acoustics import add_noise, reverberate
from lamina.corpus.synth.config import Mixtures, Room, Speakers, SynthConfig
from lamina.corpus.synth.grammar import Lexicon
from lamina.corpus.synth.material import KEYWORDS, KINDS, material, text_lines
from lamina.corpus.synth.synthesis import synthesize
from lamina.corpus.trials import read_trials
from lamina.errors import LaminaError

pytest.importorskip("espeakng_loader")

CONFIGS = Path(__file__).resolve().parents[2] / "configs" / "corpus"
FEW = Speakers(train=2, dev=2, test=2)


def make(folder: Path, workers: int = 1, **values: object) -> StoredCorpus:
    config = SynthConfig.model_validate(
        {"seed": 5, "minutes": 0.6, "speakers": FEW, "shared_sentences": 0} | values
    )
    return synthesize(config, folder, workers=workers)


def test_what_is_none_is_not_in_the_config() -> None:
    """Configs that were made before there was anything but sentences keep their digests."""
    assert set(SynthConfig().to_json()) == {
        "seed", "minutes", "speakers", "content_words", "shared_sentences", "accents", "noise_db"
    }  # fmt: skip
    assert load_config(CONFIGS / "tiny.toml", SynthConfig).digest == "132246696fdd"
    assert SynthConfig(say="keywords").digest != SynthConfig().digest


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.toml")), ids=lambda path: path.stem)
def test_every_config_loads(path: Path) -> None:
    config = load_config(path, SynthConfig)
    assert config.digest != SynthConfig().digest, "the file changes nothing"


@pytest.mark.parametrize("kind", KINDS)
def test_draws_are_seeded_and_labels_fit_words(kind: str) -> None:
    draw = material(kind, Lexicon.of(100))
    said = [draw(np.random.default_rng(n)) for n in range(200)]
    assert said == [draw(np.random.default_rng(n)) for n in range(200)]
    assert len(set(said_words := [one.words for one in said])) > 8, said_words
    for one in said:
        if kind == "slots":
            tags = one.labels["slots"].split()
            assert len(tags) == len(one.words)
            for before, tag in zip(["O", *tags], tags, strict=False):
                assert not tag.startswith("I-") or before[1:] == tag[1:]
        if kind == "intents":
            parts = (one.labels["action"], one.labels["object"], one.labels["location"])
            assert one.labels["intent"] == " ".join(parts)
            assert one.labels["object"] in one.words
            assert (one.labels["location"] in one.words) == (one.labels["location"] != "none")
        if kind == "keywords":
            assert one.words == (one.labels["keyword"],) or one.labels["keyword"] in {"_unknown_", "_silence_"}
            assert one.labels["keyword"] != "_unknown_" or one.words[0] not in KEYWORDS


@pytest.mark.parametrize("kind", ["keywords", "intents", "slots", "emotions"])
def test_each_kind_is_spoken_and_passes_the_check(tmp_path: Path, kind: str) -> None:
    corpus = make(tmp_path / "a", say=kind)
    lines, _ = check(corpus)
    assert lines == []
    for utterance in corpus.utterances():
        assert utterance.labels
        assert " ".join(s.label for s in utterance.tiers.get("word", ())) == utterance.text
    if kind == "emotions":
        spread = {}
        for utterance in corpus.utterances():
            per_phone = utterance.samples / len(utterance.tiers["phone"])
            spread.setdefault(utterance.labels["emotion"], []).append(per_phone)
        assert np.mean(spread["anger"]) < np.mean(spread["neutral"]) < np.mean(spread["sadness"])


def test_queries_have_trials_with_right_answers(tmp_path: Path) -> None:
    corpus = make(tmp_path / "a", say="queries", content_words=20, minutes=1.2)
    said = {utterance.id: utterance for utterance in corpus.utterances()}
    trials = list(read_trials(tmp_path / "a"))
    assert {trial.target for trial in trials} == {True, False}
    for trial in trials:
        query, document = said[trial.left], said[trial.right]
        assert (query.labels["role"], document.labels["role"]) == ("query", "document")
        assert query.split == document.split == trial.list
        assert query.speaker != document.speaker
        words, inside = query.text.split(), document.text.split()
        found = any(inside[at : at + len(words)] == words for at in range(len(inside)))
        assert trial.target == found


def test_identification_and_verification(tmp_path: Path) -> None:
    corpus = make(tmp_path / "a", split_by="utterance", minutes=2.0, speakers=Speakers(train=3, dev=0, test=0))
    splits = Counter((u.speaker, u.split) for u in corpus.utterances())
    assert {split for _, split in splits} == {"train", "dev", "test"}
    assert all(splits[f"s0{n}", "train"] >= 8 for n in range(3))
    for trial in read_trials(tmp_path / "a"):
        assert trial.target == (trial.left.split("-")[0] == trial.right.split("-")[0])


def test_mixtures_are_the_sum_of_exact_turns(tmp_path: Path) -> None:
    corpus = make(tmp_path / "a", mixtures=Mixtures(turns=(2, 3), overlap=0.7), noise_db=-90, minutes=1.0)
    overlaps, unspoken = 0, []
    for utterance in corpus.utterances():
        first, second = utterance.tiers["speaker:1"], utterance.tiers["speaker:2"]
        assert {s.label for s in first} | {s.label for s in second} == set(utterance.speaker.split("+"))
        overlaps += any(a.onset < b.offset and b.onset < a.offset for a in first for b in second)
        wave = np.abs(corpus.read(utterance))
        spoken = np.zeros(utterance.samples, bool)
        for segment in (*first, *second):
            spoken[segment.onset : segment.offset] = True
        assert np.mean(wave[spoken] > 1e-3) > 0.5
        unspoken.append(wave[~spoken])
        for name in ("phone", "word"):
            for number, turns in ((1, first), (2, second)):
                for segment in utterance.tiers[f"{name}:{number}"]:
                    assert any(t.onset <= segment.onset and segment.offset <= t.offset for t in turns)
    assert overlaps > 0
    # Before and after the words of a turn there may be the last few samples of a sound, no more.
    assert sum(map(len, unspoken)) > 8000
    assert np.mean(np.concatenate(unspoken) > 1e-3) < 0.005
    lines, _ = check(corpus)
    assert lines == []


def test_the_same_bytes_in_any_number_of_processes(tmp_path: Path) -> None:
    values = {"say": "emotions", "room": Room(snr_db=(10, 20), reverb_s=(0.1, 0.3)), "rates": (120, 200)}
    make(tmp_path / "one", 1, **values)
    make(tmp_path / "two", 3, **values)
    one = sorted(path for path in (tmp_path / "one").rglob("*") if path.is_file())
    assert len(one) > 10
    for path in one:
        assert path.read_bytes() == (tmp_path / "two" / path.relative_to(tmp_path / "one")).read_bytes(), path


def test_texts_in_several_languages(tmp_path: Path) -> None:
    (tmp_path / "de.txt").write_text(
        "Grüße an alle. Das Kind spielt im Garten. Es war 1999. Ja.\n", encoding="utf-8"
    )
    digest, lines = text_lines(tmp_path / "de.txt")
    assert lines == [("grüße", "an", "alle"), ("das", "kind", "spielt", "im", "garten")]
    (tmp_path / "en.txt").write_text("The dog in the house sleeps. We like green apples.")
    assert text_lines(tmp_path / "en.txt")[1] == [("we", "like", "green", "apples")], "'in the' is one event"
    corpus = make(
        tmp_path / "a", texts={"gmw/de": str(tmp_path / "de.txt"), "gmw/en-US": str(tmp_path / "en.txt")}
    )
    by_language = {u.labels["language"]: u for u in corpus.utterances()}
    assert set(by_language) == {"de", "en"}
    assert set(by_language["de"].tiers) == {"phone", "word"}
    assert set(by_language["en"].tiers) == {"phone", "syllable", "word"}
    assert check(corpus)[0] == []
    import json

    made = json.loads((tmp_path / "a" / "corpus.json").read_text())["made"]
    assert made["texts"][str(tmp_path / "de.txt")] == digest


def test_rooms_leave_the_direct_sound_where_it_is() -> None:
    wave = np.zeros(16000, np.float32)
    wave[100] = 0.5
    wet = reverberate(wave, 0.3, np.random.default_rng(0))
    assert not wet[:100].any()
    assert wet[100] == pytest.approx(0.5)
    tail = float((wet[101:].astype(np.float64) ** 2).sum())
    assert tail == pytest.approx(0.25 * 0.25, rel=0.15), "a quarter of the direct sound's power"
    early, late = np.abs(wet[101:1700]).max(), np.abs(wet[3300:4900]).max()
    assert 20 * np.log10(early / late) > 20, "60 dB in 0.3 s are 40 dB in 0.2 s"
    tone = (0.1 * np.sin(np.arange(16000) * 0.3)).astype(np.float32)
    noisy = add_noise(tone, 10.0, np.random.default_rng(0)) - tone
    power = np.sort(tone.astype(np.float64) ** 2)[8000:].mean()
    assert 10 * np.log10(power / (noisy.astype(np.float64) ** 2).mean()) == pytest.approx(10, abs=0.2)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"say": "songs"}, "say"),
        ({"say": "intents", "texts": {"gmw/de": "x"}}, "give say or texts, not both"),
        ({"rates": (300, 100)}, "rates lie between 80 and 400"),
        (
            {"mixtures": {}, "speakers": {"train": 1, "dev": 0, "test": 2}},
            "mixtures need two speakers in each split",
        ),
        ({"room": {"reverb_s": (0.0, 0.3)}}, "reverb_s lie between 0.01 and 10"),
        ({"mixtures": {"turns": (4, 2)}}, "turns lie between 2 and 100, the lower first"),
        ({"speakers": {"train": 10**9}}, "less than or equal to 100000"),
        ({"minutes": 10**9}, "less than or equal to 600000"),
        ({"seed": 10**30}, "less than"),
        ({"content_words": 800}, "less than or equal to 222"),
    ],
)
def test_bad_configs(values: dict[str, object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        SynthConfig.model_validate(values)


def test_bad_texts(tmp_path: Path) -> None:
    with pytest.raises(LaminaError, match="cannot be read"):
        make(tmp_path / "a", texts={"gmw/de": str(tmp_path / "none.txt")})
    (tmp_path / "digits.txt").write_text("1 2 3. 4 5.")
    with pytest.raises(LaminaError, match="no sentence of 2 to 20 words"):
        make(tmp_path / "a", texts={"gmw/de": str(tmp_path / "digits.txt")})
