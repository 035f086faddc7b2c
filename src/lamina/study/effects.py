"""Effects: from the scores of all cells to differences with errors over seeds and speakers. Needs no torch.

A difference is a weighted sum over models: +1 over the cells at a level, -1 over those at the first level. Each
model gives one number a seed, read at one of these places:

- ``best``: its best tap behind the front end, chosen anew in every resample, so that the choice is part of the
  uncertainty;
- ``matched``: all models at one depth, that at which they are best on average (chosen anew, too);
- ``mean``: the mean over its transformer layers;
- ``layer``: one layer, the same in all models (no claim is judged there, it is for pictures);
- ``whole``: scores of a whole encoder (costs, masked prediction).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamina.measures import EXPLAINS, find_measure
from lamina.score import MAJORITY, SHUFFLED, Score, Scores
from lamina.stats.inference import Estimate, Replicates, over_seeds_and_speakers, read_replicates
from lamina.stats.power import Components, components
from lamina.study.contrasts import Weights
from lamina.study.record import Study, StudyRun

Floats = NDArray[np.float64]
PLACES = ("best", "matched", "mean")
REPLICATES = "replicates.npz"


@dataclass(frozen=True, eq=False)
class Profile:
    """The scores of one model with one seed, by tap in the order of depth.

    Attributes:
        rows: the scores.
        drawn: (taps, replicates) the same with resampled speakers; no columns where none were.
        speakers: how many were resampled, the fewest of any tap; 0 where unknown.
    """

    rows: tuple[Score, ...]
    drawn: Floats
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


@dataclass(frozen=True, eq=False)
class Contrast:
    """A weighted sum of outcomes.

    Attributes:
        values: (seeds,) with each seed.
        drawn: (seeds, replicates) the same with resampled speakers; no columns where none were.
        speakers: how many were resampled; 0 where none were.
        exact: whether it was counted, so that chance has no part in it.
    """

    values: Floats
    drawn: Floats
    speakers: int
    exact: bool = False

    @property
    def seeds(self) -> int:
        """How many seeds it rests on."""
        return len(self.values)

    @property
    def estimate(self) -> Estimate:
        """Its mean, and how sure that is."""
        if self.exact:
            return Estimate(float(self.values.mean()), 0.0, exact=True)
        return over_seeds_and_speakers(self.values, self.drawn, speakers=self.speakers)

    @property
    def components(self) -> Components:
        """The variances behind it."""
        return components(self.values, self.drawn, speakers=self.speakers)


class Outcomes:
    """All scores of a study, by model and seed, ready to be compared.

    Args:
        study: the design.
        root: the study folder.
        runs: its finished runs with scores.
        scores: their scores.
    """

    def __init__(self, study: Study, root: Path, runs: Sequence[StudyRun], scores: Scores) -> None:
        self.study = study
        whose = [run.subject for run in study.runs]
        self.cells = {each.model: each.levels for each in whose if each.levels}
        self._serves_all = {each.model for each in whose if each.every_seed}
        # Each run tells its most frequent class, too: the same for every cell, no outcome of any.
        own = [row for row in scores if row.control not in (SHUFFLED, MAJORITY)]
        by_run: dict[str, list[Score]] = {}
        for row in own:
            by_run.setdefault(row.run, []).append(row)
        self._rows: dict[str, dict[int, list[Score]]] = {}
        self._drawn: dict[tuple[str, int], Replicates] = {}
        for run in runs:
            model, seed, folder = run.subject.model, run.subject.seed, root / run.folder
            self._rows.setdefault(model, {}).setdefault(seed, []).extend(by_run.get(run.folder, ()))
            if (folder / REPLICATES).is_file():
                self._drawn.setdefault((model, seed), Replicates()).join(read_replicates(folder))

    def kinds(self) -> list[Score]:
        """One example row a measure, target and set of rules that the cells have at taps."""
        found: dict[tuple[str, ...], Score] = {}
        for model in self.cells:
            for rows in self._rows.get(model, {}).values():
                for row in rows:
                    if is_layered(row.measure):
                        found.setdefault(_rules(row), row)
        return list(found.values())

    def example(self, measure: str, target: str, seconds: float, models: Iterable[str]) -> Score | None:
        """A row of that measure and target of any of these models, read plainly where one is; None without any.

        Args:
            measure: its name.
            target: of scores at layers, and of masked prediction.
            seconds: length of audio, of costs.
            models: by name.
        """
        found = [
            row
            for model in models
            for rows in self._rows.get(model, {}).values()
            for row in rows
            if (row.measure, row.target, row.seconds, row.part) == (measure, target, seconds, "")
        ]
        return min(found, key=lambda row: not row.plain, default=None)

    def reading(self, model: str, seed: int, like: Score) -> Profile | None:
        """The rows of one model and seed under the rules of ``like``; None where there are none."""
        seeds = self._rows.get(model, {})
        if model in self._serves_all and seeds:
            seed = min(seeds)
        rows = [row for row in seeds.get(seed, ()) if _rules(row) == _rules(like)]
        if not is_layered(
            like.measure
        ):  # masked prediction: the finest level alone, a coarse one names other units
            rows = sorted(rows, key=lambda row: row.period_ms)[:1]
        elif len(rows) > 1:
            rows = sorted((row for row in rows if row.depth > 0), key=lambda row: row.depth)
        if not rows:
            return None
        known = self._drawn.get((model, seed), Replicates())
        drawn = [known.get(row.key) for row in rows]
        table = [each for each in drawn if each is not None]
        whole = len(table) == len(rows) and np.isfinite(table).any()
        speakers = min((known.groups[row.key] for row in rows), default=0) if whole else 0
        return Profile(tuple(rows), np.array(table) if whole else np.zeros((len(rows), 0)), speakers)

    def seeds(self, models: Iterable[str], like: Score) -> list[int]:
        """The seeds with which every one of these models has scores like ``like``."""
        models = list(models)
        alone = [model for model in models if model not in self._serves_all]
        asked = alone or models
        return [
            seed
            for seed in sorted(self._rows.get(asked[0], {}) if asked else ())
            if all(self.reading(model, seed, like) for model in models)
        ]

    def difference(self, weights: Weights, like: Score, at: str, layer: int = 0) -> Contrast | None:
        """The weighted sum of outcomes; None where a model lacks.

        Args:
            weights: of the models.
            like: a row of the measure, target and rules.
            at: where models are read, see the module.
            layer: for ``layer``, counted from 0.
        """
        seeds = self.seeds(weights, like)
        if not seeds:
            return None
        readings = {
            model: [reading for seed in seeds if (reading := self.reading(model, seed, like))] for model in weights
        }
        none = np.zeros((len(seeds), 0))
        if find_measure(like.measure).counted:
            total = sum(weight * readings[model][0].values.max() for model, weight in weights.items())
            return Contrast(np.full(len(seeds), float(total)), none, 0, exact=True)
        outcomes = read_at(readings, at, layer)
        values = sum((weight * outcomes[model].values for model, weight in weights.items()), np.zeros(len(seeds)))
        if not all(outcome.drawn.shape[1] for outcome in outcomes.values()):
            return Contrast(values, none, 0)
        drawn = sum((weight * outcomes[model].drawn for model, weight in weights.items()), np.zeros(()))
        speakers = min(reading.speakers for found in readings.values() for reading in found)
        return Contrast(values, drawn, speakers)


def is_layered(measure: str) -> bool:
    """Whether a measure is an outcome that is read at layers; those that explain a probe are no outcomes."""
    found = find_measure(measure)
    return found.of == "layer" and found.rank < EXPLAINS


def _rules(row: Score) -> tuple[str, ...]:
    return row.measure, row.target, row.part, *row.way


def read_at(readings: Mapping[str, Sequence[Profile]], at: str, layer: int = 0) -> dict[str, Outcome]:
    """The outcome of every model at ``best``, ``matched``, ``mean``, ``layer`` or ``whole`` (see the module).

    Where one lacks resampled values, or has another number of them, none has any: they could not be paired.
    """
    if len({reading.drawn.shape[1] for found in readings.values() for reading in found}) > 1:
        readings = {
            model: [replace(reading, drawn=reading.drawn[:, :0]) for reading in found]
            for model, found in readings.items()
        }
    lower = find_measure(next(found[0].rows[0].measure for found in readings.values())).better == "lower"
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
    lined = {
        model: _outcome(found, lambda reading, table: table[_spaced(reading.layers, least)])
        for model, found in readings.items()
    }
    if at == "layer":
        return {model: Outcome(each.values[:, layer], each.drawn[:, layer]) for model, each in lined.items()}
    sign = -1 if lower else 1
    top = (sign * np.mean([each.values.mean(axis=0) for each in lined.values()], axis=0)).argmax()
    outcomes = {}
    for model, each in lined.items():
        drawn = each.drawn[:, 0]
        if drawn.shape[1]:
            tops = (sign * np.mean([other.drawn.mean(axis=0) for other in lined.values()], axis=0)).argmax(axis=0)
            drawn = np.take_along_axis(each.drawn, tops[None, None, :], axis=1)[:, 0]
        outcomes[model] = Outcome(each.values[:, top], drawn)
    return outcomes


def _outcome(found: Sequence[Profile], reduce: Any) -> Outcome:
    values = np.array([reduce(reading, reading.values) for reading in found])
    return Outcome(values, np.array([reduce(reading, reading.drawn) for reading in found]))


def _spaced(layers: Sequence[int], count: int) -> list[int]:
    """``count`` of the layers, evenly spaced, the last among them."""
    return [layers[-(-(place + 1) * len(layers) // count) - 1] for place in range(count)]


def layers_of(outcomes: Outcomes, weights: Weights, like: Score) -> int:
    """How many layers all these models can be read at; 0 where one has no scores."""
    seeds = outcomes.seeds(weights, like)
    found = [outcomes.reading(model, seed, like) for model in weights for seed in seeds]
    return min((len(reading.layers) for reading in found if reading), default=0)
