"""What is asked of the states: segments of a tier, chosen and numbered before any forward pass.

Known from grids and alignments alone: the common support (segments that every compared grid sees), the classes (by
frequency on the fit speakers), the shuffled labels, and which segments make the codebook. So the pass over the
audio needs no look-ahead, and nothing depends on the order of batches.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lamina.analysis.pooling import Ints, bounds, frame_counts
from lamina.corpus.corpus import Utterance
from lamina.errors import LaminaError
from lamina.grid import Grid


@dataclass(frozen=True, slots=True, eq=False)
class Segments:
    """Segments of one target and role, utterance by utterance.

    Attributes:
        first: for each utterance id, its first segment and the first beyond.
        onsets: (segments,) first sample.
        offsets: (segments,) first sample beyond.
        labels: (labellings, segments) class numbers: true first, then shuffled within speaker.
        slots: (segments,) place in the codebook's sample, -1 outside it.
    """

    first: dict[str, tuple[int, int]]
    onsets: Ints
    offsets: Ints
    labels: Ints
    slots: Ints

    def __len__(self) -> int:
        return len(self.onsets)

    def of(self, utterances: Sequence[Utterance]) -> tuple[Ints, Ints]:
        """Numbers of the segments of these utterances, and the place of each one's utterance among them."""
        runs = [self.first[utterance.id] for utterance in utterances]
        numbers = [np.arange(start, stop) for start, stop in runs]
        items = np.repeat(np.arange(len(runs)), [stop - start for start, stop in runs])
        return (np.concatenate(numbers) if numbers else np.arange(0)), items


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """A tier as a question.

    Attributes:
        name: of the tier.
        classes: the labels, most frequent first.
        fit: segments of the fit utterances.
        score: segments of the score utterances.
        sample: how many segments make the codebook.
        notes: what was left out, and how much.
    """

    name: str
    classes: tuple[str, ...]
    fit: Segments
    score: Segments
    sample: int
    notes: tuple[str, ...]


def plan_target(
    name: str,
    fit: Sequence[Utterance],
    score: Sequence[Utterance],
    grids: Iterable[Grid],
    *,
    max_classes: int,
    min_instances: int,
    max_sample: int,
    seed: int,
    shuffled: bool,
) -> Target:
    """Choose the segments, classes and codebook sample of a tier.

    Args:
        name: of the tier.
        fit: utterances to fit on.
        score: utterances to score on.
        grids: a segment counts if every one of these sees it.
        max_classes: at most so many labels, the most frequent on the fit utterances.
        min_instances: a label needs so many instances there.
        max_sample: at most so many fit segments make the codebook.
        seed: of shuffling and sampling.
        shuffled: whether to add a labelling shuffled within speaker.

    Raises:
        LaminaError: no utterance has the tier, or fewer than two labels are frequent enough.
    """
    if not any(name in utterance.tiers for utterance in fit):
        have = sorted({tier for utterance in fit for tier in utterance.tiers})
        raise LaminaError(
            f"no utterance to fit on has a tier {name!r} (tiers: {', '.join(have) or 'none'}): ask for others"
        )
    grids = tuple(dict.fromkeys(grids))
    fit_rows, score_rows = _Rows.of(fit, name, grids), _Rows.of(score, name, grids)
    frequent = Counter(fit_rows.labels).most_common()
    # Ties go by name: the choice must not depend on the order of utterances.
    ranked = sorted((item for item in frequent if item[1] >= min_instances), key=lambda item: (-item[1], item[0]))
    classes = tuple(label for label, _ in ranked[:max_classes])
    if len(classes) < 2:
        raise LaminaError(
            f"target {name!r}: only {len(classes)} label(s) occur {min_instances} times or more on the fit "
            "speakers; use more speech or lower min_instances"
        )
    notes = [*fit_rows.notes(name, "fit", classes), *score_rows.notes(name, "score", classes)]
    generator = np.random.default_rng([seed, *name.encode()])
    fitted = fit_rows.segments(classes, generator, shuffled=shuffled)
    scored = score_rows.segments(classes, generator, shuffled=shuffled)
    chosen = generator.permutation(len(fitted))[:max_sample]
    fitted.slots[np.sort(chosen)] = np.arange(len(chosen))
    return Target(name, classes, fitted, scored, len(chosen), tuple(notes))


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """The segments of a tier that are on the common support."""

    utterances: Sequence[Utterance]
    labels: list[str]
    items: Ints
    onsets: Ints
    offsets: Ints
    unseen: int

    @classmethod
    def of(cls, utterances: Sequence[Utterance], tier: str, grids: Sequence[Grid]) -> _Rows:
        found = [
            (place, segment.label, segment.onset, segment.offset)
            for place, utterance in enumerate(utterances)
            for segment in utterance.tiers.get(tier, ())
        ]
        items = np.array([row[0] for row in found], dtype=np.int64)
        onsets = np.array([row[2] for row in found], dtype=np.int64)
        offsets = np.array([row[3] for row in found], dtype=np.int64)
        samples = np.array([utterance.samples for utterance in utterances], dtype=np.int64)
        seen = np.ones(len(found), dtype=bool)
        for grid in grids:
            start, stop = bounds(grid, onsets, offsets, frame_counts(grid, samples)[items])
            seen &= stop > start
        labels = [row[1] for row, keep in zip(found, seen, strict=True) if keep]
        return cls(utterances, labels, items[seen], onsets[seen], offsets[seen], int((~seen).sum()))

    def notes(self, tier: str, role: str, classes: Sequence[str]) -> list[str]:
        """What was left out, in words."""
        rare = len(self.labels) - sum(map(Counter(self.labels).__getitem__, classes))
        total = len(self.labels) + self.unseen
        told = []
        if self.unseen:
            told.append(f"{tier}: {self.unseen} of {total} {role} segments own no frame of some compared grid")
        if rare:
            told.append(
                f"{tier}: {rare} of {total} {role} segments have a label outside the {len(classes)} classes"
            )
        return told

    def segments(self, classes: Sequence[str], generator: np.random.Generator, *, shuffled: bool) -> Segments:
        """The segments of these classes, labels shuffled within speaker as a second labelling."""
        number = {label: place for place, label in enumerate(classes)}
        classed = np.array([number.get(label, -1) for label in self.labels], dtype=np.int64)
        keep = classed >= 0
        labels, items = classed[keep], self.items[keep]
        edges = np.searchsorted(items, np.arange(len(self.utterances) + 1))
        first = {
            utterance.id: (int(edges[place]), int(edges[place + 1]))
            for place, utterance in enumerate(self.utterances)
        }
        labellings = [labels]
        if shuffled:
            labellings.append(_shuffled(labels, items, self.utterances, generator))
        slots = np.full(len(labels), -1, dtype=np.int64)
        return Segments(first, self.onsets[keep], self.offsets[keep], np.stack(labellings), slots)


def _shuffled(labels: Ints, items: Ints, utterances: Sequence[Utterance], generator: np.random.Generator) -> Ints:
    """The labels, shuffled among the segments of each speaker."""
    speakers: NDArray[np.str_] = np.array([utterance.speaker for utterance in utterances])[items]
    shuffled = labels.copy()
    for speaker in np.unique(speakers):
        places = np.flatnonzero(speakers == speaker)
        shuffled[places] = labels[generator.permutation(places)]
    return shuffled
