"""Find an encoder by its name: a run folder of ours, a transformers folder, a name on the hub, or features."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from lamina.encoders.encoder import Encoder
from lamina.encoders.foreign import config_of, one_line, settings, sound_of, tensors_of
from lamina.encoders.published import PUBLISHED, model_folder
from lamina.encoders.weights import load_body
from lamina.errors import LaminaError, first_line
from lamina.runs import check_file

DTYPES = ("float32", "bfloat16", "float16")


def load_encoder(name: str, *, device: str = "cpu", dtype: str = "float32", cache: Path | None = None) -> Encoder:
    """Load an encoder, ready to read.

    Args:
        name: ``mel``, ``mfcc`` or ``mfcc-cmvn`` (normalised over each utterance); a run folder whose ``model/``
            holds a transformers folder; a transformers folder (``config.json`` and weights); a published
            checkpoint (``lamina encoder list``), fetched and converted once; or a name on the Hugging Face hub.
        device: where it computes.
        dtype: in which: float32; bfloat16 and float16 are quicker on a GPU and move every score a little. Features
            (mel, MFCC) are float32 always.
        cache: where published checkpoints are kept; ``~/.cache/lamina`` by default.

    A folder without ``preprocessor_config.json`` gets what transformers' own feature extractor does by default:
    waveforms normalised, 16 kHz.

    Raises:
        LaminaError: there is no such encoder, it is no speech encoder, or its weights are missing, damaged, or not
            exactly those of its config (every key that differs is named).
    """
    if dtype not in DTYPES:
        raise LaminaError(f"states are read in {', '.join(DTYPES)}, not in {dtype!r}")
    if name in {"mel", "mfcc", "mfcc-cmvn"}:
        from lamina.encoders.features import MelEncoder, MfccEncoder

        return (
            MelEncoder(device) if name == "mel" else MfccEncoder("none" if name == "mfcc" else "utterance", device)
        )
    path = Path(name)
    if not path.exists():
        for published in PUBLISHED:
            if name in {published.name, published.paper}:
                path = model_folder(published, cache)
                break
        else:
            return _transformers(name, _hub_config(name), name, device, dtype)
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
    return _transformers(str(folder), settings(folder / "config.json"), path.resolve().name, device, dtype)


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
                file, why = None, f"the hub could not be asked or gave none: {first_line(error)}"
        if file is not None:
            return settings(Path(file))
    raise LaminaError(
        f"there is no encoder {name}: no folder is called so, and {why}; "
        "encoders are `mel`, `mfcc`, `mfcc-cmvn`, a run folder, a transformers folder, a name of "
        "`lamina encoder list`, or a hub name"
    )


def _transformers(source: str, config: dict[str, Any], name: str, device: str, dtype: str) -> Encoder:
    from lamina.encoders.families import KNOWN, body_of

    kind, where = config.get("model_type"), f"{source}/config.json"
    if kind == "mr-hubert":
        from lamina.encoders.mrhubert import MRHubertConfig, MRHubertEncoder, MRHubertModel

        ours = config_of(MRHubertConfig, config, where)
        return MRHubertEncoder(load_body(MRHubertModel, ours, tensors_of(source), source, device, dtype), name)
    if kind not in KNOWN:
        raise LaminaError(
            f"{source} holds a model of type {kind!r:.40}, no speech encoder that Lamina knows; "
            f"it knows mr-hubert, {', '.join(KNOWN)}"
        )
    from lamina.encoders.pretrained import PretrainedEncoder

    body, kind_of, tensors = body_of(kind, tensors_of(source))
    normalise, sample_rate = sound_of(source, kind)
    model = load_body(body, config_of(kind_of, config, where), tensors, source, device, dtype)
    with one_line(f"{where} describes no encoder"):
        return PretrainedEncoder(model, name, normalise=normalise, sample_rate=sample_rate)
