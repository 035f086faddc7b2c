"""Scores: one row a number, written and read by one module."""

from __future__ import annotations

import csv
import doctest
import io
import json
from pathlib import Path

import pytest

import lamina.score
from lamina.errors import LaminaError
from lamina.score import COLUMNS, Score, Scores, bounded

# The columns that the plan of the house fixes; notebooks rely on them.
FIXED = [
    *("study", "run", "model", "tap", "depth", "period_ms", "measure", "target", "value", "unit", "low", "high"),
    *("n", "split", "seed", "protocol", "support", "control"),
]


def row(**changes: object) -> Score:
    values: dict[str, object] = {
        "study": "s", "run": "r", "model": "m", "tap": "enc20.1", "depth": 1, "period_ms": 20.0,
        "measure": "cca-mean", "target": "phone", "value": 0.1 + 0.2, "unit": "", "low": None, "high": 0.5,
        "n": 7, "split": "test", "seed": 0, "protocol": "lamina", "support": "common", "control": "",
    }  # fmt: skip
    return Score(**(values | changes))  # type: ignore[arg-type]


def test_columns_are_the_agreed_ones() -> None:
    assert list(COLUMNS) == FIXED


def test_round_trip_is_exact(tmp_path: Path) -> None:
    scores = Scores([row(), row(value=1e-300, tap="mid40.sum", depth=4), row(target="wörter")])
    scores.write(tmp_path / "scores.jsonl")
    assert Scores.read(tmp_path / "scores.jsonl") == scores
    first = json.loads((tmp_path / "scores.jsonl").read_text().splitlines()[0])
    assert set(first) == {*FIXED, "format"}


def test_csv_has_every_column() -> None:
    rows = list(csv.DictReader(io.StringIO(Scores([row()]).to_csv())))
    assert list(rows[0]) == FIXED
    assert float(rows[0]["value"]) == 0.1 + 0.2


def test_select_and_best() -> None:
    scores = Scores([row(value=0.1), row(value=0.9, model="b"), row(value=0.5, target="word")])
    assert [each.value for each in scores.select(target="phone")] == [0.1, 0.9]
    assert [each.value for each in scores.select(model=["m", "b"], where=lambda r: r.value > 0.4)] == [0.9, 0.5]
    assert scores.best("cca-mean").model == "b"
    with pytest.raises(LaminaError, match="no column 'layer'"):
        scores.select(layer=3)
    with pytest.raises(LaminaError, match="no score has measure 'cka'"):
        scores.best("cka")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{", "line 2 is not a score"),
        ("[]", "is not a score"),
        ('{"value": 1}', "is not a score"),
        ('{"format": 99}', "format 99"),
        ('{"format": 1, "value": 1}', "lacks or adds columns"),
    ],
)
def test_bad_lines_are_named(tmp_path: Path, line: str, says: str) -> None:
    path = tmp_path / "scores.jsonl"
    path.write_text(Scores([row()]).to_jsonl() + line + "\n")
    with pytest.raises(LaminaError, match=says):
        Scores.read(path)
    with pytest.raises(LaminaError, match="cannot read scores"):
        Scores.read(tmp_path / "absent.jsonl")


def test_pandas_reads_it(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    scores = Scores([row(), row(model="b")])
    scores.write(tmp_path / "scores.jsonl")
    assert list(pandas.read_json(tmp_path / "scores.jsonl", lines=True)["model"]) == ["m", "b"]
    assert list(scores.to_pandas().columns) == FIXED


def test_examples_in_the_docstring() -> None:
    assert doctest.testmod(lamina.score).failed == 0


def test_intervals_end_where_a_measure_does() -> None:
    assert bounded("accuracy", -0.1, 1.2) == (0.0, 1.0)
    assert bounded("cca-mean", -0.1, 1.2) == (-0.1, 1.0)
    assert bounded("wer", -0.1, 1.2) == (0.0, 1.2)
    assert bounded("mtwv", -0.1, 1.2) == bounded("frame-accuracy", -0.1, 1.2) == (0.0, 1.0)
    assert bounded("cka", -0.1, 1.2) == (-0.1, 1.2)
    assert bounded("purity-label", None, None) == (None, None)
