"""The benchmarks run and print their ratios; what these are is nobody's promise."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.mark.slow
def test_pretrain() -> None:
    done = subprocess.run(
        [sys.executable, BENCHMARKS / "pretrain.py", "--quick", "--threads", "1"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for line in (
        "lamina HuBERT against the fastest peer (",
        "lamina MR-HuBERT against the fastest peer (",
        "against the same with repeated codes",
        "objective alone",
        "levels, 12 layers each",
        "loader alone, audio held in memory",
    ):
        assert line in done.stdout
    skipped = [line for line in done.stdout.splitlines() if "skipped" in line]
    assert all(line.startswith("s3prl ") for line in skipped), skipped
