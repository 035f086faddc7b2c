"""The main job: run what is missing, conclude, and write the report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lamina.errors import LaminaError
from lamina.runs import environment
from lamina.study.conclude import report_study
from lamina.study.design import Step, StudyConfig, plan
from lamina.study.record import Study
from lamina.study.schedule import Watcher, run_steps
from lamina.study.steps import execute


def run_study(config: StudyConfig, root: Path, *, jobs: int, watcher: Watcher) -> Path:
    """Run every step of the study that is not done yet, conclude, and write the report.

    Args:
        config: the study.
        root: its folder; a second run with the same config does only what is missing.
        jobs: steps side by side, one thread each.
        watcher: shows the progress.

    Returns:
        The page of the report.

    Raises:
        LaminaError: the config is impossible, the folder is in use, or a step failed (the others are done).
    """
    steps = plan(config)
    failed = run_steps(steps, root, execute, jobs=jobs, watcher=watcher)
    study_of(config, steps, root).write(root)
    if failed:
        raise LaminaError(
            f"{len(failed)} of {len(steps)} steps failed ({', '.join(step.name for step in failed)}); the reasons "
            "are above; the same command tries them again and keeps what is done"
        )
    return report_study(root)


def study_of(config: StudyConfig, steps: list[Step], root: Path) -> Study:
    """The resolved design: what `conclude` and the report need to know of it."""
    runs = [
        {
            "folder": step.run(root).folder.name,
            "kind": step.kind,
            "model": step.config.get("model", "") if step.kind == "analysis" else "",
            "seed": step.config.get("seed", 0),
            "levels": step.config.get("levels", {}),
        }
        for step in steps
    ]
    factors = {name: list(factor.levels) for name, factor in config.factors.items()}
    method: dict[str, Any] = {
        "question": config.question,
        "factors": {
            name: {"label": each.label, "levels": list(each.levels)} for name, each in config.factors.items()
        },
        "caveats": list(config.caveats),
        "config": config.to_json(),
        "config_digest": config.digest,
        "environment": environment(),
    }
    return Study(config.name, factors, runs, method)
