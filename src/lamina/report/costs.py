"""Costs of encoders as tables on the terminal and as a picture on paper."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lamina.errors import LaminaError
from lamina.files import replacing
from lamina.measures import (
    MACS,
    MACS_ATTENTION,
    PARAMETERS,
    PEAK_MEMORY,
    SPEED,
    TRAIN_MEMORY,
    TRAIN_SPEED,
)  # fmt: skip
from lamina.report.console import table
from lamina.score import Score, Scores

if TYPE_CHECKING:
    from rich.table import Table

PICTURES = (".png", ".svg", ".pdf")
# What is told of an encoder and length of audio: heading, measure, and how many make one of what is told.
COLUMNS = (
    ("G MACs", MACS, 1e9),
    ("attention", MACS_ATTENTION, 1e9),
    (SPEED, SPEED, 1),
    ("MB", PEAK_MEMORY, 1e6),
    ("training", TRAIN_SPEED, 1),
    ("MB training", TRAIN_MEMORY, 1e6),
)


def cost_tables(scores: Scores) -> list[Table]:
    """A table of whole encoders by length of audio, one of their parts, and one of their rates."""
    whole = scores.select(part="")
    rows = []
    for model, seconds in dict.fromkeys((row.model, row.seconds) for row in whole if row.seconds):
        at = {row.measure: row.value for row in whole.select(model=model, seconds=seconds)}
        told = [
            f"{at[name] / size:.{2 if size == 1e9 else 1}f}" if name in at else "" for _, name, size in COLUMNS
        ]
        # Counted work over measured time: encoders of one size that differ here are not limited by arithmetic.
        work = at.get(MACS_ATTENTION, 0.0) / seconds * at.get(SPEED, 0.0) / 1e9
        rows.append((model, f"{seconds:g} s", *told, f"{work:.1f}" if work else ""))
    where = ", ".join(filter(None, whole.select(measure=SPEED).distinct("setting")))
    parameters = ", ".join(f"{row.model} {row.value / 1e6:.2f} M" for row in whole.select(measure=PARAMETERS))
    made = table(
        ("encoder", "audio", *(name for name, *_ in COLUMNS), "G MAC/s"),
        rows,
        caption=f"parameters: {parameters}. MACs: convolutions and linear layers (the published convention), then "
        f"with the products of attention; speed: seconds of audio a second on {where}; MB: most memory at once, "
        "weights included; training: forward and backward; G MAC/s: counted work over measured time",
    )
    parts = _longest(scores)
    return [made, _shares(parts, "part"), _shares(parts, "rate")] if parts else [made]


def _longest(scores: Scores) -> dict[str, list[Score]]:
    """The parts of each model that has some, by attention's count, for its longest audio."""
    parts = scores.select(lambda row: bool(row.part), measure=MACS_ATTENTION)
    found = {}
    for model in parts.distinct("model"):
        own = parts.select(model=model)
        most = max(row.seconds for row in own)
        found[model] = sorted(own.select(seconds=most), key=lambda row: row.depth)
    return found


def _grouped(rows: list[Score], by: str) -> dict[str, float]:
    """Multiply-accumulates by part (a block, or what is beside them) or rate, in the order of the model."""
    found: dict[str, float] = {}
    for row in rows:
        rate = f"{row.period_ms:g} ms" if row.period_ms else ""
        block = ", ".join(filter(None, (row.block, rate))) or "others"
        name = block if by == "part" else rate or "front end, changes of rate"
        found[name] = found.get(name, 0.0) + row.value
    return found


def _shares(parts: dict[str, list[Score]], by: str) -> Table:
    rows = []
    for model, own in parts.items():
        found = _grouped(own, by)
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
    whole = scores.select(part="", measure=(MACS, MACS_ATTENTION))
    if not len(whole):
        raise LaminaError("there is nothing to draw: mel and MFCC have no model and no multiply-accumulates")
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from lamina.report.figures import STYLE

    with mpl.rc_context({"text.parse_math": STYLE["text.parse_math"]}):
        figure = Figure(figsize=(9, 3.6), layout="constrained")
        FigureCanvasAgg(figure)
        lines, bars = figure.subplots(1, 2)
        for number, model in enumerate(whole.distinct("model")):
            for measure, dash in ((MACS, ":"), (MACS_ATTENTION, "-")):
                rows = whole.select(model=model, measure=measure)
                found = sorted((row.seconds, row.value / 1e9) for row in rows)
                style = {"marker": "osD^vP*X"[number % 8], "color": f"C{number % 10}"}
                lines.plot(*zip(*found, strict=True), dash, label=model if dash == "-" else None, **style)
        lines.set(xlabel="seconds of audio", ylabel="G multiply-accumulates", xlim=(0, None), ylim=(0, None))
        lines.set_title("solid: with attention, dotted: published convention", fontsize="small")
        lines.legend(fontsize="small", frameon=False)
        parts = _longest(scores)
        for place, own in enumerate(parts.values()):
            shares = _grouped(own, "part")
            left, total = 0.0, sum(shares.values())
            for number, (name, value) in enumerate(shares.items()):
                bars.barh(place, value / 1e9, left=left, color=f"{0.75 + 0.17 * (number % 2)}", edgecolor="black")
                if value > 0.04 * total:
                    middle = left + value / 2e9
                    bars.text(middle, place, name, ha="center", va="center", fontsize="x-small", rotation=30)
                left += value / 1e9
        bars.set_yticks(range(len(parts)), list(parts), fontsize="small")
        bars.invert_yaxis()
        longest = max(row.seconds for own in parts.values() for row in own)
        bars.set(xlabel=f"G multiply-accumulates, {longest:g} s of audio")
        with replacing(path) as beside:
            figure.savefig(beside, format=path.suffix[1:], dpi=150)
    return path
