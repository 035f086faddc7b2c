"""`lamina study`: the matched experiment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lamina.cli.options import ConfigFile, StudyFolder
from lamina.terminal import say

study = typer.Typer(help="The matched experiment: plan, run, report.", no_args_is_help=True)


@study.command("run")
def study_run(
    config: ConfigFile,
    out: StudyFolder = None,
    jobs: Annotated[int, typer.Option(min=1, help="Steps side by side, one thread each.")] = 2,
) -> None:
    """Run what is missing of a study, conclude, and write its report."""
    from rich.console import Console

    from lamina.config import load_config
    from lamina.study.design import StudyConfig, plan
    from lamina.study.study import run_study
    from lamina.study.watch import ConsoleWatcher

    design = load_config(config, StudyConfig)
    root = out or Path("runs") / design.name
    with ConsoleWatcher(len(plan(design)), Console()) as watcher:
        page = run_study(design, root, jobs=jobs, watcher=watcher)
    say(f"scores: {(root / 'scores.jsonl').resolve()}")
    say(f"report: {page.resolve()}")


@study.command("plan")
def study_plan(config: ConfigFile, out: StudyFolder = None) -> None:
    """List the steps of a study, and which of them are done."""
    from lamina.config import load_config
    from lamina.study.design import StudyConfig, plan

    design = load_config(config, StudyConfig)
    root = out or Path("runs") / design.name
    for step in plan(design):
        run = step.run(root)
        say(f"{'done' if run.done else 'to do':6} {run.folder.name}")


@study.command("report")
def study_report(folder: Annotated[Path, typer.Argument(help="A study folder.", metavar="FOLDER")]) -> None:
    """Conclude from the finished runs of a study folder and write its report (needs no torch)."""
    from lamina.study.conclude import report_study

    say(f"report: {report_study(folder).resolve()}")
