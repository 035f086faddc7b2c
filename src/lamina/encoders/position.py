"""Where a frame lies in its utterance, as an encoder of one tap: what is known without hearing anything."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from lamina.encoders.encoder import States, Tap, find_taps
from lamina.files import digest
from lamina.frames import frame_counts
from lamina.grid import Grid

REACHES = (0.1, 0.3, 1.0, 3.0)  # seconds: how fast the start and the end are forgotten
WAVES = 8  # half periods of cosines over the utterance


class PositionEncoder:
    """Smooth functions of a frame's time from the start and from the end of its utterance, and of its share.

    ``exp(-t / r)`` from either end for a few reaches r, cosines of the share of the utterance that has passed, the
    time itself and the length: 18 dimensions in which any smooth dependence on position is nearly linear.

    Args:
        grid: where its frames lie.
    """

    name = "position"

    def __init__(self, grid: Grid) -> None:
        self.sample_rate = int(grid.sample_rate)
        self.taps = (Tap("position", 0, 2 * len(REACHES) + WAVES + 2, grid),)
        self.digest = digest([self.name, grid.to_json()])

    def states(self, waves: Tensor, lengths: Tensor, taps: Sequence[str] | None = None) -> Iterator[States]:
        """The positions of the frames of utterances of so many samples; what the waves hold says nothing."""
        for tap in find_taps(self, taps):
            counts = frame_counts(tap.grid, lengths.numpy())
            frames = max(1, int(counts.max()))
            rate, grid = tap.grid.sample_rate, tap.grid
            time = (float(grid.centre) + float(grid.stride) * torch.arange(frames, dtype=torch.float64)) / rate
            whole = (lengths.double() / rate)[:, None]
            passed, left = time.expand(len(waves), -1), whole - time
            share = (passed / whole).clamp(0, 1)
            made = [torch.exp(-ends.clamp_min(0) / reach) for ends in (passed, left) for reach in REACHES]
            made += [torch.cos(torch.pi * half * share) for half in range(1, WAVES + 1)]
            made += [passed, whole.expand_as(passed)]
            yield States.checked(torch.stack(made, -1).float(), lengths.tolist(), tap)
