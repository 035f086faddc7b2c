"""transformers' Auto classes know MR-HuBERT as soon as they are imported, while `import lamina` stays instant.

Importing transformers' models takes seconds, so `import lamina` must not do it; yet
``AutoModel.from_pretrained(folder)`` has to work after it. A finder on ``sys.meta_path`` therefore waits for
transformers' two Auto modules and registers our classes right after their import.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType


def _register_config() -> None:
    from transformers.models.auto.configuration_auto import AutoConfig

    from lamina.encoders.mrhubert.config import MRHubertConfig

    AutoConfig.register(MRHubertConfig.model_type, MRHubertConfig, exist_ok=True)


def _register_models() -> None:
    from lamina.encoders.mrhubert import register

    register()


AFTER: dict[str, Callable[[], None]] = {
    "transformers.models.auto.configuration_auto": _register_config,
    "transformers.models.auto.modeling_auto": _register_models,
}


def register_when_imported() -> None:
    """Register MR-HuBERT with the Auto classes: now where they are imported already, else when they are."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
    for name, register in AFTER.items():
        if name in sys.modules:
            register()


class _Finder(MetaPathFinder):
    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in AFTER:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader, AFTER[name])
        return spec


class _Loader(Loader):
    """The module's own loader, and a call once the module is whole."""

    def __init__(self, loader: Loader, then: Callable[[], None]) -> None:
        self._loader, self._then = loader, then

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        self._then()

    def __getattr__(self, name: str) -> object:
        return getattr(self._loader, name)  # get_source and the like, for tools that ask
