"""Scores of a small make-believe study, its report, and what the page's script reads out of it."""

from __future__ import annotations

import base64
import gzip
import json
import math
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from lamina.config import load_config, parse_config
from lamina.effect import Effect
from lamina.pretrain.recipe import PretrainConfig
from lamina.report.overview import Overview, overview
from lamina.report.page import write_report
from lamina.report.trained import Trained
from lamina.report.verdicts import Verdict
from lamina.score import Score, Scores
from lamina.study.design import StudyConfig

ROOT = Path(__file__).resolve().parents[2]
LABELS = {"auxiliary": "auxiliary <loss>"}
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--no-first-run",
    "--allow-file-access-from-files",
    "--enable-logging=stderr",
    "--virtual-time-budget=60000",
    "--dump-dom",
)
VERDICTS = (
    Verdict(
        "helps", "The <auxiliary> loss helps", "auxiliary raises cca-mean of phone", "supported",
        0.031, 0.010, 0.052, "", 1, 4, "cca-mean", "phone", "best", "It adds 0.031.", 0.005, 0.01, 0.02, 0.03,
    ),
    Verdict(
        "saves", "It saves compute", "auxiliary lowers macs", "undecided", None, None, None,
        "", 0, 0, "macs", "", "whole", "It cannot be told.",
    ),
)  # fmt: skip


def made(**columns: Any) -> Score:
    """A score; what is not said is usual."""
    usual = {
        "study": "s", "run": "r", "model": "m", "period_ms": 20.0, "measure": "cca-mean", "target": "phone",
        "value": 0.0, "n": 100, "items": "segments", "split": "test", "protocol": "lamina", "support": "common",
    }  # fmt: skip
    return Score(**(usual | columns))


def _curve(model: str, level: float, *, middle: float = 40.0, **columns: Any) -> list[Score]:
    """Four taps: the front, and the blocks of a U; values go up and down with depth."""
    taps = [
        ("front", "front", None, 20.0),
        ("enc20.1", "enc20", 1, 20.0),
        (f"mid{middle:.0f}.1", f"mid{middle:.0f}", 1, middle),
        ("dec20.1", "dec20", 1, 20.0),
    ]
    rows = []
    for depth, (tap, block, layer, period) in enumerate(taps):
        value = level + 0.1 * math.sin(depth)
        place = {"tap": tap, "block": block, "layer": layer, "depth": depth, "period_ms": period}
        rows.append(
            made(
                **({"model": model, **place, "value": value, "low": value - 0.01, "high": value + 0.02} | columns)
            )
        )
    return rows


@pytest.fixture(scope="session")
def row() -> Callable[..., Score]:
    """Makes a score."""
    return made


@pytest.fixture(scope="session")
def curve() -> Callable[..., list[Score]]:
    """Makes the rows of one encoder with four taps."""
    return _curve


@pytest.fixture(scope="session")
def scores() -> Scores:
    """Two encoders, controls, a baseline, a cost, masked prediction; two targets."""
    rows: list[Score] = []
    for target in ("phone", "word"):
        rows += _curve("plain", 0.50, target=target, middle=20.0)
        rows += _curve("<b>down & up</b>", 0.45, target=target)
        rows += _curve("plain", 0.12, target=target, control="untrained")
        rows += _curve("plain", 0.02, target=target, control="shuffled")
        rows.append(made(model="mfcc", tap="mfcc", block="mfcc", period_ms=10.0, target=target, value=0.39))
    whole = {"model": "plain", "tap": "", "target": "", "support": "", "n": 0, "items": ""}
    rows.append(made(**whole, measure="macs", seconds=10.0, value=69.5e9, unit="MAC"))
    masked = {"model": "plain", "tap": "dec20.1", "support": "masked", "items": "frames"}
    rows.append(made(**masked, measure="masked-accuracy", target="units", value=0.25))
    return Scores(rows)


@pytest.fixture(scope="session")
def effects() -> tuple[Effect, ...]:
    """Of one factor: at the best layer, and at three layers."""
    same: dict[str, Any] = {"name": "auxiliary", "measure": "cca-mean", "split": "test", "protocol": "lamina"}
    return (
        Effect(**same, target="phone", at="best", value=0.031, low=0.010, high=0.052),
        Effect(**same, target="word", at="best", value=-0.020, low=-0.050, high=0.010),
        *(Effect(**same, target="phone", at="layer", layer=layer, value=0.01 * layer) for layer in (1, 2, 3)),
    )


@pytest.fixture(scope="session")
def study() -> StudyConfig:
    """The demo's design, as it is run."""
    return load_config(ROOT / "configs" / "study" / "tiny.toml", StudyConfig)


@pytest.fixture(scope="session")
def method(study: StudyConfig) -> Mapping[str, Any]:
    """What a study tells its report."""
    return {
        "question": study.question,
        "factors": {
            name: {"label": each.label, "levels": list(each.levels)} for name, each in study.factors.items()
        },
        "caveats": ["One <seed> a cell."],
        "config": study.to_json() | {"corpus": study.speech.to_json()},
        "config_digest": study.digest,
        "environment": {"commit": "abc1234", "versions": {"numpy": "2"}, "command": ["lamina", "study"]},
        "notes": {"plain": ["CCA of <word> rests on few speakers"]},
        "runs": {"pretrain-plain-s0-12345678": 61.5, "later-s0-12345678": None},
    }


@pytest.fixture(scope="session")
def trained(study: StudyConfig) -> tuple[Trained, ...]:
    """A trained encoder and the untrained one, with a log."""
    log: list[dict[str, Any]] = [{"event": "start", "step": 0}]
    log += [{"step": step, "accuracy_masked_0": step / 1000, "loss": 5 - step / 100} for step in (50, 100, 150)]
    log += [{"event": "validation", "step": 150, "accuracy_masked_0": 0.1}]
    config = parse_config({**study.pretrain, "steps": 150, "seed": 0}, PretrainConfig, "tiny").to_json()
    return (
        Trained("plain", 0, config, {"auxiliary": "aux"}, log),
        Trained("untrained", 0, {**config, "steps": 0}),
    )


@pytest.fixture(scope="session")
def seen(scores: Scores, effects: tuple[Effect, ...], trained: tuple[Trained, ...]) -> Overview:
    """All of it, sorted."""
    return overview(scores, effects=effects, trained=trained, labels=LABELS)


@pytest.fixture(scope="session")
def folder(
    scores: Scores,
    effects: tuple[Effect, ...],
    trained: tuple[Trained, ...],
    method: Mapping[str, Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """The report of those scores, with figures."""
    folder = tmp_path_factory.mktemp("report")
    told = {"title": "Is it <the> loss?", "method": method, "verdicts": VERDICTS}
    write_report(scores, folder, **told, effects=effects, trained=trained, figures=("svg", "pdf"))
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


@pytest.fixture
def opened(tmp_path: Path) -> Callable[[Path], tuple[str, list[str]]]:
    """Opens a page in headless Chromium: what it has become, and what it told the console."""
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        pytest.skip("no Chromium on this machine")

    def look(page: Path) -> tuple[str, list[str]]:
        command = [browser, *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", page.as_uri()]
        run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=180)
        return run.stdout, [line for line in run.stderr.splitlines() if "CONSOLE" in line]

    return look
