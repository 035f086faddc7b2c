from __future__ import annotations

import pytest

from lamina import terminal


def test_elsewhere_than_on_a_terminal_a_line_every_ten_seconds_tells_the_time_left(monkeypatch, capsys) -> None:
    now = 100.0
    monkeypatch.setattr(terminal.time, "monotonic", lambda: now)
    with terminal.progress("run") as tell:
        for done in range(50, 61):  # gone on from step 50, two seconds a step
            tell(done, 100, "loss 3.2")
            now += 2.0
    assert capsys.readouterr().err.splitlines() == ["run: 56 of 100, loss 3.2, 88 s left"]


@pytest.mark.parametrize("quiet", [True, False])
def test_a_quiet_one_says_nothing(monkeypatch, capsys, quiet) -> None:
    now = 100.0
    monkeypatch.setattr(terminal.time, "monotonic", lambda: now)
    with terminal.progress("run", quiet=quiet) as tell:
        tell(1, 3)
        now += 11
        tell(2, 3)
    assert bool(capsys.readouterr().err) is not quiet
