"""`lamina probe`: small heads on frozen states."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from lamina.cli.options import Beside, EncoderName, Seed, Taps, open_speech, tell_found
from lamina.errors import LaminaError
from lamina.terminal import names, progress, say, show


def probe(
    encoder_name: EncoderName,
    corpus_path: Annotated[
        str, typer.Argument(help="See `lamina analyze`; none for `list`.", metavar="CORPUS")
    ] = "",
    task: Annotated[str, typer.Option(help="Tasks, by commas (`lamina probe list`).")] = "pr,word,sid",
    taps: Taps = None,
    layers: Annotated[
        str,
        typer.Option(help="weighted: one learned sum of the taps; each: every tap; blocks: every block's output."),
    ] = "weighted",
    grid: Annotated[str, typer.Option(help="Frames of a weighted sum of several rates: fine or coarse.")] = "fine",
    protocol: Annotated[str, typer.Option(help="lamina or superb.")] = "lamina",
    heads: Annotated[str | None, typer.Option(help="Which heads, by commas; all of a task's by default.")] = None,
    rates: Annotated[str | None, typer.Option(help="Learning rates to search, by commas.")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds of the heads.")] = 3,
    steps: Annotated[int, typer.Option(min=0, help="Of training; 0: the task's own.")] = 0,
    minutes: Annotated[float, typer.Option(min=0, help="Train on at most so much audio; 0: all.")] = 0.0,
    lexicon: Annotated[
        Path | None, typer.Option(help="pr: pronunciations, WORD P1 P2 …; without it the aligned phones.")
    ] = None,
    tier: Annotated[str, typer.Option(help="knn, centroid, abx: the tier whose segments are compared.")] = "phone",
    items: Annotated[Path | None, typer.Option(help="abx: an item file of fastabx or ZeroSpeech.")] = None,
    contexts: Annotated[str, typer.Option(help="abx: same or any labels to either side.")] = "same",
    beside: Beside = None,
    seed: Seed = 0,
    out: Annotated[
        Path | None,
        typer.Option(
            help="A folder in which a run folder is made; the same command goes on where it was stopped."
        ),
    ] = None,
) -> None:
    """Train small heads on frozen states and score them on the test part; `lamina probe list` tells the tasks."""
    if encoder_name == "list":
        _list()
        return
    if not corpus_path:
        raise LaminaError("lamina probe wants an encoder and a corpus (or `lamina probe list`)")
    from lamina.analysis.front import grids_of
    from lamina.config import parse_config
    from lamina.encoders.load import load_encoder
    from lamina.files import check_folder, file_digest
    from lamina.probe.config import ProbeConfig
    from lamina.probe.probe import probe as probe_encoder
    from lamina.probe.task import find_task
    from lamina.report.console import probe_tables
    from lamina.runs import Run
    from lamina.stats.inference import write_replicates

    settings: dict[str, Any] = {
        "tasks": names(task, "--task"),
        "taps": names(taps, "--taps") or (),
        "layers": layers,
        "grid": grid,
        "protocol": protocol,
        "heads": names(heads, "--heads") or (),
        "rates": tuple(_rate(text) for text in names(rates, "--rates") or ()),
        "seeds": tuple(range(seeds)),
        "steps": steps,
        "most_minutes": minutes,
        "lexicon": "" if lexicon is None else str(lexicon),
        "tier": tier,
        "items": "" if items is None else str(items),
        "contexts": contexts,
        "seed": seed,
    }
    config = parse_config(settings, ProbeConfig, "options")
    for name in config.tasks:
        find_task(name)
    if out is not None:
        check_folder(out)
    speech, read = open_speech(corpus_path), load_encoder(encoder_name)
    run = None
    if out is not None:
        plan = {"kind": "probe", "encoder": encoder_name, "corpus": str(corpus_path), "beside": list(beside or [])}
        plan |= config.to_json()
        digests = {"encoder": read.digest, "corpus": speech.digest}
        for name, file in (("items", items), ("lexicon", lexicon)):
            if file is not None and file.is_file():
                digests[name] = file_digest(file)
        run = Run.plan(out, f"probe-{read.name}", plan, digests)
        run.start()
    with progress(f"{read.name} on {speech.name}") as tell:
        found = probe_encoder(
            read,
            speech,
            config,
            support=grids_of(beside or []),
            run_name=run.folder.name if run else "",
            folder=run.folder if run else None,
            progress=tell,
        )
    if run:
        write_replicates(run.folder, found.replicates)
    tell_found(probe_tables(found.scores), found.scores, found.notes, run)


def _rate(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise LaminaError(f"--rates: {text!r} is not a number") from error


def _list() -> None:
    from lamina.probe.free import Reading
    from lamina.probe.task import broken_tasks, tasks
    from lamina.report.console import table

    rows = []
    for each in tasks().values():
        if isinstance(each, Reading):
            trained = ("no training", "no training" if each.superb else "")
        else:
            trained = (", ".join(each.heads), f"{each.superb.steps} x {each.superb.batch}" if each.superb else "")
        rows.append((each.name, each.title, each.needs, *trained))
    show(table(("task", "what", "needs", "heads", "superb: steps x batch"), rows))
    for name, why in broken_tasks().items():
        say(f"broken: {name}: {why}")
