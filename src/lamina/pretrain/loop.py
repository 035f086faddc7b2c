"""The training loop. What happens in step s is a pure function of the config and s: a resumed run is exact."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lamina.corpus.corpus import Corpus
from lamina.encoders.mrhubert import MRHubertForPreTraining
from lamina.errors import LaminaError
from lamina.files import digest
from lamina.pretrain.data import CropReader, Crops
from lamina.pretrain.labels import Units
from lamina.pretrain.masking import budget_mask, span_mask
from lamina.pretrain.recipe import ModelConfig, PretrainConfig
from lamina.pretrain.weights import Checkpoints, build, seeded, write_model
from lamina.runs import Run

__all__ = ["ModelConfig", "PretrainConfig", "pretrain"]

MASK, CHECK = 3, 4  # streams of random numbers beside those of `lamina.pretrain.data`
KINDS = ("masked", "unmasked")
COLLAPSED = 2.0  # codes in use at or below which a model says the same everywhere

Progress = Callable[[int, int, dict[str, float]], None]


def pretrain(
    config: PretrainConfig, corpus: Corpus, units: Units, run: Run, *, progress: Progress | None = None
) -> Path:
    """Pretrain a model by masked prediction of ``units`` (Hsu et al. 2021; at several rates: Shi et al. 2024).

    Writes checkpoints and the log into the run folder and, at the end, ``model/``, a transformers folder; the
    checkpoints then go. Killed and called again, it goes on from the last checkpoint and ends with the same
    weights, to the bit, on the same machine. A finished model is not trained again.

    Args:
        config: the recipe.
        corpus: what to train and validate on.
        units: its units.
        run: where everything goes. Neither `Run.start` nor `Run.finish` is called.
        progress: called after every step with (steps done, steps in all, the last logged figures).

    Returns:
        The model folder.

    Raises:
        LaminaError: before the first step, where audio, units and config do not fit; later, where the loss is no
            number.
    """
    folder = run.folder / "model"
    checkpoints = Checkpoints(run, digest([config.to_json(), units.digest]))
    if folder.is_dir():
        checkpoints.remove()  # left over where it was killed after writing the model
        return folder
    run.folder.mkdir(parents=True, exist_ok=True)
    model = build(config.model, units.clusters, config.seed)
    if config.steps:
        _train(config, model, corpus, units, run, checkpoints, progress)
    write_model(model, folder)
    checkpoints.remove()
    return folder


def _train(
    config: PretrainConfig,
    model: MRHubertForPreTraining,
    corpus: Corpus,
    units: Units,
    run: Run,
    checkpoints: Checkpoints,
    progress: Progress | None,
) -> None:
    if config.model.sampling_rate != corpus.sample_rate:
        raise LaminaError(
            f"the model takes audio at {config.model.sampling_rate} Hz, corpus {corpus.name} has "
            f"{corpus.sample_rate} Hz: import it at the model's rate or set model.sampling_rate"
        )
    crops = _reader(config, model, corpus, units, config.split)
    dev = _dev_reader(config, model, corpus, units)
    masks = Masks(config, model)
    optimizer = torch.optim.AdamW(
        model.parameters(),
        lr=config.learning_rate,
        betas=config.betas,
        eps=config.eps,
        weight_decay=config.weight_decay,
        fused=True,
    )
    first = checkpoints.restore(model, optimizer)
    run.log(
        event="start",
        step=first,
        parameters=sum(weight.numel() for weight in model.parameters()),
        utterances=len(crops.utterances),
        left_out=crops.left_out,
        hours=round(crops.seconds / 3600, 4),
    )
    meter = Meter(config)
    shown: dict[str, float] = {}
    model.train()
    for step in range(first, config.steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(config, step)
        batch = crops.batch(config.batch_size, seed=config.seed, step=step)
        with seeded(config.seed, "step", step):
            output = _forward(config, model, batch, masks.of(len(batch.waves), MASK, step))
            output.loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), config.clip_norm or math.inf)
        if not bool(torch.isfinite(norm)):
            raise LaminaError(
                f"step {step + 1}: the loss is {float(output.loss.detach()):.4g} and its gradient is no number: "
                "try a lower learning_rate, a longer warm-up, a smaller clip_norm, or dtype float32"
            )
        optimizer.step()
        optimizer.zero_grad()
        meter.add(output, batch, norm)
        done = step + 1
        if done % config.log_every == 0 or done == config.steps:
            shown = meter.read(output)
            run.log(step=done, learning_rate=learning_rate(config, step), **shown)
            _warn_of_collapse(config, shown, done, run)
        if done % config.checkpoint_every == 0:
            checkpoints.save(done, model, optimizer)
        if dev is not None and (done % config.validate_every == 0 or done == config.steps):
            run.log(event="validation", step=done, **validate(config, model, dev, masks))
        if progress is not None:
            progress(done, config.steps, shown)


def learning_rate(config: PretrainConfig, step: int) -> float:
    """Linear warm-up, then linear decay to 0 after the last step."""
    warm = round(config.warmup_share * config.steps)
    if step < warm:
        return config.learning_rate * (step + 1) / warm
    return config.learning_rate * (config.steps - step) / max(1, config.steps - warm)


def validate(
    config: PretrainConfig, model: MRHubertForPreTraining, dev: CropReader, masks: Masks
) -> dict[str, float]:
    """Accuracy and loss a frame on fixed crops under fixed masks, dropout off."""
    meter = Meter(config)
    model.eval()
    with torch.inference_mode():
        for index, batch in enumerate(dev.fixed(config.batch_size, config.validation_crops)):
            meter.add(_forward(config, model, batch, masks.of(len(batch.waves), CHECK, index)), batch)
    model.train()
    return meter.accuracies()


class Masks:
    """The masks of a run: those of each step are drawn from (seed, purpose, step)."""

    def __init__(self, config: PretrainConfig, model: MRHubertForPreTraining) -> None:
        self._config = config
        samples = crop_samples(config)
        self._frames = model.config.levels[0].frames(samples)
        self.of(1, MASK, 0)  # a crop too short for its masks is an error before the first step

    def of(self, batch: int, purpose: int, step: int) -> Tensor:
        """(batch, frames) booleans on the finest grid."""
        config, frames = self._config, self._frames
        generator = np.random.default_rng([config.seed, purpose, step])
        if config.mask_probability == 0:
            return torch.zeros(batch, frames, dtype=torch.bool)
        if config.mask_kind == "budget":
            share, length = config.mask_probability, config.mask_length
            mask = budget_mask(batch, frames, share=share, length=length, generator=generator)
        else:
            mask = span_mask(
                batch,
                frames,
                probability=config.mask_probability,
                length=config.mask_length,
                generator=generator,
            )
        return torch.from_numpy(mask)


class Meter:
    """What is logged: sums since the last reading."""

    def __init__(self, config: PretrainConfig) -> None:
        self._rate = config.model.sampling_rate
        self._clear()

    def _clear(self) -> None:
        self._began = time.monotonic()
        self._seconds = self._norm = 0.0
        self._steps = 0
        self._sums: list[Tensor] | None = None

    def add(self, output: Any, batch: Crops, norm: Tensor | None = None) -> None:
        """Count one batch; ``output`` is the model's."""
        sums = [output.losses.detach().double(), output.correct.double(), output.counts.double()]
        self._sums = sums if self._sums is None else [a + b for a, b in zip(self._sums, sums, strict=True)]
        self._seconds += batch.waves.numel() / self._rate
        self._norm += 0.0 if norm is None else float(norm)
        self._steps += 1

    def accuracies(self) -> dict[str, float]:
        """Accuracy, cross-entropy (nats) a frame and frames, by level and kind; absent kinds are left out."""
        if self._sums is None:
            return {}
        losses, correct, counts = self._sums
        found = {}
        for level, row in enumerate(counts.tolist()):
            for kind, count in enumerate(row):
                if count:
                    found[f"accuracy_{KINDS[kind]}_{level}"] = float(correct[level, kind]) / count
                    found[f"loss_{KINDS[kind]}_{level}"] = float(losses[level, kind]) / count
                    found[f"frames_{KINDS[kind]}_{level}"] = count
        return found

    def read(self, output: Any) -> dict[str, float]:
        """All figures, and start anew. The codes' perplexity is of the last batch."""
        elapsed = time.monotonic() - self._began
        figures = {
            "loss": float(output.loss.detach()),
            **self.accuracies(),
            "feature_penalty": float(output.feature_penalty.detach()),
            "gradient_norm": self._norm / self._steps,
            "audio_seconds_per_second": self._seconds / elapsed,
        }
        for level, logits in enumerate(output.logits):
            shares = logits.detach().float().softmax(-1).mean((0, 1))
            figures[f"perplexity_{level}"] = float(torch.special.entr(shares).sum().exp())
        self._clear()
        return figures


def crop_samples(config: PretrainConfig) -> int:
    """Samples of a crop."""
    return round(config.crop_seconds * config.model.sampling_rate)


def _forward(config: PretrainConfig, model: MRHubertForPreTraining, batch: Crops, mask: Tensor) -> Any:
    with torch.autocast("cpu", torch.bfloat16, enabled=config.dtype == "bfloat16"):
        return model(batch.waves, mask_time_indices=mask, labels=batch.labels, return_dict=True)


def _reader(
    config: PretrainConfig, model: MRHubertForPreTraining, corpus: Corpus, units: Units, split: str
) -> CropReader:
    grids = model.config.levels[: model.config.predicting_levels]
    return CropReader(
        corpus,
        list(corpus.utterances(split or None)),
        units,
        grids,
        samples=crop_samples(config),
        memory=config.memory_bytes,
        normalise=config.model.do_normalize,
    )


def _dev_reader(
    config: PretrainConfig, model: MRHubertForPreTraining, corpus: Corpus, units: Units
) -> CropReader | None:
    """The validation crops; None where the corpus has no utterance long enough for one."""
    long_enough = (
        utterance.samples >= crop_samples(config) for utterance in corpus.utterances(config.validation_split)
    )
    if not config.validation_split or not any(long_enough):
        return None
    return _reader(config, model, corpus, units, config.validation_split)


def _warn_of_collapse(config: PretrainConfig, shown: dict[str, float], step: int, run: Run) -> None:
    if step <= config.warmup_share * config.steps:
        return
    for level in range(len(shown)):
        perplexity = shown.get(f"perplexity_{level}", math.inf)
        if perplexity <= COLLAPSED:
            run.log(
                event="warning",
                step=step,
                message=f"level {level} says the same unit almost everywhere (perplexity {perplexity:.2f} of the "
                "codes): try a lower learning_rate, a longer warm-up, fewer masks, or pre-norm layers "
                "(model.do_stable_layer_norm)",
            )
