"""Estimate: the time, memory and disk that the runs of a study take, before anything starts.

Times come from counted multiply-accumulates and the rate at which this machine trains the study's first model (a
few seconds of measuring), then are corrected by what finished runs of the same kind took. Rough: within a factor
of two is all that they are meant for.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from lamina.corpus.synth.config import SynthConfig
from lamina.encoders.published import PUBLISHED
from lamina.pretrain.recipe import ModelConfig, PretrainConfig
from lamina.study.check import shape
from lamina.study.design import Released, StoredConfig, StudyConfig
from lamina.study.plan import plan
from lamina.study.record import Study
from lamina.study.schedule import is_done
from lamina.study.step import Step

PROCESS = 600 << 20  # bytes of a process with torch and transformers loaded
SYNTHESIS = 200.0  # seconds of speech a second, one thread
FLAC = 22_000  # bytes a second of synthetic speech
TRAINING = 3  # a backward pass is two forward passes' work
NOMINAL = 2e10  # multiply-accumulates a second where nothing was measured and no training has finished


@dataclass(frozen=True)
class Need:
    """What one run takes.

    Attributes:
        step: the run.
        done: whether it is there.
        seconds: about so long (a finished run: so long it took); None where unknown.
        memory: about so many bytes at once; None where unknown.
        disk: about so many bytes stay.
    """

    step: Step
    done: bool
    seconds: float | None
    memory: int | None
    disk: int | None


def estimates(config: StudyConfig, root: Path, *, measure: bool = True, device: str = "cpu") -> list[Need]:
    """What every run of the study takes; nothing is made.

    Args:
        config: the study.
        root: its folder; runs that are finished there say what they took, and correct the others.
        measure: whether to measure this machine where no training has finished.
        device: where the runs will compute.

    Raises:
        LaminaError: the design is impossible, or the folder is of another version.
    """
    steps = plan(config)
    Study.check_version(root)
    done = {step.name: is_done(step, root) for step in steps}
    audio = _audio_seconds(config.speech)
    spoken = {f"corpus-{name}": _audio_seconds(speech) for name, speech in config.read_besides.items()}
    took = {step.name: step.run(root).seconds() for step in steps if done[step.name]}
    rates = [
        macs / seconds for step in steps if (seconds := took.get(step.name)) and (macs := training_macs(step))
    ]
    recipes = [step.settings for step in steps if isinstance(step.settings, PretrainConfig)]
    trains = [recipe for recipe in recipes if recipe.steps]
    shapes = [model for step in steps if (model := _model_of(step))]
    tried = trains or [PretrainConfig(model=model, steps=1) for model in shapes]
    rate = statistics.median(rates) if rates else measured_rate(tried[0], device) if measure and tried else NOMINAL
    known = bool(rates) or measure
    found = [_need(step, _of(step, spoken, audio), rate, config) for step in steps]
    corrections = {
        kind: statistics.median(ratios)
        for kind in {step.kind for step in steps}
        if (
            ratios := [
                seconds / need.seconds
                for need in found
                if need.step.kind == kind and need.seconds and (seconds := took.get(need.step.name))
            ]
        )
    }
    needs = []
    for need in found:
        name, kind = need.step.name, need.step.kind
        if done[name]:
            size = sum(path.stat().st_size for path in need.step.run(root).folder.rglob("*") if path.is_file())
            needs.append(replace(need, done=True, seconds=took[name], disk=size))
        elif need.seconds is not None and (known or kind in corrections):
            needs.append(replace(need, seconds=need.seconds * corrections.get(kind, 1.0)))
        else:
            needs.append(replace(need, seconds=None))
    return needs


def measured_rate(recipe: PretrainConfig, device: str = "cpu") -> float:
    """Multiply-accumulates a second of one training step of this model on a device of this machine, one thread."""
    import time

    import torch

    from lamina.device import wait
    from lamina.encoders.mrhubert.model import MRHubertModel

    place = torch.device(device)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    seconds = min(recipe.crop_seconds, 4.0)
    one = forward_macs(recipe.model, seconds)
    batch = int(max(1, min(recipe.batch_size, 1e10 // (one * TRAINING))))
    model = MRHubertModel(shape(recipe.model)).to(place).train()
    waves = torch.randn(
        batch, round(seconds * recipe.model.sampling_rate), generator=torch.Generator().manual_seed(0)
    ).to(place)
    kind = {"float32": None, "bfloat16": torch.bfloat16, "float16": torch.float16}[recipe.dtype]
    times = []
    try:
        for _ in range(3):
            start = time.perf_counter()
            with torch.autocast(place.type, dtype=kind, enabled=kind is not None):
                output = model(waves).last_hidden_state
            output.float().square().mean().backward()
            wait(place)
            times.append(time.perf_counter() - start)
    finally:
        torch.set_num_threads(threads)
    return batch * one * TRAINING / min(times)


def forward_macs(model: ModelConfig, seconds: float) -> float:
    """Multiply-accumulates of one forward pass, attention included."""
    return _count(model.model_dump_json(), seconds)[0]


@cache
def _count(model: str, seconds: float) -> tuple[float, int, int]:
    """Multiply-accumulates, bytes kept for the backward pass, and parameters; shapes only, no values."""
    import torch

    from lamina.cost.macs import count_macs
    from lamina.cost.training import kept_bytes
    from lamina.encoders.mrhubert.model import MRHubertModel

    config = ModelConfig.model_validate_json(model)
    with torch.device("meta"):
        body = MRHubertModel(shape(config)).eval()
    waves = torch.empty(1, round(seconds * config.sampling_rate), device="meta")
    macs = sum(found.attention for found in count_macs(body, waves).values())
    return float(macs), kept_bytes(body, waves), sum(weight.numel() for weight in body.parameters())


def training_macs(step: Step) -> float:
    """Multiply-accumulates of a training run, forward and backward; 0 for any other run."""
    recipe = step.settings
    if not isinstance(recipe, PretrainConfig):
        return 0.0
    macs = forward_macs(recipe.model, recipe.crop_seconds)
    return macs * TRAINING * recipe.batch_size * recipe.steps


def _need(step: Step, audio: float, rate: float, config: StudyConfig) -> Need:
    if step.kind == "corpus":
        made = 0.0 if isinstance(step.settings, StoredConfig) else audio
        return Need(step, False, made / SYNTHESIS, PROCESS, round(made * FLAC))
    if isinstance(step.settings, PretrainConfig):
        return _pretraining(step, step.settings, rate, audio)
    if isinstance(step.settings, Released):
        source = step.settings.source
        published = next((each.parameters for each in PUBLISHED if each.name == source), None)
        # The checkpoint as it was published and as it is converted.
        return Need(step, False, None, None, None if published is None else published * 10**6 * 8)
    return _reading(step, audio, rate, config)


def _reading(step: Step, audio: float, rate: float, config: StudyConfig) -> Need:
    """A run that reads an encoder: units, an analysis, probes, cost."""
    model = _model_of(step)
    if model is None and "encoder" in step.needs:
        return Need(step, False, None, None, None)
    # What a batch of a minute needs in the first convolution, before and after its activation.
    memory = PROCESS + (0 if model is None else round(60 * model.sampling_rate / 5) * model.conv_dim[0] * 8)
    forward = 0.0 if model is None else forward_macs(model, 10.0) * audio / 10 / rate
    if step.kind == "units":
        return Need(step, False, forward + audio / 500, memory, round(audio * 200))
    if step.kind == "cost":
        work = 0.0 if model is None else forward_macs(model, sum(config.cost.seconds))
        return Need(step, False, 1 + work * (TRAINING + config.cost.repeats) / rate, memory, 20_000)
    # Statistics of a tap: products of its states, and an eigendecomposition a target.
    taps, width = (1, 40) if model is None else (len(shape(model).taps), model.hidden_size)
    targets = len(config.analysis.targets)
    counted = taps * targets * (0.2 + 4 * (width / 768) ** 2) + taps * audio * 50 * width**2 / rate
    disk = taps * targets * (width * width * 2 + 50_000)
    return Need(step, False, forward + counted, memory + taps * targets * width * width * 32, disk)


def _pretraining(step: Step, recipe: PretrainConfig, rate: float, audio: float) -> Need:
    _, kept, parameters = _count(recipe.model.model_dump_json(), recipe.crop_seconds)
    part = -(-recipe.batch_size // recipe.accumulate)
    half = 2 if recipe.dtype != "float32" else 1
    # Weights, gradients and AdamW's two moments; what the backward pass needs; the audio that is held.
    held = min(recipe.memory_bytes, round(audio * recipe.model.sampling_rate * 4))
    memory = PROCESS + parameters * 16 + kept * part // half + held
    return Need(step, False, training_macs(step) / rate, memory, round(parameters * 4.2))


def _model_of(step: Step) -> ModelConfig | None:
    """The model that a run reads: one of this study, or a published one as far as its shape is known."""
    if "model" in step.needs or "teacher" in step.needs:
        trained = (step.needs.get("model") or step.needs["teacher"]).settings
        return trained.model if isinstance(trained, PretrainConfig) else None
    released = step.needs["encoder"].settings if "encoder" in step.needs else None
    if not isinstance(released, Released):
        return None
    for each in PUBLISHED:
        if each.name == released.source and each.levels and each.block_layers:
            ratios = [n for a, b in zip(each.levels, each.levels[1:], strict=False) for n in (1, b // a)]
            large = {"hidden_size": 1024, "num_attention_heads": 16, "intermediate_size": 4096}
            size = large if (each.parameters or 0) > 200 else {}
            return ModelConfig.model_validate(
                {"label_rate_ratios": tuple(ratios), "block_layers": each.block_layers, **size}
            )
    return None


def _of(step: Step, spoken: Mapping[str, float], training: float) -> float:
    """Seconds of the corpus that a step makes or reads."""
    name = step.needs["corpus"].name if "corpus" in step.needs else step.name
    return spoken.get(name, training)


def _audio_seconds(speech: SynthConfig | StoredConfig) -> float:
    if not isinstance(speech, StoredConfig):
        return speech.minutes * 60
    if speech.hours or not Path(speech.path).exists():
        return speech.hours * 3600
    from lamina.corpus.open import open_corpus

    corpus = open_corpus(speech.path)
    return sum(utterance.samples for utterance in corpus.utterances()) / corpus.sample_rate
