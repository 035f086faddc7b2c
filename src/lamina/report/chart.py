"""A chart: drawings of one kind that a reader chooses between, each with the data behind it.

A drawing is plain values (``spec``): traces and a layout in plotly's words, of which only a part is used, so that
`page.js` draws it on the page and `lamina.report.figures` on paper. Colours are names of the page's CSS variables
with an opacity (``series-3``, ``grey/0.2``). Texts are plain, whoever wrote them: where plotly would read markup,
`on_page` escapes them; a line feed begins a line, and the first line of what hovers is bold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from lamina.effect import COLUMNS, Effect
from lamina.files import csv_text
from lamina.markup import shortened, visible
from lamina.report.overview import Overview
from lamina.report.style import Line
from lamina.score import Scores

Spec = dict[str, Any]
AXIS: Spec = {"gridcolor": "line", "zeroline": False, "fixedrange": True, "color": "ink", "automargin": False}
LETTER = 6.9  # pixels that a letter of a label takes


@dataclass(frozen=True, slots=True)
class Records:
    """Data behind a drawing that are no scores."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]

    @classmethod
    def of(cls, effects: Iterable[Effect]) -> Records:
        """Effects as data."""
        return cls(COLUMNS, tuple(tuple(getattr(each, name) for name in COLUMNS) for each in effects))

    def __len__(self) -> int:
        return len(self.rows)

    def to_csv(self) -> str:
        """Comma-separated values with a header line."""
        return csv_text(self.columns, (dict(zip(self.columns, row, strict=True)) for row in self.rows))


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a key.

    Attributes:
        label: what it says.
        series: the traces (by their ``meta``) that its button shows and hides; empty for a mere explanation.
        line: how it is drawn; None for a shape.
        symbol: plotly's name of its marker; empty for none.
        band: whether it is an area.
    """

    label: str
    series: str = ""
    line: Line | None = None
    symbol: str = ""
    band: bool = False


@dataclass(frozen=True, slots=True)
class Drawing:
    """One drawing: what it shows, for readers and for listeners, and the data behind it.

    Attributes:
        chosen: the value of every choice of its chart that shows it.
        slug: names its files (`lamina.files.file_name`).
        title: what it shows.
        caption: what a reader must know to read it.
        alt: what it shows, for those who do not see it.
        spec: ``data`` and ``layout``; ``labels`` are annotations that take what fits (`fitting`).
        data: the rows behind it.
        lead: whether it stands on paper (and for all, where scripts do not run).
    """

    chosen: tuple[str, ...]
    slug: str
    title: str
    caption: str
    alt: str
    spec: Spec
    data: Scores | Records
    lead: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """What a reader chooses: its name, and values with what they are called."""

    name: str
    options: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """Drawings of one kind; the first one is shown first."""

    slug: str
    title: str
    intro: str
    choices: tuple[Choice, ...]
    drawings: tuple[Drawing, ...]
    key: tuple[Entry, ...] = ()


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of picture: a module of `lamina.report.pictures` with a ``KIND`` is one.

    Attributes:
        section: of the page: ``layers``, ``changes``, ``cost`` or ``training``.
        place: among the pictures of the section.
        chart: makes the chart; None where there is nothing to draw.
    """

    section: str
    place: int
    chart: Callable[[Overview], Chart | None]


def choice(name: str, values: Iterable[str], label: Callable[[str], str] = str) -> Choice:
    """A choice of these values, each once, in order."""
    return Choice(name, tuple((value, label(value)) for value in dict.fromkeys(values)))


def key(seen: Overview, *kinds: str) -> tuple[Entry, ...]:
    """An entry a curve of these kinds in any comparison, then the shapes of the frame periods."""
    found: dict[str, Entry] = {}
    for kind in kinds:
        for each in seen.comparisons:
            for curve in each.of(kind):
                found.setdefault(curve.series, Entry(curve.label, curve.series, seen.looks[curve.series]))
    shapes = (Entry(f"frame every {period:.4g} ms", symbol=shape) for period, shape in seen.shapes.items())
    return (*found.values(), *shapes)


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


def left_margin(labels: Sequence[str], most: int = 150) -> int:
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
    symbols: Sequence[str] | None = None,
    size: float = 9,
    edge: str = "paper",
    **more: Any,
) -> Spec:
    """Markers at points, ``text`` hovers on them; ``more`` has the line beneath (`lined`) or bars of errors."""
    marker = {
        "color": colour,
        "symbol": list(symbols or ["circle"] * len(x)),
        "size": size,
        "line": {"color": edge, "width": 1 if edge == "paper" else 1.6},
    }
    mode = "lines+markers" if "line" in more else "markers"
    made = {"type": "scatter", "meta": series, "x": list(x), "y": list(y), "text": list(text), "hoverinfo": "text"}
    return {**made, **more, "mode": mode, "marker": marker}


def area(
    series: str, x: Sequence[float], low: Sequence[float | None], high: Sequence[float | None], fill: str
) -> Spec:
    """The area between two lines, whose values are all known."""
    outline = {"x": [*x, *reversed(x)], "y": [*low, *reversed(high)]}
    made = {"type": "scatter", "mode": "none", "meta": series, **outline, "hoverinfo": "skip"}
    return {**made, "fill": "toself", "fillcolor": fill}


def errors(values: Sequence[float], ends: Sequence[tuple[float | None, float | None]], colour: str) -> Spec:
    """The bars of an interval; nothing where none was estimated."""
    both = [
        (value if low is None else low, value if high is None else high)
        for value, (low, high) in zip(values, ends, strict=True)
    ]
    return {
        "type": "data",
        "symmetric": False,
        "array": [high - value for value, (_, high) in zip(values, both, strict=True)],
        "arrayminus": [value - low for value, (low, _) in zip(values, both, strict=True)],
        "color": colour,
        "thickness": 1.5,
        "width": 0,
    }


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


def on_page(spec: Spec) -> Spec:
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

    made: Spec = told(spec, "")
    return made


TEXTS = frozenset({"text", "ticktext", "long", "short"})
ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "$": "&#36;"}  # between two $ plotly looks for a formula


def _plotly(text: str, hovers: bool) -> str:
    lines = [shortened(line, 120) for line in visible(text).split("\n")]
    first, *others = ("".join(ESCAPES.get(letter, letter) for letter in line) for line in lines)
    return "<br>".join([f"<b>{first}</b>" if hovers else first, *others])
