"""How things look in every picture: a colour and a dash a model, a marker shape a frame period.

Nothing is told by colour alone: models differ in dash too, frame periods in shape, and the strip below each
picture says the period in words.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

# Colours for a white page; page.css gives each its twin for a dark one (contrast at least 4.5 in both).
COLOURS: tuple[str, ...] = ("#0b5fa5", "#b93c0b", "#00724f", "#94278a", "#806000", "#0b6f80", "#6b4226", "#475569")
GREY = "#6b7280"
# Lengths of strokes and gaps in pixels; the first is a whole line.
DASHES = ("solid", "12px,4px", "3px,3px", "10px,3px,2px,3px", "6px,3px", "14px,3px,2px,3px,2px,3px", "2px,7px")
# plotly's names and a letter-like glyph of the same shapes.
SHAPES = {
    "circle": "●", "square": "■", "diamond": "◆", "triangle-up": "▲", "triangle-down": "▼", "star": "★",
    "pentagon": "⬟", "cross": "✚",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Line:
    """How the line of one model is drawn: ``colour`` is a name in specs and on the page, ``dash`` plotly's."""

    colour: str
    dash: str


def lines(coloured: Iterable[str], grey: Iterable[str] = ()) -> dict[str, Line]:
    """A line a name, in order: pairs of colour and dash repeat only after 56 names, grey dashes after 7."""
    drawn = {
        name: Line(f"series-{index % len(COLOURS)}", DASHES[(index + index // len(COLOURS)) % len(DASHES)])
        for index, name in enumerate(dict.fromkeys(coloured))
    }
    greys = [name for name in dict.fromkeys(grey) if name not in drawn]
    return drawn | {name: Line("grey", DASHES[(index + 1) % len(DASHES)]) for index, name in enumerate(greys)}


def shapes(periods: Iterable[float]) -> dict[float, str]:
    """Plotly's name of a shape a frame period, the finest first."""
    return {period: tuple(SHAPES)[index % len(SHAPES)] for index, period in enumerate(sorted(set(periods)))}
