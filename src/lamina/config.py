"""Configs: TOML to frozen, validated values. A variant lists only its differences (`extends`).

An unknown key is an error with a suggestion; every config has a digest, which names run folders.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError, model_validator

from lamina.errors import LaminaError, first_line
from lamina.files import digest, read_text

if TYPE_CHECKING:
    _Model = BaseModel
else:  # a type checker cannot follow a metaclass that pydantic does not export

    class _Direct(type(BaseModel)):
        """Lets a config that is made of wrong values in Python fail as one that is read does."""

        def __call__(cls, *args: Any, **values: Any) -> Any:
            try:
                return super().__call__(*args, **values)
            except ValidationError as error:
                raise _told(error, cls, cls.__name__) from error

    class _Model(BaseModel, metaclass=_Direct):
        pass


MOST = 1_000_000  # of any number in a config that names no bound of its own
MOST_SEED = 2**63 - 1


class Config(_Model):
    """Base of all configs: frozen, every key known, no text converted to a number, no number without a bound."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        for name, field in type(self).model_fields.items():
            bounded = any(hasattr(bound, "le") or hasattr(bound, "lt") for bound in field.metadata)
            if bounded or "typing.Any" in repr(field.annotation):  # what may be anything becomes a config later
                continue
            most = MOST_SEED if name in {"seed", "seeds"} else MOST
            for number in _numbers(getattr(self, name)):
                if abs(number) > most:
                    raise ValueError(f"{name} = {str(number)[:20]} is too large: {most:,} is the most")
        return self

    def to_json(self) -> dict[str, Any]:
        """The config as plain JSON values, defaults included."""
        return self.model_dump(mode="json")

    @property
    def digest(self) -> str:
        """Twelve hex digits that change when any value changes."""
        return digest(self.to_json())


def _numbers(value: Any) -> Iterator[float]:
    """The numbers in a value, itself or what it holds."""
    if isinstance(value, int | float):
        yield value
    elif isinstance(value, tuple | dict):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _numbers(each)


C = TypeVar("C", bound=Config)
R = TypeVar("R")


def shipped(name: str | Path, folder: Path = Path()) -> Path:
    """The file ``name`` in ``folder``, or where there is none, the one of that name that Lamina brings.

    So ``configs/study/tiny.toml`` is found from any folder, installed or not, and a file of one's own wins.
    """
    here = Path(__file__).parent
    places = [folder / name]
    if Path(name).parts[:1] == ("configs",):
        places += [here / name, here.parents[1] / name]  # in an installed package; in a checkout
    return next((place for place in places if os.path.exists(place)), places[0])  # noqa: PTH110 - never raises


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file (see `shipped`) and what it, or a table in it, ``extends`` (a path relative to it).

    Its own keys win, tables merge. So a study's ``[pretrain]`` table can extend a pretraining config.

    Raises:
        LaminaError: a file is missing, is not TOML, or extends itself.
    """
    return _read(shipped(path), ())


def _read(path: Path, seen: tuple[Path, ...]) -> dict[str, Any]:
    path = path.resolve()
    if path in seen:
        raise LaminaError(f"{seen[-1]} extends {path.name}, which extends it in turn: remove one `extends`")
    remedy = f"check its path in {seen[-1]}, which extends it" if seen else "check the path"
    try:
        value = tomllib.loads(read_text(path, what="a config", remedy=remedy))
    except (ValueError, RecursionError) as error:
        raise LaminaError(f"{path} is not a TOML file: {first_line(error)}; {remedy}") from error
    return _resolve(value, path, (*seen, path))


def _resolve(table: dict[str, Any], path: Path, seen: tuple[Path, ...]) -> dict[str, Any]:
    """A table of the file at ``path`` with what it and the tables in it extend."""
    own: dict[str, Any] = {
        key: _resolve(value, path, seen) if isinstance(value, dict) else value for key, value in table.items()
    }
    base = own.pop("extends", None)
    return own if base is None else merge(_read(shipped(str(base), path.parent), seen), own)


def merge(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """``base`` with ``changes`` laid over it: tables merge key by key, anything else is replaced."""
    merged = dict(base)
    for key, value in changes.items():
        old = merged.get(key)
        merged[key] = merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def load_config(path: Path, kind: type[C]) -> C:
    """Read the config file at ``path`` (see `read_toml`) as a ``kind``.

    Raises:
        LaminaError: the file cannot be read, has an unknown key, or a value is not allowed.
    """
    return parse_config(read_toml(path), kind, str(path))


def parse_config(value: dict[str, Any], kind: type[C], where: str) -> C:
    """Validate plain values as a ``kind``; ``where`` says in errors where they came from."""
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        raise _told(error, kind, where) from error


def parse_record(value: Any, kind: type[R], where: str, remedy: str) -> R:
    """Plain values of a file as a ``kind``, a dataclass; ``where`` and ``remedy`` are for the error.

    Raises:
        LaminaError: a value is missing or of another type.
    """
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        raise LaminaError(f"{_told(error, kind, where)}; {remedy}") from error


def _told(error: ValidationError, kind: type, where: str) -> LaminaError:
    """The first fault of a config, in one line."""
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        key = str(first["loc"][-1])
        guess = difflib.get_close_matches(key, _known_keys(kind, first["loc"][:-1]), n=1)
        hint = f"; did you mean {guess[0]!r}?" if guess else ""
        return LaminaError(f"{where}: unknown key {place!r}{hint}")
    if not place:  # of several values together
        return LaminaError(f"{where}: {first['msg'].removeprefix('Value error, ')}")
    return LaminaError(f"{where}: {place}: {first['msg']} (got {repr(first['input'])[:100]})")


def _known_keys(kind: type, place: tuple[int | str, ...]) -> list[str]:
    """The keys that the table at ``place`` may have; those of all nested tables where it cannot be told."""
    nested: list[str] = list(getattr(kind, "model_fields", ()))
    for part in place:
        field = getattr(kind, "model_fields", {}).get(str(part))
        if field is None or not (isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)):
            continue
        kind = field.annotation
        nested = list(kind.model_fields)
    return nested
