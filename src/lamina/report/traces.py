"""What drawings are made of: lines, markers, areas, boxes and texts, in plotly's words (`lamina.report.chart`)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

from lamina.markup import shortened, visible
from lamina.report.style import Line

Spec = dict[str, Any]
AXIS: Spec = {"gridcolor": "line", "zeroline": False, "fixedrange": True, "color": "ink", "automargin": False}
LETTER = 6.9  # pixels that a letter of a label takes
TEXTS = frozenset({"text", "ticktext", "long", "short"})
ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "$": "&#36;"}  # between two $ plotly looks for a formula


def spec(data: Sequence[Spec], look: Spec, labels: Sequence[Spec] = ()) -> Spec:
    """A drawing: its traces, its `layout`, and annotations that take what fits (`lamina.report.strips`)."""
    return {"data": list(data), "layout": look, "labels": list(labels)}


def layout(
    height: int, left: int, right: int, *, xaxis: Spec, yaxis: Spec, top: int = 14, bottom: int = 50, **more: Any
) -> Spec:
    """What all drawings share: pixels, margins, axes (their titles are texts), shapes and annotations."""
    made = {"shapes": [], "annotations": [], **more}
    for name, axis in (("xaxis", xaxis), ("yaxis", yaxis)):
        titled = {"title": {"text": axis["title"], "standoff": 8}} if "title" in axis else {}
        made[name] = {**AXIS, **axis, **titled}
    for note in made["annotations"]:
        if note.pop("edge", False):
            note["xshift"] = -left
    return {
        "height": height,
        "margin": {"l": left, "r": right, "t": top, "b": bottom},
        "showlegend": False,
        "hovermode": "closest",
        "dragmode": False,
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": "system-ui, sans-serif", "size": 13, "color": "ink"},
        **made,
    }


def margin(labels: Sequence[str], most: int = 150) -> int:
    """Pixels that the longest of these labels takes."""
    return min(most, 16 + max((int(len(label) * LETTER) for label in labels), default=0))


def lined(
    series: str, x: Sequence[float], y: Sequence[float], look: Line, text: Any = None, width: float = 2.2
) -> Spec:
    """A line through points; ``text`` hovers on them."""
    told = {"hoverinfo": "skip"} if text is None else {"text": text, "hoverinfo": "text"}
    line = {"color": look.colour, "dash": look.dash, "width": width}
    return {"type": "scatter", "mode": "lines", "meta": series, "x": list(x), "y": list(y), "line": line, **told}


def marked(
    series: str,
    x: Sequence[float],
    y: Sequence[float],
    colour: str,
    text: Sequence[str],
    *,
    symbols: Sequence[str] = (),
    size: float = 9,
    edge: str = "paper",
    look: Line | None = None,
    width: float = 2.2,
    **more: Any,
) -> Spec:
    """Markers at points, ``text`` hovers on them; on a line where there is a ``look``; ``more``: error bars."""
    outline = {"color": edge, "width": 1 if edge == "paper" else 1.6}
    marker = {"color": colour, "symbol": list(symbols or ["circle"] * len(x)), "size": size, "line": outline}
    made = lined(series, x, y, look or Line(colour, "solid"), list(text), width)
    return {**made, **more, "mode": "lines+markers" if look else "markers", "marker": marker}


def area(
    series: str, x: Sequence[float], low: Sequence[float | None], high: Sequence[float | None], fill: str
) -> Spec:
    """The area between two lines, whose values are all known."""
    outline = {"x": [*x, *reversed(x)], "y": [*low, *reversed(high)]}
    made = {"type": "scatter", "mode": "none", "meta": series, **outline, "hoverinfo": "skip"}
    return {**made, "fill": "toself", "fillcolor": fill}


def errors(values: Sequence[float], ends: Sequence[tuple[float | None, float | None]], colour: str) -> Spec:
    """The bars of an interval; nothing where none was estimated."""
    pairs = list(zip(values, ends, strict=True))
    above = [0.0 if high is None else high - value for value, (_, high) in pairs]
    below = [0.0 if low is None else value - low for value, (low, _) in pairs]
    look = {"color": colour, "thickness": 1.5, "width": 0}
    return {"type": "data", "symmetric": False, "array": above, "arrayminus": below, **look}


def segment(
    x0: float, y0: float, x1: float, y1: float, colour: str, width: float, dash: str = "solid", **more: Any
) -> Spec:
    """A straight line; ``more`` are other references than the axes."""
    line = {"color": colour, "width": width, "dash": dash}
    return {"type": "line", "xref": "x", "yref": "y", "x0": x0, "x1": x1, "y0": y0, "y1": y1, "line": line, **more}


def box(
    x0: float, y0: float, x1: float, y1: float, fill: str, *, colour: str = "grey", width: float = 0.8, **more: Any
) -> Spec:
    """A rectangle; with ``type="circle"`` the ellipse in it."""
    where = {"type": "rect", "xref": "x", "yref": "y", "x0": x0, "x1": x1, "y0": y0, "y1": y1}
    return {**where, "line": {"color": colour, "width": width}, "fillcolor": fill, **more}


def note(x: float, y: float, text: str, size: float = 12, **more: Any) -> Spec:
    """A text in the drawing; ``bold`` and ``edge`` (at the left edge of the whole) may be said."""
    where = {"xref": "x", "yref": "y", "x": x, "y": y, "showarrow": False}
    return {**where, "text": text, "font": {"size": size, "color": "ink"}, **more}


def heading(at: float, text: str) -> Spec:
    """A heading between rows."""
    return note(0, at, text, 13, xref="paper", xanchor="left", edge=True, bold=True)


def room(values: Iterable[float | None], share: float = 0.06, *, zero: bool = False) -> tuple[float, float]:
    """A range that holds these values (and zero) with a little room at both ends."""
    known = [value for value in values if value is not None] + ([0.0] if zero else [])
    low, high = min(known), max(known)
    wide = (high - low) * share or abs(high) * share or 0.05
    # Zero is an edge where no value lies beyond it.
    return low - wide if low or not zero else 0.0, high + wide if high or not zero else 0.0


def spread(places: list[float], least: float, bottom: float, top: float) -> list[float]:
    """Move labels apart until neighbours are ``least`` away, inside [bottom, top] where there is room."""
    order = sorted(range(len(places)), key=places.__getitem__)
    moved = list(places)
    for _ in range(60):
        for below, above in pairwise(order):
            gap = moved[above] - moved[below]
            if gap < least:
                moved[below] -= (least - gap) / 2
                moved[above] += (least - gap) / 2
        for index in order:
            moved[index] = min(max(moved[index], bottom), top)
    return moved


def on_page(drawn: Spec) -> Spec:
    """A spec whose texts plotly shows as they are, whatever they hold."""

    def told(value: Any, name: str, hovers: bool = False) -> Any:
        if isinstance(value, dict):
            bold = value.get("bold", False)
            hovers = hovers or "hoverinfo" in value
            made = {key_: told(each, key_, hovers) for key_, each in value.items() if key_ != "bold"}
            return made | {"text": f"<b>{made['text']}</b>"} if bold else made
        if isinstance(value, (list, tuple)):
            return [told(each, name, hovers) for each in value]
        if not isinstance(value, str):
            return value
        return _plotly(value, hovers) if name in TEXTS else visible(value)

    made: Spec = told(drawn, "")
    return made


def _plotly(text: str, hovers: bool) -> str:
    lines = [shortened(line, 120) for line in visible(text).split("\n")]
    first, *others = ("".join(ESCAPES.get(letter, letter) for letter in line) for line in lines)
    return "<br>".join([f"<b>{first}</b>" if hovers else first, *others])
