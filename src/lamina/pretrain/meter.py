"""What a run says of itself: figures of every level, and alarms that say what to try."""

from __future__ import annotations

import math
import time
from typing import Any

import torch
from torch import Tensor

from lamina.encoders.mrhubert.pretraining import IGNORED
from lamina.pretrain.data import Crops
from lamina.pretrain.journal import Journal
from lamina.pretrain.recipe import PretrainConfig
from lamina.pretrain.workers import Workers

KINDS = ("masked", "unmasked")
COLLAPSED = 2.0  # perplexity of the codes at or below which a model says the same everywhere
DIVERGED = 1.2  # times the lowest loss so far
DEAD = 0.5  # share of the units met that the model never says


def levels_of(config: PretrainConfig) -> int:
    """How many levels predict."""
    return 1 if config.model.single_prediction else len(config.model.label_rate_ratios) // 2 + 1


class Meter:
    """Sums since the last reading, over all processes."""

    def __init__(self, config: PretrainConfig, workers: Workers) -> None:
        self._rate = config.model.sampling_rate
        self._levels = levels_of(config)
        self._workers = workers
        self._clear()

    def _clear(self) -> None:
        self._began = time.monotonic()
        self._seconds = 0.0
        self._loss = torch.zeros((), device=self._workers.device)
        self._norm = torch.zeros((), dtype=torch.float64, device=self._workers.device)
        self._steps = 0
        self._sums = torch.zeros(3, self._levels, 2, dtype=torch.float64, device=self._workers.device)
        self._whole = True  # whether all parts of the last batch are counted
        self._last: list[tuple[float, Tensor, list[Tensor], tuple[Tensor, ...]]] = []
        self._met: list[Tensor] = []
        self._said: list[Tensor] = []

    def add(self, output: Any, crops: Crops, share: float = 1.0) -> None:
        """Count one part of a batch, ``share`` of its frames; ``output`` is the model's."""
        if self._whole:
            self._last, self._whole = [], False
        logits = [each.detach() for each in output.logits]
        self._last.append((share, output.feature_penalty.detach(), logits, crops.labels))
        self._sums += torch.stack(
            [each.detach().double() for each in (output.losses, output.correct, output.counts)]
        )
        self._seconds += crops.samples / self._rate
        if not self._said:
            # one more for the frames of padding
            self._said = [each.new_zeros(each.shape[-1] + 1, dtype=torch.bool) for each in logits]
            self._met = [torch.zeros_like(said) for said in self._said]
        for said, met, each, units in zip(self._said, self._met, logits, crops.labels, strict=True):
            said[torch.where(units == IGNORED, each.shape[-1], each.argmax(-1))] = True
            met[torch.where(units == IGNORED, each.shape[-1], units)] = True

    def step(self, loss: Tensor, norm: Tensor) -> None:
        """Count one update: this process's part of the loss, and the norm of the gradient."""
        self._loss = loss
        self._norm += torch.where(torch.isfinite(norm), norm, 0.0)  # float16 leaves out such a step
        self._steps += 1
        self._whole = True

    def accuracies(self) -> dict[str, float]:
        """Accuracy, cross-entropy (nats) a frame and frames, by level and kind; absent kinds are left out."""
        losses, correct, counts = self._workers.sum(self._sums).cpu()
        found = {}
        for level, row in enumerate(counts.tolist()):
            for kind, count in enumerate(row):
                if count:
                    found[f"accuracy_{KINDS[kind]}_{level}"] = float(correct[level, kind]) / count
                    found[f"loss_{KINDS[kind]}_{level}"] = float(losses[level, kind]) / count
                    found[f"frames_{KINDS[kind]}_{level}"] = count
        return found

    def read(self) -> dict[str, float]:
        """All figures, and start anew. Loss and the codes' perplexity are of the last batch.

        ``dead`` is the share of the units met since the last reading that the model never found the likeliest.
        """
        elapsed = time.monotonic() - self._began
        penalty = self._workers.sum(torch.stack([share * penalty for share, penalty, *_ in self._last]).sum())
        figures = {
            "loss": float(self._workers.sum(self._loss)),
            **self.accuracies(),
            "feature_penalty": float(penalty),
            "gradient_norm": float(self._norm) / self._steps,
            "audio_seconds_per_second": float(self._workers.sum(self._sums.new_full((), self._seconds))) / elapsed,
            "steps_per_second": self._steps / elapsed,
        }
        for level in range(self._levels):
            real = [(labels[level] != IGNORED)[..., None] for *_, labels in self._last]
            codes = [
                (logits[level].float().softmax(-1) * part).sum((0, 1))
                for (_, _, logits, _), part in zip(self._last, real, strict=True)
            ]
            frames = self._workers.sum(torch.stack([part.sum() for part in real]).sum())
            shares = self._workers.sum(torch.stack(codes).sum(0)) / frames
            figures[f"perplexity_{level}"] = float(torch.special.entr(shares).sum().exp())
            said, met = (self._workers.sum(each[level][:-1].float()) > 0 for each in (self._said, self._met))
            figures[f"dead_{level}"] = float((met & ~said).sum() / met.sum().clamp(min=1))
        self._clear()
        return figures


class Alarms:
    """Warnings in the log, each kind once a run: collapse, dead codes, divergence.

    None before the warm-up is over; dead codes only in the second half, since codes come to life late.
    """

    def __init__(self, config: PretrainConfig, journal: Journal) -> None:
        self._config = config
        self._journal = journal
        self._lowest = math.inf
        self._rung: set[tuple[str, int]] = set()

    def hear(self, figures: dict[str, float], step: int) -> None:
        """Look at the figures that `Meter.read` gave after ``step`` updates."""
        loss = sum(value for name, value in figures.items() if name.startswith("loss_"))
        self._lowest = min(self._lowest, loss)
        if step <= self._config.warmup_share * self._config.steps:
            return
        if loss > DIVERGED * self._lowest:
            self._ring(
                "divergence",
                0,
                step,
                f"the cross-entropies rose from {self._lowest:.3g} to {loss:.3g} nats: the run diverges; try a "
                "lower learning_rate, a longer warm-up (warmup_share), a smaller clip_norm, or pre-norm layers "
                "(model.do_stable_layer_norm)",
            )
        for level in range(levels_of(self._config)):
            perplexity, dead = figures.get(f"perplexity_{level}", math.inf), figures.get(f"dead_{level}", 0.0)
            if perplexity <= COLLAPSED:
                self._ring(
                    "collapse",
                    level,
                    step,
                    f"level {level} says the same unit almost everywhere (perplexity {perplexity:.2f} of the "
                    "codes): try a lower learning_rate, a longer warm-up, fewer masks, or pre-norm layers "
                    "(model.do_stable_layer_norm)",
                )
            elif dead > DEAD and 2 * step > self._config.steps:
                self._ring(
                    "dead codes",
                    level,
                    step,
                    f"level {level} never names {dead:.0%} of the units that it meets: try longer training, fewer "
                    "clusters, or more of the loss on unmasked frames (model.unmasked_loss_weight)",
                )

    def _ring(self, kind: str, level: int, step: int, message: str) -> None:
        if (kind, level) not in self._rung:
            self._rung.add((kind, level))
            self._journal.warn(message, step=step, kind=kind)
