"""Resampling: paired, seeded, without torch, and covering as it should."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from lamina.errors import LaminaError
from lamina.stats.inference import (
    FILE,
    paired_difference,
    percentile_interval,
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
