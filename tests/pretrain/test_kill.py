"""SIGKILL, for real; `kill_steps.py` repeats it as often as one likes."""

from __future__ import annotations

import pytest
from kill_steps import SCHEDULE, same, survive
from pretrain_help import Tones, tiny

from lamina.pretrain.labels import Units
from lamina.pretrain.loop import pretrain
from lamina.pretrain.units import UnitsConfig, make_units
from lamina.runs import Run


@pytest.mark.slow
def test_a_run_that_is_killed_again_and_again_ends_with_the_same_weights(tmp_path) -> None:
    make_units(UnitsConfig(clusters=6), Tones(), tmp_path / "units")
    resumed = survive(tmp_path / "killed", tmp_path / "units", kills=2, steps=120, seed=0)
    pretrain(tiny(**SCHEDULE, steps=120), Tones(), Units.read(tmp_path / "units"), Run(tmp_path / "whole", {}, {}))
    assert len(resumed) == 2
    assert resumed == sorted(resumed)
    assert same(tmp_path / "killed", tmp_path / "whole")
    assert not list((tmp_path / "killed").glob(".*"))
