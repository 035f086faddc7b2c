"""The strip of an encoder's blocks below or beside its curve: a box a block, the slower its rate, the darker."""

from __future__ import annotations

from collections.abc import Sequence

from lamina.markup import shortened
from lamina.report import traces
from lamina.report.comparison import Curve
from lamina.report.overview import Overview
from lamina.report.traces import Spec
from lamina.report.wording import period


def strips(
    drawn: Sequence[Curve], seen: Overview, across: tuple[float, float], rows: Sequence[float], yref: str
) -> tuple[list[Spec], list[Spec], list[Spec]]:
    """A row a model, from ``rows`` to one below each: the boxes, their annotations, and what those may say.

    The last are the ``labels`` of a spec without their ``index``: a long and a short text, and the share of the
    plot's width that it may take; the page picks what fits.
    """
    rank = {ms: index for index, ms in enumerate(seen.shapes)}
    boxes: list[Spec] = []
    notes: list[Spec] = []
    labels: list[Spec] = []
    for row, curve in zip(rows, drawn, strict=True):
        for block, ms, first, last in curve.blocks:
            shade = 0.08 + 0.3 * rank[ms] / max(1, len(rank) - 1)
            where = (first - 0.46, row + 0.08, last + 0.46, row + 0.92)
            boxes.append(traces.box(*where, f"grey/{shade:.2f}", yref=yref, layer="below"))
            short = f"{ms:.4g}"
            notes.append(traces.note((first + last) / 2, row + 0.5, short, 11, yref=yref))
            share = (last - first + 1) / (across[1] - across[0])
            labels.append({"long": f"{shortened(block, 30)}, {period(ms)}", "short": short, "share": share})
    return boxes, notes, labels
