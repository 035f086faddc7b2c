"""What the C library does with memory that is freed."""

from __future__ import annotations

import ctypes

# Parameters of glibc's mallopt (malloc.h).
TRIM_THRESHOLD, TOP_PAD, MMAP_MAX = -1, -2, -4


def keep_freed_memory() -> bool:
    """Let the C library keep large freed blocks for the next step, as it keeps small ones; say whether it can.

    Otherwise glibc gives every large tensor back to the system, and the next step waits while each page is faulted
    in anew: a fifth of a step of base size. It holds for the whole process and changes no number.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # no glibc
        return False
    return bool(mallopt(MMAP_MAX, 0) and mallopt(TRIM_THRESHOLD, -1) and mallopt(TOP_PAD, 64 << 20))
