"""Learning curves: what training runs wrote into their logs."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from lamina.files import file_name
from lamina.markup import shortened
from lamina.report import traces
from lamina.report.chart import Chart, Drawing, Entry, Kind, Records, choice
from lamina.report.overview import Overview
from lamina.report.traces import Spec
from lamina.report.trained import Trained
from lamina.report.wording import capital, number

WORDS = {
    "accuracy_masked": "accuracy on masked frames",
    "loss_masked": "loss on masked frames",
    "accuracy_unmasked": "accuracy on unmasked frames",
    "loss_unmasked": "loss on unmasked frames",
    "loss": "loss that is minimised",
    "gradient_norm": "norm of the gradient",
}
_FIGURE = re.compile(rf"({'|'.join(WORDS)})(?:_(\d{{1,3}}))?")
KINDS = ("training", "held out")
Curves = dict[tuple[Trained, str], dict[int, float]]  # values by step, of a run and kind


def chart(seen: Overview) -> Chart | None:
    """A drawing a logged figure; None where nothing was logged."""
    found: dict[str, Curves] = {}
    for run in seen.trained:
        for line in run.log:
            for name, value in _figures(line).items():
                kind = KINDS[line.get("event") == "validation"]
                # A run that was killed and resumed made some steps twice: the later ones count.
                found.setdefault(name, {}).setdefault((run, kind), {})[line["step"]] = value
    if not found:
        return None
    order = sorted(found, key=_place)
    drawings = tuple(_drawing(name, found[name], seen) for name in order)
    drawn = {run.model: seen.series(run.model) for curves in found.values() for run, _ in curves}
    entries = [Entry(model, series, seen.looks[series]) for model, series in drawn.items()]
    if any(kind == KINDS[1] for curves in found.values() for _, kind in curves):
        entries.append(Entry(KINDS[1], symbol="circle"))
    return Chart("learning", "Learning curves", "", (choice("Figure", order, label),), drawings, tuple(entries))


KIND = Kind("training", 1, chart)


def _figures(line: Mapping[str, Any]) -> dict[str, float]:
    """The known figures of a line of a log: of a step of training, or of a validation after it."""
    if line.get("event", "") not in ("", "validation") or type(line.get("step")) is not int:
        return {}
    return {
        name: float(value)
        for name, value in line.items()
        if isinstance(value, (int, float)) and _FIGURE.fullmatch(name) and abs(value) < math.inf
    }


def _parts(name: str) -> tuple[str, str]:
    found = _FIGURE.fullmatch(name)
    return (found[1], found[2] or "") if found else (name, "")


def _place(name: str) -> tuple[int, int]:
    stem, level = _parts(name)
    return list(WORDS).index(stem), int(level or 0)


def label(name: str) -> str:
    """A logged figure in words."""
    stem, level = _parts(name)
    where = {"": "", "0": ", finest level"}.get(level, f", level {level} below it")
    return WORDS[stem] + where


def _drawing(name: str, curves: Curves, seen: Overview) -> Drawing:
    data: list[Spec] = []
    said: list[str] = []
    rows: list[tuple[Any, ...]] = []
    for (run, kind), values in curves.items():
        steps, found = zip(*sorted(values.items()), strict=True)
        rows += [(run.model, run.seed, kind, *each) for each in zip(steps, found, strict=True)]
        data.append(_trace(run, kind, steps, found, seen))
        said.append(f"{shortened(run.model)}, {kind}: {number(found[-1])} after {steps[-1]} steps")
    what = capital(label(name))
    across = {"range": [0, max(row[3] for row in rows) * 1.02], "title": "step", "nticks": 7}
    up = {"range": list(traces.room((row[4] for row in rows), zero=True)), "nticks": 7}
    look = traces.layout(380, 62, 14, xaxis=across, yaxis=up)
    return Drawing(
        (name,),
        file_name(f"learning-{name.replace('_', '-')}"),
        f"{what}, by step",
        f"{what}, by step of training: thick lines are training, averaged between two lines of the log; thin ones "
        "with circles are held-out speech. A seed a line.",
        f"{what} by step. {'; '.join(said)}.",
        traces.spec(data, look),
        Records(("model", "seed", "kind", "step", name), tuple(rows)),
    )


def _trace(run: Trained, kind: str, steps: tuple[int, ...], values: tuple[float, ...], seen: Overview) -> Spec:
    series = seen.series(run.model)
    look, held = seen.looks[series], kind == KINDS[1]
    points = zip(steps, values, strict=True)
    text = [
        f"{shortened(run.model)}\nseed {run.seed}, {kind}\nstep {step}: {number(value)}" for step, value in points
    ]
    if not held:
        return traces.lined(series, steps, values, look, text, 2)
    return traces.marked(series, steps, values, "paper", text, size=8, edge=look.colour, look=look, width=1)
