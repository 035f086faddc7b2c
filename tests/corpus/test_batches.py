"""Batches, roles and checks on a corpus that lives in memory."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lamina.corpus.batches import BUFFER, ONE, batches, computed, plan
from lamina.corpus.check import check
from lamina.corpus.corpus import Segment, Utterance
from lamina.corpus.splits import Roles, everybody, of_split, plan_roles, unfitted
from lamina.errors import LaminaError


class Memory:
    """A corpus whose utterance of n samples is n, n + 1, n + 2, …, scaled."""

    name, digest, sample_rate = "memory", "none", 1000

    def __init__(self, utterances: list[Utterance]) -> None:
        self._utterances = utterances

    def __len__(self) -> int:
        return len(self._utterances)

    def utterances(self, split: str | None = None) -> Iterator[Utterance]:
        return (u for u in self._utterances if split is None or u.split == split)

    def read(self, utterance: Utterance, start: int = 0, stop: int | None = None) -> np.ndarray:
        if utterance.text == "broken":
            raise LaminaError("it does not decode")
        if utterance.text == "silent":
            return np.zeros(utterance.samples, np.float32)
        if utterance.text == "loud":
            return np.ones(utterance.samples, np.float32)
        return ((utterance.samples + np.arange(utterance.samples)) / 1e6).astype(np.float32)[start:stop]


def some(lengths: list[int], speakers: int = 1, split: str = "") -> list[Utterance]:
    return [Utterance(f"u{i}", f"s{i % speakers}", split, n, "", {}) for i, n in enumerate(lengths)]


@given(st.lists(st.integers(1, 3000), max_size=300), st.integers(500, 4000), st.sampled_from([0, 700, 2500]))
def test_plan_keeps_every_utterance_within_the_budget(lengths: list[int], samples: int, window: int) -> None:
    """Also of an encoder that pads shorter utterances to a window."""
    utterances = some(lengths)
    groups = list(plan(iter(utterances), samples, window))
    assert sorted(u.id for group in groups for u in group) == sorted(u.id for u in utterances)
    for group in groups:
        longest = max(window, *(u.samples for u in group))
        assert computed(group, window) == longest * len(group)
        assert len(group) == 1 or longest * len(group) <= samples
    assert groups == list(plan(iter(utterances), samples, window))


def test_plan_pads_little_and_reads_no_more_than_a_buffer() -> None:
    lengths = np.random.default_rng(0).integers(200, 2000, 3000).tolist()
    groups = list(plan(some(lengths), 20_000))
    padded = sum(max(u.samples for u in group) * len(group) for group in groups)
    assert padded < 1.12 * sum(lengths)
    taken = 0

    def stream() -> Iterator[Utterance]:
        nonlocal taken
        for utterance in some(lengths):
            taken += utterance.samples
            yield utterance

    next(plan(stream(), 20_000))
    assert taken < (BUFFER + 1) * 20_000


# Seconds of 100 utterances: like LibriSpeech's (most of 12 to 16 s, a tail of short ones), and all alike often.
READ = [
    2.1,
    2.6,
    2.9,
    3.2,
    3.5,
    3.9,
    4.2,
    4.4,
    4.8,
    5.3,
    5.5,
    6.0,
    6.2,
    6.9,
    7.4,
    7.7,
    8.2,
    8.8,
    9.3,
    9.6,
    10.1,
    10.7,
    11.0,
]
READ += (
    [11.3 + 0.075 * number for number in range(60)]
    + [15.8 + 0.07 * number for number in range(14)]
    + [22.4, 24.5, 34.9]
)
EVEN = [2 + 14 * number / 95 for number in range(96)]


@pytest.mark.parametrize("lengths", [READ, EVEN], ids=["read", "even"])
@pytest.mark.parametrize("seconds", [60, 400])
def test_padding_of_known_lengths_is_at_most_a_twentieth(lengths: list[float], seconds: int) -> None:
    utterances = some([round(16000 * length) for length in lengths])
    groups = list(plan(utterances, 16000 * seconds))
    padded = sum(computed(group, 0) for group in groups)
    assert padded <= 1.05 * sum(u.samples for u in utterances)
    assert len(groups) <= 16 + padded / 16000 / seconds  # and batches stay large
    assert [u.samples for group in groups for u in group] == sorted((u.samples for u in utterances), reverse=True)


def test_the_plan_is_the_cheapest_of_all() -> None:
    """Against all ways to cut the sorted lengths."""
    for seed in range(20):
        lengths = np.random.default_rng(seed).integers(30_000, 400_000, 9).tolist()
        ordered = sorted(lengths, reverse=True)
        costs = []
        for cuts in (cut for number in range(9) for cut in combinations(range(1, 9), number)):
            runs = [ordered[a:b] for a, b in zip((0, *cuts), (*cuts, 9), strict=True)]
            if all(len(run) == 1 or run[0] * len(run) <= 900_000 for run in runs):
                costs.append(sum(run[0] * len(run) + ONE for run in runs))
        groups = list(plan(some(lengths), 900_000))
        assert sum(computed(group, 0) + ONE for group in groups) == min(costs)


def test_halves_are_the_same_utterances() -> None:
    (batch,) = batches(Memory(some([900, 890, 880])), some([900, 890, 880]), seconds=9)
    one, other = batch.halves()
    assert (one.utterances, other.utterances) == (batch.utterances[:2], batch.utterances[2:])
    assert other.waves.shape == (1, 880)
    assert torch.equal(other.waves[0], batch.waves[2, :880])


def test_batches_hold_the_audio_and_zeros() -> None:
    utterances = some([300, 900, 500, 700, 100, 4000])
    corpus = Memory(utterances)
    made = list(batches(corpus, utterances, seconds=1.0))
    assert [u.id for batch in made for u in batch.utterances] == ["u5", "u1", "u3", "u2", "u0", "u4"]
    for batch in made:
        assert (batch.waves.dtype, batch.lengths.dtype) == (torch.float32, torch.int64)
        assert batch.waves.shape == (len(batch.utterances), int(batch.lengths.max()))
        for wave, length, utterance in zip(batch.waves, batch.lengths, batch.utterances, strict=True):
            assert int(length) == utterance.samples
            assert np.array_equal(wave[: utterance.samples].numpy(), corpus.read(utterance))
            assert not wave[utterance.samples :].any()
    assert [u.id for batch in batches(corpus, [], seconds=1.0) for u in batch.utterances] == []


def test_an_error_reaches_the_reader_and_a_reader_may_leave() -> None:
    utterances = [*some([500, 400]), Utterance("bad", "s", "", 100, "broken", {})]
    stream = batches(Memory(utterances), utterances, seconds=0.5)
    assert next(stream).utterances[0].id == "u0"
    with pytest.raises(LaminaError, match="does not decode"):
        list(stream)
    leaving = batches(Memory(utterances), utterances, seconds=0.5)
    next(leaving)
    leaving.close()


def divided(utterances: list[Utterance], seed: int = 0, folds: int = 5) -> Roles:
    return plan_roles(Memory(utterances), 1, folds=folds, seed=seed, max_groups=256)


def test_roles() -> None:
    """One rule for analyses and probes: the corpus's splits, else folds of speakers."""
    made = divided([*some([9] * 4, 4, "train"), *some([9], 1, "test"), *some([9], 1, "dev")])
    assert (len(made.fit), len(made.score), made.split, made.folded) == (4, 1, "test", False)
    whole = divided(some([9] * 50, 9), seed=3)
    assert (len(whole.fit), len(whole.score), whole.split, whole.folded) == (50, 0, "folds-5", True)
    by_fold = [{u.speaker for u in whole.fit if whole.keys[u.id] == fold} for fold in range(5)]
    assert all(not one & other for one, other in combinations(by_fold, 2))
    assert set().union(*by_fold) == {u.speaker for u in whole.fit}
    assert divided(some([9] * 50, 9), seed=3).keys == whole.keys
    assert len({tuple(divided(some([9] * 50, 9), seed=seed).keys.values()) for seed in range(8)}) > 3
    alone = divided(some([9] * 6))
    assert alone.split == "utterance-folds-5"
    assert "one speaker" in alone.notes[0]
    assert len(divided(some([9, 9], 2)).groups) == 2
    with pytest.raises(LaminaError, match="nothing to score on"):
        divided(some([9]))


def test_what_fits_nothing_scores_everybody() -> None:
    whole = unfitted(divided(some([9] * 50, 9)), 256)
    assert (len(whole.fit), whole.split, len(whole.groups)) == (50, "all", 9)
    assert len(unfitted(divided(some([9] * 50, 9)), 4).groups) <= 4
    apart = divided([*some([9] * 4, 4, "train"), *some([9], 1, "test")])
    assert unfitted(apart, 256) is apart
    some_ = everybody(apart.fit, "items of x", 256)
    assert (len(some_.fit), some_.folded, some_.split) == (4, True, "items of x")


def test_of_split() -> None:
    corpus = Memory([*some([9] * 4, 4, "train"), *some([9], 1, "test")])
    assert len(of_split(corpus, "train")) == 4
    assert len(of_split(corpus, "")) == 5
    assert len(of_split(Memory(some([9] * 3)), "train")) == 3  # a corpus without splits is one
    with pytest.raises(LaminaError, match=r"no split 'dev'; it has test, train: set `split`"):
        of_split(corpus, "dev")


def test_check_names_each_problem() -> None:
    assert check(Memory(some([100, 200])))[0] == []
    tiers = {
        "word": (Segment("a", 0, 50),),
        "phone": (Segment("A", 0, 50), Segment("B", 60, 90)),
        "syllable": (),
    }
    problems, _ = check(
        Memory(
            [
                Utterance("a", "s", "train", 100, "broken", {}),
                Utterance("b", "s", "test", 100, "silent", {}),
                Utterance("c", "t", "test", 100, "loud", {}),
                Utterance("d", "t", "test", 100, "", tiers),
            ]
        )
    )
    assert problems == [
        "a: it does not decode",
        "b: the audio is silent from start to end",
        "c: 100.0% of the samples are at full scale: clipped",
        "d: the 'syllable' tier has no segment",
        "d: 1 of 2 phones have their middle in no word",
        "speaker 's' is in several splits (test, train): scores will not be of new speakers",
    ]
