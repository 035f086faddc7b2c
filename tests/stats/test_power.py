"""The told power against simulated studies with planted variances."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from lamina.stats.inference import Estimate, over_seeds_and_speakers, resample_weights
from lamina.stats.power import Components, Prospect, components, detectable


def draw(
    random: np.random.Generator, planted: Components, seeds: int, speakers: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(seeds,) differences about 0 and (seeds, replicates) resampled ones."""
    of_seeds = random.normal(0, (planted.seed or 0) ** 0.5, seeds)
    of_speakers = random.normal(0, planted.speaker**0.5, speakers)
    each = of_seeds[:, None] + of_speakers + random.normal(0, planted.both**0.5, (seeds, speakers))
    names = [f"s{number}" for number in range(speakers)]
    weights = resample_weights(names, replicates=200, seed=int(random.integers(2**31)))
    return each.mean(axis=1), each @ (weights / speakers).T


@pytest.mark.parametrize(
    ("seed", "speaker", "both", "seeds", "speakers"),
    [(1.0, 0.0, 0.0, 3, 8), (1.0, 4.0, 1.0, 3, 8), (0.2, 6.0, 2.0, 4, 24), (1.0, 1.0, 8.0, 12, 6)],
)
@pytest.mark.parametrize("alpha", [0.05, 0.01])
def test_the_told_power_is_the_rate_at_which_studies_find_it(
    seed: float, speaker: float, both: float, seeds: int, speakers: int, alpha: float
) -> None:
    planted = Components(seed, speaker, both, seeds=99, speakers=99)
    prospect = planted.planned(seeds, speakers)
    assert prospect is not None
    reach = prospect.reach(alpha)
    random = np.random.default_rng(0)
    found = [
        over_seeds_and_speakers(*draw(random, planted, seeds, speakers), speakers=speakers) for _ in range(1500)
    ]
    for distance in (reach, reach / 2):
        rate = np.mean([each.p_below(distance) < alpha / 2 for each in found])  # 0 lies so far below it
        assert rate == pytest.approx(prospect.power(distance, alpha), abs=0.05)
    assert prospect.power(reach, alpha) == pytest.approx(0.8, abs=1e-6)


def test_components_are_the_planted_ones() -> None:
    random = np.random.default_rng(1)
    planted = Components(0.5, 4.0, 2.0, seeds=6, speakers=12)
    found = [components(*draw(random, planted, 6, 12), speakers=12) for _ in range(400)]
    assert {(each.seeds, each.speakers) for each in found} == {(6, 12)}
    assert np.mean([each.speaker for each in found]) == pytest.approx(4.0, rel=0.1)
    assert np.mean([each.both for each in found]) == pytest.approx(2.0, rel=0.1)
    assert np.mean([each.seed or 0 for each in found]) == pytest.approx(0.5, rel=0.15)


def test_one_seed_tells_nothing_of_other_seeds() -> None:
    found = components(np.array([1.0]), np.random.default_rng(0).normal(0, 1, (1, 100)), speakers=5)
    assert found.seed is None
    assert found.speaker > 0
    assert found.planned(9, 9) is None
    assert found.seeds_for(1.0, 9) is None


def test_without_resampled_speakers_seeds_are_all() -> None:
    found = components(np.array([1.0, 2.0, 3.0]), np.zeros((3, 0)), speakers=0)
    assert found == Components(1.0, 0.0, 0.0, 3, 0)
    prospect = found.planned(4, 0)
    assert prospect is not None
    assert prospect == Prospect(0.5, ((0.25, 3.0),))
    assert found.speakers_for(1.0, 3) is None


def test_the_fewest_seeds_and_speakers_are_just_enough() -> None:
    planted = Components(1.0, 2.0, 0.5, seeds=5, speakers=8)
    seeds = planted.seeds_for(1.2, 20)
    assert seeds is not None
    for count, enough in ((seeds, True), (seeds - 1, False)):
        prospect = planted.planned(count, 20)
        assert prospect is not None
        assert (prospect.power(1.2) >= 0.8) is enough
    speakers = planted.speakers_for(1.5, 8)
    assert speakers is not None
    for count, enough in ((speakers, True), (speakers - 1, False)):
        prospect = planted.planned(8, count)
        assert prospect is not None
        assert (prospect.power(1.5) >= 0.8) is enough


def test_no_number_of_seeds_finds_what_few_speakers_hide() -> None:
    planted = Components(0.01, 100.0, 0.0, seeds=5, speakers=4)
    assert planted.seeds_for(0.5, 4) is None
    assert planted.speakers_for(100.0, 5) == 3


def test_few_seeds_know_little_of_their_variance() -> None:
    """Four in five pilots tell a variance between these factors of the true one."""
    low, high = Components(1.0, 0.0, 0.0, seeds=3, speakers=0).known()
    random = np.random.default_rng(2)
    errors = random.normal(0, 1, (4000, 3)).std(axis=1, ddof=1)
    held = np.mean((errors * low <= 1) & (errors * high >= 1))
    assert held == pytest.approx(0.8, abs=0.02)


def test_the_detectable_difference_is_found_in_four_studies_of_five() -> None:
    random = np.random.default_rng(1)
    at = detectable(Estimate(0.0, 0.5))
    assert at is not None
    found = [Estimate(value, 0.5).p_above(0) < 0.025 for value in random.normal(at, 0.5, 4000)]
    assert np.mean(found) == pytest.approx(0.8, abs=0.02)
    assert detectable(Estimate(0.3, None)) is None


def test_what_has_no_spread_is_always_found() -> None:
    assert Prospect(0.0, ()).power(1e-9) == 1
    assert Prospect(0.0, ()).power(0.0) == 0
    assert Prospect(1e-6, ((1e-12, 2.0),)).power(10.0) == 1
