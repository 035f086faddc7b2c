"""How well changes of a tap's states mark where segments begin and end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lamina.analysis.config import AnalysisConfig
from lamina.analysis.instruments.instrument import Draw, Finding, Floats, Instrument, Values
from lamina.analysis.rows import Rows, Way
from lamina.analysis.sums import Totals
from lamina.analysis.targets.edges import Edges
from lamina.encoders.encoder import Tap
from lamina.errors import LaminaError

WINDOW = 20  # ms of frames to either side that are held against each other, or one frame
NEAR = 20  # ms
LEAST = np.arange(0, 4.05, 0.1)  # prominences that are tried, in standard deviations of an utterance's changes
Ints = NDArray[np.int64]


class Boundaries(Instrument):
    """Peaks of the change from frame to frame, held against boundaries: precision, recall, F1 and R-value.

    Every dimension is scaled over its utterance. The change between two frames is the distance of the means of the
    frames in the `WINDOW` before and after; a peak counts whose prominence is some standard deviations of the
    utterance's changes: as many as give the best R-value on speakers that are not scored. It lies half way
    between the two frames. A boundary and a peak match where each is the other's nearest, as near as is asked. The
    null has the changes of half an utterance later, around its end.
    """

    families: ClassVar = ("boundary",)
    takes: ClassVar = (Edges,)
    title: ClassVar = "boundaries"
    target: Edges

    def __init__(self, tap: Tap, way: Way, target: Edges, config: AnalysisConfig) -> None:
        super().__init__(tap, way, target, config)
        period = (way.matched or tap.grid).period_ms
        self._side = max(1, round(WINDOW / period))
        self._near = np.array([NEAR, period / 2]) * target.rate / 1000  # samples
        self._labellings = 2 if config.shuffles else 1
        # A row of sums: hits of either nearness and peaks, by threshold and labelling; boundaries, best hits.
        self._width = self._labellings * 3 * len(LEAST) + 3
        self.sums = {"score": Totals.empty(len(target.roles.groups), self._width)}
        if not self.folded:
            self.sums["fit"] = Totals.empty(1, self._width)
        self._fit: Floats = np.zeros(0)

    def learn(self, x: Tensor, rows: Rows) -> None:
        """Count peaks and hits of speakers that choose the threshold."""
        if not self.folded:
            self._count("fit", x, rows, torch.zeros_like(rows.keys))

    def settle(self) -> None:
        """Put those counts aside."""
        if isinstance(held := self.sums.pop("fit", None), Totals):
            self._fit = held.sums.numpy()

    def score(self, x: Tensor, rows: Rows) -> None:
        """Count peaks and hits of speakers that are scored."""
        self._count("score", x, rows, rows.keys)

    def values(self, draw: Draw) -> Iterator[Finding]:
        """All measures, under either nearness, and of the null."""
        held, names = cast("Totals", self.sums["score"]).sums.numpy(), self.target.roles.groups
        if not np.isfinite([held.sum(), self._fit.sum()]).all():
            raise LaminaError("states hold values that are not finite: look for NaN or overflow in the states")
        full = [group for group in range(len(held)) if held[group, -3] > 0]
        if not full or (self.folded and len(full) < 2):
            raise LaminaError("too few speakers have boundaries to choose a threshold on others: use more speech")
        chosen_on = {
            group: held[[g for g in full if g != group]].sum(0) if self.folded else self._fit[0] for group in full
        }
        n = int(held[:, -3].sum())
        weights = draw(names).numpy()
        for labelling in range(self._labellings):
            for nearness, setting in enumerate((f"within {NEAR} ms", "within half a frame")):
                counts = np.zeros((len(held), 4))  # hits, peaks, boundaries, best hits
                for group, others in chosen_on.items():
                    hits, peaks, there, _ = self._parted(others, labelling, nearness)
                    best = int(np.argmax(r_value(hits, peaks, there)))
                    mine = self._parted(held[group], labelling, nearness)
                    counts[group] = mine[0][best], mine[1][best], *mine[2:]
                value, again = (told(each @ counts) for each in (np.ones((1, len(held))), weights))
                yield Finding(value, again, n, names, labelling=labelling, setting=setting)

    def _parted(self, row: Floats, labelling: int, nearness: int) -> tuple[Floats, Floats, float, float]:
        """Hits and peaks by threshold, boundaries and the hits of the best choice of places."""
        curves = row[:-3].reshape(self._labellings, 3, len(LEAST))[labelling]
        return curves[nearness], curves[2], float(row[-3]), float(row[-2 + nearness])

    def _count(self, name: str, x: Tensor, rows: Rows, keys: Tensor) -> None:
        if not len(x):
            return
        edges = torch.nonzero(torch.diff(rows.numbers, prepend=rows.numbers[:1] - 1))[:, 0].tolist()
        made = []
        for begin, end in zip(edges, [*edges[1:], len(x)], strict=True):
            centres = rows.side[0, begin:end].numpy()
            there = self.target.edges[int(rows.numbers[begin])]
            made.append(self._of(x[begin:end].double().numpy(), centres, there))
        cast("Totals", self.sums[name]).put(torch.from_numpy(np.stack(made)), keys[edges])

    def _of(self, states: Floats, centres: Ints, there: Ints) -> Floats:
        """The sums of one utterance."""
        if not np.isfinite(states).all():
            return np.full(self._width, np.nan)
        counts = np.zeros((self._labellings, 3, len(LEAST)))
        places = (centres[:-1] + centres[1:]) / 2
        moved = changes(states, self._side)
        for labelling in range(self._labellings if len(moved) > 2 else 0):
            peaks, prominences = prominent(np.roll(moved, labelling * (len(moved) // 2)))
            for place, least in enumerate(LEAST):
                some = places[peaks[prominences >= least]]
                counts[labelling, :2, place] = [hits(some, there, near) for near in self._near]
                counts[labelling, 2, place] = len(some)
        best = [hits(places, there, near) for near in self._near]
        return np.array([*counts.ravel(), len(there), *best])


def changes(states: Floats, side: int) -> Floats:
    """(frames - 1,) how far the means of ``side`` frames (frames, width) before and after each gap lie apart.

    Every dimension is scaled by its standard deviation; one that does not vary says nothing. At the ends there are
    fewer frames to average.
    """
    spread = states.std(0)
    scaled = np.where(spread > 0, (states - states.mean(0)) / np.where(spread > 0, spread, 1), 0)
    summed = np.concatenate([np.zeros((1, scaled.shape[1])), np.cumsum(scaled, 0)])
    gaps = np.arange(1, len(states))
    first, last = np.maximum(gaps - side, 0), np.minimum(gaps + side, len(states))
    before = (summed[gaps] - summed[first]) / (gaps - first)[:, None]
    after = (summed[last] - summed[gaps]) / (last - gaps)[:, None]
    found: Floats = np.linalg.norm(after - before, axis=1) / np.sqrt(states.shape[1])
    return found


def prominent(curve: Floats) -> tuple[Ints, Floats]:
    """Where a curve has peaks, and how far each stands out, in the curve's standard deviations."""
    from scipy.signal import find_peaks, peak_prominences

    peaks, _ = find_peaks(curve)
    spread = curve.std()
    return peaks, peak_prominences(curve, peaks)[0] / spread if spread > 0 else np.zeros(len(peaks))


def hits(places: Floats, there: Ints, near: float) -> int:
    """How many boundaries match a place, both ascending: each the other's nearest, at most so far apart."""
    if not len(places) or not len(there):
        return 0

    def nearest(of: Floats, among: Floats) -> Ints:
        after = np.clip(np.searchsorted(among, of), 1, max(1, len(among) - 1))
        before = after - 1
        after = np.minimum(after, len(among) - 1)
        return np.where(np.abs(of - among[before]) <= np.abs(among[after] - of), before, after)

    edges = there.astype(np.float64)
    mine = nearest(edges, places)
    mutual = nearest(places, edges)[mine] == np.arange(len(there))
    return int((mutual & (np.abs(places[mine] - there) <= near)).sum())


def r_value(hit: Floats, peaks: Floats, there: Floats | float) -> Floats:
    """The R-value (Räsänen, Laine and Altosaar 2009): 1 where all is found and nothing else; too much costs.

    Args:
        hit: boundaries that were found.
        peaks: how many places were named.
        there: how many boundaries there are.
    """
    recall, over = hit / there, peaks / there - 1
    found: Floats = 1 - (np.hypot(1 - recall, over) + np.abs(recall - 1 - over) / np.sqrt(2)) / 2
    return found


def told(counts: Floats) -> Values:
    """Values of counts (weightings, 4): hits, peaks, boundaries, hits of the best places."""
    hit, peaks, there, best = counts.T
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            "boundary-r": r_value(hit, peaks, there),
            "boundary-f1": 2 * hit / (peaks + there),
            "boundary-precision": hit / peaks,
            "boundary-recall": hit / there,
            "boundary-ceiling": 2 * best / (best + there),
        }
