"""Does a second round of units know phones better than the first? Of every masked model of a finished study.

    lamina study run configs/study/learning.toml
    python benchmarks/rounds.py runs/learning --model masked

For each seed, taps at the finest rate are clustered on the train speakers into as many units as the first round
has; the tap is chosen by PNMI (Hsu et al. 2021, section IV-B) on the dev speakers, and the test speakers are told.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from lamina.corpus.open import open_corpus
from lamina.encoders.load import load_encoder
from lamina.pretrain.labels import Codebook, Units
from lamina.pretrain.units import UnitsConfig, fit_units, label_units, unit_quality


def main() -> None:
    """Print a line a seed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path, help="a finished study's folder")
    parser.add_argument("--model", default="masked", help="which of its models")
    parser.add_argument("--taps", default="", help="which taps, by commas; all at the finest rate by default")
    parser.add_argument("--frames", type=int, default=100_000, help="sample that k-means holds")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    corpus = open_corpus(next(options.study.glob("corpus-*")))
    folder = next(options.study.glob("units*-*"))
    first, clusters = Units.read(folder), len(Codebook.read(folder).centroids)
    print(
        f"round 1, {clusters} units: PNMI {unit_quality(first, corpus, 'phone', 'test')['pnmi']:.3f}", flush=True
    )
    for run in sorted(options.study.glob(f"pretrain-{options.model}-s*")):
        encoder = load_encoder(str(run))
        finest = min(tap.grid.stride for tap in encoder.taps)
        found = {}
        for tap in encoder.taps:
            if tap.grid.stride > finest or tap.name not in (options.taps or tap.name).split(","):
                continue
            config = UnitsConfig(
                features=str(run),
                tap=tap.name,
                clusters=clusters,
                frames=options.frames,
                normalise="none",
                restarts=1,
                passes=0,
            )
            units = label_units(encoder, fit_units(encoder, tap.name, corpus, config), corpus)
            dev, test = (unit_quality(units, corpus, "phone", split)["pnmi"] for split in ("dev", "test"))
            found[tap.name] = (dev, test)
        best = max(found, key=lambda name: found[name][0])
        row = ", ".join(f"{name} {test:.3f}" for name, (_, test) in found.items())
        print(f"{run.name}: round 2 of {best}, PNMI {found[best][1]:.3f} ({row})", flush=True)


if __name__ == "__main__":
    main()
