"""One update of the weights: the parts of a batch, their losses and gradients, the optimiser."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor

from lamina.encoders.mrhubert import MRHubertForPreTraining
from lamina.errors import LaminaError
from lamina.pretrain.data import Crops, Source
from lamina.pretrain.memory import keep_freed_memory
from lamina.pretrain.meter import Meter
from lamina.pretrain.recipe import PretrainConfig
from lamina.pretrain.weights import seeded
from lamina.pretrain.workers import Workers

LEAST_SCALE = 1.0  # float16: where gradients overflow even unscaled, the loss is no number


@dataclass(frozen=True, slots=True)
class Work:
    """What one process does in one step.

    Attributes:
        step: number of the step.
        parts: (number of the part, its crops, their masks, its share of the frames of the batch).
        scored: frames of the finest level in the whole batch whose loss counts.
    """

    step: int
    parts: tuple[tuple[int, Crops, Tensor, float], ...]
    scored: int

    @classmethod
    def of(cls, config: PretrainConfig, source: Source, step: int, workers: Workers) -> Self:
        """This process's share of the batch of ``step``."""
        places, mask = source.batch(step)
        on_gpu = workers.device.type == "cuda"
        frames = source.frames(places)
        masked, everything = int(mask.sum()), sum(frames)
        scored = masked * (config.model.masked_loss_weight > 0)
        scored += (everything - masked) * (config.model.unmasked_loss_weight > 0)
        parts = (
            (
                part,
                source.reader.read(places[rows]).pinned() if on_gpu else source.reader.read(places[rows]),
                mask[rows, : max(frames[rows])].pin_memory() if on_gpu else mask[rows, : max(frames[rows])],
                sum(frames[rows]) / everything,
            )
            for part, rows in workers.rows(len(places))
        )
        return cls(step, tuple(parts), scored)


class Updater:
    """A model with its optimiser.

    Attributes:
        model: the model.
        optimizer: AdamW.
        scaler: of float16's gradients; idle for other dtypes.
    """

    def __init__(self, config: PretrainConfig, model: MRHubertForPreTraining, workers: Workers) -> None:
        if workers.device.type == "cpu":
            keep_freed_memory()
        self._config = config
        self._workers = workers
        self._trained = workers.prepare(model)
        self.model = model
        self.optimizer = torch.optim.AdamW(
            model.parameters(),
            lr=config.learning_rate,
            betas=config.betas,
            eps=config.eps,
            weight_decay=config.weight_decay,
            fused=True,
        )
        self.scaler = torch.amp.GradScaler(workers.device.type, enabled=config.dtype == "float16")
        self._weights = torch.tensor(
            (config.model.masked_loss_weight, config.model.unmasked_loss_weight), device=workers.device
        )
        # The first step whose gradient was no number, and its loss; on the device, so that no step waits for it.
        self._bad = torch.tensor((-1.0, 0.0), device=workers.device)
        model.train()

    def update(self, work: Work, rate: float, meter: Meter) -> None:
        """One step at a learning rate; on a GPU it is only handed over, and `check` tells whether it went well.

        Raises:
            LaminaError: on a CPU, or in float16: the loss or its gradient is no number.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        loss = torch.zeros((), device=self._workers.device)
        for number, (part, crops, mask, size) in enumerate(work.parts):
            here = crops.to(self._workers.device)
            keys = (self._config.seed, "step", work.step, *((part,) if part else ()))
            with (
                self._workers.apart(self._trained, last=number + 1 == len(work.parts)),
                seeded(*keys, device=self._workers.device),
            ):
                with self._workers.autocast():
                    output = self._trained(
                        here.waves,
                        attention_mask=here.attention_mask,
                        mask_time_indices=mask.to(self._workers.device, non_blocking=True),
                        labels=here.labels,
                        return_dict=True,
                    )
                share = self.share_of_loss(output, work.scored, size)
                # The mean over processes is what gradients are reduced to; their sum is wanted.
                self.scaler.scale(share * self._workers.count).backward()  # type: ignore[no-untyped-call] # torch's
            loss = loss + share.detach()
            meter.add(output, here, size)
        self.scaler.unscale_(self.optimizer)
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self._config.clip_norm or math.inf)
        bad = ~torch.isfinite(norm) & (self._bad[0] < 0)
        self._bad = torch.where(bad, torch.stack([loss.new_full((), work.step), loss]), self._bad)
        if self.scaler.is_enabled():  # which waits for the GPU by itself
            if self.scaler.get_scale() > LEAST_SCALE:
                self._bad[0] = -1
            self.check()
        elif norm.device.type == "cpu":
            self.check()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad()
        meter.step(loss, norm)

    def check(self) -> None:
        """See that all steps so far went well; a GPU is waited for.

        Raises:
            LaminaError: the loss of a step or its gradient was no number.
        """
        step, loss = self._bad.cpu().tolist()
        if step >= 0:
            raise LaminaError(
                f"step {step + 1:.0f}: the loss is {loss:.4g} and its gradient is no number: try a lower "
                "learning_rate, a longer warm-up, a smaller clip_norm, or dtype float32"
            )

    def share_of_loss(self, output: Any, scored: int, frames: float) -> Tensor:
        """What a part adds to the loss of the whole batch.

        Args:
            output: the model's, of the part.
            scored: frames of the finest level in the whole batch whose loss counts: the sample size.
            frames: share of the batch's frames that are in the part.
        """
        entropies: Tensor = (output.losses * self._weights).sum() / max(scored, 1)
        penalty: Tensor = self._config.model.feature_penalty_weight * output.feature_penalty
        return entropies + penalty if frames == 1 else entropies + frames * penalty

    def state(self) -> dict[str, Any]:
        """All that a checkpoint holds of it."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
        }

    def load(self, state: dict[str, Any]) -> None:
        """Take over what `state` gave."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
