"""Conclude: from the finished runs of a study to its scores and the effects of its factors. Needs no torch.

A study folder holds ``study.json`` (the resolved design and the run folder of every step), the run folders,
``scores.jsonl`` and ``report/``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamina.errors import LaminaError
from lamina.files import read_json, write_json, write_text
from lamina.runs import Run
from lamina.score import Score, Scores
from lamina.stats.inference import percentile_interval, read_replicates

FORMAT = 1
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Study:
    """What `conclude` needs to know of a study's design.

    Attributes:
        name: of the study.
        factors: the levels of every factor, the one others are compared to first.
        runs: one entry a step: its ``folder``, ``kind``, ``model``, ``seed`` and ``levels``.
        method: everything else that the report's methods section tells.
    """

    name: str
    factors: dict[str, list[str]]
    runs: list[dict[str, Any]]
    method: dict[str, Any]

    def write(self, root: Path) -> None:
        """Write ``study.json``."""
        write_json(
            root / "study.json",
            {
                "format": FORMAT,
                "name": self.name,
                "factors": self.factors,
                "runs": self.runs,
                "method": self.method,
            },
        )

    @classmethod
    def read(cls, root: Path) -> Study:
        """Read ``study.json``.

        Raises:
            LaminaError: the folder is no study folder, or one of another version.
        """
        value = read_json(root / "study.json")
        if not isinstance(value, dict) or value.get("format") != FORMAT:
            raise LaminaError(f"{root} was written by another version of Lamina: run the study again")
        return cls(value["name"], value["factors"], value["runs"], value["method"])


def conclude(root: Path) -> Scores:
    """Gather the scores of all finished runs, add the effects, write ``scores.jsonl`` and ``scores.csv``.

    Raises:
        LaminaError: no run of the study is done.
    """
    study = Study.read(root)
    done = [run for run in study.runs if (root / run["folder"] / "done").is_file()]
    with_scores = [run for run in done if (root / run["folder"] / "scores.jsonl").is_file()]
    if not with_scores:
        raise LaminaError(f"no run in {root} has scores yet: `lamina study run` makes them")
    scores = Scores(
        row for run in with_scores for row in Scores.read(root / run["folder"] / "scores.jsonl")
    ).with_columns(study=study.name)
    scores += effects(study, root, scores)
    scores.write(root / "scores.jsonl")
    write_text(root / "scores.csv", scores.to_csv())
    return scores


def report_study(root: Path) -> Path:
    """Conclude from the finished runs in ``root`` and write its report; returns the page."""
    from lamina.report.page import write_report

    scores = conclude(root)
    study = Study.read(root)
    method = study.method | {"runs": {run["folder"]: _seconds(root / run["folder"]) for run in study.runs}}
    return write_report(scores, root / "report", title=f"Study: {study.name}", method=method)


def _seconds(folder: Path) -> float | None:
    """How long a run took; None where it is not done."""
    told = Run.read(folder).last_log() if (folder / "done").is_file() else {}
    return told.get("seconds")


@dataclass(frozen=True)
class Outcome:
    """One number a cell, with its bootstrap replicates over speakers (the same speakers for every cell)."""

    value: float
    replicates: Floats


def effects(study: Study, root: Path, scores: Scores) -> Scores:
    """Main effects and two-way interactions of the factors on every measure, at the best tap and on average.

    A main effect is the mean, over all levels of the other factors and over seeds, of the outcome at a level less
    the outcome at the factor's first level; an interaction of two factors of two levels is the difference between
    the effects of one at the two levels of the other. Intervals resample speakers, the same ones in every cell, so
    what speakers have in common cancels. They do not speak of seeds.
    """
    cells = [run for run in study.runs if run["kind"] == "analysis" and run["levels"]]
    replicates = {
        run["folder"]: read_replicates(root / run["folder"])
        for run in cells
        if (root / run["folder"] / "done").is_file()
    }
    if len(replicates) < len(cells):
        return Scores()  # a factorial with a missing cell has no main effects; the report says which run failed
    rows = []
    trained = scores.select(lambda row: bool(row.tap), control="")
    for measure, target in dict.fromkeys((row.measure, row.target) for row in trained):
        for statistic in ("best", "mean"):
            outcomes: dict[tuple[str, ...], list[Outcome]] = {}
            example: Score | None = None
            for run in cells:
                here = trained.select(run=Path(run["folder"]).name, measure=measure, target=target)
                found = _outcome(here, replicates[run["folder"]], statistic)
                if found is not None:
                    example = here[0]
                    outcomes.setdefault(tuple(run["levels"][factor] for factor in study.factors), []).append(found)
            if example is None or len(outcomes) < len(list(product(*study.factors.values()))):
                continue
            means = {levels: _mean(found) for levels, found in outcomes.items()}
            rows += [_row(name, effect, statistic, example) for name, effect in _contrasts(study.factors, means)]
    return Scores(rows)


def _outcome(rows: Scores, replicates: Mapping[str, Floats], statistic: str) -> Outcome | None:
    """A cell's outcome over its taps behind the front end: best or mean; None where none was resampled."""
    found = {row: replicates.get(f"{row.tap}|{row.measure}|{row.target}") for row in rows if row.depth > 0}
    rows = Scores(row for row, drawn in found.items() if drawn is not None)
    table = [drawn for drawn in found.values() if drawn is not None]
    if not table:
        return None
    values = np.array([row.value for row in rows])
    # In every replicate the best tap is chosen anew, so that the choice is part of the uncertainty.
    reduce = np.max if statistic == "best" else np.mean
    return Outcome(float(reduce(values)), reduce(np.array(table), axis=0))


def _mean(outcomes: Sequence[Outcome]) -> Outcome:
    return Outcome(
        float(np.mean([each.value for each in outcomes])), np.mean([each.replicates for each in outcomes], axis=0)
    )


def _contrasts(
    factors: Mapping[str, Sequence[str]], means: Mapping[tuple[str, ...], Outcome]
) -> Iterator[tuple[str, Outcome]]:
    """Every main effect and every interaction of two two-level factors, by name."""
    names = list(factors)

    def average(**fixed: str) -> Outcome:
        return _mean(
            [
                outcome
                for levels, outcome in means.items()
                if all(levels[names.index(name)] == level for name, level in fixed.items())
            ]
        )

    for name, (first, *others) in factors.items():
        for level in others:
            label = name if len(others) == 1 else f"{name}={level}"
            yield label, _minus(average(**{name: level}), average(**{name: first}))
    for one, two in combinations([name for name, levels in factors.items() if len(levels) == 2], 2):
        (a0, a1), (b0, b1) = factors[one], factors[two]
        at_b1 = _minus(average(**{one: a1, two: b1}), average(**{one: a0, two: b1}))
        at_b0 = _minus(average(**{one: a1, two: b0}), average(**{one: a0, two: b0}))
        yield f"{one} x {two}", _minus(at_b1, at_b0)


def _minus(left: Outcome, right: Outcome) -> Outcome:
    return Outcome(left.value - right.value, left.replicates - right.replicates)


def _row(name: str, effect: Outcome, statistic: str, example: Score) -> Score:
    low, high = percentile_interval(effect.replicates)
    return Score(
        study=example.study,
        run="conclude",
        model=f"effect:{name}",
        tap=statistic,
        depth=0,
        period_ms=0.0,
        measure=example.measure,
        target=example.target,
        value=effect.value,
        unit="difference",
        low=low,
        high=high,
        n=example.n,
        split=example.split,
        seed=example.seed,
        protocol=example.protocol,
        support=example.support,
        control="",
    )
