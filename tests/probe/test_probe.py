"""Probes against slow loops, against data whose answer is known, and against what must not help."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from lamina.corpus.corpus import Segment, Utterance
from lamina.corpus.splits import roles
from lamina.encoders.encoder import States, Tap, find_taps
from lamina.errors import LaminaError
from lamina.grid import Grid
from lamina.probe.linear import predict
from lamina.probe.pooling import pool, supported
from lamina.probe.probe import ProbeConfig, probe

RATE = 16000
FINE = Grid.samples(RATE).conv(400, 320)
COARSE = FINE.conv(1, 2)


@dataclass
class Tones:
    """A corpus whose segments are constants: label ``a3`` has the value 0.3; every speaker adds an offset."""

    speakers: int = 6
    name: str = "tones"
    digest: str = "0"
    sample_rate: int = RATE
    splits: bool = False

    def __len__(self) -> int:
        return self.speakers * 6

    def utterances(self, split: str | None = None) -> Iterator[Utterance]:
        for speaker in range(self.speakers):
            part = ("test" if speaker < 2 else "train") if self.splits else ""
            for number in range(6):
                random = np.random.default_rng([speaker, number])
                ends = 400 + np.cumsum(random.integers(700, 2200, 24))
                bounds = [400, *ends.tolist()]
                segments = tuple(
                    Segment(f"a{random.integers(4)}", start, stop) for start, stop in pairwise(bounds)
                )
                if split in {None, part}:
                    yield Utterance(
                        f"{speaker}-{number}", f"s{speaker}", part, int(ends[-1]) + 900, "", {"phone": segments}
                    )

    def read(self, utterance: Utterance, start: int = 0, stop: int | None = None) -> NDArray[np.float32]:
        wave = np.zeros(utterance.samples, np.float32)
        for segment in utterance.tiers["phone"]:
            wave[segment.onset : segment.offset] = int(segment.label[1:]) / 10
        return wave[start:stop]


class Windows:
    """Taps that tell (``fine``, ``coarse``) or hide (``blind``) the value at a frame's centre."""

    name = "windows"
    digest = "1"
    sample_rate = RATE
    taps = (Tap("fine", 0, 2, FINE), Tap("coarse", 1, 2, COARSE), Tap("blind", 2, 3, FINE))

    def states(self, waves: Tensor, lengths: Tensor, taps: Sequence[str] | None = None) -> Iterator[States]:
        for tap in find_taps(self, taps):
            samples = [int(count) for count in lengths]
            places = [int(tap.grid.centre_of(frame)) for frame in range(tap.grid.frames(max(samples)))]
            seen = waves[:, places]
            noise = torch.randn(*seen.shape, 2, generator=torch.Generator().manual_seed(len(places)))
            if tap.name == "blind":
                values = torch.cat([noise, torch.ones(*seen.shape, 1)], dim=-1)
            else:
                values = torch.stack([seen, (10 * seen - 1.4) ** 2], dim=-1) + 0.02 * noise
            yield States.checked(values, samples, tap)


CONFIG = ProbeConfig(penalties=(0.1, 10.0), replicates=200)


def test_pooled_vectors_are_means_of_owned_frames() -> None:
    corpus, encoder = Tones(2), Windows()
    utterances = list(corpus.utterances())
    chosen = {one.id: supported(one, "phone", [FINE, COARSE]) for one in utterances}
    read: list[int] = []
    got = pool(encoder, corpus, chosen, utterances, encoder.taps[:2], seconds=10.0, progress=read.append)
    assert read[-1] == len(utterances)
    place = 0
    for one in utterances:
        wave = torch.from_numpy(corpus.read(one))[None]
        for tap, states in zip(
            encoder.taps, encoder.states(wave, torch.tensor([one.samples]), ["fine", "coarse"]), strict=False
        ):
            for offset, segment in enumerate(chosen[one.id]):
                inside = [
                    row
                    for frame, row in enumerate(states.values[0].double())
                    if segment.onset <= tap.grid.centre_of(frame) < segment.offset
                ]
                # The taps add noise that depends on the batch: what they tell is the same to its size.
                wanted = torch.stack(inside).mean(0).numpy()
                assert np.allclose(got.values[tap.name][place + offset], wanted, atol=0.15)
                assert got.labels[place + offset] == segment.label
                assert got.speakers[place + offset] == one.speaker
        place += len(chosen[one.id])
    assert place == len(got.labels)


def test_segments_that_some_grid_misses_are_left_out() -> None:
    one = next(Tones().utterances())
    short = Segment("x", 600, 700)  # a frame's centre lies at 519.5 and at 839.5, none between
    longer = Segment("y", 700, 900)
    utterance = Utterance("u", "s", "", one.samples, "", {"phone": (short, longer)})
    assert supported(utterance, "phone", [FINE]) == [longer]
    assert supported(utterance, "phone", [FINE, COARSE]) == [longer]
    assert supported(utterance, "word", [FINE]) == []


def test_what_a_tap_tells_is_found_and_what_it_hides_is_not() -> None:
    rows = probe(Windows(), Tones(), CONFIG, run_name="r")
    by_tap = {row.tap: row for row in rows}
    assert list(by_tap) == ["majority", "fine", "coarse", "blind"]
    assert by_tap["fine"].value > 0.97
    assert by_tap["coarse"].value > 0.97
    assert by_tap["blind"].value < by_tap["majority"].value + 0.08
    assert len({row.n for row in rows}) == 1
    assert by_tap["coarse"].period_ms == 40.0
    for row in rows:
        assert row.low is not None
        assert row.high is not None
        assert row.low <= row.value <= row.high
        assert (row.measure, row.target, row.support, row.split) == (
            "probe-accuracy",
            "phone",
            "common",
            roles(Tones(), seed=0)[2],
        )


def test_majority_is_the_share_of_the_label_most_frequent_where_fitted() -> None:
    corpus = Tones(splits=True)
    (row,) = probe(Windows(), corpus, CONFIG.model_copy(update={"taps": ("fine",)})).select(model="majority")
    counted: dict[str, list[str]] = {"train": [], "test": []}
    for one in corpus.utterances():
        counted[one.split] += [segment.label for segment in supported(one, "phone", [FINE])]
    top = max(sorted(set(counted["train"])), key=counted["train"].count)
    assert row.value == counted["test"].count(top) / len(counted["test"])
    assert (row.n, row.split) == (len(counted["test"]), "test")


def test_the_same_seed_gives_the_same_rows() -> None:
    tapped = CONFIG.model_copy(update={"taps": ("fine",)})
    assert probe(Windows(), Tones(), tapped) == probe(Windows(), Tones(), tapped)


def test_grids_of_other_encoders_narrow_the_support() -> None:
    tapped = CONFIG.model_copy(update={"taps": ("fine",)})
    alone = probe(Windows(), Tones(), tapped)[0].n
    assert probe(Windows(), Tones(), tapped, support=[COARSE.conv(1, 2)])[0].n < alone


def test_the_penalty_is_chosen_where_it_was_not_fitted() -> None:
    random = np.random.default_rng(0)
    labels = np.array(["a", "b"] * 60)
    # Twice as many noise dimensions as segments: only a strong penalty generalises.
    values = random.standard_normal((120, 240)).astype(np.float32)
    values[:, :40] += 0.25 * np.where(labels == "a", 1, -1)[:, None]
    tuning = np.arange(120) >= 80
    told, penalty = predict(
        values[:80], labels[:80], tuning[40:], values[80:], penalties=(1e-6, 1e4), iterations=200
    )
    accuracy = {}
    from sklearn.linear_model import LogisticRegression

    inner, outer = ~tuning[40:], tuning[40:]
    for one in (1e-6, 1e4):
        fit = values[:80][inner]
        scaled = (values[:80] - fit.mean(0)) / fit.std(0)
        model = LogisticRegression(C=1 / one, max_iter=200).fit(scaled[inner], labels[:80][inner])
        accuracy[one] = model.score(scaled[outer], labels[:80][outer])
    assert penalty == max(accuracy, key=lambda one: (accuracy[one], one))
    assert set(told) <= {"a", "b"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"tiers": ("word",)}, "check that the corpus has the tier 'word'"),
        ({"taps": ("nowhere",)}, "no tap 'nowhere'"),
        ({"least_count": 10**6}, "0 labels have 1000000 or more"),
        ({"penalties": (0.0,)}, "above 0"),
    ],
)
def test_bad_input(change: dict[str, object], said: str) -> None:
    with pytest.raises(LaminaError, match=said):
        probe(Windows(), Tones(), CONFIG.model_copy(update=change))


def test_another_sample_rate_is_refused() -> None:
    with pytest.raises(LaminaError, match="8000 Hz"):
        probe(Windows(), Tones(sample_rate=8000), CONFIG)
