"""fairseq's (and s3prl's converted) MR-HuBERT and HuBERT checkpoints become transformers folders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lamina.encoders.fairseq_settings import SPECIAL, architecture, config_of
from lamina.encoders.foreign import one_line
from lamina.encoders.mrhubert.config import MRHubertConfig
from lamina.encoders.mrhubert.names import key_names
from lamina.encoders.unpickle import read_pickle
from lamina.encoders.weights import check_finite, some
from lamina.errors import LaminaError
from lamina.files import file_digest, replacing

DAMAGED = "compare its size and checksum with the source"


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
    checkpoint, config = _understood(path)
    return Inspection(
        path=path,
        sha256=file_digest(path, length=64),
        layout=checkpoint.layout,
        architecture=architecture(checkpoint.model, str(path)),
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
    checkpoint, config = _understood(path)
    with one_line(f"{path} holds no model that can be read", DAMAGED):
        with torch.device("meta"):  # shapes alone: what a file claims takes no memory before it is found there
            model = MRHubertForPreTraining(config)
        model.load_state_dict(_renamed(checkpoint, config, model.state_dict(), path), assign=True)
        check_finite(model, str(path))
        return model.eval()


def _understood(path: Path) -> tuple[_Checkpoint, MRHubertConfig]:
    """What a file holds, and the config of its model."""
    state = read_pickle(path)
    with one_line(f"{path} holds no model that can be read", DAMAGED):
        checkpoint = _read(state, path)
        settings = checkpoint.model, checkpoint.task, checkpoint.criterion
        return checkpoint, config_of(*settings, checkpoint.weights, len(checkpoint.dictionaries), str(path))


def _read(state: Any, path: Path) -> _Checkpoint:
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
        keys = some(map(str, state))
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
        extras=tuple(sorted(key[:60] for key in map(str, state) if key not in used)[:60]),
    )


def _renamed(
    checkpoint: _Checkpoint, config: MRHubertConfig, ours: Mapping[str, Tensor], path: Path
) -> dict[str, Tensor]:
    """The checkpoint's tensors under our names, each one accounted for."""
    weights = dict(checkpoint.weights)
    if checkpoint.model.get("target_glu") and config.label_rate_ratios:
        # fairseq makes these and never applies them
        weights = {key: tensor for key, tensor in weights.items() if not key.startswith("target_glus.")}
    hidden = config.hidden_size
    if "post_extract_proj.weight" not in weights and config.conv_dim[-1] == hidden < 1 << 14:
        # fairseq has no projection where the widths are equal
        weights["post_extract_proj.weight"] = torch.eye(hidden)
        weights["post_extract_proj.bias"] = torch.zeros(hidden)
    names = key_names(config)
    missing, unknown = sorted(set(names) - set(weights)), sorted(set(weights) - set(names))
    for keys, what in ((missing, "missing from its weights"), (unknown, "unknown to its architecture")):
        if keys:
            raise LaminaError(f"{path}: {some(keys)} {what}; the file or its settings were changed")
    renamed = {}
    for theirs, name in names.items():
        tensor, wanted = weights[theirs], ours[name].shape
        if tensor.shape != wanted:
            raise LaminaError(
                f"{path}: {theirs} has shape {tuple(tensor.shape)}, its settings say {tuple(wanted)}"
            )
        if not tensor.is_floating_point():
            raise LaminaError(f"{path}: {theirs} is of {tensor.dtype}, where weights are floating-point numbers")
        # A copy, since what was read is a view of the file.
        renamed[name] = tensor.float().clone(memory_format=torch.contiguous_format)
    return renamed
