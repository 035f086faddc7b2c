"""What an encoder costs: parameters, multiply-accumulates, measured speed and memory, reading and training."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from lamina.cost.macs import Macs, count_macs
from lamina.cost.training import PeakBytes, run_weights
from lamina.device import told, wait
from lamina.encoders.encoder import Encoder
from lamina.encoders.families import input_of
from lamina.errors import LaminaError
from lamina.measures import (
    MACS,
    MACS_ATTENTION,
    PARAMETERS,
    PEAK_MEMORY,
    SPEED,
    TRAIN_MEMORY,
    TRAIN_SPEED,
    find_measure,
)  # fmt: skip
from lamina.score import Score, Scores

# Where models keep what stands before their first tap.
FRONT = ("feature_extractor", "feature_projection", "conv1", "conv2")


def measure_cost(encoder: Encoder, *, seconds: Sequence[float], repeats: int, run_name: str = "") -> Scores:
    """Count and measure what an encoder costs at some lengths of audio.

    Rows (``seconds`` is the length; ``part`` is empty for the whole encoder):

    - ``parameters`` that are run (see `run_weights`); 0 for encoders without a model (``encoder.model``), such as
      mel and MFCC;
    - ``macs`` and ``macs-attention`` (see `lamina.cost.macs`), also by part of the model (``part`` is its path,
      ``depth`` its order, ``block``, ``layer`` and ``period_ms`` what it belongs to, empty, None and 0 for parts
      beside the blocks); none without a model;
    - ``speed``: seconds of audio a second of one utterance through to the last tap, the median of ``repeats`` runs
      after one that is not counted; ``low`` and ``high`` are the slowest and the fastest; ``setting`` is where;
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
        count = 0 if model is None else run_weights(model, input_of(model.config, least))
        rows = [_row(PARAMETERS, count)]
        for length in seconds:
            samples = round(length * encoder.sample_rate)
            found = _measured(encoder, model, samples, repeats)
            if model is not None:
                macs = count_macs(model, input_of(model.config, samples))
                found = _mac_rows(encoder, model, macs) + found
            rows += [replace(row, seconds=float(length)) for row in found]
    return Scores(rows).with_columns(run=run_name, model=encoder.name)


def _mac_rows(encoder: Encoder, body: nn.Module, found: dict[str, Macs]) -> list[Score]:
    whole, places = sum(found.values(), Macs(0, 0)), _places(encoder, body)
    rows = [_row(MACS, whole.published), _row(MACS_ATTENTION, whole.attention)]
    for depth, (path, macs) in enumerate(found.items()):
        front = (encoder.taps[0].block, None, 0.0) if path.startswith(FRONT) else ("", None, 0.0)
        block, layer, period = places.get(path, front)
        where = {"part": path, "depth": depth, "block": block, "layer": layer, "period_ms": period}
        rows += [_row(MACS, macs.published, **where), _row(MACS_ATTENTION, macs.attention, **where)]
    return rows


def _places(encoder: Encoder, body: Any) -> dict[str, tuple[str, int | None, float]]:
    """The block, layer and milliseconds a frame of each block and layer of a model, by its path."""
    stacks = [
        f"{path}.{number}"
        for path, each in body.named_modules()
        if isinstance(each, nn.ModuleList) and path.endswith(("layers", "layer")) and "conv" not in path
        for number in range(len(each))
    ]
    # Stacks of layers run in the order of their taps.
    layers = (tap for tap in encoder.taps if tap.layer is not None)
    found = {path: (tap.block, tap.layer, tap.period_ms) for path, tap in zip(stacks, layers, strict=False)}
    for number, block in enumerate(getattr(body.config, "blocks", ())):
        found[f"blocks.{number}"] = (block.name, None, float(block.grid.period_ms))
    return found


def _measured(encoder: Encoder, model: Any, samples: int, repeats: int) -> list[Score]:
    weight = next(model.parameters(), None) if model is not None else None
    device = weight.device if weight is not None else torch.device("cpu")
    # Noise from a seed of its own: silence may be quicker, and the global random state stays as it is.
    waves = torch.randn(1, samples, generator=torch.Generator().manual_seed(0)) * 0.1
    waves, lengths = waves.to(device), torch.tensor([samples])
    last = [encoder.taps[-1].name]

    def read() -> None:
        for _states in encoder.states(waves, lengths, last):
            pass

    where = told(device)
    kinds = [(SPEED, PEAK_MEMORY, read)]
    if model is not None:
        kinds.append((TRAIN_SPEED, TRAIN_MEMORY, _training_step(model, samples)))
    rows = []
    for speed, memory, work in kinds:
        found = _speeds(work, samples / encoder.sample_rate, repeats, device)
        ends = {"low": min(found), "high": max(found), "n": repeats, "items": "runs"}
        rows.append(_row(speed, statistics.median(found), setting=where, **ends))
        if model is not None:
            rows.append(_row(memory, _peak(work, model, device), setting=where))
    return rows


def _speeds(work: Callable[[], None], seconds: float, repeats: int, device: torch.device) -> list[float]:
    """Seconds of audio a second, ``repeats`` times."""
    speeds = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        work()
        wait(device)
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


def _training_step(model: Any, samples: int) -> Callable[[], None]:
    """A forward and a backward pass of one utterance, gradients of all weights, dropout off; no optimiser."""
    shape = input_of(model.config, samples).shape
    device = next(model.parameters()).device
    values = (torch.randn(shape, generator=torch.Generator().manual_seed(0)) * 0.1).to(device)

    def step() -> None:
        frozen = [weight for weight in model.parameters() if not weight.requires_grad]
        for weight in frozen:
            weight.requires_grad_()
        try:
            with torch.inference_mode(False), torch.enable_grad():
                found = model(values)
                found = found.last_hidden_state if hasattr(found, "last_hidden_state") else found[0]
                found.float().square().mean().backward()
        finally:
            model.zero_grad(set_to_none=True)
            for weight in frozen:
                weight.requires_grad_(False)

    return step


def _row(measure: str, value: float, **columns: Any) -> Score:
    return Score(measure=measure, value=float(value), unit=find_measure(measure).unit, **columns)
