"""The design as pictures: each encoder's blocks at their rates, and where its losses attach, from its config.

Drawn like any drawing (`lamina.report.chart`): shapes and notes, as inline SVG on the page and for paper.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from math import prod
from typing import Any

from lamina.errors import LaminaError
from lamina.markup import escaped
from lamina.report import traces
from lamina.report.traces import Spec
from lamina.report.trained import Trained
from lamina.report.wording import period

WIDE, HIGH, DROP, LAYER = 340, 30, 58, 26  # pixels: a picture, a block, from a level to the next, a layer
MARGIN, FRONT, GAP, TAIL = 12, 44, 14, 42
MOST = 64  # blocks


@dataclass(frozen=True, slots=True)
class Stack:
    """One stack of layers: ``enc``, ``mid`` or ``dec``; ``loss`` says whether one acts on its output."""

    role: str
    level: int
    layers: int
    period_ms: float
    loss: bool


def stacks(run: Trained) -> list[Stack]:
    """The blocks of an encoder in the order they run (see `lamina.encoders.mrhubert.plan`).

    Raises:
        LaminaError: its config is none of a model.
    """
    try:
        return _stacks(run.config["model"])
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        raise LaminaError(
            f"the config of {run.model} names no model that can be drawn ({type(error).__name__}: {error}): its "
            "run folder may be damaged or of another version; copy it again"
        ) from error


def _stacks(model: Mapping[str, Any]) -> list[Stack]:
    ratios, layers = list(model["label_rate_ratios"]), [int(count) for count in model["block_layers"]]
    steps = list(zip(ratios[::2], ratios[1::2], strict=True))
    periods = [Fraction(1000 * prod(model["conv_stride"]), model["sampling_rate"])]
    for up, down in steps:
        periods.append(periods[-1] * down / up)
    coarsest = len(steps)
    if not 1 <= len(layers) <= min(2 * coarsest + 1, MOST) or min(*layers, 1) < 1 or min(periods) <= 0:
        raise ValueError(f"{layers} layers at {coarsest + 1} rates")
    made = []
    for index, count in enumerate(layers):
        level = index if index <= coarsest else 2 * coarsest - index
        role = "dec" if index > coarsest else "mid" if index == coarsest and coarsest else "enc"
        last = role == "dec" or index == coarsest  # the last block of its level is the one that predicts
        loss = last and (level == 0 or not model["single_prediction"])
        made.append(Stack(role, level, count, float(periods[level]), loss))
    return made


def describe(run: Trained) -> str:
    """An encoder in words."""
    made = stacks(run)
    said = [f"{stack.layers} layers at {period(stack.period_ms)}" for stack in made]
    where = " and ".join(period(ms) for ms in sorted({stack.period_ms for stack in made if stack.loss}))
    return f"front end, then {', '.join(said)}; masked units are predicted at {where}"


def plot(run: Trained) -> Spec:
    """The picture of one encoder: the lower, the slower; ticks on a block are frames."""
    made = stacks(run)
    unit = min(LAYER, (WIDE - 2 * MARGIN - FRONT - GAP * len(made) - TAIL) / sum(stack.layers for stack in made))
    fastest = min(stack.period_ms for stack in made)
    shapes: list[Spec] = [_block(MARGIN, _top(0), FRONT, 0.05)]
    notes = [traces.note(MARGIN + FRONT / 2, _top(0) + HIGH / 2, "CNN", 11)]
    x, before = float(MARGIN + FRONT), 0
    starts: dict[int, tuple[float, float]] = {}
    for stack in made:
        wide, top = max(1.0, unit * stack.layers), _top(stack.level)
        shapes.append(traces.segment(x, _top(before) + HIGH / 2, x + GAP, top + HIGH / 2, "ink", 1.4))
        x, before = x + GAP, stack.level
        shapes += [
            _block(x, top, wide, 0.10 + 0.14 * stack.level),
            *_frames(x, top, wide, stack.period_ms / fastest),
        ]
        notes.append(traces.note(x + wide / 2, top + HIGH / 2 - 3, str(stack.layers), 12))
        if stack.role == "dec":
            # The U: what leaves an encoder block is added to what leaves its decoder.
            left, right, y = starts[stack.level][1], x + wide, top - 9
            corners = ((left, top), (left, y), (right, y), (right, top))
            shapes += [traces.segment(*one, *two, "grey", 1.2, "3px,3px") for one, two in pairwise(corners)]
        else:
            starts[stack.level] = (x, x + wide)
        x += wide
        if stack.loss:
            middle, height = x + 20, top + HIGH / 2
            shapes.append(traces.segment(x, height, middle - 9, height, "ink", 1.6))
            around = (middle - 9, height - 9, middle + 9, height + 9)
            shapes.append(traces.box(*around, "paper", colour="ink", width=1.6, type="circle"))
            notes.append(traces.note(middle, height, "L", 11))
    for level, ms in {stack.level: stack.period_ms for stack in made}.items():
        left, right = (MARGIN, MARGIN + FRONT) if not level else starts[level]
        notes.append(traces.note((left + right) / 2, _top(level) + HIGH + 9, period(ms), 11))
    height = _top(max(stack.level for stack in made)) + HIGH + 20
    hidden = {"visible": False, "showgrid": False, "showticklabels": False}
    axes = {"xaxis": {**hidden, "range": [0, WIDE]}, "yaxis": {**hidden, "range": [height, 0]}}
    look = traces.layout(height, 0, 0, top=0, bottom=0, width=WIDE, shapes=shapes, annotations=notes, **axes)
    return {"data": [], "layout": look, "labels": []}


def _top(level: int) -> int:
    return 22 + level * DROP


def _block(x: float, y: float, wide: float, shade: float) -> Spec:
    return traces.box(x, y, x + wide, y + HIGH, f"grey/{min(shade, 1):.2f}", width=1.2)


def _frames(x: float, top: float, wide: float, ratio: float) -> list[Spec]:
    """Ticks at a block's lower edge: the slower the rate, the fewer."""
    step = 5 * ratio
    places = (x + 3 + number * step for number in range(int(max(0.0, wide - 3) / step) + 1))
    return [traces.segment(at, top + HIGH - 6, at, top + HIGH - 1, "ink", 1) for at in places]


def svg(spec: Spec, alternative: str) -> str:
    """Inline SVG of a drawing without traces, in the colours of the page's theme."""
    look = spec["layout"]
    drawn = []
    for shape in look["shapes"]:
        line = shape["line"]
        strokes = line.get("dash", "solid").replace("px", "")
        pattern = "" if strokes == "solid" else f' stroke-dasharray="{strokes}"'
        stroke = f'stroke="var(--{line["color"]})" stroke-width="{line["width"]}"{pattern}'
        fill, _, alpha = shape.get("fillcolor", "paper/0").partition("/")
        filled = f'fill="var(--{fill})" fill-opacity="{alpha}" {stroke}'
        x0, x1, y0, y1 = (round(shape[name], 1) for name in ("x0", "x1", "y0", "y1"))
        if shape["type"] == "line":
            drawn.append(f'<line x1="{x0}" y1="{y0}" x2="{x1}" y2="{y1}" {stroke}/>')
        elif shape["type"] == "circle":
            middle = f'cx="{(x0 + x1) / 2:g}" cy="{(y0 + y1) / 2:g}" r="{(x1 - x0) / 2:g}"'
            drawn.append(f"<circle {middle} {filled}/>")
        else:
            drawn.append(f'<rect x="{x0}" y="{y0}" width="{x1 - x0:g}" height="{y1 - y0:g}" rx="3" {filled}/>')
    drawn += [
        f'<text x="{each["x"]:g}" y="{each["y"]:g}" font-size="{each["font"]["size"]}" fill="var(--ink)" '
        f'text-anchor="middle" dominant-baseline="central">{escaped(each["text"])}</text>'
        for each in look["annotations"]
    ]
    size = f"0 0 {look['width']} {look['height']}"
    return (
        f'<svg class="encoder" viewBox="{size}" role="img" aria-label="{escaped(alternative)}">'
        f"{''.join(drawn)}</svg>"
    )
