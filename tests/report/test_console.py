"""Tables on the terminal."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from lamina.report.console import layer_tables
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
    assert ("95 % of the best: m0 a 0.500 (0.46 to 0.54)" in said) == (not inside)
    assert "-0.00" not in said


def test_other_ways_of_reading_have_tables_alike() -> None:
    said = text(Scores([row("cka", 0.3, support="decimated"), row("cka", 0.5)]))
    assert said.index("m: phone\n".rstrip()) < said.index("m: phone, decimated")
    assert "0.300* (0.26 to 0.34)" in said
