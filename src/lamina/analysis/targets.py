"""What is asked of the states: segments chosen and numbered before any forward pass.

Known from grids and alignments alone: the common support (segments that every compared grid sees), the classes (by
frequency on the fit speakers), the shuffled labels, and which segments make the codebook. So the pass over the
audio needs no look-ahead, and nothing depends on the order of batches.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lamina.analysis.config import SPEAKER, VECTORS, AnalysisConfig
from lamina.analysis.vectors import read_word_vectors
from lamina.corpus.corpus import Segment, Utterance
from lamina.corpus.splits import Roles
from lamina.errors import LaminaError
from lamina.frames import Ints, seen_everywhere
from lamina.grid import Grid

# How labels are shuffled where that is not among the segments of each speaker.
NULLS = {
    "all": "among all utterances, whoever speaks",
    "speakers": "among speakers, each keeping one (no speaker has two, so there is nothing to shuffle within)",
}
Spans = Callable[[Utterance], Iterable[Segment]]


@dataclass(frozen=True, slots=True, eq=False)
class Segments:
    """Segments of one target and role, utterance by utterance.

    Attributes:
        first: for each utterance id, its first segment and the first beyond; utterances without any may be absent.
        onsets: (segments,) first sample.
        offsets: (segments,) first sample beyond.
        labels: (labellings, segments) class numbers: true first, then shuffled (within speaker, if not noted).
        slots: (segments,) place in the codebook's sample, -1 outside it.
        keys: (segments,) the split of each, where it is not its utterance's.
    """

    first: Mapping[str, tuple[int, int]]
    onsets: Ints
    offsets: Ints
    labels: Ints
    slots: Ints
    keys: Ints | None = None

    def __len__(self) -> int:
        return len(self.onsets)

    def of(self, utterances: Sequence[Utterance]) -> tuple[Ints, Ints]:
        """Numbers of the segments of these utterances, and the place of each one's utterance among them."""
        runs = [self.first.get(utterance.id, (0, 0)) for utterance in utterances]
        numbers = [np.arange(start, stop) for start, stop in runs]
        items = np.repeat(np.arange(len(runs)), [stop - start for start, stop in runs])
        return (np.concatenate(numbers) if numbers else np.arange(0)), items


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Pairs of utterances that are held against each other.

    Attributes:
        first, second: (pairs,) places of the utterances in the sample.
        truth: (pairs,) how alike they are: scores, or 1 for the same sentence and 0 for another.
        graded: whether ``truth`` is a score rather than yes or no.
        owners: (utterances,) the group in which each utterance's speaker is resampled.
        groups: names of these groups, sorted.
    """

    first: Ints
    second: Ints
    truth: NDArray[np.float64]
    graded: bool
    owners: Ints
    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """Segments of a corpus as a question.

    Attributes:
        name: of the target.
        roles: who is fitted on and who is scored.
        classes: the labels, most frequent first.
        fit: segments of the fit utterances.
        score: segments of the utterances that are scored apart.
        sample: how many segments make the codebook (or the pairs).
        notes: what was left out, and how much.
        table: (classes, size) the vector of each class, where segments are held against vectors.
        pairs: what is held against each other, where it is utterances.
    """

    name: str
    roles: Roles
    classes: tuple[str, ...]
    fit: Segments
    score: Segments
    sample: int
    notes: tuple[str, ...]
    table: Tensor | None = None
    pairs: Pairs | None = None

    def sampled(self) -> tuple[Tensor, Tensor]:
        """Labels (labellings, sample) and folds (sample,) of the codebook's sample."""
        chosen = np.flatnonzero(self.fit.slots >= 0)
        places = chosen[np.argsort(self.fit.slots[chosen])]
        folds = np.zeros(len(self.fit), dtype=np.int64)
        for name, (start, stop) in self.fit.first.items():
            folds[start:stop] = self.roles.keys[name]
        return torch.from_numpy(self.fit.labels[:, places]), torch.from_numpy(folds[places])


def plan_target(name: str, roles: Roles, grids: Iterable[Grid], config: AnalysisConfig) -> Target:
    """Choose the segments, classes and codebook sample of a target.

    Args:
        name: a tier, a label of utterances, ``speaker`` or ``word-vectors``.
        roles: who is fitted on and who is scored.
        grids: a segment counts if every one of these sees it; with rates matched, also decimated to the coarsest.
        config: limits and seed.

    Raises:
        LaminaError: no utterance has the tier or label, or fewer than two labels are frequent enough.
    """
    grids = tuple(dict.fromkeys(grids))
    spans = _spans(name, roles)
    coarsest = max(grids, key=lambda grid: grid.stride) if config.rate_matched else None
    fit_rows, score_rows = (_Rows.of(role, spans, grids, coarsest) for role in (roles.fit, roles.score))
    counted = Counter(fit_rows.labels)
    table, notes = None, []
    least, most = config.min_instances, config.max_classes
    if name == VECTORS:
        words = counted.keys() | set(score_rows.labels)
        found = read_word_vectors(Path(str(config.word_vectors)), words)
        if unknown := [word for word in words if word not in found]:
            total = sum(label not in found for label in (*fit_rows.labels, *score_rows.labels))
            notes.append(
                f"{name}: {len(unknown)} of {len(words)} words ({total} segments) are not in {config.word_vectors}"
            )
        counted = Counter({word: count for word, count in counted.items() if word in found})
        least, most = 1, len(counted)
    # Ties go by name: the choice must not depend on the order of utterances.
    ranked = sorted((item for item in counted.items() if item[1] >= least), key=lambda item: (-item[1], item[0]))
    classes = tuple(label for label, _ in ranked[:most])
    if len(classes) < 2:
        raise LaminaError(
            f"target {name!r}: only {len(classes)} label(s) occur {least} times or more on the fit speakers; "
            + (
                f"see whether {config.word_vectors} is of this language"
                if name == VECTORS
                else f"{_bare(name, (fit_rows, score_rows))}use more speech"
            )
        )
    if name == VECTORS:
        table = torch.from_numpy(np.stack([found[word] for word in classes]))
    notes += [*fit_rows.notes(name, "fit", classes), *score_rows.notes(name, "score", classes)]
    if roles.folded:
        notes = [note.replace(" fit ", " ") for note in notes]
    generator = np.random.default_rng([config.seed, *name.encode()])
    shuffle = _shuffle(name, (fit_rows, score_rows), classes) if config.shuffled else ""
    if shuffle in NULLS:
        notes.append(f"{name}: the null shuffles labels {NULLS[shuffle]}")
    fitted = fit_rows.segments(classes, generator, shuffle)
    scored = score_rows.segments(classes, generator, shuffle)
    chosen = generator.permutation(len(fitted))[: config.max_sample]
    fitted.slots[np.sort(chosen)] = np.arange(len(chosen))
    return Target(name, roles, classes, fitted, scored, len(chosen), tuple(notes), table)


def _shuffle(name: str, roles: Iterable[_Rows], classes: Sequence[str]) -> str:
    """How the null shuffles: a shuffle ``within`` speakers changes nothing where each has one label."""
    if name == SPEAKER:
        return "all"
    known = frozenset(classes)
    pairs = {
        (rows.utterances[item].speaker, label)
        for rows in roles
        for item, label in zip(rows.items.tolist(), rows.labels, strict=True)
        if label in known
    }
    return "speakers" if len(pairs) == len({speaker for speaker, _ in pairs}) > 1 else "within"


def _bare(name: str, roles: Iterable[_Rows]) -> str:
    """How many utterances have no segment of a target, where some have none."""
    held = list(roles)
    bare, total = sum(rows.bare for rows in held), sum(len(rows.utterances) for rows in held)
    return f"{bare} of {total} utterances have no {name}: align them, or " if bare else ""


def _spans(name: str, roles: Roles) -> Spans:
    """Where the segments of a target are found."""
    everyone = (*roles.fit, *roles.score)
    if name == SPEAKER:
        if len({utterance.speaker for utterance in everyone}) < 2:
            raise LaminaError("target 'speaker': the corpus has one speaker; there is nothing to tell apart")
        return lambda utterance: (Segment(utterance.speaker, 0, utterance.samples),)
    tier = "word" if name == VECTORS else name
    if any(tier in utterance.tiers for utterance in roles.fit):
        return lambda utterance: utterance.tiers.get(tier, ())
    if any(tier in utterance.labels for utterance in roles.fit):
        return lambda utterance: (
            (Segment(utterance.labels[tier], 0, utterance.samples),) if tier in utterance.labels else ()
        )
    have = sorted({there for utterance in everyone for there in (*utterance.tiers, *utterance.labels)})
    raise LaminaError(
        f"no utterance to fit on has a tier {tier!r} (tiers: {', '.join(have) or 'none'}): ask for others"
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """The segments of a tier that are on the common support."""

    utterances: Sequence[Utterance]
    labels: list[str]
    items: Ints
    onsets: Ints
    offsets: Ints
    unseen: int
    bare: int

    @classmethod
    def of(
        cls, utterances: Sequence[Utterance], spans: Spans, grids: Sequence[Grid], coarsest: Grid | None
    ) -> _Rows:
        found = [
            (place, segment.label, segment.onset, segment.offset)
            for place, utterance in enumerate(utterances)
            for segment in spans(utterance)
        ]
        items = np.array([row[0] for row in found], dtype=np.int64)
        onsets = np.array([row[2] for row in found], dtype=np.int64)
        offsets = np.array([row[3] for row in found], dtype=np.int64)
        samples = np.array([utterance.samples for utterance in utterances], dtype=np.int64)
        seen = seen_everywhere(grids, onsets, offsets, samples[items], matched=coarsest)
        labels = [row[1] for row, keep in zip(found, seen, strict=True) if keep]
        bare = len(utterances) - len(np.unique(items))
        return cls(utterances, labels, items[seen], onsets[seen], offsets[seen], int((~seen).sum()), bare)

    def notes(self, tier: str, role: str, classes: Sequence[str]) -> list[str]:
        """What was left out, in words."""
        rare = len(self.labels) - sum(map(Counter(self.labels).__getitem__, classes))
        total = len(self.labels) + self.unseen
        told = []
        if self.bare:
            told.append(f"{tier}: {self.bare} of {len(self.utterances)} {role} utterances have no segment")
        if self.unseen:
            told.append(f"{tier}: {self.unseen} of {total} {role} segments own no frame of some compared grid")
        if rare and tier != VECTORS:
            told.append(
                f"{tier}: {rare} of {total} {role} segments have a label outside the {len(classes)} classes"
            )
        return told

    def segments(self, classes: Sequence[str], generator: np.random.Generator, shuffle: str) -> Segments:
        """The segments of these classes; a second labelling is shuffled (`_shuffle`)."""
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
        if shuffle:
            speakers = [utterance.speaker if shuffle != "all" else "" for utterance in self.utterances]
            shuffled = _exchanged if shuffle == "speakers" else _shuffled
            labellings.append(shuffled(labels, items, speakers, generator))
        slots = np.full(len(labels), -1, dtype=np.int64)
        return Segments(first, self.onsets[keep], self.offsets[keep], np.stack(labellings), slots)


def _shuffled(labels: Ints, items: Ints, speakers: Sequence[str], generator: np.random.Generator) -> Ints:
    """The labels, shuffled among the segments of each speaker."""
    if not len(items):
        return labels.copy()
    owners: NDArray[np.str_] = np.array(speakers)[items]
    shuffled = labels.copy()
    for speaker in np.unique(owners):
        places = np.flatnonzero(owners == speaker)
        shuffled[places] = labels[generator.permutation(places)]
    return shuffled


def _exchanged(labels: Ints, items: Ints, speakers: Sequence[str], generator: np.random.Generator) -> Ints:
    """The labels of speakers who have one each, dealt anew among the speakers; who has how many segments stays."""
    if not len(items):
        return labels.copy()
    _, first, owners = np.unique(np.array(speakers)[items], return_index=True, return_inverse=True)
    dealt: Ints = labels[generator.permutation(first)]
    while len(set(labels[first])) > 1 and (dealt == labels[first]).all():  # of few speakers, not rare
        dealt = labels[generator.permutation(first)]
    return np.asarray(dealt[owners], dtype=np.int64)
