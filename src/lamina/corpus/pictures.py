"""Pictures of corpora by matplotlib: spectrograms with boundaries, histograms; files or text."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np

from lamina.corpus.corpus import Corpus, Utterance
from lamina.corpus.spectra import log_mel
from lamina.corpus.stored import SAMPLE_RATE
from lamina.corpus.voices import SPEAKER
from lamina.errors import LaminaError
from lamina.files import check_folder, replacing

INK = "#1f4e79"


def figure(rows: int, columns: int, *, size: tuple[float, float]) -> tuple[Any, Any]:
    """A figure and its axes, without a window."""
    from matplotlib.figure import Figure

    made = Figure(figsize=size, layout="constrained")
    return made, made.subplots(rows, columns)


def check_picture(path: Path) -> None:
    """See that a picture can be written at ``path``, before long work starts.

    Raises:
        LaminaError: its ending is none of a picture, it is a folder, or its folder cannot be written.
    """
    if path.suffix.lower() not in {".png", ".svg"} or path.is_dir():
        raise LaminaError(f"{path}: pictures are files that end in .png or .svg; give another name")
    check_folder(path.absolute().parent)


def save(drawn: Any, path: Path) -> None:
    """Write a figure as PNG or SVG, by the path's ending.

    Raises:
        LaminaError: the ending is another, or the file cannot be written.
    """
    check_picture(path)
    with replacing(path) as beside:
        drawn.savefig(beside, format=path.suffix[1:].lower(), dpi=110)


def inline(drawn: Any) -> str:
    """A figure as SVG text to put into a page."""
    buffer = io.StringIO()
    drawn.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def png(drawn: Any) -> bytes:
    """A figure as PNG bytes."""
    buffer = io.BytesIO()
    drawn.savefig(buffer, format="png", dpi=100)
    return buffer.getvalue()


def spectrogram(axes: Any, corpus: Corpus, utterance: Utterance, tier: str, *, seconds: float) -> None:
    """Draw the first ``seconds`` of speech in an utterance with the boundaries and labels of a tier."""
    segments = utterance.tiers.get(tier, ())
    start = max(0, segments[0].onset - SAMPLE_RATE // 10) if segments else 0
    stop = min(utterance.samples, start + round(seconds * SAMPLE_RATE))
    mel = log_mel(corpus.read(utterance, start, stop))
    span = (start / SAMPLE_RATE, stop / SAMPLE_RATE)
    floor = float(np.quantile(mel, 0.05)) if mel.size else 0.0
    axes.imshow(mel.T, origin="lower", aspect="auto", extent=(*span, 0, 1), cmap="magma", vmin=floor)
    inside = [s for s in segments if start <= s.onset and s.offset <= stop and not tier.startswith(SPEAKER)]
    for place, segment in enumerate(inside):
        onset, offset = segment.onset / SAMPLE_RATE, segment.offset / SAMPLE_RATE
        for edge in (onset, offset):
            axes.axvline(edge, color="white", linewidth=0.7)
        axes.text(
            (onset + offset) / 2, 0.94 if place % 2 else 0.88, segment.label, color="white", fontsize=7,
            ha="center", parse_math=False
        )  # fmt: skip
    if tier.startswith(SPEAKER):
        _turns(axes, utterance, start, stop)
    axes.set_yticks([])
    axes.set_xlabel("seconds")
    title = f"{utterance.id}, {tier.partition(':')[0]}s" if segments else utterance.id
    axes.set_title(title, fontsize=9, parse_math=False)


def _turns(axes: Any, utterance: Utterance, start: int, stop: int) -> None:
    """A bar for each turn of each speaker."""
    voices = [tier for name, tier in utterance.tiers.items() if name.startswith(f"{SPEAKER}:")]
    for row, turns in enumerate(voices):
        for turn in turns:
            span = (max(turn.onset, start) / SAMPLE_RATE, min(turn.offset, stop) / SAMPLE_RATE)
            if span[0] < span[1]:
                axes.plot(span, (0.06 + 0.09 * row,) * 2, color=f"C{row}", linewidth=5, solid_capstyle="butt")
                axes.text(
                    span[0], 0.06 + 0.09 * row, f" {turn.label}", color="white", fontsize=7, va="center",
                    parse_math=False
                )  # fmt: skip
