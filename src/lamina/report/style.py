"""How things look in every picture: a colour and a dash a model, a marker shape a frame period; numbers as text.

Nothing is told by colour alone: models differ in dash too, frame periods in shape, and the strip below each
picture says the period in words.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lamina.score import LAYERS

# Colours for a white page; page.css gives each its twin for a dark one (contrast at least 4.5 in both).
COLOURS: tuple[str, ...] = ("#0b5fa5", "#b93c0b", "#00724f", "#94278a", "#806000", "#0b6f80", "#6b4226", "#475569")
GREY = "#6b7280"
# Lengths of strokes and gaps in pixels; empty is a whole line.
DASHES = ("", "12px,4px", "3px,3px", "10px,3px,2px,3px", "6px,3px", "14px,3px,2px,3px,2px,3px", "2px,7px")
# plotly's names and a letter-like glyph of the same shapes.
SHAPES = (
    ("circle", "●"),
    ("square", "■"),
    ("diamond", "◆"),
    ("triangle-up", "▲"),
    ("triangle-down", "▼"),
    ("star", "★"),
    ("pentagon", "⬟"),
    ("cross", "✚"),
)

MEASURES = {
    "cca-mean": "mean CCA",
    "cca-pwcca": "PWCCA",
    "cca-pwcca-y": "PWCCA, weighted by the target",
    "cca-svcca": "SVCCA",
    "svcca-mean": "SVCCA",
    "cka": "CKA",
    "effective-rank": "effective rank",
    "participation-ratio": "participation ratio",
    "purity": "phone purity",
    "purity-label": "label purity",
    "purity-cluster": "cluster purity",
    "pnmi": "PNMI",
    "mi-normalised": "MI / entropy",
    "mi-corrected": "corrected MI / entropy",
    "mi-bits": "MI in bits",
    "accuracy": "probe accuracy",
    "per": "phone error rate",
    "wer": "word error rate",
    "cer": "character error rate",
    "eer": "equal error rate",
    "der": "diarization error rate",
    "frame-accuracy": "frame accuracy",
    "slot-f1": "F1 of slot types",
    "slot-cer": "character error rate of slot values",
    "layer-weight": "weight in the weighted sum",
    "layer-norm": "length of the vectors",
    "masked-accuracy": "masked-prediction accuracy",
    "parameters": "parameters",
    "macs": "MACs",
    "macs-attention": "MACs with attention",
    "speed": "speed",
    "peak-memory": "peak memory",
    "train-speed": "speed of training",
    "train-memory": "peak memory of training",
}


MEANINGS = {
    "cca-mean": "mean canonical correlation of states and target",
    "cca-pwcca": "projection-weighted mean of the canonical correlations of states and target",
    "cca-pwcca-y": "the same with weights from the target's side",
    "cca-svcca": "mean canonical correlation after keeping the states' main directions",
    "svcca-mean": "mean canonical correlation after keeping the states' main directions",
    "cka": "centred kernel alignment (linear) of states and target",
    "effective-rank": "how many directions the states fill: the exponential of the entropy of their spectrum",
    "participation-ratio": "how many directions the states fill: squared trace over trace of squares",
    "purity": "share of frames whose cluster's most frequent label is their own",
    "purity-label": "share of items whose cluster's most frequent label is their own",
    "purity-cluster": "share of items whose label's most frequent cluster is their own",
    "pnmi": "mutual information of frame clusters and phones, as a share of the phones' entropy",
    "mi-normalised": "mutual information of clustered states and labels, as a share of the labels' entropy",
    "mi-corrected": "the same share with the small-sample bias of the estimate taken off",
    "mi-bits": "mutual information of clustered states and labels, in bits",
    "accuracy": "share that a small head on frozen states names right",
    "layer-weight": "what a layer counts in a probe's learned weighted sum; read it beside the vectors' length",
}

# Other readings of a measure that has its own picture: last in the lists, and not in the sentences.
SECONDARY = (
    *LAYERS,
    "frame-accuracy",
    "mi-bits",
    "mi-corrected",
    "cca-pwcca-y",
    "participation-ratio",
    "purity-cluster",
)
# What small heads on frozen states score: costs are held against these, and against the first measure of a target.
PROBES = ("accuracy", "probe-accuracy", "slot-f1")
# What is small where an encoder is good.
FALLING = ("error-rate", "error", "per", "wer", "cer", "eer", "der", "loss", "perplexity", "distortion")
# Levels of language, from the sound up; others follow in order of appearance.
LEVELS = (
    "mel",
    "f0",
    "energy",
    "mfcc",
    "phone",
    "phoneme",
    "syllable",
    "word",
    "sentence",
    "utterance",
    "speaker",
)


@dataclass(frozen=True, slots=True)
class Line:
    """How the line of one model is drawn: ``colour`` indexes `COLOURS` (-1 is grey), ``dash`` `DASHES`."""

    colour: int
    dash: int

    @property
    def name(self) -> str:
        """The name of the colour in specs and on the page."""
        return "grey" if self.colour < 0 else f"series-{self.colour}"

    @property
    def dashes(self) -> str:
        """What plotly calls the dash."""
        return DASHES[self.dash] or "solid"


UNTRAINED = Line(-1, 1)
REFERENCE = Line(-1, 0)
NULL = Line(-1, 2)


def lines(models: Sequence[str]) -> dict[str, Line]:
    """A line a model, in order: the pairs of colour and dash repeat only after 56 models."""
    return {
        model: Line(index % len(COLOURS), (index + index // len(COLOURS)) % len(DASHES))
        for index, model in enumerate(models)
    }


def shapes(periods: Sequence[float]) -> dict[float, int]:
    """An index into `SHAPES` a frame period, the finest first."""
    return {period: index % len(SHAPES) for index, period in enumerate(sorted(set(periods)))}


def measure_label(measure: str) -> str:
    """The measure as people say it; its own name where no other is known."""
    return MEASURES.get(measure, measure)


def falling(measure: str) -> bool:
    """Whether less is better."""
    return any(f"-{measure}".endswith(f"-{end}") for end in FALLING)


def by_level(targets: Iterable[str]) -> list[str]:
    """Targets from the sound up; unknown ones last, in the order given."""
    known = list(dict.fromkeys(targets))

    def rank(target: str) -> int:
        found = [place for place, level in enumerate(LEVELS) if target.startswith(level)]
        return found[0] if found else len(LEVELS)

    return sorted(known, key=rank)


def score_name(measure: str, target: str) -> str:
    """Measure and target in words."""
    return f"{measure_label(measure)}, {target}" if target else measure_label(measure)


def number(value: float) -> str:
    """A ratio or a correlation as text: three decimals, a true minus sign; four significant digits above ten."""
    text = f"{value:.3f}" if abs(value) < 10 else f"{value:.4g}"
    return "0.000" if text == "-0.000" else text.replace("-", "−")


def signed(value: float) -> str:
    """A difference as text, its sign always shown."""
    text = number(value)
    return text if text.startswith("−") or text == "0.000" else "+" + text


def period(value: float) -> str:
    """A frame period as text, such as ``20 ms``."""
    return f"{value:.4g} ms"


def place(tap: str, milliseconds: float) -> str:
    """A tap and its frame period, which some baselines lack."""
    return f"{tap} ({period(milliseconds)})" if milliseconds else tap


def quantity(value: float, unit: str) -> str:
    """A large number with its unit: ``431 G MAC`` for 4.31e11 MAC."""
    for size, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g} {letter} {unit}".strip()
    return f"{value:.3g} {unit}".strip()
