"""How long and how much memory a corpus of 10,000 utterances takes: to synthesise, to open, to check, to read.

    python benchmarks/corpus.py [--utterances 10000] [--jobs 2] [--folder /tmp/ten-thousand]

Each step runs in a process of its own, whose peak memory is told. The utterances are short (keywords of about half
a second), so the manifest and not the audio is what is large.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def synth(options: argparse.Namespace) -> dict[str, float]:
    from lamina.corpus.synth.config import Speakers, SynthConfig
    from lamina.corpus.synth.synthesis import synthesize

    config = SynthConfig(
        say="keywords",
        minutes=options.utterances * 0.415 / 60,
        shared_sentences=0,
        speakers=Speakers(train=28, dev=6, test=6),
    )
    return {"utterances": len(synthesize(config, options.folder, workers=options.jobs))}


def nothing(_options: argparse.Namespace) -> dict[str, float]:
    import soundfile  # noqa: F401 - what all steps load

    import lamina.corpus.open  # noqa: F401

    return {}


def opened(options: argparse.Namespace) -> dict[str, float]:
    from lamina.corpus.open import open_corpus

    corpus = open_corpus(options.folder)
    start = time.perf_counter()
    segments = sum(len(tier) for u in corpus.utterances() for tier in u.tiers.values())
    return {"utterances": len(corpus), "segments": segments, "seconds_of_one_pass": time.perf_counter() - start}


def read(options: argparse.Namespace) -> dict[str, float]:
    from lamina.corpus.open import open_corpus

    corpus = open_corpus(options.folder)
    samples = sum(len(corpus.read(utterance)) for utterance in corpus.utterances())
    return {"hours": samples / 16000 / 3600}


def checked(options: argparse.Namespace) -> dict[str, float]:
    from lamina.corpus.check import examine

    return {"problems": len(examine(options.folder)[1])}


STEPS = {step.__name__: step for step in (nothing, synth, opened, read, checked)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--utterances", type=int, default=10_000)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--step", choices=sorted(STEPS))
    options = parser.parse_args()
    if options.step:
        start = time.perf_counter()
        told = STEPS[options.step](options)
        told["seconds"] = time.perf_counter() - start
        told["peak_MB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"step": options.step} | {name: round(value, 2) for name, value in told.items()}))
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.folder or Path(scratch) / "corpus"
        for step in STEPS:
            if step == "synth" and (folder / "corpus.json").is_file():
                continue
            given = ["--folder", str(folder), "--utterances", str(options.utterances), "--jobs", str(options.jobs)]
            subprocess.run([sys.executable, __file__, "--step", step, *given], check=True)


if __name__ == "__main__":
    main()
