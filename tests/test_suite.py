"""The suite can fail: every test checks something, in a place of its own, and nobody else's files matter."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from suite_help import ROOT, touched
from unrun import unrun

TESTS = ROOT / "tests"
CHECKS = {"raises", "warns", "fail", "assert_close", "assert_allclose", "assert_array_equal"}
Function = ast.FunctionDef | ast.AsyncFunctionDef


def called(node: ast.AST) -> set[str]:
    """The last part of the name of everything that is called inside."""
    names = (call.func for call in ast.walk(node) if isinstance(call, ast.Call))
    return {name.attr if isinstance(name, ast.Attribute) else getattr(name, "id", "") for name in names}


def functions(tree: ast.AST) -> list[Function]:
    return [node for node in ast.walk(tree) if isinstance(node, Function)]


def checking(trees: list[ast.Module]) -> set[str]:
    """The names of the functions that check something, by themselves or through another."""
    found = set(CHECKS)
    every = [function for tree in trees for function in functions(tree)]
    while more := {
        function.name
        for function in every
        if function.name not in found
        and (called(function) & found or any(isinstance(node, ast.Assert) for node in ast.walk(function)))
    }:
        found |= more
    return found


def faults(tree: ast.Module, checks: set[str]) -> Iterator[tuple[int, str]]:
    """What keeps tests of a file from failing: line and fault."""
    for function in functions(tree):
        if function.name.startswith("test_") and function.name not in checks:
            yield function.lineno, f"{function.name} checks nothing"
        if function.name.startswith("test_") and "suppress" in called(function):
            yield function.lineno, f"{function.name} suppresses an error: say what is expected instead"
    for node in ast.walk(tree):
        if isinstance(node, ast.Assert):
            yield from ((node.lineno, f"`{ast.unparse(node.test)}` holds always") for _ in always(node.test))
        if isinstance(node, ast.With):
            for item in node.items:
                call = item.context_expr
                if not isinstance(call, ast.Call) or called(call) & {"raises"} == set():
                    continue
                kinds = {name.id for name in ast.walk(call.args[0]) if isinstance(name, ast.Name)}
                told = item.optional_vars or any(word.arg == "match" for word in call.keywords)
                if kinds & {"Exception", "BaseException"}:
                    yield node.lineno, "any error at all passes: name the one that is meant"
                elif "LaminaError" in kinds and not told:  # ruff's PT011 sees to Python's own
                    yield node.lineno, "any error of its kind passes: give `match`, or look at what it says"


def always(test: ast.expr) -> Iterator[ast.expr]:
    """The parts of an assertion that make it hold whatever the code does."""
    if isinstance(test, (ast.Constant, ast.Tuple, ast.GeneratorExp, ast.JoinedStr, ast.Lambda)):
        yield test
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.Or):
        yield from (part for value in test.values for part in always(value))
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
        yield from (part for value in test.values for part in always(value))
    if isinstance(test, ast.IfExp):
        yield from (*always(test.body), *always(test.orelse))
    if isinstance(test, ast.Compare) and not any(isinstance(node, ast.Call) for node in ast.walk(test)):
        sides = [ast.dump(side) for side in (test.left, *test.comparators)]
        yield from (test for one, other in pairwise(sides) if one == other)


TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(TESTS.rglob("*.py"))}


def test_every_test_can_fail() -> None:
    checks = checking(list(TREES.values()))
    found = [
        f"{path.relative_to(TESTS)}:{line}: {told}"
        for path, tree in TREES.items()
        for line, told in faults(tree, checks)
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ("run()", "checks nothing"),
        ("with suppress(KeyError):\n  run()\n assert run()", "suppresses"),
        ("with pytest.raises(Exception, match='x'):\n  run()", "any error at all"),
        ("with pytest.raises(LaminaError):\n  run()", "of its kind"),
        ("with pytest.raises((KeyError, LaminaError)):\n  run()", "of its kind"),
        ("assert run() or True", "holds always"),
        ("assert run() if ready else True", "holds always"),
        ("assert (run(), 'told')", "holds always"),
        ("assert (one == run() for one in all)", "holds always"),
        ("assert found == found", "holds always"),
        ("assert run()", ""),
        ("with pytest.raises(LaminaError, match='x'):\n  run()", ""),
        ("with pytest.raises(LaminaError) as error:\n  run()\n assert error", ""),
        ("assert draw(1) == draw(1)", ""),
        ("helper()\ndef helper():\n assert run()", ""),
    ],
)
def test_the_audit_finds_what_cannot_fail(body: str, fault: str) -> None:
    tree = ast.parse(f"def test_x():\n {body}")
    told = [what for _, what in faults(tree, checking([tree]))]
    assert len(told) == bool(fault), told
    assert fault in "".join(told)


def test_what_touches_the_checkout_is_told_from_what_does_not() -> None:
    writing, reading = os.O_WRONLY | os.O_CREAT, os.O_RDONLY
    for event, args in (
        ("open", (str(ROOT / "new.txt"), "w", writing)),
        ("open", (str(ROOT / "src" / "lamina" / "grid.py"), "w", writing)),
        ("open", (str(ROOT / "runs" / "tiny" / "study.json"), "r", reading)),
        ("os.scandir", (ROOT / "runs",)),
        ("os.mkdir", (b"%s/x" % os.fsencode(ROOT), 511, -1)),
        ("os.rename", ("elsewhere", str(ROOT / "x"), -1, -1)),
        ("shutil.copyfile", ("elsewhere", str(ROOT / "x"))),
    ):
        assert str(ROOT) in touched(event, args) or b"x" in os.fsencode(touched(event, args)), (event, args)
    for event, args in (
        ("open", (str(ROOT / "README.md"), "r", reading)),
        ("open", (str(ROOT / ".coverage.host"), "w", writing)),
        ("open", (str(ROOT / "src" / "lamina" / "__pycache__" / "grid.pyc"), "w", writing)),
        ("open", ("below.txt", "w", writing)),
        ("open", (3, "w", writing)),
        ("os.listdir", (None,)),
        ("shutil.copyfile", (str(ROOT / "README.md"), "elsewhere")),
    ):
        assert not touched(event, args), (event, args)


BAD = """
import os, shutil
from pathlib import Path
import pytest
ROOT = Path(__file__).parents[1]
@pytest.fixture(scope="module")
def made():
    (ROOT / "made").write_text("")
def test_fixture_writes_into_the_checkout(made): assert True
def test_writes_into_the_working_folder(): Path("left").mkdir()
def test_stays_elsewhere(tmp_path): os.chdir(tmp_path)
def test_reads_runs(): list((ROOT / "runs").iterdir())
def test_nothing(): assert all(each for each in ())
def test_is_in_order(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert all(each for each in "x")
    kept = [each for each in "x" if all(())]  # no assertion
    assert kept
    Path("x").write_text((ROOT / "tests" / "conftest.py").read_text())
"""


def test_a_test_that_touches_the_checkout_fails(tmp_path: Path) -> None:
    (tmp_path / "checkout" / "tests").mkdir(parents=True)
    (tmp_path / "checkout" / "runs").mkdir()
    for name in ("conftest.py", "suite_help.py"):
        shutil.copy(TESTS / name, tmp_path / "checkout" / "tests")
    (tmp_path / "checkout" / "tests" / "test_bad.py").write_text(BAD)
    told = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-rfE", "-p", "no:cacheprovider", "--basetemp", tmp_path / "base"],
        cwd=tmp_path / "checkout", capture_output=True, text=True, check=False,
    )  # fmt: skip
    failed = sorted(
        line.split("::")[1].split()[0] for line in told.stdout.splitlines() if line.startswith("ERROR")
    )
    assert failed == [
        "test_fixture_writes_into_the_checkout",
        "test_reads_runs",
        "test_stays_elsewhere",
        "test_writes_into_the_working_folder",
    ], told.stdout
    assert "FAILED tests/test_bad.py::test_nothing - AssertionError: all() of nothing" in told.stdout
    assert "1 failed, 5 passed, 4 errors" in told.stdout


def test_the_working_folder_is_empty_and_elsewhere() -> None:
    assert ROOT not in (Path.cwd(), *Path.cwd().parents)
    assert not list(Path.cwd().iterdir())


def test_assertions_that_no_run_reached_are_told() -> None:
    source = """
def test_a():
    for found in nothing():
        assert found
    assert (
        True
    )
    with pytest.raises(KeyError):
        run()
def test_skipped():
    tool = pytest.importorskip("tool")
    assert tool
def test_skipped_as_a_whole(shared):
    assert shared
def test_on_no_gpu():
    if gpu():
        pytest.skip("a GPU")
    assert run()
"""
    assert unrun(source, {3, 6, 9, 11, 16, 17}) == [4, 8]
    assert unrun(source, {3, 4, 6, 8, 9, 11, 16}) == [18]
