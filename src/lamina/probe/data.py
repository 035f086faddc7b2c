"""From a corpus to the examples of a task: who trains, selects and is scored; what is left out is counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from lamina.corpus.corpus import Corpus, Utterance
from lamina.corpus.splits import fold_roles
from lamina.errors import LaminaError
from lamina.files import digest
from lamina.frames import long_enough, seen_everywhere
from lamina.grid import Grid
from lamina.probe.config import ProbeConfig
from lamina.probe.task import Example, Parts, Say, Task


def parts(task: Task, corpus: Corpus, config: ProbeConfig, grids: Sequence[Grid], say: Say) -> list[Parts]:
    """The examples of a task: one division, or one a fold.

    Utterances without the task's label, with an empty one, or too short for a frame on some grid are left out of
    all parts. Train and test are the corpus's splits, else folds of speakers score each other, as in an analysis;
    dev is the corpus's, else a sixth of the training speakers (of the utterances of one speaker). Where speakers
    are named, splits hold if test speakers are in train; else every speaker's utterances are divided.

    Args:
        task: what is asked.
        corpus: whose utterances are taken.
        config: how.
        grids: every example has a frame on each.
        say: told what was left out.

    Raises:
        LaminaError: nothing is labelled, or a part is left empty.
    """
    labels, kept = _labelled(task, corpus, config, grids, say)
    made = []
    for whole, dev, test, split in _divided(task, corpus, config, kept, say):
        train = _some(whole, config, corpus.sample_rate)
        sides = ([Example(one, labels[one.id]) for one in side] for side in (train, dev, test))
        division = Parts(next(sides), next(sides), next(sides), split)
        if task.tier:
            division = _segments(task, division, corpus, config, grids, say)
        for name in ("train", "dev", "test"):
            if not getattr(division, name):
                raise LaminaError(
                    f"{corpus.name} leaves no example for the {name} part of {task.name} ({task.title}); it has "
                    f"{len(kept)} usable utterances: give more audio, or other splits"
                )
        made.append(division)
    return made


def _labelled(
    task: Task, corpus: Corpus, config: ProbeConfig, grids: Sequence[Grid], say: Say
) -> tuple[dict[str, tuple[str, ...]], list[Utterance]]:
    """Labels by utterance id, and the utterances that can be used, in manifest order."""
    labels: dict[str, tuple[str, ...]] = {}
    kept: list[Utterance] = []
    left: Counter[str] = Counter()
    labelled = task.label if task.labels is None else task.labels(config, say)
    for utterance in corpus.utterances():
        label = labelled(utterance)
        if label is None:
            left["have no label"] += 1
        elif not label:
            left["have an empty label (no words, no phones)"] += 1
        elif not long_enough(utterance.samples, grids):
            left["are too short for a frame on every grid"] += 1
        else:
            labels[utterance.id] = label
            kept.append(utterance)
    if not kept:
        why = "; ".join(f"{count} {reason}" for reason, count in left.items())
        raise LaminaError(
            f"{corpus.name} cannot be probed for {task.name} ({task.title}), which needs {task.needs}: of its "
            f"utterances {why or 'there is none'}; choose another task or another corpus"
        )
    for reason, count in left.items():
        say(f"{task.name}: {count} utterances {reason}; they are left out")
    return labels, kept


Division = tuple[list[Utterance], list[Utterance], list[Utterance], str]


def _divided(task: Task, corpus: Corpus, config: ProbeConfig, kept: list[Utterance], say: Say) -> list[Division]:
    sessions = sorted({one.labels.get(task.folds, "") for one in kept} - {""}) if task.folds else []
    if config.protocol == "superb" and len(sessions) > 1:
        return [_fold(task.folds, session, kept, config.seed) for session in sessions]
    given = {name: [one for one in kept if one.split == name] for name in ("train", "dev", "test")}
    if task.speakers:
        known = {one.speaker for one in given["train"]}
        same = all(one.speaker in known for name in ("dev", "test") for one in given[name])
        if not (given["train"] and given["test"] and same):
            return [_within_speakers(task, kept, config.seed, say)]
    whose = {name: {one.speaker for one in side} for name, side in given.items()}
    apart = bool(given["train"] and given["test"])
    shared = whose["train"] & whose["test"]
    if shared and task.strangers:
        say(f"{task.name}: the corpus's splits share {len(shared)} speakers; speakers are divided anew")
        apart = False
    elif shared and not task.speakers:
        say(f"{task.name}: {len(shared)} speakers are in train and in test of {corpus.name}")
    if not apart:
        return _folds(task, config, kept, say)
    for other in ("train", "test"):
        known = whose["dev"] & whose[other]
        if known and task.strangers:
            given["dev"] = []
            say(
                f"{task.name}: {len(known)} speakers are in dev and in {other} of {corpus.name}; its dev part is "
                "left out and a sixth of the training speakers selects"
            )
        elif known and not task.speakers:
            say(f"{task.name}: {len(known)} speakers are in dev and in {other} of {corpus.name}")
    train, dev = given["train"], given["dev"]
    if not dev:
        train, dev = _hold_out(train, 1 / 6, config.seed, least=1 + task.strangers, by_speaker=not task.speakers)
    return [(train, dev, given["test"], "test")]


def _folds(task: Task, config: ProbeConfig, kept: list[Utterance], say: Say) -> list[Division]:
    """Folds of speakers, each scored once by heads that the others trained, as an analysis divides them."""
    least = 1 + task.strangers  # speakers a part
    number = min(config.folds, len({one.speaker for one in kept}) // least) if task.strangers else config.folds
    roles = fold_roles(kept, folds=max(2, number), seed=config.seed)
    for note in roles.notes:
        say(f"{task.name}: {note}")
    made = []
    for fold in range(len(roles.groups)):
        rest = [one for one in kept if roles.keys[one.id] != fold]
        train, dev = _hold_out(rest, 1 / 6, config.seed, least=least)
        made.append((train, dev, [one for one in kept if roles.keys[one.id] == fold], roles.split))
    return made


def _fold(label: str, session: str, kept: list[Utterance], seed: int) -> Division:
    """One session is scored; a random fifth of the other utterances selects, as in SUPERB."""
    others = [one for one in kept if one.labels.get(label) != session]
    train, dev = _hold_out(others, 0.2, seed, by_speaker=False)
    return train, dev, [one for one in kept if one.labels.get(label) == session], f"each {label} once"


def _hold_out(
    whole: list[Utterance], share: float, seed: int, *, least: int = 1, by_speaker: bool = True
) -> tuple[list[Utterance], list[Utterance]]:
    """Hold out some speakers, ``least`` or more; utterances of one speaker, or where speakers may be shared."""
    names = sorted({one.speaker for one in whole})
    by_speaker = by_speaker and len(names) > 1
    if not by_speaker:
        names = sorted(one.id for one in whole)
    order = np.random.default_rng([seed, 1]).permutation(len(names))
    held = {names[place] for place in order[: max(least, round(share * len(names)))]}
    sides: tuple[list[Utterance], list[Utterance]] = ([], [])
    for one in whole:
        sides[(one.speaker if by_speaker else one.id) in held].append(one)
    return sides


def _within_speakers(task: Task, kept: list[Utterance], seed: int, say: Say) -> Division:
    """Of every speaker's utterances a fifth is scored and a tenth selects, one at least."""
    random = np.random.default_rng([seed, 2])
    whose: dict[str, list[Utterance]] = {}
    for one in kept:
        whose.setdefault(one.speaker, []).append(one)
    role: dict[str, int] = {}
    few = 0
    for name in sorted(whose):
        own = whose[name]
        if len(own) < 3:
            few += 1
            continue
        test, dev = max(1, len(own) // 5), max(1, len(own) // 10)
        for rank, place in enumerate(random.permutation(len(own))):
            role[own[place].id] = 2 if rank < test else 1 if rank < test + dev else 0
    if few:
        say(f"{task.name}: {few} speakers have fewer than 3 utterances; they are left out")
    train, dev_, scored = ([one for one in kept if role.get(one.id) == part] for part in range(3))
    return train, dev_, scored, f"utterances of known speakers (seed {seed})"


def _some(train: list[Utterance], config: ProbeConfig, rate: int) -> list[Utterance]:
    """As many training utterances as `most_minutes` allows, in manifest order.

    They are drawn by the seed and their ids, so that tasks draw the same ones where they can: less is read.
    """
    if not config.most_minutes:
        return train
    left = config.most_minutes * 60 * rate
    taken = set()
    for one in sorted(train, key=lambda one: digest([config.seed, one.id])):
        if left <= 0:
            break
        taken.add(one.id)
        left -= one.samples
    return [one for one in train if one.id in taken]


def _segments(
    task: Task, whole: Parts, corpus: Corpus, config: ProbeConfig, grids: Sequence[Grid], say: Say
) -> Parts:
    """The segments of the tier that every grid sees and whose labels are frequent enough in train."""
    seen = {name: _seen(getattr(whole, name), task.tier, grids) for name in ("train", "dev", "test")}
    counts = Counter(example.label[0] for example in seen["train"])
    frequent = sorted(
        (label for label in counts if counts[label] >= config.least_count),
        key=lambda label: (-counts[label], label),
    )
    labels = set(frequent[: config.most_labels])
    if len(labels) < 2:
        every = list(corpus.utterances())
        missing = sum(not one.tiers.get(task.tier) for one in every)
        bare = f" ({missing} of {len(every)} utterances have no such tier)" if missing else ""
        raise LaminaError(
            f"{task.name}: {len(labels)} labels of the tier {task.tier!r} have {config.least_count} or more "
            f"segments to train on{bare}; use more speech"
        )
    kept = {name: [one for one in found if one.label[0] in labels] for name, found in seen.items()}
    beyond = set(frequent) - labels
    many = sum(one.label[0] in beyond for found in seen.values() for one in found)
    rare = sum(map(len, seen.values())) - sum(map(len, kept.values())) - many
    if many:
        say(
            f"{task.name}: {many} segments are of {len(beyond)} labels beyond the {config.most_labels} most "
            "frequent of train; they are left out"
        )
    if rare:
        say(
            f"{task.name}: {rare} segments are of labels rarer than {config.least_count} times in train; they are "
            "left out"
        )
    total = sum(len(one.label) for name in seen for one in getattr(whole, name))
    unseen = total - sum(map(len, seen.values()))
    if unseen:
        say(f"{task.name}: {unseen} segments are too short for a frame on every grid; they are left out")
    return Parts(kept["train"], kept["dev"], kept["test"], whole.split)


def _seen(examples: Sequence[Example], tier: str, grids: Sequence[Grid]) -> list[Example]:
    found = [
        Example(one.utterance, (each.label,), each)
        for one in examples
        for each in one.utterance.tiers.get(tier, ())
    ]
    held = [(one.segment.onset, one.segment.offset, one.utterance.samples) for one in found if one.segment]
    onsets, offsets, samples = np.array(held, dtype=np.int64).reshape(-1, 3).T
    return [one for one, seen in zip(found, seen_everywhere(grids, onsets, offsets, samples), strict=True) if seen]
