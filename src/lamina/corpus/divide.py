"""Draw train, dev and test, once: by speaker, by hours, stratified; written into the manifest with the seed.

Groups (speakers; utterances where asked) are shuffled by the seed and each goes to the split that lacks most of
its share. Stratified, this happens within each value of a label, so that every split has its share of each.
Speakers who talk in one recording stay together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lamina.corpus.manifest import open_folder, rewrite_splits, settle
from lamina.corpus.stored import SAMPLE_RATE, StoredCorpus
from lamina.corpus.voices import speakers_of
from lamina.errors import LaminaError

SPLITS = ("train", "dev", "test")
SPEAKER, UTTERANCE = "speaker", "utterance"


def divide(
    folder: Path,
    *,
    seed: int,
    shares: Mapping[str, float] | None = None,
    hours: Mapping[str, float] | None = None,
    by: str = SPEAKER,
    stratify: str = "",
    redraw: bool = False,
) -> StoredCorpus:
    """Draw the splits of a corpus folder of ours and write them into its manifest.

    Args:
        folder: made by import or synth.
        seed: of the shuffle.
        shares: of the audio that each split gets; 0.8, 0.1 and 0.1 where neither these nor hours are given.
        hours: of each split; what is over gets no split.
        by: ``speaker``, or ``utterance`` (then speakers are in several splits).
        stratify: a label (or ``text``), whose values are shared out alike.
        redraw: replace splits that are there.

    Raises:
        LaminaError: splits are there already, the corpus has too few groups, or a wish cannot be read or met.
    """
    wanted = dict(hours or shares or {"train": 0.8, "dev": 0.1, "test": 0.1})
    wanted = {split: wanted[split] for split in SPLITS if wanted.get(split)} | {
        split: value for split, value in wanted.items() if split not in SPLITS
    }
    if not set(wanted) <= set(SPLITS) or any(value < 0 for value in wanted.values()) or not wanted:
        raise LaminaError(f"splits are train, dev and test, each with a share or hours above 0; got {wanted}")
    if by not in {SPEAKER, UTTERANCE}:
        raise LaminaError(f"splits are drawn by speaker or by utterance, not by {by!r}")
    drawn: dict[str, Any] = {"seed": seed, "by": by, "hours" if hours else "shares": wanted, "stratify": stratify}
    corpus = open_folder(folder)
    about = settle(folder, corpus.digest)
    if about.get("drawn") == drawn:
        return corpus  # the same wish gives the same splits
    if set(about["splits"]) - {""} and not redraw:
        how = f"drawn with seed {about['drawn']['seed']}" if "drawn" in about else "its own"
        raise LaminaError(
            f"{folder} has splits already ({', '.join(filter(None, about['splits']))}; {how}): results that were "
            "made with them would no longer fit; draw them anew with --redraw"
        )
    sizes, strata = _groups(corpus, by, stratify)
    if len(set(sizes)) < len(wanted):
        raise LaminaError(
            f"{corpus.name} has {len(set(sizes))} {by}s for {len(wanted)} splits: "
            + ("draw by utterance (--by utterance)" if by == SPEAKER else "ask for fewer splits")
        )
    whole = sum(sizes.values())
    if hours and sum(wanted.values()) * 3600 * SAMPLE_RATE > whole:
        raise LaminaError(
            f"{corpus.name} has {whole / SAMPLE_RATE / 3600:.2f} hours, {sum(wanted.values()):.2f} are asked for"
        )
    scale = 3600 * SAMPLE_RATE / whole if hours else 1 / max(1.0, sum(wanted.values()))
    targets = {split: value * scale for split, value in wanted.items()}
    assigned: dict[str, str] = {}
    rng = np.random.default_rng([seed, 4])
    for value in sorted(set(strata.values())):
        members = sorted(group for group in sizes if strata[group] == value)
        _deal([members[place] for place in rng.permutation(len(members))], sizes, targets, bool(hours), assigned)
    where = _of_utterances(corpus, by, assigned)
    return rewrite_splits(folder, where, drawn)


def _deal(
    groups: list[str], sizes: Mapping[str, int], targets: Mapping[str, float], limited: bool, into: dict[str, str]
) -> None:
    """Each group to the split that lacks most of its target; none where all hours are full."""
    whole = sum(sizes[group] for group in groups)
    have = dict.fromkeys(targets, 0)
    for group in groups:
        lack = {split: 1 - have[split] / (share * whole) for split, share in targets.items()}
        best = max(targets, key=lambda split: lack[split])
        if limited and lack[best] <= 0:
            into[group] = ""
            continue
        into[group] = best
        have[best] += sizes[group]


def _groups(corpus: StoredCorpus, by: str, stratify: str) -> tuple[dict[str, int], dict[str, str]]:
    """The samples and the most common label of each group, by its name."""
    leader = _leaders(corpus)
    sizes: Counter[str] = Counter()
    values: dict[str, Counter[str]] = {}
    met = False
    for utterance in corpus.utterances():
        group = leader[utterance.speaker] if by == SPEAKER else utterance.id
        sizes[group] += utterance.samples
        value = utterance.text if stratify == "text" else utterance.labels.get(stratify, "")
        met = met or bool(value)
        values.setdefault(group, Counter())[value] += 1
    if stratify and not met:
        raise LaminaError(f"{corpus.name} has no label {stratify!r} to stratify by")
    return dict(sizes), {group: counts.most_common(1)[0][0] for group, counts in values.items()}


def _leaders(corpus: StoredCorpus) -> dict[str, str]:
    """For each utterance's speaker (or speakers), the name of the set of people who occur together."""
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        while parent.setdefault(name, name) != name:
            name = parent[name]
        return name

    together: dict[str, str] = {}
    for utterance in corpus.utterances():
        names = speakers_of(utterance)
        for name in names[1:]:
            parent[root(name)] = root(names[0])
        together[utterance.speaker] = names[0]
    return {speaker: root(name) for speaker, name in together.items()}


def _of_utterances(corpus: StoredCorpus, by: str, assigned: Mapping[str, str]) -> dict[str, str]:
    leader = _leaders(corpus)
    return {u.id: assigned[leader[u.speaker] if by == SPEAKER else u.id] for u in corpus.utterances()}
