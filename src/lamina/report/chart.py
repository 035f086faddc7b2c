"""A chart: drawings of one kind that a reader chooses between, each with the data behind it.

A drawing is plain values (``spec``): traces and a layout in plotly's words, of which only a part is used, so that
`page.js` draws it on the page and `lamina.report.figures` on paper. Colours are names of the page's CSS variables
with an opacity (``series-3``, ``grey/0.2``). Texts are plain, whoever wrote them: where plotly would read markup,
`lamina.report.traces.on_page` escapes them; a line feed begins a line, and the first line of what hovers is bold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from lamina.effect import COLUMNS, Effect
from lamina.files import csv_text
from lamina.report.overview import Overview
from lamina.report.style import Line
from lamina.report.traces import Spec
from lamina.score import Scores


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
        spec: ``data`` and ``layout``; ``labels`` are annotations that take what fits (`lamina.report.strips`).
        data: the rows behind it.
    """

    chosen: tuple[str, ...]
    slug: str
    title: str
    caption: str
    alt: str
    spec: Spec
    data: Scores | Records


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
