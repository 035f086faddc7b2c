"""What is wrong with a corpus, raised at the first or kept as a line each; and counts of what was not used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from lamina.errors import LaminaError

NAMED = 6  # kinds that a count names; more are counted
SHOWN = 120  # characters of somebody else's text in a note


class Faults:
    """Where readers tell what is wrong.

    Each is a line "where: what", kept once, in order.

    Args:
        keep: whether faults are kept as lines and what they concern is left out; else the first is raised.
        remarks: whether what readers mend by themselves is kept, too.
        exact: whether what readers mend by themselves is a fault.

    Attributes:
        added: how many faults were added, repeated ones too; an utterance during which it grows is not whole.
    """

    def __init__(self, *, keep: bool, remarks: bool = False, exact: bool = False) -> None:
        self.keep = keep
        self.remarks = remarks
        self.exact = exact
        self.added = 0
        self._told: dict[str, None] = {}  # a corpus that is read twice tells its faults twice
        self._counts: dict[str, Counter[str]] = {}

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
        self.added += 1
        self._told[fault] = None

    def remark(self, fault: str) -> None:
        """Tell what a reader can mend by itself; dropped where nobody asks for remarks."""
        if self.remarks:
            self._told[fault] = None

    def mend(self, what: str, where: str, remark: str) -> None:
        """Count what a reader mends by itself: ``what`` by ``where``; ``remark`` tells the single case.

        Raises:
            LaminaError: times are to be exact, and faults are not kept.
        """
        if self.exact:
            self.add(remark)
        else:
            self.remark(remark)
            self.count(what, where)

    def count(self, what: str, which: str, number: int = 1) -> None:
        """Count what a reader leaves aside, or decides on the way: ``what``, by the kinds ``which``."""
        self._counts.setdefault(what, Counter())[which] += number

    def counts(self) -> list[str]:
        """A line for each ``what`` that was counted: how many, and the commonest kinds."""
        return [
            shown(what) + f" ({sum(kinds.values()):,}): {commonest(kinds) if len(kinds) > 1 else shown(*kinds)}"
            for what, kinds in self._counts.items()
        ]

    @contextmanager
    def catching(self) -> Iterator[None]:
        """Take a `LaminaError` raised inside as a fault."""
        try:
            yield
        except LaminaError as error:
            if not self.keep:
                raise
            self.added += 1
            self._told[str(error)] = None


def commonest(kinds: Counter[str], most: int = NAMED) -> str:
    """The commonest of some kinds, each with its number where that is not one."""
    named = [shown(kind) + (f" ({number:,})" if number > 1 else "") for kind, number in kinds.most_common(most)]
    more = f" and {len(kinds) - most:,} more" if len(kinds) > most else ""
    return ", ".join(named) + more


def shown(text: str) -> str:
    """Somebody else's text in a note: one line of bounded length, without control characters."""
    told = text if text.isprintable() else ascii(text)
    return told if len(told) <= SHOWN else f"{told[: SHOWN - 1]}…"
