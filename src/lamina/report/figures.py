"""Layer-wise pictures for paper: PNG, SVG and PDF by matplotlib, drawn from the same `Picture` as the page's."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from lamina.files import replacing
from lamina.report.style import DASHES, GREY, SHAPES, number, period, shapes
from lamina.report.view import Curve, Picture, View, depth_range, null_band, spread, value_range

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FORMATS = ("png", "svg", "pdf")
WIDTH, PLOT, STRIP = 7.0, 3.3, 0.19  # inches: the whole, the curves, one row of the strip
STYLE = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#dfe3e8",
    "grid.linewidth": 0.7,
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "lamina",  # the same scores give the same bytes
    "pdf.fonttype": 42,
}


def draw(picture: Picture, view: View, folder: Path) -> dict[str, Path]:
    """Write one picture as ``folder/<slug>.png|svg|pdf``.

    Returns:
        The files by format.

    Raises:
        LaminaError: the folder cannot be written.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    drawn = picture.of("model", "untrained")
    files = {kind: folder / f"{picture.slug}.{kind}" for kind in FORMATS}
    with mpl.rc_context(STYLE):  # type: ignore[arg-type]  # the stub wants literal keys
        heights = [PLOT, STRIP * len(drawn)] if drawn else [PLOT]
        figure = Figure(figsize=(WIDTH, sum(heights) + 1.5), layout="constrained")
        axes = figure.subplots(
            len(heights), 1, sharex=True, squeeze=False, gridspec_kw={"height_ratios": heights, "hspace": 0.02}
        )[:, 0]
        _curves(axes[0], picture, view)
        if drawn:
            _strip(axes[1], drawn, view, depth_range(picture))
        axes[-1].set_xlabel("depth along the data flow" if drawn else "")
        handles, labels = _key(picture, view)
        columns = max(1, min(4, len(labels), 95 // (max(map(len, labels)) + 9)))  # letters that fit side by side
        figure.legend(handles, labels, loc="outside upper left", ncols=columns, frameon=False, handlelength=3.2)
        for kind, file in files.items():
            # Without a date the same scores give the same bytes.
            nameless: dict[str, Any] = {} if kind == "png" else {"Date" if kind == "svg" else "CreationDate": None}
            with replacing(file) as beside:
                figure.savefig(beside, format=kind, dpi=160, metadata=nameless)
    return files


def _curves(axes: Axes, picture: Picture, view: View) -> None:
    shape = shapes(view.periods)
    across, up = depth_range(picture), value_range(picture)
    if band := null_band(picture):
        depths = [place[0] for place in band] if len(band) > 1 else list(across)
        lows, highs = ([place[side] for place in band] * (1 if len(band) > 1 else 2) for side in (1, 2))
        axes.fill_between(depths, lows, highs, color=GREY, alpha=0.25, linestyle=":", linewidth=1)
    for curve in picture.of("reference"):
        axes.axhline(curve.points[0].value, color=GREY, linewidth=1)
    for curve in (*picture.of("untrained"), *picture.of("model")):
        line = view.line(curve)
        depths = [point.depth for point in curve.points]
        inside = [point for point in curve.points if point.low is not None and point.high is not None]
        axes.fill_between(
            [point.depth for point in inside],
            [point.low or 0.0 for point in inside],
            [point.high or 0.0 for point in inside],
            color=line.hex,
            alpha=0.13,
            linewidth=0,
        )
        axes.plot(depths, [point.value for point in curve.points], color=line.hex, linestyle=DASHES[line.dash][1])
        for ms, index in shape.items():
            here = [point for point in curve.points if point.period_ms == ms]
            axes.plot(
                [point.depth for point in here],
                [point.value for point in here],
                linestyle="",
                marker=SHAPES[index][1],
                markersize=4 if curve.kind == "untrained" else 5.5,
                color=line.hex,
                markeredgecolor="white",
                markeredgewidth=0.6,
            )
    axes.set_xlim(across)
    axes.set_ylim(up)
    axes.set_ylabel(picture.title)
    if not picture.of("model", "untrained"):
        axes.set_xticks([])
    references = picture.of("reference")
    inch = PLOT / (up[1] - up[0])
    places = spread([(curve.points[0].value - up[0]) * inch for curve in references], 0.15, 0.05, PLOT - 0.05)
    for curve, place in zip(references, places, strict=True):
        axes.annotate(
            f"{curve.label} {number(curve.points[0].value)}",
            (1.0, place / PLOT),
            xycoords="axes fraction",
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            annotation_clip=False,
        )


def _strip(axes: Axes, drawn: list[Curve], view: View, across: tuple[float, float]) -> None:
    from matplotlib.patches import Rectangle

    rank = {value: index for index, value in enumerate(view.periods)}
    letters = 105 / (across[1] - across[0])  # how many letters fit into one tap
    for row, curve in enumerate(drawn):
        line = view.line(curve)
        axes.plot(
            [-0.075, -0.012],
            [row + 0.5] * 2,
            color=line.hex,
            linestyle=DASHES[line.dash][1],
            transform=axes.get_yaxis_transform(),
            clip_on=False,
        )
        for block, ms, first, last in curve.runs:
            shade = 0.08 + 0.3 * rank[ms] / max(1, len(rank) - 1)
            box = (first - 0.46, row + 0.06), last - first + 0.92, 0.88
            axes.add_patch(Rectangle(*box, facecolor=GREY, alpha=shade, linewidth=0))
            axes.add_patch(Rectangle(*box, fill=False, edgecolor=GREY, linewidth=0.6))
            room = (last - first + 1) * letters
            text = next((text for text in (f"{block} {period(ms)}", f"{ms:.4g}") if len(text) <= room), "")
            axes.text((first + last) / 2, row + 0.5, text, ha="center", va="center", fontsize=7.5)
    axes.set_ylim(len(drawn), 0)
    axes.set_yticks([])
    axes.grid(visible=False)
    axes.spines[["left", "bottom"]].set_visible(False)


def _key(picture: Picture, view: View) -> tuple[list[Any], list[str]]:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Any] = []
    labels: list[str] = []
    for curve in picture.of("model", "untrained"):
        line = view.line(curve)
        handle = Line2D([], [], color=line.hex)
        handle.set(linestyle=DASHES[line.dash][1])
        handles.append(handle)
        labels.append(curve.label)
    if picture.of("null"):
        handles.append(Patch(facecolor=GREY, alpha=0.25, linestyle=":"))
        labels.append("shuffled labels")
    present = {point.period_ms for curve in picture.of("model", "untrained") for point in curve.points}
    for ms, index in shapes(view.periods).items():
        if ms in present:
            handles.append(Line2D([], [], color="#1b2430", linestyle="", marker=SHAPES[index][1]))
            labels.append(f"frame every {period(ms)}")
    if not handles:
        handles.append(Line2D([], [], color=GREY))
        labels.append("encoders with a single tap")
    return handles, labels
