"""Configs: only differences are listed, unknown keys are refused with a suggestion."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from lamina.config import Config, load_config, merge, parse_config, read_toml
from lamina.errors import LaminaError


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
