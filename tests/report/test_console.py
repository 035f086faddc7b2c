"""Tables on the terminal."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from lamina.report.console import layer_tables, probe_tables
from lamina.score import Score, Scores


def row(measure: str, value: float, control: str = "", support: str = "common") -> Score:
    ends = (None, None) if control else (value - 0.04, value + 0.04)
    return Score(
        "", "", "m", "a", 1, 20.0, measure, "phone", value, "", *ends, 9, "test", 0, "lamina", support, control
    )


def text(scores: Scores) -> str:
    console = Console(file=io.StringIO(), width=100)
    for table in layer_tables(scores):
        console.print(table)
    return console.file.getvalue()  # type: ignore[attr-defined]  # it is the StringIO above


@pytest.mark.parametrize(("count", "inside"), [(2, True), (6, False)])
def test_intervals_stand_where_they_fit_and_else_below(count: int, inside: bool) -> None:
    said = text(
        Scores(each for n in range(count) for each in (row(f"m{n}", 0.5), row(f"m{n}", -0.001, "shuffled")))
    )
    assert ("0.500* (0.46 to 0.54) /0.00" in said) == inside
    assert ("95 % intervals of the best: m0 a 0.500 (0.46 to 0.54)" in said) == (not inside)
    assert "-0.00" not in said


def test_other_ways_of_reading_have_tables_alike() -> None:
    said = text(Scores([row("cka", 0.3, support="decimated"), row("cka", 0.5)]))
    assert said.index("m: phone\n".rstrip()) < said.index("m: phone, decimated")
    assert "0.300* (0.26 to 0.34)" in said


def test_a_probes_scores_stand_above_what_layers_weigh() -> None:
    heads = [row("per", 0.3, support="linear head"), row("per", 0.2, support="blstm head")]
    weighted = [replace(each, tap="weighted") for each in heads]
    layers = [
        replace(row(measure, value * scale, support=head.support), tap=tap, low=None, high=None)
        for head in heads
        for measure, scale in (("layer-weight", 0.1), ("layer-norm", 10))
        for tap, value in (("a", 1), ("b", 4), ("c", 3), ("d", 2))
    ]
    console = Console(file=io.StringIO(), width=200)
    for table in probe_tables(Scores([*layers, *weighted])):
        console.print(table)
    said = console.file.getvalue()  # type: ignore[attr-defined]
    assert said.index("0.300 (0.260 to 0.340)") < said.index("weigh most in the sum")
    assert "layer-weight" not in said
    assert "b 0.40 (length 40), c 0.30 (length 30), d 0.20 (length 20)" in said
