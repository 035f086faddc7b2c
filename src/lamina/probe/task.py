"""What a task is, and where its file is found: every module of `lamina.probe.tasks` holds one ``TASK``."""

from __future__ import annotations

import difflib
import pkgutil
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, Literal

from torch import Tensor, nn

from lamina.corpus.corpus import Corpus, Segment, Utterance
from lamina.errors import LaminaError
from lamina.grid import Grid
from lamina.probe.config import ProbeConfig
from lamina.probe.tally import Tally

# An utterance's label; None where it has none, empty where it says nothing.
Label = Callable[[Utterance], tuple[str, ...] | None]
Say = Callable[[str], None]
# Makes one head from the width of the states and the number of outputs.
MakeHead = Callable[[int, int], nn.Module]


@dataclass(frozen=True, slots=True)
class Example:
    """What a head sees at once: an utterance, or one segment of it.

    Attributes:
        utterance: it, or the one it is of.
        label: symbols in order, or a class a slot.
        segment: None for whole utterances.
    """

    utterance: Utterance
    label: tuple[str, ...]
    segment: Segment | None = None


class Objective(ABC):
    """What the heads of a task are trained for and scored by; made from the examples of all parts.

    Attributes:
        rows: what heads read: all ``frames``, their ``mean`` over the utterance, or over each of its ``segments``.
        items: what is counted.
        outputs: values that a head puts out (a frame, or an example).
        measures: what is scored, the measure that selects first.
        notes: counted rules that were applied to the labels, for people.
        starts: what may be added to the outputs of heads, a value each; dev chooses. Empty: nothing.
    """

    rows: ClassVar[Literal["frames", "mean", "segments"]]
    items: ClassVar[str] = "utterances"
    outputs: int
    measures: tuple[str, ...]
    starts: tuple[tuple[float, ...], ...] = ()

    def __init__(self) -> None:
        self.notes: list[str] = []

    @abstractmethod
    def prepare(self, examples: Sequence[Example]) -> list[Any]:
        """What `loss` wants to know of each example."""

    @abstractmethod
    def loss(self, outputs: Tensor, lengths: Tensor, targets: Sequence[Any], /) -> Tensor:
        """The loss of each head, (heads,).

        Args:
            outputs: (heads, batch, outputs), for frames (heads, batch, frames, outputs).
            lengths: (batch,) frames of each example, 1 for pooled ones.
            targets: what `prepare` said of them.
        """

    @abstractmethod
    def predict(self, outputs: Tensor, lengths: Tensor, /) -> list[Sequence[Any]]:
        """A prediction an example, by head."""

    @abstractmethod
    def score(self, predictions: Sequence[Any], examples: Sequence[Example], setting: Any, /) -> dict[str, Tally]:
        """What one head's predictions are worth, by measure; ``setting`` is what `tune` chose."""

    def tune(self, _predictions: Sequence[Any], _examples: Sequence[Example], /) -> Any:
        """A setting of the decoding, chosen on these examples; None where there is none to choose."""
        return None

    def fits(self, _target: Any, _frames: int, /) -> bool:
        """Whether an example can be trained on with so many frames."""
        return True


@dataclass(frozen=True)
class Parts:
    """The examples of the three parts; no speaker is in two, but where the task names speakers."""

    train: list[Example]
    dev: list[Example]
    test: list[Example]
    split: str

    @property
    def all(self) -> list[Example]:
        """Those of the three parts."""
        return [*self.train, *self.dev, *self.test]


@dataclass(frozen=True)
class Superb:
    """A task as the public SUPERB code runs it.

    Attributes:
        head: its one head.
        batch: examples an optimiser step, accumulation included.
        steps: of training.
        every: steps between looks at dev.
        clip: of each step's gradient norm.
        decay: AdamW's weight decay (0: Adam).
        augment: whether SpecAugment masks the weighted sum.
        balanced: whether training draws classes equally often.
        crop_seconds: training sees random crops of at most so much; 0 sees all.
        on_test: whether the public code selects the checkpoint on test.
        tune_on_test: whether it chooses the decoding's settings there.
        select: by which measure dev selects, where it is not the first.
        weaknesses: printed beside the numbers.
    """

    head: MakeHead
    batch: int
    steps: int
    every: int
    clip: float = 1.0
    decay: float = 0.0
    augment: bool = False
    balanced: bool = False
    crop_seconds: float = 0.0
    on_test: bool = False
    tune_on_test: bool = False
    select: str = ""
    weaknesses: tuple[str, ...] = ()


@dataclass(frozen=True)
class Task:
    """One task.

    Attributes:
        name: as in ``--task``; the ``target`` of its scores.
        title: in words.
        needs: what the corpus must carry, in words.
        label: an utterance's label (one label a segment for tasks on segments); None where it has none.
        objective: from the examples of all parts (and the grid of the frames that heads read).
        measures: what the objective scores, the one that selects first.
        heads: by name, the small one first.
        superb: None where SUPERB has no such task.
        steps, batch: of the protocol ``lamina``.
        tier: segments of this tier are the examples.
        speakers: whether the speakers are what is named: parts then share them and divide utterances.
        strangers: whether parts must share nobody: where splits do, speakers are divided anew.
        folds: the label that names the folds of the ``superb`` protocol (each is the test part once).
        labels: makes ``label`` where it depends on the config.
        phones: whether labels are phones of the corpus, where no lexicon is given.
    """

    name: str
    title: str
    needs: str
    label: Label
    objective: Callable[[Parts, Corpus, ProbeConfig, Grid], Objective]
    heads: Mapping[str, MakeHead]
    measures: tuple[str, ...]
    superb: Superb | None = None
    steps: int = 1000
    batch: int = 16
    tier: str = ""
    speakers: bool = False
    strangers: bool = False
    folds: str = ""
    labels: Callable[[ProbeConfig, Say], Label] | None = None
    phones: bool = False


@cache
def _files() -> tuple[dict[str, Task], dict[str, str]]:
    """The tasks by name, and why a file has none, by the file's name."""
    from lamina.probe import tasks as package

    found: dict[str, Task] = {}
    broken: dict[str, str] = {}
    for name in sorted(module.name for module in pkgutil.iter_modules(package.__path__)):
        spec = find_spec(f"{package.__name__}.{name}")
        file = Path(spec.origin if spec is not None and spec.origin else name)
        try:
            task = getattr(import_module(f"{package.__name__}.{name}"), "TASK", None)
        except Exception as error:  # noqa: BLE001 a user's file may fail in any way
            lines = [
                frame.lineno for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename) == file
            ]
            line = error.lineno if isinstance(error, SyntaxError) else next(reversed(lines), None)
            where = f", line {line}" if line else ""
            broken[name] = f"{file}{where}: {type(error).__name__}: {error}"
            continue
        if not isinstance(task, Task):
            broken[name] = f"{file}: it has no TASK that is a `Task`"
        elif task.name != name:
            broken[name] = f"{file}: its task is called {task.name!r}; a file is called as its task"
        else:
            found[task.name] = task
    return found, broken


def tasks() -> Mapping[str, Task]:
    """All tasks by name: one for each module of `lamina.probe.tasks` that can be used."""
    return _files()[0]


def broken_tasks() -> Mapping[str, str]:
    """Why a module of `lamina.probe.tasks` cannot be used, by its name: file, line, error."""
    return _files()[1]


def find_task(name: str) -> Task:
    """The task of that name.

    Raises:
        LaminaError: there is none, or its file is broken.
    """
    known, broken = tasks(), broken_tasks()
    if name in known:
        return known[name]
    if name in broken:
        raise LaminaError(f"the task {name!r} cannot be used: {broken[name]}; mend that file or take it away")
    guess = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {guess[0]!r}?" if guess else ""
    wrong = f"; broken are {', '.join(broken)}" if broken else ""
    raise LaminaError(
        f"there is no task {name!r}{hint}; the tasks are {', '.join(known)} (`lamina probe list`){wrong}"
    )
