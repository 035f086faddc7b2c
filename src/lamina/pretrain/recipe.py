"""The config of a pretraining run: its model, its crops, masks and loss, its optimiser and schedule."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from lamina.config import Config


class ModelConfig(Config):
    """The keys of `lamina.encoders.mrhubert.MRHubertConfig` that shape the model, with its defaults (base size).

    Described there. The number of classes is that of the units.
    """

    label_rate_ratios: tuple[int, ...] = (1, 2)
    block_layers: tuple[int, ...] = (4, 4, 4)
    hidden_size: int = Field(default=768, ge=1, le=16_384)
    num_attention_heads: int = Field(default=12, ge=1, le=1024)
    intermediate_size: int = Field(default=3072, ge=1, le=65_536)
    hidden_act: str = "gelu"
    hidden_dropout: float = 0.1
    activation_dropout: float = 0.0
    attention_dropout: float = 0.1
    feat_proj_dropout: float = 0.1
    layerdrop: float = 0.05
    do_stable_layer_norm: bool = False
    layer_norm_eps: float = 1e-5
    feat_extract_norm: Literal["group", "layer"] = "group"
    feat_extract_activation: str = "gelu"
    conv_dim: tuple[int, ...] = (512, 512, 512, 512, 512, 512, 512)
    conv_kernel: tuple[int, ...] = (10, 3, 3, 3, 3, 2, 2)
    conv_stride: tuple[int, ...] = (5, 2, 2, 2, 2, 2, 2)
    conv_bias: bool = False
    num_conv_pos_embeddings: int = 128
    num_conv_pos_embedding_groups: int = 16
    adapter_kernel: int = 1
    plain_sampling: bool = False
    feature_grad_mult: float = 0.1
    final_dim: int = Field(default=256, ge=1, le=16_384)
    logit_temperature: float = 0.1
    single_prediction: bool = False
    masked_loss_weight: float = 1.0
    unmasked_loss_weight: float = 0.0
    feature_penalty_weight: float = 10.0
    do_normalize: bool = False
    sampling_rate: int = 16000
    initializer_range: float = 0.02


class PretrainConfig(Config):
    """How a model is pretrained.

    Attributes:
        model: its shape, and the weights of its losses.
        seed: of weights, crops, masks and dropout; each has streams of its own.
        steps: updates; 0 writes the model as it is drawn (the untrained control).
        batch_size: crops a step, all of ``crop_seconds``; ignored with ``batch_seconds``.
        crop_seconds: length of a crop; utterances shorter than it are left out. # fairseq: max_sample_size
        batch_seconds: above 0, a batch holds whole utterances of like length instead of equal crops, as many as so
            many seconds of padded audio take; longer ones are cut to ``crop_seconds``. # fairseq: max_tokens
        split: the split to train on; empty, or a corpus without splits, for all.
        learning_rate: its peak.
        warmup_share: share of the steps in which the rate rises linearly; then it falls linearly to 0.
        betas: of AdamW.
        eps: of AdamW.
        weight_decay: of AdamW, on all weights.
        clip_norm: gradients are scaled down to this norm; 0 leaves them.
        mask_kind: ``spans`` masks as HuBERT does, ``budget`` masks an exact share (see `lamina.pretrain.masking`).
        mask_probability: how much is masked; 0 masks nothing, then the loss is on unmasked frames alone.
        mask_length: frames of a span, on the finest grid.
        dtype: ``float32``, or ``bfloat16`` or ``float16`` (GPU only) for autocast.
        accumulate: parts that each process works on one after the other, to need less memory; neither the batch
            nor, dropout aside, the loss depends on it or on the number of processes. # fairseq: update_freq
        compile: whether to compile the model's layers (`torch.compile`): quicker on a GPU, after some preparation.
        log_every: steps from one line of the log to the next.
        checkpoint_every: steps from one checkpoint to the next.
        validate_every: steps from one validation to the next; there is one at the end in any case.
        validation_split: where it is done; nothing is validated where the corpus has no such split.
        validation_crops: at most so many crops, always the same.
        memory_bytes: audio held in memory; a larger corpus is read crop by crop.
    """

    model: ModelConfig = ModelConfig()
    seed: int = Field(default=0, ge=0)
    steps: int = Field(ge=0, le=10**9)
    batch_size: int = Field(default=32, ge=1, le=100_000)
    crop_seconds: float = Field(default=15.6, gt=0, le=3600)
    batch_seconds: float = Field(default=0.0, ge=0)
    split: str = "train"
    learning_rate: float = Field(default=5e-4, gt=0)
    warmup_share: float = Field(default=0.08, ge=0, le=1)
    betas: tuple[float, float] = (0.9, 0.98)
    eps: float = Field(default=1e-6, gt=0)
    weight_decay: float = Field(default=0.01, ge=0)
    clip_norm: float = Field(default=10.0, ge=0)
    mask_kind: Literal["spans", "budget"] = "spans"
    mask_probability: float = Field(default=0.8, ge=0, le=1)
    mask_length: int = Field(default=10, ge=1)
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    accumulate: int = Field(default=1, ge=1)
    compile: bool = False
    log_every: int = Field(default=50, ge=1, le=10**9)
    checkpoint_every: int = Field(default=1000, ge=1, le=10**9)
    validate_every: int = Field(default=1000, ge=1, le=10**9)
    validation_split: str = "dev"
    validation_crops: int = Field(default=64, ge=1)
    memory_bytes: int = Field(default=2 << 30, ge=0, le=1 << 50)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.batch_seconds and self.batch_seconds < self.crop_seconds:
            raise ValueError(
                f"batch_seconds = {self.batch_seconds:g} holds no utterance of crop_seconds = "
                f"{self.crop_seconds:g}: raise the one or lower the other"
            )
        return self
