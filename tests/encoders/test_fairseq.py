"""Checkpoints become transformers folders; nothing in them is executed, and every key is accounted for."""

from __future__ import annotations

import argparse
import builtins
import collections
import os
import pickle
import re
import sys
import types
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from mrhubert_help import CASES, fixture, relative

from lamina.encoders.fairseq import convert, inspect, load_checkpoint
from lamina.encoders.mrhubert import MRHubertForPreTraining, MRHubertModel
from lamina.encoders.unpickle import STUBS, read_pickle
from lamina.errors import LaminaError


def readable(path: Path) -> dict[str, Any]:
    """A fixture's checkpoint as plain containers."""
    return dict(read_pickle(path))


@pytest.fixture
def base(shared: Path) -> dict[str, Any]:
    return readable(fixture(shared, "a_base_2res")[0])


@pytest.mark.parametrize("case", CASES)
def test_a_folder_that_transformers_loads(shared: Path, tmp_path: Path, case: str) -> None:
    import transformers

    from lamina.encoders.mrhubert import register

    register()
    path, _, data = fixture(shared, case)
    folder = convert(path, tmp_path / "model")
    assert {file.name for file in folder.iterdir()} == {
        "config.json",
        "model.safetensors",
        "preprocessor_config.json",
    }
    body = transformers.AutoModel.from_pretrained(folder)
    assert type(body) is MRHubertModel
    extractor = transformers.AutoFeatureExtractor.from_pretrained(folder)
    wave = data["B.source"]
    if not body.config.do_normalize:
        wave = extractor(wave[0].numpy(), sampling_rate=16000, return_tensors="pt").input_values
    with torch.no_grad():
        out = body(wave)
    assert relative(out.last_hidden_state, data[f"B.x.{len(body.config.levels) - 1}"]) < 1e-5
    heads = MRHubertForPreTraining.from_pretrained(folder)
    original = load_checkpoint(path)
    for (name, ours), (other, theirs) in zip(heads.named_parameters(), original.named_parameters(), strict=True):
        assert name == other
        assert torch.equal(ours, theirs), name


def test_inspect_tells_what_is_inside(shared: Path) -> None:
    path, meta, _ = fixture(shared, "c1_3res_1212")
    told = inspect(path)
    assert (told.layout, told.architecture, told.updates) == ("fairseq", "multires_hubert", 400000)
    assert told.units == (20, 21, 22)
    assert told.tensors == len(meta["grad_norms_of_loss_over_sample_size"])
    assert told.config.label_rate_ratios == [1, 2, 1, 2]
    assert told.dtypes == ("torch.float32",)
    assert len(told.sha256) == 64
    assert "task_state" in told.extras


def save(value: object, path: Path, **options: Any) -> Path:
    torch.save(value, path, **options)
    return path


def test_the_older_format_reads_the_same(base: dict[str, Any], shared: Path, tmp_path: Path) -> None:
    path = save(base, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    assert not zipfile.is_zipfile(path)
    expected = load_checkpoint(fixture(shared, "a_base_2res")[0]).state_dict()
    assert all(torch.equal(value, expected[key]) for key, value in load_checkpoint(path).state_dict().items())


def test_what_s3prl_makes_of_it_reads_the_same(base: dict[str, Any], shared: Path, tmp_path: Path) -> None:
    state = {
        "task_cfg": base["cfg"]["task"],
        "model_cfg": base["cfg"]["model"],
        "model_weight": base["model"],
        "dictionaries_symbols": base["task_state"]["dictionaries"],
    }
    path = save(state, tmp_path / "s3prl.pt")
    assert inspect(path).layout == "s3prl"
    assert inspect(path).units == (20, 21)
    original = load_checkpoint(fixture(shared, "a_base_2res")[0])
    assert load_checkpoint(path).config.to_dict() == original.config.to_dict()
    for key, value in load_checkpoint(path).state_dict().items():
        assert torch.equal(value, original.state_dict()[key])


def hubert(base: dict[str, Any]) -> dict[str, Any]:
    """A HuBERT checkpoint made of the base case's first block, as fairseq's `hubert` writes it."""
    weights = {}
    for key, value in base["model"].items():
        if key.startswith("encoders.0."):
            weights[key.replace("encoders.0.", "encoder.")] = value
        elif key.startswith(("final_projs.0.", "label_embs_concat.0")):
            weights[key.replace("final_projs.0.", "final_proj.").replace("concat.0", "concat")] = value
        elif not key.startswith(("decoders", "middle", "down", "up", "final_projs", "label_embs")):
            weights[key] = value
    model = {key: value for key, value in base["cfg"]["model"].items() if key != "label_rate_ratios"}
    cfg = base["cfg"] | {"model": model | {"_name": "hubert"}}
    return base | {
        "cfg": cfg,
        "model": weights,
        "task_state": {"dictionaries": base["task_state"]["dictionaries"][:1]},
    }


def test_a_hubert_checkpoint_is_the_first_block(base: dict[str, Any], shared: Path, tmp_path: Path) -> None:
    body = load_checkpoint(save(hubert(base), tmp_path / "hubert.pt")).mrhubert
    assert [tap.name for tap in body.config.taps] == ["front", "enc20.1", "enc20.2"]
    _, _, data = fixture(shared, "a_base_2res")
    with torch.no_grad():
        found = body(data["A.source"][:1]).last_hidden_state
    assert relative(found, data["A.hook.encoders.0"][:1]) < 1e-5


def test_settings_of_argparse_and_half_precision(base: dict[str, Any], tmp_path: Path) -> None:
    settings = base["cfg"]["model"] | base["cfg"]["task"] | base["cfg"]["criterion"] | {"arch": "multires_hubert"}
    settings["_name"] = "multires_hubert"
    state = base | {
        "cfg": None,
        "args": argparse.Namespace(**settings),
        "model": {key: value.half() for key, value in base["model"].items()},
    }
    path = save(state, tmp_path / "args.pt")
    assert inspect(path).dtypes == ("torch.float16",)
    assert next(load_checkpoint(path).parameters()).dtype == torch.float32


def test_settings_of_omegaconf(base: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """omegaconf pickles containers of nodes, whose metadata names types; only its names matter here."""
    made = {}
    monkeypatch.setitem(sys.modules, "omegaconf", types.ModuleType("omegaconf"))
    for name in ("dictconfig.DictConfig", "listconfig.ListConfig", "base.ContainerMetadata", "nodes.AnyNode"):
        module_name, kind = name.split(".")
        module = sys.modules.get(f"omegaconf.{module_name}") or types.ModuleType(f"omegaconf.{module_name}")
        made[kind] = type(kind, (), {"__module__": module.__name__})
        setattr(module, kind, made[kind])
        monkeypatch.setitem(sys.modules, module.__name__, module)

    def wrapped(value: Any) -> Any:
        metadata = made["ContainerMetadata"]()
        metadata.__dict__ = {"ref_type": Any, "object_type": dict, "resolver_cache": collections.defaultdict(dict)}
        kind = {dict: "DictConfig", list: "ListConfig"}.get(type(value), "AnyNode")
        node = made[kind]()
        if isinstance(value, dict):
            node.__dict__ = {
                "_metadata": metadata,
                "_content": {key: wrapped(item) for key, item in value.items()},
            }
        elif isinstance(value, list):
            node.__dict__ = {"_metadata": metadata, "_content": [wrapped(item) for item in value]}
        else:
            node.__dict__ = {"_metadata": metadata, "_val": value}
        return node

    plain = load_checkpoint(save(base, tmp_path / "plain.pt")).config.to_dict()
    path = save(base | {"cfg": wrapped(base["cfg"])}, tmp_path / "omegaconf.pt")
    assert load_checkpoint(path).config.to_dict() == plain


def test_block_sizes_follow_the_order_in_which_blocks_run(base: dict[str, Any], tmp_path: Path) -> None:
    model = base["cfg"]["model"] | {
        "label_rate_ratios": [1, 2, 1, 2],
        "override_encoder_layers": "[5, 4, 3, 2, 1]",
    }
    model["conv_feature_layers"] = "[(8, 10, 5)] + [(8, 3, 2)] * 2"
    weights = base["model"] | {"label_embs_concat.2": torch.zeros(9, 16)}
    path = save(base | {"cfg": base["cfg"] | {"model": model}, "model": weights}, tmp_path / "five.pt")
    config = inspect(path).config
    assert config.block_layers == [5, 4, 3, 1, 2]
    assert (config.conv_kernel, config.conv_stride) == ([10, 3, 3], [5, 2, 2])
    assert config.num_classes == [20, 21, 5]


# Bad input


class Payload:
    """Calls a function when it is unpickled."""

    def __init__(self, function: Any, *inputs: Any) -> None:
        self.call = (function, inputs)

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return self.call


def touch(path: Path) -> dict[str, Payload]:
    """Payloads that would make a file at ``path``."""
    return {
        "os.system": Payload(os.system, f"touch {path}"),
        "eval": Payload(eval, f"open({str(path)!r}, 'w')"),
        "exec": Payload(exec, f"open({str(path)!r}, 'w')"),
        "open": Payload(builtins.open, str(path), "w"),
        "getattr": Payload(getattr, "x", "upper"),
        "import": Payload(__import__, "this"),
        "torch.load": Payload(torch.load, str(path)),
        "Popen": Payload(__import__("subprocess").Popen, ["touch", str(path)]),
    }


PLACES = ("alone", "in cfg", "in the weights", "in a dictionary's state", "in the history")


def planted(base: dict[str, Any], place: str, payload: Payload, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A checkpoint with the payload somewhere inside."""
    if place == "alone":
        return payload
    if place == "in cfg":
        return base | {"cfg": base["cfg"] | {"task": base["cfg"]["task"] | {"data": payload}}}
    if place == "in the weights":
        return base | {"model": base["model"] | {"extra": payload}}
    if place == "in the history":
        return base | {"optimizer_history": [payload]}
    module = types.ModuleType("fairseq.data.dictionary")
    kind = type("Dictionary", (), {"__module__": "fairseq.data.dictionary"})
    module.Dictionary = kind  # type: ignore[attr-defined]
    for name in ("fairseq", "fairseq.data", "fairseq.data.dictionary"):
        monkeypatch.setitem(sys.modules, name, module)
    dictionary = kind()
    dictionary.__dict__ = {"symbols": ["<s>", payload]}
    return base | {"task_state": {"dictionaries": [dictionary]}}


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "old"])
@pytest.mark.parametrize("place", PLACES)
def test_payloads_are_refused(
    base: dict[str, Any], tmp_path: Path, place: str, zipped: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    victim = tmp_path / "victim"
    for name, payload in touch(victim).items():
        state = planted(base, place, payload, monkeypatch)
        path = save(state, tmp_path / "bad.pt", _use_new_zipfile_serialization=zipped)
        for door in (inspect, load_checkpoint, lambda path: convert(path, tmp_path / "out")):
            with pytest.raises(LaminaError, match="asks to run") as error:
                door(path)
            assert "\n" not in str(error.value)
        assert name.split(".")[-1] in str(error.value) or name == "import"
        assert not victim.exists()
        assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("protocol", range(6))
def test_payloads_in_bare_pickles_are_refused(tmp_path: Path, protocol: int) -> None:
    victim, path = tmp_path / "victim", tmp_path / "bad.pt"
    for payload in touch(victim).values():
        path.write_bytes(pickle.dumps(payload, protocol))
        with pytest.raises(LaminaError, match=r"asks to run"):
            inspect(path)
        with zipfile.ZipFile(path, "w") as archive:  # as torch would write it
            archive.writestr("archive/data.pkl", pickle.dumps({"model": payload}, protocol))
            archive.writestr("archive/version", "3\n")
        with pytest.raises(LaminaError, match="asks to run"):
            inspect(path)
        assert not victim.exists()


@pytest.mark.parametrize("protocol", range(6))
def test_bare_pickles_are_told_as_such(tmp_path: Path, protocol: int) -> None:
    path = tmp_path / "model.pt"
    path.write_bytes(pickle.dumps({"model": {"weight": 1.0}}, protocol))
    with pytest.raises(LaminaError) as told:
        inspect(path)
    assert (f"(it is a bare pickle of protocol {protocol}, " in str(told.value)) == (protocol > 1)
    assert "weights_only" not in str(told.value)
    assert "\n" not in str(told.value)


def test_stubs_are_inert() -> None:
    for name, stub in STUBS.items():
        made = stub("touch", ["x"])
        made.__setstate__({"symbols": ["a"]})
        assert vars(made) == {"state": {"symbols": ["a"]}}, name


def test_broken_files_are_refused(shared: Path, tmp_path: Path) -> None:
    whole = fixture(shared, "a_base_2res")[0].read_bytes()
    path = tmp_path / "model.pt"
    with pytest.raises(LaminaError, match="no checkpoint file"):
        inspect(path)
    path.write_bytes(b"")
    with pytest.raises(LaminaError, match="is empty"):
        inspect(path)
    contents = [whole[:size] for size in (1, 10, 1000, len(whole) // 2, len(whole) - 30)]
    contents += [b"RIFF....WAVEfmt ", b"<html>404</html>", bytes(5000), b"\x80\x02}q\x00.", b"\x80\x04N."]
    for content in contents:
        path.write_bytes(content)
        with pytest.raises(LaminaError) as error:
            inspect(path)
        assert str(path) in str(error.value)
        assert "\n" not in str(error.value)
    with pytest.raises(LaminaError, match="no checkpoint file"):
        inspect(tmp_path)


def test_a_flipped_byte_never_passes_in_silence(shared: Path, tmp_path: Path) -> None:
    """In the pickle, the weights or the zip's own tables: one line that names the file, or the very same model."""
    source = fixture(shared, "a_base_2res")[0]
    whole, told = source.read_bytes(), load_checkpoint(source)
    weights, settings = told.state_dict(), told.config.to_dict()
    path, refused, same = tmp_path / "model.pt", [], 0
    for place in (
        *range(0, 25_000, 499),
        *range(25_000, len(whole), 30_011),
        *range(len(whole) - 400, len(whole), 31),
    ):
        damaged = bytearray(whole)
        damaged[place] ^= 0xFF
        path.write_bytes(damaged)
        try:
            found = load_checkpoint(path)
        except LaminaError as error:
            refused.append(str(error))
            continue
        same += 1
        assert found.config.to_dict() == settings, place
        assert all(torch.equal(found.state_dict()[name], weight) for name, weight in weights.items()), place
    assert len(refused) > 50 > same > 0
    assert all(str(path) in line and "\n" not in line for line in refused)


CHANGES: dict[str, tuple[str, dict[str, Any], str]] = {
    "another architecture": ("model", {"_name": "wav2vec2"}, "architecture 'wav2vec2'"),
    "conformer": ("model", {"layer_type": "conformer"}, "layer_type='conformer'"),
    "unknown activation": ("model", {"activation_fn": "maxout"}, "activation 'maxout'"),
    "code in the convolutions": ("model", {"conv_feature_layers": "__import__('os').system('x')"}, "convolutions"),
    "a bomb in the convolutions": ("model", {"conv_feature_layers": "[(1,1,1)] * 10 ** 9"}, "convolutions"),
    "code in the sizes": ("model", {"override_encoder_layers": "exit()"}, "list of numbers"),
    "sizes that do not fit": ("model", {"override_encoder_layers": "[1, 2]"}, "does not fit"),
    "no ratios": ("model", {"label_rate_ratios": []}, "label_rate_ratios"),
    "no width": ("model", {"encoder_embed_dim": None}, "encoder_embed_dim"),
    "too many layers": ("model", {"encoder_layers": 3}, r"decoders\.0\.layers\.2"),
    "another kernel": ("model", {"conv_adapator_kernal": 7}, "shape"),
    "an even kernel": ("model", {"conv_adapator_kernal": 4}, "adapter_kernel"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_settings_that_do_not_fit(base: dict[str, Any], tmp_path: Path, name: str) -> None:
    part, change, message = CHANGES[name]
    path = save(base | {"cfg": base["cfg"] | {part: base["cfg"][part] | change}}, tmp_path / "changed.pt")
    with pytest.raises(LaminaError, match=message):
        convert(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_every_key_is_accounted_for(base: dict[str, Any], tmp_path: Path) -> None:
    kinds = {re.sub(r"\d+", "#", key): key for key in base["model"]}  # a layer stands for its like
    assert len(kinds) > 30
    for key in kinds.values():
        less = {name: value for name, value in base["model"].items() if name != key}
        with pytest.raises(LaminaError, match=key.replace(".", r"\.")):
            load_checkpoint(save(base | {"model": less}, tmp_path / "less.pt"))
    more = base["model"] | {"decoders.0.gate.weight": torch.zeros(3)}
    with pytest.raises(LaminaError, match=r"decoders\.0\.gate\.weight"):
        load_checkpoint(save(base | {"model": more}, tmp_path / "more.pt"))


def test_foreign_contents(base: dict[str, Any], tmp_path: Path) -> None:
    for state, says in (
        ([1, 2], "holds a list"),
        ({"state_dict": {}}, "a checkpoint of another toolkit"),
        (base | {"model": [1]}, "its model is not a table of tensors"),
        (base | {"cfg": {"model": "x"}}, "its settings do not describe a model"),
        (torch.zeros(3), "holds a Tensor"),
    ):
        with pytest.raises(LaminaError, match=says):
            inspect(save(state, tmp_path / "foreign.pt"))
    (tmp_path / "file").write_text("x")
    with pytest.raises(LaminaError, match="is a file"):
        convert(save(base, tmp_path / "good.pt"), tmp_path / "file")


def test_equal_widths_have_no_projection(base: dict[str, Any], tmp_path: Path) -> None:
    """fairseq leaves the projection out where conv features are as wide as the body."""
    torch.manual_seed(0)
    model = base["cfg"]["model"] | {"conv_feature_layers": "[(64, 10, 5)] + [(64, 3, 2)]"}
    weights = {
        key: value for key, value in base["model"].items() if not key.startswith(("feature_ex", "post_extr"))
    }
    weights |= {
        "feature_extractor.conv_layers.0.0.weight": torch.randn(64, 1, 10),
        "feature_extractor.conv_layers.0.2.weight": torch.randn(64),
        "feature_extractor.conv_layers.0.2.bias": torch.randn(64),
        "feature_extractor.conv_layers.1.0.weight": torch.randn(64, 64, 3),
        "layer_norm.weight": torch.randn(64),
        "layer_norm.bias": torch.randn(64),
    }
    path = save(base | {"cfg": base["cfg"] | {"model": model}, "model": weights}, tmp_path / "wide.pt")
    features = torch.randn(1, 5, 64)
    projection = load_checkpoint(path).mrhubert.feature_projection
    expected = torch.nn.functional.layer_norm(
        features, (64,), weights["layer_norm.weight"], weights["layer_norm.bias"]
    )
    torch.testing.assert_close(projection(features), expected)
