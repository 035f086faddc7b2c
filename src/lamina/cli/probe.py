"""`lamina probe`: small heads on frozen states."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lamina.cli.options import (
    Beside,
    ChunkSeconds,
    Device,
    EncoderName,
    PhoneMapName,
    Seed,
    Taps,
    made_before,
    on,
    open_speech,
    tell_found,
)
from lamina.errors import LaminaError
from lamina.terminal import names, progress, say, show

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.corpus.corpus import Corpus
    from lamina.encoders.encoder import Encoder
    from lamina.grid import Grid
    from lamina.probe.config import ProbeConfig
    from lamina.probe.probe import Probed
    from lamina.runs import Run


# Tasks that train nothing: the family of measures, and what it is asked of where it is not `--tier`.
READINGS = {"abx": "", "centroid": "", "knn": "", "map": "word", "qbe": "query"}
REPLICATES = 1000
SUPERB_QBE = "qbe, protocol superb: read one layer at a time; the row `chosen` is of the one that is best on dev"


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
    folds: Annotated[int, typer.Option(min=2, help="Of speakers, where the corpus has no splits.")] = 5,
    phone_map: PhoneMapName = "",
    chunk_seconds: ChunkSeconds = 60.0,
    beside: Beside = None,
    seed: Seed = 0,
    device: Device = "auto",
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
    from lamina.probe.probe import Probed
    from lamina.probe.probe import probe as probe_encoder
    from lamina.probe.task import find_task
    from lamina.report.console import probe_tables
    from lamina.runs import Run
    from lamina.score import Scores
    from lamina.stats.inference import write_replicates

    device, tasks = on(device), names(task, "--task") or ()
    read_tasks = [name for name in tasks if name in READINGS]
    trained = [name for name in tasks if name not in READINGS]
    for name in trained:
        find_task(name)
    if protocol == "superb" and (strange := [name for name in read_tasks if name != "qbe"]):
        raise LaminaError(f"SUPERB has no task {strange[0]!r}: use `--protocol lamina` for it")
    settings: dict[str, Any] = {
        "tasks": tasks,
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
        "folds": folds,
        "replicates": REPLICATES,
        "seed": seed,
        "chunk_seconds": chunk_seconds,
    }
    config = parse_config(settings, ProbeConfig, "options")
    if out is not None:
        check_folder(out)
    speech, read = open_speech(corpus_path, phones=phone_map), load_encoder(encoder_name, device=device)
    run = None
    about = {"tier": tier, "items": str(items or ""), "contexts": contexts, "phone_map": phone_map}
    if out is not None:
        plan = {"kind": "probe", "encoder": encoder_name, "corpus": str(corpus_path), "beside": list(beside or [])}
        plan |= config.to_json() | about
        files = {name: file_digest(file) for name, file in (("items", items), ("lexicon", lexicon)) if file}
        run = Run.plan(out, f"probe-{read.name}", plan, {"encoder": read.digest, "corpus": speech.digest} | files)
        if made_before(run):
            scores = Scores.read(run.folder / "scores.jsonl")
            tell_found(probe_tables(scores), scores, run.notes(), run)
            return
        run.start()
    support = grids_of(beside or [])
    found = _untrained(read, speech, config, read_tasks, about, support, run)
    if trained:
        with progress(f"{read.name} on {speech.name}") as tell:
            heads_found = probe_encoder(
                read,
                speech,
                config.model_copy(update={"tasks": tuple(trained)}),
                support=support,
                run_name=run.folder.name if run else "",
                folder=run.folder if run else None,
                device=device,
                progress=tell,
            )
        heads_found.replicates.join(found.replicates)
        scores, notes = heads_found.scores + found.scores, (*heads_found.notes, *found.notes)
        found = Probed(scores, heads_found.replicates, notes)
    if run:
        write_replicates(run.folder, found.replicates)
    tell_found(probe_tables(found.scores), found.scores, found.notes, run)


def _untrained(
    read: Encoder,
    speech: Corpus,
    config: ProbeConfig,
    tasks: list[str],
    about: dict[str, str],
    support: Sequence[Grid],
    run: Run | None,
) -> Probed:
    """What is told without training: an analysis of each target that the tasks are asked of."""
    from lamina.analysis.config import AnalysisConfig
    from lamina.analysis.sweep import analyze
    from lamina.probe.layers import chosen
    from lamina.probe.probe import Probed
    from lamina.score import Scores
    from lamina.stats.inference import Replicates

    by_target: dict[str, list[str]] = {}
    for name in tasks:
        by_target.setdefault(READINGS[name] or about["tier"], []).append(name)
    scores, replicates = Scores(), Replicates()
    notes = [SUPERB_QBE] if config.protocol == "superb" and tasks else []
    for target, families in by_target.items():
        asked = AnalysisConfig(
            targets=(target,),
            measures=tuple(families),
            taps=tuple(tap.name for tap in chosen(read, config)),
            folds=config.folds,
            items=about["items"] or None,
            contexts=about["contexts"],
            most_pairs=AnalysisConfig.model_fields["most_pairs"].default if config.protocol == "lamina" else 10**9,
            replicates=config.replicates,
            batch_seconds=config.batch_seconds,
            chunk_seconds=config.chunk_seconds,
            seed=config.seed,
        )
        with progress(f"{read.name}: {', '.join(families)} of {target}") as tell:
            found = analyze(read, speech, asked, support=support, run=run, progress=tell)
        scores += found.scores.with_columns(protocol=config.protocol)
        replicates.join(found.replicates)
        notes += found.notes
    return Probed(scores, replicates, tuple(dict.fromkeys(notes)))


def _rate(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise LaminaError(f"--rates: {text!r} is not a number") from error


def _list() -> None:
    from lamina.measures import TABLE
    from lamina.probe.task import broken_tasks, tasks
    from lamina.report.console import table

    rows = []
    for each in tasks().values():
        superb = f"{each.superb.steps} x {each.superb.batch}" if each.superb else ""
        rows.append((each.name, each.title, each.needs, ", ".join(each.heads), superb))
    for name, target in READINGS.items():
        label = next(each.label for each in TABLE if each.family == name)
        needs = {"word": "a tier `word`", "query": "spoken queries and documents with trials"}.get(
            target, "the tier of `--tier`, `phone` by default"
        )
        rows.append((name, label, needs, "no training", "no training" if name == "qbe" else ""))
    show(table(("task", "what", "needs", "heads", "superb: steps x batch"), rows))
    for name, why in broken_tasks().items():
        say(f"broken: {name}: {why}")
