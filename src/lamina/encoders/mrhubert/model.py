"""MRHubertModel: front end, blocks and changes of rate in one walk along the data flow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import sqrt
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers import initialization as init
from transformers.masking_utils import create_bidirectional_mask
from transformers.utils import ModelOutput

from lamina.encoders.half import on_gpu
from lamina.encoders.mrhubert.config import MRHubertConfig
from lamina.encoders.mrhubert.layers import ConvLayer, Dense, FrontConv, Layer, PositionalConv
from lamina.encoders.mrhubert.lengths import frame_counts, hide_padding, real
from lamina.encoders.mrhubert.plan import LayerBlock
from lamina.encoders.mrhubert.sampling import Sampler
from lamina.grid import Grid


class Stop(NamedTuple):
    """One tap on the walk: its name, its values (batch, frames, width), and the attention weights, if told."""

    name: str
    values: Tensor
    attention: Tensor | None = None


@dataclass
class MRHubertOutput(ModelOutput):
    """What `MRHubertModel` returns.

    Attributes:
        last_hidden_state: (batch, frames, width) the model's own finest output, after the sum with the encoder's.
        hidden_states: the values at all taps of ``config.taps``, in that order, each at its own rate.
        attentions: the weights (batch, heads, frames, frames) of every layer, in the order they run.
        level_states: the output of each level, finest first, as the losses see it.
        conv_features: (batch, frames, channels) of the front end before its layer norm.
    """

    last_hidden_state: Tensor | None = None
    hidden_states: tuple[Tensor, ...] | None = None
    attentions: tuple[Tensor, ...] | None = None
    level_states: tuple[Tensor, ...] | None = None
    conv_features: Tensor | None = None


class _ScaleGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, factor: float) -> Tensor:
        ctx.factor = factor
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0] * ctx.factor, None


class FeatureProjection(nn.Module):
    """Layer norm and linear map of the conv features to the width of the body."""

    def __init__(self, config: MRHubertConfig) -> None:
        super().__init__()
        self.layer_norm = nn.LayerNorm(config.conv_dim[-1], eps=config.layer_norm_eps)
        self.projection = nn.Linear(config.conv_dim[-1], config.hidden_size)
        self.dropout = nn.Dropout(config.feat_proj_dropout)

    def forward(self, features: Tensor) -> Tensor:
        """(batch, frames, channels) to (batch, frames, width)."""
        out: Tensor = self.dropout(self.projection(self.layer_norm(features)))
        return out


class TransformerBlock(nn.Module):
    """A stack of layers with a layer norm of its own: before them (post-norm style) or after them (pre-norm)."""

    def __init__(self, config: MRHubertConfig, layers: int, *, first: bool) -> None:
        super().__init__()
        self.pos_conv = PositionalConv(config) if first else None
        self.layer_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout)
        self.layers = nn.ModuleList(Layer(config) for _ in range(layers))
        self.norm_first = not config.do_stable_layer_norm

    def enter(self, x: Tensor) -> Tensor:
        """What the first layer sees of the block's input (batch, frames, width)."""
        if self.pos_conv is not None:
            x = x + self.pos_conv(x)
        out: Tensor = self.dropout(self.layer_norm(x) if self.norm_first else x)
        return out


class MRHubertPreTrainedModel(PreTrainedModel):
    """How weights of the family are drawn, and what transformers may do with its models."""

    config_class = MRHubertConfig
    base_model_prefix = "mrhubert"
    main_input_name = "input_values"
    supports_gradient_checkpointing = True
    _supports_sdpa = True
    _no_split_modules = ["Layer"]  # noqa: RUF012 - transformers sets it on instances

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """Fairseq's initialisation: BERT's inside the layers, torch's own elsewhere.

        transformers calls it for modules that own parameters themselves.
        """
        if isinstance(module, (nn.LayerNorm, nn.GroupNorm)):
            init.ones_(module.weight)
            init.zeros_(module.bias)
        elif isinstance(module, Dense):
            init.normal_(module.weight, std=self.config.initializer_range)
            init.zeros_(module.bias)
        elif isinstance(module, FrontConv):
            init.kaiming_normal_(module.weight)
            if module.bias is not None:
                init.zeros_(module.bias)
        elif isinstance(module, PositionalConv):
            std = sqrt(
                4 * (1 - self.config.hidden_dropout) / (module.direction.shape[-1] * self.config.hidden_size)
            )
            init.normal_(module.direction, std=std)
            init.copy_(module.gain, module.direction.norm(dim=(0, 1), keepdim=True))
            init.zeros_(module.bias)
        elif isinstance(module, (nn.Linear, nn.Conv1d, nn.ConvTranspose1d)):
            init.kaiming_uniform_(module.weight, a=sqrt(5))
            if isinstance(module, nn.Linear):
                bound = 1 / sqrt(module.in_features)
                init.uniform_(module.bias, -bound, bound)
        elif isinstance(module, MRHubertModel):
            init.uniform_(module.masked_spec_embed)

    def _get_feat_extract_output_lengths(self, input_lengths: Tensor | int) -> Tensor | int:
        """Frames of the finest level (transformers' CTC pipeline asks by this name)."""
        grid: Grid = self.config.levels[0]
        return (
            frame_counts(input_lengths, grid) if isinstance(input_lengths, Tensor) else grid.frames(input_lengths)
        )


class MRHubertModel(MRHubertPreTrainedModel):
    """The body of MR-HuBERT (Shi et al. 2024, section 2): a U-net of transformer blocks at several frame rates.

    An utterance has the same states alone and in any batch, given its ``attention_mask``.
    """

    _keys_to_ignore_on_load_unexpected = [r"^projections\.", r"^codes\."]  # noqa: RUF012 - heads of pretraining

    def __init__(self, config: MRHubertConfig) -> None:
        super().__init__(config)
        self.feature_extractor = nn.ModuleList(ConvLayer(config, index) for index in range(len(config.conv_dim)))
        self.feature_projection = FeatureProjection(config)
        self.masked_spec_embed = nn.Parameter(torch.empty(config.hidden_size))
        self.plan: tuple[LayerBlock, ...] = config.blocks
        self.blocks = nn.ModuleList(
            TransformerBlock(config, block.layers, first=index == 0) for index, block in enumerate(self.plan)
        )
        # samplers[i] stands between blocks i and i + 1. fairseq: upsample_modules are numbered the other way round
        self.samplers = nn.ModuleList(
            Sampler(config, block.sampling, upward=block.role == "dec") for block in self.plan if block.sampling
        )
        self.post_init()

    def freeze_feature_encoder(self) -> None:
        """Take the front end's weights out of training."""
        self.feature_extractor.requires_grad_(requires_grad=False)

    def conv_features(self, input_values: Tensor, samples: Tensor | None) -> Tensor:
        """The front end's features (batch, frames, channels) before their layer norm."""
        x, grid = input_values[:, None], Grid.samples(self.config.sampling_rate)
        for layer, kernel, stride in zip(
            self.feature_extractor, self.config.conv_kernel, self.config.conv_stride, strict=True
        ):
            grid = grid.conv(kernel, stride)
            x = layer(x, self.frames(samples, grid))
        x = x.transpose(1, 2)
        factor = self.config.feature_grad_mult  # fairseq: feature_grad_mult
        if factor == 0:
            return x.detach()
        features: Tensor = x if factor == 1 else _ScaleGradient.apply(x, factor)
        return features

    def frames(self, samples: Tensor | None, grid: Grid) -> Tensor | None:
        """Real frames of each utterance on a grid; None where no utterance is padded."""
        return None if samples is None else frame_counts(samples, grid)

    def walk(
        self, features: Tensor, samples: Tensor | None = None, mask_time_indices: Tensor | None = None
    ) -> Iterator[Stop]:
        """Yield the values at every tap of ``config.taps``, in that order, each as soon as it is computed.

        Args:
            features: (batch, frames, channels) from `conv_features`.
            samples: (batch,) samples of each utterance; None where none is padded.
            mask_time_indices: (batch, frames) booleans, true where the mask embedding replaces the features.
        """
        x = self.feature_projection(features)
        if mask_time_indices is not None:
            x = torch.where(mask_time_indices[..., None], self.masked_spec_embed.to(x.dtype), x)
        yield Stop("front", x)
        skips: list[Tensor] = []
        for index, (block, part) in enumerate(zip(self.plan, self.blocks, strict=True)):
            module = cast("TransformerBlock", part)
            if index:
                x = self.samplers[index - 1](x, self.frames(samples, self.plan[index - 1].grid))
            counts = self.frames(samples, block.inner)
            x = hide_padding(x, counts)
            cut = skips[-1].shape[1] if block.role == "dec" else x.shape[1]
            hidden, mask = module.enter(x), self._attention_mask(x, counts)
            for name, layer in zip(block.layer_names, module.layers, strict=True):
                weights = None
                if not (self.training and self._drops_layer()):
                    hidden, weights = layer(hidden, mask)
                yield Stop(name, hidden[:, :cut], weights)
            if self.config.do_stable_layer_norm:
                hidden = module.layer_norm(hidden)
                yield Stop(f"{block.name}.norm", hidden[:, :cut])
            if block.role == "enc":
                x = hidden
                skips.append(x)
            else:
                x = x + hidden if block.role == "mid" else hidden[:, :cut] + skips.pop()
                yield Stop(f"{block.name}.sum", x)

    def _attention_mask(self, x: Tensor, counts: Tensor | None) -> Tensor | None:
        if counts is None:
            return None
        keep = real(counts, x.shape[1])
        if on_gpu(x) and self.config._attn_implementation == "sdpa":  # noqa: SLF001 - transformers' own way
            # transformers asks whether anything is masked: a GPU would be waited for, in every block.
            return keep[:, None, None].expand(-1, -1, x.shape[1], -1)
        mask: Tensor | None = create_bidirectional_mask(config=self.config, inputs_embeds=x, attention_mask=keep)
        return mask

    def _drops_layer(self) -> bool:
        """Whether layerdrop (Fan et al. 2020) leaves out the next layer."""
        return self.config.layerdrop > 0 and bool(torch.rand(()) < self.config.layerdrop)

    def forward(
        self,
        input_values: Tensor,
        attention_mask: Tensor | None = None,
        mask_time_indices: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
    ) -> MRHubertOutput | tuple[Any, ...]:
        """Run the whole walk.

        Args:
            input_values: (batch, samples) waveforms, normalised first where ``config.do_normalize``.
            attention_mask: (batch, samples), 1 for samples of the utterance, 0 for padding at its end.
            mask_time_indices: (batch, frames) booleans on the finest grid: frames to mask (none by default).
            output_attentions: whether to return attention weights (needs eager attention).
            output_hidden_states: whether to return the values at all taps.
            return_dict: False returns a tuple.

        Returns:
            `MRHubertOutput`, frames of padded utterances at each rate as ``config.taps[i].grid.frames(samples)``.
        """
        config = self.config
        keep_all = config.output_hidden_states if output_hidden_states is None else output_hidden_states
        attend = config.output_attentions if output_attentions is None else output_attentions
        samples = _samples(attention_mask)
        features = self.conv_features(input_values, samples)
        states: list[Tensor] = []
        sums: list[Tensor] = []
        weights: list[Tensor] = []
        last = features
        for stop in self.walk(features, samples, mask_time_indices):
            last = stop.values
            if keep_all:
                states.append(last)
            if stop.name.endswith(".sum"):
                sums.append(last)
            if attend and stop.attention is not None:
                weights.append(stop.attention)
        output = MRHubertOutput(
            last_hidden_state=last,
            hidden_states=tuple(states) if keep_all else None,
            attentions=tuple(weights) if attend else None,
            level_states=tuple(reversed(sums)) or (last,),
            conv_features=features,
        )
        as_dict = config.return_dict if return_dict is None else return_dict
        return output if as_dict else output.to_tuple()


def _samples(attention_mask: Tensor | None) -> Tensor | None:
    """The samples of each utterance; None where none is padded, which is quicker (a GPU would be waited for)."""
    if attention_mask is None:
        return None
    asked = attention_mask.device.type == "cpu" and not torch.compiler.is_compiling()
    if asked and bool(attention_mask.all()):
        return None
    return attention_mask.long().sum(-1)
