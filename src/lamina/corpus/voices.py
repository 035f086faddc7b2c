"""Several people in one recording: a tier for each voice, so that no tier overlaps itself; or each one's turns."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from lamina.corpus.corpus import Segment, Utterance
from lamina.corpus.faults import Faults
from lamina.corpus.labels import base_tier
from lamina.corpus.segments import Interval, segments
from lamina.corpus.stored import SAMPLE_RATE, AudioFile, rescale

SPEAKER = "speaker"
PAUSE = 0.5  # seconds without a speaker's speech that end a stretch of theirs
MARGIN = 0.1  # seconds around a stretch, at most
T = TypeVar("T", int, float)
Turn = tuple[str, tuple[float, float], Mapping[str, tuple[Segment, ...]]]  # name, from and to (s), own tiers


def voice_tiers(
    turns: Iterable[Turn], samples: int, where: str, faults: Faults | None = None, *, inside: bool = False
) -> dict[str, tuple[Segment, ...]]:
    """``speaker:1``, ``speaker:2``, … by first appearance, labelled by name; their other tiers likewise.

    Args:
        turns: who speaks from when to when (seconds), and the tiers of what they say then.
        samples: the length of the audio, at 16 kHz.
        where: names the file in errors.
        faults: see `segments`.
        inside: whether a turn outside the audio is a fault; else it is cut, as cutting a recording leaves them.
    """
    faults = faults or Faults(keep=False)
    ordered = sorted(turns, key=lambda turn: turn[1])
    tiers: dict[str, tuple[Segment, ...]] = {}
    for number, name in enumerate(dict.fromkeys(turn[0] for turn in ordered), start=1):
        own = [turn for turn in ordered if turn[0] == name]
        tier = f"{SPEAKER}:{number}"
        spans = _joined(
            [
                (start, end) if inside else (max(0.0, start), min(end, samples / SAMPLE_RATE))
                for _, (start, end), _ in own
            ]
        )
        intervals = [(name, start, end) for start, end in spans]
        tiers[tier] = segments(tier, intervals, SAMPLE_RATE, samples, f"{where}, {name!r}", faults)
        for inner in dict.fromkeys(inner for turn in own for inner in turn[2]):
            tiers[f"{inner}:{number}"] = tuple(segment for turn in own for segment in turn[2].get(inner, ()))
    return tiers


def tiers_of_voices(
    voices: Mapping[str, Mapping[str, Sequence[Interval]]],
    samples: int,
    where: str,
    faults: Faults,
    *,
    stress: bool,
) -> dict[str, tuple[Segment, ...]]:
    """The same of tiers by speaker, such as a TextGrid's: who has words, or else phones, speaks then."""
    turns: list[Turn] = []
    for name, tiers in voices.items():
        made = {
            tier: segments(
                tier, intervals, SAMPLE_RATE, samples, f"{where}, {name}: {tier}", faults, stress=stress
            )
            for tier, intervals in tiers.items()
        }
        speech = made.get("word") or made.get("phone") or next(iter(made.values()), ())
        spans = [(segment.onset / SAMPLE_RATE, segment.offset / SAMPLE_RATE) for segment in speech]
        turns += [(name, span, made if place == 0 else {}) for place, span in enumerate(spans)]
    return voice_tiers(turns, samples, where, faults)


def by_turns(utterance: Utterance, audio: AudioFile, faults: Faults) -> Iterator[tuple[Utterance, AudioFile]]:
    """Each speaker's stretches of a recording as utterances; half a second without their speech ends one.

    Segments during which somebody else speaks are in no tier, only in the text, and are counted; so are segments
    of tiers that are nobody's, where nobody speaks.
    """
    voices = {name.partition(":")[2]: told for name, told in utterance.tiers.items() if base_tier(name) == SPEAKER}
    spoken = {number: _spans(turns) for number, turns in voices.items()}
    shared = {name: told for name, told in utterance.tiers.items() if ":" not in name}
    for name, told in shared.items():
        nobodys = sum(not any(_meets(segment, spans) for spans in spoken.values()) for segment in told)
        if nobodys:
            faults.count(f"{name} segments left out, for nobody speaks then", utterance.id, nobodys)
    for number, turns in voices.items():
        own = {
            name.removesuffix(f":{number}"): told
            for name, told in utterance.tiers.items()
            if name.endswith(f":{number}")
        }
        del own[SPEAKER]
        own = {name: tuple(s for s in told if _meets(s, spoken[number])) for name, told in shared.items()} | own
        others = _spans([turn for other, theirs in voices.items() if other != number for turn in theirs])
        alone = {name: tuple(s for s in told if not _meets(s, others)) for name, told in own.items()}
        for name, told in own.items():
            if len(alone[name]) < len(told):
                what = f"{name} segments left out, for somebody else speaks then"
                faults.count(what, utterance.id, len(told) - len(alone[name]))
        for place, (onset, offset) in enumerate(_joined(_spans(turns), round(PAUSE * SAMPLE_RATE))):
            first = max(0, onset - round(MARGIN * SAMPLE_RATE))
            last = min(utterance.samples, offset + round(MARGIN * SAMPLE_RATE))
            start, stop = (rescale(sample, SAMPLE_RATE, audio.rate) for sample in (first, last))
            cut = replace(audio, start=audio.start + start, samples=min(stop, audio.samples) - start)
            name = turns[0].label
            yield (
                replace(
                    utterance,
                    id=f"{utterance.id}-{name}-{place:03d}",
                    speaker=name,
                    samples=rescale(cut.samples, audio.rate, SAMPLE_RATE),
                    text=" ".join(s.label for s in own.get("word", ()) if onset <= s.onset < offset),
                    tiers={
                        tier: tuple(
                            Segment(s.label, s.onset - first, s.offset - first)
                            for s in told
                            if onset <= s.onset and s.offset <= offset
                        )
                        for tier, told in alone.items()
                    },
                ),
                cut,
            )


def _spans(turns: Iterable[Segment]) -> list[tuple[int, int]]:
    """When somebody speaks, in samples: in order, none overlapping another."""
    return _joined(sorted((turn.onset, turn.offset) for turn in turns))


def _meets(segment: Segment, spans: Sequence[tuple[int, int]]) -> bool:
    """Whether a segment has a sample of one of some spans."""
    place = bisect_left(spans, (segment.offset, -1)) - 1
    return place >= 0 and spans[place][1] > segment.onset


def speakers_of(utterance: Utterance) -> tuple[str, ...]:
    """Who speaks in an utterance: the names in its speaker tiers, or its one speaker."""
    names = dict.fromkeys(
        segment.label
        for tier, members in utterance.tiers.items()
        if tier.startswith(f"{SPEAKER}:")
        for segment in members
    )
    return tuple(names) or (utterance.speaker,)


def _joined(spans: Iterable[tuple[T, T]], gap: T | int = 0) -> list[tuple[T, T]]:
    """Spans that overlap or touch, or are no further apart than ``gap``, are one."""
    made: list[tuple[T, T]] = []
    for start, end in spans:
        if made and start - made[-1][1] <= gap:
            made[-1] = (made[-1][0], max(made[-1][1], end))
        else:
            made.append((start, end))
    return made
