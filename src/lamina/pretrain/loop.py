"""The training loop. What happens in step s is a pure function of the config and s: a resumed run is exact."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from lamina.corpus.corpus import Corpus
from lamina.corpus.splits import of_split
from lamina.encoders.mrhubert import MRHubertForPreTraining
from lamina.errors import LaminaError
from lamina.files import digest
from lamina.pretrain.data import CropReader
from lamina.pretrain.journal import Journal
from lamina.pretrain.labels import Units
from lamina.pretrain.masking import Masks
from lamina.pretrain.meter import Alarms, Meter
from lamina.pretrain.recipe import ModelConfig, PretrainConfig
from lamina.pretrain.update import Updater, Work
from lamina.pretrain.weights import Checkpoints, build, write_model
from lamina.pretrain.workers import Stopper, Workers, read_ahead
from lamina.runs import Run

__all__ = ["ModelConfig", "PretrainConfig", "pretrain"]

MASK, CHECK = 3, 4  # streams of random numbers beside those of `lamina.pretrain.data`

Progress = Callable[[int, int, dict[str, float]], None]


def pretrain(
    config: PretrainConfig, corpus: Corpus, units: Units, run: Run, *, progress: Progress | None = None
) -> Path:
    """Pretrain a model by masked prediction of ``units`` (Hsu et al. 2021; at several rates: Shi et al. 2024).

    Writes checkpoints and the log into the run folder and, at the end, ``model/``, a transformers folder; the
    checkpoints then go. Killed and called again, it goes on from the last checkpoint and ends with the same
    weights, to the bit, on the same machine. A finished model is not trained again. Under ``torchrun`` or
    ``accelerate launch`` the processes share each batch (see `lamina.pretrain.workers`).

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
            number or the disk is full.
        KeyboardInterrupt: it was asked to stop by SIGINT, SIGTERM or a file ``stop`` in the run folder; a
            checkpoint is saved first. The file also leaves the model as it is in ``stopped/``.
    """
    folder = run.folder / "model"
    workers = Workers(config)
    journal = Journal(run, write=workers.main)
    checkpoints = Checkpoints(run.folder / "checkpoints", digest([config.to_json(), units.digest]), journal)
    finished = bool(workers.agree(int(folder.is_dir()), "whether the model is finished"))
    if not finished:
        run.folder.mkdir(parents=True, exist_ok=True)
        model = build(config.model, units.clusters, config.seed)
        if config.steps:
            _train(config, model, corpus, units, run, workers, journal, checkpoints, progress)
        if workers.main:
            write_model(model, folder)
    if workers.main:
        checkpoints.remove()  # left over where it was killed after writing the model
    workers.wait()
    return folder


def _train(
    config: PretrainConfig,
    model: MRHubertForPreTraining,
    corpus: Corpus,
    units: Units,
    run: Run,
    workers: Workers,
    journal: Journal,
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
    masks = Masks(config, model.config.levels[0].frames(crop_samples(config)))
    updater = Updater(config, model, workers)
    meter, alarms = Meter(config, workers), Alarms(config, journal)
    first = workers.agree(checkpoints.restore(updater), "the checkpoint to go on from")
    journal.log(
        event="start",
        step=first,
        parameters=sum(weight.numel() for weight in model.parameters()),
        utterances=len(crops.utterances),
        left_out=crops.left_out,
        hours=round(crops.seconds / 3600, 4),
        processes=workers.count,
        device=str(workers.device),
    )

    def read(step: int) -> Work:
        return Work.of(config, crops, masks.of(config.batch_size, MASK, step), step, workers)

    shown: dict[str, float] = {}
    with Stopper(run.folder, workers) as stopper, read_ahead(read, first, config.steps) as works:
        for step, work in enumerate(works, start=first):
            rate, done = learning_rate(config, step), step + 1
            updater.update(work, rate, meter)
            if done % config.log_every == 0 or done == config.steps:
                shown = meter.read()
                journal.log(step=done, learning_rate=rate, **shown)
                alarms.hear(shown, done)
            if dev is not None and (done % config.validate_every == 0 or done == config.steps):
                journal.log(event="validation", step=done, **validate(config, model, dev, masks, workers))
            asked = stopper.asked() if done < config.steps else ""
            if workers.main and (asked or done % config.checkpoint_every == 0):
                checkpoints.save(done, updater)
            if asked:
                _stop(asked, done, model, run, workers, journal)
            if progress is not None:
                progress(done, config.steps, shown)
    journal.close()


def _stop(
    asked: str, done: int, model: MRHubertForPreTraining, run: Run, workers: Workers, journal: Journal
) -> None:
    journal.log(event="stopped", step=done, asked_by=asked)
    journal.close()
    if workers.main and "file" in asked:
        write_model(model, run.folder / "stopped")
    workers.wait()
    raise KeyboardInterrupt(f"stopped by {asked} after step {done}; the same command goes on from there")


def learning_rate(config: PretrainConfig, step: int) -> float:
    """Linear warm-up, then linear decay to 0 after the last step."""
    warm = round(config.warmup_share * config.steps)
    if step < warm:
        return config.learning_rate * (step + 1) / warm
    return config.learning_rate * (config.steps - step) / max(1, config.steps - warm)


def validate(
    config: PretrainConfig, model: MRHubertForPreTraining, dev: CropReader, masks: Masks, workers: Workers
) -> dict[str, float]:
    """Accuracy and loss a frame on fixed crops under fixed masks, dropout off; the processes share the batches."""
    meter = Meter(config, workers)
    model.eval()
    with torch.inference_mode(), workers.autocast():
        for index, batch in enumerate(dev.fixed(config.batch_size, config.validation_crops)):
            if index % workers.count == workers.rank:
                here = batch.to(workers.device)
                mask = masks.of(len(batch.waves), CHECK, index).to(workers.device)
                output = model(here.waves, mask_time_indices=mask, labels=here.labels, return_dict=True)
                meter.add(output, here)
    model.train()
    return meter.accuracies()


def crop_samples(config: PretrainConfig) -> int:
    """Samples of a crop."""
    return round(config.crop_seconds * config.model.sampling_rate)


def _reader(
    config: PretrainConfig, model: MRHubertForPreTraining, corpus: Corpus, units: Units, split: str
) -> CropReader:
    grids = model.config.levels[: model.config.predicting_levels]
    return CropReader(
        corpus,
        of_split(corpus, split),
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
