"""The one error that users see: a clear line that says what, where, why, and what to do."""

from __future__ import annotations


class LaminaError(Exception):
    """Bad input. The message is one line: what is wrong, where, the likely cause, the remedy.

    The command line prints the message and exits with code 2; in Python it is an ordinary exception.
    Programming mistakes of Lamina itself stay ``AssertionError`` and show their traceback.
    """
