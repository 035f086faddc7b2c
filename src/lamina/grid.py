"""Grid: where the frames of a layer lie on the sample axis, exactly.

Everything is derived from kernels and strides in exact fractions of a sample; nothing is rounded and nothing
is written down as "20 ms". Sample ``i`` lies at coordinate ``i``; a segment ``[onset, offset)`` owns the frames
whose centre lies in it, so abutting segments never share a frame.

>>> front = Grid.samples(16000)
>>> for kernel, stride in [(10, 5), (3, 2), (3, 2), (3, 2), (3, 2), (2, 2), (2, 2)]:
...     front = front.conv(kernel, stride)
>>> front.stride, front.centre, front.window, front.frames(16000)
(Fraction(320, 1), Fraction(399, 2), Fraction(400, 1), 49)
>>> front.conv(1, 2).centre  # a 40 ms level keeps every second centre
Fraction(399, 2)
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import Any

# How many frames there are: each step maps a length n to floor((n * up + add) / down).
Step = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Grid:
    """Where the frames of one layer lie on the sample axis.

    Attributes:
        sample_rate: samples a second of the axis (Hz).
        stride: samples from one frame's centre to the next.
        centre: coordinate of the centre of frame 0, in samples.
        window: samples that one frame sees through the strided stages (attention sees more).
        steps: how a number of samples becomes a number of frames, stage by stage (see `frames`).
    """

    sample_rate: int
    stride: Fraction
    centre: Fraction
    window: Fraction
    steps: tuple[Step, ...] = ()

    @classmethod
    def samples(cls, sample_rate: int) -> Grid:
        """The grid of the samples themselves."""
        return cls(sample_rate, Fraction(1), Fraction(0), Fraction(1))

    def conv(self, kernel: int, stride: int = 1, padding: int = 0) -> Grid:
        """The grid after a convolution over these frames, ``padding`` frames added on both sides.

        Composition is exact: ``floor((floor((n + a) / b) + c) / d) == floor((n + a + b c) / (b d))``.
        """
        if kernel < 1 or stride < 1 or padding < 0:
            raise ValueError(f"no convolution has kernel {kernel}, stride {stride} and padding {padding}")
        add = 2 * padding - kernel + stride
        if self.steps:
            *before, (up, last_add, down) = self.steps
            steps = (*before, (up, last_add + add * down, down * stride))
        else:
            steps = ((1, add, stride),)
        return Grid(
            self.sample_rate,
            self.stride * stride,
            self.centre + (Fraction(kernel - 1, 2) - padding) * self.stride,
            self.window + (kernel - 1) * self.stride,
            steps,
        )

    def repeat(self, times: int) -> Grid:
        """The grid after every frame is repeated ``times`` times: the copies share the frame's span evenly."""
        if times < 1:
            raise ValueError(f"frames cannot be repeated {times} times")
        if times == 1:
            return self
        finer = self.stride / times
        centre = self.centre - Fraction(times - 1, 2) * finer
        return Grid(self.sample_rate, finer, centre, self.window, (*self.steps, (times, 0, 1)))

    def frames(self, samples: int) -> int:
        """How many frames the layer makes of ``samples`` samples (0 where there are too few)."""
        count = samples
        for up, add, down in self.steps:
            count = max(0, (count * up + add) // down)
        return count

    @property
    def least_samples(self) -> int:
        """The fewest samples that make one frame."""
        count = 1
        for up, add, down in reversed(self.steps):
            count = max(1, ceil(Fraction(count * down - add, up)))
        return count

    def centre_of(self, frame: int) -> Fraction:
        """The centre of frame number ``frame``, in samples."""
        return self.centre + frame * self.stride

    def first_at(self, position: Fraction | int) -> int:
        """The number of the first frame whose centre is at or after ``position`` (may be negative)."""
        return ceil((position - self.centre) / self.stride)

    def owned(self, onset: Fraction | int, offset: Fraction | int, frames: int) -> range:
        """The frames, of ``frames`` there are, whose centres lie in ``[onset, offset)``."""
        start = min(max(self.first_at(onset), 0), frames)
        return range(start, max(start, min(self.first_at(offset), frames)))

    @property
    def period_ms(self) -> float:
        """Milliseconds from one frame to the next."""
        return float(self.stride * 1000 / self.sample_rate)

    def to_json(self) -> dict[str, Any]:
        """A JSON value that `from_json` turns back into an equal grid."""
        return {
            "sample_rate": self.sample_rate,
            "stride": str(self.stride),
            "centre": str(self.centre),
            "window": str(self.window),
            "steps": [list(step) for step in self.steps],
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Grid:
        """The grid that `to_json` described."""
        return cls(
            int(value["sample_rate"]),
            Fraction(value["stride"]),
            Fraction(value["centre"]),
            Fraction(value["window"]),
            tuple((int(up), int(add), int(down)) for up, add, down in value["steps"]),
        )
