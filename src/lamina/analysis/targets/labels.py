"""Segments and their labels: a tier, a label of whole utterances, or who speaks."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from lamina.analysis.config import AnalysisConfig
from lamina.analysis.targets.segments import Segmented, Segments, Spans
from lamina.analysis.targets.target import Basis
from lamina.corpus.corpus import Segment, Utterance, columns
from lamina.corpus.inventories import numeric
from lamina.corpus.splits import Roles, fold_roles
from lamina.errors import LaminaError
from lamina.frames import Ints, seen_everywhere
from lamina.grid import Grid

SPEAKER = "speaker"
MOST_LABELS = 1 << 24  # of all shuffled labellings of a target: that much is cheap to keep
MOST_SUMS = 1 << 19  # numbers in the class sums of all labellings, or as many as second moments have
# How labels are shuffled where that is not among the segments of each speaker.
NULLS = {
    "all": "among all utterances, whoever speaks",
    "speakers": "among speakers, each keeping one (no speaker has two, so there is nothing to shuffle within)",
}


@dataclass(frozen=True, eq=False, kw_only=True)
class Labels(Segmented):
    """Segments of a few classes.

    Attributes:
        classes: the labels, most frequent first.
        labels: (labellings, segments) class numbers of the fit segments: true first, then shuffled.
        answers: the same of the score segments.
        slots: (fit segments,) place of each in a sample of ``sample`` of them, -1 outside it.
    """

    tiers: ClassVar[bool] = True

    classes: tuple[str, ...]
    labels: Ints
    answers: Ints
    slots: Ints
    sample: int

    @classmethod
    def needs(cls, name: str, /) -> str:
        """The tier or label; none for who speaks."""
        return "" if name == SPEAKER else name

    @classmethod
    def plan(cls, name: str, basis: Basis) -> Self:
        """Choose the segments on the common support, the classes (by frequency on the fit speakers), the shuffled
        labels and the sample.

        Raises:
            LaminaError: no utterance has the tier or label, or fewer than two labels are frequent enough.
        """
        roles, config = basis.roles, basis.config
        if name == SPEAKER:
            # Who speaks can only be told of speakers that were heard: folds are of utterances within speakers.
            everyone = (*roles.fit, *roles.score)
            roles = fold_roles(everyone, folds=config.folds, seed=config.seed, within=True)
        spans, notes = cls.found(name, roles)
        sides = Labelled.both(spans, roles, basis)
        classes = most_frequent(sides[0].counts, config.min_instances, config.max_classes)
        if len(classes) < 2:
            raise LaminaError(
                f"target {name!r}: only {len(classes)} label(s) occur {config.min_instances} times or more on the "
                f"fit speakers; {bare(name, sides)}use more speech"
            )
        for side, role in zip(sides, said(roles), strict=True):
            notes += side.notes(name, role, classes)
        poolings = ("all",) if name == SPEAKER else config.pooling
        return cls(**chosen(name, roles, sides, classes, config, notes), poolings=poolings)

    @classmethod
    def found(cls, name: str, roles: Roles) -> tuple[Spans, list[str]]:
        """Where its segments are, and notes on what was left out on the way.

        Raises:
            LaminaError: no utterance has the tier or label, or there is one speaker.
        """
        return spans_of(name, roles), []

    def side(self, numbers: Ints, fitting: bool, /) -> Tensor:
        """(labellings, n) their class numbers."""
        return torch.from_numpy((self.labels if fitting or self.roles.folded else self.answers)[:, numbers])

    @property
    def labellings(self) -> int:
        """How many labellings there are."""
        return len(self.labels)

    def cheap(self, width: int) -> int:
        """How many labellings cost little where each has sums of ``width`` a class: two at least, if there are."""
        most = max(MOST_SUMS, width * width) // (width * len(self.classes))
        return min(self.labellings, max(2, most))

    def sampled(self) -> tuple[Tensor, Tensor]:
        """Labels (labellings, sample) and folds (sample,) of the sample."""
        held = np.flatnonzero(self.slots >= 0)
        places = held[np.argsort(self.slots[held])]
        return torch.from_numpy(self.labels[:, places]), torch.from_numpy(self.folds()[places])

    def folds(self) -> Ints:
        """(fit segments,) the fold, or the part, of each."""
        found = np.zeros(len(self.fit), dtype=np.int64)
        for name, (start, stop) in self.fit.first.items():
            found[start:stop] = self.roles.keys[name]
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """The labelled segments of one role that are on the common support, before classes are chosen.

    Attributes:
        utterances: of the role.
        names: the labels there are.
        codes: (segments,) which label each has.
        items: (segments,) place of each one's utterance.
        onsets, offsets: (segments,) where they lie.
        unseen: how many own no frame of some grid.
        bare: how many utterances have no segment.
    """

    utterances: Sequence[Utterance]
    names: tuple[str, ...]
    codes: Ints
    items: Ints
    onsets: Ints
    offsets: Ints
    unseen: int
    bare: int

    @classmethod
    def both(cls, spans: Spans, roles: Roles, basis: Basis) -> tuple[Labelled, Labelled]:
        """Of those that are fitted on, and of those that are scored apart."""
        fit, score = (cls.of(role, spans, basis.grids, basis.matched) for role in (roles.fit, roles.score))
        return fit, score

    @classmethod
    def of(
        cls, utterances: Sequence[Utterance], spans: Spans, grids: Iterable[Grid], matched: Grid | None
    ) -> Labelled:
        """The segments that every grid sees."""
        known: dict[str, int] = {}
        found, counts = array("q"), array("q")  # plain numbers: there may be millions
        for utterance in utterances:
            before = len(found)
            for segment in spans(utterance):
                found.extend((known.setdefault(segment.label, len(known)), segment.onset, segment.offset))
            counts.append((len(found) - before) // 3)
        codes, onsets, offsets = np.array(found, dtype=np.int64).reshape(-1, 3).T
        items = np.repeat(np.arange(len(counts)), counts)
        samples = np.array([utterance.samples for utterance in utterances], dtype=np.int64)
        seen = seen_everywhere(grids, onsets, offsets, samples[items], matched=matched)
        codes, items, onsets, offsets = (each[seen] for each in (codes, items, onsets, offsets))
        unseen, bare = int((~seen).sum()), counts.count(0)
        return cls(utterances, tuple(known), codes, items, onsets, offsets, unseen, bare)

    @property
    def counts(self) -> dict[str, int]:
        """How often each label occurs."""
        times = np.bincount(self.codes, minlength=len(self.names)).tolist()
        return {name: count for name, count in zip(self.names, times, strict=True) if count}

    def notes(self, tier: str, role: str, classes: Sequence[str], *, rarity: bool = True) -> list[str]:
        """What was left out, in words."""
        counts = self.counts
        rare = len(self.codes) - sum(counts.get(label, 0) for label in classes) if rarity else 0
        total = len(self.codes) + self.unseen
        told = []
        if self.bare:
            told.append(f"{tier}: {self.bare} of {len(self.utterances)}{role} utterances have no segment")
        if self.unseen:
            told.append(f"{tier}: {self.unseen} of {total}{role} segments own no frame of some compared grid")
        if rare:
            told.append(
                f"{tier}: {rare} of {total}{role} segments have a label outside the {len(classes)} classes"
            )
        return told

    def classed(self, classes: Sequence[str]) -> tuple[Segments, Ints, Ints]:
        """The segments of these classes, the class of each, and the place of its utterance."""
        number = {label: place for place, label in enumerate(classes)}
        labels = np.array([number.get(name, -1) for name in self.names], dtype=np.int64)[self.codes]
        keep = labels >= 0
        labels, items = labels[keep], self.items[keep]
        edges = np.searchsorted(items, np.arange(len(self.utterances) + 1)).tolist()
        first = {one.id: (edges[place], edges[place + 1]) for place, one in enumerate(self.utterances)}
        samples = np.array([one.samples for one in self.utterances], dtype=np.int64)[items]
        return Segments(first, self.onsets[keep], self.offsets[keep], samples), labels, items


def spans_of(name: str, roles: Roles) -> Spans:
    """Where the segments of a tier, a label or the speakers are found.

    Raises:
        LaminaError: no utterance has it, or there is one speaker.
    """
    everyone = (*roles.fit, *roles.score)
    if name == SPEAKER:
        if len({utterance.speaker for utterance in everyone}) < 2:
            raise LaminaError("target 'speaker': the corpus has one speaker; there is nothing to tell apart")
        return lambda utterance: (Segment(utterance.speaker, 0, utterance.samples),)
    if any(name in utterance.tiers for utterance in roles.fit):
        return lambda utterance: utterance.tiers.get(name, ())
    if any(name in utterance.labels for utterance in roles.fit):
        return lambda utterance: (
            (Segment(utterance.labels[name], 0, utterance.samples),) if name in utterance.labels else ()
        )
    have = sorted({there for utterance in everyone for there in (*utterance.tiers, *utterance.labels)})
    raise LaminaError(
        f"no utterance to fit on has a tier {name!r} (tiers: {', '.join(have) or 'none'}): ask for others"
    )


def are_numbers(name: str, roles: Roles) -> bool:
    """Whether the labels of a tier, or the values of a label, are numbers and no classes (`numeric`)."""
    everyone = (*roles.fit, *roles.score)
    found = {label for one in everyone if name in one.tiers for label in columns(one.tiers, name)[0]}
    found = found or {one.labels[name] for one in everyone if name in one.labels}
    return name != SPEAKER and bool(found) and numeric(found)


def most_frequent(counted: Mapping[str, int], least: int, most: int) -> tuple[str, ...]:
    """At most so many labels that occur so often; ties go by name, not by the order of utterances."""
    ranked = sorted((item for item in counted.items() if item[1] >= least), key=lambda item: (-item[1], item[0]))
    return tuple(label for label, _ in ranked[:most])


def chosen(
    name: str,
    roles: Roles,
    sides: tuple[Labelled, Labelled],
    classes: tuple[str, ...],
    config: AnalysisConfig,
    notes: list[str],
) -> dict[str, Any]:
    """The fields of a target of these classes: segments, labellings, and a sample drawn by the seed."""
    generator = np.random.default_rng([config.seed, *name.encode()])
    (fit, *_), (score, *_) = held = [side.classed(classes) for side in sides]
    labellings = [[labels] for _, labels, _ in held]
    shuffles = min(config.shuffles, max(1, MOST_LABELS // max(1, len(fit) + len(score))))
    if shuffles:
        speakers = [one.speaker for side in sides for one in side.utterances]
        numbers = np.split(np.unique(speakers, return_inverse=True)[1], [len(sides[0].utterances)])
        rows = [(labels, own[items]) for (_, labels, items), own in zip(held, numbers, strict=True)]
        how = "all" if name == SPEAKER else _how(np.concatenate([np.stack(each) for each in rows], axis=1))
        if how in NULLS:
            notes.append(f"{name}: the null shuffles labels {NULLS[how]}")
        shuffle = _exchanged if how == "speakers" else _shuffled
        for made, (labels, owners) in zip(labellings, rows, strict=True):
            whose = np.zeros_like(owners) if how == "all" else owners
            made += [shuffle(labels, whose, generator) for _ in range(shuffles)]
    drawn = generator.permutation(len(fit))[: config.max_sample]
    slots = np.full(len(fit), -1, dtype=np.int64)
    slots[np.sort(drawn)] = np.arange(len(drawn))
    labels, answers = map(np.stack, labellings)
    return {
        "name": name, "roles": roles, "fit": fit, "score": score, "classes": classes, "labels": labels,
        "answers": answers, "slots": slots, "sample": len(drawn), "notes": tuple(notes),
    }  # fmt: skip


def bare(name: str, sides: Iterable[Labelled]) -> str:
    """How many utterances have no segment of a target, where some have none."""
    held = list(sides)
    without, total = sum(side.bare for side in held), sum(len(side.utterances) for side in held)
    return f"{without} of {total} utterances have no {name}: align them, or " if without else ""


def said(roles: Roles) -> tuple[str, str]:
    """What the two roles are called in notes."""
    return ("", "") if roles.folded else (" fit", " score")


def _how(rows: Ints) -> str:
    """How to shuffle labels of speakers (2, segments): ``within`` each changes nothing where each has one."""
    pairs, speakers = np.unique(rows, axis=1).shape[1], len(np.unique(rows[1]))
    return "speakers" if pairs == speakers > 1 else "within"


def _shuffled(labels: Ints, owners: Ints, generator: np.random.Generator) -> Ints:
    """The labels (segments,), shuffled among the segments of each owner."""
    shuffled = labels.copy()
    order = np.argsort(owners, kind="stable")
    for places in np.split(order, np.flatnonzero(np.diff(owners[order])) + 1) if len(labels) else ():
        shuffled[places] = labels[generator.permutation(places)]
    return shuffled


def _exchanged(labels: Ints, owners: Ints, generator: np.random.Generator) -> Ints:
    """The labels of owners who have one each, dealt anew among the owners; who has how many segments stays."""
    if not len(labels):
        return labels.copy()
    _, first, whose = np.unique(owners, return_index=True, return_inverse=True)
    return np.asarray(labels[generator.permutation(first)][whose], dtype=np.int64)
