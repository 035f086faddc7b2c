"""The context control: the segments of a tier cut out and encoded alone, on the frames of the whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import ceil, floor, lcm

import numpy as np
from numpy.typing import NDArray

from lamina.analysis.config import FAMILIES, AnalysisConfig
from lamina.corpus.corpus import Corpus, Segment, Utterance, phone_map_of
from lamina.errors import LaminaError
from lamina.files import digest
from lamina.grid import Grid
from lamina.measures import family, spelled_out

WHOLE = frozenset(family("reach", "lag", "boundary", "units"))


def asked_alone(config: AnalysisConfig, tier: str) -> AnalysisConfig:
    """What of an analysis can be asked of segments alone: this tier, by measures that need no whole utterance.

    Raises:
        LaminaError: no measure is left.
    """
    left = tuple(measure for measure in spelled_out(config.measures, FAMILIES) if measure not in WHOLE)
    if not left:
        raise LaminaError(
            f"none of {', '.join(config.measures)} can be asked of segments alone: they need whole utterances; "
            "ask for others too (--measures cca), or leave --alone out"
        )
    return config.model_copy(update={"targets": (tier,), "measures": left})


class Alone:
    """A `Corpus` whose utterances are the segments of another's tier: nothing but the sound under their frames.

    A cut has the segment and half a window of the widest grid to either side, so that every frame whose centre the
    segment owns sees what it sees in the whole, as far as the strided stages go; attention sees no more than that.
    It begins at a multiple of all strides: its frames lie where those of the whole lie.

    Args:
        corpus: whose segments are cut out.
        tier: which segments.
        grids: of all that is compared.

    Raises:
        LaminaError: no utterance has the tier, or grids count other samples than the corpus.
    """

    def __init__(self, corpus: Corpus, tier: str, grids: Iterable[Grid]) -> None:
        grids = tuple(grids)
        if any(grid.sample_rate != corpus.sample_rate for grid in grids):
            raise LaminaError(
                f"{corpus.name} is at {corpus.sample_rate} Hz, the encoder is not: open it at its rate"
            )
        self.name, self.sample_rate = f"{corpus.name}, {tier} alone", corpus.sample_rate
        self.phone_map = phone_map_of(corpus)
        self._half = ceil(max(grid.window for grid in grids) / 2)
        # The least common multiple of fractions in lowest terms.
        self._step = lcm(*(grid.stride.numerator for grid in grids))
        self._corpus, self._tier = corpus, tier
        self._from: dict[str, tuple[Utterance, int]] = {}
        self._utterances: list[Utterance] = []
        for whole in corpus.utterances():
            for number, segment in enumerate(whole.tiers.get(tier, ())):
                start = max(0, floor((segment.onset - self._half) / self._step) * self._step)
                stop = min(whole.samples, segment.offset + self._half)
                moved = Segment(segment.label, segment.onset - start, segment.offset - start)
                name = f"{whole.id}#{number:05d}"
                self._from[name] = (whole, start)
                self._utterances.append(
                    Utterance(name, whole.speaker, whole.split, stop - start, "", {tier: (moved,)})
                )
        if not self._utterances:
            raise LaminaError(f"{corpus.name} has no {tier!r} to read alone: ask for a tier that it has")
        self.digest = digest([corpus.digest, tier, self._half, self._step])

    def __len__(self) -> int:
        return len(self._utterances)

    def utterances(self, split: str | None = None) -> Iterator[Utterance]:
        """The segments of a split, in order."""
        return (each for each in self._utterances if split is None or each.split == split)

    def read(self, utterance: Utterance, start: int = 0, stop: int | None = None) -> NDArray[np.float32]:
        """The sound of one."""
        whole, begin = self._from[utterance.id]
        end = utterance.samples if stop is None else min(stop, utterance.samples)
        return self._corpus.read(whole, begin + start, begin + end)
