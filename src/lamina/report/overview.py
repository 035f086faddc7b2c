"""All that a page shows, sorted: comparisons of curves, effects, costs, whole encoders; and how each is drawn.

The rows say what they are (`lamina.score.Score`), the table of measures (`lamina.measures`) what each measure is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from lamina.effect import Effect
from lamina.measures import family, find_measure
from lamina.report.comparison import Comparison, comparisons, grouped
from lamina.report.style import Line, lines, shapes
from lamina.report.trained import Trained
from lamina.score import MAJORITY, UNTRAINED, Score, Scores

COSTS = family("cost")


@dataclass(frozen=True, slots=True)
class Overview:
    """All that a page shows.

    Attributes:
        comparisons: the curves.
        effects: what factors change.
        costs: of whole encoders.
        sums: of several layers together, and of the commonest class where no comparison has it.
        whole: of whole encoders, and of masked prediction.
        trained: the training runs.
        labels: what factors are called.
        notes: what runs noted, by model, or by run where no row says whose it is.
        models: the encoders that the page compares; neither controls nor references.
        looks: how each series is drawn, everywhere.
        shapes: of markers, by frame period, the finest first.
    """

    comparisons: tuple[Comparison, ...]
    effects: tuple[Effect, ...]
    costs: Scores
    sums: Scores
    whole: Scores
    trained: tuple[Trained, ...]
    labels: Mapping[str, str]
    notes: Mapping[str, Sequence[str]]
    models: tuple[str, ...]
    looks: Mapping[str, Line]
    shapes: Mapping[float, str]

    @property
    def ranked(self) -> list[Comparison]:
        """The comparisons of measures that stand first and in which one value is better than another."""
        return [each for each in self.comparisons if each.ranked and each.measure.rank == 1]

    def series(self, model: str, control: str = "") -> str:
        """The series of a model that is told by its name alone, or of its control."""
        kinds = (control or "model", UNTRAINED, "reference")
        return next((name for kind in kinds if (name := f"{kind}:{model}") in self.looks), f"model:{model}")

    def lacking(self, comparison: Comparison) -> dict[str, str]:
        """The encoders that a comparison is without, and why: other rules, or what their notes say of it."""
        measure, target = comparison.measure, comparison.target
        same = [each for each in self.comparisons if (each.measure, each.target) == (measure, target)]
        elsewhere = {curve.model: each.rules for each in same for curve in each.curves}
        words = {measure.family, measure.name, measure.label, target}
        others = {each.target for each in self.comparisons} - {target}

        def told(note: str) -> bool:
            # A note on another target says nothing of this one.
            return _mentions(note, words) and (_mentions(note, {target}) or not _mentions(note, others))

        return {
            model: f"read otherwise: {elsewhere[model]}"
            if model in elsewhere
            else "; ".join(filter(told, self.notes.get(model, ())))
            for model in self.models
            if model not in {curve.model for curve in comparison.curves}
        }


def _mentions(note: str, words: Iterable[str]) -> bool:
    plain = "".join(letter if letter.isalnum() or letter == "-" else " " for letter in note.lower())
    return any(f" {word.lower()} " in f" {' '.join(plain.split())} " for word in words if word)


def overview(
    scores: Scores,
    *,
    effects: Iterable[Effect] = (),
    trained: Iterable[Trained] = (),
    labels: Mapping[str, str] | None = None,
    notes: Mapping[str, Sequence[str]] | None = None,
) -> Overview:
    """Sort rows into what the page shows.

    Args:
        scores: any rows.
        effects: what a study found.
        trained: its training runs.
        labels: what factors are called, by name.
        notes: what runs noted, by run or by model.
    """
    trained, effects = tuple(trained), tuple(effects)
    costs = scores.select(lambda row: row.measure in COSTS and not row.part)
    others = scores.select(lambda row: row.measure not in COSTS)
    points = others.select(_is_point)
    groups = grouped(points, others.select(control=MAJORITY))
    drawn = {row for rows in groups.values() for row in rows}
    listed = others.select(lambda row: row not in drawn and not _is_point(row))
    found = comparisons(groups, points)
    curves = [curve for each in found for curve in each.curves]
    models = _models(scores, trained, {curve.model for curve in curves if curve.kind == "reference"})
    greys = [curve.series for kind in (UNTRAINED, "reference") for curve in curves if curve.kind == kind]
    greys += [f"{UNTRAINED}:{run.model}" for run in trained if run.model not in models]
    coloured = [*(f"model:{model}" for model in models), *(f"effect:{each.name}" for each in effects)]
    return Overview(
        found,
        effects,
        costs,
        listed.select(lambda row: bool(row.layers) or row.control == MAJORITY),
        listed.select(lambda row: not row.layers and row.control != MAJORITY),
        trained,
        labels or {},
        _by_model(notes or {}, scores),
        models,
        lines(coloured, greys),
        shapes(p.period_ms for curve in curves if curve.kind in {"model", UNTRAINED} for p in curve.points),
    )


def _is_point(row: Score) -> bool:
    return find_measure(row.measure).of == "layer" and bool(row.tap) and not row.layers


def _models(scores: Scores, trained: Sequence[Trained], references: set[str]) -> tuple[str, ...]:
    """The encoders, in order: of all rows and training runs, without controls and references."""
    controls = {row.model for row in scores if row.control} - {row.model for row in scores if not row.control}
    names = [*scores.distinct("model"), *(run.model for run in trained)]
    return tuple(dict.fromkeys(name for name in names if name not in controls | references))


def _by_model(notes: Mapping[str, Sequence[str]], scores: Scores) -> dict[str, tuple[str, ...]]:
    whose = {row.run: row.model for row in scores if row.run and row.control != MAJORITY}
    told: dict[str, dict[str, None]] = {}
    for name, lines_ in notes.items():
        told.setdefault(whose.get(name, name), {}).update(dict.fromkeys(lines_))
    return {name: tuple(lines_) for name, lines_ in told.items()}
