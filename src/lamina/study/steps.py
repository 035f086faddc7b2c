"""What each kind of step does: one function a kind, from a planned run folder to a finished one."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lamina.corpus.importers import open_corpus
from lamina.corpus.synth import SynthConfig, synthesize
from lamina.encoders.encoder import Encoder
from lamina.encoders.load import load_encoder
from lamina.pretrain.labels import CODEBOOK_FILE, Codebook, Units
from lamina.pretrain.recipe import ModelConfig, PretrainConfig
from lamina.pretrain.units import UnitsConfig, UnitsEncoder, features_of, make_units
from lamina.runs import Run
from lamina.score import Score, Scores
from lamina.study.design import Step

if TYPE_CHECKING:
    from lamina.encoders.mrhubert.config import MRHubertConfig

Progress = Callable[[int, int], None]
SCORES = "scores.jsonl"


def execute(step: Step, root: Path) -> Run:
    """Make the run folder of ``step``; what it needs is done already."""
    import torch

    torch.set_num_threads(1)
    run = step.run(root)
    run.start()
    began = time.monotonic()
    inputs = {role: need.run(root) for role, need in step.needs.items()}
    KINDS[step.kind](run, inputs, _logged(run))
    run.log(event="done", seconds=round(time.monotonic() - began, 2))
    run.finish()
    return run


def _logged(run: Run) -> Progress:
    """Progress into the run's log, at most once a second."""
    last = 0.0

    def progress(done: int, total: int) -> None:
        nonlocal last
        if done == total or time.monotonic() - last > 1.0:
            last = time.monotonic()
            run.log(done=done, total=total)

    return progress


def _corpus(run: Run, _inputs: dict[str, Run], progress: Progress) -> None:
    synthesize(_config(run, SynthConfig), run.folder / "corpus", progress=progress)


def _open(inputs: dict[str, Run]) -> Any:
    return open_corpus(inputs["corpus"].folder / "corpus")


def _units(run: Run, inputs: dict[str, Run], progress: Progress) -> None:
    _, quality = make_units(_config(run, UnitsConfig), _open(inputs), run.folder, progress)
    run.log(event="quality", **quality)


def _pretrain(run: Run, inputs: dict[str, Run], progress: Progress) -> None:
    from lamina.pretrain.loop import pretrain

    config = _config(run, PretrainConfig)
    units = Units.read(inputs["units"].folder)
    pretrain(config, _open(inputs), units, run, progress=lambda done, total, _: progress(done, total))


def _analysis(run: Run, inputs: dict[str, Run], progress: Progress) -> None:
    from lamina.analysis.sweep import AnalysisConfig, analyze

    found = analyze(
        _encoder(run, inputs),
        _open(inputs),
        AnalysisConfig.model_validate(run.config["analysis"]),
        support=[
            tap.grid for model in run.config["support"] for tap in _shape(ModelConfig.model_validate(model)).taps
        ],
        run=run,
        control=run.config["control"],
        progress=progress,
    )
    scores = found.scores
    if "model" in inputs:
        scores += _masked_accuracy(inputs["model"], scores[0])
    _write(run, scores)


def _cost(run: Run, inputs: dict[str, Run], _progress: Progress) -> None:
    from lamina.cost.cost import measure_cost

    encoder = load_encoder(str(inputs["model"].folder))
    _write(run, measure_cost(encoder, seconds=run.config["seconds"], repeats=run.config["repeats"]))


def _write(run: Run, scores: Scores) -> None:
    """Write a run's scores under the names that the study gives to its models and seeds."""
    scores.with_columns(run=run.folder.name, model=run.config["model"], seed=run.config["seed"]).write(
        run.folder / SCORES
    )


def _masked_accuracy(pretrained: Run, example: Score) -> Scores:
    """How often a pretrained model names the unit of a masked frame on the dev split, a row a level."""
    told = [line for line in pretrained.log_lines() if line.get("event") == "validation"]
    if not told:
        return Scores()
    config = _config(pretrained, PretrainConfig)
    last, shape = told[-1], _shape(config.model)
    return Scores(
        Score(
            study="",
            run=example.run,
            model=example.model,
            tap=tap.name,
            depth=tap.depth,
            period_ms=tap.grid.period_ms,
            measure="masked-accuracy",
            target="unit",
            value=last[f"accuracy_masked_{level}"],
            unit="",
            low=None,
            high=None,
            n=int(last[f"frames_masked_{level}"]),
            split=config.validation_split,
            seed=config.seed,
            protocol=example.protocol,
            support="masked frames",
            control=example.control,
        )
        for level, tap in enumerate(shape.predicting_taps)
        if f"accuracy_masked_{level}" in last
    )


KINDS: dict[str, Callable[[Run, dict[str, Run], Progress], None]] = {
    "corpus": _corpus,
    "units": _units,
    "pretrain": _pretrain,
    "analysis": _analysis,
    "cost": _cost,
}


def _config(run: Run, kind: Any) -> Any:
    return kind.model_validate({key: value for key, value in run.config.items() if key != "kind"})


def _encoder(run: Run, inputs: dict[str, Run]) -> Encoder:
    """The encoder that an analysis reads: a pretrained one, MFCC, or the units themselves."""
    if "model" in inputs:
        return load_encoder(str(inputs["model"].folder))
    features = features_of(_config(inputs["units"], UnitsConfig))
    if run.config["model"] == "units":
        return UnitsEncoder(features, Codebook.read(inputs["units"].folder / CODEBOOK_FILE))
    return features


def _shape(model: ModelConfig) -> MRHubertConfig:
    from lamina.encoders.mrhubert.config import MRHubertConfig

    return MRHubertConfig(**model.to_json())
