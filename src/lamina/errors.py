"""The one error that users see: a clear line that says what, where, why, and what to do."""

from __future__ import annotations

import os
import re


class LaminaError(Exception):
    """Bad input. The message is one line: what is wrong, where, the likely cause, the remedy.

    The command line prints the message and exits with code 2; in Python it is an ordinary exception.
    Programming mistakes of Lamina itself stay ``AssertionError`` and show their traceback.
    """


# How the libraries below us say that there was not enough memory.
_MEMORY = re.compile(
    r"out of memory|(can't|cannot|could not|unable to) allocate|could not create a (primitive|memory)|bad_?alloc"
    r"|can't start new thread",
    re.IGNORECASE,
)


def told(error: BaseException) -> str | None:
    """What to say, in one line, of an error that is no mistake of Lamina's own; None of any other."""
    if isinstance(error, LaminaError):
        return str(error)
    why = first_line(error)
    if isinstance(error, UnicodeError) and isinstance(text := getattr(error, "object", None), str):
        why = f"{text[:100]!r}: {why}"
    if isinstance(error, MemoryError) or (isinstance(error, RuntimeError | OSError) and _MEMORY.search(why)):
        return (
            f"the memory ran out ({why}): make batches smaller (--batch-seconds, batch_size, batch_seconds), read "
            "fewer taps or targets at once, run fewer jobs, or take a larger machine"
        )
    if isinstance(error, OSError):
        return fault(error)
    for kind, line in _LINES.items():
        if isinstance(error, kind):
            return line.format(why)
    return None


_LINES = {
    RecursionError: "something is nested deeper than can be read ({}): check the files that were given",
    UnicodeError: "a name or a text is no UTF-8 ({}): rename the file or folder, or convert the text",
    EOFError: "a file ends too early ({}): it may be half-copied; copy it again",
}


def fault(error: OSError) -> str:
    """What the system refused, in one line."""
    where = "" if error.filename is None else f"{os.fsdecode(error.filename)}: "
    return f"{where}{error.strerror or first_line(error)}; check the path, its permissions and the free disk space"


def first_line(error: BaseException) -> str:
    """What an error of a library says, in one line of bounded length."""
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__
