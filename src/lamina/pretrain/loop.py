"""The training loop. What happens in step s is a pure function of the config and s: a resumed run is exact."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path

import torch

from lamina.corpus.corpus import Corpus
from lamina.corpus.pieces import notes_of
from lamina.corpus.splits import of_split
from lamina.device import AUTO
from lamina.encoders.mrhubert import MRHubertForPreTraining
from lamina.errors import LaminaError
from lamina.files import digest
from lamina.pretrain.data import Source, shortest_taken
from lamina.pretrain.journal import Journal
from lamina.pretrain.labels import Units
from lamina.pretrain.meter import Alarms, Meter
from lamina.pretrain.recipe import ModelConfig, PretrainConfig
from lamina.pretrain.update import Updater, Work
from lamina.pretrain.weights import Checkpoints, build, write_model
from lamina.pretrain.workers import Stopper, Workers, read_ahead
from lamina.runs import Run

__all__ = ["ModelConfig", "PretrainConfig", "pretrain"]

Progress = Callable[[int, int, dict[str, float]], None]


def pretrain(
    config: PretrainConfig,
    corpus: Corpus,
    units: Units | Sequence[Units],
    run: Run,
    *,
    device: str = AUTO,
    progress: Progress | None = None,
    warn: Callable[[str], None] | None = None,
) -> Path:
    """Pretrain a model by masked prediction of ``units`` (Hsu et al. 2021; at several rates: Shi et al. 2024).

    Writes checkpoints and the log into the run folder and, at the end, ``model/``, a transformers folder; the
    checkpoints then go. Killed and called again, it goes on from the last checkpoint and ends with the same
    weights, to the bit, on the same machine. A finished model is not trained again. Under ``torchrun`` or
    ``accelerate launch`` the processes share each batch (see `lamina.pretrain.workers`).

    Args:
        config: the recipe.
        corpus: what to train and validate on.
        units: its units: those of all levels (a coarse level takes the unit at each frame's centre, the
            reference's way), or one set a predicting level, finest first.
        run: where everything goes; started once all is known to fit. `Run.finish` is not called.
        device: where to train, by torch's name; each of several processes has a GPU of its own.
        progress: called after every step with (steps done, steps in all, the last logged figures).
        warn: hears what somebody should read, which is in the log, too.

    Returns:
        The model folder.

    Raises:
        LaminaError: before the first step, where audio, units and config do not fit or another process trains in
            the folder; later, where the loss is no number or the disk is full.
        KeyboardInterrupt: it was asked to stop by SIGINT, SIGTERM or a file ``stop`` in the run folder; a
            checkpoint is saved first. The file also leaves the model as it is in ``stopped/``.
    """
    units = [units] if isinstance(units, Units) else list(units)
    corpus = units[0].pieces(corpus)
    folder = run.folder / "model"
    workers = Workers(config, device)
    journal = Journal(run, write=workers.main, hear=warn)
    identity = digest([config.to_json(), *(each.digest for each in units)])
    checkpoints = Checkpoints(run.folder / "checkpoints", identity, journal)
    if not workers.agree(int(folder.is_dir()), "whether the model is finished"):
        model = build(config.model, [each.clusters for each in units], config.seed)
        sources = _sources(config, model, corpus, units, workers) if config.steps else []
        with run.held() if workers.main else nullcontext():
            if workers.main:
                run.start()
            workers.wait()
            if sources:
                _train(config, model, sources, run, workers, journal, checkpoints, progress)
            if workers.main:
                write_model(model, folder)
    if workers.main:
        checkpoints.remove()  # left over where it was killed after writing the model
    workers.wait()
    return folder


def _train(
    config: PretrainConfig,
    model: MRHubertForPreTraining,
    sources: Sequence[Source],
    run: Run,
    workers: Workers,
    journal: Journal,
    checkpoints: Checkpoints,
    progress: Progress | None,
) -> None:
    train, *dev = sources
    updater = Updater(config, model, workers)
    meter, alarms = Meter(config, workers), Alarms(config, journal)
    first = workers.agree(checkpoints.restore(updater), "the checkpoint to go on from")
    journal.log(
        event="start",
        step=first,
        parameters=sum(weight.numel() for weight in model.parameters()),
        utterances=len(train.reader.utterances),
        left_out=len(train.left_out),
        hours=round(train.reader.seconds / 3600, 4),
        processes=workers.count,
        device=str(workers.device),
    )
    for note in (*notes_of(train.reader.corpus), *train.notes()):
        journal.warn(note, kind="audio")
    shown: dict[str, float] = {}

    def read(step: int) -> Work:
        return Work.of(config, train, step, workers)

    with Stopper(run.folder, workers) as stopper, read_ahead(read, first, config.steps) as works:
        for step, work in enumerate(works, start=first):
            rate, done = learning_rate(config, step), step + 1
            updater.update(work, rate, meter)
            if done % config.log_every == 0 or done == config.steps:
                shown = meter.read()
                left = (config.steps - done) / shown["steps_per_second"]
                journal.log(step=done, learning_rate=rate, **shown, seconds_left=round(left, 1))
                alarms.hear(shown, done)
            if dev and (done % config.validate_every == 0 or done == config.steps):
                journal.log(event="validation", step=done, **validate(config, model, dev[0], workers))
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
    config: PretrainConfig, model: MRHubertForPreTraining, dev: Source, workers: Workers
) -> dict[str, float]:
    """Accuracy and loss a frame on fixed crops under fixed masks, dropout off; the processes share the batches."""
    meter = Meter(config, workers)
    model.eval()
    with torch.inference_mode(), workers.autocast():
        for index, (places, mask) in enumerate(dev.checks()):
            if index % workers.count == workers.rank:
                here = dev.reader.read(places).to(workers.device)
                output = model(
                    here.waves,
                    attention_mask=here.attention_mask,
                    mask_time_indices=mask.to(workers.device),
                    labels=here.labels,
                    return_dict=True,
                )
                meter.add(output, here)
    model.train()
    return meter.accuracies()


def _sources(
    config: PretrainConfig,
    model: MRHubertForPreTraining,
    corpus: Corpus,
    units: Sequence[Units],
    workers: Workers,
) -> list[Source]:
    """The split to train on, and the one to validate on where it has an utterance long enough."""
    if config.model.sampling_rate != corpus.sample_rate:
        raise LaminaError(
            f"the model takes audio at {config.model.sampling_rate} Hz, corpus {corpus.name} has "
            f"{corpus.sample_rate} Hz: import it at the model's rate or set model.sampling_rate"
        )
    grids = model.config.levels[: model.config.predicting_levels]
    train = of_split(corpus, config.split)
    sources = [Source(config, corpus, train, units, grids, parts=workers.parts)]
    dev = list(corpus.utterances(config.validation_split)) if config.validation_split else []
    if any(utterance.samples >= shortest_taken(config, grids) for utterance in dev):
        sources.append(Source(config, corpus, dev, units, grids))
    return sources
