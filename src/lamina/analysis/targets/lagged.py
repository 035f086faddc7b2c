"""What is said before and after a frame: labels of one tier at one set of lags, for taps of any rate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self
from zlib import crc32

import numpy as np
import torch

from lamina.analysis.targets.labels import Labelled, most_frequent, said, spans_of
from lamina.analysis.targets.target import Basis
from lamina.analysis.targets.timed import Timed, TimedRows, Track
from lamina.corpus.corpus import Utterance
from lamina.errors import LaminaError
from lamina.frames import Ints
from lamina.stats.cca import Views
from lamina.stats.moments import ClassMoments
from lamina.stats.widths import half_widths

SPAN, STEP = 500, 25  # ms: the furthest lag, and from one to the next
LAGS = (
    0,
    *(lag for lag in range(-SPAN, SPAN + 1, STEP) if lag),
)  # the frame's own moment first: it chooses ridges
EVERY = 50  # ms from one frame that counts to the next
MOST = 100  # classes
NULLS = 8
ALONE = 500  # utterances at most, of each of two halves, that tell what labels alone are worth


@dataclass(frozen=True, eq=False, kw_only=True)
class Lagged(Timed):
    """Frames with the labels that are spoken at each of `LAGS` from them; then nulls at no lag.

    Moments lie every `EVERY` ms, or as far apart as the frames of the slowest tap, so far inside each utterance
    that all lags are inside, too. A tap is read at the frame nearest to each moment, and labels are those at the
    lags from that frame's own centre: all taps have the same number of rows. A null is the label of the same
    moment with the runs of the utterance, pauses among them, in another order.

    Attributes:
        classes: the labels; pauses and others are one more class.
        tracks: by utterance.
        margin, step: samples to the first moment, and from one to the next.
        rate: samples a second.
        seed: of the nulls.
    """

    classes: tuple[str, ...]
    tracks: Mapping[str, Track]
    margin: int
    step: int
    rate: int
    seed: int

    @classmethod
    def plan(cls, name: str, basis: Basis) -> Self:
        """Choose the classes, on the fit speakers.

        Raises:
            LaminaError: no utterance has such a tier, is long enough, or two labels are frequent enough.
        """
        roles, config, rate = basis.roles, basis.config, basis.corpus.sample_rate
        everyone = (*roles.fit, *roles.score)
        if not any(name in one.tiers for one in roles.fit):
            raise LaminaError(f"reach: no utterance to fit on has a tier {name!r}: ask it of a tier")
        sides = Labelled.both(spans_of(name, roles), roles, basis)
        classes = most_frequent(sides[0].counts, config.min_instances, min(MOST, config.max_classes))
        if len(classes) < 2:
            raise LaminaError(
                f"reach of {name!r}: only {len(classes)} label(s) occur {config.min_instances} times or more on "
                "the fit speakers; use more speech"
            )
        coarsest = int(max(grid.stride for grid in basis.grids))
        margin = SPAN * rate // 1000 + coarsest + 1
        numbers = {label: place for place, label in enumerate(classes)}
        tracks = {
            one.id: Track.of(one.tiers[name], numbers, one.samples)
            for one in everyone
            if name in one.tiers and one.samples > 2 * margin
        }
        notes = []
        for role, side, which in zip((roles.fit, roles.score), sides, said(roles), strict=True):
            short = sum(one.samples <= 2 * margin for one in role)
            if short == len(role) and role:
                raise LaminaError(
                    f"reach of {name!r}: all {short}{which} utterances are shorter than "
                    f"{2 * margin / rate:.2f} s, "
                    f"which lags of {SPAN} ms to both sides need; use a corpus of longer utterances"
                )
            if short:
                notes.append(
                    f"reach of {name}: {short} of {len(role)}{which} utterances are too short for "
                    f"lags of {SPAN} ms"
                )
            rare = len(side.codes) - sum(side.counts.get(label, 0) for label in classes)
            if rare:
                notes.append(
                    f"reach of {name}: {rare} of {len(side.codes)}{which} segments have a label outside the "
                    f"{len(classes)} classes and count as pauses"
                )
        made = cls(
            name=name, roles=roles, items="frames", poolings=("",), classes=classes, tracks=tracks, margin=margin,
            step=max(EVERY * rate // 1000, coarsest), rate=rate, seed=config.seed,
        )  # fmt: skip
        if alone := made._alone():
            before, after = alone
            notes.append(
                f"reach of {name}: who knows the present label and nothing else reaches {before:.0f} ms before "
                f"and {after:.0f} ms after it, for labels last and follow rules"
            )
        return replace(made, notes=tuple(notes))

    @property
    def labellings(self) -> int:
        """Lags and nulls."""
        return len(LAGS) + NULLS

    def _alone(self) -> tuple[float, float] | None:
        """Half widths of the curve of states that are their own moment's label; None of too few utterances."""
        sides = []
        for half in (0, 1):
            some = list(self.tracks.items())[half : 2 * ALONE : 2]
            found = [
                track.at(np.arange(self.margin, track.samples - self.margin, self.step) + self._lags[:, None])
                for _, track in some
            ]
            if not found:
                return None
            labels = torch.from_numpy(np.concatenate(found, axis=1))
            now = torch.nn.functional.one_hot(labels[0], len(self.classes) + 1)
            sides.append(ClassMoments.of(now, labels, len(self.classes) + 1))
        learned, tested = sides
        curve = [
            float(Views.of(learned, place).solve().held_out(tested.joint(place)).mean())
            for place in range(len(LAGS))
        ]
        order = np.argsort(LAGS)
        return half_widths(np.array(LAGS, dtype=np.float64)[order], np.array(curve)[order])

    @property
    def _lags(self) -> Ints:
        return np.array(LAGS, dtype=np.int64) * self.rate // 1000

    def rows(self, utterances: Sequence[Utterance], at: Sequence[Ints], /) -> TimedRows:
        """The frames nearest to this target's moments, with the classes at all lags and those of the nulls."""
        none = np.zeros(0, dtype=np.int64)
        items, places, sides = [none], [none], [np.zeros((self.labellings, 0), dtype=np.int64)]
        for item, (one, centres) in enumerate(zip(utterances, at, strict=True)):
            track = self.tracks.get(one.id)
            if track is None:
                continue
            moments = np.arange(self.margin, one.samples - self.margin, self.step)
            after = np.clip(np.searchsorted(centres, moments), 1, len(centres) - 1)
            found = after - (moments - centres[after - 1] <= centres[after] - moments)
            there = centres[found]
            places.append(found)
            items.append(np.full(len(found), item))
            random = np.random.default_rng([self.seed, crc32(one.id.encode())])
            nulls = [track.reordered(random).at(there) for _ in range(NULLS)]
            sides.append(np.concatenate([track.at(there + self._lags[:, None]), nulls]))
        side = torch.from_numpy(np.concatenate(sides, axis=1))
        return TimedRows(np.concatenate(items), np.concatenate(places), side, torch.from_numpy(none))
