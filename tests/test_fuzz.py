"""Files that were damaged: whatever is read of one is a clear line, or the same numbers as before.

Each kind of file that Lamina writes has its bytes flipped, overwritten, cut, emptied, doubled or deleted, a digit
changed, its JSON nested, retyped, renamed or said twice. ``LAMINA_FUZZ=1000`` tries so many of each kind; ``-s``
shows the counts.
"""

from __future__ import annotations

import gzip
import json
import os
import random
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lamina.analysis.sums import Progress
from lamina.corpus.corpus import Segment, Utterance
from lamina.corpus.manifest import write_audio, write_manifest
from lamina.corpus.open import open_corpus
from lamina.corpus.trials import Trial, read_trials, write_trials
from lamina.encoders.load import load_encoder
from lamina.errors import LaminaError
from lamina.files import digest
from lamina.grid import Grid
from lamina.pretrain.journal import Journal
from lamina.pretrain.labels import Codebook, Units
from lamina.pretrain.recipe import ModelConfig
from lamina.pretrain.weights import Checkpoints, build, write_model
from lamina.report.verdicts import read_verdicts
from lamina.runs import Run
from lamina.score import Score, Scores
from lamina.stats.inference import Replicates, read_replicates, write_replicates
from lamina.stats.moments import Moments
from lamina.study.claims import Claim
from lamina.study.conclude import conclude
from lamina.study.record import FactorWords, Study, StudyRun, Subject

CASES = int(os.environ.get("LAMINA_FUZZ", "24"))  # of each kind


@dataclass(frozen=True)
class Kind:
    """A kind of file.

    Attributes:
        path: where one is.
        read: what is read of it.
        marks: without it, what it is of counts as not made yet.
        sealed: a digest tells every change; a file without one may hold other numbers, but raises no other error.
        reseal: gives a damaged one the digest that it would have.
    """

    path: Path
    read: Callable[[], Any]
    marks: bool = False
    sealed: bool = True
    reseal: Callable[[bytes], bytes] = bytes


def study(root: Path) -> dict[str, Kind]:
    runs = []
    for place, model in enumerate(("low", "high")):
        run = Run.plan(root, f"analysis-{model}", {"kind": "analysis", "model": model, "seed": 0})
        run.start()
        replicates = Replicates()
        rows = []
        for depth in (1, 2):
            value = 0.125 * depth + 0.25 * place
            same: dict[str, Any] = {"study": "", "run": run.folder.name, "period_ms": 20.0, "target": "phone"}
            same |= {"unit": "", "low": None, "high": None, "n": 50, "split": "test", "seed": 0, "control": ""}
            row = Score(
                model=model, tap=f"enc20.{depth}", depth=depth, measure="cca-mean", value=value, protocol="lamina",
                support="common", **same,
            )  # fmt: skip
            rows.append(row)
            drawn = value + np.random.default_rng(depth).normal(0, 0.01, 50)
            replicates.put(row.key, drawn, groups=20, draw="one")
        Scores(rows).write(run.folder / "scores.jsonl")
        write_replicates(run.folder, replicates)
        run.log(event="done", seconds=1.25)
        run.finish()
        runs.append(
            StudyRun(folder=run.folder.name, kind="analysis", subject=Subject(model=model, levels={"rate": model}))
        )
    claim = Claim(text="It helps.", effect="rate", measure="cca-mean", target="phone", direction="raises")
    factors = {"rate": FactorWords(label="rate", levels=("low", "high"))}
    Study(name="known", factors=factors, runs=tuple(runs), claims={"helps": claim}).write(root)

    def concluded() -> Any:
        rows = conclude(root).to_jsonl()
        told = [repr(each) for each in read_verdicts(root)], [Run.read(run.folder).seconds()]
        return rows, told

    def verdicts() -> Any:
        return [repr(each) for each in read_verdicts(root)]

    run = Run.read(root / runs[1]["folder"])
    concluded()
    whole = {name: Kind(run.folder / name, concluded) for name in ("run.json", "log.jsonl", "scores.jsonl")}
    alone = root / "alone"  # copied from a run: no digests, but no traceback either
    alone.mkdir()
    for name in ("replicates.npz", "log.jsonl"):
        shutil.copy(run.folder / name, alone)
    lone = Run(alone, {}, {})
    readers = {
        "replicates.npz": lambda: repr(read_replicates(alone)),
        "log.jsonl": lambda: (lone.log_lines(), lone.seconds()),
    }
    whole |= {f"lone {name}": Kind(alone / name, read, sealed=False) for name, read in readers.items()}
    for name, path in (("run.json", run.folder / "run.json"), ("study.json", root / "study.json")):
        whole[f"sealed {name}"] = Kind(path, concluded, sealed=False, reseal=sealed_again)
    return whole | {
        "replicates.npz": Kind(run.folder / "replicates.npz", concluded),
        "done": Kind(run.folder / "done", concluded, marks=True),
        "study.json": Kind(root / "study.json", concluded),
        "verdicts.json": Kind(root / "verdicts.json", verdicts),
    }


def sealed_again(held: bytes) -> bytes:
    """A run.json or study.json with the digest that its values have."""
    try:
        value = json.loads(held)
        told = {key: each for key, each in value.items() if key not in {"format", "digest"}}
        own = [told["config"], told["inputs"]] if "inputs" in told else told
        return json.dumps(value | {"digest": digest(own, length=12)}).encode()
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return held


def units(root: Path) -> dict[str, Kind]:
    book = Codebook(torch.randn(8, 5, generator=torch.Generator().manual_seed(0)), "utterance", "mfcc", "abc", 0.5)
    book.write(root / "codebook.safetensors")
    grid = Grid.from_json(Grid(stride=320, centre=200, window=400, sample_rate=16000).to_json())
    labels = np.random.default_rng(0).integers(0, 8, 40).astype(np.uint16)
    Units(labels, np.array([0, 15, 40]), ("a", "b"), grid, 8, "corpus", "abc", book.digest).write(
        root / "units.safetensors"
    )

    def read() -> Any:
        found = Units.read(root)
        return found.digest, found.ids, found.clusters, found.features

    return {
        "codebook": Kind(root / "codebook.safetensors", lambda: repr(vars(Codebook.read(root)))),
        "units": Kind(root / "units.safetensors", read),
    }


TINY = ModelConfig(
    block_layers=(1, 1, 1), hidden_size=8, num_attention_heads=2, intermediate_size=8, conv_dim=(4,) * 7,
    num_conv_pos_embeddings=3, num_conv_pos_embedding_groups=2, final_dim=4,
)  # fmt: skip


def encoder(root: Path) -> dict[str, Kind]:
    run = Run.plan(root, "pretrain-tiny", {"kind": "pretrain"})
    run.start()
    run.log(event="validation", accuracy=0.25)
    write_model(build(TINY, 4, seed=0), run.folder / "model")
    run.finish()

    def read() -> Any:
        found = load_encoder(str(run.folder))
        with torch.inference_mode():
            states = list(found.states(torch.ones(1, 3200), torch.tensor([3200])))
        return found.digest, [each.values.sum().item() for each in states]

    kinds = {"config.json": "config.json", "weights": "model.safetensors", "audio": "preprocessor_config.json"}
    return {f"model {name}": Kind(run.folder / "model" / file, read) for name, file in kinds.items()} | {
        "training log": Kind(run.folder / "log.jsonl", lambda: run.log_lines()[0]["accuracy"])
    }


class Trained:
    """What a checkpoint keeps."""

    def __init__(self) -> None:
        self.held: dict[str, Any] = {"model": {"w": torch.arange(60.0)}, "rate": 0.125}

    def state(self) -> dict[str, Any]:
        return self.held

    def load(self, state: dict[str, Any]) -> None:
        self.held = {name: state[name] for name in self.held}


def training(root: Path) -> dict[str, Kind]:
    def complain(message: str) -> None:
        raise LaminaError(message)

    checkpoints = Checkpoints(root, "identity", Journal(Run(root, {}, {}), hear=complain))
    checkpoints.save(3, Trained())

    def restore() -> Any:
        trained = Trained()
        trained.held = {"model": None, "rate": None}
        return checkpoints.restore(trained), repr(trained.held)

    sums = Moments.of(torch.ones(3, 2, dtype=torch.float64), torch.eye(3, dtype=torch.float64))
    Progress("plan", 1, (1, 2), 7, {"0|cca": sums}).write(root / "progress.npz")

    def progress() -> Any:
        found = Progress.read(root / "progress.npz")
        return found.plan, found.phase, found.shard, found.done, repr(found.sums)

    return {
        "checkpoint": Kind(root / "step-00000003.pt", restore, marks=True),
        "progress": Kind(root / "progress.npz", progress),
    }


def speech(root: Path) -> dict[str, Kind]:
    items = []
    (root / "audio").mkdir(parents=True)
    for number, split in enumerate(("train", "test")):
        wave = 0.1 * np.sin(np.arange(8000) * (number + 1) / 20)
        segments = (Segment("a", 0, 4000), Segment("b", 4000, 8000))
        utterance = Utterance(f"u{number}", f"s{number}", split, 8000, "a b", {"phone": segments})
        write_audio(root, utterance, wave)
        items.append(utterance)
    write_manifest(root, "known", items, {})

    def read() -> Any:
        corpus = open_corpus(str(root))
        return corpus.digest, [repr(each) for each in corpus.utterances()]

    write_trials(root, [Trial("test", True, "u0", "u1"), Trial("test", False, "u1", "u0")])
    return {
        "corpus.json": Kind(root / "corpus.json", read),
        "cuts": Kind(root / "cuts.jsonl.gz", read),
        "trials": Kind(root / "trials.tsv", lambda: list(read_trials(root)), sealed=False),
    }


ROOMS = {make.__name__: make for make in (study, units, encoder, training, speech)}


# How files are damaged.

Damage = Callable[[bytes, random.Random], bytes | None]
OTHERS = (
    None, True, 0, -1, 3, 10**30, 0.5, 1e308, float("nan"), float("inf"), "", "x", "\n\u2028\x85",
    "../x", "\udcff",    [], [[]], {}, {"x": {}},
)  # fmt: skip


def flip(held: bytes, draw: random.Random) -> bytes:
    place = draw.randrange(len(held))
    return held[:place] + bytes([held[place] ^ (1 << draw.randrange(8))]) + held[place + 1 :]


def scribble(held: bytes, draw: random.Random) -> bytes:
    place = draw.randrange(len(held))
    return held[:place] + draw.randbytes(draw.randrange(1, 40)) + held[place + draw.randrange(40) :]


def cut(held: bytes, draw: random.Random) -> bytes:
    return held[: draw.randrange(len(held))]


def empty(_held: bytes, _draw: random.Random) -> bytes:
    return b""


def delete(_held: bytes, _draw: random.Random) -> None:
    return None


def double(held: bytes, _draw: random.Random) -> bytes:
    return held + held


def nest(_held: bytes, draw: random.Random) -> bytes:
    return draw.choice([b"[", b'{"format":', b'{"a":[']) * 100_000


def digit(held: bytes, draw: random.Random) -> bytes:
    """One digit of a text becomes another."""
    places = [found.start() for found in re.finditer(rb"(?<=[\d.])\d", held)]
    if not places:
        return flip(held, draw)
    place = draw.choice(places)
    other = draw.choice([each for each in b"0123456789" if each != held[place]])
    return held[:place] + bytes([other]) + held[place + 1 :]


def retype(held: bytes, draw: random.Random) -> bytes:
    """A value somewhere in a JSON text, or in a line of it, becomes one of another kind, goes, or stands twice."""
    packed = held[:2] == b"\x1f\x8b"
    text = gzip.decompress(held) if packed else held
    lines = text.split(b"\n") if packed or text.count(b"\n{") else [text]
    place = draw.randrange(max(1, len(lines) - 1))
    try:
        value = json.loads(lines[place])
    except ValueError:
        return scribble(held, draw)
    nodes = list(spots(value))
    holder, key = draw.choice(nodes) if nodes else ([value], 0)
    what = draw.randrange(5)
    if what == 0 and isinstance(holder, dict):
        del holder[key]
    elif what == 1 and isinstance(holder, dict):
        holder[str(key) + "x"] = holder.pop(key)
    else:
        holder[key] = draw.choice(OTHERS)
    lines[place] = json.dumps(value).encode()
    if what == 2:
        lines[place] = lines[place].replace(b"{", b'{"format": 9, ', 1)
    text = b"\n".join(lines)
    return gzip.compress(text) if packed else text


def spots(value: Any) -> Iterator[tuple[Any, Any]]:
    """Each place in a JSON value: what holds it, and under which key."""
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield value, key
        yield from spots(value[key])


DAMAGES: tuple[Damage, ...] = (
    flip,
    flip,
    scribble,
    cut,
    empty,
    delete,
    double,
    nest,
    digit,
    digit,
    retype,
    retype,
)


@pytest.mark.parametrize("room", ROOMS)
def test_damaged_files_are_told_or_change_nothing(room: str, tmp_path: Path) -> None:
    kinds = ROOMS[room](tmp_path / "made")
    shutil.copytree(tmp_path / "made", tmp_path / "whole")
    wrong = []
    for name, kind in kinds.items():
        found: Counter[str] = Counter()
        right = kind.read()
        held = kind.path.read_bytes()
        for case in range(CASES):
            damage = DAMAGES[case % len(DAMAGES)]
            damaged = damage(held, random.Random(f"{name} {case}"))
            if damaged is None:
                kind.path.unlink()
            else:
                kind.path.write_bytes(kind.reseal(damaged))
            outcome, why = read(kind, right, gone=damaged is None)
            found[outcome] += 1
            if outcome == "other":
                wrong.append(f"{name}, case {case}: {damage.__name__} {why}")
            shutil.copytree(tmp_path / "whole", tmp_path / "made", dirs_exist_ok=True)
        print(name.ljust(22), *(f"{each} {found[each]:5}  " for each in ("line", "same", "unseen", "other")))
    assert not wrong, "\n".join(wrong)


def read(kind: Kind, right: Any, *, gone: bool) -> tuple[str, str]:
    """What comes of a damaged file, and what is wrong with that."""
    try:
        if kind.read() == right or (kind.marks and gone):
            return "same", ""
    except LaminaError as error:
        told = str(error)
        return ("line", "") if "\n" not in told and len(told) < 1000 else ("other", f"is told so: {told[:300]}")
    except Exception as error:  # noqa: BLE001 - which it is that is none of ours
        return "other", f"raises {type(error).__name__}: {error}"
    return ("other", "passes for right") if kind.sealed else ("unseen", "")
