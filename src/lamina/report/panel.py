"""A chart as HTML: choices, key, picture, words, downloads; and what `page.js` needs of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lamina.markup import escaped, shortened
from lamina.report import traces
from lamina.report.chart import Chart, Choice, Entry
from lamina.report.style import SHAPES, Line
from lamina.score import Score, Scores

UNDRAWN = (
    '<p class="undrawn">Pictures are drawn by a script, which does not run here; their values are in scores.csv: '
    "<code>lamina study report FOLDER --figures svg,pdf</code> writes them as files.</p>"
)


def panel(chart: Chart) -> str:
    """The HTML of a chart, the first drawing's words filled in; the page's script draws it."""
    first = chart.drawings[0]
    choices = "".join(_select(place, each) for place, each in enumerate(chart.choices) if len(each.options) > 1)
    controls = (
        f'<div class="controls" role="group" aria-label="Choose what is drawn">{choices}</div>' if choices else ""
    )
    intro = f"<p>{escaped(chart.intro)}</p>" if chart.intro else ""
    entries = "".join(f"<li>{_entry(entry)}</li>" for entry in chart.key)
    keys = f'<ul class="key" aria-label="Key">{entries}</ul>' if entries else ""
    downloads = " ".join(
        f'<button type="button" data-kind="{kind}">{kind.upper()}</button>' for kind in ("svg", "csv")
    )
    return (
        f'<h3 id="chart-{chart.slug}">{escaped(chart.title)}</h3>{intro}'
        f'<figure class="chart" data-chart="{chart.slug}" aria-labelledby="chart-{chart.slug}">{controls}'
        f'{keys}<div class="plot" role="img" aria-label="{escaped(first.alt)}"></div>{UNDRAWN}'
        f'<figcaption><span class="caption" aria-live="polite">{escaped(first.caption)}</span> '
        f'<span class="downloads">Download: {downloads}</span></figcaption>'
        '<details class="values"><summary>Values of this picture</summary><div class="scroll" tabindex="0" '
        'role="region" aria-label="Values of this picture"></div></details></figure>'
    )


def _select(place: int, choice: Choice) -> str:
    options = "".join(
        f'<option value="{at}">{escaped(shortened(label, 80))}</option>'
        for at, (_, label) in enumerate(choice.options)
    )
    return f'<label>{escaped(choice.name)} <select data-choice="{place}">{options}</select></label>'


def _entry(entry: Entry) -> str:
    label = escaped(shortened(entry.label))
    if entry.line is None:
        return f'<span class="shape"><span aria-hidden="true">{SHAPES[entry.symbol]}</span> {label}</span>'
    drawn_ = swatch(entry.line, band=entry.band)
    series = escaped(entry.series)
    return f'<button type="button" aria-pressed="true" data-series="{series}">{drawn_}{label}</button>'


def swatch(line: Line, *, band: bool = False) -> str:
    """How a model is drawn, beside its name."""
    ink = f'stroke="var(--{line.colour})"'
    strokes = line.dash.replace("px", "")
    dashes = "" if line.dash == "solid" else f' stroke-dasharray="{strokes}"'
    if band:
        fill = f'fill="var(--{line.colour})" fill-opacity=".3"'
        inside = f'<rect x="1" y="2" width="34" height="8" {fill} {ink}{dashes}/>'
    else:
        inside = f'<line x1="0" x2="36" y1="6" y2="6" {ink} stroke-width="2.2"{dashes}/>'
    return f'<svg viewBox="0 0 36 12" class="swatch" aria-hidden="true" focusable="false">{inside}</svg>'


def told(chart: Chart, rows: Mapping[Score, int]) -> dict[str, Any]:
    """What the page's script needs of a chart.

    Args:
        chart: what is drawn.
        rows: the place of every score among all scores.
    """
    drawings = []
    places = [[value for value, _ in choice.options] for choice in chart.choices]
    for drawing in chart.drawings:
        each: dict[str, Any] = {name: getattr(drawing, name) for name in ("slug", "title", "caption", "alt")}
        each["chosen"] = [known.index(value) for known, value in zip(places, drawing.chosen, strict=True)]
        if isinstance(drawing.data, Scores):
            each["scores"] = [rows[row] for row in drawing.data]
        else:
            each |= {"columns": drawing.data.columns, "rows": drawing.data.rows}
        drawings.append({**each, "spec": traces.on_page(drawing.spec)})
    return {"slug": chart.slug, "drawings": drawings}
