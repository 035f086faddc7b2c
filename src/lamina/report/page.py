"""The page: the question, the answer, the pictures, the costs, how it was made. One file that opens offline."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from lamina.errors import LaminaError
from lamina.files import write_text
from lamina.report import figures, plots, tables
from lamina.report.style import DASHES, MEANINGS, SECONDARY, SHAPES, period, shapes
from lamina.report.view import Curve, Picture, View, view
from lamina.report.words import sentences
from lamina.score import Scores

QUESTION = (
    "What does each layer of these speech encoders know, at the rate that layer runs, and what does it cost?"
)


def write_report(scores: Scores, folder: Path, *, title: str, method: Mapping[str, Any]) -> Path:
    """Write ``index.html`` (self-contained), ``figures/`` (PNG, SVG, PDF), ``data/`` (CSV) and ``scores.jsonl``.

    Other files in ``folder`` are left alone. See `lamina.report.view` for how rows become pictures and tables.

    Args:
        scores: rows of one or of many models, with or without effects and costs.
        folder: created where missing.
        title: the page's heading.
        method: how it was made: names to values, lists or nested mappings. ``question`` (a sentence) replaces the
            page's own; ``caveats`` (a list of sentences) becomes "What the numbers do not show"; ``factors`` (name
            to a mapping with a ``label``) says what effects are called.

    Returns:
        ``folder/index.html``.

    Raises:
        LaminaError: there are no scores, or the folder cannot be written.
    """
    if not len(scores):
        raise LaminaError(
            f"there are no scores to report in {folder}: run `lamina study run` or `lamina analyze` first"
        )
    seen = view(scores)
    parts: list[tuple[str, str, str] | None] = [_answer(seen, folder, method)]
    parts += [_pictures(seen, folder)] if seen.pictures else []
    extra = [(tables.masked_table(seen), "masked"), (tables.cost_table(seen), "cost")]
    parts += [_section(table.name, _table(table, folder, slug), slug) for table, slug in extra if table.rows]
    parts += [_caveats(method), _method(method)]
    write_text(folder / "data" / "scores.csv", scores.to_csv())
    write_text(folder / "scores.jsonl", scores.to_jsonl())
    page = _document(title, str(method.get("question", QUESTION)), [part for part in parts if part])
    write_text(folder / "index.html", page)
    return folder / "index.html"


def _document(title: str, question: str, parts: Sequence[tuple[str, str, str]]) -> str:
    from plotly.offline import get_plotlyjs

    def own(name: str) -> str:
        return resources.files("lamina.report").joinpath(name).read_text(encoding="utf-8")

    links = "".join(f'<li><a href="#{slug}">{html.escape(name)}</a></li>' for name, slug, _ in parts)
    body = "".join(
        f'<section aria-labelledby="{slug}"><h2 id="{slug}">{html.escape(name)}</h2>{content}</section>'
        for name, slug, content in parts
    )
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{html.escape(title)}</title>
<link rel="icon" href="data:,">
<style>{own("page.css")}</style>
</head>
<body>
<a class="skip" href="#main">Skip to the answer</a>
<header>
<h1>{html.escape(title)}</h1>
<p class="question">{html.escape(question)}</p>
</header>
<nav aria-label="Sections"><ul>{links}</ul></nav>
<main id="main">{body}</main>
<footer><p>Every number here is a row of <a href="scores.jsonl" download>scores.jsonl</a>
(also as <a href="data/scores.csv" download>CSV</a>). Made by Lamina.</p></footer>
<script>{get_plotlyjs()}</script>
<script>{own("page.js")}</script>
</body>
</html>
"""


def _section(name: str, content: str, slug: str) -> tuple[str, str, str]:
    return name, slug, content


def _table(table: tables.Table, folder: Path, slug: str) -> str:
    write_text(folder / "data" / f"{slug}.csv", table.scores.to_csv())
    return f'{table.to_html()}<p class="note">Data: <a href="data/{slug}.csv" download>{slug}.csv</a></p>'


def _folded(name: str, content: str) -> str:
    return f"<details><summary>{html.escape(name)}</summary>{content}</details>"


def _answer(seen: View, folder: Path, method: Mapping[str, Any]) -> tuple[str, str, str]:
    labels = {name: str(each["label"]) for name, each in dict(method.get("factors", {})).items()}
    said = "".join(f"<li>{html.escape(sentence)}</li>" for sentence in sentences(seen, labels))
    content = f'<div class="answer"><ul>{said}</ul></div>' if said else ""
    for place, table in enumerate(tables.effects_tables(seen)):
        slug = f"effects-{table.scores[0].tap}"
        shown = _table(table, folder, slug)
        content += f"<h3>What each factor changes</h3>{shown}" if place == 0 else _folded(table.name, shown)
    if seen.pictures:
        content += "<h3>Best layer of every model</h3>" + _table(tables.best_table(seen), folder, "best")
    return _section("The answer", content, "answer")


def _pictures(seen: View, folder: Path) -> tuple[str, str, str]:
    several = any(
        point.low is not None and point.seeds == 1
        for picture in seen.pictures
        for curve in picture.curves
        for point in curve.points
    )
    seeds = any(point.seeds > 1 for picture in seen.pictures for curve in picture.curves for point in curve.points)
    bands = [
        text
        for text, have in (
            ("Bands are 95 % intervals over resampled speakers; with few speakers they say little.", several),
            (
                "Where a model was trained with several seeds, the line is their mean and the band their range.",
                seeds,
            ),
        )
        if have
    ]
    intro = (
        "Each line is an encoder, read at every tap from its front (left) to its end (right). The shape of a "
        "marker is the frame period of that tap; the strip below names each encoder's blocks and their periods, "
        "the slower the darker. Point at a marker for its numbers; the buttons of a key show and hide a line in "
        "all pictures. "
    )
    shown = {
        secondary: "".join(
            _picture(picture, seen, folder)
            for picture in seen.pictures
            if (picture.measure in SECONDARY) == secondary
        )
        for secondary in (False, True)
    }
    figures_ = shown[False] + (_folded("Further measures", shown[True]) if shown[True] else "")
    return _section("Layer by layer", f"<p>{intro}{' '.join(bands)}</p>{figures_}", "layers")


def _picture(picture: Picture, seen: View, folder: Path) -> str:
    files = figures.draw(picture, seen, folder / "figures")
    write_text(folder / "data" / f"{picture.slug}.csv", picture.rows.to_csv())
    spec = json.dumps(plots.plot(picture, seen), ensure_ascii=False, allow_nan=False).replace("</", "<\\/")
    still = base64.b64encode(files["svg"].read_bytes()).decode()
    alternative = html.escape(_describe(picture))
    meaning = f": {MEANINGS[picture.measure]}" if picture.measure in MEANINGS else ""
    slug, name = picture.slug, html.escape(picture.title)
    downloads = " ".join(
        f'<a href="figures/{slug}.{kind}" download>{kind.upper()}</a>' for kind in figures.FORMATS
    )
    drawn = picture.of("model", "untrained", "reference", "null")
    return (
        f'<h3 id="{slug}">{name}</h3>{_key(picture, seen)}'
        f'<figure><div class="plot" role="img" aria-label="{alternative}" data-spec="spec-{slug}"></div>'
        f'<img class="static" alt="{alternative}" src="data:image/svg+xml;base64,{still}">'
        f'<script type="application/json" id="spec-{slug}">{spec}</script>'
        f"<figcaption>{name} by depth{meaning}; {html.escape(picture.rules)}. Download: {downloads} "
        f'<a href="data/{slug}.csv" download>CSV</a></figcaption></figure>'
        f'<details class="values"><summary>Values of this picture</summary>'
        f"{tables.values_table(drawn, picture.title).to_html()}</details>"
    )


def _describe(picture: Picture) -> str:
    """What the picture shows, for those who do not see it: where each line has its highest value."""
    said = [
        f"{curve.label} peaks at {curve.best.tap} ({period(curve.best.period_ms)}) with {curve.best.value:.3f}"
        for curve in picture.of("model", "untrained")
    ]
    said += [f"{curve.label} is level at {curve.best.value:.3f}" for curve in picture.of("reference")]
    return f"{picture.title} by depth: {'; '.join(said)}."


def _key(picture: Picture, seen: View) -> str:
    """The key: a button a line, then the shapes of the frame periods."""
    items = [
        _button(plots.series(curve), curve.label, _swatch(curve, seen))
        for curve in picture.of("model", "untrained", "reference")
    ]
    if picture.of("null"):
        box = (
            '<rect x="1" y="2" width="34" height="8" fill="var(--grey)" fill-opacity=".3" '
            'stroke="var(--grey)" stroke-dasharray="2 3"/>'
        )
        items.append(_button("null:", "shuffled labels", box))
    present = {point.period_ms for curve in picture.of("model", "untrained") for point in curve.points}
    for ms, index in shapes(seen.periods).items():
        if ms in present:
            glyph = SHAPES[index][2]
            items.append(
                f'<span class="shape"><span aria-hidden="true">{glyph}</span> frame every {period(ms)}</span>'
            )
    return f'<ul class="key" aria-label="Key">{"".join(f"<li>{item}</li>" for item in items)}</ul>'


def _button(series: str, label: str, drawing: str) -> str:
    return (
        f'<button type="button" aria-pressed="true" data-series="{html.escape(series)}">'
        f'<svg viewBox="0 0 36 12" aria-hidden="true" focusable="false">{drawing}</svg>'
        f"{html.escape(label)}</button>"
    )


def _swatch(curve: Curve, seen: View) -> str:
    dash = DASHES[seen.line(curve).dash][0]
    pattern = "" if dash == "solid" else f' stroke-dasharray="{dash.replace("px", "")}"'
    width = 1.2 if curve.kind == "reference" else 2.4
    return (
        f'<line x1="0" x2="36" y1="6" y2="6" stroke="var(--{plots.colour(seen, curve)})" '
        f'stroke-width="{width}"{pattern}/>'
    )


def _caveats(method: Mapping[str, Any]) -> tuple[str, str, str] | None:
    items = method.get("caveats") or []
    if not items:
        return None
    said = "".join(f"<li>{html.escape(str(item))}</li>" for item in items)
    return _section("What the numbers do not show", f'<ul class="plain">{said}</ul>', "caveats")


def _method(method: Mapping[str, Any]) -> tuple[str, str, str] | None:
    shown = {key: value for key, value in method.items() if key not in {"caveats", "question"}}
    if not shown:
        return None
    return _section("How it was made", _definitions(shown, 0), "method")


def _definitions(value: Any, level: int) -> str:
    """Nested mappings as nested lists of definitions; long ones below the first level are folded."""
    if isinstance(value, Mapping):
        items = "".join(
            f"<dt>{html.escape(str(key))}</dt><dd>{_definitions(item, level + 1)}</dd>"
            for key, item in value.items()
        )
        whole = f"<dl>{items}</dl>"
        if level == 0 or len(value) <= 4:
            return whole
        return f"<details><summary>{len(value)} entries</summary>{whole}</details>"
    if isinstance(value, (list, tuple)):
        if all(not isinstance(item, (Mapping, list, tuple)) for item in value):
            return html.escape(", ".join(map(str, value))) or "none"
        return (
            "<ul class='plain'>" + "".join(f"<li>{_definitions(item, level + 1)}</li>" for item in value) + "</ul>"
        )
    if value is None or value == "":
        return "–"
    return f"<code>{html.escape(f'{value:.6g}' if isinstance(value, float) else str(value))}</code>"
