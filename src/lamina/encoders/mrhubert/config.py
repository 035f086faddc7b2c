"""MRHubertConfig: everything that published MR-HuBERT and HuBERT models vary."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

from transformers import PreTrainedConfig

from lamina.encoders.encoder import Tap
from lamina.encoders.mrhubert import plan
from lamina.errors import LaminaError
from lamina.grid import Grid

MOST_LAYERS, MOST_ENTRIES = 1000, 64  # in all, and of one list
SWITCHES = (
    *("do_stable_layer_norm", "conv_bias", "plain_sampling", "single_prediction", "single_target"),
    *("do_normalize", "ctc_zero_infinity"),
)
# Names of values, whether they are whole numbers, the least and the most.
LIMITS: tuple[tuple[tuple[str, ...], bool, float, float], ...] = (
    (("hidden_size", "intermediate_size", "conv_dim", "final_dim"), True, 1, 1 << 20),
    (("num_attention_heads", "num_conv_pos_embedding_groups", "block_layers"), True, 1, 1 << 16),
    (("conv_kernel", "conv_stride", "num_conv_pos_embeddings", "adapter_kernel"), True, 1, 1 << 16),
    (("label_rate_ratios",), True, 1, 1000),
    (("num_classes", "sampling_rate", "vocab_size"), True, 1, 1 << 24),
    (("special_classes",), True, 0, 1 << 16),
    (("hidden_dropout", "activation_dropout", "attention_dropout", "feat_proj_dropout"), False, 0, 1),
    (("final_dropout", "layerdrop"), False, 0, 1),
    (("layer_norm_eps", "logit_temperature"), False, 1e-12, 1e3),
    (("feature_grad_mult", "initializer_range"), False, 0, 1e6),
    (("masked_loss_weight", "unmasked_loss_weight", "feature_penalty_weight"), False, 0, 1e6),
)


class MRHubertConfig(PreTrainedConfig):
    """Configuration of the MR-HuBERT family; names follow HubertConfig where the meaning is the same.

    Args:
        label_rate_ratios: pairs (up, down), flat: [1, 2] is 20 and 40 ms, [1, 2, 2, 5] is 20, 40 and 100 ms,
            [1, 1] is the same graph at one rate, [] is plain HuBERT.
        block_layers: transformer layers of each block in the order they run (encoders, middle, decoders).
            fairseq: `override_encoder_layers` [a, b, c, d, e] runs as a, b, c, e, d.
        hidden_size: width of the body. fairseq: encoder_embed_dim.
        num_attention_heads: heads of every layer.
        intermediate_size: inner width of feed-forward layers. fairseq: encoder_ffn_embed_dim.
        hidden_act: activation of feed-forward layers.
        hidden_dropout: dropout of residual branches and block inputs. fairseq: dropout.
        activation_dropout: dropout after the activation of feed-forward layers.
        attention_dropout: dropout of attention weights.
        feat_proj_dropout: dropout of the projected features. fairseq: dropout_input.
        final_dropout: dropout before the CTC head.
        layerdrop: probability that a layer is left out in training. fairseq: encoder_layerdrop.
        do_stable_layer_norm: pre-norm layers, one more norm at each block's end. fairseq: layer_norm_first.
        layer_norm_eps: added to variances of layer norms.
        feat_extract_norm: ``group`` (after the first convolution) or ``layer`` (after each).
            fairseq: extractor_mode "default" or "layer_norm".
        feat_extract_activation: activation of the front end.
        conv_dim: channels of the front end's convolutions.
        conv_kernel: their kernels.
        conv_stride: their strides.
        conv_bias: whether they have biases.
        num_conv_pos_embeddings: kernel of the positional convolution. fairseq: conv_pos.
        num_conv_pos_embedding_groups: its groups. fairseq: conv_pos_groups.
        adapter_kernel: kernel (odd) of the changes of rate. fairseq: conv_adapator_kernal (sic), default 7 there,
            1 in the published base and large models.
        plain_sampling: one convolution a change of rate, no highway. fairseq: use_plain_updownsample.
        feature_grad_mult: factor of the gradients that reach the front end; 0 freezes it.
        num_classes: units of each level, finest first (one entry with `single_prediction`); empty without heads.
        special_classes: codes that stand before the units, 4 in fairseq's checkpoints: label 0 is code 4.
        final_dim: width of the codes.
        logit_temperature: cosines are divided by it. fairseq: logit_temp.
        single_prediction: only the finest level predicts (no auxiliary loss). fairseq: use_single_prediction.
        single_target: one sequence of labels, at the finest rate, serves all levels. fairseq: use_single_target.
        masked_loss_weight: weight of masked frames. fairseq: pred_masked_weight.
        unmasked_loss_weight: weight of the other frames. fairseq: pred_nomask_weight.
        feature_penalty_weight: weight of the mean squared conv features. fairseq: loss_weights[0].
        do_normalize: whether the model expects waveforms of mean 0 and variance 1. fairseq: task.normalize.
        sampling_rate: of the audio (Hz).
        vocab_size: outputs of the CTC head.
        ctc_loss_reduction: ``sum`` or ``mean``.
        ctc_zero_infinity: whether infinite CTC losses count as zero.
        initializer_range: deviation of freshly drawn linear weights of the body.

    Raises:
        LaminaError: values that describe no model.
    """

    model_type = "mr-hubert"

    def __init__(
        self,
        label_rate_ratios: Sequence[int] = (1, 2),
        block_layers: Sequence[int] = (4, 4, 4),
        hidden_size: int = 768,
        num_attention_heads: int = 12,
        intermediate_size: int = 3072,
        hidden_act: str = "gelu",
        hidden_dropout: float = 0.1,
        activation_dropout: float = 0.0,
        attention_dropout: float = 0.1,
        feat_proj_dropout: float = 0.1,
        final_dropout: float = 0.1,
        layerdrop: float = 0.05,
        do_stable_layer_norm: bool = False,
        layer_norm_eps: float = 1e-5,
        feat_extract_norm: str = "group",
        feat_extract_activation: str = "gelu",
        conv_dim: Sequence[int] = (512, 512, 512, 512, 512, 512, 512),
        conv_kernel: Sequence[int] = (10, 3, 3, 3, 3, 2, 2),
        conv_stride: Sequence[int] = (5, 2, 2, 2, 2, 2, 2),
        conv_bias: bool = False,
        num_conv_pos_embeddings: int = 128,
        num_conv_pos_embedding_groups: int = 16,
        adapter_kernel: int = 1,
        plain_sampling: bool = False,
        feature_grad_mult: float = 0.1,
        num_classes: Sequence[int] = (),
        special_classes: int = 0,
        final_dim: int = 256,
        logit_temperature: float = 0.1,
        single_prediction: bool = False,
        single_target: bool = False,
        masked_loss_weight: float = 1.0,
        unmasked_loss_weight: float = 0.0,
        feature_penalty_weight: float = 10.0,
        do_normalize: bool = False,
        sampling_rate: int = 16000,
        vocab_size: int = 32,
        ctc_loss_reduction: str = "sum",
        ctc_zero_infinity: bool = False,
        initializer_range: float = 0.02,
        **kwargs: Any,
    ) -> None:
        given = {name: value for name, value in locals().items() if name not in ("self", "kwargs", "__class__")}
        for name, value in given.items():
            setattr(self, name, list(value) if isinstance(value, (list, tuple)) else value)
        kwargs.setdefault("pad_token_id", 0)
        kwargs.setdefault("bos_token_id", 1)
        kwargs.setdefault("eos_token_id", 2)
        self.check()
        super().__init__(**kwargs)

    def check(self) -> None:
        """Refuse values that describe no model.

        Raises:
            LaminaError: says which value, and what would be right.
        """
        for names, whole, least, most in LIMITS:
            for name in names:
                value = getattr(self, name)
                if isinstance(value, list) and len(value) > MOST_ENTRIES:
                    raise LaminaError(f"MR-HuBERT config: {name} has {len(value)} entries: {MOST_ENTRIES} at most")
                kind: Any = Integral if whole else Real
                for each in value if isinstance(value, list) else [value]:
                    if isinstance(each, bool) or not (isinstance(each, kind) and least <= each <= most):
                        what = f"a {'whole ' if whole else ''}number from {least:g} to {most:g}"
                        raise LaminaError(f"MR-HuBERT config: {name} {value!r:.60}: {what}")
        for name in SWITCHES:
            if not isinstance(getattr(self, name), bool):
                raise LaminaError(f"MR-HuBERT config: {name} {getattr(self, name)!r:.60}: true or false")
        ratios, layers = self.label_rate_ratios, self.block_layers
        problems = (
            (len(ratios) % 2, f"label_rate_ratios {ratios}: pairs (up, down)"),
            (
                len(layers) != len(ratios) + 1 or sum(layers) > MOST_LAYERS,
                f"block_layers {layers}: {len(ratios) + 1} blocks for {ratios}, of {MOST_LAYERS} layers or less",
            ),
            (
                not len(self.conv_dim) == len(self.conv_kernel) == len(self.conv_stride) > 0,
                "conv_dim, conv_kernel and conv_stride: as many of each",
            ),
            (
                self.adapter_kernel % 2 == 0,
                f"adapter_kernel {self.adapter_kernel}: odd, an even one has no centre frame",
            ),
            (
                self.plain_sampling and any(up != 1 for up in ratios[::2]),
                f"label_rate_ratios {ratios} with plain_sampling: plain sampling only goes down, use pairs (1, n)",
            ),
            (
                self.feat_extract_norm not in {"group", "layer"},
                f"feat_extract_norm {self.feat_extract_norm!r:.60}: 'group' or 'layer'",
            ),
            *(
                (
                    self.hidden_size % parts != 0,
                    f"hidden_size {self.hidden_size}: a multiple of the {parts} {what}",
                )
                for parts, what in (
                    (self.num_attention_heads, "heads"),
                    (self.num_conv_pos_embedding_groups, "groups of the positional convolution"),
                )
            ),
            (
                bool(self.num_classes) and len(self.num_classes) != self.predicting_levels,
                f"num_classes {self.num_classes}: one for each of the {self.predicting_levels} predicting levels",
            ),
        )
        for wrong, problem in problems:
            if wrong:
                raise LaminaError(f"MR-HuBERT config: {problem}")

    @property
    def num_hidden_layers(self) -> int:
        """Transformer layers in all blocks."""
        return sum(self.block_layers)

    @property
    def predicting_levels(self) -> int:
        """Levels that predict units in pretraining."""
        return 1 if self.single_prediction else len(self.label_rate_ratios) // 2 + 1

    @property
    def levels(self) -> tuple[Grid, ...]:
        """The grid of each level, finest first."""
        return plan.levels(self)

    @property
    def blocks(self) -> tuple[plan.LayerBlock, ...]:
        """The blocks in the order they run."""
        return plan.blocks(self)

    @property
    def taps(self) -> tuple[Tap, ...]:
        """All taps in the order of the data flow, without building the model."""
        return plan.taps(self)

    @property
    def predicting_taps(self) -> tuple[Tap, ...]:
        """The taps that predict units in pretraining, finest level first: what the losses act on."""
        ends = {block.level: block.name for block in self.blocks}  # a level's last block is the one that predicts
        last = {tap.block: tap for tap in self.taps}
        return tuple(last[ends[level]] for level in range(self.predicting_levels))

    @property
    def inputs_to_logits_ratio(self) -> int:
        """Samples a frame of the model's own output (what transformers' CTC pipeline asks for)."""
        return int(self.levels[0].stride)
