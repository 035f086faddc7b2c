"""The C library keeps what is freed: the next step's pages are there already."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

FAULTS = """
import resource
import torch
from lamina.pretrain.memory import keep_freed_memory
{call}
for step in range(20):
    if step == 15:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(64 << 18)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has mallopt")
def test_freed_memory_is_kept() -> None:
    faults = {
        call: int(
            subprocess.run(
                [sys.executable, "-c", FAULTS.format(call=call)], capture_output=True, check=True
            ).stdout
        )
        for call in ("", "assert keep_freed_memory()")
    }
    print(faults)
    assert faults["assert keep_freed_memory()"] < 100 < faults[""]
