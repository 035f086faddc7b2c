"""MRHubertForCTC: a linear head on the model's own finest output, trained with CTC (Graves et al. 2006)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers.modeling_outputs import CausalLMOutput

from lamina.encoders.mrhubert.config import MRHubertConfig
from lamina.encoders.mrhubert.layers import Dense
from lamina.encoders.mrhubert.lengths import frame_counts
from lamina.encoders.mrhubert.model import MRHubertModel, MRHubertPreTrainedModel
from lamina.errors import LaminaError


class MRHubertForCTC(MRHubertPreTrainedModel):
    """MR-HuBERT for speech recognition; it behaves as transformers' HubertForCTC."""

    _keys_to_ignore_on_load_unexpected = [r"^projections\.", r"^codes\."]  # noqa: RUF012 - heads of pretraining

    def __init__(self, config: MRHubertConfig) -> None:
        super().__init__(config)
        self.mrhubert = MRHubertModel(config)
        self.dropout = nn.Dropout(config.final_dropout)
        self.lm_head = Dense(config.hidden_size, config.vocab_size)
        self.post_init()

    def freeze_feature_encoder(self) -> None:
        """Take the front end's weights out of training."""
        self.mrhubert.freeze_feature_encoder()

    def freeze_base_model(self) -> None:
        """Take all weights but the head's out of training."""
        self.mrhubert.requires_grad_(requires_grad=False)

    def forward(
        self,
        input_values: Tensor,
        attention_mask: Tensor | None = None,
        mask_time_indices: Tensor | None = None,
        labels: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
    ) -> CausalLMOutput | tuple[Any, ...]:
        """Score symbols frame by frame.

        Args:
            input_values: (batch, samples) waveforms.
            attention_mask: (batch, samples), 0 for padding at the end.
            mask_time_indices: as of `MRHubertModel`.
            labels: (batch, symbols), -100 beyond each transcript.
            output_attentions: as of `MRHubertModel`.
            output_hidden_states: as of `MRHubertModel`.
            return_dict: False returns a tuple.

        Raises:
            LaminaError: a label beyond ``vocab_size``.
        """
        outputs = self.mrhubert(
            input_values,
            attention_mask=attention_mask,
            mask_time_indices=mask_time_indices,
            output_attentions=output_attentions,
            output_hidden_states=output_hidden_states,
            return_dict=True,
        )
        logits = self.lm_head(self.dropout(outputs.last_hidden_state))
        loss = None if labels is None else self._loss(logits, labels, input_values, attention_mask)
        result = CausalLMOutput(
            loss=loss, logits=logits, hidden_states=outputs.hidden_states, attentions=outputs.attentions
        )
        as_dict = self.config.return_dict if return_dict is None else return_dict
        return result if as_dict else result.to_tuple()

    def _loss(self, logits: Tensor, labels: Tensor, input_values: Tensor, attention_mask: Tensor | None) -> Tensor:
        if int(labels.max()) >= self.config.vocab_size:
            raise LaminaError(
                f"label {int(labels.max())} is beyond vocab_size {self.config.vocab_size}: load the model with "
                "the vocabulary of its tokenizer"
            )
        mask = torch.ones_like(input_values, dtype=torch.long) if attention_mask is None else attention_mask
        wanted = labels >= 0
        with torch.backends.cudnn.flags(enabled=False):
            return functional.ctc_loss(
                logits.log_softmax(-1, dtype=torch.float32).transpose(0, 1),
                labels.masked_select(wanted),
                frame_counts(mask.long().sum(-1), self.config.levels[0]),
                wanted.sum(-1),
                blank=self.config.pad_token_id,
                reduction=self.config.ctc_loss_reduction,
                zero_infinity=self.config.ctc_zero_infinity,
            )
