"""Effects of a factorial with known truth, from run folders as the analysis leaves them."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest

from lamina.errors import LaminaError
from lamina.runs import Run
from lamina.score import Score, Scores
from lamina.stats.inference import write_replicates
from lamina.study.conclude import Study, conclude

FACTORS = {"auxiliary": ["no", "yes"], "rate": ["20", "40"]}
TAPS = {"front": 0.9, "enc20.1": 0.1, "mid40.1": 0.3}  # the front end never counts as a layer


def make(root: Path, seeds: tuple[int, ...] = (0,), missing: bool = False) -> Study:
    """Cells where the auxiliary loss adds .2, the rate takes .05, and both together add .04 more."""
    speakers = np.random.default_rng(0).normal(0, 0.1, 200)  # what all cells have in common
    runs = []
    for seed, a, r in product(seeds, (0, 1), (0, 1)):
        levels = {"auxiliary": FACTORS["auxiliary"][a], "rate": FACTORS["rate"][r]}
        run = Run.plan(root, f"analysis-{a}{r}-s{seed}", {"a": a, "r": r, "seed": seed})
        run.start()
        shift = 0.2 * a - 0.05 * r + 0.04 * a * r + 0.001 * seed
        rows, replicates = [], {}
        for depth, (tap, base) in enumerate(TAPS.items()):
            for measure in ("cca-mean", "mi-normalised"):
                value = base + shift
                rows.append(
                    Score("", run.folder.name, f"{a}{r}", tap, depth, 20.0, measure, "phone", value, "", None,
                          None, 50, "test", seed, "lamina", "common", "")
                )  # fmt: skip
                replicates[f"{tap}|{measure}|phone"] = value + speakers
        Scores(rows).write(run.folder / "scores.jsonl")
        write_replicates(run.folder, replicates)
        if not (missing and a and r):
            run.finish()
        runs.append({"folder": run.folder.name, "kind": "analysis", "model": "", "seed": seed, "levels": levels})
    study = Study("known", FACTORS, runs, {})
    study.write(root)
    assert Study.read(root) == study
    return study


@pytest.mark.parametrize("seeds", [(0,), (0, 1, 2)])
@pytest.mark.parametrize(("tap", "measure"), [("best", "cca-mean"), ("mean", "mi-normalised")])
def test_effects_are_the_planted_ones(tmp_path: Path, seeds: tuple[int, ...], tap: str, measure: str) -> None:
    make(tmp_path, seeds)
    scores = conclude(tmp_path)
    found = {row.model: row for row in scores.select(unit="difference", tap=tap, measure=measure)}
    assert found["effect:auxiliary"].value == pytest.approx(0.22)
    assert found["effect:rate"].value == pytest.approx(-0.03)
    assert found["effect:auxiliary x rate"].value == pytest.approx(0.04)
    for row in found.values():  # speakers' common part cancels in paired differences
        assert row.low == pytest.approx(row.value)
        assert row.high == pytest.approx(row.value)


def test_all_rows_carry_the_study_and_are_written(tmp_path: Path) -> None:
    make(tmp_path)
    scores = conclude(tmp_path)
    assert scores.distinct("study") == ["known"]
    assert Scores.read(tmp_path / "scores.jsonl") == scores
    assert len((tmp_path / "scores.csv").read_text().splitlines()) == len(scores) + 1


def test_a_missing_cell_means_no_effects_but_all_scores(tmp_path: Path) -> None:
    make(tmp_path, missing=True)
    scores = conclude(tmp_path)
    assert len(scores.select(unit="difference")) == 0
    assert len(scores) == 3 * len(TAPS) * 2


def test_folders_that_are_no_study(tmp_path: Path) -> None:
    with pytest.raises(LaminaError, match="there is no file"):
        conclude(tmp_path)
    Study("empty", FACTORS, [], {}).write(tmp_path)
    with pytest.raises(LaminaError, match="no run in"):
        conclude(tmp_path)
