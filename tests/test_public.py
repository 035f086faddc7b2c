"""Every public name has a docstring and stands in the docs."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

import lamina

ROOT = Path(__file__).resolve().parents[1]
DOCS = "\n".join(
    path.read_text(encoding="utf-8") for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
)


@pytest.mark.parametrize("name", sorted(lamina.__all__))
def test_a_public_name_is_documented(name: str) -> None:
    told = inspect.getdoc(getattr(lamina, name)) or ""
    assert len(told.split()) > 3, f"{name} has no docstring"
    assert name in DOCS, f"{name} stands nowhere in README.md and docs/"
