"""Segments whose frames are compared one by one, in cells of A, B and X (Schatz 2016)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from lamina.analysis.config import AnalysisConfig
from lamina.analysis.targets.itemfile import Item, read_items, tier_items, write_items
from lamina.analysis.targets.segments import EACH, Segmented, Segments
from lamina.analysis.targets.target import Basis
from lamina.corpus.splits import everybody, unfitted
from lamina.errors import LaminaError
from lamina.files import file_name
from lamina.frames import Ints, seen_everywhere

GROUPS = (10, 5, 3, 2)  # items of one class, context and speaker in a cell, at most (libri-light: 10)
OTHERS = 5  # second speakers of a cell, at most (as libri-light)
SPEAKER = "speaker"


@dataclass(frozen=True)
class AbxCell:
    """What is compared with what.

    Attributes:
        pair: the two classes.
        speaker: of A and B.
        other: of X.
        a, b, x: numbers of the items.
    """

    pair: tuple[str, str]
    speaker: str
    other: str
    a: Ints
    b: Ints
    x: Ints


@dataclass(frozen=True, eq=False, kw_only=True)
class Items(Segmented):
    """The segments of a tier, or those of an item file, that some cell takes.

    Attributes:
        within, across: cells of one speaker each, and of two.
        listed: the items that every grid sees.
        sample_rate: of their times.
        contexts: whether A, B and X have the ``same`` labels to either side, or ``any``.
    """

    tiers: ClassVar[bool] = True

    within: Sequence[AbxCell]
    across: Sequence[AbxCell]
    listed: Sequence[Item]
    sample_rate: int
    contexts: str

    @classmethod
    def means(cls, name: str, /) -> bool:
        """Any tier."""
        return name != SPEAKER

    @classmethod
    def plan(cls, name: str, basis: Basis) -> Self:
        """Choose items and cells; nothing is fitted, so all who may be are scored (with an item file: its items).

        Raises:
            LaminaError: no cell can be made.
        """
        corpus, config = basis.corpus, basis.config
        known = {one.id: one for one in corpus.utterances()}
        if config.items is not None:
            items = read_items(Path(config.items), corpus)
            whose = [known[each] for each in dict.fromkeys(item.utterance for item in items)]
            roles = everybody(whose, f"items of {Path(config.items).name}", config.max_groups)
        else:
            roles = unfitted(basis.roles, config.max_groups)
            items = tier_items(roles.score or roles.fit, name)
            if not items:
                raise LaminaError(f"target {name!r}: no utterance that is scored ({roles.split}) has such a tier")
        places = [(one.segment.onset, one.segment.offset, known[one.utterance].samples) for one in items]
        seen = seen_everywhere(
            basis.grids, *np.array(places, dtype=np.int64).reshape(-1, 3).T, matched=basis.matched
        )
        listed = [item for item, kept in zip(items, seen, strict=True) if kept]
        notes = []
        if len(listed) < len(items):
            notes.append(f"{name}: {len(items) - len(listed)} of {len(items)} items have no frame on some grid")
        cells = {}
        for kind in ("within", "across"):
            cells[kind], told = fitted(listed, config, across=kind == "across")
            notes.append(
                f"{name}: ABX {kind} speakers: {told}, drawn by the seed"
                if cells[kind]
                else f"{name}: no ABX {kind} speakers: too few items of one class, context and speaker"
            )
        if not any(cells.values()):
            raise LaminaError(
                f"{corpus.name} has no two items of one class beside another class in the same context: compare "
                "segments in any context (`contexts`, --contexts any), or give more audio"
            )
        used = np.unique(np.concatenate([np.concatenate(_all(cell)) for own in cells.values() for cell in own]))
        # Items lie in the order in which their frames are read: by utterance.
        order = {one: place for place, one in enumerate(known)}
        ranked = sorted(used.tolist(), key=lambda place: (order[listed[place].utterance], place))
        new = {place: number for number, place in enumerate(ranked)}
        chosen = [(known[listed[place].utterance], listed[place].segment) for place in ranked]
        segments = Segments.of([(one, segment.onset, segment.offset) for one, segment in chosen])
        return cls(
            name=name,
            roles=roles,
            items="triples",
            poolings=(EACH,),
            from_file=config.items is not None,
            fit=segments if roles.folded else Segments.none(),
            score=Segments.none() if roles.folded else segments,
            notes=tuple(notes),
            within=[_moved(cell, new) for cell in cells["within"]],
            across=[_moved(cell, new) for cell in cells["across"]],
            listed=listed,
            sample_rate=corpus.sample_rate,
            contexts=config.contexts,
        )

    def keep(self, folder: Path) -> str:
        """``abx-TIER.item``: the items that cells are made of, for fastabx."""
        name = f"abx-{file_name(self.name)}.item"
        write_items(folder / name, self.listed, self.sample_rate)
        return name


def within_cells(groups: Mapping[tuple[str, ...], Mapping[str, Mapping[str, Ints]]]) -> Iterator[AbxCell]:
    """All cells of one speaker each: groups are items by context, class and speaker."""
    for classes in groups.values():
        for pair in permutations(sorted(classes), 2):
            first, second = (classes[name] for name in pair)
            for speaker, a in first.items():
                if len(a) > 1 and speaker in second:
                    yield AbxCell(pair, speaker, speaker, a, second[speaker], a)


def across_cells(
    groups: Mapping[tuple[str, ...], Mapping[str, Mapping[str, Ints]]], random: np.random.Generator
) -> Iterator[AbxCell]:
    """All cells of two speakers each, with at most `OTHERS` second speakers for each first one."""
    for classes in groups.values():
        for pair in permutations(sorted(classes), 2):
            first, second = (classes[name] for name in pair)
            for speaker in first:
                others = sorted(set(first) - {speaker}) if speaker in second else []
                if len(others) > OTHERS:
                    others = [others[place] for place in random.permutation(len(others))[:OTHERS]]
                for other in others:
                    yield AbxCell(pair, speaker, other, first[speaker], second[speaker], first[other])


def grouped(
    items: Sequence[Item], *, same: bool, most: int, random: np.random.Generator
) -> dict[tuple[str, ...], dict[str, dict[str, Ints]]]:
    """Places of items by context (one for all unless ``same``), class and speaker, at most so many each."""
    found: dict[tuple[str, ...], dict[str, dict[str, list[int]]]] = {}
    for place, item in enumerate(items):
        context = (item.before, item.after) if same else ()
        found.setdefault(context, {}).setdefault(item.segment.label, {}).setdefault(item.speaker, []).append(place)
    return {
        context: {
            label: {
                speaker: np.sort(random.permutation(places)[:most]) for speaker, places in sorted(speakers.items())
            }
            for label, speakers in classes.items()
        }
        for context, classes in sorted(found.items())
        if len(classes) > 1
    }


def fitted(items: Sequence[Item], config: AnalysisConfig, *, across: bool) -> tuple[list[AbxCell], str]:
    """Cells that take at most ``most_pairs`` warped pairs, drawn by the seed, and what was done, in words.

    Where the groups of libri-light take too many, groups are made smaller first, as many small cells say more than
    a few large ones; then cells are left out.
    """
    cells: list[AbxCell] = []
    total = size = 0
    random = np.random.default_rng([config.seed, 11])
    for size in GROUPS:
        random = np.random.default_rng([config.seed, 11])
        groups = grouped(items, same=config.contexts == "same", most=size, random=random)
        cells = list(across_cells(groups, random) if across else within_cells(groups))
        total = len(cells)
        sizes = np.cumsum([len(cell.x) * (len(cell.a) + len(cell.b)) for cell in cells])
        if not total or sizes[-1] <= config.most_pairs:
            break
    else:
        order = random.permutation(total)
        cells = [cells[place] for place in order]
        sizes = np.cumsum([len(cell.x) * (len(cell.a) + len(cell.b)) for cell in cells])
        cells = cells[: max(1, int(np.searchsorted(sizes, config.most_pairs, side="right")))]
    return cells, f"{len(cells)} of {total} cells, of at most {size} items a class, context and speaker"


def _all(cell: AbxCell) -> tuple[Ints, Ints, Ints]:
    return cell.a, cell.b, cell.x


def _moved(cell: AbxCell, new: Mapping[int, int]) -> AbxCell:
    a, b, x = (np.array([new[place] for place in each.tolist()], dtype=np.int64) for each in _all(cell))
    return AbxCell(cell.pair, cell.speaker, cell.other, a, b, x)
