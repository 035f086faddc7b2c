"""What a package's files define: so a new target or instrument is a file, and no list names it."""

from __future__ import annotations

import pkgutil
from importlib import import_module
from inspect import isabstract
from typing import TypeVar

T = TypeVar("T")


def classes(package: str, kind: type[T]) -> tuple[type[T], ...]:
    """The classes of a kind that the modules of a package define, in the order of the files' names."""
    found: dict[type[T], None] = {}
    for module in pkgutil.iter_modules(import_module(package).__path__, f"{package}."):
        for each in vars(import_module(module.name)).values():
            if isinstance(each, type) and issubclass(each, kind) and not isabstract(each):
                found[each] = None
    return tuple(each for each in found if each.__module__.startswith(package))
