"""The main job: run what is missing, conclude, and write the report."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

from lamina.errors import LaminaError
from lamina.files import check_folder
from lamina.runs import environment
from lamina.study.check import tiers
from lamina.study.conclude import report_study
from lamina.study.design import StoredConfig, StudyConfig
from lamina.study.locks import Locks
from lamina.study.outcomes import Choice
from lamina.study.plan import plan
from lamina.study.record import FactorWords, Study, StudyRun
from lamina.study.schedule import Watcher, is_done, next_step, ready, run_steps
from lamina.study.step import AnalysisRun, Step, find_step
from lamina.study.steps import execute, make, open_for


def run_study(
    config: StudyConfig, root: Path, *, jobs: int, watcher: Watcher, best: Choice = "crossed", device: str = "cpu"
) -> Path:
    """Run every step of the study that is not done yet, conclude, and write the report.

    Args:
        config: the study.
        root: its folder; a second run with the same config does only what is missing.
        jobs: steps side by side, one thread each.
        watcher: shows the progress.
        best: who chooses the best layer, as of `lamina.study.conclude.conclude`.
        device: where the steps compute; those side by side share it.

    Returns:
        The page of the report.

    Raises:
        LaminaError: the config is impossible, the corpus is missing, the folder cannot be written, or a step
            failed (the others are done).
    """
    steps = begin(config, root)
    failed = run_steps(steps, root, partial(execute, device=device), jobs=jobs, watcher=watcher)
    if failed:
        raise LaminaError(
            f"{len(failed)} of {len(steps)} steps failed ({', '.join(step.name for step in failed)}); the reasons "
            "are above; the same command tries them again and keeps what is done"
        )
    return report_study(root, best=best)


def run_next(config: StudyConfig, root: Path, *, only: str = "", device: str = "cpu") -> Step | None:
    """Make one run that nobody has made or is making, or the named one; for schedulers and several processes.

    Started by ``torchrun`` or ``accelerate launch``, with ``only``, the processes make it together.

    Returns:
        The step that was made; None where none can be: all are done, or made by others, or wait for those.

    Raises:
        LaminaError: as `run_study`; the named run is made by another process or waits for others.
    """
    rank, processes = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    if processes > 1 and not only:
        raise LaminaError(
            f"{processes} processes would each take another run: name the one that they make together with --only "
            "(`lamina study next CONFIG --show` prints it), or start them without torchrun"
        )
    steps = plan(config) if rank else begin(config, root)
    if rank:
        together = find_step(steps, only)
        if together.kind == "pretrain" and not is_done(together, root):
            make(together, root, lambda _done, _total: None, device)
        return together
    locks = Locks(root)
    try:
        step = _named(steps, root, locks, only) if only else next_step(steps, root, locks)
        if step is not None and not is_done(step, root):
            execute(step, root, device)
        return step
    finally:
        locks.close()


def _named(steps: list[Step], root: Path, locks: Locks, name: str) -> Step:
    step = find_step(steps, name)
    waits = [need.name for need in step.needs.values() if not is_done(need, root)]
    if waits:
        raise LaminaError(f"{step.name} needs {', '.join(waits)} first: make those")
    folder = step.run(root).folder.name
    if not is_done(step, root) and not locks.take(folder):
        raise LaminaError(f"{step.name} is being made by {locks.holder(folder)}: wait for it, or make another")
    return step


def begin(config: StudyConfig, root: Path) -> list[Step]:
    """The steps of a study, after all that can be seen beforehand is seen; writes ``study.json``.

    Raises:
        LaminaError: the config is impossible, the corpus is missing or lacks a target, or the folder cannot be
            written.
    """
    steps = plan(config)
    Study.check_version(root)
    if isinstance(config.speech, StoredConfig) and not all(is_done(step, root) for step in steps):
        open_for(config.speech, tiers(config.analysis))
    for name, other in config.read_besides.items():
        if isinstance(other, StoredConfig) and not all(is_done(step, root) for step in steps):
            open_for(other, tiers(config.analysis), f"analysis.corpus.{name}")
    check_folder(root)
    study_of(config, steps, root).write(root)
    return steps


def study_of(config: StudyConfig, steps: list[Step], root: Path) -> Study:
    """The resolved design: what `conclude` and the report need to know of it."""
    return Study(
        name=config.name,
        question=config.question,
        factors={
            name: FactorWords(label=each.label, levels=tuple(each.levels)) for name, each in config.factors.items()
        },
        within={name: dict(each.within) for name, each in config.factors.items() if each.within},
        runs=tuple(
            StudyRun(
                folder=step.run(root).folder.name,
                kind=step.kind,
                subject=step.subject,
                corpus=step.settings.corpus if isinstance(step.settings, AnalysisRun) else "",
            )
            for step in steps
        ),
        claims=config.claims,
        caveats=config.caveats,
        config=config.to_json() | {"corpus": config.speech.to_json()},
        config_digest=config.digest,
        environment=environment(),
    )


def open_runs(config: StudyConfig, root: Path) -> list[Step]:
    """The steps that could be made now: not done, held by nobody, and all that they need is done."""
    found = ready(plan(config), root)
    if root.is_dir():
        locks = Locks(root)
        found = [step for step in found if not locks.holder(step.run(root).folder.name)]
        locks.close()
    return found
