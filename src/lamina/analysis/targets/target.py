"""What every target is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

from lamina.analysis.config import AnalysisConfig
from lamina.corpus.corpus import Corpus
from lamina.corpus.splits import Roles
from lamina.encoders.encoder import Encoder, Tap
from lamina.grid import Grid

Heard = tuple[Encoder | None, Tap]  # whose tap; None for the encoder that is analysed


@dataclass(frozen=True, slots=True, eq=False)
class Basis:
    """What targets are planned on.

    Attributes:
        corpus: whose utterances are read.
        roles: who is fitted on and who is scored.
        grids: of everything that is compared: what counts has a frame on each.
        config: limits and seed.
        encoder: whose taps are read.
        sources: by target, the tap (of another encoder, where one stands before it) that its rows need, too.
    """

    corpus: Corpus
    roles: Roles
    grids: tuple[Grid, ...]
    config: AnalysisConfig
    encoder: Encoder
    sources: Mapping[str, Heard]

    @property
    def matched(self) -> Grid | None:
        """The coarsest grid, where taps are also read decimated to it."""
        return max(self.grids, key=lambda grid: grid.stride) if self.config.rate_matched else None


@dataclass(frozen=True, eq=False, kw_only=True)
class Target(ABC):
    """What taps are held against.

    Class attributes:
        tiers: whether any tier's name (or label's) means it; else `means` names what does.
        numeric: of those that any tier's name means, whether it is asked where labels are numbers, else where not.
        implied: whether asking for it asks for its measures.
        support: which items count, as in `Score.support`.
        alike: another kind, whose instruments can be asked of this one, too.

    Attributes:
        name: as in settings and scores.
        roles: who is fitted on and who is scored; the parts, folds or groups of its rows.
        items: what its rows are, such as ``segments``.
        poolings: in which ways rows are made of frames.
        notes: what was left out, and how much.
        from_file: whether its labels are those of a file, not of the corpus.
    """

    tiers: ClassVar[bool] = False
    numeric: ClassVar[bool] = False
    implied: ClassVar[bool] = False
    support: ClassVar[str] = "common"
    alike: ClassVar[type[Target] | None] = None

    name: str
    roles: Roles
    items: str = "segments"
    poolings: tuple[str, ...] = ("all",)
    notes: tuple[str, ...] = ()
    from_file: bool = False

    @classmethod
    def means(cls, _name: str, /) -> bool:
        """Whether this name means such a target."""
        return cls.tiers

    @classmethod
    def needs(cls, name: str, /) -> str:
        """Which tier or label a corpus must have for it; empty for none."""
        return name if cls.tiers else ""

    @classmethod
    def reads(cls, _name: str, _encoder: Encoder, _others: Mapping[str, Encoder], /) -> Heard | None:
        """Another tap whose states its rows need, of this encoder or one of ``others``, else of one to load.

        Raises:
            LaminaError: there is no such tap or encoder, or it takes audio at another rate.
        """
        return None

    @property
    def source(self) -> Heard | None:
        """The other tap whose states its rows need."""
        return None

    @classmethod
    @abstractmethod
    def plan(cls, name: str, basis: Basis) -> Self:
        """Choose its rows.

        Raises:
            LaminaError: the corpus lacks what it needs, or too little is left.
        """

    def fits(self, _tap: Tap, /) -> bool:
        """Whether a tap can be held against it."""
        return True

    def keep(self, _folder: Path, /) -> str:
        """Write down what is compared, where others may want to compare the same; returns the file's name."""
        return ""
