"""Who plays which role, and which rows of a batch answer which question."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from lamina.analysis.pooling import Ints, Pool, bounds, cells
from lamina.analysis.readings import LEARN, TUNE, Rows
from lamina.analysis.targets import Target
from lamina.corpus.batches import Batch
from lamina.corpus.corpus import Corpus, Utterance
from lamina.corpus.splits import roles
from lamina.encoders.encoder import States
from lamina.errors import LaminaError
from lamina.grid import Grid

MEL = "mel"


@dataclass(frozen=True, slots=True, eq=False)
class Roles:
    """Who is fitted on and who is scored.

    Attributes:
        fit: utterances to fit on.
        score: utterances to score, of other speakers.
        split: what is scored, such as ``test``.
        keys: by utterance id, the part (fit) or the group (score) it counts in.
        groups: names of the groups of score speakers, sorted.
        notes: what was left out.
    """

    fit: tuple[Utterance, ...]
    score: tuple[Utterance, ...]
    split: str
    keys: Mapping[str, int]
    groups: tuple[str, ...]
    notes: tuple[str, ...]


def plan_roles(corpus: Corpus, grids: Sequence[Grid], *, seed: int, max_groups: int) -> Roles:
    """Divide a corpus; utterances in which some grid has no frame are left out.

    A third of the fit speakers tunes ridges (of the fit utterances where one speaker is all there is). Score
    speakers are groups of their own, or share ``max_groups`` groups by a hash of their names where they are more.

    Raises:
        LaminaError: nothing is left to fit on or to score.
    """
    fit, score, split = roles(corpus, seed=seed)
    least = max(grid.least_samples for grid in grids)
    short = sum(utterance.samples < least for utterance in (*fit, *score))
    fit = [utterance for utterance in fit if utterance.samples >= least]
    score = [utterance for utterance in score if utterance.samples >= least]
    if not fit or not score:
        raise LaminaError(
            f"{corpus.name}: {len(fit)} utterances to fit on and {len(score)} to score are left after those "
            f"shorter than {least} samples (one frame of every compared grid); use a corpus of longer utterances"
        )
    notes = [f"{short} utterances are shorter than one frame of some compared grid"] if short else []
    speakers = sorted({utterance.speaker for utterance in fit})
    units = speakers if len(speakers) > 1 else sorted(utterance.id for utterance in fit)
    order = np.random.default_rng(seed).permutation(len(units))
    tuned = {units[place] for place in order[: round(len(units) / 3)]}
    keys = {
        utterance.id: TUNE if (utterance.speaker if len(speakers) > 1 else utterance.id) in tuned else LEARN
        for utterance in fit
    }
    names = sorted({utterance.speaker for utterance in score})
    group = {name: name if len(names) <= max_groups else _bucket(name, max_groups) for name in names}
    groups = tuple(sorted(set(group.values())))
    keys |= {utterance.id: groups.index(group[utterance.speaker]) for utterance in score}
    if len(groups) < len(names):
        notes.append(f"{len(names)} score speakers are resampled in {len(groups)} groups")
    if len(groups) == 1:
        notes.append("one score speaker: no intervals, as they resample speakers")
    return Roles(tuple(fit), tuple(score), split, keys, groups, tuple(notes))


def _bucket(name: str, buckets: int) -> str:
    return f"{int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], 'big') % buckets:06d}"


class Gather:
    """The rows of one batch; what taps of one grid share is worked out once.

    Args:
        batch: some utterances of one role.
        keys: by utterance id, the part or group.
        targets: by name, the segment targets.
        mel: log-mel states of the batch, where asked for.
        fitting: whether the utterances are those to fit on.
    """

    def __init__(
        self,
        batch: Batch,
        keys: Mapping[str, int],
        targets: Mapping[str, Target],
        mel: States | None,
        *,
        fitting: bool,
    ) -> None:
        self._utterances, self._targets, self._mel, self._fitting = batch.utterances, targets, mel, fitting
        self._keys = np.array([keys[utterance.id] for utterance in batch.utterances], dtype=np.int64)
        self._rows: dict[tuple[str, Grid], Rows] = {}

    def rows(self, target: str, states: States) -> Rows:
        """The rows that answer ``target`` on the grid of these states."""
        key = (target, states.tap.grid)
        if key not in self._rows:
            frames = states.lengths.cpu().numpy().astype(np.int64)
            padded = states.values.shape[1]
            found = self._frames if target == MEL else self._segments
            self._rows[key] = found(target, states.tap.grid, frames, padded)
        return self._rows[key]

    def _segments(self, name: str, grid: Grid, frames: Ints, padded: int) -> Rows:
        target = self._targets[name]
        segments = target.fit if self._fitting else target.score
        numbers, items = segments.of(self._utterances)
        start, stop = bounds(grid, segments.onsets[numbers], segments.offsets[numbers], frames[items])
        return Rows(
            Pool.of(items, start, stop, padded),
            torch.from_numpy(segments.labels[:, numbers]),
            torch.from_numpy(self._keys[items]),
            torch.from_numpy(segments.slots[numbers]),
        )

    def _frames(self, _name: str, grid: Grid, frames: Ints, padded: int) -> Rows:
        """Every frame whose cell holds a mel frame, against the mean of those mel frames."""
        if self._mel is None:
            raise AssertionError("mel rows need mel states")
        starts, stops, places = [], [], []
        for count, mel_count in zip(frames, self._mel.lengths.tolist(), strict=True):
            start, stop = cells(self._mel.tap.grid, grid, mel_count, int(count))
            seen = np.flatnonzero(stop > start)
            starts.append(start[seen])
            stops.append(stop[seen])
            places.append(seen)
        items = np.repeat(np.arange(len(frames)), [len(seen) for seen in places])
        place = np.concatenate(places)
        mel = Pool.of(items, np.concatenate(starts), np.concatenate(stops), self._mel.values.shape[1])
        pool = Pool.of(items, place, place + 1, padded)
        return Rows(pool, mel.mean(self._mel.values), torch.from_numpy(self._keys[items]), None)
