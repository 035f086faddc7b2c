"""Outcomes: one number a seed of each model, read at one of these places. Needs no torch.

- ``best``: its best tap behind the front end;
- ``matched``: all models at one depth, that at which they are best on average;
- ``mean``: the mean over its transformer layers;
- ``layer``: one layer, the same in all models (no claim is judged there, it is for pictures);
- ``whole``: scores of a whole encoder (costs, masked prediction).

Who chooses the tap of ``best`` and ``matched`` does not score it (``crossed``): one half of the speakers chooses,
the other scores, and the other way round, over ten halvings. A tap that only luck made best gains nothing. Where
halves were not told, or ``scored`` is asked for, the scored speakers choose, anew in every resample.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lamina.measures import find_measure
from lamina.score import Score

Floats = NDArray[np.float64]
PLACES = ("best", "matched", "mean")
CHOSEN_AT = ("best", "matched")
Choice = Literal["crossed", "scored"]


@dataclass(frozen=True, eq=False)
class Profile:
    """The scores of one model with one seed, by tap in the order of depth.

    Attributes:
        rows: the scores.
        drawn: (taps, replicates) the same with resampled speakers; no columns where none were.
        halves: (taps, halves) the same on half of the speakers (`lamina.stats.inference.halvings`).
        speakers: how many were resampled, the fewest of any tap; 0 where unknown.
    """

    rows: tuple[Score, ...]
    drawn: Floats
    halves: Floats
    speakers: int = 0

    @property
    def values(self) -> Floats:
        """(taps,) values."""
        return np.array([row.value for row in self.rows])

    @property
    def layers(self) -> list[int]:
        """Which taps are transformer layers; all where none is, as of MFCC."""
        found = [place for place, row in enumerate(self.rows) if row.layer is not None]
        return found or list(range(len(self.rows)))


@dataclass(frozen=True, eq=False)
class Outcome:
    """One number a seed of one model: (seeds,) values and (seeds, replicates) resampled ones."""

    values: Floats
    drawn: Floats


def read_at(
    readings: Mapping[str, Sequence[Profile]], at: str, layer: int = 0, *, crossed: bool = False
) -> dict[str, Outcome]:
    """The outcome of every model at ``best``, ``matched``, ``mean``, ``layer`` or ``whole`` (see the module).

    Where one lacks resampled values, or has another number of them, none has any: they could not be paired.
    """
    if len({reading.drawn.shape[1] for found in readings.values() for reading in found}) > 1:
        readings = {
            model: [replace(reading, drawn=reading.drawn[:, :0]) for reading in found]
            for model, found in readings.items()
        }
    lower = find_measure(next(found[0].rows[0].measure for found in readings.values())).better == "lower"
    sign = -1 if lower else 1
    if at == "best" and crossed:
        return {
            model: _joined([_held_out(each, sign * each.halves) for each in found])
            for model, found in readings.items()
        }
    if at in ("best", "whole"):
        return {
            model: _outcome(found, lambda _, table: (table.min if lower else table.max)(axis=0))
            for model, found in readings.items()
        }
    if at == "mean":
        return {
            model: _outcome(found, lambda reading, table: table[reading.layers].mean(axis=0))
            for model, found in readings.items()
        }
    # Layers at equal shares of the depth: layer 2 of 6 is held against layer 4 of 12.
    least = min(len(reading.layers) for found in readings.values() for reading in found)
    lined = {model: [_lined(reading, least) for reading in found] for model, found in readings.items()}
    if at == "layer":
        return {model: _outcome(found, lambda _, table: table[layer]) for model, found in lined.items()}

    def together(tables: str) -> Floats:
        """(layers, …) the mean over models of their means over seeds, more being better."""
        means = [np.mean([getattr(each, tables) for each in found], axis=0) for found in lined.values()]
        return np.asarray(sign * np.mean(means, axis=0))

    if crossed:
        votes = together("halves")
        return {model: _joined([_held_out(each, votes) for each in found]) for model, found in lined.items()}
    top = together("values").argmax()
    tops = together("drawn").argmax(axis=0)
    return {
        model: Outcome(
            np.array([each.values[top] for each in found]),
            np.array([np.take_along_axis(each.drawn, tops[None, :], axis=0)[0] for each in found]),
        )
        for model, found in lined.items()
    }


def pairs_of(halves: Floats) -> Floats:
    """(taps, halvings, 2) the values on halves, a pair a halving, of those that all taps tell."""
    pairs = halves.reshape(len(halves), -1, 2)
    return pairs[:, np.isfinite(pairs).all(axis=(0, 2))]


def _held_out(reading: Profile, votes: Floats) -> tuple[float, Floats]:
    """The value, and resampled ones, at taps that each half of the speakers chooses and the other half scores.

    What is told is the value on all speakers at the chosen tap, moved by half of what the scoring half is above
    the choosing half: the scoring half's value where a measure is a mean over speakers. So measures that grow with
    few items (mutual information) are not told from halves. Resampled values stray as those at the
    chosen taps do.

    Args:
        reading: of one model and seed.
        votes: (taps, halves) what halves choose by, more being better.
    """
    pairs = reading.halves.reshape(len(reading.rows), -1, 2)
    ballots = votes.reshape(len(votes), -1, 2)
    usable = np.isfinite(pairs).all(axis=(0, 2)) & np.isfinite(ballots).all(axis=(0, 2))
    tops = ballots[:, usable].argmax(axis=0)  # (halvings, 2)
    pairs, pair = pairs[:, usable], np.arange(len(tops))
    found = [
        reading.values[tops[:, half]]
        + (pairs[tops[:, half], pair, 1 - half] - pairs[tops[:, half], pair, half]) / 2
        for half in (0, 1)
    ]
    value, taps = float(np.mean(found)), tops.ravel()
    # Each resample sees one choice: their mean would spread less than any layer does.
    turn = taps[np.arange(reading.drawn.shape[1]) % len(taps)]
    strays = reading.drawn[turn, np.arange(len(turn))] - reading.values[turn]
    return value, value + strays


def _joined(found: Sequence[tuple[float, Floats]]) -> Outcome:
    return Outcome(np.array([value for value, _ in found]), np.array([drawn for _, drawn in found]))


def _lined(reading: Profile, count: int) -> Profile:
    """The reading at ``count`` of its layers."""
    places = _spaced(reading.layers, count)
    rows = tuple(reading.rows[place] for place in places)
    return replace(reading, rows=rows, drawn=reading.drawn[places], halves=reading.halves[places])


def _outcome(found: Sequence[Profile], reduce: Any) -> Outcome:
    values = np.array([reduce(reading, reading.values) for reading in found])
    return Outcome(values, np.array([reduce(reading, reading.drawn) for reading in found]))


def _spaced(layers: Sequence[int], count: int) -> list[int]:
    """``count`` of the layers, evenly spaced, the last among them."""
    return [layers[-(-(place + 1) * len(layers) // count) - 1] for place in range(count)]
