"""Which taps a head reads, and on which grid."""

from __future__ import annotations

from dataclasses import dataclass

from lamina.encoders.encoder import Encoder, Tap, find_taps
from lamina.errors import LaminaError
from lamina.grid import Grid
from lamina.probe.config import ProbeConfig


@dataclass(frozen=True, slots=True)
class Group:
    """Taps of one width that heads read side by side on one grid.

    Attributes:
        taps: in the order of the data flow.
        grid: of the frames that heads read.
        mixed: whether a head reads a learned weighted sum of all taps, or one tap alone.
    """

    taps: tuple[Tap, ...]
    grid: Grid
    mixed: bool


def chosen(encoder: Encoder, config: ProbeConfig) -> tuple[Tap, ...]:
    """The taps of a config: those named, else all; of them only the last of each block for ``blocks``."""
    taps = find_taps(encoder, config.taps or None)
    if config.layers != "blocks":
        return taps
    return tuple({tap.block: tap for tap in taps}.values())


def groups(encoder: Encoder, config: ProbeConfig) -> list[Group]:
    """What is read together.

    Raises:
        LaminaError: taps of different widths cannot be summed.
    """
    taps = chosen(encoder, config)
    if config.layers == "weighted":
        widths = {tap.width for tap in taps}
        if len(widths) > 1:
            raise LaminaError(
                f"{encoder.name}: taps of widths {', '.join(map(str, sorted(widths)))} cannot be summed; choose "
                "some of one width with `taps` (--taps), or read each layer (--layers each)"
            )
        ordered = sorted(taps, key=lambda tap: tap.grid.stride)
        grid = (ordered[0] if config.grid == "fine" else ordered[-1]).grid
        return [Group(taps, grid, mixed=True)]
    alike: dict[tuple[int, Grid], list[Tap]] = {}
    for tap in taps:
        alike.setdefault((tap.width, tap.grid), []).append(tap)
    return [Group(tuple(found), grid, mixed=False) for (_, grid), found in alike.items()]
