"""What accumulates while the audio is read: one reading a tap and view.

Where speakers are scored apart there are two phases. One, the fit speakers: moments in two parts (to learn
directions, and to tune the ridge on other speakers) and a bounded sample for the codebook. Then `settle` fixes
directions and codebook. Two, the score speakers: sums of projections and counts by speaker. Where folds score each
other there is one phase: moments by fold and the sample, from which `settle` makes the same sums, by fold.

What a phase accumulates are `Sums`: they merge by ``+``, over batches, processes and machines, and memory does not
grow with the corpus.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from torch import Tensor

from lamina.analysis.discrete import Codebook
from lamina.analysis.gather import Rows, View
from lamina.analysis.linear import Alignment, Canonical, Found
from lamina.analysis.published import Published
from lamina.analysis.sentences import Likeness
from lamina.analysis.sums import Sums
from lamina.corpus.splits import Roles
from lamina.encoders.encoder import Tap
from lamina.errors import LaminaError
from lamina.stats.archive import Statistic


class Reading:
    """All that is measured at one tap in one view.

    Args:
        tap: where.
        view: against what, and how.
        roles: who is fitted on and who is scored.
        cca: the canonical instrument, where it is asked for.
        alignment: the one without a fit, where it is asked for.
        codebook: the discrete one, where the target has labels.
        likeness: the one of pairs of utterances.
    """

    def __init__(
        self,
        tap: Tap,
        view: View,
        roles: Roles,
        cca: Canonical | Published | None = None,
        alignment: Alignment | None = None,
        codebook: Codebook | None = None,
        likeness: Likeness | None = None,
    ) -> None:
        self.tap, self.view, self.roles = tap, view, roles
        self.cca, self.alignment, self.codebook, self.likeness = cca, alignment, codebook, likeness
        self.notes: list[str] = []

    def take(self, x: Tensor, rows: Rows, *, fitting: bool) -> None:
        """Take a batch of rows x (n, width)."""
        if self.likeness is not None:
            self.likeness.learn(x, rows)
            return
        if self.alignment is not None and (self.roles.folded or not fitting):
            self.alignment.take(x, rows)
        for instrument in (self.cca, self.codebook):
            if instrument is not None:
                if fitting or self.roles.folded or isinstance(instrument, Published):
                    instrument.learn(x, rows)
                else:
                    instrument.score(x, rows)

    def settle(self, ridges: Sequence[float], *, seed: int) -> None:
        """Fix directions and codebook; what cannot be measured is left out, and `notes` say why."""
        try:
            if self.cca is not None:
                note = self.cca.settle() if isinstance(self.cca, Published) else self.cca.settle(ridges)
                self.notes += [note] if note else []
        except LaminaError as error:
            self.cca = None
            self.notes.append(f"no CCA: {error}")
        try:
            if self.codebook is not None:
                self.codebook.settle(seed)
        except LaminaError as error:
            self.codebook = None
            self.notes.append(f"no mutual information: {error}")

    def finish(self) -> None:
        """Note what the score rows were too few for."""
        try:
            if self.likeness is not None:
                self.likeness.settle()
        except LaminaError as error:
            self.likeness = None
            self.notes.append(f"no likeness: {error}")
        if self.codebook is not None:
            self.notes += self.codebook.notes()

    @property
    def sums(self) -> dict[str, Sums]:
        """What this phase has accumulated, by instrument."""
        return {
            f"{name}|{key}": held
            for name, instrument in self._instruments()
            for key, held in instrument.sums.items()
        }

    @sums.setter
    def sums(self, found: Mapping[str, Sums]) -> None:
        for name, instrument in self._instruments():
            instrument.sums = {
                key.partition("|")[2]: held for key, held in found.items() if key.partition("|")[0] == name
            }

    def _instruments(self) -> list[tuple[str, Canonical | Published | Alignment | Codebook | Likeness]]:
        found = {"cca": self.cca, "cka": self.alignment, "mi": self.codebook, "likeness": self.likeness}
        return [(name, instrument) for name, instrument in found.items() if instrument is not None]

    @property
    def groups(self) -> tuple[str, ...]:
        """The names of what intervals resample."""
        return self.roles.groups if self.likeness is None else self.likeness.pairs.groups

    def values(self, weights: Tensor) -> Iterator[Found]:
        """Labelling, rows, values and resampled values, for each instrument and labelling."""
        if self.cca is not None:
            yield from self.cca.values(weights)
        if self.alignment is not None:
            try:
                yield from self.alignment.values(weights)
            except LaminaError as error:
                self.notes.append(f"no CKA: {error}")
        if self.codebook is not None:
            yield from self.codebook.values(weights)
        if self.likeness is not None:
            yield 0, self.likeness.n, self.likeness.values(None), self.likeness.values(weights)

    def statistics(self) -> dict[tuple[str, int], Statistic]:
        """By instrument and labelling, what the scores are computed from."""
        found: dict[tuple[str, int], Statistic] = {}
        if isinstance(self.cca, Canonical):
            found |= self.cca.statistics()
        if self.codebook is not None:
            found |= {("mi", number): each for number, each in enumerate(self.codebook.counts)}
        return found
