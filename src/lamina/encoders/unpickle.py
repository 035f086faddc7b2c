"""Read foreign checkpoints without running anything in them.

A checkpoint is a pickle, and a pickle may name any function to call. torch's restricted unpickler gets the few
names that fairseq's checkpoints need, each bound to an inert stub; every other name is refused.
"""

from __future__ import annotations

import pickletools
import re
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lamina.errors import LaminaError, first_line


class Stub:
    """Stands for a class that a pickle names; it keeps what it is given and does nothing."""

    state: object = None

    def __init__(self, *_: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        self.state = state


def _stub(name: str) -> type[Stub]:
    return type(name.rsplit(".", 1)[-1], (Stub,), {"name": name})


# What fairseq checkpoints pickle beside tensors and plain containers: dictionaries of units, settings (argparse or
# omegaconf, whose containers name types), numpy numbers in the training state.
STUBS: dict[str, type[Stub]] = {
    name: _stub(name)
    for name in (
        "fairseq.data.dictionary.Dictionary",
        "argparse.Namespace",
        "omegaconf.dictconfig.DictConfig",
        "omegaconf.listconfig.ListConfig",
        "omegaconf.base.ContainerMetadata",
        "omegaconf.base.Metadata",
        "omegaconf.nodes.AnyNode",
        "omegaconf.nodes.StringNode",
        "omegaconf.nodes.IntegerNode",
        "omegaconf.nodes.FloatNode",
        "omegaconf.nodes.BooleanNode",
        "typing.Any",
        "builtins.dict",
        "builtins.list",
        "builtins.str",
        "builtins.int",
        "builtins.float",
        "builtins.bool",
        "numpy.core.multiarray.scalar",
        "numpy._core.multiarray.scalar",
        "numpy.dtype",
        "collections.defaultdict",  # in omegaconf's metadata
    )
}


def read_pickle(path: Path) -> Any:
    """Read a torch checkpoint (zip or older), refusing every name but those of `STUBS` and torch's own few.

    Stubs of settings come back as plain containers (see `_Plain`).

    Raises:
        LaminaError: there is no such file, it is empty, cut short, damaged (what a zip's checksums tell; older
            files have none), no checkpoint, or asks for anything else.
    """
    if not path.is_file():
        raise LaminaError(f"there is no checkpoint file {path}")
    if not path.stat().st_size:
        raise LaminaError(f"{path} is empty: its download probably failed, fetch it again")
    size = path.stat().st_size
    try:
        if zipped := zipfile.is_zipfile(path):
            _check_zip(path, size)
        with torch.serialization.safe_globals([(stub, name) for name, stub in STUBS.items()]), _quiet():
            value = torch.load(path, map_location="cpu", weights_only=True, mmap=zipped)
        return _Plain(size).of(value)
    except Exception as error:
        asked = refused_names(path) or sorted(set(_NAMED.findall(str(error))))
        if asked:
            names = ", ".join(asked)[:200].encode("unicode_escape").decode()
            raise LaminaError(
                f"{path} was refused: it asks to run {names}, which no weights need; it may be malicious, or "
                "pickled by another toolkit: save its weights again as a plain state dict"
            ) from error
        raise LaminaError(
            f"{path} is not a readable torch checkpoint ({_why(path, error)}): it may be damaged, cut short or "
            "another kind of file; compare its size and checksum with the source"
        ) from error


_MAGIC = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # how torch's older files begin
_BARE = 1 << 26  # bytes of a bare pickle whose names are looked for


def _why(path: Path, error: Exception) -> str:
    """What is wrong with a file that torch did not read; its own words of bare pickles advise to run them."""
    with path.open("rb") as file:
        head = file.read(len(_MAGIC))
    if head[:1] == b"\x80" and head != _MAGIC:
        return (
            f"it is a bare pickle of protocol {head[1] if len(head) > 1 else '?'}, which torch.save does not write"
        )
    told = first_line(error)
    return "torch's restricted reader refuses it" if "weights_only" in told else told


def _check_zip(path: Path, size: int) -> None:
    """See that a zip is as torch writes it and whole; torch itself compares no checksums.

    Raises:
        ValueError: its parts are packed, larger than the file, or not what their checksums say.
    """
    with zipfile.ZipFile(path) as archive:
        parts = archive.infolist()
        if any(part.compress_type != zipfile.ZIP_STORED for part in parts):
            raise ValueError("its parts are compressed")
        if sum(part.file_size for part in parts) > size:
            raise ValueError("its parts are larger than the file")
        if part := archive.testzip():
            raise ValueError(f"{part} is not what its checksum says")


def _quiet() -> warnings.catch_warnings[None]:
    """Let torch not warn of unusual pickles before it refuses them; our error says it better."""
    return warnings.catch_warnings(action="ignore", category=UserWarning)


_NAMED = re.compile(r"GLOBAL ([\w.]+)")  # in torch's messages


def refused_names(path: Path) -> list[str]:
    """The names that a zip or a bare pickle asks for and may not have, found by reading opcodes, running none."""
    try:
        if zipfile.is_zipfile(path):
            _check_zip(path, path.stat().st_size)
            with zipfile.ZipFile(path) as archive:
                pickles = [archive.read(name) for name in archive.namelist() if name.endswith(".pkl")]
        else:
            with path.open("rb") as file:
                pickles = [file.read(_BARE)]
    except Exception:  # noqa: BLE001 - damaged zips raise anything
        return []
    return sorted({name for data in pickles for name in _names(data)} - set(STUBS) - _TORCH)


# Names that torch itself lets through, which say what tensors are.
_TORCH = {
    "collections.OrderedDict",
    "torch._utils._rebuild_tensor_v2",
    "torch._utils._rebuild_parameter",
    *(
        f"torch.{kind}Storage"
        for kind in ("Float", "Half", "BFloat16", "Double", "Long", "Int", "Short", "Char", "Byte", "Bool")
    ),
}


def _names(data: bytes) -> set[str]:
    """What a pickle names, from its opcodes; strings are followed through the memo, for STACK_GLOBAL takes two."""
    names: set[str] = set()
    pushed: list[str] = []
    memo: dict[object, str] = {}
    try:
        for opcode, argument, _ in pickletools.genops(data):
            if opcode.name in {"GLOBAL", "INST"}:
                names.add(str(argument).replace(" ", "."))
            elif opcode.name == "STACK_GLOBAL":
                names.add(".".join(pushed[-2:]))
            elif opcode.name in {"MEMOIZE", "PUT", "BINPUT", "LONG_BINPUT"} and pushed:
                memo[len(memo) if argument is None else argument] = pushed[-1]
            elif opcode.name in {"GET", "BINGET", "LONG_BINGET"}:
                pushed.append(memo.get(argument, "?"))
            elif isinstance(argument, str):
                pushed.append(argument)
    except Exception:  # noqa: BLE001, S110 - cut short or damaged: what was found so far counts
        pass
    return names


DEEPEST, MOST = 100, 10_000_000  # levels of containers, and values in them


class _Plain:
    """Makes plain containers of what was read, and sees that they and their tensors are what a file can hold.

    Args:
        size: bytes of the file.
    """

    def __init__(self, size: int) -> None:
        self._room = 4 * size  # bytes that tensors may claim: some share their storage
        self._made: dict[int, tuple[Any, int]] = {}  # by identity: the plain value, and how many values are in it

    def of(self, value: Any) -> Any:
        """Settings as plain containers: argparse namespaces and omegaconf containers become dicts and lists.

        Raises:
            ValueError: they are nested too deep or in themselves, are too many, or a tensor claims more numbers
                than there are.
        """
        return self._walk(value, 0)[0]

    def _walk(self, value: Any, depth: int) -> tuple[Any, int]:
        if depth > DEEPEST:
            raise ValueError(f"its settings are nested more than {DEEPEST} deep")
        if isinstance(value, Tensor):
            self._check(value)
        inside = _inside(value)
        if inside is None:
            return value, 1
        if id(value) not in self._made:
            if isinstance(inside, dict):
                if not all(isinstance(key, (str, int, float, type(None))) for key in inside):
                    raise ValueError("a key of its settings is neither text nor number")
                found = {key: self._walk(item, depth + 1) for key, item in inside.items()}
                made: Any = {key: item for key, (item, _) in found.items()}
                count = sum(each for _, each in found.values())
            elif isinstance(inside, list):
                items = [self._walk(item, depth + 1) for item in inside]
                made, count = [item for item, _ in items], sum(each for _, each in items)
            else:
                made, count = self._walk(inside[0], depth + 1)
            self._made[id(value)] = made, count + 1
        made, count = self._made[id(value)]
        if count > MOST:
            raise ValueError(f"its settings hold more than {MOST:,} values")
        return made, count

    def _check(self, tensor: Tensor) -> None:
        if tensor.device.type != "cpu" or tensor.layout != torch.strided or tensor.is_quantized:
            raise ValueError("a tensor is no plain table of numbers")
        claimed = tensor.numel() * tensor.element_size()
        self._room -= claimed
        if claimed > tensor.untyped_storage().nbytes() or self._room < 0:
            raise ValueError(f"a tensor of shape {tuple(tensor.shape)} claims more numbers than the file holds")


def _inside(value: Any) -> Any:
    """What a container holds: a dict, a list, or (in a tuple) what a stub stands for; None of anything else."""
    if isinstance(value, dict):
        return value
    if isinstance(value, (list, tuple)):
        return list(value)
    state = value.state if isinstance(value, Stub) else None
    if isinstance(value, STUBS["argparse.Namespace"]):
        return (state,)
    # omegaconf's containers, its nodes, and fairseq's Dictionary, which is the list of its symbols
    if isinstance(state, dict):
        return next(((state[key],) for key in ("_content", "_val", "symbols") if key in state), None)
    return None
