"""What holds for every test: where it runs, what it may touch, what it shares."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
import torch

from suite_help import ROOT, all_of_some, leaves_nothing, watch


def pytest_configure() -> None:
    """Before anything of Lamina is imported."""
    watch()
    # The same cases in each run, so that a change alone makes a test fail; `make fuzz` draws new ones.
    hypothesis.settings.register_profile("same", derandomize=True, deadline=None)
    if "LAMINA_FUZZ" not in os.environ:
        hypothesis.settings.load_profile("same")
    if (
        signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    ):  # as in a shell's background: what tests start would, too
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of reference data have the mark ``shared``: `pytest -m shared` runs those alone; ``gpu`` needs one."""
    for item in items:
        if "shared" in getattr(item, "fixturenames", ()):
            item.add_marker("shared")
        if item.get_closest_marker("gpu") and not torch.cuda.is_available():
            item.add_marker(pytest.mark.skip(reason="there is no GPU here"))


@pytest.fixture(autouse=True, scope="session")
def nowhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The working folder of all tests and fixtures: an empty one, so that none leans on the checkout's."""
    folder, before = tmp_path_factory.mktemp("nowhere"), Path.cwd()
    os.chdir(folder)
    yield folder
    os.chdir(before)


@pytest.fixture(autouse=True)
def _leaves_nothing(nowhere: Path) -> Iterator[None]:
    with leaves_nothing(nowhere):
        yield


@pytest.fixture(autouse=True, scope="module")
def _all_of_some(request: pytest.FixtureRequest) -> None:
    request.module.all = all_of_some(request.module)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference fixtures and real speech beside the checkout; the test skips where it is absent."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip(f"the reference data beside the checkout is absent: there is no folder {folder}")
    return folder


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    """Two torch threads on two busy cores are slower than one."""
    import torch

    torch.set_num_threads(1)
