"""fairseq's (and s3prl's converted) MR-HuBERT and HuBERT checkpoints become transformers folders."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lamina.encoders.mrhubert.config import MRHubertConfig
from lamina.encoders.mrhubert.names import key_names
from lamina.encoders.unpickle import read_pickle
from lamina.errors import LaminaError
from lamina.files import file_digest, replacing

SPECIAL = 4  # <s>, <pad>, </s>, <unk> stand before the units in every fairseq dictionary
ACTIVATIONS = {"gelu": "gelu", "relu": "relu", "tanh": "tanh", "swish": "silu"}


@dataclass(frozen=True, slots=True)
class Inspection:
    """What is inside a checkpoint.

    Attributes:
        path: of the file.
        sha256: of its bytes.
        layout: ``fairseq`` or ``s3prl``.
        architecture: ``multires_hubert`` or ``hubert``.
        config: of the model it becomes.
        tensors: how many it has.
        parameters: numbers in them.
        dtypes: of its tensors.
        updates: training steps, None where it does not say.
        units: of each dictionary, special symbols left out.
        extras: other things in the file that a conversion leaves behind.
    """

    path: Path
    sha256: str
    layout: str
    architecture: str
    config: MRHubertConfig
    tensors: int
    parameters: int
    dtypes: tuple[str, ...]
    updates: int | None
    units: tuple[int, ...]
    extras: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Checkpoint:
    layout: str
    model: dict[str, Any]
    task: dict[str, Any]
    criterion: dict[str, Any]
    weights: dict[str, Tensor]
    dictionaries: list[list[str]]
    updates: int | None
    extras: tuple[str, ...]


def inspect(path: Path | str) -> Inspection:
    """Tell what is inside a checkpoint; nothing in it is executed.

    Raises:
        LaminaError: the file is no checkpoint of a model of this family, or asks to run something.
    """
    path = Path(path)
    checkpoint = _read(path)
    config = _config(checkpoint, path)
    return Inspection(
        path=path,
        sha256=file_digest(path, length=64),
        layout=checkpoint.layout,
        architecture=_architecture(checkpoint, path),
        config=config,
        tensors=len(checkpoint.weights),
        parameters=sum(tensor.numel() for tensor in checkpoint.weights.values()),
        dtypes=tuple(sorted({str(tensor.dtype) for tensor in checkpoint.weights.values()})),
        updates=checkpoint.updates,
        units=tuple(max(0, len(symbols) - SPECIAL) for symbols in checkpoint.dictionaries),
        extras=checkpoint.extras,
    )


def convert(path: Path | str, out: Path | str) -> Path:
    """Turn a checkpoint into a transformers folder: config.json, model.safetensors, preprocessor_config.json.

    The folder holds `MRHubertForPreTraining`, heads included; `MRHubertModel.from_pretrained` reads its body.

    Returns:
        The folder.

    Raises:
        LaminaError: the file is no checkpoint of this family or asks to run something; a key is unknown or
            missing; a tensor has another shape than the settings say; the folder cannot be written.
    """
    from transformers import Wav2Vec2FeatureExtractor

    model = load_checkpoint(path)
    config = model.config
    extractor = Wav2Vec2FeatureExtractor(
        feature_size=1,
        sampling_rate=config.sampling_rate,
        padding_value=0.0,
        do_normalize=config.do_normalize,
        return_attention_mask=True,
    )
    folder = Path(out)
    if folder.is_file():
        raise LaminaError(f"{folder} is a file: give a folder to write the model to")
    with replacing(folder, mark="config.json") as beside:
        beside.mkdir()
        model.save_pretrained(beside)
        extractor.save_pretrained(beside)
    return folder


def load_checkpoint(path: Path | str) -> Any:
    """The `MRHubertForPreTraining` of a checkpoint, in float32.

    Raises:
        LaminaError: as `convert`.
    """
    from lamina.encoders.mrhubert.pretraining import MRHubertForPreTraining

    path = Path(path)
    checkpoint = _read(path)
    config = _config(checkpoint, path)
    with torch.random.fork_rng(devices=[]):  # weights are drawn only to be replaced
        model = MRHubertForPreTraining(config)
    model.load_state_dict(_renamed(checkpoint, config, model.state_dict(), path))
    return model.eval()


def _read(path: Path) -> _Checkpoint:
    state = read_pickle(path)
    if not isinstance(state, dict):
        raise LaminaError(f"{path} holds a {type(state).__name__}, not a checkpoint of fairseq or s3prl")
    if {"model_weight", "model_cfg", "task_cfg"} <= set(state):
        layout, weights = "s3prl", state["model_weight"]
        cfg = {"model": state["model_cfg"], "task": state["task_cfg"]}
        dictionaries = state.get("dictionaries_symbols")
    elif "model" in state and (state.get("cfg") or state.get("args")):
        layout, weights = "fairseq", state["model"]
        args = state.get("args")
        cfg = state.get("cfg") or {"model": args, "task": args, "criterion": args}
        dictionaries = (state.get("task_state") or {}).get("dictionaries")
    else:
        keys = ", ".join(sorted(map(str, state))[:6])
        raise LaminaError(
            f"{path} has no fairseq keys (model, cfg) and no s3prl keys (model_weight, model_cfg); it has {keys}: "
            "it is a checkpoint of another toolkit"
        )
    if not isinstance(weights, dict) or not all(isinstance(tensor, Tensor) for tensor in weights.values()):
        raise LaminaError(f"{path}: its model is not a table of tensors")
    if not isinstance(cfg, dict) or not isinstance(cfg.get("model"), dict):
        raise LaminaError(f"{path}: its settings do not describe a model")
    history = state.get("optimizer_history") or [{}]
    used = {"model", "cfg", "args", "model_weight", "model_cfg", "task_cfg", "dictionaries_symbols"}
    return _Checkpoint(
        layout=layout,
        model=cfg["model"],
        task=cfg.get("task") or {},
        criterion=cfg.get("criterion") or {},
        weights=weights,
        dictionaries=[symbols for symbols in dictionaries or [] if isinstance(symbols, list)],
        updates=history[-1].get("num_updates") if isinstance(history[-1], dict) else None,
        extras=tuple(sorted(key for key in map(str, state) if key not in used)),
    )


def _architecture(checkpoint: _Checkpoint, path: Path) -> str:
    model = checkpoint.model
    name = model.get("_name") or model.get("arch") or ""
    if not name:
        name = "multires_hubert" if "label_rate_ratios" in model else "hubert" if "label_rate" in model else ""
    if name not in {"multires_hubert", "hubert"}:
        raise LaminaError(
            f"{path} is a checkpoint of architecture {name or 'unknown'}: only multires_hubert and hubert can be "
            "converted"
        )
    return str(name)


def _config(checkpoint: _Checkpoint, path: Path) -> MRHubertConfig:
    try:
        return _translated(checkpoint, path)
    except (TypeError, ValueError, KeyError, IndexError) as error:
        raise LaminaError(f"{path}: its settings hold a value of a wrong kind ({error})") from error


def _translated(checkpoint: _Checkpoint, path: Path) -> MRHubertConfig:
    settings, task, criterion = checkpoint.model, checkpoint.task, checkpoint.criterion
    multires = _architecture(checkpoint, path) == "multires_hubert"

    def get(name: str, default: Any = None) -> Any:
        value = settings.get(name)
        value = default if value is None else value
        if value is None:
            raise LaminaError(f"{path}: its model settings lack {name!r}")
        return value

    for name, harmless in (
        ("layer_type", "transformer"),
        ("conv_pos_batch_norm", False),
        ("pos_conv_depth", 1),
        ("pos_enc_type", "abs"),
    ):
        if settings.get(name) not in {None, harmless}:
            raise LaminaError(f"{path} was made with {name}={settings[name]}, which Lamina does not know")
    convs = _convs(get("conv_feature_layers", "[(512,10,5)] + [(512,3,2)] * 4 + [(512,2,2)] * 2"), path)
    ratios = _integers(get("label_rate_ratios"), path) if multires else []
    if multires and not ratios:
        raise LaminaError(f"{path}: a multires_hubert without label_rate_ratios is none")
    activation = str(get("activation_fn", "gelu"))
    if activation not in ACTIVATIONS:
        raise LaminaError(f"{path} uses activation {activation!r}; Lamina knows {', '.join(ACTIVATIONS)}")
    single = bool(settings.get("use_single_prediction"))
    hidden = int(get("encoder_embed_dim"))
    final = int(get("final_dim", 0))
    weights = criterion.get("loss_weights") or [10.0]
    return MRHubertConfig(
        label_rate_ratios=ratios,
        block_layers=_block_layers(settings, ratios, path),
        hidden_size=hidden,
        num_attention_heads=int(get("encoder_attention_heads")),
        intermediate_size=int(get("encoder_ffn_embed_dim")),
        hidden_act=ACTIVATIONS[activation],
        hidden_dropout=float(get("dropout", 0.1)),
        activation_dropout=float(get("activation_dropout", 0.0)),
        attention_dropout=float(get("attention_dropout", 0.1)),
        feat_proj_dropout=float(get("dropout_input", 0.0)),
        layerdrop=float(get("encoder_layerdrop", 0.0)),
        do_stable_layer_norm=bool(get("layer_norm_first", False)),
        feat_extract_norm="layer" if get("extractor_mode", "default") == "layer_norm" else "group",
        conv_dim=[conv[0] for conv in convs],
        conv_kernel=[conv[1] for conv in convs],
        conv_stride=[conv[2] for conv in convs],
        conv_bias=bool(get("conv_bias", False)),
        num_conv_pos_embeddings=int(get("conv_pos", 128)),
        num_conv_pos_embedding_groups=int(get("conv_pos_groups", 16)),
        adapter_kernel=int(get("conv_adapator_kernal", 7)) if multires else 1,
        plain_sampling=bool(settings.get("use_plain_updownsample")),
        feature_grad_mult=float(get("feature_grad_mult", 1.0)),
        num_classes=_classes(checkpoint, 1 if single else len(ratios) // 2 + 1, multires=multires, path=path),
        special_classes=SPECIAL,
        final_dim=final if final > 0 else hidden,
        logit_temperature=float(get("logit_temp", 0.1)),
        single_prediction=single,
        single_target=bool(settings.get("use_single_target")),
        masked_loss_weight=float(criterion.get("pred_masked_weight", 1.0)),
        unmasked_loss_weight=float(criterion.get("pred_nomask_weight", 0.0)),
        feature_penalty_weight=float(weights[0]),
        do_normalize=bool(task.get("normalize", False)),
        sampling_rate=int(task.get("sample_rate") or 16000),
    )


def _classes(checkpoint: _Checkpoint, levels: int, *, multires: bool, path: Path) -> list[int]:
    keys = [f"label_embs_concat.{level}" for level in range(levels)] if multires else ["label_embs_concat"]
    for key in keys:
        if key not in checkpoint.weights:
            raise LaminaError(f"{path}: key {key} is missing from its weights")
    if not multires and len(checkpoint.dictionaries) > 1:
        raise LaminaError(
            f"{path} was trained on {len(checkpoint.dictionaries)} sets of units at once: not supported"
        )
    return [checkpoint.weights[key].shape[0] - SPECIAL for key in keys]


def _block_layers(settings: Mapping[str, Any], ratios: list[int], path: Path) -> list[int]:
    blocks = len(ratios) + 1
    override = settings.get("override_encoder_layers")
    if not override or not ratios:
        return [int(settings["encoder_layers"])] * blocks
    sizes = _integers(override, path)
    if len(sizes) != blocks:
        raise LaminaError(f"{path}: override_encoder_layers {sizes} does not fit label_rate_ratios {ratios}")
    # fairseq sizes decoder i, counted as they run, by the i-th from the end
    middle = blocks // 2
    return sizes[: middle + 1] + sizes[:middle:-1]


def _integers(value: Any, path: Path) -> list[int]:
    """A list of whole numbers, or the text of one."""
    try:
        found = ast.literal_eval(value) if isinstance(value, str) else value
        return [int(number) for number in found]
    except (ValueError, TypeError, SyntaxError) as error:
        raise LaminaError(f"{path}: its settings hold {value!r} where a list of numbers belongs") from error


def _convs(text: str, path: Path) -> list[tuple[int, int, int]]:
    """The (dim, kernel, stride) of each convolution, from text such as ``[(512,10,5)] + [(512,3,2)] * 4``."""
    try:
        found = _evaluated(ast.parse(str(text), mode="eval").body)
        return [(int(dim), int(kernel), int(stride)) for dim, kernel, stride in found]
    except (ValueError, TypeError, SyntaxError, RecursionError) as error:
        raise LaminaError(f"{path}: its settings describe the convolutions as {str(text)[:80]!r}") from error


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
        if isinstance(node.op, ast.Mult) and isinstance(left, list) and isinstance(right, int) and right <= 64:
            return left * right
    raise ValueError("not a list of numbers")


def _renamed(
    checkpoint: _Checkpoint, config: MRHubertConfig, ours: Mapping[str, Tensor], path: Path
) -> dict[str, Tensor]:
    """The checkpoint's tensors under our names, each one accounted for."""
    weights = dict(checkpoint.weights)
    if checkpoint.model.get("target_glu") and config.label_rate_ratios:
        # fairseq makes these and never applies them
        weights = {key: tensor for key, tensor in weights.items() if not key.startswith("target_glus.")}
    if "post_extract_proj.weight" not in weights and config.conv_dim[-1] == config.hidden_size:
        # fairseq has no projection where the widths are equal
        weights["post_extract_proj.weight"] = torch.eye(config.hidden_size)
        weights["post_extract_proj.bias"] = torch.zeros(config.hidden_size)
    names = key_names(config)
    missing, unknown = sorted(set(names) - set(weights)), sorted(set(weights) - set(names))
    for keys, what in ((missing, "missing from its weights"), (unknown, "unknown to its architecture")):
        if keys:
            more = f" (and {len(keys) - 1} more: {', '.join(keys[1:4])}…)" if len(keys) > 1 else ""
            raise LaminaError(f"{path}: key {keys[0]}{more} is {what}; the file or its settings were changed")
    renamed = {}
    for theirs, name in names.items():
        tensor, wanted = weights[theirs], ours[name].shape
        if tensor.shape != wanted:
            raise LaminaError(
                f"{path}: {theirs} has shape {tuple(tensor.shape)}, its settings say {tuple(wanted)}"
            )
        renamed[name] = tensor.float()
    return renamed
