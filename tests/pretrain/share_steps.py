"""A program for `torchrun`: pretrain on tones and leave run folders; FOLDER UNITS CHANGES, as often as wished."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from pretrain_help import Tones, tiny

from lamina.pretrain.labels import Units
from lamina.pretrain.loop import pretrain
from lamina.runs import Run


def main() -> None:
    torch.set_num_threads(1)
    jobs = sys.argv[1:]
    for folder, units, changes in zip(jobs[::3], jobs[1::3], jobs[2::3], strict=True):
        pretrain(tiny(**json.loads(changes)), Tones(), Units.read(Path(units)), Run(Path(folder), {}, {}))


if __name__ == "__main__":
    main()
