"""A program for `torchrun`: analyse planted speech and leave the scores."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from accelerate import PartialState
from planted import scale_case

from lamina.analysis.sweep import analyze
from lamina.runs import Run


def main() -> None:
    torch.set_num_threads(1)
    state = PartialState(cpu=True)
    encoder, corpus, config = scale_case(splits=sys.argv[2] == "splits")
    run = Run.plan(Path(sys.argv[1]), "shared", {})
    if state.is_main_process:
        run.start()
    state.wait_for_everyone()
    found = analyze(encoder, corpus, config, run=run)
    found.scores.write(Path(sys.argv[1]) / f"scores-{state.process_index}.jsonl")


if __name__ == "__main__":
    main()
