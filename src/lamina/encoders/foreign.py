"""What is taken from a foreign model folder: known settings and tensors. Nothing in it is imported or run.

transformers' loaders do what a folder says: they take attention kernels and adapters from elsewhere, classes from
Python files beside the weights, shards from any path. So these files are read here, each by its name, and
transformers is given a config of known values and a table of tensors; it never sees the folder.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from inspect import signature
from pathlib import Path
from typing import Any

from torch import Tensor

from lamina.errors import LaminaError, first_line, told
from lamina.files import parse_json, read_text, reading

MOST = 1 << 24  # bytes of a file of settings
AGAIN = "copy or convert the model again"
# Texts that a setting of an encoder may have: activations, norms, kinds of positions, reductions of losses.
WORDS = {
    *("gelu", "gelu_10", "gelu_fast", "gelu_new", "gelu_python", "gelu_pytorch_tanh", "quick_gelu"),
    *("leaky_relu", "linear", "mish", "relu", "relu2", "relu6", "selu", "sigmoid", "silu", "swish", "tanh"),
    *("group", "layer", "layer_norm", "c2p", "p2c", "relative", "relative_key", "rotary", "sum", "mean"),
}
# What transformers' feature extractors are asked to do otherwise than Lamina does it.
SOUND = {"whisper": {"hop_length": 160, "n_fft": 400}, "wav2vec2-bert": {"num_mel_bins": 80}}


def file_of(source: str, name: str) -> Path | None:
    """The file called ``name`` of a folder or of a model on the hub; None where it has none.

    Raises:
        LaminaError: the hub cannot be asked.
    """
    if Path(source).is_dir():
        path = Path(source) / name
        return path if path.is_file() else None
    from transformers.utils import cached_file

    with one_line(f"{name} of {source} cannot be had from the hub", "check the network, or the name"):
        found = cached_file(source, name, _raise_exceptions_for_missing_entries=False)
    return None if found is None else Path(found)


def settings(path: Path) -> dict[str, Any]:
    """The settings in a JSON file of a model.

    Raises:
        LaminaError: it is no JSON object, or larger than any.
    """
    text = read_text(path, what="a model's settings", remedy=AGAIN, most=MOST)
    found: dict[str, Any] = parse_json(text, str(path), remedy=AGAIN)
    return found


@contextmanager
def one_line(what: str, remedy: str = AGAIN) -> Iterator[None]:
    """Whatever is raised of foreign values inside the block is one line: ``what``, its own words, the remedy.

    Raises:
        LaminaError: something was raised.
    """
    try:
        yield
    except Exception as error:
        raise LaminaError(told(error) or f"{what} ({first_line(error)}): {remedy}") from error


@contextmanager
def silence() -> Iterator[None]:
    """Keep transformers from printing: what it would say is checked and raised."""
    from transformers.utils import logging

    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(logging.CRITICAL)
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


def config_of(kind: Any, given: Mapping[str, Any], where: str) -> Any:
    """The config of class ``kind`` with the values of a foreign one that it knows; others are left out.

    Those are the settings of the family itself: numbers, booleans, lists of them and a few words. What all configs
    of transformers have in common (attention kernels, code, quantisation, parallelism) stays as it is by default.

    Raises:
        LaminaError: a value is of a wrong kind or describes no model, or the weights are quantised.
    """
    from transformers import PreTrainedConfig

    if given.get("quantization_config"):
        raise LaminaError(f"{where}: its weights are quantised, which Lamina does not read: take the full model")
    common = {field.name for field in fields(PreTrainedConfig)}
    known = {}
    for name, parameter in signature(kind.__init__).parameters.items():
        if name not in given or name in common or parameter.kind == parameter.VAR_KEYWORD:
            continue
        value = given[name]
        if name.endswith(("_tokens", "_token_id")) and not isinstance(value, int):
            continue  # of a decoder
        vanishing = name.endswith("_eps") and not (isinstance(value, float) and 0 < value < 1)
        if vanishing or not _fits(value, parameter.default):
            raise LaminaError(f"{where}: {name} = {value!r:.60} describes no encoder: {AGAIN}")
        known[name] = value
    with one_line(f"{where} describes no model"), silence():
        return kind(**known)


def _fits(value: Any, default: Any) -> bool:
    """Whether a value is of the kind of a setting's default, and of a size that a model can have."""
    if isinstance(default, (list, tuple)):
        return value is None or (
            isinstance(value, list) and len(value) <= 64 and all(_fits(each, None) for each in value)
        )
    if isinstance(value, str):
        return value in WORDS and isinstance(default, str | None)
    if isinstance(value, bool) or isinstance(default, bool):
        return isinstance(value, bool) and isinstance(default, bool | None)
    if isinstance(value, float):
        return abs(value) <= 1e6 and not isinstance(default, int)
    return value is None or (isinstance(value, int) and 0 <= value < 1 << 31)


def sound_of(source: str, kind: str) -> tuple[bool, int]:
    """Whether a model of a family wants normalised waveforms, and its sample rate (Hz).

    Read from its ``preprocessor_config.json`` or ``processor_config.json``; true and 16,000 where it has neither.

    Raises:
        LaminaError: a value of them is of a wrong kind, or asks for features of other settings than Lamina makes.
    """
    found: dict[str, Any] = {}
    for name, part in (("preprocessor_config.json", None), ("processor_config.json", "feature_extractor")):
        path = file_of(source, name)
        if path is not None:
            found = settings(path)
            found = found.get(part, {}) if part else found
            break
    for name, value in SOUND.get(kind, {}).items():
        if found.get(name, value) != value:
            raise LaminaError(f"{path}: {name} = {found[name]!r:.60}, where Lamina makes features with {value}")
    normalise, rate = found.get("do_normalize", True), found.get("sampling_rate", 16000)
    if not isinstance(normalise, bool) or not isinstance(rate, int) or not 1000 <= rate <= 1_000_000:
        raise LaminaError(
            f"{path}: do_normalize = {normalise!r:.20} and sampling_rate = {rate!r:.20}: the first is a "
            f"truth value, the second a number of samples a second; {AGAIN}"
        )
    return normalise, rate


def tensors_of(source: str) -> dict[str, Tensor]:
    """All weights of a model, from safetensors or a pickle of tensors, in one file or in shards beside it.

    Raises:
        LaminaError: there are none, or they are damaged, ask to run something, are no numbers, or lie elsewhere.
    """
    found: dict[str, Tensor] = {}
    for name, ending in (("model.safetensors", "safetensors"), ("pytorch_model.bin", "bin")):
        path, index = file_of(source, name), file_of(source, f"{name}.index.json")
        if path is not None:
            found = _tensors(path)
        elif index is not None:
            for shard in _shards(index, ending):
                path = file_of(source, shard)
                if path is None:
                    raise LaminaError(f"{index} names a file {shard} that is not there: {AGAIN}")
                found |= _tensors(path)
        if found:
            break
    if not found:
        raise LaminaError(
            f"the weights of {source} cannot be loaded: it has no model.safetensors, no pytorch_model.bin; {AGAIN}"
        )
    for name, tensor in found.items():
        if not tensor.is_floating_point() and not name.endswith((".num_batches_tracked", ".position_ids")):
            raise LaminaError(
                f"the weights of {source} are quantised ({name} is {tensor.dtype}): take the full model"
            )
    return found


def _shards(index: Path, ending: str) -> list[str]:
    """The files that an index names: they lie beside it."""
    named = settings(index).get("weight_map")
    files = (
        set(named.values())
        if isinstance(named, dict) and all(isinstance(v, str) for v in named.values())
        else set()
    )
    for name in files:
        if not re.fullmatch(rf"[\w-][\w.-]*\.{ending}", name, re.ASCII):
            raise LaminaError(f"{index} names a file {name!r:.80} that is no .{ending} file beside it: {AGAIN}")
    if not files:
        raise LaminaError(f"{index} names no files: {AGAIN}")
    return sorted(files)


def _tensors(path: Path) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    from lamina.encoders.unpickle import read_pickle

    if path.suffix != ".safetensors":
        found = read_pickle(path)
        if not isinstance(found, dict) or not all(isinstance(each, Tensor) for each in found.values()):
            raise LaminaError(f"{path} is no table of tensors: {AGAIN}")
        return found
    with reading(path, what="weights", remedy=AGAIN):
        return dict(load_file(path))
