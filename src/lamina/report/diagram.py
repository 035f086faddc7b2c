"""The design as pictures: each encoder's blocks at their rates, and where its losses attach, from its config.

Drawn like any drawing (`lamina.report.chart`): shapes and notes, as inline SVG on the page and for paper.
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import prod
from typing import Any

from lamina.report.chart import AXIS, Spec, layout
from lamina.report.learning import Trained
from lamina.report.style import period

WIDE, HIGH, DROP, LAYER = 340, 30, 58, 26  # pixels: a picture, a block, from a level to the next, a layer
MARGIN = 12


@dataclass(frozen=True, slots=True)
class Block:
    """One stack of layers: ``enc``, ``mid`` or ``dec``; ``loss`` says whether one acts on its output."""

    role: str
    level: int
    layers: int
    period_ms: float
    loss: bool


def blocks(model: Mapping[str, Any]) -> list[Block]:
    """The blocks of a resolved model config, in the order they run (see `lamina.encoders.mrhubert.plan`)."""
    ratios, layers = list(model["label_rate_ratios"]), list(model["block_layers"])
    steps = list(zip(ratios[::2], ratios[1::2], strict=True))
    periods = [Fraction(1000 * prod(model["conv_stride"]), model["sampling_rate"])]
    for up, down in steps:
        periods.append(periods[-1] * down / up)
    coarsest = len(steps)
    made = []
    for index, count in enumerate(layers):
        level = index if index <= coarsest else 2 * coarsest - index
        role = "dec" if index > coarsest else "mid" if index == coarsest and coarsest else "enc"
        last = role == "dec" or index == coarsest  # the last block of its level is the one that predicts
        loss = last and (level == 0 or not model["single_prediction"])
        made.append(Block(role, level, count, float(periods[level]), loss))
    return made


def describe(run: Trained) -> str:
    """An encoder in words."""
    said = [f"{block.layers} layers at {period(block.period_ms)}" for block in blocks(run.config["model"])]
    losses = [period(block.period_ms) for block in blocks(run.config["model"]) if block.loss]
    where = " and ".join(sorted(losses, key=lambda text: float(text.split()[0])))
    return f"front end, then {', '.join(said)}; masked units are predicted at {where}"


def plot(run: Trained) -> Spec:
    """The picture of one encoder: the lower, the slower; ticks on a block are frames."""
    model = run.config["model"]
    made = blocks(model)
    deepest = max(block.level for block in made)
    total = sum(block.layers for block in made)
    front, gap, tail = 44, 14, 42
    unit = min(LAYER, (WIDE - 2 * MARGIN - front - gap * len(made) - tail) / total)
    fastest = min(block.period_ms for block in made)
    shapes: list[Spec] = [_box(MARGIN, _top(0), front, 0.05)]
    notes = [_note(MARGIN + front / 2, _top(0) + HIGH / 2, "CNN", 11)]
    x: float = MARGIN + front
    ends: dict[int, tuple[float, float]] = {}
    before = Block("front", 0, 0, fastest, False)
    for block in made:
        wide, top = unit * block.layers, _top(block.level)
        shapes.append(_arrow(x, _top(before.level), x + gap, top))
        x += gap
        shapes += [
            _box(x, top, wide, 0.10 + 0.14 * block.level),
            *_frames(x, top, wide, block.period_ms / fastest),
        ]
        notes.append(_note(x + wide / 2, top + HIGH / 2 - 3, str(block.layers), 12))
        if block.role != "dec" and block.level not in ends:
            ends[block.level] = (x, x + wide)
        if block.role == "dec":
            # The U: what leaves an encoder block is added to what leaves its decoder.
            left, y = ends[block.level][1], top - 9
            dashed = {"color": "grey", "width": 1.2, "dash": "3px,3px"}
            for line in ((left, top, left, y), (left, y, x + wide, y), (x + wide, y, x + wide, top)):
                shapes.append(_line(*line, dashed))
        x += wide
        if block.loss:
            right = {"color": "series-1", "width": 1.6, "dash": "solid"}
            middle = x + 20
            shapes.append(_line(x, top + HIGH / 2, middle - 9, top + HIGH / 2, right))
            shapes.append(
                {
                    "type": "circle",
                    "xref": "x",
                    "yref": "y",
                    "x0": middle - 9,
                    "x1": middle + 9,
                    "y0": top + HIGH / 2 - 9,
                    "y1": top + HIGH / 2 + 9,
                    "line": right,
                    "fillcolor": "series-1/0.15",
                }
            )
            notes.append(_note(middle, top + HIGH / 2, "L", 11))
        before = block
    height = _top(deepest) + HIGH + 20
    for level in sorted({block.level for block in made}):
        ms = next(block.period_ms for block in made if block.level == level)
        here = ends.get(level, (MARGIN, MARGIN))
        if level:
            notes.append(_note(here[0] + (here[1] - here[0]) / 2, _top(level) + HIGH + 9, period(ms), 11))
        else:
            notes.append(_note(MARGIN + front / 2, _top(0) + HIGH + 9, period(ms), 11))
    hidden = {**AXIS, "visible": False, "showgrid": False, "showticklabels": False}
    return {
        "data": [],
        "layout": layout(
            height,
            0,
            0,
            top=0,
            bottom=0,
            width=WIDE,
            xaxis={**hidden, "range": [0, WIDE]},
            yaxis={**hidden, "range": [height, 0]},
            shapes=shapes,
            annotations=notes,
        ),
        "labels": [],
    }


def _top(level: int) -> int:
    return 22 + level * DROP


def _box(x: float, y: float, wide: float, shade: float) -> Spec:
    line = {"color": "grey", "width": 1.2}
    where = {"type": "rect", "xref": "x", "yref": "y", "x0": x, "x1": x + wide, "y0": y, "y1": y + HIGH}
    return {**where, "line": line, "fillcolor": f"series-0/{shade:.2f}"}


def _line(x0: float, y0: float, x1: float, y1: float, line: Spec) -> Spec:
    return {"type": "line", "xref": "x", "yref": "y", "x0": x0, "x1": x1, "y0": y0, "y1": y1, "line": line}


def _arrow(x0: float, top: float, x1: float, next_top: float) -> Spec:
    line = {"color": "ink", "width": 1.4, "dash": "solid"}
    return _line(x0, top + HIGH / 2, x1, next_top + HIGH / 2, line)


def _frames(x: float, top: float, wide: float, ratio: float) -> list[Spec]:
    """Ticks at a block's lower edge: the slower the rate, the fewer."""
    step = 5 * ratio
    count = int((wide - 3) / step)
    line = {"color": "ink", "width": 1.0, "dash": "solid"}
    return [
        _line(x + 3 + n * step, top + HIGH - 6, x + 3 + n * step, top + HIGH - 1, line) for n in range(count + 1)
    ]


def _note(x: float, y: float, text: str, size: int) -> Spec:
    font = {"size": size, "color": "ink"}
    return {"xref": "x", "yref": "y", "x": x, "y": y, "text": text, "showarrow": False, "font": font}


def svg(spec: Spec, alternative: str) -> str:
    """Inline SVG of a drawing without traces, in the colours of the page's theme."""
    look = spec["layout"]
    wide, high = look["width"], look["height"]
    drawn = []
    for shape in look["shapes"]:
        line = shape["line"]
        dash = line.get("dash", "solid")
        pattern = "" if dash == "solid" else f' stroke-dasharray="{dash.replace("px", "")}"'
        stroke = f'stroke="var(--{line["color"]})" stroke-width="{line["width"]}"{pattern}'
        fill, _, alpha = shape.get("fillcolor", "paper/0").partition("/")
        x0, x1, y0, y1 = (round(shape[name], 1) for name in ("x0", "x1", "y0", "y1"))
        if shape["type"] == "line":
            drawn.append(f'<line x1="{x0}" y1="{y0}" x2="{x1}" y2="{y1}" {stroke}/>')
        elif shape["type"] == "circle":
            middle = f'cx="{(x0 + x1) / 2:g}" cy="{(y0 + y1) / 2:g}" r="{(x1 - x0) / 2:g}"'
            drawn.append(f'<circle {middle} fill="var(--{fill})" fill-opacity="{alpha}" {stroke}/>')
        else:
            box = f'x="{x0}" y="{y0}" width="{x1 - x0:g}" height="{y1 - y0:g}" rx="3"'
            drawn.append(f'<rect {box} fill="var(--{fill})" fill-opacity="{alpha}" {stroke}/>')
    drawn += [
        f'<text x="{note["x"]:g}" y="{note["y"]:g}" font-size="{note["font"]["size"]}" fill="var(--ink)" '
        f'text-anchor="middle" dominant-baseline="central">{html.escape(note["text"])}</text>'
        for note in look["annotations"]
    ]
    return (
        f'<svg class="encoder" viewBox="0 0 {wide} {high}" role="img" aria-label="{html.escape(alternative)}">'
        f"{''.join(drawn)}</svg>"
    )


def differences(run: Trained, other: Trained) -> dict[str, Any]:
    """What sets a run's config apart from another's: dotted keys and values; seeds left out."""
    mine, theirs = _flat(run.config), _flat(other.config)
    return {
        name: value
        for name, value in mine.items()
        if name not in {"seed", "kind"} and repr(value) != repr(theirs.get(name))
    }


def _flat(value: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, each in value.items():
        if isinstance(each, Mapping):
            found |= _flat(each, f"{before}{name}.")
        else:
            found[before + name] = each
    return found
