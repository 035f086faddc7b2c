"""What every instrument is, and what it finds; `lamina.analysis.instruments` says how one is written."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lamina.analysis.config import AnalysisConfig
from lamina.analysis.rows import Rows, Way
from lamina.analysis.sums import Sample
from lamina.analysis.targets.segments import EACH, Segmented
from lamina.analysis.targets.target import Target
from lamina.encoders.encoder import Tap
from lamina.score import RAW
from lamina.stats.archive import Statistic
from lamina.stats.scaling import Scale

Floats = NDArray[np.float64]
Draw = Callable[[Sequence[str]], Tensor]  # names of groups to weights (replicates, names)
Values = dict[str, Floats]  # by measure, (weightings,) values
SETTINGS = {"standardised": "", "raw": RAW}  # what rows say of how states are scaled


@dataclass(frozen=True, slots=True, eq=False)
class Finding:
    """What an instrument found under one labelling.

    Attributes:
        values: by measure, its value, (1,).
        resampled: by measure, (replicates,) values where groups were drawn anew; none of a shuffled labelling.
        n: how many items were scored.
        groups: names of what was drawn; with one there is no interval.
        items: what was scored; empty for the target's rows.
        labelling: 0 for the true labels, else a shuffled one.
        units: how many were drawn, where groups were drawn in parts of several; else 0.
        setting: what else was decided, in words.
        most: by measure, what it can be here at most, where that is less than it can be anywhere.
        dev: by measure, the value on the part that chooses among taps; a row of its own tells the chosen tap.
    """

    values: Mapping[str, Floats]
    resampled: Mapping[str, Floats]
    n: int
    groups: Sequence[str]
    items: str = ""
    labelling: int = 0
    units: int = 0
    setting: str = ""
    most: Mapping[str, float] = field(default_factory=dict)
    dev: Mapping[str, float] | None = None


class SpeakerParts:
    """Groups that are kept in a few parts, for measures whose every resample would be dear.

    They are drawn as if they were the groups: a part's weight is the mean of its m groups' weights, spread by
    sqrt(m) about 1, as a mean of m varies too little.

    Args:
        groups: how many groups there are.
        most: how many parts at most.

    Attributes:
        of: (groups,) the part of each.
    """

    def __init__(self, groups: int, most: int = 8) -> None:
        self.count = min(groups, most)
        self.of = torch.arange(groups) % self.count

    def weights(self, drawn: Tensor) -> Tensor:
        """(replicates, parts) of those of groups (replicates, groups)."""
        members = torch.nn.functional.one_hot(self.of).double()
        m = members.sum(0)
        return 1 + (drawn @ (members / m) - 1) * m.sqrt()


class Instrument(ABC):
    """One instrument at one tap.

    Args:
        tap: whose rows it takes.
        way: how they are made.
        target: what they are held against.
        config: of the analysis.

    Attributes:
        follows: whether rows and sums may be on a GPU, where the states are; else rows come to the CPU.
        sums: what has accumulated; merges over batches, processes and machines.
        notes: for people.
    """

    families: ClassVar[tuple[str, ...]]
    takes: ClassVar[tuple[type[Target], ...]]
    title: ClassVar[str]
    follows: ClassVar[bool] = False

    def __init__(self, tap: Tap, way: Way, target: Target, config: AnalysisConfig) -> None:
        self.tap, self.way, self.target, self.config = tap, way, target, config
        self.sums: dict[str, Statistic] = {}
        self.notes: list[str] = []

    @property
    def folded(self) -> bool:
        """Whether the rows that are fitted on are those that are scored, fold by fold."""
        return self.target.roles.folded

    def learn(self, x: Tensor, rows: Rows, /) -> None:  # noqa: B027 - some have nothing to do here
        """Take rows x (n, width) that are fitted on."""

    def settle(self) -> None:  # noqa: B027 - some have nothing to do here
        """Fix what is learned.

        Raises:
            LaminaError: rows are too few, or states are not finite.
        """

    def score(self, x: Tensor, rows: Rows, /) -> None:  # noqa: B027 - some have nothing to do here
        """Take rows x (n, width) that are scored."""

    def seconds(self) -> float:
        """How long `settle` and `values` will take, roughly (`lamina.analysis.timing`)."""
        return 0.0

    @abstractmethod
    def values(self, draw: Draw) -> Iterator[Finding]:
        """What was found.

        Args:
            draw: gives the weights of named groups in resamples.

        Raises:
            LaminaError: rows are too few, or states are not finite.
        """


def scale_of(states: str, rows: Tensor) -> Scale:
    """How states are scaled before they are compared: by these rows (n, width), or not at all where ``raw``.

    Where one dimension spreads much wider than the others, distances of raw rows see nothing else.
    """
    return Scale.none(rows.shape[1], rows.device) if states == "raw" else Scale.of(rows)


class Sampled(Instrument):
    """An instrument that keeps every row that is scored: a segment's mean, or each of its frames (`EACH`).

    Attributes:
        starts, counts: with `EACH`, where each segment's frames begin among the kept rows, and how many it has.
    """

    target: Segmented
    follows: ClassVar = True

    def __init__(self, tap: Tap, way: Way, target: Segmented, config: AnalysisConfig) -> None:
        super().__init__(tap, way, target, config)
        size = len(target.scored)
        if way.pooling == EACH:
            self.starts, self.counts = target.pieces(tap.grid, way.matched)
            size = int(self.counts.sum())
        self.sums = {"rows": Sample.empty(size, tap.width)}

    @property
    def rows(self) -> Tensor:
        """(segments or frames, width) all of them, on the CPU.

        Raises:
            LaminaError: a state is not finite.
        """
        return cast("Sample", self.sums["rows"]).finite().cpu()

    def scaled(self) -> Iterator[tuple[str, Tensor]]:
        """All rows by how they are scaled; as nothing is fitted, they are standardised together."""
        rows = self.rows
        for states in self.config.states:
            yield SETTINGS[states], scale_of(states, rows)(rows)

    def score(self, x: Tensor, rows: Rows) -> None:
        """Keep the rows."""
        cast("Sample", self.sums["rows"]).put(x, rows.numbers)
