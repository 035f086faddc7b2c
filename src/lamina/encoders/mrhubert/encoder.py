"""MRHubertEncoder: a model of the family as Lamina's encoder; and s3prl's list of its states."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from math import gcd, lcm
from typing import cast

import torch
from torch import Tensor, nn

from lamina.encoders.audio import checked_audio, unit_variance
from lamina.encoders.encoder import States, Tap, find_taps
from lamina.encoders.mrhubert.model import MRHubertModel, Stop, TransformerBlock
from lamina.encoders.mrhubert.pretraining import MRHubertForPreTraining
from lamina.encoders.weights import weights_digest


class MRHubertEncoder:
    """An MR-HuBERT or HuBERT model of our own family, read one tap at a time.

    Args:
        model: the model, with or without its pretraining heads; it is put into evaluation mode.
        name: as people call it.
        together: whether utterances of different lengths run as one padded batch; by default they do on a GPU. On
            a CPU padding only costs time, so each length runs by itself, all in step. The states are the same.
    """

    def __init__(
        self, model: MRHubertModel | MRHubertForPreTraining, name: str, *, together: bool | None = None
    ) -> None:
        body = model.mrhubert if isinstance(model, MRHubertForPreTraining) else model
        self.model: MRHubertModel = body.eval()
        self.name = name
        self.sample_rate: int = self.model.config.sampling_rate
        self._taps = self.model.config.taps
        self.digest = weights_digest(self.model)
        self.together = together

    @property
    def taps(self) -> tuple[Tap, ...]:
        """All taps, in the order of the data flow."""
        return self._taps

    @torch.no_grad()
    def states(self, waves: Tensor, lengths: Tensor, taps: Sequence[str] | None = None) -> Iterator[States]:
        """Yield the states at the asked taps; see `Encoder.states`."""
        asked = {tap.name: tap for tap in find_taps(self, taps)}
        waves, samples = self.prepared(waves, lengths)
        groups = self._groups(samples)
        walks = [self._walk(waves, samples, rows) for rows in groups]
        for stops in zip(*walks, strict=True):
            tap = asked.pop(stops[0].name, None)
            if tap is not None:
                yield States.checked(_assembled(stops, groups, len(samples)).float(), samples, tap)
            if not asked:
                return

    def _groups(self, samples: list[int]) -> list[list[int]]:
        """The rows of a batch that run as one."""
        together = self.model.device.type != "cpu" if self.together is None else self.together
        if together:
            return [list(range(len(samples)))]
        rows: dict[int, list[int]] = {}
        for row, count in enumerate(samples):
            rows.setdefault(count, []).append(row)
        return list(rows.values())

    def _walk(self, waves: Tensor, samples: list[int], rows: list[int]) -> Iterator[Stop]:
        own = [samples[row] for row in rows]
        counts = None if len(set(own)) == 1 else torch.tensor(own, device=waves.device)
        part = waves if len(rows) == len(samples) else waves[rows, : max(own)]
        return self.model.walk(self.model.conv_features(part, counts), counts)

    def prepared(self, waves: Tensor, lengths: Tensor) -> tuple[Tensor, list[int]]:
        """The waves checked, normalised where the model wants it and on its device; the samples of each.

        Raises:
            LaminaError: the audio is not what an encoder accepts (see `checked_audio`).
        """
        least = max(tap.grid.least_samples for tap in self._taps)
        waves, samples = checked_audio(waves, lengths, least, self.name)
        if self.model.config.do_normalize:
            waves = unit_variance(waves, samples, add=1e-5)  # as fairseq and s3prl do
        return waves.to(self.model.device, self.model.dtype), samples


def _assembled(stops: Sequence[Stop], groups: Sequence[list[int]], batch: int) -> Tensor:
    """The values of all groups as one padded batch."""
    if len(groups) == 1:
        return stops[0].values
    frames, width = max(stop.values.shape[1] for stop in stops), stops[0].values.shape[2]
    values = stops[0].values.new_zeros(batch, frames, width)
    for stop, rows in zip(stops, groups, strict=True):
        values[rows, : stop.values.shape[1]] = stop.values
    return values


def s3prl_states(encoder: MRHubertEncoder, waves: Tensor, lengths: Tensor) -> list[Tensor]:
    """The list of states that s3prl's `multires_hubert` upstream shows, all at one common rate.

    These are the input of every layer and the output of every block before the skip sums, coarse frames repeated
    and all cut to the shortest. Two faults of s3prl are mended: frames are repeated period / gcd of all periods
    times (s3prl's factors hold for ladders of equal ratios only), and upsamplers run in fairseq's order.

    Returns:
        (batch, frames, width) tensors; 15 of them for a base model.
    """
    waves, samples = encoder.prepared(waves, lengths)
    counts = None if len(set(samples)) == 1 else torch.tensor(samples, device=waves.device)
    model = encoder.model
    periods = [block.grid.stride for block in model.plan]
    scale = lcm(*(period.denominator for period in periods))
    unit = gcd(*(int(period * scale) for period in periods))
    found: list[Tensor] = []
    with torch.no_grad(), ExitStack() as hooks:
        outputs = {}
        for block, module, period in zip(model.plan, model.blocks, periods, strict=True):
            times = int(period * scale) // unit
            outputs[f"{block.name}.norm" if model.config.do_stable_layer_norm else block.layer_names[-1]] = times

            def keep(_: nn.Module, inputs: tuple[Tensor, ...], times: int = times) -> None:
                found.append(inputs[0].repeat_interleave(times, dim=1))

            for layer in cast("TransformerBlock", module).layers:
                hooks.callback(layer.register_forward_pre_hook(keep).remove)
        for stop in model.walk(model.conv_features(waves, counts), counts):
            if stop.name in outputs:
                found.append(stop.values.repeat_interleave(outputs[stop.name], dim=1))  # noqa: PERF401 - hooks append, too
    frames = min(state.shape[1] for state in found)
    return [state[:, :frames] for state in found]
