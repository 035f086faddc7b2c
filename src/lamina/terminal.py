"""What the command line reads and prints: lists and numbers from options, tables, progress."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import typer

from lamina.errors import LaminaError

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from lamina.score import Scores


def names(text: str | None, option: str) -> tuple[str, ...] | None:
    """The names in a comma-separated option; None where it was left out."""
    if text is None:
        return None
    found = tuple(part.strip() for part in text.split(",") if part.strip())
    if not found:
        raise LaminaError(f"{option} names nothing: give names separated by commas, or leave it out")
    return found


def number(text: str, option: str) -> float:
    """A length of audio in an option (seconds)."""
    try:
        value = float(text)
    except ValueError as error:
        raise LaminaError(f"{option}: {text!r} is not a number") from error
    if not 0 < value <= 3600:
        raise LaminaError(f"{option}: {text} s is no length that can be measured here; give 3600 s or less")
    return value


def keep(scores: Scores, out: Path | None) -> None:
    """Write scores to a file, where one was asked for, and say where."""
    if out is not None:
        scores.write(out)
        say(f"scores: {out.resolve()}")


class Tell(Protocol):
    """How far a long piece of work is, and what else to say of it."""

    def __call__(self, done: int, total: int, note: str = "") -> None:
        """Show it."""
        ...


@contextmanager
def progress(what: str, *, quiet: bool = False) -> Iterator[Tell]:
    """A bar on a terminal; elsewhere a line on standard error every ten seconds; both with the time left."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False),
    )
    what = printable(what)
    began: tuple[float, int] | None = None
    last = time.monotonic()
    bars = Progress(*columns, console=console, transient=True)
    # Not by its `disable`: before rich 15 a bar that is not shown ends in an empty line.
    with bars if console.is_terminal and not quiet else nullcontext():
        bar = bars.add_task(what, total=None, note="")

        def tell(done: int, total: int, note: str = "") -> None:
            nonlocal began, last
            bars.update(bar, completed=done, total=total, note=note)
            now = time.monotonic()
            began = began or (now, done)
            if not quiet and not console.is_terminal and now - last > 10:
                last = now
                pace = (done - began[1]) / max(now - began[0], 1e-9)
                left = f"{(total - done) / pace:.0f} s left" if pace else ""
                say(", ".join(filter(None, (f"{what}: {done} of {total}", note, left))), error=True)

        yield tell


def is_main() -> bool:
    """Whether this process is the one that speaks, of those that ``torchrun`` started (it sets RANK)."""
    return os.environ.get("RANK", "0") == "0"


def show(table: Table) -> None:
    """Print a table: as wide as the terminal, or as wide as it needs where the output goes elsewhere."""
    from rich.console import Console

    class Plain(Console):
        def render_str(self, text: str, **how: Any) -> Text:
            return super().render_str(printable(text), **how | {"markup": False, "emoji": False})

    console = Plain()
    with written():
        (console if console.is_terminal else Plain(width=240)).print(table)


def say(text: str, *, error: bool = False) -> None:
    """Print a line, on standard error where it is no result."""
    with suppress(OSError) if error else written():  # no work is lost because nobody hears how far it is
        typer.echo(printable(text), err=error)


def printable(text: str) -> str:
    """A text without characters that move the cursor, turn the reading direction or cannot be written."""
    return re.sub(
        "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]",
        lambda found: found[0].encode("unicode_escape").decode(),
        text,
    )


@contextmanager
def written() -> Iterator[None]:
    """Where results are printed.

    Raises:
        LaminaError: nobody reads them any more, or the disk that they go to is full.
    """
    try:
        yield
    except OSError as error:
        why = error.strerror or str(error)
        raise LaminaError(f"the output cannot be written: {why}; what was made before is kept") from error
