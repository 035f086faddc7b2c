"""The log of a run: JSON lines in the run folder, and TensorBoard's events where it is installed."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

from lamina.errors import LaminaError
from lamina.runs import Run


class Journal:
    """Writes what happens.

    Args:
        run: into its folder (``log.jsonl``, ``tensorboard/``).
        write: False for a process beside the main one, which says nothing.
        hear: gets every warning, too.
    """

    def __init__(self, run: Run, *, write: bool = True, hear: Callable[[str], None] | None = None) -> None:
        self._run = run
        self._hear = hear
        self._write = write
        self._board: Any = None

    def log(self, **values: Any) -> None:
        """One line.

        Raises:
            LaminaError: it cannot be written: the disk is full.
        """
        if not self._write:
            return
        try:
            self._run.log(**values)
            self._draw(values)
        except OSError as error:
            raise LaminaError(
                f"cannot write the log in {self._run.folder}: {error.strerror or error}; free some space, "
                "then run the same command: it goes on from the last checkpoint"
            ) from error

    def warn(self, message: str, **values: Any) -> None:
        """One line that somebody should read."""
        self.log(event="warning", message=message, **values)
        if self._write and self._hear is not None:
            self._hear(message)

    def close(self) -> None:
        """Write out what TensorBoard still holds."""
        if self._board is not None:
            self._board.close()

    def _draw(self, values: dict[str, Any]) -> None:
        if "step" not in values or find_spec("tensorboard") is None:
            return
        if self._board is None:
            from torch.utils.tensorboard.writer import SummaryWriter

            self._board = SummaryWriter(str(self._run.folder / "tensorboard"))
        group = values.get("event", "train")
        for name, value in values.items():
            if isinstance(value, float):
                self._board.add_scalar(f"{group}/{name}", value, values["step"])
