"""What taps are held against: one file a kind, found by its being here.

target    what every target is: names it stands for, rows it makes, who is fitted on and scored
segments  segments of utterances, chosen and numbered before any forward pass
labels    segments and their labels: tiers, labels of utterances, speakers
neighbours  segments and the labels beside them
given     labels beyond what is known already
vectors   words and their vectors
numbers   segments with a number each
sources   frames of sound, of another tap or of another encoder
timed     frames by where they lie
edges     where segments begin and end
excerpt   frames of some utterances and what is said in each
lagged    what is said before and after a frame
pairs     whole utterances held against each other
items     segments whose frames are compared one by one
itemfile  files of such segments, as fastabx and ZeroSpeech have them
tokens    tokens of labels that are said again
queries   spoken queries and documents with trials

A new kind is a file with one class: a `Target` (or one of `segments.Segmented`) that says which names mean it
(`Target.means`) and how it is planned (`Target.plan`). Instruments name the kinds that they take.
"""

from __future__ import annotations

from collections.abc import Iterable

from lamina.analysis.discover import classes
from lamina.analysis.targets.target import Target

TARGETS = classes(__name__, Target)  # type: ignore[type-abstract]  # what is found is none


def kinds_of(name: str, kinds: Iterable[type[Target]]) -> tuple[type[Target], ...]:
    """The kinds of target that a name means: those made for it, else those of any tier or label."""
    kinds = tuple(kinds)
    special = tuple(kind for kind in kinds if not kind.tiers and kind.means(name))
    return special or tuple(kind for kind in kinds if kind.tiers and kind.means(name))
