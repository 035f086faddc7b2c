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

from lamina.errors import LaminaError


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

    Stubs of settings come back as plain containers (see `plain`).

    Raises:
        LaminaError: there is no such file, it is empty, cut short, damaged (what a zip's checksums tell; older
            files have none), no checkpoint, or asks for anything else.
    """
    if not path.is_file():
        raise LaminaError(f"there is no checkpoint file {path}")
    if not path.stat().st_size:
        raise LaminaError(f"{path} is empty: its download probably failed, fetch it again")
    zipped = zipfile.is_zipfile(path)
    try:
        if zipped and (part := _damaged(path)):  # torch compares no checksums
            raise ValueError(f"{part} is not what its checksum says")
        with torch.serialization.safe_globals([(stub, name) for name, stub in STUBS.items()]), _quiet():
            value = torch.load(path, map_location="cpu", weights_only=True, mmap=zipped)
    except Exception as error:
        asked = refused_names(path) or sorted(set(_NAMED.findall(str(error))))
        if asked:
            raise LaminaError(
                f"{path} was refused: it asks to run {', '.join(asked)}, which no checkpoint of weights needs; it "
                "may be malicious, or pickled by another toolkit: save its weights again as a plain state dict"
            ) from error
        raise LaminaError(
            f"{path} is not a readable torch checkpoint ({_first_line(error)}): it may be damaged, cut short or "
            "another kind of file; compare its size and checksum with the source"
        ) from error
    return plain(value)


def _damaged(path: Path) -> str | None:
    """The first part of a zip whose bytes do not have the checksum that it gives."""
    with zipfile.ZipFile(path) as archive:
        return archive.testzip()


def _quiet() -> warnings.catch_warnings[None]:
    """Let torch not warn of unusual pickles before it refuses them; our error says it better."""
    return warnings.catch_warnings(action="ignore", category=UserWarning)


_NAMED = re.compile(r"GLOBAL ([\w.]+)")  # in torch's messages


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:120]


def refused_names(path: Path) -> list[str]:
    """The names that a zip checkpoint asks for and may not have, found by reading opcodes, running none."""
    try:
        with zipfile.ZipFile(path) as archive:
            pickles = [archive.read(name) for name in archive.namelist() if name.endswith(".pkl")]
    except (OSError, zipfile.BadZipFile, RuntimeError, ValueError, KeyError, EOFError):
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
    except (ValueError, IndexError, UnicodeDecodeError):
        pass  # cut short: what was found so far counts
    return names


def plain(value: Any) -> Any:
    """Settings as plain containers: argparse namespaces and omegaconf containers become dicts and lists."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, Stub):
        state = value.state
        if isinstance(value, STUBS["argparse.Namespace"]):
            return plain(state)
        # omegaconf's containers, its nodes, and fairseq's Dictionary, which is the list of its symbols
        for key in ("_content", "_val", "symbols"):
            if isinstance(state, dict) and key in state:
                return plain(state[key])
    return value
