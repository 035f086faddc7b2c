"""The device that a benchmark runs on, how fast it multiplies and copies: what its figures are held against.

    python benchmarks/card.py --device cuda

Products are of square matrices, copies of a tensor that no cache holds; the fastest of some rounds counts.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch

from lamina.device import exact, resolve, told, wait

DTYPES = ("float32", "bfloat16", "float16")


def fastest(work: Callable[[], object], device: str, rounds: int = 5) -> float:
    """Seconds of the fastest round, the device waited for; the first one warms up."""
    taken = []
    for _ in range(rounds + 1):
        wait(device)
        begun = time.perf_counter()
        work()
        wait(device)
        taken.append(time.perf_counter() - begun)
    return min(taken[1:])


def products(device: str, dtype: str, size: int = 0) -> float:
    """Multiply-accumulates are two operations: operations a second of a square product."""
    size = size or (1024 if device == "cpu" else 8192 if dtype != "float32" else 4096)
    a, b = (torch.randn(size, size, device=device).to(getattr(torch, dtype)) for _ in range(2))
    with exact():
        return 2 * size**3 / fastest(lambda: a @ b, device)


def copies(device: str, size: int = 0) -> float:
    """Bytes a second that are read and written."""
    held = torch.empty(size or (1 << 26 if device == "cpu" else 1 << 30), dtype=torch.uint8, device=device)
    return 2 * held.numel() / fastest(held.clone, device)


def machine(device: str, *dtypes: str, size: int = 0) -> str:
    """One line: the device, what it multiplies in each dtype, what it copies."""
    rates = ", ".join(f"{dtype} {products(device, dtype, size) / 1e12:.3g} TFLOP/s" for dtype in dtypes)
    return f"{told(device)}: products in {rates}; copies {copies(device, size**2) / 1e9:.3g} GB/s"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--size", type=int, default=0, help="of the matrices; large ones by default")
    args = parser.parse_args()
    print(machine(resolve(args.device), *DTYPES, size=args.size))
