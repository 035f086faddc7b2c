"""What a corpus is made of, counted while it is read: speakers, splits, the inventory of each tier, labels."""

from __future__ import annotations

from collections import Counter

from lamina.corpus.corpus import Utterance, columns
from lamina.corpus.faults import commonest
from lamina.corpus.inventories import KNOWN, known_labels, numeric
from lamina.corpus.voices import SPEAKER, speakers_of


class Account:
    """Counts utterances as they pass; memory grows with types, not with utterances."""

    def __init__(self) -> None:
        self._utterances = 0
        self._splits = Counter[str]()
        self._speakers: dict[str, Counter[str]] = {}
        self._tiers: dict[str, Counter[str]] = {}
        self._with_tier = Counter[str]()
        self._labels: dict[str, Counter[str]] = {}

    def add(self, utterance: Utterance) -> None:
        """Count an utterance."""
        self._utterances += 1
        self._splits[utterance.split] += 1
        for speaker in speakers_of(utterance):
            self._speakers.setdefault(speaker, Counter())[utterance.split] += 1
        for name in utterance.tiers:
            labels = columns(utterance.tiers, name)[0]
            self._with_tier[name] += bool(labels)
            if not name.startswith(SPEAKER):
                self._tiers.setdefault(name, Counter()).update(labels)
        for name, value in utterance.labels.items():
            self._labels.setdefault(name, Counter())[value] += 1

    def lines(self) -> list[str]:
        """What a reader should know, a line each."""
        return [*self._people(), *self._split(), *map(self._tier, self._tiers), *map(self._label, self._labels)]

    def _people(self) -> list[str]:
        named = Counter({name: sum(where.values()) for name, where in self._speakers.items() if name})
        unnamed = sum(self._speakers.get("", Counter()).values())
        more = f"; {unnamed:,} of {self._utterances:,} utterances have none" if unnamed else ""
        return [f"{len(named):,} speakers: {commonest(named) or 'none is named'}{more}"]

    def _split(self) -> list[str]:
        if set(self._splits) == {""}:
            return []
        told = ", ".join(f"{split} {count:,}" for split, count in sorted(self._splits.items()) if split)
        missing = (
            f"; {self._splits['']:,} of {self._utterances:,} utterances have none" if self._splits[""] else ""
        )
        found = [f"splits: {told}{missing}"]
        several = {name: sorted(set(where) - {""}) for name, where in self._speakers.items() if name}
        several = {name: where for name, where in several.items() if len(where) > 1}
        if several:
            first = next(iter(several))
            found.append(
                f"{len(several):,} of {len(self._speakers):,} speakers are in several splits, such as {first} "
                f"({', '.join(several[first])}): scores are not of new speakers"
            )
        return found

    def _tier(self, name: str) -> str:
        counts = self._tiers[name]
        missing = self._utterances - self._with_tier[name]
        without = f"; {missing:,} of {self._utterances:,} utterances have none" if missing else ""
        of = ""
        if name.partition(":")[0] == "phone" and counts:
            inventory, known = known_labels(counts)
            outside = Counter({label: count for label, count in counts.items() if label not in known})
            of = f"; of none of the phone sets that are known ({', '.join(KNOWN)})"
            if inventory:
                of = f"; of {inventory}" + (f" but {len(outside)} types: {commonest(outside)}" if outside else "")
        numbers = "; its labels are numbers, no classes" if numeric(counts) else ""
        return (
            f"{name}: {sum(counts.values()):,} segments of {len(counts):,} types, {commonest(counts)}"
            f"{of}{numbers}{without}"
        )

    def _label(self, name: str) -> str:
        counts = self._labels[name]
        missing = self._utterances - sum(counts.values())
        without = f"; {missing:,} of {self._utterances:,} utterances have none" if missing else ""
        if numeric(counts):
            return f"label {name}: numbers, no classes ({len(counts):,} different){without}"
        return f"label {name}: {len(counts):,} values, {commonest(counts, 3)}{without}"
