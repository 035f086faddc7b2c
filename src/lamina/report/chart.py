"""A chart: drawings of one kind that a reader chooses between, each with the data behind it.

A drawing is plain values (``spec``): traces and a layout in plotly's words, of which only a part is used, so that
`page.js` draws it on the page and `lamina.report.figures` on paper. Colours are written as ``series-<n>``,
``grey/0.2`` and so on: names of the page's CSS variables, with an opacity.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from lamina.score import Score, Scores

Spec = dict[str, Any]
AXIS: Spec = {"gridcolor": "line", "zeroline": False, "fixedrange": True, "color": "ink", "automargin": False}


@dataclass(frozen=True, slots=True)
class Records:
    """Data behind a drawing that are no scores."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]

    def to_csv(self) -> str:
        """Comma-separated values with a header line."""
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        writer.writerow(self.columns)
        writer.writerows(self.rows)
        return buffer.getvalue()


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a key.

    Attributes:
        label: what it says.
        series: the traces (by their ``meta``) that its button shows and hides; empty for a mere explanation.
        colour: the name of its colour.
        dash: plotly's name of its dash; empty for none (no line).
        symbol: plotly's name of its marker; empty for none.
        band: whether it is an area.
    """

    label: str
    series: str = ""
    colour: str = "ink"
    dash: str = ""
    symbol: str = ""
    band: bool = False


@dataclass(frozen=True, slots=True)
class Drawing:
    """One drawing: what it shows, for readers and for listeners, and the data behind it.

    Attributes:
        chosen: the value of every choice of its chart that shows it.
        slug: names its files.
        title: what it shows.
        caption: what a reader must know to read it.
        alt: what it shows, for those who do not see it.
        spec: ``data`` and ``layout``; ``labels`` are annotations that take what fits (see `lamina.report.curves`).
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
    tables: tuple[Any, ...] = field(default=())  # shown with it


def layout(height: int, left: int, right: int, *, top: int = 14, bottom: int = 50, **more: Any) -> Spec:
    """What all drawings share; ``more`` has the axes, shapes and annotations (``edge``: at the left edge)."""
    for note in more["annotations"]:
        if note.pop("edge", False):
            note["xshift"] = -left
    for axis in ("xaxis", "yaxis"):
        if "title" in more[axis]:
            more[axis]["title"] = {"text": more[axis]["title"], "standoff": 8}
    return {
        "height": height,
        "margin": {"l": left, "r": right, "t": top, "b": bottom},
        "showlegend": False,
        "hovermode": "closest",
        "dragmode": False,
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": "system-ui, sans-serif", "size": 13, "color": "ink"},
        **more,
    }


def choice(name: str, values: Iterable[str], label: Any = str) -> Choice:
    """A choice of these values, each once, in order."""
    return Choice(name, tuple((value, label(value)) for value in dict.fromkeys(values)))


def left_margin(labels: Sequence[str], most: int = 150) -> int:
    """Pixels that the longest of these labels takes."""
    return min(most, 16 + max((int(len(label) * 6.9) for label in labels), default=0))


def count(rows: Iterable[Score]) -> str:
    """The numbers of items behind some rows, as text; empty where nothing was counted."""
    found = sorted({row.n for row in rows if row.n})
    if not found:
        return ""
    return f"n = {found[0]:,}" if len(found) == 1 else f"n = {found[0]:,} to {found[-1]:,}"
