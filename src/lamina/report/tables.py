"""Boards of the page: for each score a small table of who reached what, that fits beside others and on a phone.

Best layers, heads on all layers together, whole encoders and costs are told alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from lamina.markup import escaped
from lamina.measures import find_measure
from lamina.report.answer import lacking_in_words
from lamina.report.comparison import Comparison, Curve, Point, apart, averaged, named, rules, way_of
from lamina.report.overview import COSTS, Overview
from lamina.report.panel import swatch
from lamina.report.pictures.tradeoff import cost_label
from lamina.report.wording import interval, number, period, quantity, score_name
from lamina.score import Score


@dataclass(frozen=True, slots=True)
class Standing:
    """One line of a board: who, drawn elsewhere as which series, what, its interval, and a small line below."""

    name: str
    series: str
    value: str
    ends: str = ""
    below: str = ""
    best: bool = False


@dataclass(frozen=True, slots=True)
class Board:
    """A small table: what is told, who stands in it, and what a reader must know beside it."""

    title: str
    standings: tuple[Standing, ...]
    aside: str = ""


def html(boards: Iterable[Board], seen: Overview) -> str:
    """Boards side by side, as many as fit."""
    return f'<div class="boards">{"".join(_board(board, seen) for board in boards)}</div>'


def _board(board: Board, seen: Overview) -> str:
    rows = "".join(_row(each, seen) for each in board.standings)
    aside = f'<p class="note">{escaped(board.aside)}</p>' if board.aside else ""
    full = any(each.ends or each.below for each in board.standings)
    kind = "" if full else ' class="short"'  # more room for names
    table = f"<table{kind}><caption>{escaped(board.title)}</caption><tbody>{rows}</tbody></table>"
    return f'<div class="board">{table}{aside}</div>'


def _row(each: Standing, seen: Overview) -> str:
    drawn = swatch(seen.looks[each.series]) if each.series in seen.looks else ""
    star = ' <span title="best">★</span>' if each.best else ""
    best = ' class="best"' if each.best else ""
    below = f'<small class="below">{escaped(each.below)}</small>' if each.below else ""
    ends = f" <small>{escaped(each.ends)}</small>" if each.ends else ""
    name = f'<th scope="row">{drawn}{escaped(each.name)}</th>'
    return f"<tr{best}>{name}<td>{escaped(each.value)}{star}{ends}{below}</td></tr>"


def best_boards(seen: Overview) -> list[Board]:
    """The best layer of every model (trained, untrained, single-tap) in every comparison that has a best."""
    return [_best(each, seen) for each in seen.ranked]


def _best(comparison: Comparison, seen: Overview) -> Board:
    kinds = ("model", "untrained", "reference")
    order = [curve for kind in kinds for curve in _sorted(comparison, kind)]
    top = comparison.lead(*kinds, but=comparison.target)  # mel knows mel by definition
    standings = []
    for curve in order:
        best = top is not None and curve.best.value == top.best.value and len(order) > 1
        standings.append(Standing(curve.label, curve.series, *_told(curve.best), best))
    if null := comparison.lead("null"):
        standings.append(Standing("labels shuffled", "", number(null.best.value), "", "best of any layer"))
    lacking = seen.lacking(comparison)
    aside = f"Not compared: {lacking_in_words(lacking)}." if lacking else ""
    return Board(comparison.title, tuple(standings), aside)


def _sorted(comparison: Comparison, kind: str) -> list[Curve]:
    less = comparison.measure.better == "lower"
    return sorted(comparison.of(kind), key=lambda curve: curve.best.value, reverse=not less)


def cost_boards(seen: Overview) -> list[Board]:
    """Costs of whole encoders, by measure and length of audio; the mean of several seeds."""
    rows = sorted(seen.costs, key=lambda row: (COSTS.index(row.measure), row.seconds, row.setting))
    return _boards(
        rows,
        seen,
        lambda row: cost_label((row.measure, row.seconds, row.setting)),
        # The title says that they are MACs.
        lambda point: (quantity(point.value, "" if point.row.unit == "MAC" else point.row.unit), "", ""),
    )


def sums_boards(seen: Overview) -> list[Board]:
    """Heads that read several layers."""
    return _boards(seen.sums, seen, _titles(seen.sums), _told)


def whole_boards(seen: Overview) -> list[Board]:
    """Scores of whole encoders, and accuracy of masked-unit prediction, which compares at one rate alone."""
    titles = _titles(seen.whole)

    def title(row: Score) -> str:
        return f"{titles(row)}, {period(row.period_ms)}" if row.period_ms else titles(row)

    return _boards(seen.whole, seen, title, _told)


def _titles(rows: Iterable[Score]) -> Callable[[Score], str]:
    """What each row is of: measure and target, and the rules where several differ in them."""
    places = apart(((row.measure, row.target), way_of(row)) for row in rows)

    def title(row: Score) -> str:
        told = rules(way_of(row), places)
        return score_name(row.measure, row.target) + (f" ({told})" if told else "")

    return title


def _told(point: Point) -> tuple[str, str, str]:
    """A value, its interval, and where it was read."""
    return number(point.value), interval(point.low, point.high).strip(" ()"), point.where


def _boards(
    rows: Iterable[Score],
    seen: Overview,
    title: Callable[[Score], str],
    told: Callable[[Point], tuple[str, str, str]],
) -> list[Board]:
    """A board a title; several rows of one model at one place are told as their mean."""
    found: dict[str, dict[tuple[str, str, str], list[Score]]] = {}
    for row in rows:
        found.setdefault(title(row), {}).setdefault((row.model, row.control, row.place), []).append(row)
    boards = []
    for name, models in found.items():
        points = {who: averaged(each) for who, each in models.items()}
        measure = find_measure(next(iter(points.values())).row.measure)
        order = sorted(points.items(), key=lambda each: each[1].value, reverse=measure.better == "higher")
        top = order[0][1].value if measure.better != "neither" and len(order) > 1 else None
        standings = [
            Standing(named(model, control), seen.series(model, control), *told(point), point.value == top)
            for (model, control, _), point in order
        ]
        boards.append(Board(name, tuple(standings)))
    return boards


def measures_table(seen: Overview) -> str:
    """What each measure on the page is."""
    names = [each.measure.name for each in seen.comparisons]
    names += [row.measure for rows in (seen.whole, seen.sums, seen.costs) for row in rows]
    rows = ""
    for name in dict.fromkeys(names):
        measure = find_measure(name)
        way = {"higher": "more is better", "lower": "less is better", "neither": "only describes"}[measure.better]
        unit = f", in {measure.unit}" if measure.unit else ""
        said = f"{measure.meaning}{unit}; {way}"
        rows += f'<tr><th scope="row">{escaped(measure.label)}</th><td>{escaped(said)}</td></tr>'
    return (
        f'<table class="facts"><caption>What the measures are</caption><tbody>{rows}</tbody></table>'
        if rows
        else ""
    )
