"""The weights of a model: loaded exactly, and told apart by a digest."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from lamina.encoders.families import input_of
from lamina.encoders.foreign import AGAIN, one_line, silence
from lamina.errors import LaminaError, first_line
from lamina.files import digest

# Top-level parts of checkpoints that are heads, not the body: dropped without a word. (x-vector models call a
# plain linear layer `feature_extractor`.)
_HEADS = {
    "classifier",
    "final_proj",
    "final_projs",
    "label_embeddings_concat",
    "label_embs_concat",
    "layer_weights",
    "lm_head",
    "objective",
    "proj_out",
    "project_hid",
    "project_q",
    "projector",
    "quantizer",
    "speaker_proj",
    "tdnn",
}
_HEAD_KEYS = {"feature_extractor.weight", "feature_extractor.bias"}
# The vector that replaces masked frames in training; reading never masks, so it may be absent or left over.
TRAINING_KEYS = {"masked_spec_embed"}
# What says how a config came to be, not what the model computes.
_INCIDENTAL = ("_name_or_path", "architectures", "dtype", "torch_dtype", "transformers_version")
TRIAL = 160_000  # samples that it is run on, in shapes alone
SPARE = 1 << 24  # weights that a config may ask for beyond four times those that there are


def load_body(
    kind: Any, config: Any, tensors: Mapping[str, Tensor], source: str, device: str, dtype: str = "float32"
) -> Any:
    """A transformers base model in float32, exactly: every weight of the body found, none left over.

    Args:
        kind: the class of the model.
        config: of that class.
        tensors: its weights; a head's may be among them.
        source: of both, for messages.
        device: where to put it.
        dtype: in which it computes; weights are checked in float32 first.

    Raises:
        LaminaError: weights are missing, of other shapes, left over or no numbers, or the config is of a far
            larger model; nothing of that size is ever made.
    """
    check_model(kind, config, tensors, source)
    with one_line(f"the weights of {source} cannot be loaded"), silence():
        model, found = kind.from_pretrained(
            None, config=config, state_dict=dict(tensors), dtype=torch.float32, output_loading_info=True,
            ignore_mismatched_sizes=True,
        )  # fmt: skip
    shapes = {str(key[0] if isinstance(key, (tuple, list)) else key) for key in found.get("mismatched_keys", ())}
    missing = {key for key in found["missing_keys"] if _plain(key, model) not in TRAINING_KEYS} - shapes
    left = {key for key in found["unexpected_keys"] if not _droppable(key, model)}
    wrong = [
        f"{what}: {some(keys)}"
        for what, keys in (("missing", missing), ("left over", left), ("of another shape", shapes))
        if keys
    ]
    if wrong:
        raise LaminaError(
            f"the weights of {source} are not those of its config: {'; '.join(wrong)}; "
            "the config or the weights come from another model"
        )
    check_finite(model, source)
    try:
        return model.to(device, getattr(torch, dtype))
    except (RuntimeError, AssertionError) as error:
        raise LaminaError(f"device {device!r} cannot be used here: {first_line(error)}") from error


def check_model(kind: Any, config: Any, tensors: Mapping[str, Tensor], source: str) -> None:
    """See that a config describes a model that runs, of about its weights' size, before memory is taken for it.

    Raises:
        LaminaError: it describes none, or one that is far larger.
    """
    there = sum(tensor.numel() for tensor in tensors.values())
    layers = sum(value for key, value in vars(config).items() if key.endswith("layers") and isinstance(value, int))
    with one_line(f"the config of {source} describes no model"):
        if layers > len(tensors):
            raise ValueError(f"it has {layers} layers, its weights are {len(tensors)} tensors")
        with torch.device("meta"), torch.no_grad(), silence():
            model = kind(config).eval()
            asked = sum(weight.numel() for weight in model.state_dict().values())
            if asked > 4 * there + SPARE:
                raise ValueError(f"it has {asked:,} weights, its files {there:,}")
            model(input_of(config, TRIAL))


def check_finite(model: Any, source: str) -> None:
    """See that every weight is a number.

    Raises:
        LaminaError: one is NaN or infinite.
    """
    for name, value in model.state_dict().items():
        if not bool(torch.isfinite(value).all()):
            raise LaminaError(
                f"the weights of {source} are damaged: {some([name])} has NaN or infinite values; {AGAIN}"
            )


def some(keys: Iterable[str]) -> str:
    """Keys in order, by commas; what does not print is escaped, those in the middle of a long list are counted."""
    shown = [repr(key[:80])[1:-1] for key in sorted(keys)]
    left = len(shown) - 8
    return ", ".join([*shown[:4], f"{left} more", *shown[-4:]] if left > 1 else shown)


def _plain(key: str, model: Any) -> str:
    """A checkpoint's key without the prefix that models with heads put before the body's."""
    return key.removeprefix(f"{model.base_model_prefix}.")


def _droppable(key: str, model: Any) -> bool:
    return key.partition(".")[0] in _HEADS or key in _HEAD_KEYS or _plain(key, model) in TRAINING_KEYS


def weights_digest(model: Any) -> str:
    """Hex digits that change when the config or any weight of a transformers model changes.

    SHA-256 over the names, dtypes, shapes and bytes of all parameters and buffers in the order of their names, and
    over the config without what only says where it came from. So a folder that is saved again keeps its digest.
    """
    sha = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        sha.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        sha.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    config = {key: value for key, value in model.config.to_dict().items() if key not in _INCIDENTAL}
    return digest([sha.hexdigest(), {key: str(value) for key, value in config.items()}])
