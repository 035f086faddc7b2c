"""Resampling: paired, seeded, without torch, and covering as it should."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from lamina.errors import LaminaError
from lamina.stats.inference import (
    FILE,
    Estimate,
    Replicates,
    draw_name,
    holm,
    interval,
    over_seeds_and_speakers,
    read_replicates,
    resample_weights,
    write_replicates,
)


def test_weights_depend_on_seed_and_sorted_names_only():
    one = resample_weights(["b", "a", "c"], replicates=50, seed=1)
    assert np.array_equal(one, resample_weights(["c", "b", "a"], replicates=50, seed=1))
    assert not np.array_equal(one, resample_weights(["c", "b", "a"], replicates=50, seed=2))
    assert not np.array_equal(one, resample_weights(["c", "b", "d"], replicates=50, seed=1))
    assert one.shape == (50, 3)
    assert (one.sum(1) == 3).all()


@pytest.mark.parametrize("groups", [3, 5, 8, 30])
def test_mean_of_groups_is_covered_as_often_as_promised(groups):
    generator = np.random.default_rng(0)
    weights = resample_weights([f"s{k:02d}" for k in range(groups)], replicates=400, seed=0)
    covered = 0
    for _ in range(600):
        values = generator.standard_normal(groups)
        low, high = interval(float(values.mean()), weights @ values / groups, groups=groups)
        covered += low <= 0 <= high
    assert 0.93 <= covered / 600 <= 0.97


def test_an_interval_by_hand():
    values = np.array([1.0, 3.0, np.nan])
    reach = 2.7764451 * 2**0.5 * (5 / 4) ** 0.5
    assert interval(2.5, values, groups=5) == (pytest.approx(2.5 - reach), pytest.approx(2.5 + reach))
    assert interval(2.5, values, groups=0)[1] == pytest.approx(2.5 + 1.959964 * 2**0.5)
    assert interval(2.5, values, groups=1) == (None, None)
    assert interval(2.5, np.full(5, np.nan), groups=5) == (None, None)


def test_a_draw_is_named_by_its_weights():
    one, same, other = (resample_weights(["a", "b"], replicates=9, seed=seed) for seed in (0, 0, 1))
    assert draw_name(one) == draw_name(same) != draw_name(other)
    assert draw_name(one, other) != draw_name(other, one)


def test_replicates_round_trip_with_their_groups_and_draws(tmp_path):
    told = Replicates()
    told.put("enc20.1|cca-mean|phone", np.arange(4.0), 7, "one")
    told.put("enc20.1|mi-bits|word", np.full(4, np.nan), 3, "two")
    write_replicates(tmp_path, told)
    read = read_replicates(tmp_path)
    assert list(read) == list(told)
    assert (read.groups, read.draws) == (told.groups, told.draws)
    for key, values in told.items():
        np.testing.assert_array_equal(read[key], values)
    more = Replicates()
    more.put("enc20.1|mi-bits|word", np.zeros(4), 9, "three")
    more.put("enc20.2|mi-bits|word", np.zeros(4), 9, "three")
    read.join(more)
    assert read.groups == {**told.groups, "enc20.2|mi-bits|word": 9}
    assert np.isnan(read["enc20.1|mi-bits|word"]).all()


def test_broken_replicates_are_an_error(tmp_path):
    with pytest.raises(LaminaError, match="cannot read"):
        read_replicates(tmp_path)
    (tmp_path / FILE).write_bytes(b"PK")
    with pytest.raises(LaminaError, match="cannot read"):
        read_replicates(tmp_path)
    np.savez(tmp_path / FILE, format=9)
    with pytest.raises(LaminaError, match="format 9"):
        read_replicates(tmp_path)


def test_no_torch_is_imported():
    code = "import sys, lamina.stats.inference, lamina.analysis.config; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(("seeds", "speakers"), [(1, 4), (3, 4), (3, 1), (4, 12)])
def test_intervals_over_seeds_and_speakers_hold_the_truth_as_often_as_they_say(seeds: int, speakers: int) -> None:
    """Planted: a difference of 0 plus what is a seed's, a speaker's and both's own; the coverage is 95 %."""
    random = np.random.default_rng(0)
    held, found = 0, 0
    for study in range(600):
        of_seeds = random.normal(0, 1, seeds) if seeds > 1 else np.zeros(1)
        of_speakers = random.normal(0, 1, speakers) if speakers > 1 else np.zeros(1)
        both = of_seeds[:, None] + of_speakers + random.normal(0, 0.3, (seeds, speakers))
        weights = resample_weights([f"s{i}" for i in range(speakers)], replicates=200, seed=study)
        resampled = both @ (weights / speakers).T
        estimate = over_seeds_and_speakers(both.mean(axis=1), resampled, speakers=speakers)
        low, high = estimate.interval()
        assert low is not None
        assert high is not None
        held += low <= 0 <= high
        found += estimate.p_above(0) < 0.025 or estimate.p_below(0) < 0.025
    assert 0.92 < held / 600 < 0.985
    assert found == 600 - held


def test_one_seed_and_one_speaker_tell_no_error() -> None:
    estimate = over_seeds_and_speakers(np.array([0.3]), np.full((1, 5), np.nan), speakers=1)
    assert (estimate.value, estimate.error, estimate.interval()) == (0.3, None, (None, None))


def test_exact_differences_leave_no_chance() -> None:
    counted = Estimate(-2.0, 0.0, exact=True)
    assert counted.p_below(0) == 0
    assert counted.p_above(0) == 1
    assert counted.interval() == (-2.0, -2.0)
    assert Estimate(-2.0, 0.0).p_below(0) == 1


def test_equal_seeds_are_no_certainty() -> None:
    """Nothing spreads, but for the last digit: chance cannot be told, as with one seed."""
    none = np.zeros((2, 0))
    for values in (np.array([0.3, 0.3]), np.array([0.1 + 0.2, 0.3])):
        estimate = over_seeds_and_speakers(values, none, speakers=0)
        assert (estimate.error, estimate.interval(), estimate.p_above(0)) == (None, (None, None), 1.0)
        assert over_seeds_and_speakers(values, np.full((2, 9), 0.3), speakers=5).error is None
    assert over_seeds_and_speakers(np.array([0.3, 0.31]), none, speakers=0).error == pytest.approx(0.005)


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []
