"""The README's Python runs, and prints what the README says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

README = (Path(__file__).resolve().parents[1] / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
OUTPUTS = re.findall(r"```text\n(.*?)```", README, re.DOTALL)


def run(code: str, folder: Path) -> str:
    told = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert told.returncode == 0, told.stderr
    return told.stdout


def words_and_numbers(text: str) -> tuple[str, list[float]]:
    numbers = re.compile(r"\d+\.\d+")
    return numbers.sub("#", text), [float(number) for number in numbers.findall(text)]


def test_first_block_prints_what_is_shown(tmp_path: Path) -> None:
    pytest.importorskip("espeakng_loader")
    text, numbers = words_and_numbers(run(BLOCKS[0], tmp_path))
    shown, expected = words_and_numbers(OUTPUTS[0])
    assert text == shown
    assert numbers == pytest.approx(expected, abs=0.02)  # processors differ in the last digits


def test_mr_hubert_is_at_home_in_transformers(tmp_path: Path) -> None:
    assert run("import lamina\n" + BLOCKS[1], tmp_path) == "MRHubertModel\n"


def test_files_that_the_readme_names_exist() -> None:
    root = Path(__file__).resolve().parents[1]
    named = re.findall(r"\]\(([\w./-]+)\)", README) + re.findall(r"configs/[\w./-]+\.toml", README)
    assert len(named) > 3
    for name in named:
        assert (root / name).exists(), name
