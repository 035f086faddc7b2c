"""A chart as HTML: choices, key, picture, words, downloads; and what `page.js` needs of it."""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any

from lamina.files import write_text
from lamina.report import figures
from lamina.report.chart import Chart, Choice, Drawing, Entry
from lamina.report.style import SHAPES
from lamina.score import Score, Scores

GLYPHS = dict(SHAPES)


def panel(chart: Chart) -> str:
    """The HTML of a chart, the first drawing's words filled in."""
    first = chart.drawings[0]
    choices = "".join(_select(place, each) for place, each in enumerate(chart.choices) if len(each.options) > 1)
    controls = (
        f'<div class="controls" role="group" aria-label="Choose what is drawn">{choices}</div>' if choices else ""
    )
    stills = "".join(
        f'<div class="still"><img alt="{html.escape(each.alt)}" src="figures/{each.slug}.svg" loading="lazy" '
        f'data-still="{each.slug}"><p>{html.escape(each.caption)}</p></div>'
        for each in chart.drawings
        if each.lead
    )
    intro = f"<p>{html.escape(chart.intro)}</p>" if chart.intro else ""
    return (
        f'<h3 id="chart-{chart.slug}">{html.escape(chart.title)}</h3>{intro}'
        f'<figure class="chart" data-chart="{chart.slug}" aria-labelledby="chart-{chart.slug}">{controls}'
        f"{_key(chart.key)}"
        f'<div class="plot" role="img" aria-label="{html.escape(first.alt)}"></div>{stills}'
        f'<figcaption><span class="caption" aria-live="polite">{html.escape(first.caption)}</span> '
        f"{downloads(first)}</figcaption>"
        '<details class="values"><summary>Values of this picture</summary><div class="scroll" tabindex="0" '
        'role="region" aria-label="Values of this picture"></div></details></figure>'
    )


def downloads(drawing: Drawing) -> str:
    """Links to a drawing's files; where scripts run, the data come out of the page itself."""
    files = [(kind.upper(), f"figures/{drawing.slug}.{kind}") for kind in figures.FORMATS]
    files.append(("CSV", f"data/{drawing.slug}.csv"))
    links = " ".join(f'<a href="{file}" download data-kind="{name.lower()}">{name}</a>' for name, file in files)
    return f'<span class="downloads">Download: {links}</span>'


def _select(place: int, choice: Choice) -> str:
    options = "".join(
        f'<option value="{html.escape(value)}">{html.escape(label)}</option>' for value, label in choice.options
    )
    return f'<label>{html.escape(choice.name)} <select data-choice="{place}">{options}</select></label>'


def _key(key: tuple[Entry, ...]) -> str:
    if not key:
        return ""
    return f'<ul class="key" aria-label="Key">{"".join(f"<li>{_entry(entry)}</li>" for entry in key)}</ul>'


def _entry(entry: Entry) -> str:
    label = html.escape(entry.label)
    if entry.symbol:
        glyph = GLYPHS[entry.symbol]
        return f'<span class="shape"><span aria-hidden="true">{glyph}</span> {label}</span>'
    if entry.band:
        drawn = (
            f'<rect x="1" y="2" width="34" height="8" fill="var(--{entry.colour})" fill-opacity=".3" '
            f'stroke="var(--{entry.colour})" stroke-dasharray="2 3"/>'
        )
    else:
        pattern = "" if entry.dash == "solid" else f' stroke-dasharray="{entry.dash.replace("px", "")}"'
        drawn = f'<line x1="0" x2="36" y1="6" y2="6" stroke="var(--{entry.colour})" stroke-width="2.2"{pattern}/>'
    return (
        f'<button type="button" aria-pressed="true" data-series="{html.escape(entry.series)}">'
        f'<svg viewBox="0 0 36 12" aria-hidden="true" focusable="false">{drawn}</svg>{label}</button>'
    )


def store(chart: Chart, folder: Path, rows: dict[Score, int]) -> dict[str, Any]:
    """Write a chart's figures and data into ``folder``; returns what the page's script needs.

    Args:
        chart: what is drawn.
        folder: of the report.
        rows: the place of every score among all scores.
    """
    told = []
    for drawing in chart.drawings:
        files = figures.draw(drawing.spec, chart.key, folder / "figures" / drawing.slug)
        write_text(folder / "data" / f"{drawing.slug}.csv", drawing.data.to_csv())
        each: dict[str, Any] = {
            name: getattr(drawing, name) for name in ("chosen", "slug", "title", "caption", "alt", "spec")
        }
        if isinstance(drawing.data, Scores):
            each["scores"] = [rows[row] for row in drawing.data]
        else:
            each |= {"columns": drawing.data.columns, "rows": drawing.data.rows}
        if drawing.lead:
            each["still"] = files["svg"].read_text(encoding="utf-8")
        told.append(each)
    return {"slug": chart.slug, "drawings": told}
