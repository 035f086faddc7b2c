"""What all encoders share: taps that say what a tensor is and how fast it ticks, and states read there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from torch import Tensor

from lamina.errors import LaminaError
from lamina.grid import Grid


@dataclass(frozen=True, slots=True)
class Tap:
    """One place in an encoder where states can be read.

    Attributes:
        name: says which tensor, such as ``enc20.3`` or ``mid40.sum``. A bare layer number would mean different
            tensors in different libraries.
        depth: grows along the data flow, 0 at the front.
        width: values a frame.
        grid: where the frames lie.
        block: the stack of layers that it belongs to, such as ``enc20``; its own name where there is no stack.
        layer: number of the layer in its block, from 1, whose output it is; None where it is no layer's.
    """

    name: str
    depth: int
    width: int
    grid: Grid
    block: str = ""
    layer: int | None = None

    def __post_init__(self) -> None:
        if not self.block:
            object.__setattr__(self, "block", self.name)

    @classmethod
    def of(cls, block: str, part: int | str | None, depth: int, width: int, grid: Grid) -> Tap:
        """The tap of a ``part`` of a block: a layer's number, a word such as ``norm``, or None for no part.

        So a name is made of what it says, and nobody has to cut it apart.
        """
        name = block if part is None else f"{block}.{part}"
        return cls(name, depth, width, grid, block, part if isinstance(part, int) else None)

    @property
    def period_ms(self) -> float:
        """Milliseconds from one frame to the next."""
        return self.grid.period_ms

    @property
    def columns(self) -> dict[str, Any]:
        """What a row of scores says of the tap that was read (`lamina.score.Score`)."""
        return {
            "tap": self.name,
            "block": self.block,
            "layer": self.layer,
            "depth": self.depth,
            "period_ms": self.period_ms,
        }


@dataclass(frozen=True, slots=True)
class States:
    """The values at one tap for one batch.

    Attributes:
        values: (batch, frames, width); what lies beyond an utterance's length has no meaning.
        lengths: (batch,) frames of each utterance, as the tap's grid says for its audio.
        tap: where they were read.
    """

    values: Tensor
    lengths: Tensor
    tap: Tap

    @classmethod
    def checked(cls, values: Tensor, samples: Iterable[int], tap: Tap) -> States:
        """The states of utterances of so many ``samples`` each; wrong shapes are errors, never repaired.

        Raises:
            AssertionError: the tap's grid or width disagrees with what the encoder computed.
        """
        import torch

        lengths = torch.tensor([tap.grid.frames(int(count)) for count in samples])
        expected = (len(lengths), int(lengths.max()), tap.width)
        if tuple(values.shape) != expected:
            raise AssertionError(
                f"tap {tap.name}: states have shape {tuple(values.shape)}, its grid says {expected}"
            )
        return cls(values, lengths, tap)

    def utterance(self, index: int) -> Tensor:
        """The values (frames, width) of one utterance, padding cut off."""
        return self.values[index, : int(self.lengths[index])]


@runtime_checkable
class Encoder(Protocol):
    """A speech encoder that can be read at its taps.

    Attributes:
        name: as people call it; the ``model`` column of scores.
        digest: changes when weights or settings change.
        taps: all taps in the order of the data flow.
        sample_rate: of the audio it takes (Hz).
    """

    name: str
    digest: str
    sample_rate: int

    @property
    def taps(self) -> tuple[Tap, ...]:
        """All taps, in the order of the data flow."""
        ...

    def states(self, waves: Tensor, lengths: Tensor, taps: Sequence[str] | None = None) -> Iterator[States]:
        """Yield the states at the asked taps (all by default), one tap at a time, in the order of the data flow.

        An utterance has the same states alone and in any batch (float32: relative 1e-5).

        Args:
            waves: (batch, samples) float32 audio, zeros beyond each utterance's length.
            lengths: (batch,) samples of each utterance.
            taps: names of the taps to read.
        """
        ...


def window_samples(encoder: Encoder) -> int:
    """Samples of audio that an encoder computes at least, however short an utterance is: its ``window_samples``.

    0 for most; Whisper's window is 30 s. A batch of short utterances costs it as much as one of such windows.
    """
    return int(getattr(encoder, "window_samples", 0))


def find_taps(encoder: Encoder, names: Sequence[str] | None) -> tuple[Tap, ...]:
    """The taps called ``names``, in the order of the data flow; all where ``names`` is None.

    Raises:
        LaminaError: the encoder has no tap of that name.
    """
    if names is None:
        return encoder.taps
    known = {tap.name for tap in encoder.taps}
    for name in names:
        if name not in known:
            raise LaminaError(
                f"encoder {encoder.name} has no tap {name!r}; its taps are {', '.join(sorted(known))}"
            )
    return tuple(tap for tap in encoder.taps if tap.name in set(names))
