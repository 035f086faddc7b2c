"""Masks: spans of frames on the finest grid; and which frames of two grids lie nearest to each other.

A coarse frame counts as masked if the finer frame at its centre is (`MRHubertForPreTraining.level_masks`): it may
thus be scored as masked although some of the fine frames it stands for are not, as in the reference.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import lcm

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lamina.errors import LaminaError
from lamina.grid import Grid
from lamina.pretrain.recipe import PretrainConfig

# The reference never masks with fewer spans than this. # fairseq: min_masks
LEAST_SPANS = 2


def nearest_frames(source: Grid, places: Grid, count: int, start: int = 0) -> NDArray[np.int64]:
    """The frame of ``source`` whose centre is nearest to each of the first ``count`` frames of ``places``.

    Exact: all is integer arithmetic over a common denominator; of two equally near the earlier one is taken.

    Args:
        source: grid of what is looked up (units, a fine mask).
        places: grid of the frames that look it up.
        count: how many frames look.
        start: sample of the source's axis at which the axis of ``places`` begins (the start of a crop).

    Returns:
        (count,) frame numbers of ``source``; some may be negative or beyond its end.
    """
    first = (start + places.centre - source.centre) / source.stride
    step = places.stride / source.stride
    common = lcm(first.denominator, step.denominator)
    # At place t the exact position is x = (a + t b) / common; the nearest frame is ceil(x - 1/2).
    twice = 2 * (int(first * common) + np.arange(count, dtype=np.int64) * int(step * common))
    return -((common - twice) // (2 * common))


def span_mask(
    batch: int, frames: int, *, probability: float, length: int, generator: np.random.Generator
) -> NDArray[np.bool_]:
    """Mask spans of ``length`` frames at random starts; spans may overlap (HuBERT, MR-HuBERT).

    The number of spans is ``probability * frames / length``, rounded up or down at random once a batch, and at
    least two; starts are drawn without replacement. So ``probability`` is the share of frames that would be masked
    if no spans met. Then rows lose masked frames at random until all have as many as the row with the fewest
    (fairseq: require_same_masks); with 0.80, spans of 10 and batches of usual size, about 52 % of frames stay
    masked.

    Returns:
        (batch, frames).

    Raises:
        LaminaError: the crop is too short for two spans.
    """
    if frames <= length + LEAST_SPANS:
        raise LaminaError(
            f"a crop of {frames} frames is too short for masks of {length} frames; take longer crops "
            "(crop_seconds) or shorter spans (mask.length)"
        )
    spans = max(LEAST_SPANS, int(probability * frames / length + generator.random()))
    # Where the spans would need more starts than there are, they may run over the end, as in the reference.
    starts = max(frames - length, min(spans + 1, frames))
    spans = min(spans, starts)
    mask = np.zeros((batch, frames + length), dtype=np.bool_)
    for row in mask:
        chosen = generator.choice(starts, spans, replace=False)
        row[chosen[:, None] + np.arange(length)] = True
    mask = mask[:, :frames]
    fewest = int(mask.sum(1).min())
    for row in mask:
        masked = np.flatnonzero(row)
        row[generator.choice(masked, len(masked) - fewest, replace=False)] = False
    return mask


def budget_mask(
    batch: int, frames: int, *, share: float, length: int, generator: np.random.Generator
) -> NDArray[np.bool_]:
    """Mask exactly ``share`` of the frames (rounded) in spans of ``length`` at random starts, the last cut short.

    Returns:
        (batch, frames); every row has the same number of masked frames.
    """
    budget = round(share * frames)
    mask = np.zeros((batch, frames), dtype=np.bool_)
    if budget == 0:
        return mask
    # Spans start up to length - 1 frames early, so that frames at the ends are masked as often as others.
    starts = np.argsort(generator.random((batch, frames + length - 1)), axis=1) - (length - 1)
    for row, order in zip(mask, starts, strict=True):
        left = budget
        for start in order:
            span = row[max(start, 0) : max(start + length, 0)]
            free = np.flatnonzero(~span)[:left]
            span[free] = True
            left -= len(free)
            if not left:
                break
    return mask


class Masks:
    """The masks of a run: those of each step are drawn from (seed, purpose, step).

    Whole utterances (``batch_seconds``) are masked one by one, each in proportion to its own length; equal crops
    together, with as many masked frames in each.

    Args:
        config: says how much is masked, and how.
        frames: of the longest crop, on the finest grid.

    Raises:
        LaminaError: a crop is too short for its masks.
    """

    def __init__(self, config: PretrainConfig, frames: int) -> None:
        self._config = config
        self.of([frames], 0, 0)

    @staticmethod
    def least_frames(config: PretrainConfig) -> int:
        """The fewest frames that can be masked."""
        spans = config.mask_kind == "spans" and config.mask_probability > 0
        return config.mask_length + LEAST_SPANS + 1 if spans else 1

    def of(self, frames: Sequence[int], purpose: int, step: int) -> Tensor:
        """(batch, most frames) booleans on the finest grid; False beyond each row's frames."""
        generator = np.random.default_rng([self._config.seed, purpose, step])
        if not self._config.batch_seconds:
            return torch.from_numpy(self._draw(len(frames), frames[0], generator))
        mask = np.zeros((len(frames), max(frames)), dtype=np.bool_)
        for row, count in zip(mask, frames, strict=True):
            row[:count] = self._draw(1, count, generator)[0]
        return torch.from_numpy(mask)

    def _draw(self, batch: int, frames: int, generator: np.random.Generator) -> NDArray[np.bool_]:
        share, length = self._config.mask_probability, self._config.mask_length
        if share == 0:
            return np.zeros((batch, frames), dtype=np.bool_)
        if self._config.mask_kind == "budget":
            return budget_mask(batch, frames, share=share, length=length, generator=generator)
        return span_mask(batch, frames, probability=share, length=length, generator=generator)
