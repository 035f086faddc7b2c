"""Trained: what the page is told of one training run, for the pictures of the design and of learning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """One training run of a study.

    Attributes:
        model: its name in scores.
        seed: of the run.
        config: the resolved pretraining config.
        levels: its level of every factor; empty for baselines.
        log: the lines of its log; those with a ``step`` are drawn.
    """

    model: str
    seed: int
    config: Mapping[str, Any]
    levels: Mapping[str, str] = field(default_factory=dict)
    log: Sequence[Mapping[str, Any]] = ()
