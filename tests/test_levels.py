"""Imports point one way: a room imports only rooms below it, siblings never import each other."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.measures import TABLE

SOURCE = Path(__file__).resolve().parents[1] / "src" / "lamina"
LEVELS = {
    "errors": 0, "files": 0, "grid": 0, "lock": 0, "markup": 0, "partials": 0,
    "config": 1, "device": 1, "effect": 1, "frames": 1, "measures": 1, "records": 1, "runs": 1, "score": 1,
    "stats": 2, "terminal": 2,
    "corpus": 3, "encoders": 3,
    "pretrain": 4, "analysis": 4, "probe": 4, "cost": 4, "report": 4,
    "study": 5,
    "cli": 6,
}  # fmt: skip


def imports(path: Path) -> set[str]:
    """The modules of Lamina that a file imports anywhere, functions included."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            if node.module == "lamina":
                found |= {f"lamina.{alias.name}" for alias in node.names}
            elif node.module:
                found.add(node.module)
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {name for name in found if name.split(".")[0] == "lamina"}


def rooms() -> dict[Path, str]:
    return {path: path.relative_to(SOURCE).parts[0].removesuffix(".py") for path in SOURCE.rglob("*.py")}


def test_every_room_has_a_level() -> None:
    assert set(rooms().values()) - {"__init__", "__main__"} == set(LEVELS)


@pytest.mark.parametrize("path", sorted(set(rooms())), ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_point_down(path: Path) -> None:
    room = rooms()[path]
    for name in imports(path):
        parts = name.split(".")
        if room in {"__init__", "__main__"} or len(parts) < 2 or parts[1] == room:
            continue
        below = LEVELS[parts[1]] < LEVELS[room]
        assert below or LEVELS[parts[1]] == LEVELS[room] <= 1, f"{room} must not import {name}"


@pytest.mark.parametrize(
    "module",
    ["lamina", "lamina.cli", "lamina.grid", "lamina.score", "lamina.report.page", "lamina.study.conclude"],
)
def test_light_modules_import_no_torch(module: str) -> None:
    code = f"import sys, {module}; print([m for m in ('torch', 'transformers', 'lhotse') if m in sys.modules])"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"


def test_files_can_be_read_in_one_sitting() -> None:
    long = {path.name: n for path in rooms() if (n := len(path.read_text(encoding="utf-8").splitlines())) > 350}
    assert not long


def test_no_two_classes_share_a_name() -> None:
    found: dict[str, list[str]] = {}
    for path in rooms():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found.setdefault(node.name, []).append(str(path.relative_to(SOURCE)))
    assert {name: where for name, where in found.items() if len(where) > 1} == {}


# Who may write a measure's name: the table, and what makes its numbers.
MAKERS = (
    "measures.py", "analysis/instruments/", "analysis/published/", "probe/tasks/",
    *(f"probe/{name}.py" for name in ("classes", "verify", "diarize", "recipes")),
    "probe/superb.py",  # the leaderboard's table
)  # fmt: skip
# Where such a word is no measure: a table's heading, or a task that is called as its measure is.
HOMONYMS = {("cli/encoders.py", "parameters"), ("cli/probe.py", "map")}


def literals(path: Path) -> Iterator[tuple[int, str]]:
    """Lines and texts that a file writes down, its docstrings left out."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    said = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in said:
            yield node.lineno, node.value


def test_a_measures_name_stands_in_the_table_and_where_it_is_made() -> None:
    names = {each.name for each in TABLE}
    found = []
    for path in rooms():
        place = str(path.relative_to(SOURCE))
        if not place.startswith(MAKERS):
            told = ((line, text) for line, text in literals(path) if (place, text) not in HOMONYMS)
            found += [f"{place}:{line}: {text}" for line, text in told if text in names]
    assert found == []


def test_homonyms_are_still_there() -> None:
    """So that no exception outlives its reason."""
    for place, text in HOMONYMS:
        assert text in {each for _, each in literals(SOURCE / place)}


@pytest.mark.parametrize("room", sorted(path.parent.name for path in SOURCE.glob("*/__init__.py")))
def test_a_rooms_docstring_is_its_map(room: str) -> None:
    folder = SOURCE / room
    docstring = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))) or ""
    named = {line.split()[0] for line in docstring.splitlines()[2:] if line.strip()}
    modules = {path.stem for path in folder.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()}
    assert named == modules - {"__init__"}
