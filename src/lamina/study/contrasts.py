"""Contrasts: every main effect and interaction of a design as weights of its cells. Needs no torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations

Weights = dict[str, float]


def contrasts(
    factors: Mapping[str, Sequence[str]],
    within: Mapping[str, Mapping[str, str]],
    cells: Mapping[str, Mapping[str, str]],
) -> Iterator[tuple[str, Weights]]:
    """Every main effect and every interaction of two factors, as weights of the cells.

    A main effect is the mean over the cells at a level less the mean over those at the factor's first level, all
    levels of the other factors alike. Factors that are nested within one of the two compared levels stay at their
    first level, so that cells which differ in one thing are compared. An interaction is the difference between the
    effects of one factor at two levels of the other.

    Args:
        factors: their levels, the first is compared with.
        within: of nested factors, the levels that they need.
        cells: the levels of every cell, by the model's name.
    """

    def average(**fixed: str) -> Weights:
        inner = {
            name: levels[0]
            for name, levels in factors.items()
            if name not in fixed and any(outer in fixed for outer in within.get(name, {}))
        }
        chosen = [
            model
            for model, levels in cells.items()
            if all(levels.get(name) == level for name, level in fixed.items())
            and all(levels.get(name, level) == level for name, level in inner.items())
        ]
        return {model: 1 / len(chosen) for model in chosen}

    for name, (first, *others) in factors.items():
        for level in others:
            here, there = average(**{name: level}), average(**{name: first})
            if here and there:
                yield name if len(others) == 1 else f"{name}={level}", _minus(here, there)
    for one, two in combinations(factors, 2):
        for a in factors[one][1:]:
            for b in factors[two][1:]:
                corners = [average(**{one: x, two: y}) for x in (a, factors[one][0]) for y in (b, factors[two][0])]
                if all(corners):
                    label = " x ".join(
                        name if len(factors[name]) == 2 else f"{name}={level}"
                        for name, level in ((one, a), (two, b))
                    )
                    yield label, _minus(_minus(corners[0], corners[2]), _minus(corners[1], corners[3]))


def _minus(left: Weights, right: Weights) -> Weights:
    return {model: left.get(model, 0.0) - right.get(model, 0.0) for model in dict.fromkeys([*left, *right])}


def weights_of(effect: str, known: Mapping[str, Weights], models: Iterable[str]) -> Weights | None:
    """The weights of an effect by its name, or of ``MODEL - MODEL``; None where there is no such effect."""
    if effect in known:
        return known[effect]
    left, _, right = (part.strip() for part in effect.partition(" - "))
    return {left: 1.0, right: -1.0} if left != right and {left, right} <= set(models) else None
