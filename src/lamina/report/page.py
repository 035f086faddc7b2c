"""The page: question, answer, design, pictures, costs, methods. One file that opens offline."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from lamina.effect import Effect
from lamina.errors import LaminaError
from lamina.files import digest, reading, unlinked, write_text
from lamina.markup import escaped, policy
from lamina.records import plain
from lamina.report import cards, design, methods, tables
from lamina.report.answer import sentences
from lamina.report.chart import Chart
from lamina.report.figures import checked, write_figures
from lamina.report.overview import Overview, overview
from lamina.report.panel import panel, told
from lamina.report.pictures import kinds
from lamina.report.trained import Trained
from lamina.report.verdicts import Verdict
from lamina.score import COLUMNS, Scores

QUESTION = (
    "What does each layer of these speech encoders know, at the rate that layer runs, and what does it cost?"
)
BEST = (
    "The best value over all layers behind the front end (depth 0 is drawn but does not compete), where it was "
    "read (tap, frame period) and its interval; ★ marks the best of all. These values are read off the curves: "
    "luck chose a little, the more the more layers an encoder has. Effects and verdicts do not rest on them: "
    "there one half of the speakers chooses and the other scores, unless it is said otherwise."
)
SUMS = "A head on a learned weighted sum of the layers, or on the one layer that dev chose: an encoder as a whole."
COST = "What each encoder costs, by length of audio; the mean of several seeds."
SCRIPTED = 'if (window.DecompressionStream) document.documentElement.classList.add("scripted");'


def write_report(
    scores: Scores,
    folder: Path,
    *,
    title: str,
    method: Mapping[str, Any],
    verdicts: Sequence[Verdict] = (),
    effects: Iterable[Effect] = (),
    trained: Sequence[Trained] = (),
    figures: Sequence[str] = (),
) -> Path:
    """Write ``index.html`` (self-contained), ``scores.jsonl`` and ``scores.csv``; figures where asked for.

    Other files in ``folder`` are left alone. A page that this code made of the same values is not made again.

    Args:
        scores: rows of one or of many models.
        folder: created where missing.
        title: the page's heading.
        method: how it was made: names to values. ``question`` (a sentence) replaces the page's own; ``caveats``
            (sentences) becomes "What the numbers do not show"; ``factors`` (name to ``label`` and ``levels``) says
            what effects are called; ``notes`` (sentences, or by model or run) says what could not be measured;
            ``config`` is the resolved config of a study; of a single analysis, ``kind`` is ``analysis`` and its
            settings stand beside it. From these the methods section is written.
        verdicts: what the study says of its claims.
        effects: what it found.
        trained: its training runs, for the pictures of the design and of learning.
        figures: formats (`lamina.report.figures.FORMATS`) in which every drawing is written to ``figures/`` too.

    Returns:
        ``folder/index.html``.

    Raises:
        LaminaError: there are no scores, the method is no method, or the folder cannot be written.
    """
    if not len(scores):
        raise LaminaError(
            f"there are no scores to report in {folder}: run `lamina study run` or `lamina analyze` first"
        )
    page, formats = unlinked(folder / "index.html"), checked(figures)
    scores, effects = Scores(dict.fromkeys(scores)), tuple(effects)
    runs = [[run.model, run.seed, run.config, run.levels, run.log] for run in trained]
    found = [*map(plain, verdicts), *map(plain, effects)]
    lines = scores.to_jsonl()
    made_of = json.dumps([title, method, lines, found, runs, _code()], default=str)
    head = _head(digest(made_of, length=32))
    if not formats and _begins(page, head):
        return page
    labels = {name: str(each["label"]) for name, each in dict(method.get("factors", {})).items()}
    notes = method.get("notes", ())
    seen = overview(
        scores,
        effects=effects,
        trained=trained,
        labels=labels,
        notes=notes if isinstance(notes, Mapping) else {"": notes},
    )
    charts: dict[str, list[Chart]] = {}
    for kind in kinds():
        if (chart := kind.chart(seen)) is not None:
            charts.setdefault(kind.section, []).append(chart)
    drawn = [chart for found in charts.values() for chart in found]
    if formats:
        write_figures([*drawn, design.figures(seen)], folder / "figures", formats)
    write_text(unlinked(folder / "scores.csv"), scores.to_csv())
    write_text(unlinked(folder / "scores.jsonl"), lines)
    places = {row: place for place, row in enumerate(scores)}
    payload = {
        "columns": COLUMNS,
        "scores": [list(plain(row).values()) for row in scores],
        "charts": [told(chart, places) for chart in drawn],
    }
    content = _sections(seen, charts, verdicts, method)
    write_text(page, head + _rest(title, str(method.get("question", QUESTION)), content, payload))
    return page


def _sections(
    seen: Overview, charts: Mapping[str, Sequence[Chart]], verdicts: Sequence[Verdict], method: Mapping[str, Any]
) -> list[tuple[str, str, str]]:
    """Slug, name and content of each part that has one, in order."""
    pictures = {slug: "".join(map(panel, found)) for slug, found in charts.items()}
    layers = _boards("Best layers", BEST, tables.best_boards(seen), seen)
    layers += _boards("Probes on all layers together", SUMS, tables.sums_boards(seen), seen)
    caveats = "".join(f"<li>{escaped(item)}</li>" for item in method.get("caveats", ()))
    parts = [
        ("answer", "The answer", _answer(seen, verdicts)),
        ("design", "The design", design.section(seen)),
        ("layers", "Layer by layer", pictures.get("layers", "") + layers),
        ("changes", "What each factor changes", pictures.get("changes", "")),
        (
            "cost",
            "Quality and cost",
            pictures.get("cost", "") + _boards("Costs", COST, tables.cost_boards(seen), seen),
        ),
        (
            "training",
            "Training",
            pictures.get("training", "")
            + _boards("Scores of whole encoders", "", tables.whole_boards(seen), seen),
        ),
        ("caveats", "What the numbers do not show", f'<ul class="plain">{caveats}</ul>' if caveats else ""),
        ("method", "How it was made", methods.section(method, seen)),
    ]
    return [part for part in parts if part[2]]


def _answer(seen: Overview, verdicts: Sequence[Verdict]) -> str:
    said = "".join(f"<li>{escaped(sentence)}</li>" for sentence in sentences(seen))
    listed = f'<div class="answer"><ul>{said}</ul></div>' if said else ""
    if not verdicts:
        return listed
    judged = f'<p class="lead">{escaped(cards.lead(verdicts))}</p>{cards.cards(verdicts)}'
    return judged + (f"<h3>What else the numbers say</h3>{listed}" if said else "")


def _boards(name: str, caption: str, boards: Sequence[tables.Board], seen: Overview) -> str:
    told_ = f'<p class="caption">{escaped(caption)}</p>' if caption else ""
    return f"<h3>{escaped(name)}</h3>{told_}{tables.html(boards, seen)}" if boards else ""


def _head(made_of: str) -> str:
    """How a page begins: with what may run in it, then what it was made of."""
    allowed = policy(SCRIPTED, _own("page.js"), _plotly())
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'{allowed}\n<meta name="made-of" content="{made_of}">\n'
    )


def _begins(page: Path, head: str) -> bool:
    """Whether a page is there that begins so; what may run in it is then ours, whoever made it."""
    if not page.is_file():
        return False
    with reading(page, what="a page") as file:
        return file.read(len(head.encode())) == head.encode()


def _rest(title: str, question: str, parts: Sequence[tuple[str, str, str]], payload: Mapping[str, Any]) -> str:
    # Only what is packed here can be asked for: the page needs no network and no other file.
    packed = "".join(
        f'<script type="application/gzip" id="{name}">{_packed(text)}</script>'
        for name, text in (
            ("payload", json.dumps(payload, allow_nan=False, separators=(",", ":"))),
            ("plotly", _plotly() if payload["charts"] else ""),
        )
    )
    links = "".join(f'<li><a href="#{slug}">{escaped(name)}</a></li>' for slug, name, _ in parts)
    body = "".join(
        f'<section aria-labelledby="{slug}"><h2 id="{slug}">{escaped(name)}</h2>{content}</section>'
        for slug, name, content in parts
    )
    return f"""<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escaped(title)}</title>
<link rel="icon" href="data:,">
<style>{_own("page.css")}</style>
<script>{SCRIPTED}</script>
</head>
<body>
<a class="skip" href="#main">Skip to the answer</a>
<header>
<h1>{escaped(title)}</h1>
<p class="question">{escaped(question)}</p>
</header>
<nav aria-label="Sections"><ul>{links}</ul></nav>
<main id="main" tabindex="-1">{body}</main>
<footer><p>Every number here is a row of <a href="scores.jsonl" download>scores.jsonl</a>
(also as <a href="scores.csv" download>CSV</a>). Made by Lamina.</p></footer>
{packed}
<div class="on-paper" hidden></div>
<script>{_own("page.js")}</script>
</body>
</html>
"""


@cache
def _own(name: str) -> str:
    return resources.files("lamina.report").joinpath(name).read_text(encoding="utf-8")


@cache
def _plotly() -> str:
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs())


def _code() -> str:
    """A digest of the code that makes pages."""
    room = Path(__file__).parent
    files = [path for path in room.rglob("*") if path.suffix in {".py", ".css", ".js"}]
    files += [room.parent / "markup.py", room.parent / "measures.py"]
    return digest([path.read_text(encoding="utf-8") for path in sorted(files)])


def _packed(text: str) -> str:
    # Without a time the same scores give the same page.
    return base64.b64encode(gzip.compress(text.encode(), 6, mtime=0)).decode()
