"""Effects in words: where they are read, of which factor and score they are, whether they are clear."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from lamina.effect import Effect
from lamina.markup import shortened
from lamina.measures import find_measure
from lamina.report.comparison import apart, rules, way_of
from lamina.report.overview import Overview
from lamina.report.wording import interval, score_name, signed

LAYER = "layer"  # one layer, of pictures along the depth
PLACES = {
    "best": "at the best layer",
    "matched": "at matched depth",
    "mean": "averaged over the layers",
    "whole": "of the whole encoder",
}


CHOOSERS = {"crossed": "chosen on other speakers than those scored", "scored": "chosen on the scored speakers"}


def place_name(at: str, chosen: str = "") -> str:
    """Where effects are read, in words, and who chose it."""
    said = PLACES.get(at, at)
    return f"{said}, {CHOOSERS[chosen]}" if chosen in CHOOSERS else said


def choosers(effects: Iterable[Effect]) -> str:
    """Who chose the layers of these, in words; empty where nobody did."""
    found = dict.fromkeys(each.chosen for each in effects if each.chosen)
    return " or ".join(CHOOSERS.get(each, each) for each in found)


def factor_name(name: str, labels: Mapping[str, str]) -> str:
    """A factor, or an interaction of factors, in words."""
    parts = name.split(" x ")
    return shortened(labels.get(name, name) if len(parts) == 1 else f"interaction {' × '.join(parts)}", 160)


def is_ratio(name: str) -> bool:
    """Whether a measure is a correlation or a share: differences of all these share one axis."""
    measure = find_measure(name)
    return not measure.unit and measure.better != "neither" and measure.family != "cost"


def score_names(seen: Overview) -> dict[Effect, str]:
    """What each effect is of: measure and target, and the rules where several differ in them."""
    places = apart(
        ((each.name, each.measure, each.target, each.at, each.layer), way_of(each)) for each in seen.effects
    )
    named = {each: (score_name(each.measure, each.target), rules(way_of(each), places)) for each in seen.effects}
    return {each: f"{name} ({told})" if told else name for each, (name, told) in named.items()}


def amount(effect: Effect) -> str:
    """A difference with its interval."""
    return signed(effect.value) + interval(effect.low, effect.high, signed)


def clear(effect: Effect) -> bool:
    """Whether the interval of a difference is known and leaves out zero."""
    return effect.low is not None and effect.high is not None and (effect.low > 0 or effect.high < 0)
