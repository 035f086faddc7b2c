"""Effects: from the scores of all cells to differences with errors over seeds and speakers. Needs no torch.

A difference is a weighted sum over models: +1 over the cells at a level, -1 over those at the first level. Each
model gives one number a seed, read at a place (`lamina.study.outcomes`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lamina.measures import EXPLAINS, find_measure
from lamina.score import MAJORITY, SHUFFLED, Score, Scores
from lamina.stats.inference import Estimate, Replicates, over_seeds_and_speakers, read_replicates
from lamina.stats.power import Components, components
from lamina.study.contrasts import Weights
from lamina.study.outcomes import CHOSEN_AT, Choice, Profile, pairs_of, read_at
from lamina.study.record import TRAINING, Study, StudyRun

Floats = NDArray[np.float64]
REPLICATES = "replicates.npz"


@dataclass(frozen=True, eq=False)
class Contrast:
    """A weighted sum of outcomes.

    Attributes:
        values: (seeds,) with each seed.
        drawn: (seeds, replicates) the same with resampled speakers; no columns where none were.
        speakers: how many were resampled; 0 where none were.
        exact: whether it was counted, so that chance has no part in it.
        chosen: who chose the layers: ``crossed``, ``scored``, or nobody.
    """

    values: Floats
    drawn: Floats
    speakers: int
    exact: bool = False
    chosen: str = ""

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
        choice: who chooses layers, see the module.
    """

    def __init__(
        self, study: Study, root: Path, runs: Sequence[StudyRun], scores: Scores, choice: Choice = "crossed"
    ) -> None:
        self.study, self._choice = study, choice
        whose = [run.subject for run in study.runs]
        self.cells = {each.model: each.levels for each in whose if each.levels}
        self._serves_all = {each.model for each in whose if each.every_seed}
        # Each run tells its most frequent class, too: the same for every cell, no outcome of any.
        own = [row for row in scores if row.control not in (SHUFFLED, MAJORITY)]
        by_run: dict[str, list[Score]] = {}
        for row in own:
            by_run.setdefault(row.run, []).append(row)
        self._rows: dict[str, dict[int, list[Score]]] = {}
        self._drawn: dict[str, Replicates] = {}
        self._corpora = {run.folder: run.corpus or TRAINING for run in study.runs}
        for run in runs:
            model, seed, folder = run.subject.model, run.subject.seed, root / run.folder
            self._rows.setdefault(model, {}).setdefault(seed, []).extend(by_run.get(run.folder, ()))
            if (folder / REPLICATES).is_file():
                self._drawn[run.folder] = read_replicates(folder)

    def kinds(self) -> list[Score]:
        """One example row a measure, target and set of rules that the cells have at taps."""
        found: dict[tuple[str, ...], Score] = {}
        for model in self.cells:
            for rows in self._rows.get(model, {}).values():
                for row in rows:
                    if is_layered(row.measure):
                        found.setdefault(_rules(row), row)
        return list(found.values())

    def corpus(self, row: Score) -> str:
        """Which corpus a row was read from."""
        return self._corpora.get(row.run, TRAINING)

    def examples(self, measure: str, target: str, seconds: float, models: Iterable[str]) -> dict[str, Score]:
        """By corpus, a row of that measure and target of any of these models, read plainly where one is.

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
        told: dict[str, Score] = {}
        for row in sorted(found, key=lambda row: not row.plain):
            told.setdefault(self.corpus(row), row)
        return told

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
        known = Replicates()
        for run in dict.fromkeys(row.run for row in rows):
            known.join(self._drawn.get(run, Replicates()))
        drawn = [known.get(row.key) for row in rows]
        table = [each for each in drawn if each is not None]
        whole = len(table) == len(rows) and np.isfinite(table).any()
        speakers = min((known.groups[row.key] for row in rows), default=0) if whole else 0
        none = np.zeros((len(rows), 0))
        halves = np.array([known.halves[row.key] for row in rows]) if whole else none
        return Profile(tuple(rows), np.array(table) if whole else none, halves, speakers)

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
        chosen = self._chosen(readings) if at in CHOSEN_AT else ""
        outcomes = read_at(readings, at, layer, crossed=chosen == "crossed")
        values = sum((weight * outcomes[model].values for model, weight in weights.items()), np.zeros(len(seeds)))
        if not all(outcome.drawn.shape[1] for outcome in outcomes.values()):
            return Contrast(values, none, 0, chosen=chosen)
        drawn = sum((weight * outcomes[model].drawn for model, weight in weights.items()), np.zeros(()))
        speakers = min(reading.speakers for found in readings.values() for reading in found)
        return Contrast(values, drawn, speakers, chosen=chosen)

    def pooled(self, weights: Weights, likes: Sequence[Score], at: str, layer: int = 0) -> Contrast | None:
        """The mean over corpora of a weighted sum of outcomes, corpora counting alike; None where one lacks.

        Seeds are the same in all, so what a seed moves stays; speakers are others, so their errors are
        independent. Degrees of freedom are those of the corpus with fewest speakers.

        Args:
            weights: of the models.
            likes: a row a corpus.
            at: where models are read.
            layer: for ``layer``.
        """
        found = [self.difference(weights, like, at, layer) for like in likes]
        told = [each for each in found if each is not None]
        if len(told) < len(found) or not told or len({each.seeds for each in told}) > 1:
            return None
        widths = {each.drawn.shape[1] for each in told}
        drawn = np.mean([each.drawn for each in told], axis=0) if len(widths) == 1 else told[0].drawn[:, :0]
        who = dict.fromkeys(each.chosen for each in told)
        return Contrast(
            np.mean([each.values for each in told], axis=0),
            drawn,
            min(each.speakers for each in told) if drawn.shape[1] else 0,
            exact=all(each.exact for each in told),
            chosen="scored" if "scored" in who else next(iter(who)),
        )

    def _chosen(self, readings: Mapping[str, Sequence[Profile]]) -> Choice:
        """Who chooses layers: other speakers than those that score, where all of these tell halves."""
        told = all(pairs_of(reading.halves).shape[1] for found in readings.values() for reading in found)
        return self._choice if told else "scored"


def is_layered(measure: str) -> bool:
    """Whether a measure is an outcome that is read at layers; those that explain a probe are no outcomes."""
    found = find_measure(measure)
    return found.of == "layer" and found.rank < EXPLAINS


def _rules(row: Score) -> tuple[str, ...]:
    return row.measure, row.target, row.part, *row.way


def layers_of(outcomes: Outcomes, weights: Weights, like: Score) -> int:
    """How many layers all these models can be read at; 0 where one has no scores."""
    seeds = outcomes.seeds(weights, like)
    found = [outcomes.reading(model, seed, like) for model in weights for seed in seeds]
    return min((len(reading.layers) for reading in found if reading), default=0)
