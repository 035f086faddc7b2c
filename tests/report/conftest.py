"""Scores of a small make-believe study, its report, and what the page's script reads out of it."""

from __future__ import annotations

import base64
import gzip
import json
import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lamina.report.learning import Trained
from lamina.report.page import write_report
from lamina.report.verdicts import Verdict
from lamina.score import Score, Scores

ROW = Score(
    "s", "r", "m", "", 0, 20.0, "cca-mean", "phone", 0.0, "", None, None, 100, "test", 0, "lamina", "common", ""
)
MODEL = {
    "label_rate_ratios": [1, 2],
    "block_layers": [2, 3, 2],
    "conv_stride": [5, 2, 2, 2, 2, 2, 2],
    "sampling_rate": 16000,
    "single_prediction": False,
    "hidden_size": 96,
    "num_attention_heads": 4,
    "intermediate_size": 192,
    "masked_loss_weight": 1.0,
    "unmasked_loss_weight": 0.5,
}
METHOD = {
    "command": "lamina study run",
    "config": {
        "name": "<study>",
        "seeds": [0],
        "units": {"features": "mfcc", "clusters": 100, "seed": 3, "frames": 90000, "split": "train"},
        "cost": {"seconds": [10.0], "repeats": 5},
    },
    "factors": {"auxiliary": {"label": "auxiliary loss", "levels": ["no", "yes"]}},
    "caveats": ["One <seed> a cell."],
    "environment": {"commit": "abc1234", "versions": {"numpy": "2"}, "command": ["lamina", "study"]},
    "runs": {"pretrain-plain-s0-12345678": 61.5, "later-s0-12345678": None},
}
VERDICTS = (
    Verdict(
        "helps", "The <auxiliary> loss helps", "auxiliary raises cca-mean of phone", "supported",
        0.031, 0.010, 0.052, "", 1, 4, "cca-mean", "phone", "best", "It adds 0.031.", 0.005, 0.01, 0.02, 0.03,
    ),
    Verdict(
        "saves", "It saves compute", "auxiliary lowers macs", "undecided", None, None, None,
        "", 0, 0, "macs", "10 s", "whole", "It cannot be told.",
    ),
)  # fmt: skip


def _curve(
    model: str, level: float, *, target: str = "phone", control: str = "", middle: float = 40.0, **more: Any
) -> list[Score]:
    taps = [("front", 20.0), ("enc20.0", 20.0), (f"mid{middle:.0f}.0", middle), ("dec20.0", 20.0)]
    rows = []
    for depth, (tap, period) in enumerate(taps):
        value = level + 0.1 * math.sin(depth)
        where = {"model": model, "tap": tap, "depth": depth, "period_ms": period, "target": target}
        rows.append(
            replace(ROW, **where, value=value, low=value - 0.01, high=value + 0.02, control=control, **more)
        )
    return rows


@pytest.fixture(scope="session")
def row() -> Score:
    """A score to change."""
    return ROW


@pytest.fixture(scope="session")
def curve() -> Callable[..., list[Score]]:
    """Makes the rows of one encoder with four taps."""
    return _curve


@pytest.fixture(scope="session")
def scores() -> Scores:
    """Two encoders, controls, a baseline, effects (also by layer), a cost, masked prediction; two targets."""
    rows: list[Score] = []
    for target in ("phone", "word"):
        rows += _curve("plain", 0.50, target=target, middle=20.0)
        rows += _curve("<b>down & up</b>", 0.45, target=target)
        rows += _curve("plain", 0.12, target=target, control="untrained")
        rows += _curve("plain", 0.02, target=target, control="shuffled")
        rows.append(replace(ROW, model="mfcc", tap="mfcc", period_ms=10.0, target=target, value=0.39))
    effect = replace(ROW, model="effect:auxiliary", unit="difference", tap="best")
    rows.append(replace(effect, value=0.031, low=0.010, high=0.052))
    rows.append(replace(effect, value=-0.020, target="word", low=-0.050, high=0.010))
    rows += [replace(effect, tap="layer", depth=depth, value=0.01 * depth) for depth in (1, 2, 3)]
    rows.append(replace(ROW, measure="macs", target="10 s", value=69.5e9, unit="MAC", model="plain", support=""))
    rows.append(replace(ROW, measure="masked-accuracy", target="units", value=0.25, model="plain", tap="dec20.0"))
    return Scores(rows)


@pytest.fixture(scope="session")
def trained() -> tuple[Trained, ...]:
    """A trained encoder and the untrained one, with a log."""
    log = [{"event": "start", "step": 0}]
    log += [{"step": step, "accuracy_masked_0": step / 1000, "loss": 5 - step / 100} for step in (50, 100, 150)]
    log += [{"event": "validation", "step": 150, "accuracy_masked_0": 0.1}]
    config = {
        "model": MODEL, "seed": 0, "steps": 150, "batch_size": 8, "crop_seconds": 1.2, "learning_rate": 0.003,
        "warmup_share": 0.1, "weight_decay": 0.01, "clip_norm": 1.0, "dtype": "float32", "mask_kind": "budget",
        "mask_probability": 0.4, "mask_length": 5,
    }  # fmt: skip
    return (
        Trained("plain", 0, config, {"auxiliary": "yes"}, log),
        Trained("untrained", 0, {**config, "steps": 0}),
    )


@pytest.fixture(scope="session")
def folder(scores: Scores, trained: tuple[Trained, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of those scores."""
    folder = tmp_path_factory.mktemp("report")
    write_report(scores, folder, title="Is it <the> loss?", method=METHOD, verdicts=VERDICTS, trained=trained)
    return folder


@pytest.fixture(scope="session")
def unpack() -> Callable[[str], dict[str, Any]]:
    """Reads what is packed in a page for its script: all scores, and drawings by slug."""

    def read(page: str) -> dict[str, Any]:
        found = re.search(r'<script type="application/gzip" id="payload">(.*?)</script>', page, re.DOTALL)
        assert found
        value: dict[str, Any] = json.loads(gzip.decompress(base64.b64decode(found[1])))
        value["drawings"] = {each["slug"]: each for chart in value["charts"] for each in chart["drawings"]}
        return value

    return read
