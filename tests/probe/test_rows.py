"""RowMaker of several folds against closed forms."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import t

from lamina.corpus.corpus import Utterance
from lamina.encoders.encoder import Tap
from lamina.grid import Grid
from lamina.probe.config import ProbeConfig
from lamina.probe.rows import RowMaker
from lamina.probe.search import Found
from lamina.probe.tally import Ratio
from lamina.probe.task import Example
from lamina.score import Scores
from lamina.stats.inference import Replicates

GRID = Grid.samples(16000).conv(400, 320)
EACH = 10  # utterances a speaker


def folded(folds: list[list[int]]) -> tuple[Scores, Replicates]:
    """Rows of folds whose speakers are right so many times of ten; the weights of the second fold are others."""
    taps = tuple(Tap(f"t{one}", one, 4, GRID) for one in range(2))
    group = SimpleNamespace(taps=taps, grid=GRID)
    jobs, found = [], []
    for fold, speakers in enumerate(folds):
        test = [
            Example(Utterance(f"{fold}-{speaker}-{one}", f"s{fold}-{speaker}", "", 1, "", {}), ("a",))
            for speaker in range(len(speakers))
            for one in range(EACH)
        ]
        right = np.concatenate([np.arange(EACH) < count for count in speakers]).astype(float)
        tally = Ratio(right, np.ones(len(right)))
        share = 0.2 + 0.4 * fold / max(1, len(folds) - 1)
        parts = SimpleNamespace(test=test, train=test, split="each session once")
        jobs.append(
            SimpleNamespace(
                group=group,
                task=SimpleNamespace(name="er", tier="", phones=False),
                parts=parts,
                objective=SimpleNamespace(items="utterances"),
            )
        )
        norms = np.array([1.0 + fold, 3.0])
        found.append(Found({(None, "accuracy"): [tally, tally]}, np.array([share, 1 - share]), norms, []))
    rows = RowMaker("m", "", "", ProbeConfig(protocol="superb", replicates=4000))
    return rows.scores(jobs, found, "superb")


@pytest.mark.parametrize(
    "folds",
    [[[9], [5], [7], [4]], [[9, 5], [7, 4], [6, 8]], [[9, 5, 7, 2, 4]]],
    ids=["one each", "two", "one fold"],
)
def test_an_interval_over_folds_is_that_of_the_mean_over_speakers(folds: list[list[int]]) -> None:
    scores, replicates = folded(folds)
    (row,) = scores.select(measure="accuracy")
    shares = np.array([count / EACH for fold in folds for count in fold])
    error = shares.std(ddof=1) / len(shares) ** 0.5
    reach = t.ppf(0.975, len(shares) - 1) * error
    assert row.value == pytest.approx(shares.mean())
    assert row.low is not None
    assert row.value - row.low == pytest.approx(reach, rel=0.06)
    assert replicates.groups[row.key] == len(shares)
    assert np.isfinite(replicates[row.key]).all()


def test_weights_and_norms_are_means_over_folds() -> None:
    scores, _ = folded([[9], [5], [7]])
    assert [row.value for row in scores.select(measure="layer-weight")] == pytest.approx([0.4, 0.6])
    assert [row.value for row in scores.select(measure="layer-norm")] == pytest.approx([2.0, 3.0])
