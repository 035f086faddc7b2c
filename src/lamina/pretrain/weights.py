"""A model's weights: drawn so that matched models start alike, kept in checkpoints, written as a model folder."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import torch

from lamina.encoders.mrhubert import MRHubertConfig, MRHubertForPreTraining
from lamina.errors import LaminaError
from lamina.files import reading, replacing, write_json
from lamina.pretrain.journal import Journal
from lamina.pretrain.recipe import ModelConfig

FORMAT = 3
SEAL = 64  # bytes at the end of a checkpoint: the SHA-256 of all before, which torch does not mind
KEPT = 2  # the newest checkpoint and the one before, in case the newest is damaged


class Stateful(Protocol):
    """What a checkpoint keeps."""

    def state(self) -> dict[str, Any]:
        """All of it, by name."""
        ...

    def load(self, state: dict[str, Any]) -> None:
        """Take over what `state` gave."""
        ...


@contextmanager
def seeded(*keys: int | str, device: torch.device | None = None) -> Iterator[None]:
    """Let torch's global generator start from ``keys`` inside the block, and be as before after it.

    Dropout and the drawing of weights know no other generator. So does that of ``device`` where it is a GPU.
    """
    hashed = hashlib.sha256(repr(keys).encode()).digest()
    start = int.from_bytes(hashed[:7], "big")
    gpus = [device] if device is not None and device.type == "cuda" else []
    with torch.random.fork_rng(gpus):
        torch.default_generator.manual_seed(start)
        for _ in gpus:
            torch.cuda.manual_seed(start)
        yield


def build(model: ModelConfig, classes: int | Sequence[int], seed: int) -> MRHubertForPreTraining:
    """Draw a model that predicts so many classes at all levels, or so many at each, finest first.

    Every module draws from a stream named after it, so that models which differ in one part have the same initial
    weights in all others.

    Raises:
        LaminaError: the config describes no model, or one of another number of levels.
    """
    shape = MRHubertConfig(**model.to_json())
    given = [classes] if isinstance(classes, int) else list(classes)
    if len(given) not in {1, shape.predicting_levels}:
        raise LaminaError(
            f"{len(given)} sets of units for {shape.predicting_levels} predicting levels: give one for all "
            "levels, or one a level, finest first"
        )
    shape.num_classes = given * (shape.predicting_levels if len(given) == 1 else 1)
    with seeded(seed, "weights"):
        made = MRHubertForPreTraining(shape)
    for name, module in made.named_modules():
        if any(True for _ in module.parameters(recurse=False)):
            with seeded(seed, "weights", name):
                made._init_weights(module)  # noqa: SLF001 - how transformers' models draw a module's weights
    return made


def check_shape(model: ModelConfig, where: str) -> None:
    """Raise `LaminaError`, naming the file ``where`` it was read, unless the config describes a model."""
    try:
        MRHubertConfig(**model.to_json())
    except LaminaError as error:
        raise LaminaError(f"{where}: {error}") from error


def write_model(model: MRHubertForPreTraining, folder: Path) -> None:
    """Write a transformers folder (config, safetensors, what audio it takes), atomically."""
    from transformers.utils import logging

    bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        _write_model(model, folder)
    finally:
        if bars:
            logging.enable_progress_bar()


def _write_model(model: MRHubertForPreTraining, folder: Path) -> None:
    with replacing(folder, mark="config.json") as beside:
        model.save_pretrained(beside)
        write_json(
            beside / "preprocessor_config.json",
            {
                "feature_extractor_type": "Wav2Vec2FeatureExtractor",
                "feature_size": 1,
                "padding_side": "right",
                "padding_value": 0.0,
                "do_normalize": model.config.do_normalize,
                "return_attention_mask": True,
                "sampling_rate": model.config.sampling_rate,
            },
        )


class Checkpoints:
    """The checkpoints of a run: everything but the data order, which the step number tells.

    Args:
        folder: holds them.
        identity: digest of what decides the training; a checkpoint of another is refused.
        journal: hears of damaged ones.
    """

    def __init__(self, folder: Path, identity: str, journal: Journal) -> None:
        self._folder = folder
        self._identity = identity
        self._journal = journal

    def save(self, step: int, trained: Stateful) -> None:
        """Write the state after ``step`` updates, atomically; the oldest goes.

        Raises:
            LaminaError: the disk is full.
        """
        state = {"format": FORMAT, "identity": self._identity, "step": step, **trained.state()}
        path = self._folder / f"step-{step:08d}.pt"
        # torch's own files swallow the last write error, Python's do not
        with replacing(path) as beside, beside.open("w+b") as file:
            torch.save(state, file)
            file.write(_sealed(file, file.tell()))
        for old in self._newest_first()[KEPT:]:
            old.unlink(missing_ok=True)

    def restore(self, trained: Stateful) -> int:
        """Load the newest readable checkpoint and return its step; 0 where there is none.

        Raises:
            LaminaError: it belongs to a run with another config or other units.
        """
        for path in self._newest_first():
            state = self._load(path)
            if state is None:
                continue
            if state.get("identity") != self._identity:
                raise LaminaError(
                    f"{path} was written with another config or other units; choose another output folder, or "
                    f"remove {self._folder} to start anew"
                )
            trained.load(state)
            self._journal.log(event="resumed", step=state["step"])
            return int(state["step"])
        if self._newest_first():
            self._journal.warn(
                f"no checkpoint in {self._folder} can be read: the run starts anew; if the disk is failing, "
                "choose another output folder"
            )
        return 0

    def remove(self) -> None:
        """Delete them all, and what a kill in the middle of writing one left: the model is written."""
        if self._folder.is_dir():
            shutil.rmtree(self._folder)

    def _load(self, path: Path) -> dict[str, Any] | None:
        try:
            with reading(path, what="a checkpoint", remedy="trying the one before") as file:
                state: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
                told = isinstance(state, dict) and state.get("format")
                size = os.fstat(file.fileno()).st_size - SEAL
                if told == FORMAT and _sealed(file, size) != file.read(SEAL):
                    raise LaminaError(f"{path} was changed since it was written: trying the one before")
        except LaminaError as error:
            self._journal.warn(str(error))
            return None
        if told != FORMAT:
            raise LaminaError(
                f"{path} was written by another version of Lamina: finish the run with that one, or remove "
                f"{self._folder} to start anew"
            )
        return state

    def _newest_first(self) -> list[Path]:
        return sorted(self._folder.glob("step-*.pt"), reverse=True)


def _sealed(file: BinaryIO, size: int) -> bytes:
    """The hex digits of the SHA-256 of the first ``size`` bytes of a file, which is left behind them."""
    file.seek(0)
    found = hashlib.sha256()
    while size > 0 and (part := file.read(min(size, 1 << 20))):
        found.update(part)
        size -= len(part)
    return found.hexdigest().encode()
