"""Drawings on paper: by matplotlib, from the same values as the page's pictures, when somebody asks for them."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lamina.errors import LaminaError
from lamina.files import replacing, unlinked, write_text
from lamina.markup import visible
from lamina.report.chart import Chart, Entry
from lamina.report.style import COLOURS, GREY
from lamina.report.traces import Spec

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = ("svg", "pdf", "png")
WIDTH, DOTS = 7.0, 108.0  # inches: the width of a page's text; pixels of the page in an inch of paper
POINT = 72 / DOTS  # points a pixel
NAMED = {"ink": "#1b2430", "paper": "#ffffff", "line": "#dfe3e8", "grey": GREY, "tint": "#f4f6f8"}
MARKERS = {
    "circle": "o",
    "square": "s",
    "diamond": "D",
    "triangle-up": "^",
    "triangle-down": "v",
    "star": "*",
    "pentagon": "p",
    "cross": "P",
}
STYLE: dict[str, Any] = {
    "font.size": 8,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.linewidth": 0.7,
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "lamina",  # the same scores give the same bytes
    "pdf.fonttype": 42,
    "savefig.dpi": 200,
    "text.parse_math": False,  # no name is a formula
}


def checked(formats: Iterable[str]) -> tuple[str, ...]:
    """Formats of figures, each once.

    Raises:
        LaminaError: one is none of `FORMATS`.
    """
    found = tuple(dict.fromkeys(formats))
    for each in found:
        if each not in FORMATS:
            raise LaminaError(f"figures cannot be made as {each!r}: ask for {', '.join(FORMATS)}")
    return found


def write_figures(charts: Iterable[Chart], folder: Path, formats: Sequence[str]) -> None:
    """Write every drawing in these formats, and the data behind it as CSV.

    Raises:
        LaminaError: the folder cannot be written.
    """
    unlinked(folder)
    for chart in charts:
        for drawing in chart.drawings:
            for kind in formats:
                with replacing(unlinked(folder / f"{drawing.slug}.{kind}")) as beside:
                    beside.write_bytes(drawn(drawing.spec, chart.key, kind))
            if len(drawing.data):
                write_text(unlinked(folder / f"{drawing.slug}.csv"), drawing.data.to_csv())


def drawn(spec: Spec, key: Sequence[Entry], kind: str) -> bytes:
    """One drawing as the bytes of a file.

    Args:
        spec: as `lamina.report.chart.Drawing` holds it.
        key: what its lines and shapes mean; entries of series that are not in it are left out.
        kind: one of `FORMATS`.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):  # type: ignore[arg-type]  # the stub wants literal keys
        look = spec["layout"]
        handles, labels = _key(spec, key)
        columns = max(1, min(4, len(labels), 90 // (max(map(len, labels), default=1) + 8)))
        above = 0.18 * -(-len(labels) // columns) + 0.06 if labels else 0.0
        wide = look.get("width", WIDTH * DOTS) / DOTS
        figure = Figure(figsize=(wide, look["height"] / DOTS + above))
        axes = {name: _axes(figure, look, name, above) for name in ("yaxis", "yaxis2") if name in look}
        for trace in spec["data"]:
            _trace(axes["yaxis"], trace)
        for shape in look["shapes"]:
            _shape(axes, shape)
        for place, note in enumerate(look["annotations"]):
            _note(axes, note, _fit(spec, place))
        if labels:
            figure.legend(handles, labels, loc="upper left", ncols=columns, frameon=False, handlelength=3.2,
                          borderaxespad=0.2, labelspacing=0.25)  # fmt: skip
        file = io.BytesIO()
        # Without a date the same scores give the same bytes.
        dates = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
        figure.savefig(file, format=kind, metadata=dates.get(kind))
        return file.getvalue()


def colour(name: str) -> tuple[str, float]:
    """The colour on white paper, and its opacity, of a name such as ``series-3`` or ``grey/0.2``."""
    stem, _, alpha = name.partition("/")
    found = COLOURS[int(stem.split("-")[1])] if stem.startswith("series-") else NAMED[stem]
    return found, float(alpha or 1)


def _dash(dash: str, width: float) -> Any:
    pixels = [float(part) for part in re.findall(r"[\d.]+", dash)]
    return (0, [length / width for length in pixels]) if pixels else "solid"


def _axes(figure: Figure, look: Spec, name: str, above: float) -> Axes:
    from matplotlib.ticker import EngFormatter, MaxNLocator, MultipleLocator

    margin, wide = look["margin"], figure.get_figwidth() * DOTS
    inside = look["height"] - margin["t"] - margin["b"]
    low, high = look[name].get("domain", (0, 1))
    whole = look["height"] + above * DOTS
    axes = figure.add_axes(
        (
            margin["l"] / wide,
            (margin["b"] + low * inside) / whole,
            (wide - margin["l"] - margin["r"]) / wide,
            (high - low) * inside / whole,
        )
    )
    across, up = look["xaxis"], look[name]
    axes.set_xlim(across["range"])
    axes.set_ylim(up["range"])
    axes.tick_params(length=2)
    shown = across.get("visible", True) and across.get("anchor", "y").replace("y", "yaxis") == name
    for axis, asked, seen in ((axes.xaxis, across, shown), (axes.yaxis, up, up.get("visible", True))):
        if not seen or not asked.get("showticklabels", True):
            axis.set_ticks([])
        elif "tickvals" in asked:
            axis.set_ticks(asked["tickvals"], list(map(visible, asked["ticktext"])))
        elif "dtick" in asked or "tick0" in asked:
            # As many as have room, as on the page.
            step = max(asked.get("dtick", 1), -(-(asked["range"][1] - asked["range"][0]) // 26))
            axis.set_major_locator(MultipleLocator(step))
        else:
            axis.set_major_locator(MaxNLocator(asked.get("nticks", 6)))
        if seen and asked.get("showgrid", True):
            axis.grid(visible=True, color=NAMED["line"])
        else:
            axis.grid(visible=False)
        if seen:
            axis.set_label_text(visible(asked.get("title", {}).get("text", "")))
    if across.get("exponentformat") == "SI" and shown:
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    if not up.get("visible", True) or not up.get("showticklabels", True):
        axes.spines[["left", "bottom"]].set_visible(False)
    return axes


def _trace(axes: Axes, trace: Spec) -> None:
    across, up = trace["x"], trace["y"]
    if trace.get("fill") == "toself":
        fill, alpha = colour(trace["fillcolor"])
        axes.fill(across, up, color=fill, alpha=alpha, linewidth=0)
        return
    for name in ("error_x", "error_y"):
        if name in trace and across:
            error = trace[name]
            ends = [error["arrayminus"], error["array"]]
            style = {"ecolor": colour(error["color"])[0], "elinewidth": error["thickness"] * POINT}
            bars = {"xerr": ends} if name == "error_x" else {"yerr": ends}
            axes.errorbar(across, up, fmt="none", **bars, **style)  # type: ignore[arg-type]  # a dict of many kinds
    if "lines" in trace["mode"]:
        line = trace["line"]
        style = {"linestyle": _dash(line["dash"], line["width"]), "linewidth": line["width"] * POINT}
        axes.plot(across, up, color=colour(line["color"])[0], **style)
    if "markers" in trace["mode"]:
        marker = trace["marker"]
        for symbol in dict.fromkeys(marker["symbol"]):
            here = [place for place, found in enumerate(marker["symbol"]) if found == symbol]
            axes.plot(
                [across[place] for place in here],
                [up[place] for place in here],
                linestyle="",
                marker=MARKERS[symbol],
                markersize=marker["size"] * POINT * 0.9,
                color=colour(marker["color"])[0],
                markeredgecolor=colour(marker["line"]["color"])[0],
                markeredgewidth=marker["line"]["width"] * POINT,
                zorder=3,
                clip_on=False,
            )


def _shape(axes: dict[str, Axes], shape: Spec) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Ellipse, Rectangle
    from matplotlib.transforms import ScaledTranslation, blended_transform_factory

    here = axes[{"y": "yaxis", "y2": "yaxis2", "paper": "yaxis"}[shape["yref"]]]
    figure = here.figure
    horizontal = here.transAxes if shape["xref"] == "paper" else here.transData
    vertical = here.transAxes if shape["yref"] == "paper" else here.transData
    left, right = shape["x0"], shape["x1"]
    if shape.get("xsizemode") == "pixel":
        horizontal = here.transAxes + ScaledTranslation(left / DOTS, 0, figure.dpi_scale_trans)
        left, right = 0, (right - left) / DOTS / (here.get_position().width * WIDTH)
    where = blended_transform_factory(horizontal, vertical)
    line = shape["line"]
    edge, width = colour(line["color"])[0], line["width"] * POINT
    if shape["type"] == "line":
        style = {"linestyle": _dash(line["dash"], line["width"]), "linewidth": width, "color": edge}
        here.add_line(Line2D([left, right], [shape["y0"], shape["y1"]], transform=where, clip_on=False, **style))
        return
    low, high = sorted((shape["y0"], shape["y1"]))
    fill, alpha = colour(shape["fillcolor"])
    for face, stroke, opacity in ((fill, 0.0, alpha), ("none", width, 1.0)):
        style = {"transform": where, "facecolor": face, "alpha": opacity, "linewidth": stroke, "edgecolor": edge}
        if shape["type"] == "circle":
            middle = ((left + right) / 2, (low + high) / 2)
            here.add_patch(Ellipse(middle, right - left, high - low, clip_on=False, **style))
        else:
            here.add_patch(Rectangle((left, low), right - left, high - low, **style))


def _fit(spec: Spec, place: int) -> str:
    """The longest text of an annotation that fits on paper."""
    text = str(spec["layout"]["annotations"][place]["text"])
    for label in spec["labels"]:
        if label["index"] == place:
            most = label["share"] * (WIDTH - 1.3) * 17  # letters in an inch
            text = next((each for each in (label["long"], label["short"]) if len(each) <= most), "")
    return visible(text)


def _note(axes: dict[str, Axes], note: Spec, text: str) -> None:
    from matplotlib.transforms import blended_transform_factory

    here = axes["yaxis2" if note["yref"] == "y2" else "yaxis"]
    across = here.transAxes if note["xref"] == "paper" else here.transData
    here.annotate(
        text,
        (note["x"], note["y"]),
        xycoords=blended_transform_factory(across, here.transData),
        xytext=(note.get("xshift", 0) * POINT, note.get("yshift", 0) * POINT),
        textcoords="offset points",
        ha=note.get("xanchor", "center"),
        va="center",
        fontsize=note["font"]["size"] * POINT * 0.95,
        fontweight="bold" if note.get("bold") else "normal",
        annotation_clip=False,
    )


def _key(spec: Spec, key: Sequence[Entry]) -> tuple[list[Any], list[str]]:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    series = {trace["meta"] for trace in spec["data"]}
    symbols = {symbol for trace in spec["data"] for symbol in trace.get("marker", {}).get("symbol", ())}
    handles: list[Any] = []
    shown = [entry for entry in key if (entry.series in series if entry.series else entry.symbol in symbols)]
    for entry in shown:
        if entry.line is None:
            ink = NAMED["ink"]
            handles.append(Line2D([], [], color=ink, linestyle="", marker=MARKERS[entry.symbol], markersize=5))
        elif entry.band:
            handles.append(Patch(facecolor=colour(entry.line.colour)[0], alpha=0.25))
        else:
            dashes = _dash(entry.line.dash, 2.2)
            handles.append(Line2D([], [], color=colour(entry.line.colour)[0], linewidth=1.5, linestyle=dashes))
    return handles, [visible(entry.label) for entry in shown]
