"""Costs of encoders as tables on the terminal and as a picture on paper."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from lamina.errors import LaminaError
from lamina.files import replacing
from lamina.report.console import table
from lamina.score import Score, Scores

if TYPE_CHECKING:
    from rich.table import Table

PICTURES = (".png", ".svg", ".pdf")


def cost_tables(scores: Scores) -> list[Table]:
    """A table of whole encoders by length of audio, one of their parts, and one of their levels."""
    whole = scores.select(tap="")
    rows = []
    for model, length in _cases(whole):
        at = {row.measure: row for row in whole.select(model=model, target=length)}
        work = at.get("macs-attention")
        seconds = float(length.split()[0])
        # Counted work over measured time: encoders of one size that differ here are not limited by arithmetic.
        rate = f"{work.value / seconds * at['speed'].value / 1e9:.1f}" if work and "speed" in at else ""
        rows.append(
            (
                model,
                length,
                *(_giga(at.get(name)) for name in ("macs", "macs-attention")),
                *(_number(at.get(name)) for name in ("speed",)),
                rate,
                _mega(at.get("peak-memory")),
                _number(at.get("train-speed")),
                _mega(at.get("train-memory")),
            )
        )
    where = ", ".join(whole.select(measure="speed").distinct("support"))
    parameters = ", ".join(f"{row.model} {row.value / 1e6:.2f} M" for row in whole.select(measure="parameters"))
    made = table(
        ("encoder", "audio", "G MACs", "attention", "speed", "G MAC/s", "MB", "training", "MB training"),
        rows,
        caption=f"parameters: {parameters}. MACs: convolutions and linear layers (the published convention), then "
        f"with the products of attention; speed: seconds of audio a second on {where}, G MAC/s: counted work over "
        "measured time; MB: most memory at once, weights included; training: forward and backward",
    )
    return [made, *(shares(scores, by) for by in ("part", "level") if len(_parts(scores)))]


def shares(scores: Scores, by: str) -> Table:
    """The share of each ``part`` (front end, blocks) or ``level`` (all that runs at one rate), attention included.

    Of the longest audio.
    """
    rows = []
    for model, length in _longest(scores):
        found = _grouped(scores.select(model=model, target=length), by)
        total = sum(found.values())
        rows += [(model, name, f"{value / 1e9:.2f}", f"{value / total:.1%}") for name, value in found.items()]
    title = "Where the work is done" if by == "part" else "At which rate the work is done"
    return table(("encoder", by, "G MACs, with attention", "share"), rows, title=title)


def cost_picture(scores: Scores, path: Path) -> Path:
    """Draw multiply-accumulates by length of audio and their shares by part.

    Args:
        scores: rows of `lamina.cost.cost.measure_cost`, of one or many encoders.
        path: where; its ending (png, svg, pdf) says how.

    Raises:
        LaminaError: the ending is another, or there are no multiply-accumulates (mel and MFCC have no model).
    """
    if path.suffix not in PICTURES:
        raise LaminaError(f"{path} is no picture that can be drawn: its name must end in {', '.join(PICTURES)}")
    whole = scores.select(tap="", measure=("macs", "macs-attention"))
    if not len(whole):
        raise LaminaError("there is nothing to draw: mel and MFCC have no model and no multiply-accumulates")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    lines, bars = figure.subplots(1, 2)
    for number, model in enumerate(whole.distinct("model")):
        for measure, dash in (("macs", ":"), ("macs-attention", "-")):
            found = sorted((_seconds(row), row.value / 1e9) for row in whole.select(model=model, measure=measure))
            label = model if measure == "macs-attention" else None
            lines.plot(
                *zip(*found, strict=True),
                dash,
                marker="osD^vP*X"[number % 8],
                color=f"C{number % 10}",
                label=label,
            )
    lines.set(xlabel="seconds of audio", ylabel="G multiply-accumulates", xlim=(0, None), ylim=(0, None))
    lines.set_title("solid: with attention, dotted: published convention", fontsize="small")
    lines.legend(fontsize="small", frameon=False)
    cases = _longest(scores)
    for place, (model, length) in enumerate(cases):
        shares_here = _grouped(scores.select(model=model, target=length), "part")
        left, total = 0.0, sum(shares_here.values())
        for number, (name, value) in enumerate(shares_here.items()):
            bars.barh(place, value / 1e9, left=left, color=f"{0.75 + 0.17 * (number % 2)}", edgecolor="black")
            if value > 0.04 * total:
                bars.text(
                    left + value / 2e9, place, name, ha="center", va="center", fontsize="x-small", rotation=30
                )
            left += value / 1e9
    bars.set_yticks(range(len(cases)), [model for model, _ in cases], fontsize="small")
    bars.invert_yaxis()
    bars.set(xlabel=f"G multiply-accumulates, {cases[0][1]} of audio")
    with replacing(path) as beside:
        figure.savefig(beside, format=path.suffix[1:], dpi=150)
    return path


def _grouped(rows: Scores, by: str) -> dict[str, float]:
    """Multiply-accumulates with attention, summed by part or level, in the order of the model."""
    found: dict[str, float] = {}
    for row in sorted(_parts(rows), key=lambda row: row.depth):
        name = (
            part(row)
            if by == "part"
            else (f"{row.period_ms:g} ms" if row.period_ms else "front end, changes of rate")
        )
        found[name] = found.get(name, 0.0) + row.value
    return found


def part(row: Score) -> str:
    """What a part of a model is called: its front end, a block, all layers of an encoder, or what is beside."""
    if row.tap.startswith(("feature_extractor", "feature_projection")):
        return "front end"
    if row.tap.startswith("blocks."):
        return f"block {int(row.tap.split('.')[1]) + 1} ({row.period_ms:g} ms)"
    return "layers" if re.search(r"layers\.\d+$", row.tap) else "others"


def _parts(scores: Scores) -> Scores:
    return scores.select(lambda row: bool(row.tap), measure="macs-attention")


def _cases(whole: Scores) -> list[tuple[str, str]]:
    return list(dict.fromkeys((row.model, row.target) for row in whole if row.target))


def _longest(scores: Scores) -> list[tuple[str, str]]:
    """Each model that has parts, with its longest audio."""
    found: dict[str, Score] = {}
    for row in _parts(scores):
        if row.model not in found or _seconds(row) > _seconds(found[row.model]):
            found[row.model] = row
    return [(model, row.target) for model, row in found.items()]


def _seconds(row: Score) -> float:
    return float(row.target.split()[0])


def _giga(row: Score | None) -> str:
    return "" if row is None else f"{row.value / 1e9:.2f}"


def _mega(row: Score | None) -> str:
    return "" if row is None else f"{row.value / 1e6:.0f}"


def _number(row: Score | None) -> str:
    return "" if row is None else f"{row.value:.1f}"
