"""Studies in Python: what was found, as text, as a frame, in a notebook."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_conclude import make

import lamina
from lamina.errors import LaminaError
from lamina.study.conclude import conclude


def test_a_concluded_study_is_read(tmp_path: Path) -> None:
    make(tmp_path, seeds=(0, 1, 2))
    scores = conclude(tmp_path)
    found = lamina.read_study(tmp_path)
    assert found.scores == scores
    first, *lines = found.table().splitlines()
    assert first.startswith("Of 8 claims: 3 supported, 3 contradicted, 2 undecided; ")
    assert len(lines) == len(found.verdicts) == 8
    assert lines[0].split()[:2] == ["supported", "+0.22"]
    assert "Claims of this study" in found._repr_html_()
    pytest.importorskip("pandas")
    frame = found.to_pandas()
    assert len(frame) == len(found.effects)
    assert set(frame["at"]) == {"best", "matched", "mean", "layer"}


def test_what_is_no_study_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(LaminaError, match="scores"):
        lamina.read_study(tmp_path)
