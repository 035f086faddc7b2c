"""Rows of a dataclass as lines of JSON: written by one function, checked field by field as they are read."""

from __future__ import annotations

import re
import types
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, fields
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from lamina.errors import LaminaError
from lamina.files import csv_text, json_line, read_json_lines
from lamina.runs import check_file

Row = TypeVar("Row")
_HALVES = re.compile("[\ud800-\udfff]")  # JSON can hold halves of characters, files of UTF-8 cannot
WHOLE, HUGE = 2**63, 1e300  # no count and no quantity is as large; sums and differences stay finite below


def plain(row: Any) -> dict[str, Any]:
    """The fields of a row by name; ``asdict`` would copy each value, ten times as slowly."""
    return {name: getattr(row, name) for name in _names(type(row))}


def _names(kind: Any) -> tuple[str, ...]:
    return tuple(kind.__dataclass_fields__)


def to_jsonl(rows: Iterable[Any], *, version: int) -> str:
    """One JSON object a line: the fields of each row and ``format``, the version of the layout."""
    return "".join(json_line(plain(row) | {"format": version}) for row in rows)


def to_csv(rows: Iterable[Any], columns: Sequence[str]) -> str:
    """Comma-separated values with a header line; what a spreadsheet would take for a formula is quoted."""
    return csv_text(columns, (plain(row) for row in rows))


def read_rows(path: Path, kind: type[Row], *, version: int, what: str, remedy: str) -> list[Row]:
    """Read what `to_jsonl` wrote.

    Args:
        path: the file.
        kind: the dataclass of its rows; fields are ``str``, ``int``, ``float``, ``bool``, one of these or None, or
            a ``Literal`` of texts.
        version: of the layout.
        what: a row holds, in words, for errors.
        remedy: what a reader of an error should do.

    Raises:
        LaminaError: the file cannot be read, or a line is no such row: another version, a column too many or too
            few, a value of another type, a number that is not finite, a key twice; or the file is not as the run
            or the study that made it left it.
    """
    check_file(path)
    made = []
    for where, value in read_json_lines(path, what=what, remedy=remedy):
        found = value.pop("format", None)
        if found != version or isinstance(found, bool):
            raise LaminaError(f"{where} has format {found!r:.20}, this Lamina reads format {version}: {remedy}")
        made.append(as_row(value, kind, where, what=what, remedy=remedy))
    return made


def as_row(value: Mapping[str, Any], kind: type[Row], where: str, *, what: str, remedy: str) -> Row:
    """The row that an object of JSON is; see `read_rows`.

    Raises:
        LaminaError: it is no such row.
    """
    hints, needed = _layout(kind)  # type: ignore[arg-type]  # a class is hashable
    if strange := sorted(set(value) - set(hints)):
        raise LaminaError(f"{where} has a column {strange[0]!r} that a {what} has not: {remedy}")
    if missing := sorted(needed - set(value)):
        raise LaminaError(f"{where} lacks the column {missing[0]!r}: {remedy}")
    for name, one in value.items():
        if not _is(one, hints[name]):
            raise LaminaError(f"{where}: {name} is {one!r:.60}, which is {_said(hints[name])}: {remedy}")
    return kind(**{name: _as(one, hints[name]) for name, one in value.items()})


@cache
def _layout(kind: type) -> tuple[dict[str, Any], frozenset[str]]:
    """The types of a row's columns, and which of them it must have."""
    return get_type_hints(kind), frozenset(field.name for field in fields(kind) if field.default is MISSING)


def _kinds(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) is types.UnionType else (hint,)


def _is(value: Any, hint: Any) -> bool:
    kinds = _kinds(hint)
    if get_origin(hint) is Literal:
        return isinstance(value, str) and value in get_args(hint)
    if isinstance(value, str):
        return str in kinds and (value.isascii() or not _HALVES.search(value))
    if value is None or isinstance(value, bool):
        return type(value) in kinds
    if isinstance(value, int) and int in kinds:
        return abs(value) < WHOLE
    return isinstance(value, (int, float)) and float in kinds and abs(value) < HUGE


def _as(value: Any, hint: Any) -> Any:
    """The value; a whole number in a column of floats as a float."""
    whole = isinstance(value, int) and not isinstance(value, bool) and int not in _kinds(hint)
    return float(value) if whole else value


def _said(hint: Any) -> str:
    if get_origin(hint) is Literal:
        return f"none of {', '.join(get_args(hint))}"
    names = {
        str: "text",
        int: "whole number",
        float: "finite number",
        bool: "yes or no",
        types.NoneType: "nothing",
    }
    return f"no {' or '.join(names[kind] for kind in _kinds(hint))}"
