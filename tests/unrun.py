"""Assertions that no run has reached, told from .coverage: python tests/unrun.py, after `make unit`.

A loop over nothing and a condition that never holds check nothing. Tests that were skipped do not count.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

from coverage import CoverageData

TESTS = Path(__file__).resolve().parent


def unrun(source: str, lines: set[int]) -> list[int]:
    """The lines of assertions in ``source`` that are not among the ``lines`` that ran, though their test did."""
    found = []
    for function in ast.walk(ast.parse(source)):
        if not isinstance(function, ast.FunctionDef) or not any(_ran(part, lines) for part in function.body):
            continue
        checks = [
            node for node in ast.walk(function) if isinstance(node, ast.Assert) or _with(node, "pytest.raises")
        ]
        never = [node.lineno for node in checks if not _ran(node, lines)]
        if not _skipped(function, lines, len(never) == len(checks)):
            found += never
    return sorted(set(found))


def _ran(node: ast.AST, lines: set[int]) -> bool:
    """Whether any line of a statement ran; of a block, any of its head."""
    body = getattr(node, "body", None)
    return not lines.isdisjoint(range(node.lineno, body[0].lineno if body else node.end_lineno + 1))


def _with(node: ast.AST, what: str) -> bool:
    return isinstance(node, ast.With) and any(what in ast.unparse(item) for item in node.items)


def _skipped(function: ast.FunctionDef, lines: set[int], whole: bool) -> bool:
    skips = [node for node in function.body if "skip(" in ast.unparse(node)]
    return any(
        _ran(call, lines) and (whole or "importorskip(" not in ast.unparse(call))
        for skip in skips
        for call in ast.walk(skip)
        if isinstance(call, ast.Call) and "skip(" in ast.unparse(call)
    )


def main() -> None:
    data = CoverageData()
    data.read()
    found = [
        f"{path}:{line}: this assertion never ran"
        for path in sorted(data.measured_files())
        if Path(path).is_relative_to(TESTS) and Path(path).name.startswith("test_")
        for line in unrun(Path(path).read_text(encoding="utf-8"), set(data.lines(path) or []))
    ]
    print("\n".join(found), end="\n" if found else "")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
