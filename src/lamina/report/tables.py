"""Tables of the page: best layers, costs, scores of whole encoders."""

from __future__ import annotations

import html
import statistics
from collections import Counter
from dataclasses import dataclass, field

from lamina.report.style import SECONDARY, measure_label, number, place, quantity, score_name
from lamina.report.tradeoff import seconds
from lamina.report.view import COSTS, Curve, View
from lamina.score import Scores

TEXT = ' class="text"'


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell: text, a small line below it, and whether it is the column's best."""

    text: str
    below: str = ""
    best: bool = False

    @property
    def words(self) -> bool:
        """Whether it holds no number."""
        return self.text[:1].isalpha()


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
        words = [all(row[place].words for row in self.rows) for place in range(len(self.columns))]
        head = "".join(
            f'<th scope="col"{TEXT if left else ""}>{html.escape(column)}</th>'
            for column, left in zip(self.columns, words, strict=True)
        )
        body = "".join(
            f'<tr><th scope="row">{html.escape(row[0].text)}</th>'
            f"{''.join(_cell(cell, left) for cell, left in zip(row[1:], words[1:], strict=True))}</tr>"
            for row in self.rows
        )
        return (
            f'<p class="caption">{html.escape(self.caption)}</p>'
            f'<div class="scroll" tabindex="0" role="region" aria-label="{html.escape(self.name)}"><table>'
            f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
        )


def _cell(cell: Cell, left: bool) -> str:
    mark = ' class="best"' if cell.best else TEXT if left else ""
    star = ' <span title="best of the column">★</span>' if cell.best else ""
    below = f"<small>{html.escape(cell.below).replace(' ms', '&nbsp;ms')}</small>" if cell.below else ""
    return f"<td{mark}>{html.escape(cell.text)}{star}{below}</td>"


def best_table(view: View) -> Table:
    """The best layer of every model (trained, untrained, single-tap) in every picture."""
    pictures = [picture for picture in view.pictures if picture.measure not in SECONDARY] or view.pictures
    names: dict[tuple[str, str], dict[int, Curve]] = {}
    for column, picture in enumerate(pictures):
        for curve in picture.of("model", "reference", "untrained"):
            names.setdefault((curve.kind, curve.label), {})[column] = curve
    order = sorted(names, key=lambda name: ("model", "untrained", "reference").index(name[0]))
    tops = [
        (min if picture.falling else max)(
            (found[column].best.value for found in names.values() if column in found), default=0.0
        )
        for column, picture in enumerate(pictures)
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
    nulls = [
        (min if picture.falling else max)((curve.best.value for curve in picture.of("null")), default=None)
        for picture in pictures
    ]
    if any(null is not None for null in nulls):
        chance = "labels shuffled, the best of any layer"
        rows.append((Cell(chance), *(Cell("–" if null is None else number(null)) for null in nulls)))
    titles = Counter(picture.title for picture in pictures)
    columns = tuple(
        f"{picture.title} ({picture.rules})" if titles[picture.title] > 1 else picture.title
        for picture in pictures
    )
    shown = Scores(row for picture in view.pictures for row in picture.rows if row.control != "shuffled")
    caption = (
        "Best value over all layers behind the front end (depth 0 is drawn but does not compete), and where it "
        "was read (tap, frame period); ★ marks the best of a column. "
        "Choosing the best layer on the scored data favours encoders with more layers slightly."
    )
    return Table("Best layers", caption, ("model", *columns), tuple(rows), shown)


def cost_table(view: View) -> Table:
    """Costs of whole encoders: a row a model, a column a measure and audio length."""
    whole = view.costs.select(tap="")
    asked = sorted(
        {(row.measure, row.target, row.support) for row in whole},
        key=lambda column: (COSTS.index(column[0]), seconds(column[1]), column[2]),
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


def sums_table(view: View) -> Table:
    """Probes that read no single layer."""
    caption = (
        "A head on a learned weighted sum of the layers, or on the one layer that dev chose: an encoder as a "
        "whole, not a place in it."
    )
    return _listed("Probes on all layers together", caption, view.sums)


def whole_table(view: View) -> Table:
    """Scores of whole encoders, and accuracy of masked-unit prediction, the sign of learning from context."""
    caption = (
        "Masked-prediction accuracy: how often the units of masked frames are predicted right on held-out speech. "
        "Accuracies at different rates are over different units and do not compare."
    )
    return _listed("Scores of whole encoders", caption, view.whole)


def _listed(name: str, caption: str, scores: Scores) -> Table:
    """A line a score."""
    rows = []
    for row in scores:
        interval = "" if row.low is None or row.high is None else f"{number(row.low)} to {number(row.high)}"
        read = Cell(place(row.tap, row.period_ms) if row.tap else "whole")
        seed = Cell(str(row.seed))
        value = Cell(number(row.value), interval)
        what = Cell(score_name(row.measure, row.target))
        rows.append((Cell(row.model), what, read, seed, value, Cell(f"{row.n:,}" if row.n else "")))
    columns = ("model", "score", "read at", "seed", "value", "n")
    return Table(name, caption, columns, tuple(rows), scores)
