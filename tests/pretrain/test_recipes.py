"""The config files: each builds its model, and a variant differs from its base in what it is about alone."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
import torch

from lamina.config import load_config, read_toml
from lamina.encoders.mrhubert import MRHubertConfig, MRHubertModel
from lamina.encoders.published import find
from lamina.pretrain.recipe import PretrainConfig

RECIPES = Path(__file__).parents[2] / "configs" / "pretrain"
BASE, PLAIN, MONO = "mr_hubert_base", {"plain_sampling": True}, {"label_rate_ratios": [1, 1]}
SINGLE, THREE = {"single_prediction": True}, {"label_rate_ratios": [1, 2, 1, 2]}
ABLATIONS = {
    "B1-a": {"block_layers": [2, 4, 6]},
    "B1-b": {"block_layers": [5, 2, 5]},
    "B1-c": {"block_layers": [6, 4, 2]},
    "B2-a": THREE | {"block_layers": [3, 2, 2, 2, 3]},
    "B2-b": THREE | {"block_layers": [2, 2, 4, 2, 2]},
    "B2-c": THREE | {"block_layers": [2, 2, 2, 2, 2]},
    "B3-a": PLAIN,
    "B4-a": SINGLE,
    "B4-b": SINGLE | PLAIN,
    "B5-a": MONO,
    "B6-a": {"block_layers": [3, 3, 3]},
    "B6-b": {"block_layers": [3, 3, 3]} | MONO,
    "B7-a": {},  # other units: a codebook a level
    "B8-a": {"do_normalize": False},
}


def recipe(name: str) -> PretrainConfig:
    return load_config(RECIPES / f"{name}.toml", PretrainConfig)


def parameters(name: str) -> int:
    with torch.device("meta"):
        model = MRHubertModel(MRHubertConfig(**recipe(name).model.to_json()))
    return sum(weight.numel() for weight in model.parameters())


@pytest.mark.parametrize("file", sorted(RECIPES.glob("*.toml")), ids=lambda file: file.stem)
def test_every_recipe_builds_its_model(file: Path) -> None:
    assert parameters(file.stem) > 0
    # A variant lists differences alone: none of its keys repeats what it extends
    value = read_toml(file)
    text = file.read_text()
    if "extends" in text:
        base = read_toml(RECIPES / text.split('extends = "')[1].split('"')[0])
        own = tomllib.loads(text)
        for key, change in own.pop("model", {}).items():
            assert base["model"].get(key) != change or key == "adapter_kernel", key
        for key in own.keys() - {"extends"}:
            assert base.get(key) != own[key], key
    assert "model" in value


HALF = 768 * 768 + 2 * 768  # half a change of rate: a product, its group norm
NORM = 2 * 768


def test_parameters_are_the_published_ones() -> None:
    assert parameters("hubert_base") == 94_371_712  # transformers' HubertModel of that shape
    assert parameters(BASE) == 94_371_712 + 4 * HALF + 2 * NORM  # two changes of rate, a norm for each block
    for name, published in (
        ("hubert_base", "hubert-base"),
        (BASE, "mono_base"),
        ("mr_hubert_large", "mono_large"),
    ):
        assert abs(parameters(name) / 1e6 - find(published).parameters) < 1.6, name
    assert parameters(f"{BASE}_b5a") == parameters(f"{BASE}_b4a") == parameters(BASE)
    assert parameters(BASE) - parameters(f"{BASE}_b3a") == 2 * HALF


@pytest.mark.parametrize("code", ABLATIONS)
def test_an_ablation_differs_in_what_it_is_about_alone(code: str) -> None:
    size = "mr_hubert_large" if code.startswith("B8") else BASE
    changed = recipe(f"{size}_{code.lower().replace('-', '')}")
    base = recipe(size).to_json()
    base["model"] |= ABLATIONS[code]
    assert changed.to_json() == base
    told = find(code)
    assert told.block_layers is None or tuple(changed.model.block_layers) == told.block_layers
    periods = [grid.period_ms for grid in MRHubertConfig(**changed.model.to_json()).levels]
    assert told.levels is None or periods == list(told.levels)


def test_the_tiny_recipes_match() -> None:
    """As many layers each; HuBERT lacks the changes of rate and a norm a block, three rates have two more."""
    sizes = {name: parameters(name) for name in ("tiny", "tiny_hubert", "tiny_mono_aux", "tiny_3level")}
    assert {sum(recipe(name).model.block_layers) for name in sizes} == {6}
    half, norm = 96 * 96 + 2 * 96, 2 * 96
    assert sizes["tiny"] == sizes["tiny_mono_aux"] == sizes["tiny_hubert"] + 4 * half + 2 * norm
    assert sizes["tiny_3level"] == sizes["tiny"] + 4 * half + 2 * norm
    periods = [grid.period_ms for grid in MRHubertConfig(**recipe("tiny_3level").model.to_json()).levels]
    assert periods == [20, 40, 80]


def test_batches_hold_the_published_audio() -> None:
    for name, seconds in (
        ("hubert_base", 32 * 87.5),
        ("hubert_base_round1", 32 * 87.5),
        (BASE, 32 * 62.5),
        ("mr_hubert_large", 128 * 18.75 * 3),
    ):
        config = recipe(name)
        assert config.batch_size * config.crop_seconds == seconds
        assert config.warmup_share * config.steps == 32000
