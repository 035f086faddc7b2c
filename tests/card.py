"""A card made of the CPU: tensors that say they are on a GPU, refuse to mix with the CPU's, and count waits.

An operator runs on the CPU, after the check that a real card would make. What would make the host wait for a card
(a value read off it, a copy to the CPU, a shape that depends on values) is counted by its name.
"""

from __future__ import annotations

from collections import Counter

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

aten = torch.ops.aten
CARD = torch.device("privateuseone:0")
# Indices and scalars may be on the CPU, copies are what crosses over.
CROSSES = {"_to_copy", "to", "copy_", "index", "index_put_", "index_put", "_index_put_impl_"}
WAITS = {
    "_local_scalar_dense",
    "nonzero",
    "masked_select",
    "_unique2",
    "unique_dim",
    "bincount",
    "equal",
    "is_nonzero",
}


# Here, where test files are collected: before a backward pass starts its threads, one a device.
if torch._C._get_privateuse1_backend_name() == "privateuseone":
    _setup_privateuseone_for_python_backend("card")
    torch.card.get_rng_state, torch.card.set_rng_state = lambda _=None: None, lambda *_: None
    torch.card.get_amp_supported_dtype = lambda: [torch.bfloat16, torch.float16]


class OnCard(torch.Tensor):
    """A tensor that says it is on a card."""

    @staticmethod
    def __new__(cls, inner):
        made = torch.Tensor._make_wrapper_subclass(
            cls, inner.shape, strides=inner.stride(), dtype=inner.dtype, device=CARD, requires_grad=False
        )
        made.inner = inner
        return made

    def __repr__(self):
        return f"OnCard({self.inner})"

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return run(func, args, kwargs or {}, Counter())


class Card(TorchDispatchMode):
    """While active, `CARD` is there.

    Attributes:
        waits: how often the host waited for it, by operator.
    """

    def __init__(self):
        super().__init__()
        self.waits = Counter()

    def __enter__(self):
        self._tensor = torch.tensor
        torch.tensor = lambda data, *, device=None, **more: self._tensor(data, **more).to(device or "cpu")
        return super().__enter__()

    def __exit__(self, *error):
        torch.tensor = self._tensor  # it asks no mode where it builds
        return super().__exit__(*error)

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return run(func, args, kwargs or {}, self.waits)


def run(func, args, kwargs, waits):
    name = func._schema.name.split("::")[1]
    flat = [each for each in tree_flatten((args, kwargs))[0] if isinstance(each, torch.Tensor)]
    here = [each for each in flat if isinstance(each, OnCard)]
    if here and name not in CROSSES:
        strangers = [each for each in flat if not isinstance(each, OnCard) and each.ndim]
        if strangers:
            raise RuntimeError(f"{name}: expected all tensors to be on the same device, {CARD} and cpu were found")
    asked = next((each for each in tree_flatten((args, kwargs))[0] if isinstance(each, torch.device)), None)
    if name == "to" and asked is None and len(flat) > 1:
        asked = flat[1].device
    onto = bool(here) if asked is None else torch.device(asked).type == CARD.type
    if here and (name in WAITS or (name in {"_to_copy", "to"} and not onto)):
        waits[name] += 1
    if name in {"index", "index_put_", "_index_put_impl_"} and here:
        waits["boolean index"] += any(each is not None and each.dtype == torch.bool for each in args[1])
    if name == "copy_":
        if isinstance(args[1], OnCard) and not isinstance(args[0], OnCard):
            waits["copy_"] += 1
        onto = isinstance(args[0], OnCard)
    args_, kwargs_ = tree_map(
        _inner, (args, {**kwargs, "pin_memory": False} if "pin_memory" in kwargs else kwargs)
    )
    found = func(*args_, **kwargs_)
    known = {id(each.inner): each for each in here}  # what is changed in place stays itself
    return tree_map(
        lambda each: known.get(id(each), OnCard(each)) if isinstance(each, torch.Tensor) and onto else each, found
    )


def _inner(each):
    if isinstance(each, torch.device):
        return torch.device("cpu")
    return each.inner if isinstance(each, OnCard) else each
