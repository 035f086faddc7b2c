"""Tables of the page: effects, best layers, costs, masked prediction. Each is plain cells, as HTML or as CSV."""

from __future__ import annotations

import csv
import html
import io
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from lamina.report.style import SECONDARY, measure_label, number, place, quantity, signed
from lamina.report.view import COSTS, Curve, View
from lamina.score import Score, Scores


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell: text, a small line below it, whether it is the column's best, and inline SVG (made here)."""

    text: str
    below: str = ""
    best: bool = False
    drawing: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A table; the first cell of each row names the row. ``rows_csv`` are the scores behind it."""

    name: str
    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    scores: Scores = field(default_factory=Scores)

    def to_html(self) -> str:
        """The table with caption and scopes, in a box that scrolls sideways where the page is narrow."""
        head = "".join(f'<th scope="col">{html.escape(column)}</th>' for column in self.columns)
        body = "".join(
            f'<tr><th scope="row">{html.escape(row[0].text)}</th>{"".join(map(_cell, row[1:]))}</tr>'
            for row in self.rows
        )
        return (
            f'<div class="scroll" tabindex="0" role="region" aria-label="{html.escape(self.name)}"><table>'
            f"<caption><span>{html.escape(self.caption)}</span></caption><thead><tr>{head}</tr></thead>"
            f"<tbody>{body}</tbody></table></div>"
        )

    def to_csv(self) -> str:
        """The cells as shown."""
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        writer.writerow(self.columns)
        writer.writerows([f"{cell.text} {cell.below}".strip() for cell in row] for row in self.rows)
        return buffer.getvalue()


def _cell(cell: Cell) -> str:
    mark = ' class="best"' if cell.best else ""
    star = ' <span title="best of the column">★</span>' if cell.best else ""
    below = f"<small>{html.escape(cell.below).replace(' ms', '&nbsp;ms')}</small>" if cell.below else ""
    return f"<td{mark}>{html.escape(cell.text)}{star}{below}{cell.drawing}</td>"


READINGS = {"best": "at the best layer", "mean": "averaged over the layers"}


def effects_tables(view: View) -> list[Table]:
    """Main effects, a table a reading (best layer, mean over layers): a row a score, a column a factor."""
    found = sorted(
        view.effects.distinct("tap"), key=lambda tap: list(READINGS).index(tap) if tap in READINGS else 9
    )
    return [_effects(view.effects.select(tap=tap), tap) for tap in found]


def _effects(effects: Scores, tap: str) -> Table:
    factors = list(dict.fromkeys(map(factor, effects)))
    scales: dict[str, float] = {}
    for row in effects:
        ends = [abs(end) for end in (row.low, row.value, row.high) if end is not None]
        scales[row.measure] = max(scales.get(row.measure, 1e-9), *ends)
    by: dict[str, dict[str, Score]] = {}
    shown = effects.select(lambda row: row.measure not in SECONDARY)
    for row in shown if len(shown) else effects:
        by.setdefault(score_label(row), {})[factor(row)] = row
    rows = tuple(
        (
            Cell(label),
            *(
                _difference(found[name], scales[found[name].measure]) if name in found else Cell("–")
                for name in factors
            ),
        )
        for label, found in by.items()
    )
    where = READINGS.get(tap, tap)
    caption = (
        f"Mean difference that each factor makes to each score {where} (the front end left out), with its "
        "interval. Drawings of one measure share one scale; the dotted line is no difference."
    )
    return Table(f"Differences {where}", caption, ("score", *factors), rows, effects)


def score_label(row: Score) -> str:
    """Measure and target of a row in words."""
    return f"{measure_label(row.measure)}, {row.target}" if row.target else measure_label(row.measure)


def _difference(row: Score, scale: float) -> Cell:
    if row.low is None or row.high is None:
        return Cell(signed(row.value), "no interval", drawing=_forest(row, scale))
    return Cell(signed(row.value), f"{signed(row.low)} to {signed(row.high)}", drawing=_forest(row, scale))


def factor(row: Score) -> str:
    """The factor that an effect row speaks of."""
    return row.model.removeprefix("effect:")


def _forest(row: Score, scale: float) -> str:
    """A point and its interval on the scale [-scale, scale]; hidden from screen readers, who have the numbers."""

    def across(value: float) -> float:
        return round(72 + 66 * value / scale, 2)

    whisker = ""
    if row.low is not None and row.high is not None:
        whisker = (
            f'<line x1="{across(row.low)}" x2="{across(row.high)}" y1="10" y2="10" stroke="currentColor" '
            'stroke-width="2"/>'
        )
    return (
        '<svg class="forest" viewBox="0 0 144 20" aria-hidden="true" focusable="false">'
        '<line x1="72" x2="72" y1="0" y2="20" stroke="currentColor" stroke-dasharray="2 2" opacity=".6"/>'
        f'{whisker}<circle cx="{across(row.value)}" cy="10" r="4" fill="currentColor"/></svg>'
    )


def best_table(view: View) -> Table:
    """The best layer of every model (trained, untrained, single-tap) in every picture."""
    pictures = [picture for picture in view.pictures if picture.measure not in SECONDARY] or view.pictures
    names: dict[tuple[str, str], dict[int, Curve]] = {}
    for column, picture in enumerate(pictures):
        for curve in picture.of("model", "reference", "untrained"):
            names.setdefault((curve.kind, curve.label), {})[column] = curve
    order = sorted(names, key=lambda name: ("model", "untrained", "reference").index(name[0]))
    tops = [
        max((found[column].best.value for found in names.values() if column in found), default=0.0)
        for column in range(len(pictures))
    ]
    rows = []
    for name in order:
        cells = [Cell(name[1])]
        for column, top in enumerate(tops):
            if column in names[name]:
                best = names[name][column].best
                cells.append(Cell(number(best.value), place(best.tap, best.period_ms), best.value == top))
            else:
                cells.append(Cell("–"))
        rows.append(tuple(cells))
    titles = Counter(picture.title for picture in pictures)
    columns = tuple(
        f"{picture.title} ({picture.rules})" if titles[picture.title] > 1 else picture.title
        for picture in pictures
    )
    shown = Scores(row for picture in view.pictures for row in picture.rows if row.control != "shuffled")
    caption = (
        "Highest value over all layers behind the front end (depth 0 is drawn but does not compete), and where it "
        "was read (tap, frame period); ★ marks the best of a column. "
        "Choosing the best layer on the scored data favours encoders with more layers slightly."
    )
    return Table("Best layers", caption, ("model", *columns), tuple(rows), shown)


def cost_table(view: View) -> Table:
    """Costs of whole encoders: a row a model, a column a measure and audio length."""
    whole = view.costs.select(tap="")
    asked = sorted(
        {(row.measure, row.target, row.support) for row in whole},
        key=lambda column: (COSTS.index(column[0]), _seconds(column[1]), column[2]),
    )
    rows = []
    for model in whole.distinct("model"):
        cells = [Cell(model)]
        for measure, target, support in asked:
            found = whole.select(model=model, measure=measure, target=target, support=support)
            if len(found):
                middle = statistics.median(row.value for row in found)  # over seeds, where there are several
                # The column says that they are MACs.
                cells.append(Cell(quantity(middle, "" if found[0].unit == "MAC" else found[0].unit)))
            else:
                cells.append(Cell("–"))
        rows.append(tuple(cells))
    places = list(dict.fromkeys(support for *_, support in asked if support))
    columns = tuple(
        ", ".join(part for part in (measure_label(measure), target, support if len(places) > 1 else "") if part)
        for measure, target, support in asked
    )
    where = f", on {places[0]}" if len(places) == 1 else ""
    caption = (
        "What each encoder costs, by length of audio. MACs: multiply-accumulates of convolutions and linear "
        "layers, the published convention; with attention: also the two products of self-attention. Speed: "
        f"seconds of audio a second{where}."
    )
    return Table("Costs", caption, ("model", *columns), tuple(rows), view.costs)


def _seconds(target: str) -> float:
    try:
        return float(target.split(maxsplit=1)[0])
    except (ValueError, IndexError):
        return 0.0


def masked_table(view: View) -> Table:
    """Accuracy of masked-unit prediction, the sign that an encoder learned from context."""
    rows = []
    for row in view.masked:
        interval = "" if row.low is None or row.high is None else f"{number(row.low)} to {number(row.high)}"
        read = Cell(place(row.tap or "–", row.period_ms))
        value = Cell(number(row.value), interval)
        rows.append((Cell(row.model), Cell(row.target or "–"), read, value, Cell(f"{row.n:,}")))
    caption = "How often the units of masked frames are predicted right on held-out speech."
    columns = ("model", "of what", "predicted at", "accuracy", "frames")
    return Table("Masked prediction", caption, columns, tuple(rows), view.masked)


def values_table(rows: Sequence[Curve], name: str) -> Table:
    """Every point of a picture in numbers, for those who do not see it."""
    cells = tuple(
        (
            Cell(f"{curve.label} (shuffled labels)" if curve.kind == "null" else curve.label),
            Cell(point.tap),
            Cell(f"{point.period_ms:.4g}" if point.period_ms else ""),
            Cell(number(point.value)),
            Cell(
                "" if point.low is None or point.high is None else f"{number(point.low)} to {number(point.high)}"
            ),
            Cell(f"{point.n:,}" if point.n else ""),
        )
        for curve in rows
        for point in curve.points
    )
    return Table(
        name,
        f"Values of the picture: {name}",
        ("model", "tap", "frame period (ms)", "value", "interval", "n"),
        cells,
    )
