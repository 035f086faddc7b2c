"""Configs: only differences are listed, unknown keys are refused with a suggestion."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from lamina.analysis.config import AnalysisConfig
from lamina.config import Config, load_config, merge, parse_config, read_toml, shipped
from lamina.corpus.synth.config import SynthConfig
from lamina.errors import LaminaError
from lamina.pretrain.recipe import ModelConfig, PretrainConfig
from lamina.pretrain.units import UnitsConfig
from lamina.probe.config import ProbeConfig
from lamina.study.claims import Claim
from lamina.study.design import CostConfig, StoredConfig, StudyConfig


class Inner(Config):
    width: int = 96
    rates: tuple[int, ...] = (1, 2)


class Outer(Config):
    name: str
    model: Inner = Inner()


def test_extends_lists_only_differences(tmp_path: Path) -> None:
    (tmp_path / "base.toml").write_text('name = "base"\n[model]\nwidth = 64\nrates = [1, 1]\n')
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "variant.toml").write_text('extends = "../base.toml"\n[model]\nrates = [1, 2, 1, 2]\n')
    config = load_config(tmp_path / "deep" / "variant.toml", Outer)
    assert config == Outer(name="base", model=Inner(width=64, rates=(1, 2, 1, 2)))


def test_a_table_can_extend_a_file_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "inner.toml").write_text("width = 64\nrates = [1, 1]\n")
    (tmp_path / "outer.toml").write_text('name = "a"\n[model]\nextends = "inner.toml"\nwidth = 32\n')
    assert load_config(tmp_path / "outer.toml", Outer).model == Inner(width=32, rates=(1, 1))


def test_digest_changes_with_any_value_and_only_then() -> None:
    assert Outer(name="a").digest == parse_config({"name": "a", "model": {"width": 96}}, Outer, "here").digest
    assert Outer(name="a").digest != Outer(name="a", model=Inner(width=95)).digest


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({"name": "a", "modle": {}}, "unknown key 'modle'; did you mean 'model'"),
        ({"name": "a", "model": {"widht": 3}}, "unknown key 'model.widht'; did you mean 'width'"),
        ({"name": "a", "model": {"width": "wide"}}, "model.width"),
        ({}, "name: Field required"),
    ],
)
def test_errors_name_the_place(value: dict[str, object], says: str) -> None:
    with pytest.raises(LaminaError, match=says) as caught:
        parse_config(value, Outer, "x.toml")
    assert str(caught.value).startswith("x.toml")
    assert "\n" not in str(caught.value)


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(LaminaError, match=r"there is no file .*absent"):
        read_toml(tmp_path / "absent.toml")
    (tmp_path / "bad.toml").write_text("name = = 3")
    with pytest.raises(LaminaError, match="not a TOML file"):
        read_toml(tmp_path / "bad.toml")
    (tmp_path / "a.toml").write_text('extends = "b.toml"')
    (tmp_path / "b.toml").write_text('extends = "a.toml"')
    with pytest.raises(LaminaError, match="extends it in turn"):
        read_toml(tmp_path / "a.toml")
    (tmp_path / "c.toml").write_text('extends = "absent.toml"')
    with pytest.raises(LaminaError, match=r"check its path in .*c\.toml, which extends it"):
        read_toml(tmp_path / "c.toml")


def test_merge_leaves_its_arguments_alone() -> None:
    base = {"a": {"b": 1}, "c": [1]}
    assert merge(base, {"a": {"d": 2}, "c": [2]}) == {"a": {"b": 1, "d": 2}, "c": [2]}
    assert base == {"a": {"b": 1}, "c": [1]}


def test_configs_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Outer(name="a").name = "b"


CONFIGS = [
    ModelConfig(),
    PretrainConfig(steps=1),
    UnitsConfig(),
    AnalysisConfig(),
    ProbeConfig(),
    SynthConfig(),
    StoredConfig(path="x"),
    CostConfig(seconds=(1.0,), repeats=1),
    Claim(text="x", effect="x", measure="cca-mean", direction="raises"),
]


def numeric(config: Config) -> list[tuple[Config, str, Any]]:
    """Each field of numbers of a config, with a value that is too large for anything."""
    found: list[tuple[Config, str, Any]] = []
    for name, field in type(config).model_fields.items():
        said = str(field.annotation)
        kind = int if "int" in said else float if "float" in said else None
        if isinstance(getattr(config, name), Config):
            found += numeric(getattr(config, name))
        elif kind is not None:
            huge: Any = kind(10**30)
            pair = [huge] * 2 if "tuple[float, float]" in said else [huge]
            found.append((config, name, {"x": huge} if "dict" in said else pair if "tuple" in said else huge))
    return found


@pytest.mark.parametrize(
    ("config", "name", "huge"),
    [pytest.param(*each, id=f"{type(each[0]).__name__}.{each[1]}") for each in chain(*map(numeric, CONFIGS))],
)
def test_every_number_of_a_config_has_a_bound_that_is_told(config: Config, name: str, huge: Any) -> None:
    with pytest.raises(LaminaError, match=rf"here: .*{name}") as told:
        parse_config(config.to_json() | {name: huge}, type(config), "here")
    assert "\n" not in str(told.value)
    assert len(str(told.value)) < 300


KINDS = {"pretrain": PretrainConfig, "units": UnitsConfig, "corpus": SynthConfig, "study": StudyConfig}


@pytest.mark.parametrize("room", KINDS)
def test_every_config_that_comes_along_is_within_bounds(room: str) -> None:
    for path in (Path(__file__).resolve().parents[1] / "configs" / room).glob("*.toml"):
        assert load_config(path, KINDS[room])


@pytest.mark.parametrize(
    "change",
    [
        {"batch_size": 10**12},
        {"steps": 10**12},
        {"model": {"hidden_size": 10**9}},
        {"seed": 2**63},
        {"eps": 10**400},
        {"batch_size": 10**400},
        {"mask_length": 10**400},
    ],
)
def test_numbers_that_no_machine_can_make_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(LaminaError, match=r"here: .*(less than or equal to|too large|valid number)"):
        parse_config({"steps": 1} | change, PretrainConfig, "here")
    parse_config({"steps": 1, "seed": 2**62, "memory_bytes": 1 << 40}, PretrainConfig, "here")


def test_what_lamina_brings_is_found_from_any_folder_and_ones_own_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny = read_toml(Path("configs/pretrain/tiny.toml"))
    assert tiny["model"]
    (tmp_path / "mine.toml").write_text('extends = "configs/pretrain/tiny.toml"\nsteps = 3\n')
    assert read_toml(tmp_path / "mine.toml") == tiny | {"steps": 3}
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs" / "pretrain").mkdir(parents=True)
    (tmp_path / "configs" / "pretrain" / "tiny.toml").write_text("steps = 5\n")
    assert read_toml(Path("configs/pretrain/tiny.toml")) == {"steps": 5}
    for name in ("configs/none.toml", "tiny.toml", "pretrain/tiny.toml", f"configs/{'x' * 5000}.toml"):
        assert shipped(name) == Path(name)
