"""Statistics, and how they are kept: sums that merge by ``+``, as named arrays in one ``.npz`` with a version.

format                    the version of the layout
<name>::<kind>::<field>   one array a field of a statistic; ``<kind>`` is the name of its class

Imports no torch before a statistic is read.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Self, get_type_hints

import numpy as np
from numpy.typing import NDArray

from lamina.stats.arrays import Arrays

if TYPE_CHECKING:
    import torch

_KINDS: dict[str, type[Statistic]] = {}


class Statistic(ABC):
    """Sums of disjoint rows: a dataclass of tensors, whole numbers, tuples of them, and other statistics."""

    __slots__ = ()

    def __init_subclass__(cls) -> None:
        _KINDS[cls.__name__] = cls  # a dataclass with slots is made twice; the later one stays

    @abstractmethod
    def __add__(self, other: Self) -> Self:
        """The sums of both sets of rows together."""

    def on(self, device: torch.device | str) -> bool:
        """Whether its tensors are on a device."""
        own = [getattr(self, name) for name in _names(type(self))]
        return all(
            each.on(device) if isinstance(each, Statistic) else each.device == device
            for each in own
            if isinstance(each, Statistic) or hasattr(each, "device")
        )

    def to(self, device: torch.device | str) -> Self:
        """The same sums on a device."""
        held = ((name, getattr(self, name)) for name in _names(type(self)))
        return type(self)(**{name: value.to(device) if hasattr(value, "to") else value for name, value in held})

    def to_arrays(self) -> Arrays:
        """Named arrays."""
        arrays: Arrays = {}
        for name in _names(type(self)):
            value = getattr(self, name)
            if isinstance(value, Statistic):
                arrays |= {f"{name}.{key}": array for key, array in value.to_arrays().items()}
            else:
                arrays[name] = value.cpu().numpy() if hasattr(value, "cpu") else np.asarray(value)
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> Self:
        """The sums that `to_arrays` described."""
        import torch

        hints = get_type_hints(cls)
        values: list[Any] = []
        for name in _names(cls):
            hint = hints[name]
            if isinstance(hint, type) and issubclass(hint, Statistic):
                inside = {key.removeprefix(f"{name}."): each for key, each in arrays.items() if "." in key}
                values.append(hint.from_arrays(inside))
            elif hint is torch.Tensor:
                values.append(torch.from_numpy(np.array(arrays[name])))
            else:
                values.append(int(arrays[name]) if hint is int else tuple(arrays[name].tolist()))
        return cls(*values)


def _names(kind: type[Statistic]) -> list[str]:
    return [field.name for field in fields(kind)]  # type: ignore[arg-type]  # every statistic is a dataclass


def pack(held: Mapping[str, Statistic]) -> Arrays:
    """The arrays of named statistics."""
    return {
        f"{name}::{type(each).__name__}::{field}": array
        for name, each in held.items()
        for field, array in each.to_arrays().items()
    }


def unpack(arrays: Arrays) -> dict[str, Statistic]:
    """The named statistics that `pack` described."""
    found: dict[tuple[str, str], Arrays] = {}
    for key, array in arrays.items():
        name, kind, field = key.split("::")
        found.setdefault((name, kind), {})[field] = array
    return {name: _KINDS[kind].from_arrays(held) for (name, kind), held in found.items()}
