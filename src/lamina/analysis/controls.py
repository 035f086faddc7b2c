"""What an analysis is held against: untrained twins, several draws of each; a frame's place in its utterance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from lamina.analysis.config import AnalysisConfig
from lamina.analysis.plan import Sweep
from lamina.analysis.results import Analysis
from lamina.corpus.corpus import Corpus
from lamina.encoders.encoder import Encoder
from lamina.encoders.position import PositionEncoder
from lamina.encoders.untrained import untrained
from lamina.errors import LaminaError
from lamina.grid import Grid
from lamina.score import SHUFFLED, UNTRAINED, Score, Scores
from lamina.stats.inference import Replicates

DRAWS = 3
UNPLACED, POSITION = "untrained, no positions", "position"
OWN_TAPS = "tap"  # targets that only the encoder itself has


def controls_of(encoder: Encoder, *, seed: int, draws: int) -> Iterator[tuple[str, Iterator[Encoder]]]:
    """The controls of an encoder by name, each with its draws: seeds ``seed``, ``seed`` + 1, ….

    An encoder without weights to draw has no twins; one whose positions are drawn or learned none without them.
    """
    for name, placed in ((UNTRAINED, True), (UNPLACED, False)):
        if untrained(encoder, seed=seed, positions=placed) is not None:
            yield name, _twins(encoder, range(seed, seed + draws), placed)
    finest = min((tap.grid for tap in encoder.taps), key=lambda grid: grid.stride)
    yield POSITION, iter([PositionEncoder(finest)])


def _twins(encoder: Encoder, seeds: Sequence[int], placed: bool) -> Iterator[Encoder]:
    """One at a time: each may be large."""
    for seed in seeds:
        if (twin := untrained(encoder, seed=seed, positions=placed)) is not None:
            yield twin


def label_of(name: str) -> str:
    """The ``control`` of rows: positions are a baseline, not a twin."""
    return "" if name == POSITION else UNTRAINED


def control_sweep(
    control: Encoder, encoder: Encoder, speech: Corpus, config: AnalysisConfig, support: Sequence[Grid]
) -> Sweep:
    """What is planned for one draw of a control of an encoder: the same segments, the same questions.

    Raises:
        LaminaError: none of the targets can be asked of it.
    """
    if isinstance(control, PositionEncoder):
        kept = tuple(name for name in config.targets if name.partition(":")[0] != OWN_TAPS)
        if not kept:
            raise LaminaError("positions are asked nothing of the encoder's own taps")
        config = config.model_copy(update={"targets": kept, "taps": None})
        support = (*support, *(tap.grid for tap in encoder.taps))
    return Sweep(control, speech, config, support)


def over_draws(found: Sequence[Analysis]) -> Analysis:
    """Several draws of one control as one: means of values, the range from the lowest to the highest.

    Replicates are means over draws, so paired differences from the mean draw resample speakers; how far draws lie
    apart is in the rows' range alone. Of nulls, the range of all draws' shuffles; ``p`` is that of the worst draw.
    """
    if len(found) == 1:
        return found[0]
    tables = [{(row.key, row.control): row for row in each.scores} for each in found]
    rows = [
        _over([table[name] for table in tables]) for name in tables[0] if all(name in table for table in tables)
    ]
    kept = Replicates()
    for key, first in found[0].replicates.items():
        if all(key in each.replicates for each in found):
            mean = np.mean([each.replicates[key] for each in found], axis=0)
            held = found[0].replicates
            kept.put(key, mean if len(first) else first, held.groups[key], held.draws[key])
    notes = dict.fromkeys(note for each in found for note in each.notes)
    return Analysis(Scores(rows), kept, tuple(notes))


def _over(rows: Sequence[Score]) -> Score:
    values = [row.value for row in rows]
    if rows[0].control == SHUFFLED:
        lows, highs = (
            [v for v in ends if v is not None] for ends in zip(*((r.low, r.high) for r in rows), strict=True)
        )
        low, high, draws = min(lows, default=None), max(highs, default=None), sum(row.draws for row in rows)
        return replace(rows[0], value=float(np.mean(values)), low=low, high=high, draws=draws)
    worst = max((row.p for row in rows if row.p is not None), default=None)
    mean = float(np.mean(values))
    return replace(rows[0], value=mean, low=min(*values, mean), high=max(*values, mean), p=worst, draws=len(rows))
