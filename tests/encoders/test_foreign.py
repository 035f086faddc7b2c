"""Foreign model folders: nothing in them runs, nothing outside them is read, wrong values are one line."""

from __future__ import annotations

import builtins
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from mrhubert_help import model as mrhubert
from safetensors.torch import load_file, save_file
from test_pretrained import CASES, build
from torch import Tensor

from lamina.encoders.encoder import Encoder
from lamina.encoders.foreign import WORDS, config_of
from lamina.encoders.load import load_encoder
from lamina.errors import LaminaError

pytestmark = pytest.mark.filterwarnings("ignore:Support for mismatched key_padding_mask")
FAMILIES = (*CASES, "mr-hubert")
KERNEL = "nobody/such-kernels:evil"
EVIL = "from pathlib import Path\nPath(__file__).with_name('ran').write_text('x')\nraise SystemExit('ran')\n"
# What loaders of transformers and its friends follow.
HOSTILE: dict[str, Any] = {
    "_attn_implementation": KERNEL,
    "_attn_implementation_internal": KERNEL,
    "attn_implementation": KERNEL,
    "_experts_implementation": KERNEL,
    "_name_or_path": "../elsewhere",
    "_commit_hash": "../../elsewhere",
    "architectures": ["evil.Evil"],
    "auto_map": {name: f"evil.{name}" for name in ("AutoConfig", "AutoModel", "AutoFeatureExtractor")},
    "base_model_tp_plan": {"layers": "evil"},
    "custom_pipelines": {"x": {"impl": "evil.Evil"}},
    "dtype": "evil",
    "fusion_config": {"patch_embeddings": True},
    "kernel_config": {"x": KERNEL},
    "per_layer_config": {"0": {"hidden_act": "evil"}},
    "text_config": {"_attn_implementation": KERNEL, "auto_map": {"AutoConfig": "evil.Evil"}},
    "encoder": {"model_type": "evil", "auto_map": {"AutoConfig": "evil.Evil"}},
    "torch_dtype": "evil",
    "transformers_version": "evil",
    "trust_remote_code": True,
    "use_kernels": True,
}
FILES = {
    "adapter_config.json": {"base_model_name_or_path": "../elsewhere", "peft_type": "LORA", "auto_mapping": {}},
    "generation_config.json": {"custom_generate": "evil", "cache_implementation": "evil"},
    "preprocessor_config.json": {
        "auto_map": {"AutoFeatureExtractor": "evil.Evil"},
        "feature_extractor_type": "Evil",
        "do_normalize": True,
        "sampling_rate": 16000,
    },
    "tokenizer_config.json": {"auto_map": {"AutoTokenizer": ["evil.Evil", None]}, "tokenizer_class": "Evil"},
}


def save(case: str, folder: Path) -> Path:
    (mrhubert() if case == "mr-hubert" else build(case)).save_pretrained(folder)
    return folder


def change(folder: Path, **values: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def last(encoder: Encoder, samples: int = 3000) -> Tensor:
    (states,) = encoder.states(
        torch.linspace(0, 60, samples).sin()[None], torch.tensor([samples]), [encoder.taps[-1].name]
    )
    return states.values


def texts(value: Any) -> Iterator[str]:
    """Every text in a value, keys included."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield str(key)
            yield from texts(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from texts(item)
    elif isinstance(value, str):
        yield value


@pytest.mark.parametrize("case", FAMILIES)
def test_nothing_of_a_hostile_folder_runs(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = save(case, tmp_path / "model")
    clean = load_encoder(str(folder))
    change(folder, **HOSTILE)
    for name, value in FILES.items():
        (folder / name).write_text(json.dumps(value))
    for name in (
        "evil.py",
        "configuration_evil.py",
        "modeling_evil.py",
        "custom_generate/generate.py",
        "__init__.py",
    ):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(EVIL)
    opened: list[str] = []
    real = builtins.open

    def watched(file: Any, *args: Any, **kwargs: Any) -> Any:
        opened.append(os.fsdecode(file) if isinstance(file, (str, bytes, Path)) else "")
        return real(file, *args, **kwargs)

    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(builtins, "open", watched)
    monkeypatch.setattr("socket.socket.connect", refuse)
    monkeypatch.setattr("socket.getaddrinfo", refuse)
    known = set(sys.modules)
    found = load_encoder(str(folder))
    assert not list(tmp_path.rglob("ran"))
    assert not [name for name in set(sys.modules) - known if "evil" in name]
    assert not [name for name in opened if name.endswith(".py") and str(tmp_path) in name]
    config = found.model.config  # type: ignore[attr-defined]  # every one here has a model
    assert config._attn_implementation in {"eager", "sdpa"}
    assert not [text for text in texts(config.to_dict()) if "evil" in text.lower() or "elsewhere" in text]
    assert found.digest == clean.digest
    assert torch.equal(last(found), last(clean))


def test_a_config_says_known_words_alone(tmp_path: Path) -> None:
    """A text that names anything else, such as a path or a module, is refused where a known setting holds it."""
    folder = save("hubert-base", tmp_path / "model")
    for name in ("hidden_act", "feat_extract_activation", "feat_extract_norm", "ctc_loss_reduction"):
        for text in (KERNEL, "os.system", "../../x", "", "gelu ", "Gelu", "xielu", "🙂" * 100_000):
            assert text not in WORDS
            before = (folder / "config.json").read_text()
            change(folder, **{name: text})
            with pytest.raises(LaminaError, match=rf"{name} = .* describes no encoder") as error:
                load_encoder(str(folder))
            assert len(str(error.value)) < 400
            (folder / "config.json").write_text(before)


def test_quantised_weights_are_refused(tmp_path: Path) -> None:
    folder = save("hubert-base", tmp_path / "model")
    change(folder, quantization_config={"quant_method": "bitsandbytes", "load_in_8bit": True})
    with pytest.raises(LaminaError, match="its weights are quantised"):
        load_encoder(str(folder))
    change(folder, quantization_config=None)
    weights = load_file(folder / "model.safetensors")
    name = "encoder.layers.0.attention.k_proj.weight"
    save_file(weights | {name: weights[name].to(torch.int8)}, folder / "model.safetensors")
    with pytest.raises(LaminaError, match=rf"quantised \({name} is torch.int8\)"):
        load_encoder(str(folder))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_told(value: float, tmp_path: Path) -> None:
    folder = save("hubert-base", tmp_path / "model")
    weights = load_file(folder / "model.safetensors")
    weights["encoder.layers.1.layer_norm.weight"][3] = value
    save_file(weights, folder / "model.safetensors")
    with pytest.raises(LaminaError, match=r"encoder\.layers\.1\.layer_norm\.weight has NaN or infinite"):
        load_encoder(str(folder))


def sharded(folder: Path, ending: str = "safetensors") -> Path:
    """The folder's weights in two shards and their index."""
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    stem = "model" if ending == "safetensors" else "pytorch_model"
    halves: dict[str, dict[str, Tensor]] = {f"{stem}-{part}-of-2.{ending}": {} for part in (1, 2)}
    for place, (key, value) in enumerate(weights.items()):
        list(halves.values())[place % 2][key] = value
    for name, half in halves.items():
        (save_file if ending == "safetensors" else torch.save)(half, folder / name)
    index = folder / f"{stem}.{ending}.index.json"
    named = {key: name for name, half in halves.items() for key in half}
    index.write_text(json.dumps({"metadata": {}, "weight_map": named}))
    return index


@pytest.mark.parametrize("ending", ["safetensors", "bin"])
def test_shards_lie_beside_their_index(ending: str, tmp_path: Path) -> None:
    folder = save("hubert-base", tmp_path / "model")
    digest = load_encoder(str(folder)).digest
    index = sharded(folder, ending)
    assert load_encoder(str(folder)).digest == digest
    good = json.loads(index.read_text())["weight_map"]
    first = next(iter(good))
    outside = tmp_path / f"outside.{ending}"
    outside.write_bytes(next(folder.glob(f"*.{ending}")).read_bytes())
    for bad in (
        f"../outside.{ending}",
        str(outside),
        f"sub/x.{ending}",
        f".hidden.{ending}",
        "config.json",
        "",
        "..",
        3,
    ):
        index.write_text(json.dumps({"weight_map": good | {first: bad}}))
        with pytest.raises(LaminaError, match=r"names a file|names no files"):
            load_encoder(str(folder))
    for bad in (
        {},
        [],
        None,
        {"weight_map": {}},
        {"weight_map": "x"},
        {"weight_map": good | {first: f"gone.{ending}"}},
    ):
        index.write_text(json.dumps(bad))
        with pytest.raises(LaminaError, match=r"names no files|no JSON object|that is not there"):
            load_encoder(str(folder))


TRIES = int(os.environ.get("LAMINA_FUZZ", "0")) or 1
BIG = (1 << 31, 10**9, 10**18, 1e300)
ODD: tuple[Any, ...] = (
    -1,
    0,
    1,
    1.5,
    -0.5,
    True,
    None,
    "x",
    "gelu",
    [],
    [[]],
    {},
    [0],
    [1e9],
    *BIG,
    [10**9] * 3,
    [3] * 1000,
)


def line_or_states(folder: Path) -> str:
    """The one line that loading and reading a folder ends in; empty where it has states, which are numbers."""
    try:
        states = last(load_encoder(str(folder)), 4000)
    except LaminaError as error:
        return str(error)
    assert bool(states.isfinite().all())
    return ""


@pytest.mark.parametrize("case", FAMILIES)
def test_every_setting_with_odd_values_is_a_line_or_an_encoder(case: str, tmp_path: Path) -> None:
    """Each setting of each family in turn; what loads reads, and nothing takes the memory that it asks for.

    ``LAMINA_FUZZ=1000`` tries all values of every setting.
    """
    folder = save(case, tmp_path / "model")
    text = (folder / "config.json").read_text()
    settings = sorted({key for key, value in json.loads(text).items() if value is not None} - {"model_type"})
    generator = torch.Generator().manual_seed(FAMILIES.index(case))
    said: list[str] = []
    for name in settings:
        for place in torch.randperm(len(ODD), generator=generator)[:TRIES].tolist():
            change(folder, **{name: ODD[place]})
            try:
                said.append(line_or_states(folder))
            except Exception as error:
                raise AssertionError(f"{name} = {str(ODD[place])[:60]}") from error
            (folder / "config.json").write_text(text)
    lines = [line for line in said if line]
    assert 5 < len(lines) < len(said) - 5
    assert not [line for line in lines if "\n" in line or len(line) > 1500]


LARGE: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "wide": lambda config: {"hidden_size": 1 << 20, "num_attention_heads": 4},
    "inner": lambda config: {"intermediate_size": 1 << 30},
    "deep": lambda config: {"num_hidden_layers": 10**9},
    "long kernel": lambda config: {"num_conv_pos_embeddings": 1 << 30},
    "many channels": lambda config: {"conv_dim": [1 << 20] * len(config["conv_dim"])},
}


@pytest.mark.parametrize("name", LARGE)
def test_a_config_of_a_huge_model_takes_no_memory(name: str, tmp_path: Path) -> None:
    folder = save("hubert-base", tmp_path / "model")
    change(folder, **LARGE[name](json.loads((folder / "config.json").read_text())))
    with pytest.raises(LaminaError, match=r"describes no model \(it has [\d,]+ (weights|layers), its"):
        load_encoder(str(folder))


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, '{"a":' * 100_000, "{", "", "null", '{"model_type": NaN}', "\udcff", '{"a": 1, "a": 2}'],
)
def test_settings_that_are_no_json(text: str, tmp_path: Path) -> None:
    folder = save("hubert-base", tmp_path / "model")
    good = (folder / "config.json").read_text()
    for name in ("config.json", "preprocessor_config.json"):
        (folder / name).write_bytes(text.encode(errors="surrogateescape"))
        with pytest.raises(LaminaError) as error:
            load_encoder(str(folder))
        assert name in str(error.value)
        (folder / "config.json").write_text(good)


@pytest.mark.parametrize(
    ("case", "values"),
    [
        ("hubert-base", {"do_normalize": "no"}),
        ("hubert-base", {"do_normalize": 1}),
        ("hubert-base", {"sampling_rate": 0}),
        ("hubert-base", {"sampling_rate": -16000}),
        ("hubert-base", {"sampling_rate": 16000.5}),
        ("hubert-base", {"sampling_rate": 10**12}),
        ("hubert-base", {"sampling_rate": [16000]}),
        ("whisper", {"sampling_rate": 8000}),
        ("whisper", {"hop_length": 320}),
        ("w2v-bert", {"num_mel_bins": 40}),
        ("w2v-bert", {"sampling_rate": 24000}),
    ],
)
def test_sound_that_is_not_what_the_encoder_would_hear(case: str, values: dict[str, Any], tmp_path: Path) -> None:
    folder = save(case, tmp_path / "model")
    (folder / "preprocessor_config.json").write_text(json.dumps(values))
    with pytest.raises(LaminaError, match=next(iter(values)) if "hop" in str(values) else r"sampl|normalize|mel"):
        load_encoder(str(folder))


def test_files_that_are_no_files_are_not_waited_for(tmp_path: Path) -> None:
    folder = save("hubert-base", tmp_path / "model")
    for name in ("model.safetensors", "config.json"):
        (folder / name).unlink()
        os.mkfifo(folder / name)
        with pytest.raises(LaminaError, match=name):
            load_encoder(str(folder))


def test_settings_are_those_of_the_family() -> None:
    from transformers import HubertConfig, PreTrainedConfig

    made = config_of(HubertConfig, HOSTILE | {"hidden_size": 24, "unheard_of": 3, "id2label": {"0": "x"}}, "here")
    assert made.hidden_size == 24
    assert not hasattr(made, "unheard_of")
    assert made.to_dict() == HubertConfig(hidden_size=24).to_dict()
    assert isinstance(made, PreTrainedConfig)
