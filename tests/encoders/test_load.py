"""Finding encoders by name, and refusing what is none, in one clear line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from lamina.encoders.load import load_encoder
from lamina.errors import LaminaError

SMALL = {
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 40,
    "conv_dim": (16, 16),
    "conv_kernel": (10, 3),
    "conv_stride": (5, 2),
    "num_feat_extract_layers": 2,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
}


def save(kind: str, folder: Path, **changes: Any) -> Any:
    import transformers

    family = kind.partition("For")[0].removesuffix("Model")
    model = getattr(transformers, kind)(getattr(transformers, f"{family}Config")(**(SMALL | changes)))
    model.save_pretrained(folder)
    return model


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    save("HubertModel", tmp_path / "tiny")
    return tmp_path / "tiny"


def last(folder: Path, scale: float = 1.0) -> torch.Tensor:
    wave = scale * torch.linspace(0, 60, 3000).sin()[None]
    *_, states = load_encoder(str(folder)).states(wave, torch.tensor([3000]))
    return states.values


def test_features_have_names() -> None:
    assert load_encoder("mel").taps[0].width == 80
    assert load_encoder("mfcc").taps[0].width == 39
    raw, scaled = (load_encoder(name) for name in ("mfcc", "mfcc-cmvn"))
    assert (raw.name, scaled.name) == ("mfcc", "mfcc-cmvn")
    wave, length = torch.linspace(0, 60, 3000).sin()[None], torch.tensor([3000])
    (states,) = scaled.states(wave, length)
    assert float(states.values.mean(1).abs().max()) < 1e-4
    (states,) = raw.states(wave, length)
    assert float(states.values.mean(1).abs().max()) > 1


def test_a_transformers_folder_is_read_exactly(folder: Path) -> None:
    from transformers import HubertModel, Wav2Vec2FeatureExtractor

    encoder = load_encoder(str(folder))
    assert (encoder.name, encoder.sample_rate) == ("tiny", 16000)
    Wav2Vec2FeatureExtractor(do_normalize=False, sampling_rate=8000).save_pretrained(folder)
    plain = load_encoder(str(folder))
    assert plain.sample_rate == 8000
    assert plain.digest != encoder.digest
    with torch.no_grad():
        expected = HubertModel.from_pretrained(folder)(torch.linspace(0, 60, 3000).sin()[None]).last_hidden_state
    assert torch.equal(last(folder), expected)


def test_normalisation_is_the_feature_extractors(folder: Path) -> None:
    from transformers import Wav2Vec2FeatureExtractor

    save("HubertModel", folder, feat_extract_norm="layer", conv_bias=True)
    quiet = last(folder, 0.01)
    torch.testing.assert_close(quiet, last(folder), atol=1e-3, rtol=1e-3)  # normalised by default
    Wav2Vec2FeatureExtractor(do_normalize=False).save_pretrained(folder)
    assert not torch.allclose(last(folder, 0.01), quiet, atol=1e-3)
    # Processors keep the same settings inside their own file.
    (folder / "preprocessor_config.json").unlink()
    (folder / "processor_config.json").write_text(json.dumps({"feature_extractor": {"do_normalize": False}}))
    assert not torch.allclose(last(folder, 0.01), quiet, atol=1e-3)


def test_a_run_folder_holds_its_model_inside(folder: Path, tmp_path: Path) -> None:
    run = tmp_path / "base-1234abcd"
    shutil.copytree(folder, run / "model")
    encoder = load_encoder(str(run))
    assert encoder.name == "base-1234abcd"
    assert encoder.digest == load_encoder(str(folder)).digest


@pytest.mark.parametrize(
    "kind", ["HubertForCTC", "Wav2Vec2ForPreTraining", "Wav2Vec2ForXVector", "WavLMForXVector"]
)
def test_heads_are_dropped(kind: str, tmp_path: Path) -> None:
    model = save(kind, tmp_path / "m")
    encoder = load_encoder(str(tmp_path / "m"))
    body = getattr(model, model.base_model_prefix)
    assert torch.equal(encoder.model.encoder.layers[1].layer_norm.weight, body.encoder.layers[1].layer_norm.weight)  # type: ignore[attr-defined]
    assert [tap.name for tap in encoder.taps] == ["front", "enc0.625.1", "enc0.625.2"]


def change(folder: Path, **changes: Any) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changes))


def test_weights_of_another_model_are_named(folder: Path) -> None:
    change(folder, num_hidden_layers=3)
    with pytest.raises(LaminaError, match=r"missing: .*encoder\.layers\.2\.layer_norm\.weight"):
        load_encoder(str(folder))
    change(folder, num_hidden_layers=1)
    with pytest.raises(LaminaError, match=r"left over: .*encoder\.layers\.1\.layer_norm\.weight"):
        load_encoder(str(folder))
    change(folder, num_hidden_layers=2, intermediate_size=44)
    with pytest.raises(LaminaError, match=r"of another shape: .*layers\.0\.feed_forward\.output_dense\.weight"):
        load_encoder(str(folder))


def test_left_over_layers_under_a_head_are_named(tmp_path: Path) -> None:
    save("HubertForCTC", tmp_path / "m")
    change(tmp_path / "m", num_hidden_layers=1)
    with pytest.raises(LaminaError, match=r"left over: .*layers\.1\.layer_norm\.weight"):
        load_encoder(str(tmp_path / "m"))


def test_the_unused_mask_vector_may_be_absent(tmp_path: Path) -> None:
    save("HubertModel", tmp_path / "m", mask_time_prob=0.0)
    change(tmp_path / "m", mask_time_prob=0.05)
    assert load_encoder(str(tmp_path / "m")).taps


def test_damaged_and_missing_weights(folder: Path) -> None:
    weights = folder / "model.safetensors"
    whole = weights.read_bytes()
    for damaged in (whole[: len(whole) // 2], b"", b"x" * 1000):
        weights.write_bytes(damaged)
        with pytest.raises(LaminaError, match="cannot read weights"):
            load_encoder(str(folder))
    weights.unlink()
    with pytest.raises(LaminaError, match=r"has no model\.safetensors"):
        load_encoder(str(folder))


def test_a_checkpoint_that_would_run_code_is_refused(folder: Path, tmp_path: Path) -> None:
    """Weights in pickles are read by torch's restricted unpickler only."""
    import pickle

    class Payload:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "ran",))

    (folder / "model.safetensors").unlink()
    torch.save({"weight": Payload()}, folder / "pytorch_model.bin", pickle_module=pickle)
    with pytest.raises(LaminaError, match="asks to run"):
        load_encoder(str(folder))
    assert not (tmp_path / "ran").exists()


def test_what_is_no_encoder(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(LaminaError, match=r"neither a config\.json"):
        load_encoder(str(tmp_path / "empty"))
    with pytest.raises(LaminaError, match="is a file"):
        load_encoder(str(folder / "config.json"))
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(LaminaError, match=r"'bert', no speech encoder .* hubert"):
        load_encoder(str(tmp_path / "text"))
    (tmp_path / "text" / "config.json").write_text("[1]")
    with pytest.raises(LaminaError, match="is no JSON object"):
        load_encoder(str(tmp_path / "text"))
    (tmp_path / "text" / "config.json").write_text("{")
    with pytest.raises(LaminaError, match="not valid JSON"):
        load_encoder(str(tmp_path / "text"))
    for name in ("hubert", "./nowhere", str(tmp_path / "nowhere"), f"{tmp_path.name}/a/b"):
        with pytest.raises(LaminaError, match="no folder is called so"):
            load_encoder(name)


def test_a_hub_name_without_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import HfApi

    def unreachable(*_: object, **__: object) -> None:
        raise ConnectionError("Name or service not known")

    monkeypatch.setattr(HfApi, "model_info", unreachable)
    with pytest.raises(LaminaError, match=r"hub could not be asked .*Name or service not known"):
        load_encoder("nobody/has-such-a-model-name")


def test_an_unusable_device(folder: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device here")
    with pytest.raises(LaminaError, match="device 'cuda' cannot be used"):
        load_encoder(str(folder), device="cuda")


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_is_close_and_another_encoder(folder: Path, dtype: str) -> None:
    whole, half = load_encoder(str(folder)), load_encoder(str(folder), dtype=dtype)
    assert next(half.model.parameters()).dtype == getattr(torch, dtype)
    assert half.digest != whole.digest
    waves = torch.randn(1, 4000, generator=torch.Generator().manual_seed(0))
    for one, other in zip(
        *(list(each.states(waves, torch.tensor([4000]))) for each in (whole, half)), strict=True
    ):
        error = (one.values - other.values.float()).norm() / one.values.norm()
        assert 0 < float(error) < 0.05
    with pytest.raises(LaminaError, match="read in float32, bfloat16, float16, not in 'float8'"):
        load_encoder(str(folder), dtype="float8")
