"""The log, and TensorBoard's events."""

from __future__ import annotations

from lamina.pretrain import journal as room
from lamina.pretrain.journal import Journal
from lamina.runs import Run

LINES = ({"step": 2, "loss": 3.5, "frames": 7}, {"event": "validation", "step": 4, "loss_masked_0": 2.25})
DRAWN = {("train/loss", 2): 3.5, ("validation/loss_masked_0", 4): 2.25}


def test_tensorboard_reads_what_was_drawn(tmp_path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    journal = Journal(Run(tmp_path, {}, {}))
    for line in (*LINES, {"event": "stopped", "asked_by": "SIGINT"}):
        journal.log(**line)
    journal.close()
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    found = {(name, each.step): each.value for name in events.Tags()["scalars"] for each in events.Scalars(name)}
    assert found == DRAWN


def test_without_tensorboard_the_log_is_written_all_the_same(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(room, "find_spec", lambda _: None)
    journal = Journal(Run(tmp_path, {}, {}))
    journal.log(**LINES[0])
    journal.close()
    assert [path.name for path in tmp_path.iterdir()] == ["log.jsonl"]


def test_a_warning_is_logged_and_heard_by_the_main_process_alone(tmp_path) -> None:
    heard: list[str] = []
    Journal(Run(tmp_path, {}, {}), write=False, hear=heard.append).warn("not I")
    Journal(Run(tmp_path, {}, {}), hear=heard.append).warn("look", step=3)
    assert heard == ["look"]
    (line,) = Run(tmp_path, {}, {}).log_lines()
    assert (line["event"], line["message"], line["step"]) == ("warning", "look", 3)
