"""What claims could find: foretold from an earlier study, and held against simulated verdicts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lamina.cli import app
from lamina.config import load_config
from lamina.errors import LaminaError
from lamina.report.verdicts import read_verdicts
from lamina.runs import Run
from lamina.score import Score, Scores
from lamina.stats.inference import Replicates, resample_weights, write_replicates
from lamina.stats.power import Components
from lamina.study.claims import Claim, Judged, judge, strictest
from lamina.study.conclude import conclude
from lamina.study.design import StudyConfig
from lamina.study.effects import Contrast
from lamina.study.power import Foretold, foretell, pilot, table, told
from lamina.study.record import FactorWords, Study, StudyRun, Subject

CONFIG = """
name = "planned"
question = "Is it enough?"
seeds = [0, 1, 2, 3]
[corpus]
minutes = 1
speakers = { train = 4, dev = 1, test = 20 }
[units.mfcc]
[pretrain]
steps = 2
batch_size = 1
crop_seconds = 0.6
[pretrain.model]
block_layers = [1, 1, 1]
hidden_size = 24
num_attention_heads = 2
intermediate_size = 32
conv_dim = [8, 8, 8, 8, 8, 8, 8]
num_conv_pos_embeddings = 9
num_conv_pos_embedding_groups = 2
final_dim = 16
[factors.rate]
label = "rate"
[factors.rate.levels.20ms]
model.label_rate_ratios = [1, 1]
[factors.rate.levels.40ms]
model.label_rate_ratios = [1, 2]
[analysis]
targets = ["phone"]
measures = ["mi-bits"]
[cost]
seconds = [1.0]
repeats = 1
[claims.more]
text = "It helps."
effect = "rate"
measure = "mi-bits"
target = "phone"
at = "mean"
direction = "raises"
[claims.saves]
text = "It saves."
effect = "rate"
measure = "macs"
seconds = 1
direction = "lowers"
"""
PLANTED = Components(seed=0.04, speaker=0.5, both=0.1, seeds=6, speakers=12)


def design(folder: Path) -> StudyConfig:
    (folder / "planned.toml").write_text(CONFIG)
    return load_config(folder / "planned.toml", StudyConfig)


def earlier(root: Path, seeds: int = 6, speakers: int = 12) -> Path:
    """A study whose difference between two cells has the planted variances, half of each in each cell."""
    random = np.random.default_rng(3)
    weights = resample_weights([f"s{i}" for i in range(speakers)], replicates=200, seed=0) / speakers
    runs = []
    for model in ("20ms", "40ms"):
        common = random.normal(0, (PLANTED.speaker / 2) ** 0.5, speakers)
        for seed in range(seeds):
            each = random.normal(0, (0.02) ** 0.5) + common + random.normal(0, 0.05**0.5, speakers) + 5
            run = Run.plan(root, f"analysis-{model}-s{seed}", {"model": model, "seed": seed})
            run.start()
            replicates = Replicates()
            row = Score(
                model=model, run=run.folder.name, tap="enc20.1", layer=1, depth=1, period_ms=20.0, seed=seed,
                measure="mi-bits", target="phone", value=float(each.mean()), n=9, split="test",
            )  # fmt: skip
            replicates.put(row.key, weights @ each, groups=speakers, draw="one")
            Scores([row]).write(run.folder / "scores.jsonl")
            write_replicates(run.folder, replicates)
            run.finish()
            subject = Subject(model=model, seed=seed, levels={"rate": model})
            runs.append(StudyRun(folder=run.folder.name, kind="analysis", subject=subject))
    words = {"rate": FactorWords(label="rate", levels=("20ms", "40ms"))}
    Study(name="earlier", factors=words, runs=tuple(runs)).write(root)
    return root


def test_a_design_is_foretold_from_an_earlier_study(tmp_path: Path) -> None:
    config = design(tmp_path)
    found = foretell(config, earlier(tmp_path / "earlier"))
    assert (found.like, found.seeds, found.speakers, found.alpha) == ("earlier", 4, 20, 0.05)
    more, saves = found.outlooks
    assert more.components is not None
    assert (more.components.seeds, more.components.speakers) == (6, 12)
    truth, said = PLANTED.planned(4, 20), more.components.planned(4, 20)
    assert truth is not None
    assert said is not None
    assert said.reach() == pytest.approx(truth.reach(), rel=0.5)  # six seeds know no more
    assert "no finished run has scores of macs of 1 s" in saves.lacking
    lines = told(found)
    assert "4 seeds and 20 test speakers" in lines[0]
    assert "variances over 6 seeds are rough" in lines[1]
    assert table(found, 0.5).row_count == 2


def test_one_seed_foretells_nothing(tmp_path: Path) -> None:
    found = foretell(design(tmp_path), earlier(tmp_path / "earlier", seeds=1))
    assert found.outlooks[0].components is not None
    assert found.outlooks[0].components.seed is None
    assert "one seed there" in told(found)[1]


def test_the_plan_prints_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    design(tmp_path)
    root = earlier(tmp_path / "earlier")
    arguments = ["study", "plan", str(tmp_path / "planned.toml"), "--no-measure", "--out", str(tmp_path / "new")]
    app(arguments, standalone_mode=False)
    assert "power: not known before any run" in capsys.readouterr().out
    app([*arguments, "--like", str(root), "--find", "0.4"], standalone_mode=False)
    out = " ".join(capsys.readouterr().out.split())
    assert "to find 0.4" in out
    assert "from the variances of earlier" in out
    with pytest.raises(LaminaError, match="--find -1: the difference to be found is above 0"):
        app([*arguments, "--find", "-1"], standalone_mode=False)


def test_a_study_with_finished_runs_is_its_own_pilot(tmp_path: Path) -> None:
    assert pilot(tmp_path) is None
    assert pilot(earlier(tmp_path / "earlier")) == tmp_path / "earlier"


CLAIM = Claim(text="So.", effect="rate", measure="mi-bits", target="phone", direction="raises", margin=0.1)


def simulated(random: np.random.Generator, truth: float, seeds: int, speakers: int) -> Judged:
    each = (
        truth
        + random.normal(0, (PLANTED.seed or 0) ** 0.5, seeds)[:, None]
        + random.normal(0, PLANTED.speaker**0.5, speakers)
        + random.normal(0, PLANTED.both**0.5, (seeds, speakers))
    )
    weights = resample_weights(
        [f"s{i}" for i in range(speakers)], replicates=200, seed=int(random.integers(2**31))
    )
    found = Contrast(each.mean(axis=1), each @ (weights / speakers).T, speakers)
    return Judged(found.estimate, "best", "", "", "", seeds, speakers, found.components)


def test_claims_are_supported_as_often_as_was_foretold() -> None:
    """One claim holds by just what the design finds, two hold by nothing: Holm's strictest step decides."""
    planned = PLANTED.planned(4, 20)
    assert planned is not None
    reach = planned.reach(strictest(3))
    random = np.random.default_rng(0)
    supported = 0
    for _ in range(300):
        effects = {
            "true": simulated(random, CLAIM.margin + reach, 4, 20),
            "one": simulated(random, CLAIM.margin, 4, 20),
            "two": simulated(random, CLAIM.margin, 4, 20),
        }
        supported += judge(dict.fromkeys(effects, CLAIM), effects)[0].verdict == "supported"
    assert supported / 300 == pytest.approx(0.8, abs=0.06)


def test_what_would_decide_an_undecided_claim_does() -> None:
    """As many seeds and speakers as are told decide four claims in five, where the truth is as was found."""
    random = np.random.default_rng(5)
    verdict = next(
        each
        for _ in range(200)
        if (each := judge({"c": CLAIM}, {"c": simulated(random, 0.5, 3, 6)})[0]).verdict == "undecided"
        and each.effect is not None
        and 0.2 < each.effect - CLAIM.margin < 0.5
    )
    assert verdict.effect is not None
    assert verdict.seeds_wanted is not None
    assert verdict.speakers_wanted is not None
    assert "would decide it four times in five" in verdict.decides
    assert "known from 3 seeds" in verdict.decides
    # With the true variances, which three seeds know roughly: never fewer than half of what is needed.
    planned = PLANTED.planned(verdict.seeds_wanted, verdict.speakers_wanted)
    assert planned is not None
    assert planned.power(verdict.effect - CLAIM.margin) > 0.3


@pytest.mark.parametrize(
    ("direction", "margin", "value", "distance"),
    [
        ("raises", 0.1, 0.3, 0.2),
        ("lowers", 0.1, 0.3, 0.4),
        ("raises-not", 0.1, -0.1, 0.2),
        ("none", 0.2, -0.15, 0.05),
    ],
)
def test_how_far_an_effect_lies_from_the_border(
    direction: str, margin: float, value: float, distance: float
) -> None:
    claim = Claim.model_validate(CLAIM.model_dump() | {"direction": direction, "margin": margin})
    assert claim.distance(value) == pytest.approx(distance)


def test_an_undecided_verdict_of_one_seed_says_that_nothing_is_known_of_others(tmp_path: Path) -> None:
    root = earlier(tmp_path / "earlier", seeds=1)
    study = Study.read(root)
    claim = CLAIM.model_copy(update={"at": "mean"})
    study.model_copy(update={"claims": {"c": claim}}).write(root)
    conclude(root)
    (verdict,) = read_verdicts(root)
    assert verdict.verdict == "undecided"
    assert "one seed says nothing of others" in verdict.decides
    assert verdict.seeds_wanted is None


def test_the_level_is_shared_by_what_chance_has_a_part_in() -> None:
    assert Foretold("x", 3, None, ()).alpha == 0.05
    assert strictest(5) == pytest.approx(0.01)
