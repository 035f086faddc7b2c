"""What an encoder costs: parameters, multiply-accumulates, measured speed, memory on an accelerator."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from lamina.cost.macs import Macs, count_macs
from lamina.encoders.encoder import Encoder
from lamina.errors import LaminaError
from lamina.score import Score, Scores


def measure_cost(encoder: Encoder, *, seconds: Sequence[float], repeats: int, run_name: str = "") -> Scores:
    """Count and measure what an encoder costs at some lengths of audio.

    Rows (``target`` is the length, such as ``10 s``; ``tap`` is empty for the whole encoder):

    - ``parameters``; 0 for encoders without a model (``encoder.model``), such as mel and MFCC;
    - ``macs`` and ``macs-attention`` (see `lamina.cost.macs`), also by part of the model, whose path is the
      ``tap`` and whose order is the ``depth``; none without a model;
    - ``speed``: seconds of audio a second of one utterance through to the last tap, the median of ``repeats`` runs
      after one that is not counted; ``low`` and ``high`` are the slowest and the fastest; ``support`` is where;
    - ``peak-memory`` in bytes, weights included, on an accelerator only (a process's peak on a CPU says little).

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
    count = sum(weight.numel() for weight in model.parameters()) if model is not None else 0
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
    if kind == "whisper":
        body = model.get_encoder() if hasattr(model, "get_encoder") else model
        config = body.config
        # Whisper pads all audio to its window.
        return body, torch.empty(1, config.num_mel_bins, 2 * config.max_source_positions, device="meta")
    if kind == "wav2vec2-bert":
        frames = encoder.taps[0].grid.frames(samples)
        return model, torch.empty(1, frames, model.config.feature_projection_input_dim, device="meta")
    return model, torch.empty(1, samples, device="meta")


def _mac_rows(encoder: Encoder, run: str, target: str, found: dict[str, Macs]) -> list[Score]:
    whole = sum(found.values(), Macs(0, 0))
    places = [("", 0, whole), *((path, depth, macs) for depth, (path, macs) in enumerate(found.items()))]
    return [
        _row(encoder, run, measure, target, value, unit="MAC", tap=tap, depth=depth)
        for tap, depth, macs in places
        for measure, value in (("macs", macs.published), ("macs-attention", macs.attention))
    ]


def _measured(encoder: Encoder, model: Any, run: str, samples: int, target: str, repeats: int) -> list[Score]:
    weight = next(model.parameters(), None) if model is not None else None
    device = weight.device if weight is not None else torch.device("cpu")
    # Noise from a seed of its own: silence may be quicker, and the global random state stays as it is.
    waves = torch.randn(1, samples, generator=torch.Generator().manual_seed(0)) * 0.1
    waves, lengths = waves.to(device), torch.tensor([samples])
    last = [encoder.taps[-1].name]
    on_cuda = device.type == "cuda"
    if on_cuda:
        torch.cuda.reset_peak_memory_stats(device)
    speeds = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        for _states in encoder.states(waves, lengths, last):
            pass
        if on_cuda:
            torch.cuda.synchronize(device)
        speeds.append(samples / encoder.sample_rate / (time.perf_counter() - start))
    del speeds[0]  # the first run allocates and warms up
    threads = torch.get_num_threads()
    where = torch.cuda.get_device_name(device) if on_cuda else f"cpu, {threads} thread{'s' if threads > 1 else ''}"
    middle, low, high = statistics.median(speeds), min(speeds), max(speeds)
    rows = [_row(encoder, run, "speed", target, middle, unit="s/s", low=low, high=high, n=repeats, support=where)]
    if on_cuda:
        peak = torch.cuda.max_memory_allocated(device)
        rows.append(_row(encoder, run, "peak-memory", target, peak, unit="B", support=where))
    return rows


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
