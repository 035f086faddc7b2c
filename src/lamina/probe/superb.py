"""The SUPERB score: how far an encoder is from filter banks to the best systems of 2021, over ten tasks.

For each metric ``(value - filter banks) / (best - filter banks)``; the mean over the metrics of a task, then over
tasks, times 1000 (Yang et al. 2021, superbbenchmark.org). The constants are the leaderboard's: with them its rows
come out (the row of filter banks that papers print does not give them).
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from lamina.config import parse_toml
from lamina.errors import LaminaError
from lamina.score import CHOSEN, WEIGHTED, Score, Scores


@dataclass(frozen=True, slots=True)
class Metric:
    """One column of the leaderboard.

    Attributes:
        task: its task.
        measure: its name among scores.
        filterbank: what filter banks reach, in per cent.
        best: the best value of the 2021 paper, in per cent.
        target: the ``target`` of its scores, where it is not the task.
    """

    task: str
    measure: str
    filterbank: float
    best: float
    target: str = ""


METRICS: Mapping[str, Metric] = {
    "pr": Metric("pr", "per", 82.01, 3.53),
    "ks": Metric("ks", "accuracy", 41.38, 96.66),
    "ic": Metric("ic", "accuracy", 9.65, 98.76),
    "sid": Metric("sid", "accuracy", 20.06, 90.33),
    "er": Metric("er", "accuracy", 48.24, 67.62),
    "asr": Metric("asr", "wer", 23.18, 3.62),
    "qbe": Metric("qbe", "mtwv", 0.58, 7.36, target="query"),
    "sf-f1": Metric("sf", "slot-f1", 69.64, 89.81),
    "sf-cer": Metric("sf", "slot-cer", 52.94, 21.76),
    "asv": Metric("asv", "eer", 9.56, 5.11),
    "sd": Metric("sd", "der", 10.05, 5.62),
}
TASKS = tuple(dict.fromkeys(metric.task for metric in METRICS.values()))


def superb_score(values: Mapping[str, float]) -> float:
    """The score of one encoder: 0 for filter banks, 1000 where every metric is the best of 2021.

    Args:
        values: by the names of `METRICS`, in per cent (QbE's MTWV times 100); tasks may be left out, and then the
            score is no leaderboard's, but both metrics of slot filling are needed.

    Raises:
        LaminaError: there is no metric of a name, a value is no number, nothing or half of slot filling is there.
    """
    for name, value in values.items():
        if name not in METRICS:
            guess = difflib.get_close_matches(name, METRICS, n=1)
            hint = f"; did you mean {guess[0]!r}?" if guess else ""
            raise LaminaError(f"SUPERB has no metric {name!r}{hint}; they are {', '.join(METRICS)}")
        if not math.isfinite(value):
            raise LaminaError(f"the SUPERB metric {name} is {value}, no number: leave it out, or probe again")
    if not values:
        raise LaminaError("there is no SUPERB metric to score: probe with `--protocol superb` first")
    if ("sf-f1" in values) != ("sf-cer" in values):
        raise LaminaError("slot filling needs both of sf-f1 and sf-cer")
    by_task: dict[str, list[float]] = {}
    for name, value in values.items():
        metric = METRICS[name]
        reached = (value - metric.filterbank) / (metric.best - metric.filterbank)
        by_task.setdefault(metric.task, []).append(reached)
    return 1000 * sum(sum(each) / len(each) for each in by_task.values()) / len(by_task)


def left_out(values: Mapping[str, float]) -> list[str]:
    """The tasks that have no value."""
    return [task for task in TASKS if task not in {METRICS[name].task for name in values}]


def superb_values(scores: Iterable[Score]) -> dict[str, dict[str, float]]:
    """The metrics in per cent by encoder (``model``, with its control where it is one), of rows of `lamina probe`.

    Rows of the protocol ``superb``: of weighted sums, and of the layer that dev chose for QbE.

    Raises:
        LaminaError: an encoder has two values of one metric.
    """
    found: dict[str, dict[str, float]] = {}
    for row in Scores(scores).select(protocol="superb", layers=(WEIGHTED, CHOSEN)):
        for name, metric in METRICS.items():
            if (row.target, row.measure) != (metric.target or metric.task, metric.measure):
                continue
            model = f"{row.model} ({row.control})" if row.control else row.model
            own = found.setdefault(model, {})
            if own.setdefault(name, 100 * row.value) != 100 * row.value:
                raise LaminaError(f"{model} has two values of {name}: give one run's scores at a time")
    return found


def read_results(path: Path) -> dict[str, dict[str, float]]:
    """Metrics in per cent by encoder, of a run folder, a ``scores.jsonl``, or a TOML file of tables.

    The TOML file has a table an encoder, with the names of `METRICS`::

        [hubert-base]
        pr = 5.41
        sf-f1 = 88.53

    Raises:
        LaminaError: the file is missing, is none of these, or says nothing of SUPERB.
    """
    if path.suffix == ".toml":
        return _tables(path)
    found = superb_values(Scores.read(path / "scores.jsonl" if path.is_dir() else path))
    if not found:
        raise LaminaError(
            f"{path} has no row of the protocol superb with a weighted sum of layers: make some with "
            "`lamina probe ENCODER CORPUS --protocol superb --out FOLDER`"
        )
    return found


def _tables(path: Path) -> dict[str, dict[str, float]]:
    tables = parse_toml(
        path, what="results", remedy="give a table an encoder, such as [hubert-base] with pr = 5.41"
    )
    if not tables:
        raise LaminaError(f"{path} is empty: it needs a table an encoder, such as [hubert-base] with pr = 5.41")
    made: dict[str, dict[str, float]] = {}
    for model, values in tables.items():
        if not isinstance(values, dict):
            raise LaminaError(f"{path}: {model} stands outside a table: put it under the encoder's name, [NAME]")
        for name, value in values.items():
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise LaminaError(f"{path}: {name} of {model} is {value!r}, not a number in per cent")
        made[model] = {name: float(value) for name, value in values.items()}
    return made
