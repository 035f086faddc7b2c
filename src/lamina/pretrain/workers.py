"""The processes that train one model together: who does which part of a batch, on which device."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from signal import SIGINT, SIGTERM, Signals, getsignal, signal
from types import FrameType
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import Tensor, nn

from lamina.device import resolve
from lamina.errors import LaminaError
from lamina.pretrain.recipe import PretrainConfig

if TYPE_CHECKING:
    from collections.abc import Callable

STOP_FILE = "stop"
AHEAD = 2  # steps whose crops are read while the device works
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


class Workers:
    """This process among those that ``torchrun`` or ``accelerate launch`` started; one alone where neither did.

    Every process draws the whole batch of a step and works on its own rows of it, in as many parts as the recipe
    accumulates: part number ``rank * accumulate + i``. So n processes do what one with n times the parts does.
    Neither accelerate's settings nor its environment decide on dtypes or sums: the recipe does.

    Attributes:
        rank: number of this process, from 0.
        count: how many there are.
        main: whether this one writes files.
        device: where it computes.

    Raises:
        LaminaError: a batch has fewer crops than parts, or the device has no such dtype.
    """

    def __init__(self, config: PretrainConfig, device: str = "cpu") -> None:
        from accelerate import Accelerator
        from accelerate.utils import DistributedDataParallelKwargs

        # Layers that layerdrop leaves out, and a frozen front end, have no gradients to wait for.
        unused = config.model.layerdrop > 0 or config.model.feature_grad_mult == 0
        self.device = torch.device(resolve(device))
        self._accelerator = Accelerator(
            cpu=self.device.type == "cpu",
            device_placement=False,
            mixed_precision="no",
            dynamo_backend="no",
            kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=unused)],
        )
        self._config = config
        self.rank: int = self._accelerator.process_index
        self.count: int = self._accelerator.num_processes
        self.main: bool = self._accelerator.is_main_process
        self.parts = self.count * config.accumulate
        if not config.batch_seconds and config.batch_size < self.parts:
            raise LaminaError(
                f"a batch of {config.batch_size} crops cannot be split over {self.count} processes in "
                f"{config.accumulate} parts each: raise batch_size, or lower accumulate or the number of processes"
            )
        if config.dtype == "float16" and self.device.type == "cpu":
            raise LaminaError("dtype float16 needs a GPU: on a CPU take bfloat16 or float32")

    def prepare(self, model: nn.Module) -> Any:
        """Move the model to the device; what to call in training (all gradients are summed behind it)."""
        if self._config.compile:
            model.compile()
        return self._accelerator.prepare_model(model.to(self.device), device_placement=False)

    def rows(self, size: int) -> list[tuple[int, slice]]:
        """The number of each part of a batch of ``size`` that this process works on, and its rows."""
        parts = self.parts
        mine = range(self.rank * self._config.accumulate, (self.rank + 1) * self._config.accumulate)
        return [(part, slice(part * size // parts, (part + 1) * size // parts)) for part in mine]

    def autocast(self) -> AbstractContextManager[Any]:
        """Where matrix products run in the recipe's dtype."""
        dtype = DTYPES[self._config.dtype]
        return torch.autocast(self.device.type, dtype, enabled=dtype != torch.float32)

    def apart(self, trained: Any, *, last: bool) -> AbstractContextManager[Any]:
        """Where gradients stay with this process, but for those of the last part."""
        if last or self.count == 1:
            return nullcontext()
        held: AbstractContextManager[Any] = self._accelerator.no_sync(trained)
        return held

    def sum(self, values: Tensor) -> Tensor:
        """The sum of ``values`` over all processes."""
        if self.count == 1:
            return values
        total: Tensor = self._accelerator.reduce(values, reduction="sum")
        return total

    def any(self, condition: bool) -> bool:
        """Whether it holds in any process."""
        if self.count == 1:
            return condition
        return bool(self.sum(torch.tensor(float(condition), device=self.device)) > 0)

    def agree(self, value: int, what: str) -> int:
        """The value that all processes have.

        Raises:
            LaminaError: they differ.
        """
        if self.any(int(self.sum(torch.tensor(value, device=self.device))) != value * self.count):
            raise LaminaError(
                f"the processes do not agree on {what}: the run folder must be on a disk that all of them share"
            )
        return value

    def wait(self) -> None:
        """Until all processes are here."""
        self._accelerator.wait_for_everyone()


class Stopper:
    """Whether somebody asked to stop: by SIGINT or SIGTERM, or by a file ``stop`` in the run folder.

    A second signal acts at once.
    """

    def __init__(self, folder: Path, workers: Workers) -> None:
        self._file = folder / STOP_FILE
        self._workers = workers
        self._signal = ""
        self._before: dict[Signals, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():  # no other may handle signals
            for each in (SIGINT, SIGTERM):
                self._before[each] = getsignal(each)
                signal(each, self._hear)
        return self

    def __exit__(self, *_: object) -> None:
        for each, handler in self._before.items():
            signal(each, handler)
        self._before = {}

    def _hear(self, number: int, _frame: FrameType | None) -> None:
        self._signal = Signals(number).name
        self.__exit__()

    def asked(self) -> str:
        """Who asked, the same answer in every process; empty where nobody did."""
        if self._workers.any(bool(self._signal)):
            return self._signal or "a signal"
        if self._workers.any(self._workers.main and self._file.exists()):
            if self._workers.main:
                self._file.unlink(missing_ok=True)
            return f"the file {STOP_FILE!r}"
        return ""


@contextmanager
def read_ahead(read: Callable[[int], Any], first: int, last: int) -> Iterator[Iterator[Any]]:
    """What ``read`` gives for ``first``, …, ``last - 1``; a thread reads the next ones meanwhile."""
    with ThreadPoolExecutor(1, "reader") as pool:
        waiting = [pool.submit(read, step) for step in range(first, min(first + AHEAD, last))]

        def results() -> Iterator[Any]:
            for step in range(first, last):
                if step + AHEAD < last:
                    waiting.append(pool.submit(read, step + AHEAD))
                yield waiting.pop(0).result()

        try:
            yield results()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
