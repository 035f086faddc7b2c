"""A program for `torchrun`: pretrain on tones and leave the run folder."""

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
    folder, units, changes = Path(sys.argv[1]), Path(sys.argv[2]), json.loads(sys.argv[3])
    torch.set_num_threads(1)
    pretrain(tiny(**changes), Tones(), Units.read(units), Run(folder, {}, {}))


if __name__ == "__main__":
    main()
