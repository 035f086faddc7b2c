"""Frames of sound, of another tap, or of another encoder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

from lamina.analysis.targets.target import Basis, Heard, Target
from lamina.encoders.encoder import Encoder, Tap, find_taps
from lamina.encoders.features import MelEncoder
from lamina.encoders.load import load_encoder
from lamina.errors import LaminaError

MEL, TAP, ENCODER = "mel", "tap", "encoder"


@dataclass(frozen=True, eq=False, kw_only=True)
class Frames(Target):
    """Frames that taps are held against, averaged onto the coarser grid of the two.

    Attributes:
        encoder: whose they are; None for the one that is analysed.
        tap: where it is read.
    """

    support: ClassVar[str] = "native"

    encoder: Encoder | None
    tap: Tap

    @classmethod
    def means(cls, name: str, /) -> bool:
        """``mel``, ``tap``, ``tap:NAME``, ``encoder:NAME``, ``encoder:NAME:TAP``."""
        return name in {MEL, TAP, ENCODER} or name.startswith((f"{TAP}:", f"{ENCODER}:"))

    @classmethod
    def reads(cls, name: str, encoder: Encoder, others: Mapping[str, Encoder], /) -> Heard:
        """Whose frames a name means; ``tap`` is the first tap.

        Raises:
            LaminaError: there is no such tap or encoder, or it takes audio at another rate.
        """
        kind, _, rest = name.partition(":")
        if kind == TAP:
            return None, find_taps(encoder, [rest])[0] if rest else encoder.taps[0]
        if kind == MEL:
            mel = MelEncoder()
            return mel, mel.taps[0]
        other, tap = _find(rest, others)
        if other.sample_rate != encoder.sample_rate:
            raise LaminaError(
                f"target {name!r}: {other.name} takes {other.sample_rate} Hz, {encoder.name} "
                f"{encoder.sample_rate} Hz: compare encoders of one sample rate"
            )
        return other, find_taps(other, [tap])[0] if tap else other.taps[-1]

    @classmethod
    def plan(cls, name: str, basis: Basis) -> Self:
        """Its frames; which ones of a batch, the grids say."""
        encoder, tap = basis.sources[name]
        name = f"{TAP}:{tap.name}" if name == TAP else name
        return cls(name=name, roles=basis.roles, items="frames", poolings=("",), encoder=encoder, tap=tap)

    @property
    def source(self) -> Heard:
        """The tap."""
        return self.encoder, self.tap

    def fits(self, tap: Tap, /) -> bool:
        """All taps but itself."""
        return self.encoder is not None or self.tap != tap


def _find(name: str, others: Mapping[str, Encoder]) -> tuple[Encoder, str]:
    """The encoder called ``name`` or ``name:tap``, and the tap."""
    if not name:
        raise LaminaError("target 'encoder' names none: write encoder:NAME or encoder:NAME:TAP")
    front, _, tap = name.rpartition(":")
    for known, which in ((name, ""), (front, tap)):
        if known in others:
            return others[known], which
    if not front:
        return load_encoder(name), ""
    try:
        return load_encoder(front), tap
    except LaminaError:
        return load_encoder(name), ""
