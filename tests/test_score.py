"""Scores and effects: one row a number, written and read by one module, checked as they are read."""

from __future__ import annotations

import csv
import doctest
import io
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import lamina.score
from lamina.effect import Effect, read_effects, write_effects
from lamina.errors import LaminaError
from lamina.measures import TABLE, family, find_measure, spelled_out
from lamina.score import COLUMNS, Score, Scores, better

# The columns that notebooks rely on.
FIXED = [
    *(
        "study",
        "run",
        "model",
        "tap",
        "block",
        "layer",
        "depth",
        "period_ms",
        "part",
        "layers",
        "measure",
        "target",
    ),
    *(
        "seconds",
        "value",
        "unit",
        "low",
        "high",
        "p",
        "draws",
        "n",
        "items",
        "split",
        "seed",
        "protocol",
        "support",
    ),
    *("pooling", "matched", "head", "setting", "control"),
]
ROW = Score(
    study="s", run="r", model="m", tap="enc20.1", block="enc20", layer=1, depth=1, period_ms=20.0, pooling="all",
    measure="cca-mean", target="phone", value=0.1 + 0.2, high=0.5, n=7, split="test", protocol="lamina",
    support="common",
)  # fmt: skip


def row(**changes: Any) -> Score:
    return replace(ROW, **changes)


def test_columns_are_the_agreed_ones() -> None:
    assert list(COLUMNS) == FIXED


@given(
    text=st.text(st.characters(exclude_categories=["Cs"])),
    value=st.floats(-1, 1),
    layer=st.none() | st.integers(0, 99),
    matched=st.booleans(),
)
def test_round_trip_is_exact(
    tmp_path_factory: Any, text: str, value: float, layer: int | None, matched: bool
) -> None:
    path = tmp_path_factory.mktemp("s") / "scores.jsonl"
    scores = Scores(
        [row(), row(model=text, value=value, high=None, layer=layer, matched=matched, split=f"x{text}")]
    )
    scores.write(path)
    assert Scores.read(path) == scores
    assert len(path.read_text().splitlines()) == 2  # whatever a reader takes for the end of a line
    assert set(json.loads(path.read_text().split("\n")[0])) == {*FIXED, "format"}


def test_csv_has_every_column() -> None:
    rows = list(csv.DictReader(io.StringIO(Scores([row(model="=HYPERLINK(1)")]).to_csv())))
    assert list(rows[0]) == FIXED
    assert float(rows[0]["value"]) == 0.1 + 0.2
    assert rows[0]["model"] == "'=HYPERLINK(1)"


def test_select_and_best() -> None:
    scores = Scores([row(value=0.1), row(value=0.9, model="b"), row(value=0.5, target="word")])
    assert [each.value for each in scores.select(target="phone")] == [0.1, 0.9]
    assert [each.value for each in scores.select(model=["m", "b"], where=lambda r: r.value > 0.4)] == [0.9, 0.5]
    assert scores.best("cca-mean").model == "b"
    with pytest.raises(LaminaError, match="no column 'layr'"):
        scores.select(layr=3)
    with pytest.raises(LaminaError, match="no score has measure 'cka'"):
        scores.best("cka")


def test_the_best_of_an_error_is_the_least_and_of_a_description_there_is_none() -> None:
    rows = Scores(row(measure="abx-within", value=value) for value in (0.3, 0.1, 0.2))
    assert rows.best("abx-within").value == 0.1
    with pytest.raises(LaminaError, match="only describes"):
        Scores([row(measure="effective-rank", value=3.0)]).best("effective-rank")
    for measure in TABLE:
        if measure.better != "neither":
            assert better(measure.name) is (min if measure.better == "lower" else max)


def test_keys_tell_rows_of_a_run_apart() -> None:
    rows = [
        row(), row(tap="mid40.1"), row(target="word"), row(pooling="middle"), row(matched=True), row(head="mlp"),
        row(head="linear"), row(layers="chosen"), row(tap="", layers="weighted"), row(control="shuffled"),
        row(control="majority"), row(setting="same context"), row(measure="macs", seconds=10.0, tap=""),
        row(measure="macs", seconds=5.0, tap=""), row(measure="macs", tap="", part="blocks.0"),
    ]  # fmt: skip
    assert len({each.key for each in rows}) == len(rows)
    assert row().key == "enc20.1|cca-mean|phone"
    assert row(control="untrained").key == row().key  # a run is of one control


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{", "line 2 is not valid JSON"),
        ("[]", "line 2 is no JSON object"),
        ('{"value": 1}', "has format None"),
        ('{"format": 1}', "has format 1, this Lamina reads format 2"),
        ('{"format": 2, "value": 1}', "lacks the column 'measure'"),
        ('{"format": 2, "measure": "cka", "value": 1, "more": 1}', "has a column 'more' that a score has not"),
        ('{"format": 2, "measure": "cka", "value": "1"}', "value is '1', which is no finite number"),
        ('{"format": 2, "measure": "cka", "value": NaN}', "no finite number"),
        ('{"format": 2, "measure": "cka", "value": 1e999}', "no finite number"),
        ('{"format": 2, "measure": "cka", "value": 1, "value": 2}', "twice"),
        ('{"format": 2, "measure": "cka", "value": 1, "n": true}', "n is True, which is no whole number"),
        ('{"format": 2, "measure": "cka", "value": 1, "n": 1.5}', "n is 1.5, which is no whole number"),
        ('{"format": 2, "measure": "cca-men", "value": 1}', "no measure 'cca-men'; did you mean 'cca-mean'"),
        ('{"format": 2, "measure": "cca-mean", "value": 1.1}', "value is 1.1, cca-mean lies between -1 and 1"),
        ('{"format": 2, "measure": "cca-mean", "value": 0.5, "low": 0.6}', "lies outside its interval"),
        ('{"format": 2, "measure": "cca-mean", "value": 0.5, "high": 0.4}', "lies outside its interval"),
        ('{"format": 2, "measure": "cca-mean", "value": 0.5, "n": -1}', "never negative"),
        ("[" * 100_000, "line 2 is not valid JSON"),
    ],
)
def test_bad_lines_are_named(tmp_path: Path, line: str, says: str) -> None:
    path = tmp_path / "scores.jsonl"
    path.write_text(Scores([row()]).to_jsonl() + line + "\n")
    with pytest.raises(LaminaError, match=says) as told:
        Scores.read(path)
    assert "\n" not in str(told.value)
    assert "run the step that wrote it again" in str(told.value)
    with pytest.raises(LaminaError, match=r"absent\.jsonl"):
        Scores.read(tmp_path / "absent.jsonl")


def test_a_row_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "scores.jsonl"
    Scores([row(), row(target="word"), row(value=0.2)]).write(path)
    with pytest.raises(LaminaError, match="line 3 says again what line 1 says"):
        Scores.read(path)


def test_pandas_reads_it(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    scores = Scores([row(), row(model="b")])
    scores.write(tmp_path / "scores.jsonl")
    assert list(pandas.read_json(tmp_path / "scores.jsonl", lines=True)["model"]) == ["m", "b"]
    assert list(scores.to_pandas().columns) == FIXED


def test_examples_in_the_docstring() -> None:
    assert doctest.testmod(lamina.score).failed == 0


def test_intervals_end_where_a_measure_does() -> None:
    def bounded(measure: str, low: float | None, high: float | None) -> Any:
        return find_measure(measure).bounded(low, high)

    assert bounded("accuracy", -0.1, 1.2) == (0.0, 1.0)
    assert bounded("cca-mean", -0.1, 1.2) == (-0.1, 1.0)
    assert bounded("wer", -0.1, 1.2) == (0.0, 1.2)
    assert bounded("mtwv", -0.1, 1.2) == bounded("frame-accuracy", -0.1, 1.2) == (0.0, 1.0)
    assert bounded("cka", -0.1, 1.2) == (-0.1, 1.2)
    assert bounded("purity-label", None, None) == (None, None)


def test_measures_are_told_apart_and_asked_for_by_name_or_family() -> None:
    assert len({each.name for each in TABLE}) == len({each.label for each in TABLE}) == len(TABLE)
    for each in TABLE:
        assert each.low < each.high
        assert each.meaning
        assert not each.meaning.endswith(".")
    assert family("mi") == ("mi-normalised", "mi-bits", "mi-corrected")
    assert spelled_out(("mi-bits", "cca"), ("mi", "cca"))[0] == "mi-bits"
    assert set(spelled_out(("cca",), ("cca",))) == set(family("cca"))
    with pytest.raises(LaminaError, match="did you mean 'cca-mean'"):
        find_measure("ccamean")
    with pytest.raises(LaminaError, match="no measure 'accuracy' here"):
        spelled_out(("accuracy",), ("cca",))


def test_effects_come_back_and_are_no_scores(tmp_path: Path) -> None:
    effect = Effect(study="s", name="a x b", measure="cca-mean", target="phone", at="best", value=-0.02, low=-0.05,
                    high=0.01, seeds=3, speakers=4)  # fmt: skip
    write_effects(tmp_path, [effect, replace(effect, at="layer", layer=2)])
    assert read_effects(tmp_path) == (effect, replace(effect, at="layer", layer=2))
    assert len((tmp_path / "effects.csv").read_text().splitlines()) == 3
    with pytest.raises(LaminaError, match="has format 3, this Lamina reads format 2"):
        Scores.read(tmp_path / "effects.jsonl")
    path = tmp_path / "effects.jsonl"
    path.write_text(json.dumps(asdict(effect) | {"format": 3, "seeds": "three"}) + "\n")
    with pytest.raises(
        LaminaError, match="seeds is 'three', which is no whole number: run `lamina study conclude`"
    ):
        read_effects(tmp_path)
    assert read_effects(tmp_path / "elsewhere") == ()
