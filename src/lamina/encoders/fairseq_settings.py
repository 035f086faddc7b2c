"""What fairseq's settings of a model say, as a config of ours."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from lamina.encoders.mrhubert.config import MRHubertConfig
from lamina.errors import LaminaError

SPECIAL = 4  # <s>, <pad>, </s>, <unk> stand before the units in every fairseq dictionary
ACTIVATIONS = {"gelu": "gelu", "relu": "relu", "tanh": "tanh", "swish": "silu"}
CONVS = "[(512,10,5)] + [(512,3,2)] * 4 + [(512,2,2)] * 2"
# Settings with one harmless value; any other makes a model that ours is not.
HARMLESS = {"layer_type": "transformer", "conv_pos_batch_norm": False, "pos_conv_depth": 1, "pos_enc_type": "abs"}


class _Table:
    """Settings by name, of the kinds that they must have."""

    def __init__(self, values: Mapping[str, Any], where: str) -> None:
        self._values, self._where = values, where

    def get(self, name: str, kind: type | tuple[type, ...], default: Any = None) -> Any:
        """The setting called ``name``; ``default`` where it is not given.

        Raises:
            LaminaError: it is of another kind, or missing and there is no default.
        """
        value = self._values.get(name)
        value = default if value is None else value
        if value is None:
            raise LaminaError(f"{self._where}: its settings lack {name!r}")
        kinds = kind if isinstance(kind, tuple) else (kind,)
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            raise LaminaError(
                f"{self._where}: its settings hold a value of a wrong kind, {name} = {str(value)!r:.60}"
            )
        return value

    def whole(self, name: str, default: int | None = None) -> int:
        return int(self.get(name, int, default))

    def number(self, name: str, default: float) -> float:
        return float(self.get(name, (int, float), default))

    def flag(self, name: str) -> bool:
        return bool(self.get(name, bool, default=False))

    def text(self, name: str, default: str = "") -> str:
        return str(self.get(name, str, default))

    def integers(self, name: str) -> list[int]:
        """A list of whole numbers, or the text of one; empty where it is not given."""
        value = self.get(name, (str, list), [])
        try:
            found = ast.literal_eval(value) if isinstance(value, str) and value else value
        except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError) as error:
            raise LaminaError(
                f"{self._where}: {name} = {str(value)!r:.60}, where a list of numbers belongs"
            ) from error
        if not all(isinstance(each, int) and not isinstance(each, bool) for each in found or ()):
            raise LaminaError(f"{self._where}: {name} = {str(value)!r:.60}, where a list of numbers belongs")
        return list(found or ())


def architecture(model: Mapping[str, Any], where: str) -> str:
    """``multires_hubert`` or ``hubert``.

    Raises:
        LaminaError: it is of another one.
    """
    name = model.get("_name") or model.get("arch") or ""
    if not name:
        name = "multires_hubert" if "label_rate_ratios" in model else "hubert" if "label_rate" in model else ""
    if name not in ("multires_hubert", "hubert"):
        raise LaminaError(
            f"{where} is a checkpoint of architecture {str(name or 'unknown')!r:.60}: only multires_hubert and "
            "hubert can be converted"
        )
    return str(name)


def config_of(
    model: Mapping[str, Any],
    task: Mapping[str, Any],
    criterion: Mapping[str, Any],
    weights: Mapping[str, Tensor],
    dictionaries: int,
    where: str,
) -> MRHubertConfig:
    """The config of the model that settings describe.

    Args:
        model: fairseq's settings of the model.
        task: of its task.
        criterion: of its loss.
        weights: whose tables of codes tell the units.
        dictionaries: sets of units that it was trained on.
        where: they come from, for messages.

    Raises:
        LaminaError: they describe no model of this family.
    """
    table = _Table(model, where)
    multires = architecture(model, where) == "multires_hubert"
    for name, harmless in HARMLESS.items():
        if model.get(name) not in (None, harmless):
            raise LaminaError(f"{where} was made with {name}={str(model[name])!r:.60}, which Lamina does not know")
    ratios = table.integers("label_rate_ratios") if multires else []
    if multires and not ratios:
        raise LaminaError(f"{where}: a multires_hubert without label_rate_ratios is none")
    activation = table.text("activation_fn", "gelu")
    if activation not in ACTIVATIONS:
        raise LaminaError(f"{where} uses activation {activation!r:.60}; Lamina knows {', '.join(ACTIVATIONS)}")
    convs = _convs(table.text("conv_feature_layers", CONVS), where)
    single = table.flag("use_single_prediction")
    hidden, final = table.whole("encoder_embed_dim"), table.whole("final_dim", 0)
    losses, asked = _Table(criterion, where), _Table(task, where)
    penalty, *_ = losses.get("loss_weights", list, []) or [10.0]
    return MRHubertConfig(
        label_rate_ratios=ratios,
        block_layers=_block_layers(table, ratios, where),
        hidden_size=hidden,
        num_attention_heads=table.whole("encoder_attention_heads"),
        intermediate_size=table.whole("encoder_ffn_embed_dim"),
        hidden_act=ACTIVATIONS[activation],
        hidden_dropout=table.number("dropout", 0.1),
        activation_dropout=table.number("activation_dropout", 0.0),
        attention_dropout=table.number("attention_dropout", 0.1),
        feat_proj_dropout=table.number("dropout_input", 0.0),
        layerdrop=table.number("encoder_layerdrop", 0.0),
        do_stable_layer_norm=table.flag("layer_norm_first"),
        feat_extract_norm="layer" if table.text("extractor_mode", "default") == "layer_norm" else "group",
        conv_dim=[conv[0] for conv in convs],
        conv_kernel=[conv[1] for conv in convs],
        conv_stride=[conv[2] for conv in convs],
        conv_bias=table.flag("conv_bias"),
        num_conv_pos_embeddings=table.whole("conv_pos", 128),
        num_conv_pos_embedding_groups=table.whole("conv_pos_groups", 16),
        adapter_kernel=table.whole("conv_adapator_kernal", 7) if multires else 1,
        plain_sampling=table.flag("use_plain_updownsample"),
        feature_grad_mult=table.number("feature_grad_mult", 1.0),
        num_classes=_classes(weights, 1 if single else len(ratios) // 2 + 1, dictionaries, multires, where),
        special_classes=SPECIAL,
        final_dim=final if final > 0 else hidden,
        logit_temperature=table.number("logit_temp", 0.1),
        single_prediction=single,
        single_target=table.flag("use_single_target"),
        masked_loss_weight=losses.number("pred_masked_weight", 1.0),
        unmasked_loss_weight=losses.number("pred_nomask_weight", 0.0),
        feature_penalty_weight=penalty,
        do_normalize=asked.flag("normalize"),
        sampling_rate=asked.whole("sample_rate", 16000),
    )


def _classes(
    weights: Mapping[str, Tensor], levels: int, dictionaries: int, multires: bool, where: str
) -> list[int]:
    keys = [f"label_embs_concat.{level}" for level in range(levels)] if multires else ["label_embs_concat"]
    for key in keys:
        if key not in weights:
            raise LaminaError(f"{where}: key {key} is missing from its weights")
        if weights[key].ndim != 2:
            raise LaminaError(f"{where}: {key} has shape {tuple(weights[key].shape)}, and is no table of units")
    if not multires and dictionaries > 1:
        raise LaminaError(f"{where} was trained on {dictionaries} sets of units at once: not supported")
    return [weights[key].shape[0] - SPECIAL for key in keys]


def _block_layers(table: _Table, ratios: list[int], where: str) -> list[int]:
    blocks = len(ratios) + 1
    sizes = table.integers("override_encoder_layers")
    if not sizes or not ratios:
        return [table.whole("encoder_layers")] * blocks
    if len(sizes) != blocks:
        raise LaminaError(
            f"{where}: override_encoder_layers {sizes!r:.60} does not fit label_rate_ratios {ratios!r:.60}"
        )
    # fairseq sizes decoder i, counted as they run, by the i-th from the end
    middle = blocks // 2
    return sizes[: middle + 1] + sizes[:middle:-1]


def _convs(text: str, where: str) -> list[tuple[int, int, int]]:
    """The (dim, kernel, stride) of each convolution, from text such as ``[(512,10,5)] + [(512,3,2)] * 4``."""
    try:
        found = _evaluated(ast.parse(text, mode="eval").body)
        return [(dim, kernel, stride) for dim, kernel, stride in found]
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError) as error:
        raise LaminaError(f"{where}: its settings describe the convolutions as {text!r:.80}") from error


def _evaluated(node: ast.expr) -> Any:
    """Lists, tuples and whole numbers, + and *; what fairseq gives to eval."""
    if isinstance(node, (ast.List, ast.Tuple)):
        return [_evaluated(item) for item in node.elts]
    if isinstance(node, ast.Constant) and isinstance(node.value, int):
        return node.value
    if isinstance(node, ast.BinOp):
        left, right = _evaluated(node.left), _evaluated(node.right)
        if isinstance(node.op, ast.Add) and isinstance(left, list) and isinstance(right, list):
            return left + right
        times = isinstance(node.op, ast.Mult) and isinstance(left, list) and isinstance(right, int)
        if times and len(left) * right <= 64:
            return left * right
    raise ValueError("not a list of numbers")
