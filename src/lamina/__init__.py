"""Lamina: what each layer of a speech encoder knows, at the rate that layer runs, and what it costs.

The map of the house, low to high; one word names the room, the command, the docs page and the tests:

    grid        where frames lie on the sample axis, exactly
    score       one measured number with its whole context
    stats       mergeable statistics, CCA, mutual information, k-means, the bootstrap
    corpus      speech with time-aligned tiers (`open_corpus`)
    encoders    encoders that say what each layer is and how fast it ticks (`load_encoder`)
    pretrain    masked unit prediction at one or several rates
    analysis    one pass over the audio, many questions (`analyze`, `compare_runs`)
    probe       frozen encoder, small head
    cost        multiply-accumulates, speed, memory (`measure_cost`)
    report      the page, from scores alone
    study       the matched experiment, planned, run and concluded (`run_study`, `read_study`)

Importing `lamina` is instant and changes nothing elsewhere: each public name is fetched when it is first used.
``lamina.register()`` makes transformers' Auto classes know MR-HuBERT.
"""

from __future__ import annotations

import importlib
from typing import Any

from lamina.errors import LaminaError
from lamina.grid import Grid
from lamina.score import Score, Scores

_LAZY = {
    "AnalysisConfig": "lamina.analysis.config",
    "MRHubertConfig": "lamina.encoders.mrhubert",
    "MRHubertForCTC": "lamina.encoders.mrhubert",
    "MRHubertForPreTraining": "lamina.encoders.mrhubert",
    "MRHubertModel": "lamina.encoders.mrhubert",
    "SynthConfig": "lamina.corpus.synth.config",
    "analyze": "lamina.analysis.front",
    "compare_runs": "lamina.analysis.compare",
    "load_encoder": "lamina.encoders.load",
    "measure_cost": "lamina.cost.cost",
    "open_corpus": "lamina.corpus.open",
    "read_study": "lamina.study.front",
    "register": "lamina.encoders.mrhubert",
    "run_study": "lamina.study.front",
    "synthesize": "lamina.corpus.synth.synthesis",
}

__all__ = [*sorted(_LAZY), "Grid", "LaminaError", "Score", "Scores"]  # noqa: PLE0604 (names are literals in _LAZY)


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("lamina")
    if name not in _LAZY:
        raise AttributeError(f"module 'lamina' has no attribute {name!r}")
    return getattr(importlib.import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_LAZY])
