"""A model's weights: drawn so that matched models start alike, kept in checkpoints, written as a model folder."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from lamina.encoders.mrhubert import MRHubertConfig, MRHubertForPreTraining
from lamina.errors import LaminaError
from lamina.files import replacing, write_json
from lamina.pretrain.recipe import ModelConfig
from lamina.runs import Run

FORMAT = 1
KEPT = 2  # the newest checkpoint and the one before, in case the newest is damaged


@contextmanager
def seeded(*keys: int | str) -> Iterator[None]:
    """Let torch's global generator start from ``keys`` inside the block, and be as before after it.

    Dropout and the drawing of weights know no other generator.
    """
    hashed = hashlib.sha256(repr(keys).encode()).digest()
    with torch.random.fork_rng():
        torch.manual_seed(int.from_bytes(hashed[:7], "big"))
        yield


def build(model: ModelConfig, classes: int, seed: int) -> MRHubertForPreTraining:
    """Draw a model.

    Every module draws from a stream named after it, so that models which differ in one part have the same initial
    weights in all others.

    Raises:
        LaminaError: the config describes no model.
    """
    shape = MRHubertConfig(**model.to_json())
    shape.num_classes = [classes] * shape.predicting_levels
    with seeded(seed, "weights"):
        made = MRHubertForPreTraining(shape)
    for name, module in made.named_modules():
        if any(True for _ in module.parameters(recurse=False)):
            with seeded(seed, "weights", name):
                made._init_weights(module)  # noqa: SLF001 - how transformers' models draw a module's weights
    return made


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
    with replacing(folder) as beside:
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
        run: its folder holds them.
        identity: digest of what decides the training; a checkpoint of another is refused.
    """

    def __init__(self, run: Run, identity: str) -> None:
        self._run = run
        self._folder = run.folder / "checkpoints"
        self._identity = identity

    def save(self, step: int, model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> None:
        """Write the state after ``step`` updates, atomically; the oldest goes."""
        state = {
            "format": FORMAT,
            "identity": self._identity,
            "step": step,
            "model": model.state_dict(),
            "optimizer": optimizer.state_dict(),
        }
        with replacing(self._folder / f"step-{step:08d}.pt") as beside:
            torch.save(state, beside)
        for path in self._newest_first()[KEPT:]:
            path.unlink()

    def restore(self, model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> int:
        """Load the newest readable checkpoint and return its step; 0 where there is none.

        Raises:
            LaminaError: it belongs to a run with another config or other units.
        """
        for path in self._newest_first():
            state = self._load(path)
            if state is None:
                continue
            if state["identity"] != self._identity:
                raise LaminaError(
                    f"{path} was written with another config or other units; choose another output folder, or "
                    f"remove {self._folder} to start anew"
                )
            model.load_state_dict(state["model"])
            optimizer.load_state_dict(state["optimizer"])
            self._run.log(event="resumed", step=state["step"])
            return int(state["step"])
        return 0

    def remove(self) -> None:
        """Delete them all: the model is written."""
        for path in self._newest_first():
            path.unlink()
        if self._folder.is_dir():
            self._folder.rmdir()

    def _load(self, path: Path) -> dict[str, Any] | None:
        try:
            state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError) as error:
            why = (str(error).splitlines() or [type(error).__name__])[0]
            self._run.log(event="warning", message=f"{path.name} cannot be read ({why}); trying the one before")
            return None
        return state

    def _newest_first(self) -> list[Path]:
        return sorted(self._folder.glob("step-*.pt"), reverse=True)
