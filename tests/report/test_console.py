"""Tables on the terminal."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from lamina.report.console import layer_tables, probe_tables
from lamina.score import Score, Scores

MEASURES = ("cca-mean", "cca-pwcca", "svcca-mean", "cka", "mi-normalised", "rsa")


def row(measure: str, value: float, control: str = "", **columns: Any) -> Score:
    ends = {} if control else {"low": value - 0.04, "high": value + 0.04}
    usual = {
        "model": "m", "tap": "a", "depth": 1, "period_ms": 20.0, "target": "phone", "n": 9, "items": "segments",
        "split": "test", "protocol": "lamina", "support": "common",
    }  # fmt: skip
    return Score(measure=measure, value=value, control=control, **(usual | ends | columns))


def text(tables: Iterable[Any], width: int = 100) -> str:
    console = Console(file=io.StringIO(), width=width)
    for table in tables:
        console.print(table)
    return console.file.getvalue()  # type: ignore[attr-defined]  # it is the StringIO above


@pytest.mark.parametrize(("count", "inside"), [(2, True), (6, False)])
def test_intervals_stand_where_they_fit_and_else_below(count: int, inside: bool) -> None:
    rows = [each for name in MEASURES[:count] for each in (row(name, 0.5), row(name, -0.001, "shuffled"))]
    said = text(layer_tables(Scores(rows)))
    assert ("0.500* (0.46 to 0.54) /0.00" in said) == inside
    assert ("95 % intervals of the best: cca-mean a 0.500 (0.46 to 0.54)" in said) == (not inside)
    assert "-0.00" not in said


def test_other_ways_of_reading_have_tables_alike() -> None:
    said = text(layer_tables(Scores([row("cka", 0.3, matched=True), row("cka", 0.5)])))
    assert said.index("m: phone, own rate") < said.index("m: phone, matched")
    assert "0.300* (0.26 to 0.34)" in said


@pytest.mark.parametrize("items", ["frames", "segments", "utterances", "pairs", "triples"])
def test_the_rows_say_what_was_counted(items: str) -> None:
    """Whatever the target is called."""
    said = text(layer_tables(Scores([row("cka", 0.5, items=items, target="encoder:mel")])))
    assert f"scored on test: 9 {items};" in said


def test_a_star_stands_at_the_better_value_and_at_none_that_only_describes() -> None:
    rows = [row(name, value, tap=tap) for name in ("abx-within", "cka", "effective-rank")
            for tap, value in (("a", 0.2), ("b", 0.4))]  # fmt: skip
    said = text(layer_tables(Scores(replace(each, low=None, high=None) for each in rows)))
    lines = [" ".join(line.split()) for line in said.splitlines()]
    assert "a 20 0.200* 0.200 0.200" in lines
    assert "b 20 0.400 0.400* 0.400" in lines


def test_a_probes_scores_stand_above_what_layers_weigh() -> None:
    heads = [row("per", 0.3, head="linear", items="phones"), row("per", 0.2, head="blstm", items="phones")]
    weighted = [replace(each, tap="", layers="weighted") for each in heads]
    mixing = [
        row(measure, value * scale, head=head.head, tap=tap, low=None, high=None)
        for head in heads
        for measure, scale in (("layer-weight", 0.1), ("layer-norm", 10))
        for tap, value in (("a", 1), ("b", 4), ("c", 3), ("d", 2))
    ]
    majority = row("per", 0.9, "majority", tap="", model="majority")
    said = text(probe_tables(Scores([*mixing, *weighted, majority])), 200)
    assert said.index("0.300 (0.260 to 0.340)") < said.index("weigh most in the sum")
    assert "layer-weight" not in said
    assert "b 0.40 (length 40), c 0.30 (length 30), d 0.20 (length 20)" in said
    assert "scored on test: 9 phones" in said
    assert ["majority", "20", "0.900"] in [line.split() for line in said.splitlines()]
