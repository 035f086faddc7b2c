"""Diarization: who speaks when, by permutation-invariant frame labels (Fujita et al. 2019)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import permutations, product
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from lamina.corpus.corpus import Utterance
from lamina.errors import LaminaError
from lamina.grid import Grid
from lamina.probe.metrics import diarization_errors
from lamina.probe.tally import Ratio, Tally
from lamina.probe.task import Example, Objective, Parts

TIER = "speaker:"
THRESHOLDS, MEDIANS = (0.3, 0.4, 0.5, 0.6, 0.7), (1, 11)  # as s3prl scores them


def turns(utterance: Utterance) -> dict[str, list[tuple[float, float]]]:
    """When each speaker speaks, in samples; those who never do are left out."""
    return {
        tier: [(segment.onset, segment.offset) for segment in segments]
        for tier, segments in utterance.tiers.items()
        if tier.startswith(TIER) and segments
    }


class Diarization(Objective):
    """One output a speaker and frame; which output is whom is whatever fits the utterance best.

    A frame's labels are those of the samples at its centre. Threshold and median filter are chosen on dev by
    ``der``; the error counts on segments in samples, not on frames, so taps of any rate are scored alike.

    Args:
        parts: utterances with tiers ``speaker:1``, ….
        grid: of the frames that heads read.
        collar: samples forgiven on each side of a reference boundary.
    """

    rows: ClassVar[Literal["frames", "mean", "segments"]] = "frames"
    items: ClassVar[str] = "frames"

    def __init__(self, parts: Parts, grid: Grid, collar: float) -> None:
        super().__init__()
        self.measures = ("der", "frame-accuracy")
        self._grid, self._collar = grid, collar
        counts = {len(turns(one.utterance)) for one in (*parts.train, *parts.dev, *parts.test)}
        self.outputs = max(counts, default=0)
        if self.outputs < 2:
            raise LaminaError("no utterance has two speakers (tiers `speaker:1`, `speaker:2`, …): use mixtures")
        self._orders = list(permutations(range(self.outputs)))

    def prepare(self, examples: Sequence[Example]) -> list[NDArray[np.float32]]:
        """Whether each speaker speaks at each frame's centre, (frames, speakers)."""
        return [self._active(one.utterance) for one in examples]

    def _active(self, utterance: Utterance) -> NDArray[np.float32]:
        frames = self._grid.frames(utterance.samples)
        made = np.zeros((frames, self.outputs), np.float32)
        for column, spans in enumerate(turns(utterance).values()):
            for start, stop in spans:
                owned = self._grid.owned(int(start), int(stop), frames)
                made[owned.start : owned.stop, column] = 1
        return made

    def loss(self, outputs: Tensor, lengths: Tensor, targets: Sequence[Any]) -> Tensor:
        """Binary cross-entropy of the best order of speakers: sums over frames, over all frames of the batch."""
        total = outputs.new_zeros(len(outputs))
        for row, (length, target) in enumerate(zip(lengths.tolist(), targets, strict=True)):
            logits = outputs[:, row, :length]
            truth = torch.from_numpy(target[:length]).to(logits)
            orders = [
                functional.binary_cross_entropy_with_logits(
                    logits[..., list(order)], truth.expand_as(logits), reduction="none"
                )
                .sum(1)
                .mean(1)
                for order in self._orders
            ]
            total = total + torch.stack(orders).min(0).values
        return total / lengths.sum().to(total)

    def predict(self, outputs: Tensor, lengths: Tensor) -> list[Sequence[Any]]:
        """Probabilities, (frames, speakers) an utterance."""
        told = torch.sigmoid(outputs).cpu().numpy()
        return [[row[:length] for row, length in zip(head, lengths.tolist(), strict=True)] for head in told]

    def tune(self, predictions: Sequence[Any], examples: Sequence[Example]) -> tuple[float, int]:
        """The threshold and the median filter of the lowest error on these examples."""
        found = {
            setting: self._errors(predictions, examples, setting).value()
            for setting in product(THRESHOLDS, MEDIANS)
        }
        return min(found, key=found.__getitem__)

    def score(self, predictions: Sequence[Any], examples: Sequence[Example], setting: Any) -> dict[str, Tally]:
        """The error of segments, and the share of right frame labels (of the best order)."""
        right = []
        for one, told in zip(examples, predictions, strict=True):
            truth, said = self._active(one.utterance), np.asarray(told) > 0.5
            right.append((max(float((said[:, order] == truth).sum()) for order in self._orders), truth.size))
        counts = np.array(right)
        errors = self._errors(predictions, examples, setting or (0.5, 1))
        return {"der": errors, "frame-accuracy": Ratio(counts[:, 0], counts[:, 1])}

    def _errors(
        self, predictions: Sequence[Any], examples: Sequence[Example], setting: tuple[float, int]
    ) -> Ratio:
        pairs = [
            diarization_errors(turns(one.utterance), self._spans(told, setting), collar=self._collar)
            for one, told in zip(examples, predictions, strict=True)
        ]
        counts = np.array(pairs)
        # Hours of samples: what `n` says is seconds of speech, so one second is one whole.
        return Ratio(counts[:, 0] / self._grid.sample_rate, counts[:, 1] / self._grid.sample_rate)

    def _spans(
        self, told: NDArray[np.float32], setting: tuple[float, int]
    ) -> Mapping[str, list[tuple[float, float]]]:
        """Where each output is above the threshold, in samples: a frame lasts half a period around its centre."""
        from scipy.ndimage import median_filter

        threshold, median = setting
        active = np.asarray(told) > threshold
        if median > 1:
            active = median_filter(active.astype(np.uint8), size=(median, 1), mode="constant") > 0
        begin = float(self._grid.centre - self._grid.stride / 2)
        found: dict[str, list[tuple[float, float]]] = {}
        for column in range(active.shape[1]):
            edges = np.flatnonzero(
                np.diff(np.concatenate([[0], active[:, column].view(np.uint8), [0]]).astype(np.int8))
            )
            ends = begin + edges * float(self._grid.stride)
            found[str(column)] = list(zip(ends[::2].tolist(), ends[1::2].tolist(), strict=True))
        return found
