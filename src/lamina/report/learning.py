"""Learning curves: what training runs wrote into their logs."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lamina.report.chart import AXIS, Chart, Drawing, Entry, Records, Spec, choice, layout
from lamina.report.style import Line, number
from lamina.report.view import View

SHOWN = ("accuracy_masked", "loss_masked", "accuracy_unmasked", "loss_unmasked", "loss", "gradient_norm")
WORDS = {
    "accuracy_masked": "accuracy on masked frames",
    "accuracy_unmasked": "accuracy on unmasked frames",
    "loss_masked": "loss on masked frames",
    "loss_unmasked": "loss on unmasked frames",
    "loss": "loss that is minimised",
    "gradient_norm": "norm of the gradient",
}


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """One training run of a study, for the pictures of the design and of learning.

    Attributes:
        model: its name in scores.
        seed: of the run.
        config: the resolved pretraining config.
        levels: its level of every factor; empty for baselines.
        log: the lines of its log; those with a ``step`` are drawn.
    """

    model: str
    seed: int
    config: Mapping[str, Any]
    levels: Mapping[str, str] = field(default_factory=dict)
    log: Sequence[Mapping[str, Any]] = ()


def chart(trained: Iterable[Trained], view: View) -> Chart | None:
    """A drawing a logged figure; None where nothing was logged."""
    runs = [run for run in trained if any(_steps(run))]
    figures = list(
        dict.fromkeys(
            name
            for run in runs
            for line in _steps(run)
            for name, value in line.items()
            if isinstance(value, (int, float)) and _stem(name) in SHOWN
        )
    )
    if not figures:
        return None
    order = sorted(figures, key=lambda name: (SHOWN.index(_stem(name)), name))
    drawings = tuple(_drawing(name, runs, view, lead=place < 2) for place, name in enumerate(order))
    key = tuple(
        Entry(run.model, f"model:{run.model}", line.name, line.dashes)
        for run, line in {run.model: (run, _line(run, view)) for run in runs}.values()
    )
    more = (Entry("held out", "", symbol="circle"),) if any(_held(run) for run in runs) else ()
    return Chart("learning", "Learning curves", "", (choice("Figure", order, label),), drawings, (*key, *more))


def _stem(name: str) -> str:
    return name.rstrip("0123456789").rstrip("_")


def label(name: str) -> str:
    """A logged figure in words."""
    found = re.fullmatch(r"(.+?)_(\d+)", name)
    stem, level = (found[1], int(found[2])) if found else (name, -1)
    where = "" if level < 0 else ", finest level" if level == 0 else f", level {level} below it"
    return WORDS[stem] + where


def _steps(run: Trained) -> list[Mapping[str, Any]]:
    return [line for line in run.log if "step" in line and line.get("event", "") in {"", "validation"}]


def _held(run: Trained) -> bool:
    return any(line.get("event") == "validation" for line in _steps(run))


def _line(run: Trained, view: View) -> Line:
    return view.lines.get(run.model, Line(-1, 1))


def _drawing(name: str, runs: list[Trained], view: View, *, lead: bool) -> Drawing:
    rows: list[tuple[Any, ...]] = []
    data: list[Spec] = []
    said: list[str] = []
    for run in runs:
        for kind in ("training", "held out"):
            # A run that was killed and resumed made some steps twice: the later ones count.
            by_step = {
                line["step"]: float(line[name])
                for line in _steps(run)
                if name in line and (line.get("event") == "validation") == (kind == "held out")
            }
            points = [(step, value) for step, value in sorted(by_step.items()) if math.isfinite(value)]
            if points:
                rows += [(run.model, run.seed, kind, step, value) for step, value in points]
                data.append(_trace(run, kind, points, view))
                said.append(f"{run.model}, {kind}: {number(points[-1][1])} after {points[-1][0]} steps")
    values = [row[-1] for row in rows]
    low, high = min([0.0, *values]), max(values)
    what = label(name)
    return Drawing(
        (name,),
        f"learning-{name.replace('_', '-')}",
        f"{what[:1].upper()}{what[1:]}, by step",
        f"{what[:1].upper()}{what[1:]}, by step of training: thick lines are training, averaged between two lines "
        "of the log; thin ones with circles are held-out speech. A seed a line.",
        f"{what} by step. {'; '.join(said)}.",
        {
            "data": data,
            "layout": layout(
                380,
                62,
                14,
                xaxis={
                    **AXIS,
                    "range": [0, max(row[3] for row in rows) * 1.02],
                    "title": "step",
                    "nticks": 7,
                },
                yaxis={**AXIS, "range": [low, high + (high - low) * 0.06], "nticks": 7},
                shapes=[],
                annotations=[],
            ),
            "labels": [],
        },
        Records(("model", "seed", "kind", "step", name), tuple(rows)),
        lead,
    )


def _trace(run: Trained, kind: str, points: list[tuple[int, float]], view: View) -> Spec:
    line = _line(run, view)
    held = kind == "held out"
    made: Spec = {
        "type": "scatter",
        "mode": "lines+markers" if held else "lines",
        "name": f"{run.model}, {kind}",
        "meta": f"model:{run.model}",
        "x": [step for step, _ in points],
        "y": [value for _, value in points],
        "text": [
            f"<b>{html.escape(run.model)}</b>, seed {run.seed}, {kind}<br>step {step}: {number(value)}"
            for step, value in points
        ],
        "hoverinfo": "text",
    }
    made["line"] = {"color": line.name, "dash": line.dashes, "width": 1 if held else 2}
    if held:
        made["marker"] = {
            "color": "paper",
            "symbol": ["circle"] * len(points),
            "size": 8,
            "line": {"color": line.name, "width": 2},
        }
    return made
