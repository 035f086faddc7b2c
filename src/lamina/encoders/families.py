"""What Lamina knows of each family of transformers speech encoders: its taps, its grids, what to mend in batches.

Everything is derived from the config's kernels and strides. Names of taps: ``front`` (what enters the encoder,
before any positional convolution), ``enc20.3`` (output of the third block of an encoder that ticks every 20 ms),
``enc20.norm`` (after the final norm of pre-norm models), ``adp40.1`` (output of an adapter's layer), ``up20``
(SEW's upsampled output).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from lamina.encoders.audio import beyond, unit_variance
from lamina.encoders.encoder import Tap
from lamina.encoders.features import GRID as MEL
from lamina.encoders.features import SAMPLE_RATE, log_mel, mel_filters, zscored
from lamina.encoders.masked_norm import RealFramesNorm, hide_beyond, real_frames
from lamina.encoders.stepping import Pass, TapStep, block, collect, transform
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
Forward = Callable[[Pass], object]
KNOWN = (*CONVOLUTIONAL, "wav2vec2-bert", "whisper")


@dataclass(frozen=True)
class Wiring:
    """How to read one model.

    Attributes:
        steps: the data flow, tap after tap.
        window: samples to which the model pads all audio, and which none may exceed; 0 where it has no window.
    """

    steps: tuple[TapStep, ...]
    window: int = 0


def body_of(kind: str, tensors: Mapping[str, Tensor]) -> tuple[Any, Any, dict[str, Tensor]]:
    """The classes of a family's encoder and config, and the encoder's own weights of those of a whole model."""
    import transformers
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    config = CONFIG_MAPPING[kind]
    if kind == "whisper":
        from transformers.models.whisper.modeling_whisper import WhisperEncoder

        # Its decoder is never run. Fine-tuned models have "model." before everything.
        named = {key.removeprefix("model."): value for key, value in tensors.items()}
        found = {key.removeprefix("encoder."): value for key, value in named.items() if key.startswith("encoder.")}
        return WhisperEncoder, config, found
    return getattr(transformers, config.__name__.replace("Config", "Model")), config, dict(tensors)


def run_of(model: Any) -> Any:
    """What of a model is run: Whisper's encoder without its decoder, any other model as it is."""
    return model.get_encoder() if model.config.model_type == "whisper" and hasattr(model, "get_encoder") else model


def input_of(config: Any, samples: int) -> Tensor:
    """What a model of ``config`` takes for one utterance of so many samples: a shape without values."""
    if config.model_type == "whisper":  # it pads all audio to its window
        return torch.empty(1, config.num_mel_bins, 2 * config.max_source_positions, device="meta")
    if config.model_type == "wav2vec2-bert":
        frames = _stacked(config)[1].frames(samples)
        return torch.empty(1, frames, config.feature_projection_input_dim, device="meta")
    return torch.empty(1, samples, device="meta")


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
    if kind in {"wav2vec2-bert", "whisper"}:
        if sample_rate != SAMPLE_RATE:
            raise LaminaError(f"a {kind} takes audio of {SAMPLE_RATE} samples a second, not of {sample_rate}")
        return _wav2vec2_bert(model) if kind == "wav2vec2-bert" else _whisper(model)
    raise LaminaError(f"{kind!r} is no speech encoder that Lamina knows; it knows {', '.join(sorted(KNOWN))}")


class _Steps:
    """Collects steps; depth counts up."""

    def __init__(self) -> None:
        self.found: list[TapStep] = []

    def add(
        self,
        role: str,
        part: int | str | None,
        width: int,
        grid: Grid,
        run: Callable[[Pass], Tensor],
        shown: str = "",
    ) -> None:
        name = role if role == "front" else f"{role}{grid.period_ms:g}"
        self.found.append(TapStep(Tap.of(name, part, len(self.found), width, grid), run, shown))

    def wiring(self, window: int = 0) -> Wiring:
        """All steps; what the last one gives is what the model returns."""
        *before, last = self.found
        shown = ", ".join(filter(None, (last.shown, "last_hidden_state")))
        return Wiring((*before, replace(last, shown=shown)), window)

    def front(
        self, model: Forward, place: nn.Module | None, first: nn.Module, width: int, grid: Grid, shown: str = ""
    ) -> None:
        """The model's own way to its first block, read where ``place`` puts out (else as the block takes it)."""

        def run(passing: Pass) -> Tensor:
            shown, args, kwargs = collect(lambda: model(passing), [] if place is None else [place], until=first)
            passing.hidden, *passing.args = args
            passing.kwargs = kwargs
            return passing.hidden if place is None else shown[0]

        self.add("front", None, width, grid, run, shown)

    def stack(self, layers: nn.ModuleList, width: int, grid: Grid) -> None:
        """The outputs of the encoder's blocks."""
        for number, layer in enumerate(layers, 1):
            self.add("enc", number, width, grid, block(layer), f"hidden_states[{number}]")

    def adapter(
        self, layers: nn.ModuleList, width: int, grids: list[Grid], run: Callable[[Pass], list[Tensor]]
    ) -> None:
        """The outputs of an adapter's layers; they are few and coarse, so it runs at once."""

        def show(passing: Pass, number: int) -> Tensor:
            if number == 0:
                passing.kept = run(passing)
            return passing.kept[number]

        for number, (_, grid) in enumerate(zip(layers, grids, strict=True)):
            self.add("adp", number + 1, width, grid, partial(show, number=number))


def _convolutional(model: Any, normalise: bool, sample_rate: int) -> Wiring:
    config, kind = model.config, str(model.config.model_type)
    grid = Grid.samples(sample_rate)
    for number, (kernel, stride) in enumerate(zip(config.conv_kernel, config.conv_stride, strict=True)):
        grid = grid.conv(kernel, stride)
        layer = model.feature_extractor.conv_layers[number]
        if isinstance(getattr(layer, "layer_norm", None), nn.GroupNorm):
            layer.layer_norm = RealFramesNorm(layer.layer_norm, grid)
    front, steps, width = grid, _Steps(), int(config.hidden_size)
    squeezed = kind.startswith("sew")
    layers = model.encoder.encoder.layer if kind == "sew-d" else model.encoder.layers
    _hide_for_time_convolutions(model.encoder, front)

    def forward(passing: Pass) -> object:
        waves, samples = passing.waves, passing.samples
        if normalise:
            waves = unit_variance(waves, samples)
        # Without a mask, attention takes its fastest path, and a single utterance is the library's to the bit.
        ragged = real_frames(front, front.frames(waves.shape[1])) is not None
        mask = (~beyond(samples, waves.shape[1], waves.device)).long() if ragged else None
        return model(waves.to(model.dtype), attention_mask=mask, output_hidden_states=False)

    place = model.feature_dropout if squeezed else model.feature_projection
    # Elsewhere the positional convolution is added before the first block takes it.
    steps.front(forward, place, layers[0], width, front, "hidden_states[0]" if "conformer" in kind else "")
    if squeezed:
        # The pooled path is the residual one, so its places count; the positional convolution adds to it.
        grid = front.conv(config.squeeze_factor, config.squeeze_factor)
        _mask_squeezed(model, kind, grid)
    steps.stack(layers, width, grid)
    if squeezed:
        finer = grid.repeat(config.squeeze_factor)
        steps.add("up", None, width, finer, transform(model.encoder.upsample))
    elif getattr(config, "do_stable_layer_norm", False) or kind == "wav2vec2-conformer":
        steps.add("enc", "norm", width, grid, transform(model.encoder.layer_norm))
    adapter = getattr(model, "adapter", None)
    if adapter is not None:
        grids = []
        for layer in adapter.layers:
            hide_beyond(layer.conv, grid)
            grid = grid.conv(config.adapter_kernel_size, config.adapter_stride, padding=1)
            grids.append(grid)

        def adapt(passing: Pass) -> list[Tensor]:
            outputs, *_ = collect(lambda: adapter(passing.hidden), adapter.layers)
            return [output.transpose(1, 2) for output in outputs]

        steps.adapter(adapter.layers, int(config.output_hidden_size), grids, adapt)
    return steps.wiring()


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


BINS = 80  # of the mel spectrum that wav2vec2-bert's feature extractor makes


def _stacked(config: Any) -> tuple[int, Grid]:
    """How many mel frames wav2vec2-bert takes at once, and the grid of what it takes."""
    pairs, odd = divmod(int(config.feature_projection_input_dim), BINS)
    if odd:
        raise LaminaError(
            f"this wav2vec2-bert takes features of {config.feature_projection_input_dim} values, "
            f"no multiple of the {BINS} mel bins that its feature extractor gives"
        )
    return pairs, MEL.conv(pairs, pairs)


def _wav2vec2_bert(model: Any) -> Wiring:
    config = model.config
    pairs, front = _stacked(config)
    grid, filters = front, mel_filters(BINS, 20.0, SAMPLE_RATE / 2)
    width, steps = int(config.hidden_size), _Steps()

    def real(size: int, device: torch.device) -> Tensor | None:
        frames = real_frames(front, size)
        return None if frames is None else (~beyond(frames, size, device)).long()

    def forward(passing: Pass) -> object:
        # As transformers' SeamlessM4TFeatureExtractor: 16-bit scale, z-scored a bin, neighbouring frames stacked.
        values = log_mel(passing.waves * 32768.0, filters, 1.192092955078125e-07)
        values = zscored(values, [MEL.frames(count) for count in passing.samples], correction=1, add=1e-7)
        size = front.frames(passing.waves.shape[1])
        values = values[:, : size * pairs].reshape(len(values), size, -1).to(model.dtype)
        return model(values, attention_mask=real(size, values.device), output_hidden_states=False)

    steps.front(forward, model.feature_projection, model.encoder.layers[0], width, grid, "hidden_states[0]")
    steps.stack(model.encoder.layers, width, grid)
    adapter = model.adapter
    if adapter is not None:
        grids = []
        for layer in adapter.layers:
            hide_beyond(layer.residual_conv, grid)
            hide_beyond(layer.self_attn_conv, grid)
            grid = grid.conv(config.adapter_kernel_size, config.adapter_stride, padding=config.adapter_stride // 2)
            grids.append(grid)

        def adapt(passing: Pass) -> list[Tensor]:
            hidden = passing.hidden
            if model.intermediate_ffn:
                hidden = hidden + 0.5 * model.intermediate_ffn(hidden)
            mask = real(hidden.shape[1], hidden.device)
            outputs, *_ = collect(lambda: adapter(hidden, attention_mask=mask), adapter.layers)
            return list(outputs)

        steps.adapter(adapter.layers, int(config.output_hidden_size), grids, adapt)
    return steps.wiring()


def _whisper(model: Any) -> Wiring:
    from transformers.audio_utils import mel_filter_bank

    config, width = model.config, int(model.config.d_model)
    # Centred windows of 400 whose first weight is 0: frame j is centred on sample 160 j and sees 399 samples.
    mel = Grid.samples(SAMPLE_RATE).conv(399, 160, padding=199)
    grid = mel.conv(3, 1, padding=1).conv(3, 2, padding=1)
    window = int(config.max_source_positions) * int(grid.stride)
    filters = mel_filter_bank(
        201, config.num_mel_bins, 0.0, 8000.0, SAMPLE_RATE, norm="slaney", mel_scale="slaney"
    )
    bank = torch.from_numpy(filters).float()
    steps = _Steps()

    def forward(passing: Pass) -> object:
        # As transformers' WhisperFeatureExtractor: every utterance is padded with silence to the model's window.
        waves = torch.nn.functional.pad(passing.waves, (0, window - passing.waves.shape[1]))
        hann = torch.hann_window(400, device=waves.device)
        spectrum = torch.stft(waves, 400, 160, window=hann, return_complex=True)[..., :-1]
        energy = (bank.to(waves.device).T @ spectrum.abs().square()).clamp(min=1e-10).log10()
        energy = torch.maximum(energy, energy.amax(dim=(1, 2), keepdim=True) - 8.0)
        return model(((energy + 4.0) / 4.0).to(model.dtype), output_hidden_states=False)

    # What enters the first block has no module of its own: convolutions, GELU and the position embedding.
    steps.front(forward, None, model.layers[0], width, grid, "hidden_states[0]")
    steps.stack(model.layers, width, grid)
    # transformers puts the normed states into the last place of its list, instead of the last block's.
    steps.found[-1] = replace(steps.found[-1], shown="")
    norm = transform(model.layer_norm)
    steps.add("enc", "norm", width, grid, norm, f"hidden_states[{len(model.layers)}]")
    return steps.wiring(window)
