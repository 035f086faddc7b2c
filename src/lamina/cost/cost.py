"""What an encoder costs: parameters, multiply-accumulates, measured speed and memory, reading and training."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from lamina.cost.macs import Macs, count_macs
from lamina.cost.training import PeakBytes, run_weights
from lamina.encoders.encoder import Encoder
from lamina.errors import LaminaError
from lamina.score import Score, Scores


def measure_cost(encoder: Encoder, *, seconds: Sequence[float], repeats: int, run_name: str = "") -> Scores:
    """Count and measure what an encoder costs at some lengths of audio.

    Rows (``target`` is the length, such as ``10 s``; ``tap`` is empty for the whole encoder):

    - ``parameters`` that are run (see `run_weights`); 0 for encoders without a model (``encoder.model``), such as
      mel and MFCC;
    - ``macs`` and ``macs-attention`` (see `lamina.cost.macs`), also by part of the model, whose path is the
      ``tap``, whose order is the ``depth`` and whose rate is ``period_ms`` (0 where it has several); none without
      a model;
    - ``speed``: seconds of audio a second of one utterance through to the last tap, the median of ``repeats`` runs
      after one that is not counted; ``low`` and ``high`` are the slowest and the fastest; ``support`` is where;
    - ``peak-memory``: bytes at once while reading, weights included; on a CPU of tensors (`PeakBytes`), on an
      accelerator as its allocator counts;
    - ``train-speed`` and ``train-memory``: the same of a training step: forward and backward, gradients of all
      weights, dropout off, without optimiser; none without a model.

    Args:
        encoder: any encoder.
        seconds: lengths of audio.
        repeats: how often speed is measured.
        run_name: the ``run`` column.

    Raises:
        LaminaError: a length is too short for the encoder or not positive, or ``repeats`` is not.
    """
    if repeats < 1:
        raise LaminaError(f"speed cannot be measured {repeats} times: ask for 1 repeat or more")
    least = max(tap.grid.least_samples for tap in encoder.taps)
    for length in seconds:
        if round(length * encoder.sample_rate) < least:
            raise LaminaError(
                f"{length:g} s of audio is too short to cost {encoder.name}: its deepest tap needs "
                f"{least / encoder.sample_rate:.3g} s or more"
            )
    model: Any = getattr(encoder, "model", None)
    with torch.random.fork_rng(devices=[]):  # older transformers draw for layers that nobody drops
        count = 0 if model is None else run_weights(*model_and_input(encoder, model, least))
        rows = [_row(encoder, run_name, "parameters", "", count)]
        for length in seconds:
            samples, target = round(length * encoder.sample_rate), f"{length:g} s"
            if model is not None:
                found = count_macs(*model_and_input(encoder, model, samples))
                rows += _mac_rows(encoder, run_name, target, found)
            rows += _measured(encoder, model, run_name, samples, target, repeats)
    return Scores(rows)


def model_and_input(encoder: Encoder, model: Any, samples: int) -> tuple[nn.Module, Tensor]:
    """What to run, and an input of the shape that so many samples have there; it holds no values."""
    kind = getattr(getattr(model, "config", None), "model_type", "")
    if kind == "whisper":  # it pads all audio to its window
        shape = (1, model.config.num_mel_bins, 2 * model.config.max_source_positions)
        return model, torch.empty(shape, device="meta")
    if kind == "wav2vec2-bert":
        frames = encoder.taps[0].grid.frames(samples)
        return model, torch.empty(1, frames, model.config.feature_projection_input_dim, device="meta")
    return model, torch.empty(1, samples, device="meta")


def _mac_rows(encoder: Encoder, run: str, target: str, found: dict[str, Macs]) -> list[Score]:
    whole = sum(found.values(), Macs(0, 0))
    rows = []
    for depth, (path, macs) in enumerate([("", whole), *found.items()]):
        for measure, value in (("macs", macs.published), ("macs-attention", macs.attention)):
            row = _row(encoder, run, measure, target, value, unit="MAC", tap=path, depth=max(0, depth - 1))
            rows.append(replace(row, period_ms=_period(encoder, path)))
    return rows


def _period(encoder: Encoder, path: str) -> float:
    """Milliseconds a frame of a block or layer; 0 for parts that run at several rates, such as the front end."""
    blocks = getattr(getattr(getattr(encoder, "model", None), "config", None), "blocks", ())
    head, _, number = path.rpartition(".")
    if not number.isdigit() or head.startswith("feature_extractor"):
        return 0.0
    if head == "blocks":
        return float(blocks[int(number)].grid.period_ms)
    return encoder.taps[-1].grid.period_ms if head.endswith("layers") else 0.0


def _measured(encoder: Encoder, model: Any, run: str, samples: int, target: str, repeats: int) -> list[Score]:
    weight = next(model.parameters(), None) if model is not None else None
    device = weight.device if weight is not None else torch.device("cpu")
    # Noise from a seed of its own: silence may be quicker, and the global random state stays as it is.
    waves = torch.randn(1, samples, generator=torch.Generator().manual_seed(0)) * 0.1
    waves, lengths = waves.to(device), torch.tensor([samples])
    last = [encoder.taps[-1].name]

    def read() -> None:
        for _states in encoder.states(waves, lengths, last):
            pass

    threads = torch.get_num_threads()
    on_cuda = device.type == "cuda"
    where = torch.cuda.get_device_name(device) if on_cuda else f"cpu, {threads} thread{'s' if threads > 1 else ''}"
    kinds = [("speed", "peak-memory", read)]
    if model is not None:
        kinds.append(("train-speed", "train-memory", _training_step(encoder, model, samples)))
    rows = []
    for speed, memory, work in kinds:
        found = _speeds(work, samples / encoder.sample_rate, repeats, device)
        rows.append(
            _row(
                encoder, run, speed, target, statistics.median(found), unit="s/s", low=min(found), high=max(found),
                n=repeats, support=where,
            )
        )  # fmt: skip
        if model is not None:
            peak = _peak(work, model, device)
            rows.append(_row(encoder, run, memory, target, peak, unit="B", support=where))
    return rows


def _speeds(work: Callable[[], None], seconds: float, repeats: int, device: torch.device) -> list[float]:
    """Seconds of audio a second, ``repeats`` times."""
    speeds = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        speeds.append(seconds / (time.perf_counter() - start))
    return speeds[1:]  # the first run allocates and warms up


def _peak(work: Callable[[], None], model: nn.Module, device: torch.device) -> int:
    """The most bytes at once, weights included: the allocator's count on an accelerator, of tensors on a CPU."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        work()
        return int(torch.cuda.max_memory_allocated(device))
    with PeakBytes([*model.parameters(), *model.buffers()]) as count:
        work()
    return int(count.peak)


def _training_step(encoder: Encoder, model: Any, samples: int) -> Callable[[], None]:
    """A forward and a backward pass of one utterance, gradients of all weights, dropout off; no optimiser."""
    body, shape = model_and_input(encoder, model, samples)
    device = next(model.parameters()).device
    values = (torch.randn(shape.shape, generator=torch.Generator().manual_seed(0)) * 0.1).to(device)

    def step() -> None:
        frozen = [weight for weight in body.parameters() if not weight.requires_grad]
        for weight in frozen:
            weight.requires_grad_()
        try:
            with torch.inference_mode(False), torch.enable_grad():
                found = body(values)
                found = found.last_hidden_state if hasattr(found, "last_hidden_state") else found[0]
                found.float().square().mean().backward()
        finally:
            body.zero_grad(set_to_none=True)
            for weight in frozen:
                weight.requires_grad_(False)

    return step


def _row(
    encoder: Encoder,
    run: str,
    measure: str,
    target: str,
    value: float,
    *,
    unit: str = "",
    tap: str = "",
    depth: int = 0,
    low: float | None = None,
    high: float | None = None,
    n: int = 0,
    support: str = "",
) -> Score:
    return Score(
        study="",
        run=run,
        model=encoder.name,
        tap=tap,
        depth=depth,
        period_ms=0.0,
        measure=measure,
        target=target,
        value=float(value),
        unit=unit,
        low=low,
        high=high,
        n=n,
        split="",
        seed=0,
        protocol="",
        support=support,
        control="",
    )
