"""What Lamina knows of each family of transformers speech encoders: its taps, its grids, what to mend in batches.

Everything is derived from the config's kernels and strides. Names of taps: ``front`` (what enters the encoder,
before any positional convolution), ``enc20.3`` (output of the third block of an encoder that ticks every 20 ms),
``enc20.norm`` (after the final norm of pre-norm models), ``adp40.1`` (output of an adapter's layer), ``up20``
(SEW's upsampled output).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from lamina.encoders.audio import beyond, unit_variance
from lamina.encoders.encoder import Tap
from lamina.encoders.features import log_mel, mel_filters, zscored
from lamina.encoders.masked_norm import RealFramesNorm, hide_beyond, real_frames
from lamina.encoders.stepping import Place
from lamina.errors import LaminaError
from lamina.grid import Grid

# Families whose waveform runs through a convolutional front end (`feature_extractor.conv_layers`).
CONVOLUTIONAL = (
    "data2vec-audio",
    "hubert",
    "sew",
    "sew-d",
    "unispeech",
    "unispeech-sat",
    "wav2vec2",
    "wav2vec2-conformer",
    "wavlm",
)
KNOWN = (*CONVOLUTIONAL, "wav2vec2-bert", "whisper")


@dataclass(frozen=True)
class Site:
    """A tap and the place in the model where its tensor passes.

    Attributes:
        tap: what it is.
        place: where it passes.
        channels_first: whether the tensor there is (batch, width, frames).
    """

    tap: Tap
    place: Place
    channels_first: bool = False


@dataclass(frozen=True)
class Wiring:
    """How to read one model.

    Attributes:
        sites: all taps in the order of the data flow.
        forward: the model's forward pass for (waves, samples of each utterance).
        most: the longest audio in samples, None where there is no limit.
    """

    sites: tuple[Site, ...]
    forward: Callable[[Tensor, list[int]], object]
    most: int | None = None


def wire(model: Any, *, normalise: bool, sample_rate: int) -> Wiring:
    """The wiring of a transformers model, whose norms and convolutions over time are mended on the way.

    Args:
        model: a base model, without heads.
        normalise: whether waveforms get mean 0 and variance 1 (families with a convolutional front end).
        sample_rate: of the audio (Hz).

    Raises:
        LaminaError: the model is of a family that Lamina does not know.
    """
    kind = str(model.config.model_type)
    if kind in CONVOLUTIONAL:
        return _convolutional(model, normalise, sample_rate)
    if kind == "wav2vec2-bert":
        return _wav2vec2_bert(model, sample_rate)
    if kind == "whisper":
        return _whisper(model, sample_rate)
    raise LaminaError(f"{kind!r} is no speech encoder that Lamina knows; it knows {', '.join(sorted(KNOWN))}")


class _Sites:
    """Collects sites; depth counts up."""

    def __init__(self) -> None:
        self.found: list[Site] = []

    def add(
        self, name: str, place: Place | nn.Module, width: int, grid: Grid, *, channels_first: bool = False
    ) -> None:
        place = place if isinstance(place, Place) else Place(place)
        self.found.append(Site(Tap(name, len(self.found), width, grid), place, channels_first))

    def stack(self, layers: nn.ModuleList, width: int, grid: Grid) -> None:
        """The outputs of the encoder's blocks."""
        for number, layer in enumerate(layers, 1):
            self.add(f"enc{grid.period_ms:g}.{number}", layer, width, grid)


def _convolutional(model: Any, normalise: bool, sample_rate: int) -> Wiring:
    config, kind = model.config, str(model.config.model_type)
    grid = Grid.samples(sample_rate)
    for number, (kernel, stride) in enumerate(zip(config.conv_kernel, config.conv_stride, strict=True)):
        grid = grid.conv(kernel, stride)
        layer = model.feature_extractor.conv_layers[number]
        if isinstance(getattr(layer, "layer_norm", None), nn.GroupNorm):
            layer.layer_norm = RealFramesNorm(layer.layer_norm, grid)
    front, sites, width = grid, _Sites(), int(config.hidden_size)
    squeezed = kind.startswith("sew")
    sites.add("front", model.feature_dropout if squeezed else model.feature_projection, width, front)
    _hide_for_time_convolutions(model.encoder, front)
    if squeezed:
        # The pooled path is the residual one, so its places count; the positional convolution adds to it.
        grid = front.conv(config.squeeze_factor, config.squeeze_factor)
        _mask_squeezed(model, kind, grid)
    sites.stack(model.encoder.encoder.layer if kind == "sew-d" else model.encoder.layers, width, grid)
    if squeezed:
        finer = grid.repeat(config.squeeze_factor)
        sites.add(f"up{finer.period_ms:g}", model.encoder.upsample, width, finer)
    elif getattr(config, "do_stable_layer_norm", False) or kind == "wav2vec2-conformer":
        sites.add(f"enc{grid.period_ms:g}.norm", model.encoder.layer_norm, width, grid)
    if getattr(model, "adapter", None) is not None:
        for number, layer in enumerate(model.adapter.layers, 1):
            hide_beyond(layer.conv, grid)
            grid = grid.conv(config.adapter_kernel_size, config.adapter_stride, padding=1)
            name, width = f"adp{grid.period_ms:g}.{number}", int(config.output_hidden_size)
            sites.add(name, layer, width, grid, channels_first=True)

    def forward(waves: Tensor, samples: list[int]) -> object:
        if normalise:
            waves = unit_variance(waves, samples)
        # Without a mask, attention takes its fastest path, and a single utterance is the library's to the bit.
        ragged = real_frames(front, front.frames(waves.shape[1])) is not None
        mask = (~beyond(samples, waves.shape[1], waves.device)).long() if ragged else None
        return model(waves.to(model.dtype), attention_mask=mask, output_hidden_states=False)

    return Wiring(tuple(sites.found), forward)


def _hide_for_time_convolutions(encoder: nn.Module, grid: Grid) -> None:
    """Mend the convolutions over time inside the encoder (positional, conformer's): all read ``grid``."""
    for module in encoder.modules():
        if isinstance(module, nn.Conv1d) and module.kernel_size[0] > 1:
            hide_beyond(module, grid)


def _mask_squeezed(model: Any, kind: str, grid: Grid) -> None:
    """Mask SEW's squeezed frames by their grid; its own pooling counts one too many for odd lengths."""

    def real(values: Tensor) -> Tensor | None:
        frames = real_frames(grid, values.shape[1])
        return None if frames is None else ~beyond(frames, values.shape[1], values.device)

    def mask_layer(_layer: nn.Module, args: Any, kwargs: dict[str, Any]) -> Any:
        from transformers.masking_utils import create_bidirectional_mask

        keep = real(args[0])
        mask = create_bidirectional_mask(config=model.config, inputs_embeds=args[0], attention_mask=keep)
        return args, kwargs | {"attention_mask": mask if keep is not None else None}

    def mask_encoder(_encoder: nn.Module, args: Any) -> Any:
        keep = real(args[0])
        return args if keep is None else (args[0], keep.long(), *args[2:])

    if kind == "sew-d":
        model.encoder.encoder.register_forward_pre_hook(mask_encoder)
        return
    for layer in model.encoder.layers:
        layer.register_forward_pre_hook(mask_layer, with_kwargs=True)


def _wav2vec2_bert(model: Any, sample_rate: int) -> Wiring:
    config = model.config
    bins = 80
    pairs, odd = divmod(int(config.feature_projection_input_dim), bins)
    if odd:
        raise LaminaError(
            f"this wav2vec2-bert takes features of {config.feature_projection_input_dim} values, "
            f"no multiple of the {bins} mel bins that its feature extractor gives"
        )
    mel = Grid.samples(sample_rate).conv(400, 160)
    grid = mel.conv(pairs, pairs)
    filters = mel_filters(bins, 20.0, sample_rate / 2)
    sites = _Sites()
    sites.add("front", model.feature_projection, int(config.hidden_size), grid)
    sites.stack(model.encoder.layers, int(config.hidden_size), grid)
    front = grid
    if model.adapter is not None:
        for number, layer in enumerate(model.adapter.layers, 1):
            hide_beyond(layer.residual_conv, grid)
            hide_beyond(layer.self_attn_conv, grid)
            grid = grid.conv(config.adapter_kernel_size, config.adapter_stride, padding=config.adapter_stride // 2)
            sites.add(f"adp{grid.period_ms:g}.{number}", layer, int(config.output_hidden_size), grid)

    def forward(waves: Tensor, samples: list[int]) -> object:
        # As transformers' SeamlessM4TFeatureExtractor: 16-bit scale, z-scored a bin, neighbouring frames stacked.
        values = log_mel(waves * 32768.0, filters, 1.192092955078125e-07)
        values = zscored(values, [mel.frames(count) for count in samples], correction=1, add=1e-7)
        size = front.frames(waves.shape[1])
        values = values[:, : size * pairs].reshape(len(values), size, -1).to(model.dtype)
        frames = real_frames(front, size)
        mask = None if frames is None else (~beyond(frames, size, waves.device)).long()
        return model(values, attention_mask=mask, output_hidden_states=False)

    return Wiring(tuple(sites.found), forward)


def _whisper(model: Any, sample_rate: int) -> Wiring:
    from transformers.audio_utils import mel_filter_bank

    encoder = model.get_encoder() if hasattr(model, "get_encoder") else model
    config, width = encoder.config, int(encoder.config.d_model)
    # Centred windows of 400 whose first weight is 0: frame j is centred on sample 160 j and sees 399 samples.
    mel = Grid.samples(sample_rate).conv(399, 160, padding=199)
    grid = mel.conv(3, 1, padding=1).conv(3, 2, padding=1)
    most = int(config.max_source_positions) * int(grid.stride)
    filters = mel_filter_bank(
        201, config.num_mel_bins, 0.0, 8000.0, sample_rate, norm="slaney", mel_scale="slaney"
    )
    bank = torch.from_numpy(filters).float()
    sites = _Sites()
    sites.add("front", Place(encoder.layers[0], entering=True), width, grid)
    sites.stack(encoder.layers, width, grid)
    sites.add(f"enc{grid.period_ms:g}.norm", encoder.layer_norm, width, grid)

    def forward(waves: Tensor, _samples: list[int]) -> object:
        # As transformers' WhisperFeatureExtractor: every utterance is padded with silence to the model's window.
        waves = torch.nn.functional.pad(waves, (0, most - waves.shape[1]))
        window = torch.hann_window(400, device=waves.device)
        spectrum = torch.stft(waves, 400, 160, window=window, return_complex=True)[..., :-1]
        energy = (bank.to(waves.device).T @ spectrum.abs().square()).clamp(min=1e-10).log10()
        energy = torch.maximum(energy, energy.amax(dim=(1, 2), keepdim=True) - 8.0)
        return encoder(((energy + 4.0) / 4.0).to(encoder.dtype), output_hidden_states=False)

    return Wiring(tuple(sites.found), partial(forward), most)
