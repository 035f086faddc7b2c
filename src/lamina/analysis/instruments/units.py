"""Clusters of a tap's frames as units of speech: what they tell of phones, how purely, and at how many bits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lamina.analysis.config import AnalysisConfig
from lamina.analysis.instruments.codebook import debiased
from lamina.analysis.instruments.instrument import Draw, Finding, Floats, Instrument, Values
from lamina.analysis.rows import Rows, Way
from lamina.analysis.sums import Sample
from lamina.analysis.targets.excerpt import Excerpt
from lamina.analysis.targets.timed import Track, times
from lamina.analysis.timing import assigning
from lamina.corpus.corpus import Utterance
from lamina.encoders.encoder import Tap
from lamina.errors import LaminaError
from lamina.stats import kmeans
from lamina.stats.edits import edit_distance
from lamina.stats.information import Counts, mutual_information, purities
from lamina.stats.scaling import standardised

NULL = 14  # of the seed of the null
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Utterances:
    """Utterances of one role, and where their frames stand among the kept ones.

    Attributes:
        groups: (utterances,) the group or fold of each.
        starts: (utterances + 1,) the first frame of each.
        tracks: by labelling, what is said when in each.
        at: the sample of each frame's centre, by utterance.
        seconds: (utterances,) how long each is.
    """

    groups: Ints
    starts: Ints
    tracks: tuple[tuple[Track, ...], ...]
    at: tuple[Ints, ...]
    seconds: Floats

    def frames(self, places: Ints) -> Ints:
        """The frames of some of them."""
        none = np.zeros(0, dtype=np.int64)
        return np.concatenate([none, *(np.arange(*self.starts[place : place + 2]) for place in places)])

    def labels(self, places: Ints, labelling: int) -> Ints:
        """The label of each of those frames."""
        none = np.zeros(0, dtype=np.int64)
        return np.concatenate([none, *(self.tracks[labelling][place].at(self.at[place]) for place in places)])


class Quantised(Instrument):
    """k-means of single frames, every dimension scaled; units are named by the labels of the fit speakers.

    Where folds score each other, each fold is read with units and names of the others. The null has the segments
    of every utterance, pauses among them, in another order.
    """

    families: ClassVar = ("units",)
    takes: ClassVar = (Excerpt,)
    title: ClassVar = "units"
    target: Excerpt

    def __init__(self, tap: Tap, way: Way, target: Excerpt, config: AnalysisConfig) -> None:
        super().__init__(tap, way, target, config)
        self._labellings = 2 if config.shuffles else 1
        self._none = len(target.classes)
        names = ("score",) if self.folded else ("fit", "score")
        self._held = {name: self._of(side) for name, side in zip(names, target.chosen, strict=False)}
        sizes = {name: int(held.starts[-1]) for name, held in self._held.items()}
        self.sums = {name: Sample.empty(size, tap.width) for name, size in sizes.items()}
        self._size = config.clusters_of(target.name, min(sizes.values()))
        self._fit = torch.zeros(0, tap.width)

    def learn(self, x: Tensor, rows: Rows) -> None:
        """Keep the frames of the fit speakers."""
        if not self.folded:
            self._keep("fit", x, rows)

    def settle(self) -> None:
        """Put them aside."""
        if isinstance(held := self.sums.pop("fit", None), Sample):
            self._fit = held.finite()

    def score(self, x: Tensor, rows: Rows) -> None:
        """Keep the frames that are scored."""
        self._keep("score", x, rows)

    def seconds(self) -> float:
        """k-means once, or once a fold."""
        number = len(self.target.roles.groups) if self.folded else 1
        return number * int(next(iter(self._held.values())).starts[-1]) * assigning(self.tap.width, self._size)

    def values(self, draw: Draw) -> Iterator[Finding]:
        """All measures of every labelling."""
        rows, mine = cast("Sample", self.sums["score"]).finite(), self._held["score"]
        names = self.target.roles.groups
        every = np.arange(len(mine.groups))
        if self.folded:
            apart = [(every[mine.groups != fold], every[mine.groups == fold]) for fold in np.unique(mine.groups)]
            trials = [self._trial(rows, mine, learn, rows, mine, test) for learn, test in apart]
        else:
            fit = self._held["fit"]
            trials = [self._trial(self._fit, fit, np.arange(len(fit.groups)), rows, mine, every)]
        drawn = draw(names).numpy()
        for labelling in range(self._labellings):
            read = [each[labelling] for each in trials]
            value, again = (told(read, weights) for weights in (np.ones((1, len(names))), drawn))
            count = self.config.replicates
            again |= {
                name: debiased(again[name], float(value[name][0]), count) for name in ("unit-pnmi", "unit-purity")
            }
            yield Finding(value, again, len(rows), names, labelling=labelling)

    def _of(self, side: Sequence[Utterance]) -> Utterances:
        at = tuple(times(self.tap.grid, self.way.matched, one.samples) for one in side)
        tracks = tuple(self.target.tracks[one.id] for one in side)
        random = np.random.default_rng([self.config.seed, NULL])
        labellings = (tracks, tuple(track.reordered(random) for track in tracks))[: self._labellings]
        keys, rate = self.target.roles.keys, self.tap.grid.sample_rate
        return Utterances(
            np.array([keys[one.id] for one in side], dtype=np.int64),
            np.cumsum([0, *(len(each) for each in at)]),
            labellings,
            at,
            np.array([one.samples / rate for one in side]),
        )

    def _keep(self, name: str, x: Tensor, rows: Rows) -> None:
        numbers = rows.numbers.numpy()
        begun = np.flatnonzero(np.diff(numbers, prepend=numbers[:1] - 1))
        along = np.arange(len(numbers)) - np.repeat(begun, np.diff(begun, append=len(numbers)))
        slots = self._held[name].starts[numbers] + along
        cast("Sample", self.sums[name]).put(x, torch.from_numpy(slots))

    def _trial(
        self, fit: Tensor, known: Utterances, learn: Ints, rows: Tensor, mine: Utterances, test: Ints
    ) -> list[Told]:
        """Units and names of some utterances, told of others, under every labelling."""
        fit_x, test_x = standardised(fit[known.frames(learn)], rows[mine.frames(test)])
        if len(fit_x) < 2 * self._size:
            raise LaminaError(
                f"{len(fit_x)} frames are too few for {self._size} units (at least {2 * self._size}); use more "
                "speech, or fewer `clusters` (lamina.analyze, a study's analysis)"
            )
        clusters = kmeans.fit(fit_x, self._size, seed=self.config.seed, restarts=1)
        learned, units = (clusters.assign(each).numpy() for each in (fit_x, test_x))
        ends = np.cumsum(np.diff(mine.starts)[test])[:-1]
        spoken = np.split(units, ends)
        made = []
        for labelling in range(self._labellings):
            table = np.zeros((self._size, self._none + 1), dtype=np.int64)
            np.add.at(table, (learned, known.labels(learn, labelling)), 1)
            made.append(self._told(table, spoken, mine, test, labelling))
        return made

    def _told(self, table: Ints, spoken: list[Ints], mine: Utterances, test: Ints, labelling: int) -> Told:
        groups = len(self.target.roles.groups)
        many, one = table.argmax(1), one_to_one(table, self._none)
        sums = np.zeros((groups, 4))  # errors many to one and one to one, labels, seconds
        runs = np.zeros((groups, self._size))
        for units, place in zip(spoken, test, strict=True):
            track, group = mine.tracks[labelling][place], mine.groups[place]
            there = [code for code in track.codes.tolist() if code != self._none]
            errors = [edit_distance(there, named(units, names, self._none)) for names in (many, one)]
            sums[group] += [*errors, len(there), mine.seconds[place]]
            np.add.at(runs[group], units[np.flatnonzero(np.diff(units, prepend=-1))], 1)
        labels = mine.labels(test, labelling)
        inside = labels != self._none
        whose = np.repeat(mine.groups[test], np.diff(mine.starts)[test])
        axes = [torch.from_numpy(each[inside]) for each in (whose, np.concatenate(spoken), labels)]
        return Told(sums, runs, Counts.of(axes, (groups, self._size, self._none)))


@dataclass(frozen=True, slots=True, eq=False)
class Told:
    """What units of one codebook tell, by group: (groups, 4) sums, (groups, units) runs, and frames counted."""

    sums: Floats
    runs: Floats
    counts: Counts


def one_to_one(table: Ints, none: int) -> Ints:
    """(units,) the label of each unit where a label names one unit at most, as many frames as can be right.

    Units beyond the labels name nothing (``none``). Kuhn's assignment (scipy).
    """
    from scipy.optimize import linear_sum_assignment

    units, labels = linear_sum_assignment(-table)
    names = np.full(len(table), none)
    names[units] = labels
    return names


def named(units: Ints, names: Ints, none: int) -> list[int]:
    """The labels of a sequence of units: repeats count once, pauses not at all."""
    labels = names[units]
    kept: list[int] = labels[np.flatnonzero(np.diff(labels, prepend=-1))].tolist()
    return [label for label in kept if label != none]


def told(trials: Sequence[Told], weights: Floats) -> Values:
    """(weightings,) values where groups count (weightings, groups) times.

    Errors and labels add up; what is told of one codebook's units is the mean over codebooks, by their frames.
    """
    sums = weights @ sum(each.sums for each in trials)
    shares: list[Floats] = []
    found: list[Floats] = []
    for each in trials:
        frames = np.bincount(
            each.counts.cells.numpy() // (each.counts.shape[1] * each.counts.shape[2]),
            each.counts.counts.numpy(),
            len(weights[0]),
        )
        drawn = torch.from_numpy(np.asarray(weights, dtype=np.float64))
        runs = weights @ each.runs
        total = runs.sum(1)
        with np.errstate(invalid="ignore", divide="ignore"):
            parts = np.where(runs > 0, runs * np.log2(total[:, None] / np.where(runs > 0, runs, 1)), 0).sum(1)
            bits = parts / (weights @ each.sums[:, 3])
        pnmi = mutual_information(each.counts, drawn).normalised.numpy()
        purity = purities(each.counts, drawn)[0].numpy()
        shares.append(weights @ frames)
        found.append(np.stack([pnmi, purity, bits]))
    share = np.stack(shares)
    values = np.where(share[:, None] > 0, np.stack(found), 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        pnmi, purity, bits = (values * share[:, None]).sum(0) / share.sum(0)
        return {
            "unit-per": sums[:, 0] / sums[:, 2],
            "unit-per-one": sums[:, 1] / sums[:, 2],
            "unit-pnmi": pnmi,
            "unit-purity": purity,
            "unit-bits": bits,
        }
