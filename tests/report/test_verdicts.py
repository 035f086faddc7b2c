"""Verdicts: the file that a study writes and its report reads."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lamina.errors import LaminaError
from lamina.report.verdicts import FILE, Verdict, read_verdicts, write_verdicts

ONE = Verdict(
    name="auxiliary",
    claim="The auxiliary loss helps.",
    hypothesis="auxiliary raises cca-mean of phone at the best tap",
    verdict="undecided",
    effect=-0.002,
    low=-0.006,
    high=0.005,
    unit="",
    n_seeds=1,
    n_speakers=4,
    measure="cca-mean",
    target="phone",
    where="best",
    reason="the interval holds zero",
    margin=0.01,
    p=0.4,
    p_holm=0.8,
    detectable=0.008,
)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write_verdicts(tmp_path, [ONE])
    assert read_verdicts(tmp_path) == (ONE,)


def test_a_study_without_claims_has_no_verdicts(tmp_path: Path) -> None:
    assert read_verdicts(tmp_path) == ()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda value: value.update(format=0), "another version"),
        (lambda value: value.pop("verdicts"), "its 'verdicts' is missing"),
        (lambda value: value["verdicts"].insert(0, 3), "verdict 1 is no verdict"),
        (lambda value: value["verdicts"][0].pop("claim"), "lacks the column 'claim'"),
        (lambda value: value["verdicts"][0].update(more=1), "has a column 'more' that a verdict has not"),
        (lambda value: value["verdicts"][0].update(verdict="maybe"), "none of supported, contradicted, undecided"),
        (lambda value: value["verdicts"][0].update(effect="0.1"), "effect is '0.1', which is no finite number"),
        (lambda value: value["verdicts"][0].update(claim="\ud800"), "claim is '.ud800', which is no text"),
        (lambda value: value["verdicts"][0].update(measure="cca"), "there is no measure 'cca'"),
    ],
)
def test_damaged_files_are_refused(tmp_path: Path, change: object, message: str) -> None:
    write_verdicts(tmp_path, [ONE])
    value = json.loads((tmp_path / FILE).read_text())
    change(value)  # type: ignore[operator]  # a lambda of the table above
    (tmp_path / FILE).write_text(json.dumps(value))
    with pytest.raises(LaminaError, match=message):
        read_verdicts(tmp_path)
