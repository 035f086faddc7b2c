"""Numbers, places and lists as text: the same words on the page, on paper and on the terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from lamina.markup import shortened
from lamina.measures import find_measure

# Levels of language, from the sound up; others follow in order of appearance.
NORM, FINAL_NORM = ".norm", "the final norm"  # how such taps are called, in names and in words
LEVELS = (
    "mel", "f0", "energy", "mfcc", "phone", "phoneme", "syllable", "word", "sentence", "utterance", "speaker",
)  # fmt: skip


def by_level(targets: Iterable[str]) -> list[str]:
    """Targets from the sound up; unknown ones last, in the order given."""

    def rank(target: str) -> int:
        found = [place for place, level in enumerate(LEVELS) if target.startswith(level)]
        return found[0] if found else len(LEVELS)

    return sorted(dict.fromkeys(targets), key=rank)


def measure_label(measure: str) -> str:
    """The measure as people say it."""
    return find_measure(measure).label


def target_label(target: str) -> str:
    """A target as a choice says it."""
    return shortened(target) or "the states alone"


def score_name(measure: str, target: str) -> str:
    """Measure and target in words."""
    return ", ".join(filter(None, (measure_label(measure), shortened(target))))


def number(value: float) -> str:
    """A ratio or a correlation as text: three decimals, a true minus sign; four significant digits above ten."""
    text = f"{value:.3f}" if abs(value) < 10 else f"{value:.4g}"
    return "0.000" if text == "-0.000" else text.replace("-", "−")


def signed(value: float) -> str:
    """A difference as text, its sign always shown."""
    text = number(value)
    return text if text.startswith("−") or text == "0.000" else "+" + text


def interval(low: float | None, high: float | None, say: Callable[[float], str] = number) -> str:
    """The ends of an interval in brackets, after a space; empty where none was estimated."""
    return "" if low is None or high is None else f" ({say(low)} to {say(high)})"


def period(value: float) -> str:
    """A frame period as text, such as ``20 ms``."""
    return f"{value:.4g} ms"


def place(tap: str, milliseconds: float) -> str:
    """A tap and its frame period, which some baselines lack; a final norm, which is no layer, is told as one."""
    said = [FINAL_NORM] if tap.endswith(NORM) else []
    said += [period(milliseconds)] if tap and milliseconds else []
    return shortened(tap) + (f" ({', '.join(said)})" if said else "")


def quantity(value: float, unit: str) -> str:
    """A large number with its unit: ``431 G MAC`` for 4.31e11 MAC."""
    for size, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g} {letter}{'' if unit == 'B' else ' '}{unit}".strip()
    return f"{value:.3g} {unit}".strip()


def listed(items: Sequence[str]) -> str:
    """Items as a list in words."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


def told(value: Any) -> str:
    """A setting of a config as text."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return listed([f"{each} {name}" for name, each in value.items()] or ["none"])
    if isinstance(value, (list, tuple)):
        return listed([told(each) for each in value] or ["none"])
    return f"{value:g}" if isinstance(value, float) else str(value)


def capital(text: str) -> str:
    """The text with a capital first letter."""
    return text[:1].upper() + text[1:]
