"""The page: question, answer, design, pictures, costs, methods. One file that opens offline."""

from __future__ import annotations

import base64
import gzip
import html
import json
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from lamina.errors import LaminaError
from lamina.files import write_text
from lamina.report import cards, curves, depths, design, forest, learning, methods, panel, peaks, tables, tradeoff
from lamina.report.chart import Chart
from lamina.report.learning import Trained
from lamina.report.verdicts import Verdict
from lamina.report.view import View, view
from lamina.report.words import sentences
from lamina.score import COLUMNS, Scores

QUESTION = (
    "What does each layer of these speech encoders know, at the rate that layer runs, and what does it cost?"
)


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page under a heading."""

    slug: str
    name: str
    content: str


def write_report(
    scores: Scores,
    folder: Path,
    *,
    title: str,
    method: Mapping[str, Any],
    verdicts: Sequence[Verdict] = (),
    trained: Sequence[Trained] = (),
) -> Path:
    """Write ``index.html`` (self-contained), ``figures/`` (SVG, PDF), ``data/`` (CSV) and ``scores.jsonl``.

    Other files in ``folder`` are left alone. See `lamina.report.view` for how rows become pictures and tables.

    Args:
        scores: rows of one or of many models, with or without effects and costs.
        folder: created where missing.
        title: the page's heading.
        method: how it was made: names to values, lists or nested mappings. ``question`` (a sentence) replaces the
            page's own; ``caveats`` (a list of sentences) becomes "What the numbers do not show"; ``factors`` (name
            to a mapping with a ``label``) says what effects are called; from ``config`` (the resolved config of a
            study) the methods section is written.
        verdicts: what the study says of its claims.
        trained: its training runs, for the pictures of the design and of learning.

    Returns:
        ``folder/index.html``.

    Raises:
        LaminaError: there are no scores, or the folder cannot be written.
    """
    if not len(scores):
        raise LaminaError(
            f"there are no scores to report in {folder}: run `lamina study run` or `lamina analyze` first"
        )
    scores = Scores(dict.fromkeys(scores))
    seen = view(scores)
    labels = {name: str(each["label"]) for name, each in dict(method.get("factors", {})).items()}
    key = curves.key(seen)
    layers = (curves.chart(seen), peaks.chart(seen, key))
    changes = (forest.chart(seen, labels), depths.chart(seen, labels))
    cost, learned = tradeoff.chart(seen, key), learning.chart(trained, seen)
    sections = [
        _answer(seen, labels, verdicts),
        design.section(trained, labels, folder),
        _section(
            "layers",
            "Layer by layer",
            *map(_panel, layers),
            _best(seen, folder),
            _table(tables.sums_table(seen), folder, "sums"),
        ),
        _section("changes", "What each factor changes", *map(_panel, changes)),
        _section("cost", "Quality and cost", _panel(cost), _table(tables.cost_table(seen), folder, "cost")),
        _section(
            "training", "Training", _panel(learned), _table(tables.whole_table(seen), folder, "whole-encoders")
        ),
        _caveats(method),
        _section("method", "How it was made", methods.section(method, trained)),
    ]
    places = {row: place for place, row in enumerate(scores)}
    charts = [chart for chart in (*layers, *changes, cost, learned) if chart is not None]
    payload = {
        "columns": COLUMNS,
        "scores": [astuple(row) for row in scores],
        "charts": [panel.store(chart, folder, places) for chart in charts],
    }
    write_text(folder / "data" / "scores.csv", scores.to_csv())
    write_text(folder / "scores.jsonl", scores.to_jsonl())
    shown = [Section(*each) for each in sections if each is not None and each[2]]
    page = _document(title, str(method.get("question", QUESTION)), shown, payload)
    write_text(folder / "index.html", page)
    return folder / "index.html"


def _document(title: str, question: str, parts: Sequence[Section], payload: Mapping[str, Any]) -> str:
    def own(name: str) -> str:
        return resources.files("lamina.report").joinpath(name).read_text(encoding="utf-8")

    # Only what is packed here can be asked for: the page needs no network and no other file.
    packed = "".join(
        f'<script type="application/gzip" id="{name}">{_packed(text)}</script>'
        for name, text in (
            ("payload", json.dumps(payload, ensure_ascii=False, allow_nan=False, separators=(",", ":"))),
            ("plotly", _plotly() if payload["charts"] else ""),
        )
    )
    links = "".join(f'<li><a href="#{part.slug}">{html.escape(part.name)}</a></li>' for part in parts)
    body = "".join(
        f'<section aria-labelledby="{part.slug}"><h2 id="{part.slug}">{html.escape(part.name)}</h2>{part.content}'
        "</section>"
        for part in parts
    )
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{html.escape(title)}</title>
<link rel="icon" href="data:,">
<style>{own("page.css")}</style>
<script>if (window.DecompressionStream) document.documentElement.classList.add("scripted");</script>
</head>
<body>
<a class="skip" href="#main">Skip to the answer</a>
<header>
<h1>{html.escape(title)}</h1>
<p class="question">{html.escape(question)}</p>
</header>
<nav aria-label="Sections"><ul>{links}</ul></nav>
<main id="main" tabindex="-1">{body}</main>
<footer><p>Every number here is a row of <a href="scores.jsonl" download>scores.jsonl</a>
(also as <a href="data/scores.csv" download data-kind="all">CSV</a>). Made by Lamina.</p></footer>
{packed}
<script>{own("page.js")}</script>
</body>
</html>
"""


def _plotly() -> str:
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs())


def _packed(text: str) -> str:
    # Without a time the same scores give the same page.
    return base64.b64encode(gzip.compress(text.encode(), 9, mtime=0)).decode()


def _section(slug: str, name: str, *parts: str) -> tuple[str, str, str]:
    return slug, name, "".join(parts)


def _panel(chart: Chart | None) -> str:
    return panel.panel(chart) if chart is not None else ""


def _table(table: tables.Table, folder: Path, slug: str) -> str:
    if not table.rows:
        return ""
    write_text(folder / "data" / f"{slug}.csv", table.scores.to_csv())
    return (
        f"<h3>{html.escape(table.name)}</h3>{table.to_html()}"
        f'<p class="note">Data: <a href="data/{slug}.csv" download>{slug}.csv</a></p>'
    )


def _best(seen: View, folder: Path) -> str:
    return _table(tables.best_table(seen), folder, "best") if seen.pictures else ""


def _answer(seen: View, labels: Mapping[str, str], verdicts: Sequence[Verdict]) -> tuple[str, str, str]:
    said = "".join(f"<li>{html.escape(sentence)}</li>" for sentence in sentences(seen, labels))
    listed = f'<div class="answer"><ul>{said}</ul></div>' if said else ""
    if verdicts:
        judged = f'<p class="lead">{html.escape(cards.summary(verdicts))}</p>{cards.cards(verdicts)}'
        listed = judged + (f"<h3>What else the numbers say</h3>{listed}" if said else "")
    return _section("answer", "The answer", listed)


def _caveats(method: Mapping[str, Any]) -> tuple[str, str, str] | None:
    items = method.get("caveats") or []
    said = "".join(f"<li>{html.escape(str(item))}</li>" for item in items)
    return _section("caveats", "What the numbers do not show", f'<ul class="plain">{said}</ul>') if said else None
