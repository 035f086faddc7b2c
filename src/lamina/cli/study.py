"""`lamina study`: the matched experiment."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from lamina.cli.options import ConfigFile, Device, StudyFolder, on
from lamina.terminal import names, say, show

study = typer.Typer(help="The matched experiment: plan, run, conclude, report.", no_args_is_help=True)
Finished = Annotated[
    Path, typer.Argument(help="A study folder, or a copy of one without weights.", metavar="FOLDER")
]


class Chooser(StrEnum):
    """Who chooses the best layer."""

    crossed = "crossed"
    scored = "scored"


Best = Annotated[
    Chooser,
    typer.Option(help="Who chooses the best layer: other speakers than those that score it, or the scored ones."),
]


def _made_at(page: Path) -> int:
    """When a page was written; 0 where there is none."""
    return page.stat().st_mtime_ns if page.is_file() else 0


def _tell(page: Path, before: int) -> None:
    """Say where the report is, and whether it was up to date."""
    kept = " (up to date, not made again)" if before and _made_at(page) == before else ""
    say(f"report: {page.resolve()}{kept}")


@study.command("run")
def study_run(
    config: ConfigFile,
    out: StudyFolder = None,
    jobs: Annotated[int, typer.Option(min=1, help="Steps side by side, one thread each; they share a GPU.")] = 2,
    best: Best = Chooser.crossed,
    device: Device = "auto",
) -> None:
    """Run what is missing of a study, conclude, and write its report."""
    from rich.console import Console

    from lamina.config import load_config
    from lamina.report.console import verdicts_table
    from lamina.report.verdicts import read_verdicts
    from lamina.study.conclude import REPORT
    from lamina.study.design import StudyConfig
    from lamina.study.plan import plan
    from lamina.study.study import run_study
    from lamina.study.watch import ConsoleWatcher

    device = on(device)
    design = load_config(config, StudyConfig)
    root = out or design.default_root()
    before = _made_at(root / REPORT / "index.html")
    with ConsoleWatcher(len(plan(design)), Console()) as watcher:
        page = run_study(design, root, jobs=jobs, watcher=watcher, best=best.value, device=device)
    verdicts = read_verdicts(root)
    if verdicts:
        show(verdicts_table(verdicts))
    say(f"scores: {(root / 'scores.jsonl').resolve()}")
    _tell(page, before)


@study.command("plan")
def study_plan(
    config: ConfigFile,
    out: StudyFolder = None,
    jobs: Annotated[int, typer.Option(min=1, help="Steps side by side, for the time in all.")] = 2,
    measure: Annotated[
        bool, typer.Option(help="Measure this machine for a few seconds; otherwise no times are told.")
    ] = True,
    device: Device = "auto",
    like: Annotated[
        Path | None,
        typer.Option(
            help="An earlier study's folder, for what claims could find; the study's own where it has runs."
        ),
    ] = None,
    find: Annotated[
        float | None, typer.Option(help="A difference: tell how many seeds and speakers find it.")
    ] = None,
) -> None:
    """List the runs of a study with the time, memory and disk that they take; nothing is started.

    With an earlier run, also what each claim could find: the smallest true difference found four times in five.
    """
    from lamina.config import load_config
    from lamina.study import power
    from lamina.study.budget import summary, table
    from lamina.study.design import StudyConfig
    from lamina.study.estimate import estimates

    device = on(device)
    wanted = power.check_find(find)
    design = load_config(config, StudyConfig)
    root = out or design.default_root()
    found = estimates(design, root, measure=measure, device=device)
    show(table(found))
    for line in summary(design, found, jobs, root, device):
        say(line)
    earlier = like or power.pilot(root)
    if earlier is not None and design.claims:
        foretold = power.foretell(design, earlier)
        show(power.table(foretold, wanted))
        for line in power.told(foretold):
            say(line)
    elif design.claims:
        say("power: not known before any run; --like FOLDER tells it from the variances of an earlier study")


@study.command("next")
def study_next(
    config: ConfigFile,
    out: StudyFolder = None,
    only: Annotated[str, typer.Option(help="Make this run, not whichever comes next.")] = "",
    show_only: Annotated[bool, typer.Option("--show", help="Print the next open run, make nothing.")] = False,
    device: Device = "auto",
) -> None:
    """Make one run that nobody has made or is making: one job of a scheduler.

    Exits with 0 when it made one and with 3 when none is left to make now. Several processes for one run:
    torchrun --nproc-per-node N --no-python lamina study next CONFIG --only RUN
    """
    from lamina.config import load_config
    from lamina.study.design import StudyConfig
    from lamina.study.study import open_runs, run_next

    design = load_config(config, StudyConfig)
    root = out or design.default_root()
    if show_only:
        ready = open_runs(design, root)
        for step in ready[:1]:
            say(step.run(root).folder.name)
    else:
        made = run_next(design, root, only=only, device=on(device))
        ready = [made] if made else []
        for step in ready:
            say(f"done: {step.run(root).folder.resolve()}")
    if not ready:
        say("no run can be made now: all are done, or made by others, or wait for those", error=True)
        raise typer.Exit(3)


@study.command("conclude")
def study_conclude(folder: Finished, best: Best = Chooser.crossed) -> None:
    """Gather scores, effects and verdicts from the finished runs of a study folder (needs no torch)."""
    from lamina.report.console import verdicts_table
    from lamina.report.verdicts import read_verdicts
    from lamina.study.conclude import conclude

    scores = conclude(folder, best.value)
    verdicts = read_verdicts(folder)
    if verdicts:
        show(verdicts_table(verdicts))
    say(f"{len(scores)} scores: {(folder / 'scores.jsonl').resolve()}")


@study.command("report")
def study_report(
    folder: Finished,
    figures: Annotated[
        str | None, typer.Option(help="Write every picture into report/figures, too: svg, pdf, png, by commas.")
    ] = None,
    best: Best = Chooser.crossed,
) -> None:
    """Conclude from the finished runs of a study folder and write its report (needs no torch)."""
    from lamina.report.figures import checked
    from lamina.study.conclude import REPORT, report_study

    formats = checked(names(figures, "--figures") or ())
    before = _made_at(folder / REPORT / "index.html")
    _tell(report_study(folder, formats, best.value), before)
