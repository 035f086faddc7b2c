"""The SUPERB score against the leaderboard's rows, and its readers."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from lamina.cli import app
from lamina.errors import LaminaError
from lamina.probe.superb import METRICS, left_out, read_results, superb_score
from lamina.score import Score, Scores

# Published rows, in the order of METRICS (SF as F1, CER; MTWV times 100), and the leaderboard's score. Checked
# against a published table are all scores and HuBERT base; other rows are from memory, held by their score.
PUBLISHED = {
    "HuBERT base": ((5.41, 96.30, 98.34, 81.42, 64.92, 6.42, 7.36, 88.53, 25.20, 5.11, 5.88), 941),
    "HuBERT large": ((3.53, 95.29, 98.76, 90.33, 67.62, 3.62, 3.53, 89.81, 21.76, 5.98, 5.75), 919),
    "wav2vec 2.0 base": ((5.74, 96.23, 92.35, 75.18, 63.43, 6.43, 2.33, 88.30, 24.77, 6.02, 6.08), 818),
    "wav2vec 2.0 large": ((4.75, 96.66, 95.28, 86.14, 65.64, 3.75, 4.89, 87.11, 27.31, 5.65, 5.62), 914),
    "WavLM base": ((4.84, 96.79, 98.63, 84.51, 65.94, 6.21, 8.70, 89.38, 22.86, 4.69, 4.55), 1019),
    "WavLM base+": ((3.92, 97.37, 99.00, 89.42, 68.65, 5.59, 9.88, 90.58, 21.20, 4.07, 3.50), 1106),
    "WavLM large": ((3.06, 97.86, 99.31, 95.49, 70.62, 3.44, 8.86, 92.21, 18.36, 3.77, 3.24), 1145),
    "DistilHuBERT": ((16.27, 95.98, 94.99, 73.54, 63.02, 13.37, 5.11, 82.57, 35.59, 8.55, 6.19), 717),
}


def row(name: str) -> dict[str, float]:
    return dict(zip(METRICS, PUBLISHED[name][0], strict=True))


@pytest.mark.parametrize("name", PUBLISHED)
def test_leaderboard_rows_come_out(name: str) -> None:
    assert superb_score(row(name)) == pytest.approx(PUBLISHED[name][1], abs=0.55)


def test_the_ends_of_the_scale() -> None:
    assert superb_score({name: metric.filterbank for name, metric in METRICS.items()}) == 0
    assert superb_score({name: metric.best for name, metric in METRICS.items()}) == pytest.approx(1000)
    # Slot filling counts once: its two metrics half each.
    half = {name: metric.filterbank for name, metric in METRICS.items()} | {"sf-f1": METRICS["sf-f1"].best}
    assert superb_score(half) == pytest.approx(50)


def scores(**changes: object) -> Scores:
    return Scores(
        Score(
            **{
                "run": "r",
                "model": "m",
                "layers": "chosen" if metric.task == "qbe" else "weighted",
                "period_ms": 20.0,
                "measure": metric.measure,
                "target": "query" if metric.task == "qbe" else metric.task,
                "value": value / 100,
                "n": 1,
                "split": "test",
                "protocol": "superb",
                "head": "" if metric.task == "qbe" else "superb",
                **changes,
            }
        )
        for (name, metric), value in zip(METRICS.items(), PUBLISHED["HuBERT base"][0], strict=True)
    )


def test_rows_of_probes_are_scored(tmp_path: Path) -> None:
    path = tmp_path / "scores.jsonl"
    scores().write(path)
    (found,) = read_results(tmp_path).values()
    assert superb_score(found) == pytest.approx(941, abs=0.5)
    told = CliRunner().invoke(app, ["score", "superb", str(tmp_path)]).output
    assert "941" in told
    assert "SUPERB's own data sets" in told
    (scores() + scores(control="untrained", value=0.5)).write(path)
    assert list(read_results(path)) == ["m", "m (untrained)"]
    (scores() + scores(value=0.5, run="other")).write(path)
    with pytest.raises(LaminaError, match="m has two values of pr"):
        read_results(path)


def test_a_file_of_published_numbers(tmp_path: Path) -> None:
    path = tmp_path / "results.toml"
    path.write_text("[a]\n" + "".join(f"{name} = {value}\n" for name, value in row("HuBERT base").items()))
    assert superb_score(read_results(path)["a"]) == pytest.approx(941, abs=0.5)
    path.write_text("[a]\npr = 5.41\n")
    told = CliRunner().invoke(app, ["score", "superb", str(path)]).output
    assert "a lacks ks, ic, sid" in " ".join(told.split())
    assert left_out({"sf-f1": 1.0, "pr": 1.0}) == ["ks", "ic", "sid", "er", "asr", "qbe", "asv", "sd"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[a]\nper = 1.0", "no metric 'per'; did you mean"),
        ("[a]\npr = nan", "pr is nan"),
        ("[a]\npr = '5'", "pr of a is '5'"),
        ("[a]\nsf-f1 = 80", "needs both"),
        ("[a]", "no SUPERB metric"),
        ("pr = 5", "outside a table"),
        ("[a", "is not a TOML file"),
        ("", "is empty"),
    ],
)
def test_bad_results(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "results.toml"
    path.write_text(text)
    with pytest.raises(LaminaError, match=said):
        superb_score(read_results(path)["a"])


def test_results_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(LaminaError, match="cannot read"):
        read_results(tmp_path / "none.toml")
    with pytest.raises(LaminaError, match="cannot read"):
        read_results(tmp_path)
    scores(protocol="lamina").write(tmp_path / "scores.jsonl")
    with pytest.raises(LaminaError, match="no row of the protocol superb"):
        read_results(tmp_path)
