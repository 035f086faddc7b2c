"""What is installed: imports are declared, what is declared is needed, the wheel holds all of it."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

import pytest
from packaging.version import Version

from lowest import PINNED, PROJECT, ROOT, bounds

DISTRIBUTIONS = {"sklearn": "scikit-learn", "pyannote": "pyannote.metrics"}  # where the import's name is another
EXTRAS = PROJECT["optional-dependencies"]
USERS = [extra for extra in EXTRAS if extra not in {"test", "dev"}]


def imported(*folders: str) -> set[str]:
    """The distributions that the files of these folders import anywhere, functions included."""
    files = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    own = {"lamina", *(path.stem for path in files if not path.is_relative_to(ROOT / "src"))}
    found = {
        name
        for path in files
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for name in names(node)
    }
    return {DISTRIBUTIONS.get(name, name.replace("_", "-")) for name in found - own - sys.stdlib_module_names}


def names(node: ast.AST) -> Iterable[str]:
    if isinstance(node, ast.ImportFrom) and node.module:
        return {node.module.partition(".")[0]}
    return {alias.name.partition(".")[0] for alias in node.names} if isinstance(node, ast.Import) else ()


def test_what_is_imported_is_declared() -> None:
    assert imported("src") >= {"torch", "numpy", "typer", "pandas"}
    assert imported("src") - set(bounds(*USERS)) == set()
    assert imported("tests", "benchmarks") - set(bounds(*EXTRAS)) == {"packaging", "coverage", "s3prl"}, (
        "pytest and pytest-cov bring the first two; benchmarks run without s3prl"
    )


def test_what_is_declared_is_imported_or_says_why() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    silent = set(bounds(*USERS)) - imported("src")
    assert silent == {name for name in silent if re.search(rf'"{name}>=[\d.]+".*# \w+', text)}


def test_every_bound_is_a_lower_one_and_a_tested_version_is_pinned() -> None:
    wanted = [*PROJECT["dependencies"], *(want for extra in EXTRAS for want in EXTRAS[extra])]
    assert len(bounds(*EXTRAS)) == len([want for want in wanted if not want.startswith("lamina[")])
    assert set(PINNED) == set(bounds(*EXTRAS))
    for name, lowest in bounds(*EXTRAS).items():
        assert Version(lowest) <= Version(PINNED[name]), name


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a wheel and a source distribution."""
    folder = tmp_path_factory.mktemp("built")
    command = [sys.executable, "-m", "hatchling", "build", "--directory", folder]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def kept(folder: str) -> set[str]:
    files = (path for path in (ROOT / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(ROOT).as_posix() for path in files}


def test_the_wheel_holds_the_package_the_page_and_the_configs(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    inside = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    expected = {path.removeprefix("src/") for path in kept("src/lamina")} | {
        f"lamina/{path}" for path in kept("configs")
    }
    assert inside == expected
    assert inside >= {
        "lamina/report/page.js",
        "lamina/report/page.css",
        "lamina/py.typed",
        "lamina/configs/study/tiny.toml",
    }


def test_the_source_distribution_holds_what_a_build_and_the_tests_need(built: Path) -> None:
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        inside = {name.partition("/")[2] for name in opened.getnames()}
    assert inside >= kept("src/lamina") | kept("configs") | kept("tests") | {
        "README.md",
        "LICENSE",
        "constraints.txt",
    }
    assert not [name for name in inside if name.startswith(("runs/", ".venv", "dist/"))]


def test_the_wheel_works_where_there_is_no_checkout(built: Path, tmp_path: Path) -> None:
    (wheel,) = built.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")

    def lamina(*words: str) -> str:
        code = f"import lamina; assert {str(tmp_path)!r} in lamina.__file__; from lamina.cli import main; main()"
        done = subprocess.run(
            [sys.executable, "-c", code, *words], cwd=tmp_path, capture_output=True, text=True, check=False,
            env=os.environ | {"PYTHONPATH": str(tmp_path / "site")},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert lamina("--version") == f"lamina {PROJECT['version']}\n"
    told = lamina("study", "plan", "configs/study/tiny.toml", "--no-measure")
    assert told.count("to do") > 20
    assert "missing" not in told
