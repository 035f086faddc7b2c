"""Splits: by speaker, near the wished shares, the same for the same seed, and never re-drawn silently."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from lamina.corpus.corpus import Segment, Utterance
from lamina.corpus.divide import divide
from lamina.corpus.manifest import read_about, write_audio, write_manifest
from lamina.corpus.open import open_corpus
from lamina.errors import LaminaError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Thirty speakers with one to four utterances each; the first twelve are women."""
    rng = np.random.default_rng(0)
    utterances = []
    for speaker in range(30):
        for number in range(int(rng.integers(1, 5))):
            labels = {"gender": "f" if speaker < 12 else "m"}
            utterances.append(Utterance(f"s{speaker}-{number}", f"s{speaker}", "", 1600, "", {}, labels))
    return made(tmp_path / "corpus", utterances)


def made(folder: Path, utterances: list[Utterance]) -> Path:
    (folder / "audio").mkdir(parents=True)
    for utterance in utterances:
        write_audio(folder, utterance, np.full(utterance.samples, 0.1, np.float32))
    write_manifest(folder, "many", utterances, {})
    return folder


def test_by_speaker_near_the_shares_and_kept(folder: Path) -> None:
    before = open_corpus(folder)
    corpus = divide(folder, seed=1)
    splits = {u.id: u.split for u in corpus.utterances()}
    assert [u.id for u in corpus.utterances()] == [u.id for u in before.utterances()]
    of_speaker = {}
    for utterance in corpus.utterances():
        assert of_speaker.setdefault(utterance.speaker, utterance.split) == utterance.split
    count = Counter(splits.values())
    assert count["train"] / len(splits) == pytest.approx(0.8, abs=0.07)
    assert min(count["dev"], count["test"]) >= 0.05 * len(splits)
    assert corpus.digest != before.digest
    assert open_corpus(folder).digest == corpus.digest
    assert read_about(folder)["drawn"] == {
        "seed": 1, "by": "speaker", "shares": {"train": 0.8, "dev": 0.1, "test": 0.1}, "stratify": ""
    }  # fmt: skip
    assert divide(folder, seed=1).digest == corpus.digest, "the same wish changes nothing"
    with pytest.raises(LaminaError, match=r"has splits already \(train.*drawn with seed 1\).*--redraw"):
        divide(folder, seed=2)
    assert divide(folder, seed=2, redraw=True).digest != corpus.digest
    assert divide(folder, seed=1, redraw=True).digest == corpus.digest


def test_stratified(folder: Path) -> None:
    corpus = divide(folder, seed=0, stratify="gender", shares={"train": 0.5, "test": 0.5})
    count = Counter((u.split, u.labels["gender"]) for u in corpus.utterances())
    for gender in "fm":
        assert count["train", gender] == pytest.approx(count["test", gender], abs=4)


def test_by_hours(folder: Path) -> None:
    hour = 1600 / 16000 / 3600
    corpus = divide(folder, seed=0, hours={"train": 20 * hour, "test": 10 * hour})
    count = Counter(u.split for u in corpus.utterances())
    assert 20 <= count["train"] <= 23
    assert 10 <= count["test"] <= 13
    assert count[""] == len(corpus) - count["train"] - count["test"] > 0
    with pytest.raises(LaminaError, match=r"many has 0.00 hours, 5.00 are asked for"):
        divide(folder, seed=0, hours={"train": 5.0}, redraw=True)


def test_by_utterance_and_bad_wishes(tmp_path: Path) -> None:
    utterances = [Utterance(f"u{n}", "one", "", 1600, "", {}) for n in range(10)]
    folder = made(tmp_path / "corpus", utterances)
    with pytest.raises(LaminaError, match="has 1 speakers for 3 splits: draw by utterance"):
        divide(folder, seed=0)
    with pytest.raises(LaminaError, match="has no label 'mood' to stratify by"):
        divide(folder, seed=0, by="utterance", stratify="mood")
    with pytest.raises(LaminaError, match="splits are train, dev and test"):
        divide(folder, seed=0, shares={"trian": 1.0})
    corpus = divide(folder, seed=0, by="utterance")
    assert Counter(u.split for u in corpus.utterances()) == {"train": 8, "dev": 1, "test": 1}


def test_people_who_talk_together_stay_together(tmp_path: Path) -> None:
    def pair(name: str, first: str, second: str) -> Utterance:
        tiers = {"speaker:1": (Segment(first, 0, 900),), "speaker:2": (Segment(second, 500, 1600),)}
        return Utterance(name, f"{first}+{second}", "", 1600, "", tiers)

    chain = [
        pair("1", "a", "b"),
        pair("2", "b", "c"),
        pair("3", "d", "e"),
        pair("4", "e", "d"),
        pair("5", "f", "g"),
    ]
    corpus = divide(made(tmp_path / "corpus", chain), seed=0)
    where = {u.id: u.split for u in corpus.utterances()}
    assert where["1"] == where["2"]
    assert where["3"] == where["4"]
    assert len(set(where.values())) == 3


def test_killed_between_its_two_files(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever a draw is killed, the corpus opens, with the old splits or the new, and can be drawn to the end."""
    plain, whole = open_corpus(folder), Path.replace
    shutil.copytree(folder, folder.parent / "twin")
    wanted = divide(folder.parent / "twin", seed=1)
    seen = set()
    for step in range(1, 9):
        left = [step]

        def killed(path: Path, target: Path, left: list[int] = left) -> Path:
            left[0] -= 1
            if not left[0]:
                raise KeyboardInterrupt
            return whole(path, target)

        copy = folder.parent / f"copy{step}"
        shutil.copytree(folder, copy)
        monkeypatch.setattr(Path, "replace", killed)
        try:
            divide(copy, seed=1)
        except KeyboardInterrupt:
            seen.add(step)
        monkeypatch.undo()
        assert open_corpus(copy).digest in {plain.digest, wanted.digest}
        assert divide(copy, seed=1).digest == wanted.digest
        about = read_about(copy)
        assert (about["digest"], "next" in about) == (wanted.digest, False)
        assert about["splits"] == read_about(folder.parent / "twin")["splits"]
    assert seen == {1, 2, 3}, "three files are put into place"
    assert not list(folder.parent.rglob("*.partial"))
