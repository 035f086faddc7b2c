"""The benchmarks run and print their ratios; what these are is nobody's promise."""

from __future__ import annotations

import ast
import importlib
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.mark.parametrize("path", sorted(BENCHMARKS.glob("*.py")), ids=lambda path: path.stem)
def test_what_a_benchmark_takes_from_lamina_is_there(path: Path) -> None:
    nodes = [
        node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.ImportFrom)
    ]
    taken = [(str(node.module), alias.name) for node in nodes for alias in node.names]
    own = [(module, name) for module, name in taken if module.split(".")[0] == "lamina"]
    assert own
    for module, name in own:
        assert hasattr(importlib.import_module(module), name) or find_spec(f"{module}.{name}"), (module, name)


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


@pytest.mark.slow
def test_all_of_them_make_one_table(tmp_path: Path) -> None:
    table = tmp_path / "table.md"
    settings = {"QUICK": "1", "DEVICE": "cpu", "OUT": str(table), "PYTHON": sys.executable, "OMP_NUM_THREADS": "1"}
    environment = {**os.environ, **settings}
    done = subprocess.run(["bash", BENCHMARKS / "gpu.sh"], env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    head, _, *rows = table.read_text(encoding="utf-8").splitlines()
    assert head == "| benchmark | told |"
    told = {name: [row for row in rows if row.startswith(f"| {name} |")] for name in NAMES}
    assert not [row for row in rows if "stopped with" in row]
    assert min(map(len, told.values())) > 0
    assert "products in float32" in told["machine"][0]
    assert told["all"][0].endswith(" s |")


NAMES = ("machine", "training", "reading", "analysis", "k-means", "CCA", "probes", "all")
