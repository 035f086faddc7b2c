"""MRHubertForPreTraining: masked unit prediction at every level (Hsu et al. 2021, eq. 1-4; Shi et al. 2024)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import initialization as init
from transformers.utils import ModelOutput

from lamina.encoders.mrhubert.config import MRHubertConfig
from lamina.encoders.mrhubert.lengths import frame_counts, real
from lamina.encoders.mrhubert.model import MRHubertModel, MRHubertOutput, MRHubertPreTrainedModel, _samples
from lamina.errors import LaminaError

IGNORED = -100  # label of frames that are not scored


@dataclass
class MRHubertPreTrainingOutput(ModelOutput):
    """What `MRHubertForPreTraining` returns; levels are counted from the finest.

    Attributes:
        loss: the weighted sum of all terms divided by ``sample_size``; None without labels.
        sample_size: scored frames of the finest level (those whose weight is not 0).
        losses: (levels, 2) summed cross-entropies in nats over masked frames and over the others.
        correct: (levels, 2) frames of both kinds whose unit was the likeliest.
        counts: (levels, 2) frames of both kinds.
        feature_penalty: mean squared conv feature, padding left out.
        logits: (batch, frames, classes) of each predicting level: cosines / temperature.
        last_hidden_state: as of `MRHubertModel`.
        hidden_states: as of `MRHubertModel`.
        attentions: as of `MRHubertModel`.
    """

    loss: Tensor | None = None
    sample_size: Tensor | None = None
    losses: Tensor | None = None
    correct: Tensor | None = None
    counts: Tensor | None = None
    feature_penalty: Tensor | None = None
    logits: tuple[Tensor, ...] | None = None
    last_hidden_state: Tensor | None = None
    hidden_states: tuple[Tensor, ...] | None = None
    attentions: tuple[Tensor, ...] | None = None


def cosines(states: Tensor, codes: Tensor, temperature: float) -> Tensor:
    """Cosines of states (…, width) with codes (classes, width) over the temperature: (…, classes) float32."""
    table = functional.normalize(codes.float(), dim=-1) / temperature  # smaller than the cosines
    return functional.linear(functional.normalize(states.float(), dim=-1), table)


class Codes(nn.Module):
    """The table (classes, width) of one level's codes."""

    def __init__(self, classes: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(classes, width))


class MRHubertForPreTraining(MRHubertPreTrainedModel):
    """MR-HuBERT with a projection and a table of codes for each predicting level."""

    def __init__(self, config: MRHubertConfig) -> None:
        super().__init__(config)
        if not config.num_classes:
            raise LaminaError("MR-HuBERT config: num_classes is empty, pretraining needs the units of each level")
        self.mrhubert = MRHubertModel(config)
        # fairseq: final_projs, label_embs_concat
        self.projections = nn.ModuleList(
            nn.Linear(config.hidden_size, config.final_dim) for _ in config.num_classes
        )
        self.codes = nn.ModuleList(
            Codes(classes + config.special_classes, config.final_dim) for classes in config.num_classes
        )
        self.post_init()

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, Codes):
            init.uniform_(module.weight)

    def level_logits(self, level: int, states: Tensor) -> Tensor:
        """Cosines of the projected states (…, width) with the codes of a level over the temperature, float32."""
        codes = cast("Codes", self.codes[level]).weight
        return cosines(self.projections[level](states), codes, self.config.logit_temperature)

    def level_masks(self, mask_time_indices: Tensor) -> list[Tensor]:
        """Which frames of each level stand on masked frames, from those of the finest (batch, frames).

        A coarse frame counts as masked if the finer frame in its place is; the way up needs no rule, every level
        keeps its own mask (fairseq repeats the coarse mask, which shifts spans by a frame).
        """
        masks = [mask_time_indices]
        for up, down in zip(self.config.label_rate_ratios[::2], self.config.label_rate_ratios[1::2], strict=True):
            masks.append(masks[-1].repeat_interleave(up, dim=1)[:, ::down])
        return masks

    def level_labels(self, labels: Tensor | Sequence[Tensor]) -> list[Tensor]:
        """The labels of each predicting level: those given, or read off the finest with ``single_target``."""
        levels = self.config.levels[: self.config.predicting_levels]
        given = [labels] if isinstance(labels, Tensor) else list(labels)
        if self.config.single_target and len(given) == 1:
            finest, frames = given[0], given[0].shape[1]
            for grid in levels[1:]:
                ratio, size = grid.stride / levels[0].stride, frames
                for up, down in self._steps(len(given)):
                    size = -(-size * up // down)
                places = torch.arange(size, device=finest.device) * ratio.numerator // ratio.denominator
                given.append(finest[:, places.clamp_max(frames - 1)])
        if len(given) != len(levels):
            raise LaminaError(
                f"{len(given)} sequences of labels for {len(levels)} predicting levels: give one a level, finest "
                "first, or set single_target in the config to read all levels off one"
            )
        return given

    def _steps(self, level: int) -> list[tuple[int, int]]:
        flat = self.config.label_rate_ratios[: 2 * level]
        return list(zip(flat[::2], flat[1::2], strict=True))

    def forward(
        self,
        input_values: Tensor,
        attention_mask: Tensor | None = None,
        mask_time_indices: Tensor | None = None,
        labels: Tensor | Sequence[Tensor] | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
    ) -> MRHubertPreTrainingOutput | tuple[Any, ...]:
        """Predict the units of masked frames.

        Args:
            input_values: (batch, samples) waveforms.
            attention_mask: (batch, samples), 0 for padding at the end.
            mask_time_indices: (batch, frames) booleans on the finest grid; None masks nothing.
            labels: units (batch, frames) of each predicting level, finest first, on the level's own grid; -100 is
                not scored. With ``single_target`` one sequence, of the finest level, is enough.
            output_attentions: as of `MRHubertModel`.
            output_hidden_states: as of `MRHubertModel`.
            return_dict: False returns a tuple.

        Raises:
            LaminaError: labels of too few levels, of a wrong length, or beyond the known units.
        """
        outputs = cast(
            "MRHubertOutput",
            self.mrhubert(
                input_values,
                attention_mask=attention_mask,
                mask_time_indices=mask_time_indices,
                output_attentions=output_attentions,
                output_hidden_states=output_hidden_states,
                return_dict=True,
            ),
        )
        states = cast("tuple[Tensor, ...]", outputs.level_states)[: self.config.predicting_levels]
        result = MRHubertPreTrainingOutput(
            logits=tuple(self.level_logits(level, state) for level, state in enumerate(states)),
            last_hidden_state=outputs.last_hidden_state,
            hidden_states=outputs.hidden_states,
            attentions=outputs.attentions,
        )
        # its gradient is scaled by feature_grad_mult
        result.feature_penalty = self.penalty(cast("Tensor", outputs.conv_features), _samples(attention_mask))
        if labels is not None:
            if mask_time_indices is None:
                mask_time_indices = states[0].new_zeros(states[0].shape[:2], dtype=torch.bool)
            self._score(result, self.level_labels(labels), _samples(attention_mask), mask_time_indices)
        as_dict = self.config.return_dict if return_dict is None else return_dict
        return result if as_dict else result.to_tuple()

    def penalty(self, features: Tensor, samples: Tensor | None) -> Tensor:
        """The mean squared conv feature (batch, frames, channels), padding left out (fairseq counts it in)."""
        squares = features.float().square()
        if samples is None:
            return squares.mean()
        keep = real(frame_counts(samples, self.config.levels[0]), features.shape[1])
        return (squares.mean(-1) * keep).sum() / keep.sum()

    def scored(self, level: int, masked: Tensor, samples: Tensor | None) -> tuple[Tensor, Tensor]:
        """The masked and the other frames (batch, frames) of a level that the loss counts, padding left out."""
        if samples is None:
            return masked, ~masked
        keep = real(frame_counts(samples, self.config.levels[level]), masked.shape[1])
        return masked & keep, ~masked & keep

    def _score(
        self,
        result: MRHubertPreTrainingOutput,
        labels: Sequence[Tensor],
        samples: Tensor | None,
        mask_time_indices: Tensor,
    ) -> None:
        losses, correct, counts = [], [], []
        masks = self.level_masks(mask_time_indices)
        for level, (logits, units) in enumerate(zip(result.logits or (), labels, strict=True)):
            self._check_labels(level, logits, units)
            classes = torch.where(units == IGNORED, 0, units + self.config.special_classes)
            # classes lie along dim 1 for cross_entropy
            entropy = functional.cross_entropy(logits.transpose(1, 2), classes, reduction="none")
            right = logits.argmax(-1) == classes
            kinds = [kind & (units != IGNORED) for kind in self.scored(level, masks[level], samples)]
            losses.append(torch.stack([(entropy * kind).sum() for kind in kinds]))
            correct.append(torch.stack([(right & kind).sum() for kind in kinds]))
            counts.append(torch.stack([kind.sum() for kind in kinds]))
        weights = (self.config.masked_loss_weight, self.config.unmasked_loss_weight)
        result.losses, result.correct, result.counts = (
            torch.stack(losses),
            torch.stack(correct),
            torch.stack(counts),
        )
        size = sum((result.counts[0, kind] for kind in (0, 1) if weights[kind] > 0), start=counts[0].new_zeros(()))
        result.sample_size = size
        weighed = torch.stack([result.losses[:, kind] * weight for kind, weight in enumerate(weights)], 1)
        total = weighed.sum() / size.clamp(min=1)
        # the penalty is multiplied by the sample size before the division by it
        result.loss = total + self.config.feature_penalty_weight * cast("Tensor", result.feature_penalty)

    def _check_labels(self, level: int, logits: Tensor, units: Tensor) -> None:
        if units.shape != logits.shape[:2]:
            raise LaminaError(
                f"labels of level {level} have shape {tuple(units.shape)}, its frames {tuple(logits.shape[:2])}: "
                "labels lie on the level's own grid, one a frame of the padded batch"
            )
        if torch.compiler.is_compiling() or units.device.type != "cpu" or not units.numel():
            return  # a GPU would be waited for; `lamina.pretrain` checks all units once, and a GPU refuses others
        lowest, highest, classes = int(units.min()), int(units.max()), self.config.num_classes[level]
        if highest >= classes or (lowest < -self.config.special_classes and lowest != IGNORED):
            raise LaminaError(
                f"labels of level {level} run from {lowest} to {highest}, the config knows {classes} units: use "
                f"the units that it was made for, {IGNORED} for frames without one"
            )
