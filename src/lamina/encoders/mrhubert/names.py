"""What fairseq, transformers and s3prl call the same weights and the same states."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lamina.encoders.encoder import Tap

if TYPE_CHECKING:
    from lamina.encoders.mrhubert.config import MRHubertConfig
    from lamina.encoders.mrhubert.plan import LayerBlock

LAYER = {
    "self_attn.q_proj": "attention.q_proj",
    "self_attn.k_proj": "attention.k_proj",
    "self_attn.v_proj": "attention.v_proj",
    "self_attn.out_proj": "attention.out_proj",
    "self_attn_layer_norm": "layer_norm",
    "fc1": "feed_forward.intermediate_dense",
    "fc2": "feed_forward.output_dense",
    "final_layer_norm": "final_layer_norm",
}


@dataclass(frozen=True, slots=True)
class TapNames:
    """What others call the tensor at a tap; empty where they do not show it.

    Attributes:
        tap: ours.
        fairseq: the module whose output it is, or ``x[i]`` of the features that the model returns.
        transformers: place in the outputs of `MRHubertModel`; for plain HuBERT those of `HubertModel` of
            transformers 5, whose ``hidden_states`` end before the final norm of pre-norm models.
        s3prl: place in the list of its upstream (`s3prl_states`), there repeated to the finest rate.
    """

    tap: Tap
    fairseq: str
    transformers: str
    s3prl: str


def tap_names(config: MRHubertConfig) -> tuple[TapNames, ...]:
    """The names of every tap of a config, in the order of the data flow."""
    plain = not config.label_rate_ratios
    stable = config.do_stable_layer_norm
    coarsest = len(config.label_rate_ratios) // 2
    rows = [("post_extract_proj", "feature_projection" if plain else "hidden_states[0]", "")]
    shown = 0  # states that s3prl has listed so far: the input of every layer, then the block's output
    for index, block in enumerate(config.blocks):
        module = fairseq_block(block, index, coarsest)
        for layer in range(block.layers):
            last = layer == block.layers - 1
            state = "" if last and stable else f"hidden_states[{shown + layer + 1}]"
            ours = f"hidden_states[{layer + 1 if plain else len(rows)}]"
            rows.append((f"{module}.layers.{layer}", ours, state))
        shown += block.layers
        if stable:
            ours = "last_hidden_state" if plain else f"hidden_states[{len(rows)}]"
            rows.append((module, ours, f"hidden_states[{shown}]"))
        shown += 1
        if block.role in {"mid", "dec"}:
            rows.append((f"x[{coarsest - block.level}]", f"hidden_states[{len(rows)}]", ""))
    return tuple(TapNames(tap, *row) for tap, row in zip(config.taps, rows, strict=True))


def key_names(config: MRHubertConfig) -> dict[str, str]:
    """Our name of every fairseq key of a model, heads included."""
    names = {
        "mask_emb": "mrhubert.masked_spec_embed",
        **_both("layer_norm", "mrhubert.feature_projection.layer_norm"),
        **_both("post_extract_proj", "mrhubert.feature_projection.projection"),
    }
    for index in range(len(config.conv_dim)):
        theirs, name = f"feature_extractor.conv_layers.{index}", f"mrhubert.feature_extractor.{index}"
        names[f"{theirs}.0.weight"] = f"{name}.conv.weight"
        if config.conv_bias:
            names[f"{theirs}.0.bias"] = f"{name}.conv.bias"
        if config.feat_extract_norm == "layer":
            names |= _both(f"{theirs}.2.1", f"{name}.layer_norm")
        elif index == 0:
            names |= _both(f"{theirs}.2", f"{name}.layer_norm")
    coarsest = len(config.label_rate_ratios) // 2
    for index, block in enumerate(config.blocks):
        names |= _block_names(
            fairseq_block(block, index, coarsest), f"mrhubert.blocks.{index}", block.layers, first=index == 0
        )
        if block.sampling:
            up = block.role == "dec"
            # upsamplers are used in reverse order of their numbers
            theirs = f"upsample_modules.{block.level}" if up else f"downsample_modules.{block.level - 1}"
            for half in ("up", "down"):
                if not config.plain_sampling or (half == "up") == up:
                    name = f"mrhubert.samplers.{index - 1}.{half}sampling"
                    names[f"{theirs}.{half}sample_conv.0.weight"] = f"{name}.conv.weight"
                    names |= _both(f"{theirs}.{half}sample_conv.2", f"{name}.norm")
    for level in range(config.predicting_levels):
        number = f"s.{level}" if coarsest else ""
        names |= _both(f"final_proj{number}", f"projections.{level}")
        names[f"label_embs_concat.{level}" if coarsest else "label_embs_concat"] = f"codes.{level}.weight"
    return names


def fairseq_block(block: LayerBlock, index: int, coarsest: int) -> str:
    """What fairseq calls a block."""
    if not coarsest:
        return "encoder"
    if block.role == "mid":
        return "middle_encoder"
    return f"encoders.{index}" if block.role == "enc" else f"decoders.{index - coarsest - 1}"


def _block_names(theirs: str, name: str, layers: int, *, first: bool) -> dict[str, str]:
    names = _both(f"{theirs}.layer_norm", f"{name}.layer_norm")
    if first:
        names[f"{theirs}.pos_conv.0.bias"] = f"{name}.pos_conv.bias"
        names[f"{theirs}.pos_conv.0.weight_g"] = f"{name}.pos_conv.gain"
        names[f"{theirs}.pos_conv.0.weight_v"] = f"{name}.pos_conv.direction"
    for layer in range(layers):
        for part, ours in LAYER.items():
            names |= _both(f"{theirs}.layers.{layer}.{part}", f"{name}.layers.{layer}.{ours}")
    return names


def _both(theirs: str, ours: str) -> dict[str, str]:
    return {f"{theirs}.{kind}": f"{ours}.{kind}" for kind in ("weight", "bias")}
