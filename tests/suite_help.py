"""What a test may not touch, and watching that it does not."""

from __future__ import annotations

import ast
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
CACHES = ("__pycache__", ".pytest_cache", ".hypothesis", ".coverage", ".venv")
OUTPUTS = ("runs", ".demo", ".test", "dist")  # what a user makes in a checkout: no test looks at it
CHANGES = {
    "os.mkdir", "os.remove", "os.rmdir", "os.rename", "os.link", "os.symlink", "os.truncate", "os.utime",
    "os.chmod", "shutil.copyfile", "shutil.copytree", "shutil.move", "shutil.rmtree",
}  # fmt: skip
TOUCHED: list[str] = []


def touched(event: str, args: tuple[Any, ...]) -> str:
    """What a call does to the checkout that a test must not do, in words; nothing where it is in order.

    Events and their arguments are Python's audit events (docs.python.org/3/library/audit_events.html).
    """
    if event == "open":
        writes = bool((args[2] or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC))
        paths = args[:1]
    elif event in {"os.listdir", "os.scandir"}:
        writes, paths = False, args[:1]
    elif event in CHANGES:
        writes, paths = True, args[1:2] if event.startswith("shutil.copy") else args[:2]
    else:
        return ""
    for path in paths:
        if not isinstance(path, (str, bytes, os.PathLike)):
            continue
        whole = Path(os.path.abspath(os.fsdecode(path)))  # noqa: PTH100 - resolving would open links
        inside = whole.relative_to(ROOT).parts if whole.is_relative_to(ROOT) else ()
        wrong = bool(inside) and (writes or inside[0] in OUTPUTS)
        if wrong and not any(part.startswith(CACHES) for part in inside):
            return f"{event} {'changes' if writes else 'reads'} {whole}"
    return ""


def _watch(event: str, args: tuple[Any, ...]) -> None:
    if (event == "open" or event.startswith(("os.", "shutil."))) and (what := touched(event, args)):
        TOUCHED.append(what)


def watch() -> None:
    """Watch what this process opens and changes from now on; Python has no way to end that."""
    sys.addaudithook(_watch)


def all_of_some(module: ModuleType) -> Callable[[Iterable[object]], bool]:
    """`all` for a test module: where an assertion rests on it, no element at all is a failure, not a success."""
    tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
    checks = {
        line
        for node in ast.walk(tree)
        if isinstance(node, ast.Assert)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }

    def found(values: Iterable[object]) -> bool:
        some = False
        for value in values:
            some = True
            if not value:
                return False
        caller = sys._getframe(1)
        if not some and caller.f_lineno in checks and caller.f_code.co_filename == module.__file__:
            raise AssertionError("all() of nothing holds always: what was to be checked is not there")
        return True

    return found


@contextmanager
def leaves_nothing(folder: Path) -> Iterator[None]:
    """What runs inside leaves nothing in ``folder`` (the working one) or the checkout, and stays put."""
    yield
    seen, left, here = TOUCHED[:5], sorted(path.name for path in folder.iterdir()), Path.cwd()
    os.chdir(folder)
    for name in left:  # so that the next test is not blamed
        shutil.rmtree(folder / name) if (folder / name).is_dir() else (folder / name).unlink()
    TOUCHED.clear()
    assert here == folder, "the test changed the working folder: use monkeypatch.chdir"
    assert not left, f"the test left {left} in the working folder: give it tmp_path"
    assert not seen, f"the test touched the checkout: {seen}"
