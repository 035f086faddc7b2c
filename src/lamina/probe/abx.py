"""ABX (Schatz 2016): is X, of the same class as A, nearer to A than to B? No training, each tap at its own rate.

An item's frames are those whose centres it owns on the tap's grid; two items are compared by warping with the
angle between frames. A cell has A and B of one speaker and context; X is another item of A's group (within), or
of a second speaker (across). Errors are averaged over contexts, then speakers, then pairs of classes, as in
ZeroSpeech.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from lamina.corpus.corpus import Corpus, Segment, Utterance
from lamina.corpus.splits import roles
from lamina.errors import LaminaError
from lamina.grid import Grid
from lamina.probe.config import ProbeConfig
from lamina.probe.dtw import angular_distances
from lamina.probe.free import Answer, Column, Question, Say
from lamina.probe.items import Item, read_items, tier_items, write_items

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

GROUPS = (10, 5, 3, 2)  # items of one class, context and speaker in a cell, at most (libri-light: 10)
OTHERS = 5  # second speakers of a cell, at most (as libri-light)


@dataclass(frozen=True)
class Cell:
    """What is compared with what.

    Attributes:
        pair: the two classes.
        speaker: of A and B.
        other: of X.
        a, b, x: places of the items.
    """

    pair: tuple[str, str]
    speaker: str
    other: str
    a: Ints
    b: Ints
    x: Ints


@dataclass(frozen=True)
class Errors:
    """The error rate of cells, averaged over contexts, speakers and pairs of classes, in this order.

    Attributes:
        rates: (pairs of classes, speakers, speakers of X) over contexts; not a number where there is no cell.
        names: of the speakers, sorted.
        n: triples.
    """

    rates: Floats
    names: Sequence[str]
    n: int

    def value(self) -> float:
        """The mean over speakers, then over pairs."""
        return float(np.nanmean(np.nanmean(self.rates.reshape(len(self.rates), -1), 1)))

    def resampled(self, weights: Ints, _groups: Sequence[str]) -> Floats:
        """The same where each speaker counts as often as drawn (two of them: the product)."""
        there = ~np.isnan(self.rates)
        filled = np.where(there, self.rates, 0)
        within = not there[:, ~np.eye(len(self.names), dtype=bool)].any()
        made = []
        for weight in weights.astype(np.float64):
            both = np.diag(weight) if within else np.outer(weight, weight)
            total = (there * both).sum((1, 2))
            made.append(
                ((filled * both).sum((1, 2))[total > 0] / total[total > 0]).mean() if total.any() else np.nan
            )
        return np.array(made)


class Plan:
    """Cells whose distances are warped at once."""

    def __init__(self, cells: Sequence[Cell]) -> None:
        self.cells = cells
        whose, near, far = [], [], []
        for number, cell in enumerate(cells):
            x, a, b = (each.ravel() for each in np.meshgrid(cell.x, cell.a, cell.b, indexing="ij"))
            kept = x != a
            whose.append(np.full(kept.sum(), number))
            near.append(np.stack([a[kept], x[kept]], 1))
            far.append(np.stack([b[kept], x[kept]], 1))
        self._whose = np.concatenate(whose)
        both = np.sort(np.concatenate([*near, *far]), 1)  # a distance is the same both ways
        self.pairs, place = np.unique(both, axis=0, return_inverse=True)
        self._near, self._far = place.reshape(2, -1)
        self._names = sorted({name for cell in cells for name in (cell.speaker, cell.other)})
        self._pairs = sorted({cell.pair for cell in cells})

    def errors(self, distances: Floats) -> Errors:
        """Of the distances of `pairs`; a tie is half an error. Warped sums of equal frames differ by rounding."""
        gap = distances[self._near] - distances[self._far]
        wrong = np.where(np.abs(gap) < 1e-9, 0.5, gap > 0)
        rates = np.bincount(self._whose, wrong) / np.bincount(self._whose)
        speaker = {name: place for place, name in enumerate(self._names)}
        classes = {pair: place for place, pair in enumerate(self._pairs)}
        where = [(classes[cell.pair], speaker[cell.speaker], speaker[cell.other]) for cell in self.cells]
        sums, counts = (np.zeros((len(classes), len(speaker), len(speaker))) for _ in range(2))
        np.add.at(sums, tuple(np.array(where).T), rates)
        np.add.at(counts, tuple(np.array(where).T), 1)
        with np.errstate(invalid="ignore"):
            return Errors(sums / counts, self._names, len(self._whose))


def within_cells(groups: Mapping[tuple[str, ...], Mapping[str, Mapping[str, Ints]]]) -> Iterator[Cell]:
    """All cells of one speaker each: groups are items by context, class and speaker."""
    for classes in groups.values():
        for pair in permutations(sorted(classes), 2):
            first, second = (classes[name] for name in pair)
            for speaker, a in first.items():
                if len(a) > 1 and speaker in second:
                    yield Cell(pair, speaker, speaker, a, second[speaker], a)


def across_cells(
    groups: Mapping[tuple[str, ...], Mapping[str, Mapping[str, Ints]]], random: np.random.Generator
) -> Iterator[Cell]:
    """All cells of two speakers each, with at most `OTHERS` second speakers for each first one."""
    for classes in groups.values():
        for pair in permutations(sorted(classes), 2):
            first, second = (classes[name] for name in pair)
            for speaker in first:
                others = sorted(set(first) - {speaker}) if speaker in second else []
                if len(others) > OTHERS:
                    others = [others[place] for place in random.permutation(len(others))[:OTHERS]]
                for other in others:
                    yield Cell(pair, speaker, other, first[speaker], second[speaker], first[other])


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


def fitted(items: Sequence[Item], config: ProbeConfig, *, across: bool) -> tuple[list[Cell], str]:
    """Cells that take at most ``most_pairs`` warped pairs, drawn by the seed, and what was done, in words.

    Where the groups of libri-light take too many, groups are made smaller first, as many small cells say more than
    a few large ones; then cells are left out.
    """
    cells: list[Cell] = []
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


class Discrimination(Question):
    """Error rates within and across speakers, over the scored part (all of the corpus where items are given).

    Attributes:
        items: those that every grid sees.
    """

    rows: ClassVar[str] = "owned"

    def __init__(self, corpus: Corpus, config: ProbeConfig, grids: Sequence[Grid], say: Say) -> None:
        items, self.split = _items(corpus, config)
        known = {one.id: one for one in corpus.utterances()}
        seen = [item for item in items if _seen(item, known[item.utterance], grids)]
        if len(seen) < len(items):
            left = len(items) - len(seen)
            say(f"abx: {left} of {len(items)} items have no frame on some grid; they are left out")
        chosen = {}
        for name in ("abx-within", "abx-across"):
            cells, told = fitted(seen, config, across=name == "abx-across")
            if not cells:
                say(f"abx: no cell for {name}: too few items of one class, context and speaker")
                continue
            chosen[name] = cells
            say(f"abx: {name}: {told}, drawn by the seed")
        if not chosen:
            raise LaminaError(
                f"{corpus.name} has no two items of one class beside another class in the same context: compare "
                "segments in any context (`contexts`, --contexts any), or give more audio"
            )
        used = np.unique(
            np.concatenate([each for cells in chosen.values() for cell in cells for each in _all(cell)])
        )
        # Items lie in the order in which their frames will be read: by utterance.
        places = sorted(used.tolist(), key=lambda place: (seen[place].utterance, place))
        self.items, self._rate = seen, corpus.sample_rate
        self.how = f"{config.tier if not config.items else 'items'}, {config.contexts} context"
        new = {place: number for number, place in enumerate(places)}
        self._plans = {name: Plan([_moved(cell, new) for cell in cells]) for name, cells in chosen.items()}
        self.segments: dict[str, list[Segment]] = {}
        for item in (seen[place] for place in places):
            self.segments.setdefault(item.utterance, []).append(item.segment)
        self.utterances = [known[name] for name in self.segments]

    def keep(self, folder: Path) -> str:
        """``abx.item``: the items that cells are made of, for fastabx."""
        write_items(folder / "abx.item", self.items, self._rate)
        return "abx.item"

    def answers(self, column: Column) -> Mapping[str, Answer]:
        """The error rates."""
        frames, starts, counts = column.stacked()
        made = {}
        for name, plan in self._plans.items():
            errors = plan.errors(angular_distances(frames, starts, counts, plan.pairs))
            made[name] = Answer(errors, errors.names)
        return made


def _items(corpus: Corpus, config: ProbeConfig) -> tuple[list[Item], str]:
    if config.items:
        return read_items(Path(config.items), corpus), f"items of {Path(config.items).name}"
    _, scored, split = roles(corpus, seed=config.seed)
    items = tier_items(scored, config.tier)
    if not items:
        raise LaminaError(f"{corpus.name} has no segment of the tier {config.tier!r} in its scored part ({split})")
    return items, split


def _seen(item: Item, utterance: Utterance, grids: Sequence[Grid]) -> bool:
    segment, samples = item.segment, utterance.samples
    return all(len(grid.owned(segment.onset, segment.offset, grid.frames(samples))) for grid in grids)


def _all(cell: Cell) -> tuple[Ints, Ints, Ints]:
    return cell.a, cell.b, cell.x


def _moved(cell: Cell, new: Mapping[int, int]) -> Cell:
    a, b, x = (np.array([new[place] for place in each.tolist()], dtype=np.int64) for each in _all(cell))
    return Cell(cell.pair, cell.speaker, cell.other, a, b, x)
