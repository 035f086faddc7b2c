"""Find an encoder by its name: a run folder of ours, a transformers folder, a name on the hub, or features."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from lamina.encoders.encoder import Encoder
from lamina.encoders.published import PUBLISHED, model_folder
from lamina.errors import LaminaError
from lamina.files import read_json
from lamina.runs import check_file

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
_TRAINING_KEYS = {"masked_spec_embed"}


def load_encoder(name: str, *, device: str = "cpu", cache: Path | None = None) -> Encoder:
    """Load an encoder, ready to read, in float32.

    Args:
        name: ``mfcc`` (not normalised) or ``mel``; a run folder whose ``model/`` holds a transformers folder; a
            transformers folder (``config.json`` and weights); a published checkpoint (``lamina encoder list``),
            fetched and converted once; or a name on the Hugging Face hub.
        device: where it computes.
        cache: where published checkpoints are kept; ``~/.cache/lamina`` by default.

    A folder without ``preprocessor_config.json`` gets what transformers' own feature extractor does by default:
    waveforms normalised, 16 kHz.

    Raises:
        LaminaError: there is no such encoder, it is no speech encoder, or its weights are missing, damaged, or not
            exactly those of its config (every key that differs is named).
    """
    if name in {"mel", "mfcc"}:
        from lamina.encoders.features import MelEncoder, MfccEncoder

        return MelEncoder(device) if name == "mel" else MfccEncoder("none", device)
    path = Path(name)
    if not path.exists():
        for published in PUBLISHED:
            if name in {published.name, published.paper}:
                path = model_folder(published, cache)
                break
        else:
            return _transformers(name, _hub_config(name), name, device)
    if path.is_file():
        raise LaminaError(
            f"{name} is a file; encoders are folders: turn a fairseq checkpoint into one with "
            "`lamina encoder convert`"
        )
    folder = path / "model" if (path / "model").is_dir() else path
    if not (folder / "config.json").is_file():
        raise LaminaError(
            f"{name} is no encoder: it has neither a config.json (a transformers folder) nor a model/ folder with "
            "one (a finished pretraining run); check the path, or finish the run"
        )
    for file in sorted(folder.iterdir()):
        check_file(file)
    return _transformers(str(folder), read_json(folder / "config.json"), path.resolve().name, device)


def _hub_config(name: str) -> dict[str, Any]:
    """The config of a model on the hub, from the local cache where it is there."""
    from huggingface_hub import HfApi
    from transformers.utils import cached_file

    why = "hub names look like facebook/hubert-base-ls960"
    if re.fullmatch(r"\w[\w.-]*/[\w.-]+", name) and not Path(name).parent.exists():
        try:
            file = cached_file(name, "config.json", local_files_only=True)
        except (OSError, ValueError):
            try:
                HfApi().model_info(name, timeout=10)  # answers at once where the network or the model is missing
                file = cached_file(name, "config.json")
            except Exception as error:  # noqa: BLE001 - no network, no such model, no access: errors of many kinds
                file, why = None, f"the hub could not be asked or gave none: {_first_line(error)}"
        if file is not None:
            return dict(read_json(Path(file)))
    raise LaminaError(
        f"there is no encoder {name}: no folder is called so, and {why}; "
        "encoders are `mfcc`, `mel`, a run folder, a transformers folder, a name of `lamina encoder list`, or a "
        "hub name"
    )


def _transformers(source: str, config: Any, name: str, device: str) -> Encoder:
    from lamina.encoders.families import KNOWN

    kind = config.get("model_type") if isinstance(config, dict) else None
    if kind == "mr-hubert":
        from lamina.encoders.mrhubert import MRHubertEncoder, MRHubertModel

        return MRHubertEncoder(load_body(MRHubertModel, source, device), name)
    if kind not in KNOWN:
        raise LaminaError(
            f"{source} holds a model of type {kind!r}, no speech encoder that Lamina knows; "
            f"it knows mr-hubert, {', '.join(KNOWN)}"
        )
    from transformers import AutoModel

    from lamina.encoders.pretrained import PretrainedEncoder

    audio = _preprocessor(source)
    return PretrainedEncoder(
        load_body(AutoModel, source, device),
        name,
        normalise=bool(audio.get("do_normalize", True)),
        sample_rate=int(audio.get("sampling_rate", 16000)),
    )


def load_body(kind: Any, source: str, device: str) -> Any:
    """Load a transformers base model in float32, exactly: every weight of the body found, none left over.

    Args:
        kind: the class with ``from_pretrained``.
        source: folder or hub name.
        device: where to put it.

    Raises:
        LaminaError: weights are missing, damaged, of other shapes, or left over; heads may be left over.
    """
    import torch
    from transformers.utils import logging

    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(logging.CRITICAL)  # what it would print is checked and raised below
    logging.disable_progress_bar()
    try:
        model, found = kind.from_pretrained(
            source, dtype=torch.float32, output_loading_info=True, ignore_mismatched_sizes=True
        )
    except Exception as error:
        raise LaminaError(
            f"the weights of {source} cannot be loaded ({_first_line(error)}): the folder needs model.safetensors "
            "of the model that its config.json describes; copy or convert it again"
        ) from error
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
    shapes = {str(key[0] if isinstance(key, (tuple, list)) else key) for key in found.get("mismatched_keys", ())}
    missing = {key for key in found["missing_keys"] if _plain(key, model) not in _TRAINING_KEYS} - shapes
    left = {key for key in found["unexpected_keys"] if not _droppable(key, model)}
    wrong = [
        f"{what}: {', '.join(sorted(keys))}"
        for what, keys in (("missing", missing), ("left over", left), ("of another shape", shapes))
        if keys
    ]
    if wrong:
        raise LaminaError(
            f"the weights of {source} are not those of its config: {'; '.join(wrong)}; "
            "the config or the weights come from another model"
        )
    try:
        return model.to(device)
    except (RuntimeError, AssertionError) as error:
        raise LaminaError(f"device {device!r} cannot be used here: {_first_line(error)}") from error


def _plain(key: str, model: Any) -> str:
    """A checkpoint's key without the prefix that models with heads put before the body's."""
    return key.removeprefix(f"{model.base_model_prefix}.")


def _droppable(key: str, model: Any) -> bool:
    return key.partition(".")[0] in _HEADS or key in _HEAD_KEYS or _plain(key, model) in _TRAINING_KEYS


def _preprocessor(source: str) -> dict[str, Any]:
    """The settings of the feature extractor; empty where there are none."""
    from transformers.utils import cached_file

    for file, part in (("preprocessor_config.json", None), ("processor_config.json", "feature_extractor")):
        path = cached_file(source, file, _raise_exceptions_for_missing_entries=False)
        if path is not None:
            value = read_json(Path(path))
            return dict(value.get(part, {}) if part else value)
    return {}


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
