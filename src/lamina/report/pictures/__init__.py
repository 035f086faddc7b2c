"""One file a kind of picture, found by its being here: a module with a ``KIND`` is one."""

from __future__ import annotations

import importlib
import pkgutil

from lamina.report.chart import Kind


def kinds() -> list[Kind]:
    """All kinds of pictures, in the order of the page within each section."""
    modules = (importlib.import_module(f"{__name__}.{each.name}") for each in pkgutil.iter_modules(__path__))
    found = [module.KIND for module in modules if hasattr(module, "KIND")]
    return sorted(found, key=lambda kind: kind.place)
