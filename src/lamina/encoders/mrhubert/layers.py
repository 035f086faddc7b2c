"""The front end, transformer layers and norms; norms over time see real samples only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers.activations import ACT2FN
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from lamina.encoders.half import HALF, on_gpu, right_convolutions
from lamina.encoders.mrhubert.lengths import real

if TYPE_CHECKING:
    from lamina.encoders.mrhubert.config import MRHubertConfig


def norm_over_time(
    x: Tensor, groups: int, weight: Tensor, bias: Tensor, counts: Tensor | None, eps: float
) -> Tensor:
    """Group norm (Wu & He 2018) of ``x`` (batch, channels, frames) over each utterance's own frames.

    With padding counted in, as fairseq and transformers do, states depend on the batch. Statistics are float32.

    Args:
        x: (batch, channels, frames).
        groups: of channels that share a mean and a variance.
        weight: (channels,) gain.
        bias: (channels,) offset.
        counts: (batch,) real frames of each utterance; None where none is padded.
        eps: added to the variance.

    Returns:
        The normed values; what lies beyond an utterance has no meaning.
    """
    dtype = x.dtype
    if counts is None:
        # torch.nn.functional's refuses one frame a channel
        return torch.group_norm(x.float(), groups, weight.float(), bias.float(), eps).to(dtype)
    batch, channels, frames = x.shape
    grouped = x.float().view(batch, groups, channels // groups, frames)
    padded = ~real(counts, frames)[:, None, None]
    size = counts.clamp(min=1)[:, None, None, None] * (channels // groups)
    mean = grouped.masked_fill(padded, 0.0).sum((2, 3), keepdim=True) / size
    centred = (grouped - mean).masked_fill(padded, 0.0)
    variance = centred.square().sum((2, 3), keepdim=True) / size
    normed = (centred * torch.rsqrt(variance + eps)).view(batch, channels, frames)
    return torch.addcmul(bias.float()[:, None], normed, weight.float()[:, None]).to(dtype)


class TimeNorm(nn.GroupNorm):
    """A group norm that sees real frames only (see `norm_over_time`)."""

    def forward(self, x: Tensor, counts: Tensor | None = None) -> Tensor:  # noqa: D102 - described by the class
        return norm_over_time(x, self.num_groups, self.weight, self.bias, counts, self.eps)


class FrontConv(nn.Conv1d):
    """A convolution of the front end: it is initialised in a way of its own.

    In half precision on a GPU it works with channels last, in which cuDNN computes: what comes first is turned
    once, at the second layer, and everything behind it stays so. Values are the same.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, frames) to the same."""
        half = on_gpu(x) and (x.dtype in HALF or torch.is_autocast_enabled(x.device.type))
        return self.channels_last(x) if half else super().forward(x)

    def channels_last(self, x: Tensor) -> Tensor:
        """The same with a layout in which the channels of a frame lie side by side."""
        rows, weight = (
            each[:, :, None].contiguous(memory_format=torch.channels_last) for each in (x, self.weight)
        )
        return functional.conv2d(rows, weight, self.bias, (1, *self.stride))[:, :, 0]


class Dense(nn.Linear):
    """A linear map inside a transformer layer: it is initialised as in BERT."""


class ConvLayer(GradientCheckpointingLayer):
    """One convolution of the front end with its norm, if it has one, and its activation."""

    def __init__(self, config: MRHubertConfig, index: int) -> None:
        super().__init__()
        width = config.conv_dim[index]
        before = config.conv_dim[index - 1] if index else 1
        self.conv = FrontConv(
            before, width, config.conv_kernel[index], config.conv_stride[index], bias=config.conv_bias
        )
        self.layer_norm: nn.Module | None = None
        if config.feat_extract_norm == "layer":
            self.layer_norm = nn.LayerNorm(width)
        elif index == 0:
            self.layer_norm = TimeNorm(width, width)
        self.activation = ACT2FN[config.feat_extract_activation]

    def forward(self, x: Tensor, counts: Tensor | None = None) -> Tensor:
        """(batch, channels, frames) to the same of the next layer; ``counts`` are its real frames afterwards."""
        with right_convolutions(x):
            x = self.conv(x)
        if isinstance(self.layer_norm, TimeNorm):
            x = self.layer_norm(x, counts)
        elif self.layer_norm is not None:
            x = self.layer_norm(x.transpose(1, 2)).transpose(1, 2)
        out: Tensor = self.activation(x)
        return out


class PositionalConv(nn.Module):
    """The grouped convolution that tells positions, its weight normed over all but the time axis (dim 2)."""

    def __init__(self, config: MRHubertConfig) -> None:
        super().__init__()
        width, kernel = config.hidden_size, config.num_conv_pos_embeddings
        self.groups = config.num_conv_pos_embedding_groups
        # fairseq: weight_g, weight_v. transformers would rename those on loading.
        self.gain = nn.Parameter(torch.ones(1, 1, kernel))
        self.direction = nn.Parameter(torch.empty(width, width // self.groups, kernel))
        self.bias = nn.Parameter(torch.zeros(width))
        self.activation = ACT2FN[config.feat_extract_activation]

    def forward(self, x: Tensor) -> Tensor:
        """(batch, frames, width) to the same, zero-padded by half of the kernel on both sides.

        Trained on a GPU it is a product of spectra: cuDNN's gradient of so long a kernel in groups takes eight
        times as long. States are read by the convolution itself, whose rounding hangs on no batch's length.
        """
        kernel = self.direction.shape[-1]
        before, after = kernel // 2, (kernel - 1) // 2
        if self.training and on_gpu(x):
            with torch.autocast(x.device.type, enabled=False):
                weight = self._weight().float()
                y = spectral_convolution(functional.pad(x.float(), (0, 0, before, after)), weight, self.groups)
                return cast("Tensor", self.activation((y + self.bias.float()).to(x.dtype)))
        weight = self._weight()
        x = functional.pad(x.transpose(1, 2), (before, after))
        with right_convolutions(x):
            y = functional.conv1d(x, weight, self.bias, groups=self.groups)
        out: Tensor = self.activation(y.transpose(1, 2))
        return out

    def _weight(self) -> Tensor:
        return self.direction * (self.gain / self.direction.norm(dim=(0, 1), keepdim=True))


def spectral_convolution(x: Tensor, weight: Tensor, groups: int) -> Tensor:
    """A convolution in groups without padding, as one product a group and frequency; so are its gradients.

    Args:
        x: (batch, frames, width), float32.
        weight: (width out, width / groups, kernel), float32.
        groups: of channels.

    Returns:
        (batch, frames - kernel + 1, width out).
    """
    batch, frames, _ = x.shape
    size = -(-frames // 64) * 64  # quick to transform, whatever the length
    (out, width, kernel), half = weight.shape, size // 2 + 1
    rows = torch.fft.rfft(x, size, dim=1).view(batch, half, groups, width).permute(1, 2, 0, 3)
    waves = torch.fft.rfft(weight, size).view(groups, out // groups, width, half).permute(3, 0, 2, 1)
    found = torch.matmul(rows, waves.conj())  # (frequencies, groups, batch, width out / groups)
    spectrum = found.permute(2, 0, 1, 3).reshape(batch, half, out)
    return torch.fft.irfft(spectrum, size, dim=1)[:, : frames - kernel + 1]


def eager_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float,
    dropout: float = 0.0,
    **_: Any,
) -> tuple[Tensor, Tensor]:
    """Attention in plain products (Vaswani et al. 2017, eq. 1): (batch, frames, heads, size) and weights."""
    scores = query @ key.transpose(2, 3) * scaling
    if attention_mask is not None:
        scores = scores + attention_mask
    weights = functional.dropout(scores.softmax(-1), dropout, module.training)
    return (weights @ value).transpose(1, 2), weights


class Attention(nn.Module):
    """Multi-head self-attention through transformers' interface (eager, sdpa)."""

    is_causal = False

    def __init__(self, config: MRHubertConfig) -> None:
        super().__init__()
        self.config = config
        self.head_dim = config.hidden_size // config.num_attention_heads
        self.q_proj = Dense(config.hidden_size, config.hidden_size)
        self.k_proj = Dense(config.hidden_size, config.hidden_size)
        self.v_proj = Dense(config.hidden_size, config.hidden_size)
        self.out_proj = Dense(config.hidden_size, config.hidden_size)

    def forward(self, x: Tensor, attention_mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """(batch, frames, width) to the same, and the weights where the implementation tells them."""
        batch, frames, width = x.shape
        query, key, value = (
            project(x).view(batch, frames, -1, self.head_dim).transpose(1, 2)
            for project in (self.q_proj, self.k_proj, self.v_proj)
        )
        attend = ALL_ATTENTION_FUNCTIONS.get(self.config._attn_implementation, eager_attention)  # noqa: SLF001 - transformers' own way
        y, weights = attend(
            self,
            query,
            key,
            value,
            attention_mask,
            scaling=self.head_dim**-0.5,
            dropout=self.config.attention_dropout if self.training else 0.0,
        )
        return self.out_proj(y.reshape(batch, frames, width)), weights


class FeedForward(nn.Module):
    """Two linear layers with an activation between them."""

    def __init__(self, config: MRHubertConfig) -> None:
        super().__init__()
        self.intermediate_dense = Dense(config.hidden_size, config.intermediate_size)
        self.activation = ACT2FN[config.hidden_act]
        self.intermediate_dropout = nn.Dropout(config.activation_dropout)
        self.output_dense = Dense(config.intermediate_size, config.hidden_size)
        self.output_dropout = nn.Dropout(config.hidden_dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, frames, width) to the same."""
        x = self.intermediate_dropout(self.activation(self.intermediate_dense(x)))
        out: Tensor = self.output_dropout(self.output_dense(x))
        return out


class Layer(GradientCheckpointingLayer):
    """A transformer layer, its norms before (pre-norm) or after its two branches."""

    def __init__(self, config: MRHubertConfig) -> None:
        super().__init__()
        self.pre_norm = config.do_stable_layer_norm
        self.attention = Attention(config)
        self.dropout = nn.Dropout(config.hidden_dropout)
        self.layer_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.feed_forward = FeedForward(config)
        self.final_layer_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def forward(self, x: Tensor, attention_mask: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """(batch, frames, width) to the same, and attention weights where they are told."""
        if self.pre_norm:
            y, weights = self.attention(self.layer_norm(x), attention_mask)
            x = x + self.dropout(y)
            return x + self.feed_forward(self.final_layer_norm(x)), weights
        y, weights = self.attention(x, attention_mask)
        x = self.layer_norm(x + self.dropout(y))
        return self.final_layer_norm(x + self.feed_forward(x)), weights
