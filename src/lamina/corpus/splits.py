"""Who is fitted on and who is scored: apart where the corpus has splits; elsewhere folds that score each other.

The one rule of analyses and probes. What fits nothing scores everybody it may (`unfitted`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from lamina.corpus.corpus import Corpus, Utterance
from lamina.errors import LaminaError

LEARN, TUNE = 0, 1


@dataclass(frozen=True, slots=True, eq=False)
class Roles:
    """Who is fitted on and who is scored.

    Attributes:
        fit: utterances to fit on; all of them where folds score each other.
        score: utterances to score apart, of other speakers; none where folds score each other.
        split: what is scored, such as ``test`` or ``folds-5``.
        keys: by utterance id, the part (fit), the group (score) or the fold that it counts in.
        groups: names of what intervals resample: groups of score speakers, or folds; sorted.
        notes: what was left out, or done instead.
    """

    fit: tuple[Utterance, ...]
    score: tuple[Utterance, ...]
    split: str
    keys: Mapping[str, int]
    groups: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def folded(self) -> bool:
        """Whether folds score each other."""
        return not self.score


def plan_roles(corpus: Corpus, least: int, *, folds: int, seed: int, max_groups: int) -> Roles:
    """Divide a corpus; utterances of fewer than ``least`` samples, one frame of every compared grid, are left out.

    With a train and a test split: a third of the fit speakers tunes ridges (of the fit utterances where one
    speaker is all there is); score speakers are groups of their own, or share ``max_groups`` groups by a hash of
    their names where they are more. Without: ``folds`` folds of speakers, as many as there are speakers where they
    are fewer, of utterances where one speaker is all there is.

    Raises:
        LaminaError: nothing is left to fit on or to score.
    """
    everything = list(corpus.utterances())
    fit = [utterance for utterance in everything if utterance.split == "train"]
    score = [utterance for utterance in everything if utterance.split == "test"]
    apart = bool(fit and score)
    if not apart:
        fit, score = everything, []
    short = sum(utterance.samples < least for utterance in (*fit, *score))
    fit = [utterance for utterance in fit if utterance.samples >= least]
    score = [utterance for utterance in score if utterance.samples >= least]
    if not fit or (apart and not score):
        raise LaminaError(
            f"{corpus.name}: {len(fit)} utterances to fit on and {len(score)} to score are left after those "
            f"shorter than {least} samples (one frame of every compared grid); use a corpus of longer utterances"
        )
    notes = [f"{short} utterances are shorter than one frame of some compared grid"] if short else []
    made = _splits(fit, score, seed, max_groups) if apart else fold_roles(fit, folds=folds, seed=seed)
    return replace(made, notes=(*notes, *made.notes))


def unfitted(roles: Roles, max_groups: int) -> Roles:
    """The same for what fits nothing: where there are no splits everybody is scored, in groups of speakers."""
    return everybody(roles.fit, "all", max_groups, roles.notes) if roles.folded else roles


def everybody(utterances: Sequence[Utterance], split: str, max_groups: int, notes: tuple[str, ...] = ()) -> Roles:
    """All of these are scored, whatever splits the corpus has, in groups of speakers; nothing is fitted."""
    group, groups = speaker_groups(utterances, max_groups)
    keys = {utterance.id: groups.index(group[utterance.speaker]) for utterance in utterances}
    return Roles(tuple(utterances), (), split, keys, groups, notes)


def _splits(fit: Sequence[Utterance], score: Sequence[Utterance], seed: int, max_groups: int) -> Roles:
    speakers = sorted({utterance.speaker for utterance in fit})
    units = speakers if len(speakers) > 1 else sorted(utterance.id for utterance in fit)
    order = np.random.default_rng(seed).permutation(len(units))
    tuned = {units[place] for place in order[: round(len(units) / 3)]}
    keys = {
        utterance.id: TUNE if (utterance.speaker if len(speakers) > 1 else utterance.id) in tuned else LEARN
        for utterance in fit
    }
    notes = []
    group, groups = speaker_groups(score, max_groups)
    keys |= {utterance.id: groups.index(group[utterance.speaker]) for utterance in score}
    if len(groups) < len(group):
        notes.append(f"{len(group)} score speakers are resampled in {len(groups)} groups")
    if len(groups) == 1:
        notes.append("one score speaker: no intervals, as they resample speakers")
    return Roles(tuple(fit), tuple(score), "test", keys, groups, tuple(notes))


def speaker_groups(utterances: Sequence[Utterance], most: int) -> tuple[dict[str, str], tuple[str, ...]]:
    """The group that each speaker is resampled in, and the groups: speakers, or ``most`` hashes of their names."""
    names = sorted({utterance.speaker for utterance in utterances})
    group = {name: name if len(names) <= most else _bucket(name, most) for name in names}
    return group, tuple(sorted(set(group.values())))


def _bucket(name: str, buckets: int) -> str:
    return f"{int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], 'big') % buckets:06d}"


def fold_roles(utterances: Sequence[Utterance], *, folds: int, seed: int, within: bool = False) -> Roles:
    """Folds of like amounts of speech, no speaker in two of them; or, ``within`` speakers, of utterances.

    Raises:
        LaminaError: there is one utterance.
    """
    if len(utterances) < 2:
        raise LaminaError("the corpus has one utterance: there is nothing to score on; add more audio")
    speakers = {utterance.speaker for utterance in utterances}
    notes = []
    if not within and len(speakers) == 1:
        within = True
        notes.append(
            f"one speaker ({min(speakers)}): folds are of utterances instead of speakers, so scores and intervals "
            "say nothing of new speakers"
        )
    number = min(folds, len(utterances) if within else len(speakers))
    sizes: dict[str, int] = {}
    for utterance in utterances:
        name = utterance.id if within else utterance.speaker
        sizes[name] = sizes.get(name, 0) + utterance.samples
    owner = {utterance.id: utterance.speaker for utterance in utterances}
    dealt = _round(sizes, owner, number, seed) if within else _balanced(sizes, number, seed)
    keys = {utterance.id: dealt[utterance.id if within else utterance.speaker] for utterance in utterances}
    return Roles(
        tuple(utterances),
        (),
        f"{'utterance-' if within else ''}folds-{number}",
        keys,
        tuple(f"fold{fold:04d}" for fold in range(number)),
        tuple(notes),
    )


def _balanced(sizes: Mapping[str, int], folds: int, seed: int) -> dict[str, int]:
    """The largest first, each to the fold that has least; equals in an order drawn by the seed."""
    names = sorted(sizes)
    drawn = [names[place] for place in np.random.default_rng(seed).permutation(len(names))]
    held, dealt = [0] * folds, {}
    for name in sorted(drawn, key=lambda name: -sizes[name]):
        dealt[name] = held.index(min(held))
        held[dealt[name]] += sizes[name]
    return dealt


def _round(sizes: Mapping[str, int], owner: Mapping[str, str], folds: int, seed: int) -> dict[str, int]:
    """Utterances speaker by speaker, in an order drawn by the seed, each to the next fold."""
    names = sorted(sizes)
    drawn = [names[place] for place in np.random.default_rng(seed).permutation(len(names))]
    return {name: place % folds for place, name in enumerate(sorted(drawn, key=lambda name: owner[name]))}


def of_split(corpus: Corpus, split: str) -> list[Utterance]:
    """The utterances of a split; all of them where ``split`` is empty or the corpus has no splits at all.

    Raises:
        LaminaError: the corpus has splits, but not this one.
    """
    everything = list(corpus.utterances())
    there = sorted({utterance.split for utterance in everything} - {""})
    if not split or not there:
        return everything
    if split not in there:
        raise LaminaError(
            f"corpus {corpus.name} has no split {split!r}; it has {', '.join(there)}: set `split` in the config "
            'to one of them, or to "" for all of the corpus'
        )
    return [utterance for utterance in everything if utterance.split == split]
