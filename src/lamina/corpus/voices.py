"""Several people in one recording: a tier for each voice, so that no tier overlaps itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from lamina.corpus.corpus import Segment, Utterance
from lamina.corpus.faults import Faults
from lamina.corpus.segments import segments
from lamina.corpus.stored import SAMPLE_RATE

SPEAKER = "speaker"
Turn = tuple[str, tuple[float, float], Mapping[str, tuple[Segment, ...]]]  # name, from and to (s), own tiers


def voice_tiers(
    turns: Iterable[Turn], samples: int, where: str, faults: Faults | None = None
) -> dict[str, tuple[Segment, ...]]:
    """``speaker:1``, ``speaker:2``, … by first appearance, labelled by name; their other tiers likewise.

    Args:
        turns: who speaks from when to when (seconds), and the tiers of what they say then.
        samples: the length of the audio, at 16 kHz.
        where: names the file in errors.
        faults: see `segments`.
    """
    faults = faults or Faults(keep=False)
    ordered = sorted(turns, key=lambda turn: turn[1])
    tiers: dict[str, tuple[Segment, ...]] = {}
    for number, name in enumerate(dict.fromkeys(turn[0] for turn in ordered), start=1):
        own = [turn for turn in ordered if turn[0] == name]
        tier = f"{SPEAKER}:{number}"
        spans = _joined([(max(0.0, start), min(end, samples / SAMPLE_RATE)) for _, (start, end), _ in own])
        intervals = [(name, start, end) for start, end in spans]
        tiers[tier] = segments(tier, intervals, SAMPLE_RATE, samples, f"{where}, {name!r}", faults)
        for inner in dict.fromkeys(inner for turn in own for inner in turn[2]):
            tiers[f"{inner}:{number}"] = tuple(segment for turn in own for segment in turn[2].get(inner, ()))
    return tiers


def speakers_of(utterance: Utterance) -> tuple[str, ...]:
    """Who speaks in an utterance: the names in its speaker tiers, or its one speaker."""
    names = dict.fromkeys(
        segment.label
        for tier, members in utterance.tiers.items()
        if tier.startswith(f"{SPEAKER}:")
        for segment in members
    )
    return tuple(names) or (utterance.speaker,)


def _joined(spans: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Turns of one speaker that overlap or touch are one turn."""
    made: list[tuple[float, float]] = []
    for start, end in spans:
        if made and start <= made[-1][1]:
            made[-1] = (made[-1][0], max(made[-1][1], end))
        else:
            made.append((start, end))
    return made
