"""Kill a run with SIGKILL at random moments, start it again each time, and compare with an unbroken one.

python tests/pretrain/kill_steps.py 20
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from pretrain_help import Tones
from safetensors.torch import load_file

from lamina.pretrain.units import UnitsConfig, make_units
from lamina.runs import Run

PROGRAM = Path(__file__).with_name("share_steps.py")
# Saved every third step: many kills fall into the writing of a checkpoint.
SCHEDULE = {"checkpoint_every": 3, "log_every": 1, "validate_every": 1000}


def begin(folder: Path, units: Path, steps: int, changes: dict) -> subprocess.Popen:
    told = json.dumps(SCHEDULE | {"steps": steps} | changes)
    command = [sys.executable, str(PROGRAM), str(folder), str(units), told]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def steps_logged(folder: Path) -> int:
    return sum("gradient_norm" in line for line in Run(folder, {}, {}).log_lines())


def survive(folder: Path, units: Path, *, kills: int, steps: int, seed: int, **changes) -> list[int]:
    """Make the run in ``folder`` with so many kills; the steps that it went on from."""
    draw = np.random.default_rng(seed)
    for kill in range(kills):
        before, process = steps_logged(folder), begin(folder, units, steps, changes)
        while steps_logged(folder) == before:  # the first step is done
            if process.poll() is not None:
                raise AssertionError(f"over before kill {kill + 1}: {process.stderr.read().decode()[-2000:]}")
            time.sleep(0.02)
        time.sleep(draw.uniform(0, 0.6))
        process.kill()
        process.communicate()
    finish(folder, units, steps, changes)
    return [line["step"] for line in Run(folder, {}, {}).log_lines() if line.get("event") == "resumed"]


def finish(folder: Path, units: Path, steps: int, changes: dict) -> None:
    process = begin(folder, units, steps, changes)
    _, error = process.communicate(timeout=300)
    assert process.returncode == 0, error.decode()[-2000:]


def same(one: Path, other: Path) -> bool:
    """Whether two runs ended with the same weights, to the bit."""
    a, b = (load_file(folder / "model" / "model.safetensors") for folder in (one, other))
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def main() -> None:
    kills = int(sys.argv[1])
    with tempfile.TemporaryDirectory() as root:
        for changes in ({}, {"batch_seconds": 2.5, "crop_seconds": 1.2}):
            here = Path(root) / str(len(changes))
            make_units(UnitsConfig(clusters=6), Tones(), here / "units")
            resumed = survive(here / "killed", here / "units", kills=kills, steps=60 * kills, seed=0, **changes)
            finish(here / "whole", here / "units", 60 * kills, changes)
            exact = same(here / "killed", here / "whole")
            left = [path.name for path in (here / "killed").glob(".*")]
            print(f"{changes or 'equal crops'}: {kills} kills, resumed at {resumed}, left {left}, exact {exact}")


if __name__ == "__main__":
    main()
