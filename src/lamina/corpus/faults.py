"""What is wrong with a corpus: raised at the first, or kept as a line each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from lamina.errors import LaminaError


class Faults:
    """Where readers tell what is wrong.

    Each is a line "where: what", kept once, in order.

    Args:
        keep: whether faults are kept as lines and what they concern is left out; else the first is raised.
        remarks: whether what readers mend by themselves is kept, too.
    """

    def __init__(self, *, keep: bool, remarks: bool = False) -> None:
        self.keep = keep
        self.remarks = remarks
        self._told: dict[str, None] = {}  # a corpus that is read twice tells its faults twice

    @property
    def lines(self) -> list[str]:
        """What was told."""
        return list(self._told)

    def __len__(self) -> int:
        """How many were told."""
        return len(self._told)

    def __bool__(self) -> bool:
        """A place to tell faults is one even while it is empty."""
        return True

    def add(self, fault: str) -> None:
        """Tell a fault that makes an utterance, or a part of it, unusable.

        Raises:
            LaminaError: faults are not kept.
        """
        if not self.keep:
            raise LaminaError(fault)
        self._told[fault] = None

    def remark(self, fault: str) -> None:
        """Tell what a reader can mend by itself; dropped where nobody asks for remarks."""
        if self.remarks:
            self._told[fault] = None

    @contextmanager
    def catching(self) -> Iterator[None]:
        """Take a `LaminaError` raised inside as a fault."""
        try:
            yield
        except LaminaError as error:
            if not self.keep:
                raise
            self._told[str(error)] = None
