"""What accumulates while the audio is read: one reading a tap, target and way; it holds instruments."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from torch import Tensor

from lamina.analysis.instruments.instrument import Draw, Finding, Instrument
from lamina.analysis.rows import Rows, Way
from lamina.analysis.sums import First
from lamina.analysis.targets.target import Target
from lamina.encoders.encoder import Tap
from lamina.errors import LaminaError
from lamina.stats.archive import Statistic

BROKEN = "broken"


class Reading:
    """All that is measured at one tap, against one target, in one way.

    Args:
        tap: where.
        way: how rows are made.
        target: against what.
        instruments: what measures; `lamina.analysis.instruments` says in which order they are called.

    Attributes:
        broken: the first utterance that has states which are not finite, here or at what the tap is held against.
    """

    def __init__(self, tap: Tap, way: Way, target: Target, instruments: list[Instrument]) -> None:
        self.tap, self.way, self.target, self.instruments = tap, way, target, instruments
        self.broken = First()
        self._notes: list[str] = []

    @property
    def folded(self) -> bool:
        """Whether folds score each other, so that all is read in one go."""
        return self.target.roles.folded

    def take(self, x: Tensor, rows: Rows, *, fitting: bool) -> None:
        """Take a batch of rows x (n, width)."""
        for each in self.instruments:
            if fitting or self.folded:
                each.learn(x, rows)
            if not fitting or self.folded:
                each.score(x, rows)

    def settle(self) -> None:
        """Fix what was learned; an instrument that cannot is left out, and `notes` say why."""
        for each in tuple(self.instruments):
            self._left_out(each, each.settle)

    def values(self, draw: Draw) -> Iterator[Finding]:
        """What every instrument found."""
        for each in tuple(self.instruments):
            found: list[Finding] = []
            self._left_out(each, lambda each=each, found=found: found.extend(each.values(draw)))  # type: ignore[misc]
            yield from found

    def give_up(self, utterance: str) -> None:
        """Measure nothing here: states of this utterance are not finite."""
        if self.instruments:
            self.instruments.clear()
            self._notes.append(f"no row: states are not finite, first in utterance {utterance}")

    @property
    def notes(self) -> list[str]:
        """What was left out and why, and what instruments have to say."""
        return [*self._notes, *(note for each in self.instruments for note in each.notes)]

    @property
    def sums(self) -> dict[str, Statistic]:
        """What has accumulated, by instrument."""
        made: dict[str, Statistic] = {BROKEN: self.broken}
        for each in self.instruments:
            made |= {f"{type(each).__name__}|{key}": held for key, held in each.sums.items()}
        return made

    @sums.setter
    def sums(self, found: Mapping[str, Statistic]) -> None:
        broken = found[BROKEN]
        if isinstance(broken, First):
            self.broken = broken
        for each in self.instruments:
            mine = f"{type(each).__name__}|"
            each.sums = {key.removeprefix(mine): held for key, held in found.items() if key.startswith(mine)}

    def _left_out(self, each: Instrument, act: Callable[[], None]) -> None:
        try:
            act()
        except LaminaError as error:
            self.instruments.remove(each)
            self._notes += [*each.notes, f"no {each.title}: {error}"]
