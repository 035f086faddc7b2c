"""Damaged checkpoints and model folders end in one line, give the same states, or say that they are another model.

A few hundred seeded cases; ``LAMINA_FUZZ=5000`` tries so many of each kind, ``pytest -s`` prints how they ended.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from mrhubert_help import fixture
from test_foreign import last, save
from torch import Tensor

from lamina.encoders.fairseq import load_checkpoint
from lamina.encoders.load import load_encoder
from lamina.encoders.mrhubert import MRHubertEncoder
from lamina.encoders.unpickle import read_pickle
from lamina.errors import LaminaError

pytestmark = pytest.mark.filterwarnings("ignore")  # of libraries that meet what is damaged
CASES = int(os.environ.get("LAMINA_FUZZ", "0"))
Known = tuple[str, Tensor]  # digest and states


def outcome(load: Callable[[], Any], whole: Known) -> str:
    """What a damaged model ends in; anything but these three fails."""
    try:
        encoder = load()
        states = last(encoder)
    except LaminaError as error:
        line = str(error)
        assert line.isprintable(), line
        assert 20 < len(line) < 1500, line
        return "line"
    if states.shape == whole[1].shape and torch.equal(states, whole[1]):
        return "same"
    assert encoder.digest != whole[0], "other states, and the digest says that nothing changed"
    return "other digest"


def damaged(data: bytes, draw: Random) -> bytes:
    """Bytes flipped, cut, emptied, doubled or zeroed; half of it near the start, where files say what they are."""
    near = len(data) if draw.random() < 0.5 else min(len(data), 4000)
    kind = draw.choice(["flip", "flip", "flip", "cut", "empty", "more", "zero", "swap"])
    changed = bytearray(data)
    if kind == "flip":
        for _ in range(draw.choice([1, 1, 1, 8, 100])):
            changed[draw.randrange(near)] ^= 1 << draw.randrange(8)
    elif kind == "cut":
        del changed[draw.randrange(near) :]
    elif kind == "empty":
        changed.clear()
    elif kind == "more":
        place = draw.randrange(near)
        changed[place:place] = data[: draw.randrange(1, 2000)]
    elif kind == "zero":
        place = draw.randrange(near)
        changed[place : place + 64] = bytes(len(changed[place : place + 64]))
    else:
        place = draw.randrange(near)
        changed[place : place + 16] = changed[place : place + 16][::-1]
    return bytes(changed)


def told(name: str, found: Counter[str], *wanted: str) -> None:
    print(f"{name}: {dict(found)}")
    assert set(wanted) <= set(found), found


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "older"])
def test_bytes_of_a_checkpoint(shared: Path, tmp_path: Path, zipped: bool) -> None:
    state = read_pickle(fixture(shared, "a_base_2res")[0])
    path = tmp_path / "model.pt"
    torch.save(state, path, _use_new_zipfile_serialization=zipped)
    data, draw = path.read_bytes(), Random(zipped)

    def load() -> MRHubertEncoder:
        return MRHubertEncoder(load_checkpoint(path), "m")

    first = load()
    whole, found = (first.digest, last(first)), Counter[str]()
    for _ in range(CASES or 60):
        path.write_bytes(damaged(data, draw))
        found[outcome(load, whole)] += 1
    told(f"bytes of a checkpoint, {'zip' if zipped else 'older'}", found, "line")
    if zipped:
        assert "other digest" not in found  # its checksums tell
    path.unlink()
    assert outcome(load, whole) == "line"


def deep(depth: int, wrap: Callable[[Any], Any]) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = wrap(value)
    return value


def laughs() -> list[Any]:
    value: list[Any] = ["ha"]
    for _ in range(60):
        value = [value] * 9
    return value


def cycle() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


PLAIN: tuple[Any, ...] = (
    None, True, -1, 0, 1 << 40, 10**400, 1.5, float("nan"), float("inf"), "x", "[1" * 5000, "()" * 5000, b"x",
    "a\n\x1b[31m\u202e", "9" * 5000, [], {}, [[]], {"a": {"b": 1}}, ["x"] * 3, {1: 2}, {(1, 2): 3}, (), (1, 2),
)  # fmt: skip
MADE: tuple[Callable[[], Any], ...] = (
    lambda: [1] * 100_000,
    lambda: deep(200_000, lambda value: (value,)),
    lambda: deep(2000, lambda value: [value]),
    lambda: deep(2000, lambda value: {"a": value}),
    lambda: deep(5000, lambda value: (1, value)),
    laughs,
    cycle,
    lambda: torch.zeros(0),
    lambda: torch.zeros(()),
    lambda: torch.zeros(3, 3).int(),
    lambda: torch.zeros(2, dtype=torch.complex64),
    lambda: torch.full((3, 5), torch.nan),
    lambda: torch.zeros(1).expand(1 << 40),
    lambda: torch.zeros(1).expand(1 << 20, 1 << 20),
    lambda: torch.zeros(3).to_sparse(),
    lambda: torch.zeros(4, device="meta"),
    lambda: torch.zeros(64, 64, 64).bool(),
)


def odd(draw: Random) -> Any:
    """A value of a kind or size that belongs nowhere."""
    return draw.choice(PLAIN) if draw.random() < 0.5 else draw.choice(MADE)()


def replaced(value: Any, draw: Random) -> Any:
    """A copy of nested settings with one thing in them replaced, left out or added."""
    if isinstance(value, dict) and value and draw.random() < 0.9:
        key = draw.choice(sorted(value, key=str))
        kind = draw.random()
        if kind < 0.1:
            return {name: item for name, item in value.items() if name != key}
        if kind < 0.2:
            return value | {f"{key}\n\x1b[31m": odd(draw)}
        if kind < 0.3:
            return value | {key: [value[key]]}
        return value | {key: replaced(value[key], draw)}
    if isinstance(value, list) and value and draw.random() < 0.5:
        place = draw.randrange(len(value))
        return [*value[:place], replaced(value[place], draw), *value[place + 1 :]]
    if isinstance(value, Tensor) and draw.random() < 0.5:
        return draw.choice(
            [value.T, value[None], value.flatten(), value[:0], value.int(), value.double(), value * 1e30]
        )
    return odd(draw)


def test_contents_of_a_checkpoint(shared: Path, tmp_path: Path) -> None:
    """Values nested, shared, of other kinds, sizes and shapes; nothing is allocated because a file claims it."""
    state = read_pickle(fixture(shared, "a_base_2res")[0])
    path, draw = tmp_path / "model.pt", Random(3)

    def load() -> MRHubertEncoder:
        return MRHubertEncoder(load_checkpoint(path), "m")

    torch.save(state, path)
    first = load()
    whole, found = (first.digest, last(first)), Counter[str]()
    parts = ["cfg", "model", "task_state", "optimizer_history"]
    for case in range(CASES or 120):
        part = draw.choice(parts) if case % 4 else None
        changed = replaced(state, draw) if part is None else state | {part: replaced(state[part], draw)}
        try:
            torch.save(changed, path)
        except RecursionError:  # Python's own pickler gives up where its C twin does not
            path.write_bytes(b"")
        found[outcome(load, whole)] += 1
    told("contents of a checkpoint", found, "line", "same")


@pytest.mark.parametrize("depth", [50, 1000, 100_000])
def test_a_pickle_nested_by_hand(tmp_path: Path, depth: int) -> None:
    """Opcodes nest deeper than any pickler would: tuples, lists and dicts, at every place."""
    import zipfile

    wraps = {"tuple": (b"", b"\x85"), "list": (b"]", b"a"), "dict": (b"}X\x01\x00\x00\x00a", b"s")}
    for before, after in wraps.values():
        nested = before * depth + b"N" + after * depth
        for data in (nested, b"}X\x03\x00\x00\x00cfg" + nested + b"s", b"}X\x05\x00\x00\x00model" + nested + b"s"):
            path = tmp_path / "bad.pt"
            for whole in (True, False):
                path.write_bytes(b"\x80\x02" + data + b".")
                if whole:
                    with zipfile.ZipFile(path, "w") as archive:
                        archive.writestr("archive/data.pkl", b"\x80\x02" + data + b".")
                        archive.writestr("archive/version", "3\n")
                with pytest.raises(LaminaError) as error:
                    load_checkpoint(path)
                assert "\n" not in str(error.value)


@pytest.mark.parametrize("case", ["hubert-base", "whisper", "mr-hubert"])
def test_bytes_of_a_folder(case: str, tmp_path: Path) -> None:
    good, bad = save(case, tmp_path / "good"), tmp_path / "bad"
    names = ["config.json", "model.safetensors"]
    first, draw = load_encoder(str(good)), Random(case)
    whole, found = (first.digest, last(first)), Counter[str]()
    for number in range(CASES or 80):
        shutil.rmtree(bad, ignore_errors=True)
        shutil.copytree(good, bad)
        name = names[number % 2]
        if draw.random() < 0.05:
            (bad / name).unlink()
        else:
            (bad / name).write_bytes(damaged((good / name).read_bytes(), draw))
        found[outcome(lambda: load_encoder(str(bad)), whole)] += 1
    told(f"bytes of a folder, {case}", found, "line")
