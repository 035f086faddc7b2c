"""Fixtures that all tests share."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference fixtures and real speech beside the checkout; the test skips where it is absent."""
    folder = Path(__file__).resolve().parents[2] / "shared"
    if not folder.is_dir():
        pytest.skip(f"reference data is absent: no folder {folder}")
    return folder


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    """Two torch threads on two busy cores are slower than one."""
    import torch

    torch.set_num_threads(1)
