"""From what searches found to rows of scores, with intervals from resampling speakers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamina.encoders.encoder import Tap
from lamina.measures import LAYER_NORM, LAYER_WEIGHT, find_measure
from lamina.probe.classes import Classes
from lamina.probe.config import ProbeConfig
from lamina.probe.search import Found, Job
from lamina.score import MAJORITY, WEIGHTED, Score, Scores, phones_by
from lamina.stats.inference import Replicates, draw_name, halvings, interval, resample_weights

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class RowMaker:
    """Makes rows; what all of them share.

    Attributes:
        model, run, control: those columns.
        config: how was probed.
        phone_map: by which the corpus's phones were folded, or empty.
    """

    model: str
    run: str
    control: str
    config: ProbeConfig
    phone_map: str = ""

    def scores(
        self, jobs: Sequence[Job], found: Sequence[Found], head: str, broken: frozenset[str] = frozenset()
    ) -> tuple[Scores, Replicates]:
        """The rows of one head of one task at one group of taps, and their resamples by ``tap|measure|target``.

        ``broken`` names taps that have no row, for their states are not finite.

        A value is the mean over folds and seeds; its interval resamples the speakers of all folds at once
        (utterances where there is one speaker only), the same ones in every fold, seed and encoder. In a resample
        a fold counts as often as its speakers were drawn, so folds of one speaker spread, too.
        """
        rows, replicates = [], Replicates()
        group = jobs[0].group
        whose = _whose(jobs)
        names = sorted({name for own in whose for name in own})
        groups = len(names)
        weights = resample_weights(names, replicates=self.config.replicates, seed=self.config.seed)
        draw = draw_name(*(weights[:, np.isin(names, own)] for own in whose))
        both = np.concatenate([weights, halvings(names)])
        weights_of = [both[:, np.isin(names, own)] for own in whose]
        for pick, measure in found[0].tallies:
            if pick is not None and group.taps[pick].name in broken:
                continue
            folds = [each.tallies[pick, measure] for each in found]
            resampled = [
                np.mean([tally.resampled(weights, own) for tally in fold], axis=0)
                for fold, weights, own in zip(folds, weights_of, whose, strict=True)
            ]
            drawn, halves = np.split(_over_folds(resampled, weights_of), [len(weights)])
            value = float(np.mean([tally.value() for fold in folds for tally in fold]))
            low, high = find_measure(measure).bounded(*interval(value, drawn, groups=groups))
            deepest = max(each.depth for each in group.taps)
            summed = {"layers": WEIGHTED, "depth": deepest, "period_ms": group.grid.period_ms}
            row = self._row(
                jobs[0],
                **(summed if pick is None else group.taps[pick].columns),
                measure=measure,
                value=value,
                low=low,
                high=high,
                n=sum(fold[0].n for fold in folds),
                split=jobs[0].parts.split,
                head=head,
            )
            rows.append(row)
            replicates.put(row.key, drawn, groups, draw, halves)
        sums = [(each.weights, each.norms) for each in found if each.weights is not None]
        if sums:
            mean = np.mean(sums, axis=0)  # over folds
            for measure, values in zip((LAYER_WEIGHT, LAYER_NORM), mean, strict=True):
                rows += [
                    self._layer(jobs[0], head, measure, *each) for each in zip(group.taps, values, strict=True)
                ]
        return Scores(rows), replicates

    def _layer(self, job: Job, head: str, measure: str, tap: Tap, value: float) -> Score:
        """How much a tap counts in the weighted sum, or how long its vectors are."""
        return self._row(
            job,
            **tap.columns,
            measure=measure,
            value=float(value),
            n=len(job.parts.train),
            split="train",
            head=head,
        )

    def majority(self, jobs: Sequence[Job]) -> list[Score]:
        """Always the most frequent class of train: a row for each task of classes."""
        rows = []
        for name in dict.fromkeys(job.task.name for job in jobs):
            own = [job for job in jobs if job.task.name == name]
            told = [
                job.objective.majority(job.parts)
                for job in own
                if job.group is own[0].group and isinstance(job.objective, Classes)
            ]
            for measure in told[0] if told else ():
                tallies = [each[measure] for each in told]
                row = self._row(
                    own[0],
                    model=MAJORITY,
                    control=MAJORITY,
                    measure=measure,
                    value=float(np.mean([tally.value() for tally in tallies])),
                    n=sum(tally.n for tally in tallies),
                    split=own[0].parts.split,
                )
                rows.append(row)
        return rows

    def _row(self, job: Job, **values: Any) -> Score:
        phones = job.task.phones and not self.config.lexicon
        base: dict[str, Any] = {
            "run": self.run,
            "model": self.model,
            "target": job.task.name,
            "items": "segments" if job.task.tier else job.objective.items,
            "seed": self.config.seed,
            "protocol": self.config.protocol,
            "support": "common",
            "control": self.control,
            "setting": phones_by(self.phone_map, "phone" if phones else job.task.tier),
        }
        return Score(**(base | values))


def _whose(jobs: Sequence[Job]) -> list[list[str]]:
    """By fold, whom each test example is of: its speaker; its utterance where all are of one speaker."""
    whose = [[one.utterance.speaker for one in job.parts.test] for job in jobs]
    if len({name for own in whose for name in own}) < 2:
        whose = [[one.utterance.id for one in job.parts.test] for job in jobs]
    return whose


def _over_folds(resampled: Sequence[Floats], weights: Sequence[Floats]) -> Floats:
    """The mean over folds in each resample, (replicates,): a fold counts by how often its speakers were drawn.

    So a fold of which nobody was drawn does not count, and with equal folds the mean over folds is the mean over
    speakers, whose bootstrap is known.
    """
    counts = np.stack([own.mean(1) for own in weights])
    values = np.where(counts > 0, np.stack(resampled), 0.0)
    over: Floats = (counts * values).sum(0) / counts.sum(0)
    return over
