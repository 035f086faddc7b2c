"""RSA and Procrustes similarity: slow twins, closed forms, planted geometry."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations, pairwise

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.linalg import orthogonal_procrustes
from scipy.stats import spearmanr
from torch import Tensor

from lamina.analysis.config import AnalysisConfig
from lamina.analysis.instruments.procrustes import similarity
from lamina.analysis.instruments.rsa import alike
from lamina.analysis.results import Analysis
from lamina.analysis.sums import Totals
from lamina.analysis.sweep import analyze
from lamina.corpus.corpus import Segment, Utterance
from lamina.encoders.encoder import States, Tap, find_taps
from lamina.errors import LaminaError
from lamina.grid import Grid
from lamina.stats.moments import Moments

RATE, WIDTH, CLASSES = 16000, 12, 8
GRID = Grid.samples(RATE).conv(400, 320)


class Speech:
    """Random phones of nine speakers; the samples of a phone are its number, and a tenth more a speaker."""

    name, digest, sample_rate = "speech", "0", RATE

    def utterances(self, split: str | None = None) -> Iterator[Utterance]:
        for speaker in range(9):
            part = ("train", "train", "test")[speaker // 3]
            for number in range(8):
                random = np.random.default_rng([speaker, number])
                edges = (400 + np.cumsum([0, *random.integers(1500, 2600, 24)])).tolist()
                names = random.integers(0, CLASSES, 24)
                phones = tuple(
                    Segment(f"p{name}", *each) for name, each in zip(names, pairwise(edges), strict=True)
                )
                if split in {None, part}:
                    yield Utterance(
                        f"{speaker}-{number}", f"s{speaker}", part, edges[-1] + 900, "", {"phone": phones}
                    )

    def __len__(self) -> int:
        return len(list(self.utterances()))

    def read(self, utterance: Utterance, start: int = 0, stop: int | None = None) -> NDArray[np.float32]:
        wave = np.zeros(utterance.samples, np.float32)
        for segment in utterance.tiers["phone"]:
            wave[segment.onset : segment.offset] = int(segment.label[1:]) / 10 + int(utterance.speaker[1:]) / 1000
        return wave[start:stop]


class Planted:
    """`shared`: every speaker's phones lie alike, turned and scaled by nobody; `own`: each speaker's as they like;
    `turned`: as shared, turned, scaled and moved. All with a little noise that depends on the audio alone."""

    name, digest, sample_rate = "planted", "1", RATE
    taps = tuple(Tap(name, depth, WIDTH, GRID) for depth, name in enumerate(("shared", "own", "turned")))

    def states(self, waves: Tensor, lengths: Tensor, taps: Sequence[str] | None = None) -> Iterator[States]:
        samples = [int(count) for count in lengths]
        places = [int(GRID.centre_of(frame)) for frame in range(GRID.frames(max(samples)))]
        held = waves[:, places]
        phone = (10 * held).floor().long().clamp(0, CLASSES - 1)
        speaker = ((10 * held - (10 * held).floor()) * 100 + 0.5).floor().long().clamp(0, 8)
        random = torch.Generator().manual_seed(0)
        table = torch.randn(CLASSES, WIDTH, generator=random)
        own = torch.randn(9, CLASSES, WIDTH, generator=random)
        turn, _ = torch.linalg.qr(torch.randn(WIDTH, WIDTH, generator=random))
        noise = 0.1 * torch.sin(
            1e4 * held[..., None] + torch.arange(len(places))[:, None] * torch.arange(1, WIDTH + 1)
        )
        made = {
            "shared": table[phone] + noise,
            "own": own[speaker, phone] + noise,
            "turned": 7 * (table[phone] + noise) @ turn + 100,
        }
        for tap in find_taps(self, taps):
            yield States.checked(made[tap.name].float(), samples, tap)


class Folded(Speech):
    """The same without splits."""

    def utterances(self, split: str | None = None) -> Iterator[Utterance]:
        return (replace(one, split="") for one in super().utterances(None))


def asked(corpus: Speech, *measures: str, targets: Sequence[str] = ("phone",)) -> Analysis:
    config = AnalysisConfig(targets=tuple(targets), measures=measures, replicates=100, batch_seconds=20.0)
    return analyze(Planted(), corpus, config)


@pytest.mark.parametrize("corpus", [Speech(), Folded()], ids=["splits", "folds"])
def test_geometry_that_speakers_share_is_found_and_their_own_is_not(corpus: Speech) -> None:
    found = asked(corpus, "rsa")
    by_tap = {row.tap: row for row in found.scores.select(control="")}
    assert by_tap["shared"].value > 0.95
    assert by_tap["turned"].value == pytest.approx(by_tap["shared"].value, abs=1e-3)  # turned, scaled and moved
    assert abs(by_tap["own"].value) < 0.5
    for row in found.scores.select(control="shuffled"):
        assert abs(row.value) < 0.6
    for row in by_tap.values():
        assert row.low is not None
        assert row.high is not None
        assert row.low <= row.value <= row.high
        assert row.n == sum(
            len(one.tiers["phone"])
            for one in corpus.utterances()
            if isinstance(corpus, Folded) or one.split == "test"
        )


def totals(x: NDArray[np.float64], labels: NDArray[np.int64]) -> Totals:
    made = Totals.empty(CLASSES, x.shape[1])
    made.put(torch.from_numpy(x), torch.from_numpy(labels))
    return made


def test_rsa_is_that_of_a_loop() -> None:
    random = np.random.default_rng(0)
    sides = [(random.normal(size=(90, WIDTH)), random.integers(0, CLASSES, 90)) for _ in range(2)]
    vectors = []
    for x, labels in sides:
        means = np.array([x[labels == label].mean(0) for label in range(CLASSES)])
        means = means - means.mean(0)
        vectors.append([1 - np.corrcoef(means[a], means[b])[0, 1] for a, b in combinations(range(CLASSES), 2)])
    assert alike(*(totals(*side) for side in sides)) == pytest.approx(spearmanr(*vectors).statistic, abs=1e-12)
    once = totals(*sides[0])
    assert alike(once, once) == pytest.approx(1)
    half = totals(sides[0][0][:45], sides[0][1][:45]) + totals(sides[0][0][45:], sides[0][1][45:])
    assert alike(half, totals(*sides[1])) == pytest.approx(spearmanr(*vectors).statistic, abs=1e-12)


def test_rsa_needs_three_classes_and_finite_means() -> None:
    random = np.random.default_rng(0)
    x, labels = random.normal(size=(40, WIDTH)), random.integers(0, 2, 40)
    with pytest.raises(LaminaError, match="2 classes are said on both sides"):
        alike(totals(x, labels), totals(x, labels))
    constant = totals(np.ones((40, WIDTH)), random.integers(0, 5, 40))
    with pytest.raises(LaminaError, match="constant or not finite"):
        alike(constant, constant)


def moments(x: NDArray[np.float64], y: NDArray[np.float64]) -> Moments:
    return Moments.of(torch.from_numpy(x), torch.from_numpy(y))


def angular(cosine: float) -> float:
    return 1 - 2 / np.pi * float(np.arccos(cosine))


def test_procrustes_is_that_of_scipys_rotation() -> None:
    random = np.random.default_rng(0)
    x, y = random.normal(size=(200, 5)), random.normal(size=(200, 5))
    y += 0.7 * x + 3
    a, b = ((each - each.mean(0)) / np.linalg.norm(each - each.mean(0)) for each in (x, y))
    turn, scale = orthogonal_procrustes(a, b)
    assert similarity(moments(x, y)) == pytest.approx(angular(scale), abs=1e-12)
    # Half of Ding's distance of views of norm one is what the cosine lacks to 1.
    assert 1 - np.linalg.norm(a @ turn - b) ** 2 / 2 == pytest.approx(scale, abs=1e-12)
    parts = moments(x[:80], y[:80]) + moments(x[80:], y[80:])
    assert similarity(parts) == pytest.approx(angular(scale), abs=1e-12)


def test_procrustes_in_closed_form() -> None:
    """Of white x and D x the cosine is sum d / sqrt(p sum d^2); turning, scaling, moving change nothing."""
    random = np.random.default_rng(0)
    x, _ = np.linalg.qr(random.normal(size=(300, 6)) - 0.0)
    x = x - x.mean(0)
    x, _ = np.linalg.qr(x)  # white and centred
    d = np.array([1.0, 2.0, 3.0, 0.5, 0.1, 4.0])
    wanted = angular(d.sum() / np.sqrt(6 * (d**2).sum()))
    turn, _ = np.linalg.qr(random.normal(size=(6, 6)))
    for y in (x * d, 1e4 * (x * d) @ turn + 50, 1e-6 * (x * d) @ turn):
        assert similarity(moments(x, y)) == pytest.approx(wanted, abs=1e-7)
    assert similarity(moments(x, x @ turn)) == pytest.approx(1, abs=1e-6)


def test_taps_that_turn_into_each_other_are_alike() -> None:
    found = asked(Speech(), "procrustes", targets=("tap:shared",))
    by_tap = {row.tap: row for row in found.scores}
    assert set(by_tap) == {"own", "turned"}
    assert by_tap["turned"].value == pytest.approx(1, abs=1e-3)
    assert by_tap["own"].value < 0.6
    assert by_tap["own"].items == "frames"
    assert by_tap["own"].low is not None
    wide = asked(Folded(), "procrustes", "cka", targets=("tap:shared",)).scores
    assert {row.measure for row in wide} == {"procrustes", "cka"}
