"""Long audio, piece by piece: an hour goes through any encoder in the memory of one chunk.

Chunks start on multiples of every tap's stride, so a frame of a chunk is a frame of the whole, at the same place.
Neighbouring chunks overlap; each owns the frames whose centres lie on its side of the middle of the overlap.

The states of a piece are those of its chunk alone. Two things differ from the whole: attention and positional
convolutions see one chunk, and so do norms over time (base-size front ends) and normalised waveforms. The first is
felt near the seams, the second everywhere and at any overlap, the more so the more the audio changes.
Encoders without either, such as log-mel, are exact. On 90 s of short emotional utterances by several speakers,
joined, a random base-style encoder (group norm, normalised waveforms) differed by
0.09 of the states' size at every tap, in chunks of 20 s with 2 s of overlap. `seam_error`
measures it on the audio and encoder at hand.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import lcm

import torch
from torch import Tensor

from lamina.encoders.encoder import Encoder, Tap, find_taps
from lamina.errors import LaminaError


@dataclass(frozen=True, slots=True)
class Piece:
    """The states that one chunk contributes at one tap.

    Attributes:
        values: (frames, width).
        first: number of the first frame in the whole audio.
        tap: where they were read.
    """

    values: Tensor
    first: int
    tap: Tap


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Samples ``[start, stop)``, of which the frames centred in ``[left, right)`` count (None: no limit)."""

    start: int
    stop: int
    left: Fraction | None
    right: Fraction | None


def pieces(
    encoder: Encoder,
    wave: Tensor,
    *,
    chunk_seconds: float,
    overlap_seconds: float,
    taps: Sequence[str] | None = None,
) -> Iterator[Piece]:
    """Read one long utterance; yield chunk after chunk, and within a chunk tap after tap.

    The pieces of a tap, in order, hold every frame of its grid exactly once. Memory holds one layer of one chunk.

    Args:
        encoder: any encoder.
        wave: (samples,) audio; it may be a memory-mapped array's tensor.
        chunk_seconds: length of a chunk; audio that fits into one is read whole.
        overlap_seconds: what neighbouring chunks share.
        taps: names of the taps to read, all by default.

    Raises:
        LaminaError: the chunks are too short for their overlap or the encoder's window, or the audio is bad.
    """
    wanted = find_taps(encoder, taps)
    for chunk in _chunks(encoder, len(wave), chunk_seconds, overlap_seconds):
        waves = wave[None, chunk.start : chunk.stop]
        for states in encoder.states(waves, torch.tensor([waves.shape[1]]), [tap.name for tap in wanted]):
            grid = states.tap.grid
            before = int(chunk.start / grid.stride)
            frames = int(states.lengths[0])
            start = 0 if chunk.left is None else grid.first_at(chunk.left) - before
            stop = frames if chunk.right is None else grid.first_at(chunk.right) - before
            if start < 0 or stop > frames:
                raise LaminaError(
                    f"an overlap of {overlap_seconds} s leaves frames of tap {states.tap.name} in no chunk: "
                    f"it must be at least {float(2 * grid.window / grid.sample_rate):.3f} s"
                )
            yield Piece(states.values[0, start:stop], before + start, states.tap)


def _chunks(encoder: Encoder, samples: int, chunk_seconds: float, overlap_seconds: float) -> list[_Chunk]:
    # Chunks start where every tap has a frame: at multiples of all strides.
    strides = [tap.grid.stride for tap in encoder.taps]
    step = lcm(*(stride.numerator for stride in strides))
    size = int(chunk_seconds * encoder.sample_rate)
    hop = int((size - overlap_seconds * encoder.sample_rate) // step) * step
    if hop < step or overlap_seconds < 0 or size < 2 * overlap_seconds * encoder.sample_rate:
        raise LaminaError(
            f"chunks of {chunk_seconds} s with {overlap_seconds} s of overlap make no way: "
            "take chunks at least twice as long as their overlap"
        )
    if samples <= size:
        return [_Chunk(0, samples, None, None)]
    starts = list(range(0, samples, hop))
    # The last chunk must reach beyond the seam before it.
    while len(starts) > 1 and starts[-1] + (size - hop) >= samples:
        starts.pop()
    seams = [start + Fraction(size - hop, 2) for start in starts[1:]]
    lefts, rights = [None, *seams], [*seams, None]
    return [
        _Chunk(start, min(start + size, samples), left, right)
        for start, left, right in zip(starts, lefts, rights, strict=True)
    ]


def seam_error(
    encoder: Encoder, wave: Tensor, *, chunk_seconds: float, overlap_seconds: float
) -> dict[str, tuple[float, float]]:
    """How much reading in chunks changes the states, by tap: (root mean square, worst frame), both relative.

    A frame's difference is divided by the root mean square norm of the tap's frames, read whole. The audio must be
    short enough to be read whole.

    Args:
        encoder: any encoder.
        wave: (samples,) audio.
        chunk_seconds: as in `pieces`.
        overlap_seconds: as in `pieces`.
    """
    chunked: dict[str, list[Tensor]] = {}
    for piece in pieces(encoder, wave, chunk_seconds=chunk_seconds, overlap_seconds=overlap_seconds):
        chunked.setdefault(piece.tap.name, []).append(piece.values)
    errors = {}
    for states in encoder.states(wave[None], torch.tensor([len(wave)])):
        whole = states.utterance(0)
        difference = (torch.cat(chunked.pop(states.tap.name)) - whole).norm(dim=1)
        scale = whole.norm(dim=1).square().mean().sqrt()
        errors[states.tap.name] = (
            float(difference.square().mean().sqrt() / scale),
            float(difference.max() / scale),
        )
    return errors
