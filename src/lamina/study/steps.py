"""What each kind of step does: one function a kind, from a planned run folder to a finished one."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from lamina.encoders.encoder import Encoder
from lamina.encoders.load import load_encoder
from lamina.errors import LaminaError
from lamina.files import write_json
from lamina.grid import Grid
from lamina.measures import MASKED_ACCURACY
from lamina.pretrain.recipe import ModelConfig, PretrainConfig
from lamina.pretrain.units import UnitsConfig, features_of
from lamina.runs import Run
from lamina.score import MAJORITY, Score, Scores
from lamina.study.check import shape
from lamina.study.design import RUN, Released, StoredConfig
from lamina.study.record import SCORES, Kind
from lamina.study.step import AnalysisRun, CostRun, ProbeRun, Read, settings_of, subject_of

if TYPE_CHECKING:
    from pathlib import Path

    from lamina.corpus.stored import StoredCorpus
    from lamina.study.step import Step

Progress = Callable[[int, int], None]
FORMAT = 1
CORPUS, ENCODER = "corpus.json", "encoder.json"


def execute(step: Step, root: Path, device: str = "cpu") -> Run:
    """Make the run folder of ``step`` on a device; what it needs is done already."""
    run = step.run(root)
    run.start()
    run.began()
    began = time.monotonic()
    make(step, root, _logged(run), device)
    run.log(event="done", seconds=round(time.monotonic() - began, 2))
    run.finish()
    return run


def make(step: Step, root: Path, progress: Progress, device: str = "cpu") -> None:
    """Fill the run folder of ``step``, which `execute` starts and finishes; a job's other processes call this."""
    import torch

    torch.set_num_threads(1)
    inputs = {role: need.run(root) for role, need in step.needs.items()}
    KINDS[step.kind](step.run(root), inputs, progress, device)


def _logged(run: Run) -> Progress:
    """Progress into the run's log, at most once a second."""
    last = 0.0

    def progress(done: int, total: int) -> None:
        nonlocal last
        if done == total or time.monotonic() - last > 1.0:
            last = time.monotonic()
            run.log(done=done, total=total)

    return progress


def _corpus(run: Run, _inputs: dict[str, Run], progress: Progress, _device: str) -> None:
    """Synthesise speech, or open what is there and write down which speech it is."""
    from lamina.corpus.open import open_corpus
    from lamina.corpus.synth.config import SynthConfig
    from lamina.corpus.synth.synthesis import synthesize

    if not _stored(run):
        synthesize(settings_of(run, SynthConfig), run.folder / "corpus", progress=progress)
        return
    settings = settings_of(run, StoredConfig)
    corpus = open_corpus(settings.path, phones=settings.phone_map)
    for note in corpus.notes:
        run.log(note=note)
    write_json(run.folder / CORPUS, {"format": FORMAT, "path": settings.path, "digest": corpus.digest})


def _stored(corpus: Run) -> bool:
    """Whether a corpus was there before the study; else it is in the run's folder."""
    return "path" in corpus.config["settings"]


def _open(inputs: dict[str, Run]) -> StoredCorpus:
    from lamina.corpus.open import open_corpus

    run = inputs["corpus"]
    if not _stored(run):
        return open_corpus(run.folder / "corpus")
    settings = settings_of(run, StoredConfig)
    corpus = open_corpus(settings.path, phones=settings.phone_map)
    known = run.record(CORPUS, version=FORMAT, keys={"path": str, "digest": str})
    if known["digest"] != corpus.digest:
        raise LaminaError(
            f"the corpus at {known['path']} is not the one that the study began with (digest "
            f"{corpus.digest}, then {known['digest']}): put the old one back, or delete "
            f"{run.folder} and what was made of it"
        )
    return corpus


def open_for(config: StoredConfig, asked: list[str], where: str = "corpus") -> StoredCorpus:
    """Open a corpus that a study reads, and see that it has the asked targets.

    Raises:
        LaminaError: it is missing or lacks a target.
    """
    from lamina.corpus.open import open_corpus

    try:
        corpus = open_corpus(config.path, phones=config.phone_map)
    except LaminaError as error:
        raise LaminaError(f"{where}.path: {error}{f'. {config.about}' if config.about else ''}") from error
    have = {name for name, count in corpus.tiers.items() if count}
    have |= {name for utterance in corpus.utterances() for name in utterance.labels}
    for target in asked:
        if target not in have:
            raise LaminaError(
                f"analysis.targets: {config.path} has no {target!r}; it has {', '.join(sorted(have)) or 'none'}"
            )
    return corpus


def _units(run: Run, inputs: dict[str, Run], progress: Progress, device: str) -> None:
    from lamina.pretrain.units import make_units

    config = _units_config(settings_of(run, UnitsConfig), inputs)
    _, quality = make_units(config, _open(inputs), run.folder, progress, device=device)
    run.log(event="quality", **quality)


def _units_config(config: UnitsConfig, inputs: dict[str, Run]) -> UnitsConfig:
    """The units' config, with the folder of the model of this study whose states they cluster."""
    if not config.features.startswith(RUN):
        return config
    model = inputs["teacher"] if "teacher" in inputs else inputs["model"]
    return config.model_copy(update={"features": str(model.folder)})


def _pretrain(run: Run, inputs: dict[str, Run], progress: Progress, device: str) -> None:
    from lamina.pretrain.labels import Units
    from lamina.pretrain.loop import pretrain

    config = settings_of(run, PretrainConfig)
    units = [Units.read(inputs[role].folder) for role in sorted(inputs) if role.partition(".")[0] == "units"]
    pretrain(
        config, _open(inputs), units, run, device=device, progress=lambda done, total, _: progress(done, total)
    )


def _released(run: Run, _inputs: dict[str, Run], _progress: Progress, _device: str) -> None:
    """Load (fetch, convert) a released encoder once and write down its taps: the others' support needs them."""
    encoder = _load(run)
    taps = [
        {"name": tap.name, "depth": tap.depth, "width": tap.width, "grid": tap.grid.to_json()}
        for tap in encoder.taps
    ]
    write_json(run.folder / ENCODER, {"format": FORMAT, "digest": encoder.digest, "taps": taps})


def _load(run: Run, device: str = "cpu") -> Encoder:
    released = settings_of(run, Released)
    encoder = load_encoder(released.source, device=device)
    if not released.untrained:
        return encoder
    from lamina.encoders.untrained import untrained

    fresh = untrained(encoder, seed=0)
    if fresh is None:
        raise LaminaError(f"{released.source} has no weights: it has no untrained twin")
    return fresh


def _support(models: tuple[ModelConfig, ...], inputs: dict[str, Run]) -> list[Grid]:
    """The grids of all encoders of the study, on which every scored segment has a frame."""
    grids = [tap.grid for model in models for tap in shape(model).taps]
    for role, released in inputs.items():
        if role.startswith("support."):
            told = released.record(ENCODER, version=FORMAT, keys={"taps": list})
            grids += [Grid.from_json(tap["grid"]) for tap in told["taps"]]
    return list(dict.fromkeys(grids))


def _analysis(run: Run, inputs: dict[str, Run], progress: Progress, device: str) -> None:
    from lamina.analysis.sweep import analyze

    settings = settings_of(run, AnalysisRun)
    found = analyze(
        _encoder(settings.read, inputs, device),
        _open(inputs),
        settings.analysis,
        support=_support(settings.support, inputs),
        run=run,
        control=subject_of(run).control,
        progress=progress,
    )
    if settings.corpus:
        if note := _heard(inputs):
            run.log(note=note)
        _write(run, Scores(replace(row, split=f"{row.split} of {settings.corpus}") for row in found.scores))
        return
    masked = _masked_accuracy(inputs["model"], settings.analysis.protocol) if "model" in inputs else Scores()
    _write(run, found.scores + masked)


def _heard(inputs: dict[str, Run]) -> str:
    """Which speakers of the corpus that is read bear names of speakers that training heard; empty where none."""
    heard = {
        each.speaker for each in _open({"corpus": inputs["training"]}).utterances() if each.split in {"train", ""}
    }
    corpus = _open(inputs)
    read = {each.speaker for each in corpus.utterances()}
    both = sorted(heard & read)
    if not both:
        return ""
    names = ", ".join(both[:5]) + (" …" if len(both) > 5 else "")
    return (
        f"{len(both)} of {len(read)} speakers of {corpus.name} bear names of speakers that training heard: {names}"
    )


def _probe(run: Run, inputs: dict[str, Run], progress: Progress, device: str) -> None:
    from lamina.probe.probe import probe
    from lamina.stats.inference import write_replicates

    settings = settings_of(run, ProbeRun)
    found = probe(
        _encoder(settings.read, inputs, device),
        _open(inputs),
        settings.probe,
        support=_support(settings.support, inputs),
        control=subject_of(run).control,
        folder=run.folder,
        device=device,
        progress=progress,
    )
    write_replicates(run.folder, found.replicates)
    for note in found.notes:
        run.log(note=note)
    _write(run, found.scores)


def _cost(run: Run, inputs: dict[str, Run], _progress: Progress, device: str) -> None:
    from lamina.cost.cost import measure_cost

    settings = settings_of(run, CostRun)
    encoder = _encoder(Read(), inputs, device)
    _write(run, measure_cost(encoder, seconds=settings.seconds, repeats=settings.repeats))


def _write(run: Run, scores: Scores) -> None:
    """Write a run's scores under the names that the study gives to its models and seeds."""
    whose = subject_of(run)
    named = Scores(
        row
        if row.control == MAJORITY
        else replace(row, model=whose.model, seed=whose.seed, control=row.control or whose.control)
        for row in scores
    )
    named.with_columns(run=run.folder.name).write(run.folder / SCORES)


def _masked_accuracy(pretrained: Run, protocol: str) -> Scores:
    """How often a pretrained model names the unit of a masked frame on the dev split, a row a level."""
    told = [line for line in pretrained.log_lines() if line.get("event") == "validation"]
    if not told:
        return Scores()
    config = settings_of(pretrained, PretrainConfig)
    last = told[-1]
    return Scores(
        Score(
            **tap.columns,
            measure=MASKED_ACCURACY,
            target="unit",
            value=last[f"accuracy_masked_{level}"],
            n=int(last[f"frames_masked_{level}"]),
            items="frames",
            split=config.validation_split,
            protocol=protocol,
            support="masked",
        )
        for level, tap in enumerate(shape(config.model).predicting_taps)
        if f"accuracy_masked_{level}" in last
    )


KINDS: dict[Kind, Callable[[Run, dict[str, Run], Progress, str], None]] = {
    "corpus": _corpus,
    "units": _units,
    "pretrain": _pretrain,
    "encoder": _released,
    "analysis": _analysis,
    "probe": _probe,
    "cost": _cost,
}


def _encoder(read: Read, inputs: dict[str, Run], device: str) -> Encoder:
    """The encoder that a run reads: a pretrained one, a released one, mel, MFCC, or the units themselves."""
    if "model" in inputs:
        return load_encoder(str(inputs["model"].folder), device=device)
    if "encoder" in inputs:
        return _load(inputs["encoder"], device)
    if read.of is not None:
        from lamina.pretrain.labels import CODEBOOK_FILE, Codebook
        from lamina.pretrain.units import UnitsEncoder

        features = features_of(_units_config(read.of, inputs), device)
        return UnitsEncoder(features, Codebook.read(inputs["units"].folder / CODEBOOK_FILE))
    return load_encoder(read.features, device=device)
