"""What the report is told of a study's runs: how training went, what was noted. Needs no torch."""

from __future__ import annotations

from pathlib import Path

from lamina.report.trained import Trained
from lamina.runs import Run
from lamina.study.record import Study


def trained(study: Study, root: Path) -> list[Trained]:
    """The training runs that are there, in the study's order."""
    told = []
    for each in study.runs:
        if each.kind == "pretrain" and (root / each.folder / "run.json").is_file():
            run, whose = Run.read(root / each.folder), each.subject
            settings = run.config.get("settings", {})
            told.append(Trained(whose.model, whose.seed, settings, whose.levels, run.log_lines()))
    return told


def notes(study: Study, root: Path) -> dict[str, list[str]]:
    """What analyses and probes noted, by the model's name."""
    told: dict[str, dict[str, None]] = {}
    for each in study.runs:
        if each.kind in ("analysis", "probe") and (root / each.folder / "run.json").is_file():
            told.setdefault(each.subject.model, {}).update(dict.fromkeys(Run.read(root / each.folder).notes()))
    return {model: list(lines) for model, lines in told.items() if lines}
