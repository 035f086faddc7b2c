"""Resampling: paired, seeded, without torch, and covering as it should."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lamina.errors import LaminaError
from lamina.stats.inference import (
    FILE,
    Estimate,
    holm,
    over_seeds_and_speakers,
    paired_difference,
    percentile_interval,
    read_groups,
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


def test_mean_of_groups_is_covered_about_as_often_as_promised():
    generator = np.random.default_rng(0)
    weights = resample_weights([f"s{k:02d}" for k in range(30)], replicates=400, seed=0)
    covered = 0
    for _ in range(300):
        values = generator.standard_normal(30)
        low, high = percentile_interval(weights @ values / 30)
        covered += low <= 0 <= high
    assert 0.88 <= covered / 300 <= 0.99


def test_percentiles_are_numpys_and_missing_values_are_left_out():
    values = np.arange(101.0)
    assert percentile_interval(values, level=0.9) == (pytest.approx(5.0), pytest.approx(95.0))
    assert percentile_interval(np.append(values, np.nan), level=0.9) == (pytest.approx(5.0), pytest.approx(95.0))
    assert percentile_interval(np.full(5, np.nan)) == (None, None)
    assert percentile_interval(np.zeros(0)) == (None, None)


def test_paired_differences_cancel_what_speakers_share():
    shared = np.random.default_rng(0).standard_normal(200)
    low, high = paired_difference(shared + 0.1, shared)
    assert low == pytest.approx(0.1)
    assert high == pytest.approx(0.1)
    with pytest.raises(ValueError, match="same resamples"):
        paired_difference(shared, shared[1:])


def test_replicates_round_trip(tmp_path):
    told = {"enc20.1|cca-mean|phone": np.arange(4.0), "enc20.1|mi-bits|word": np.full(4, np.nan)}
    write_replicates(tmp_path, told)
    read = read_replicates(tmp_path)
    assert list(read) == list(told)
    for key, values in told.items():
        np.testing.assert_array_equal(read[key], values)


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


def test_how_many_speakers_is_kept(tmp_path: Path) -> None:
    write_replicates(tmp_path, {"a|b|c": np.arange(3.0)}, groups=7)
    assert read_groups(tmp_path) == 7
    write_replicates(tmp_path, {"a|b|c": np.arange(3.0)})
    assert read_groups(tmp_path) == 0


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
    assert estimate.detectable() is None


def test_the_detectable_difference_is_found_in_four_studies_of_five() -> None:
    random = np.random.default_rng(1)
    error = 0.5
    at = Estimate(0.0, error).detectable()
    assert at is not None
    found = [Estimate(value, error).p_above(0) < 0.025 for value in random.normal(at, error, 4000)]
    assert np.mean(found) == pytest.approx(0.8, abs=0.02)


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
