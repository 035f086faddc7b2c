"""Intervals as wide as they should be; differences that hold though the best tap is picked by the data."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from planted import FRONT, Plant, PlantedCorpus, PlantedEncoder, tap

from lamina.analysis.compare import compare
from lamina.analysis.config import AnalysisConfig
from lamina.analysis.instruments import kernels
from lamina.analysis.instruments.instrument import SpeakerParts
from lamina.analysis.plan import Sweep
from lamina.analysis.rows import Rows, Way
from lamina.analysis.sweep import analyze
from lamina.analysis.targets.labels import Labels
from lamina.analysis.targets.pairs import Pairs
from lamina.analysis.targets.sources import Frames
from lamina.errors import LaminaError
from lamina.runs import Run
from lamina.score import Score, Scores
from lamina.stats.inference import Replicates, draw_name, read_replicates, resample_weights


def made(values, *, model="m", measure="cca-mean", seed=0):
    """Scores and replicates of an analysis whose scores are means over speakers: values (taps, speakers)."""
    speakers = values.shape[1]
    weights = resample_weights([f"s{k:03d}" for k in range(speakers)], replicates=200, seed=seed)
    rows, replicates = [], Replicates()
    for depth, own in enumerate(values, 1):
        row = Score(
            run="r", model=model, tap=f"t{depth}", depth=depth, period_ms=20.0, measure=measure, target="phone",
            value=float(own.mean()), n=9, split="test", protocol="lamina", support="common",
        )  # fmt: skip
        rows.append(row)
        replicates.put(row.key, weights @ own / speakers, speakers, draw_name(weights))
    return Scores(rows), replicates


@pytest.mark.parametrize("speakers", [5, 30])
def test_taps_that_are_all_alike_differ_from_their_best_as_seldom_as_promised(speakers):
    generator = np.random.default_rng(0)
    held = 0
    for _ in range(200):
        found = compare([made(generator.standard_normal((8, speakers)))])
        assert len(found) == 7
        assert {each.family for each in found} == {28}
        held += all(each.low <= 0 <= each.high for each in found)
        assert all(each.p < 0.06 or each.low < 0 < each.high for each in found)
    assert held / 200 >= 0.89


@pytest.mark.parametrize("speakers", [3, 5, 30])
def test_differences_of_two_analyses_hold_the_truth_with_few_speakers_too(speakers):
    generator = np.random.default_rng(1)
    held = 0
    for _ in range(400):
        one, other = generator.standard_normal((2, 1, speakers))
        (found,) = compare([made(one, model="a"), made(other, model="b")]).select(first="a t1")
        held += found.low <= 0 <= found.high
    assert 0.92 <= held / 400 <= 0.98


def test_the_best_of_an_error_rate_is_the_lowest():
    values = np.array([[0.5] * 6, [0.2] * 6, [0.9] * 6]) + np.random.default_rng(0).normal(0, 0.01, (3, 6))
    assert {each.second for each in compare([made(values, measure="per")])} == {"m t2"}
    assert {each.second for each in compare([made(values)])} == {"m t3"}
    (best,) = compare(
        [made(values, model="a", measure="per"), made(values + 0.1, model="b", measure="per")]
    ).select(first="a best")
    assert best.value == pytest.approx(-0.1)
    assert best.low == pytest.approx(-0.1)


def test_analyses_resampled_with_other_seeds_are_not_paired():
    values = np.random.default_rng(0).standard_normal((2, 6))
    with pytest.raises(LaminaError, match="a and b were resampled otherwise"):
        compare([made(values, model="a"), made(values, model="b", seed=1)])


def target(classed, names):
    roles = SimpleNamespace(groups=names, folded=False)
    if classed:
        return Labels(
            name="l", roles=roles, fit=None, score=None, classes="abc", labels=[0], answers=[], slots=[], sample=0
        )
    return Frames(name="f", roles=roles, encoder=None, tap=tap("b", 1, width=2))


@pytest.mark.parametrize("classed", [True, False])
def test_parts_of_several_speakers_make_intervals_as_wide_as_parts_of_one(classed, monkeypatch):
    names = tuple(f"s{k:03d}" for k in range(32))
    weights = torch.from_numpy(resample_weights(names, replicates=400, seed=0)).double()
    ratios = []
    for seed in range(8):
        generator = torch.Generator().manual_seed(seed)
        keys = torch.arange(32).repeat_interleave(20)
        # Speakers differ in how loud they are along the first dimensions, so what they span differs.
        x = torch.randn(640, 4, generator=generator) * (1 + torch.rand(32, 4, generator=generator))[keys]
        y = (x[:, :2] > 0).long().sum(1)[None] if classed else x[:, :2] + torch.randn(640, 2, generator=generator)
        spread = []
        for buckets in (8, 32):
            monkeypatch.setattr(kernels, "SpeakerParts", partial(SpeakerParts, most=buckets))
            found = kernels.CKA(
                tap("a", 0, width=4), Way(), target(classed, names), AnalysisConfig(measures="cka,rank")
            )
            found.score(x, Rows(None, y, keys, None))
            values = {k: each for one in found.values(lambda _: weights) for k, each in one.resampled.items()}
            spread.append(np.array([values[name].std() for name in ("cka", "effective-rank")]))
        ratios.append(spread[0] / spread[1])
    assert np.exp(np.log(ratios).mean(0)) == pytest.approx([1.0, 1.0], abs=0.25)


def test_every_row_is_written_with_its_own_number_of_groups(tmp_path):
    run = Run.plan(tmp_path, "analysis", {})
    run.start()
    corpus = PlantedCorpus(speakers=[f"s{k:02d}" for k in range(40)], each=4)
    config = AnalysisConfig(
        targets=("phone", "speaker"),
        measures=("cca", "cka", "rank", "mi"),
        clusters={"speaker": 4},
        min_instances=1,
        replicates=20,
        folds=3,
        ridges=(1e-3,),
        shuffles=0,
    )
    analyze(PlantedEncoder([Plant(tap("a", 1), phone=1.0)]), corpus, config, run=run)
    found = read_replicates(run.folder)
    assert found.groups["a|cca-mean|phone"] == 12
    assert found.groups["a|cka|phone"] == found.groups["a|effective-rank|phone"] == 8
    assert found.groups["a|mi-bits|speaker"] == 3
    assert found.draws["a|cca-mean|phone"] == found.draws["a|cka|phone"] != found.draws["a|mi-bits|speaker"]


def test_purities_lie_within_their_replicates():
    config = AnalysisConfig(
        targets=("phone",), measures=("purity",), clusters={"phone": 40}, replicates=100, shuffles=0
    )
    found = analyze(PlantedEncoder([Plant(tap("a", 1), phone=4.0)]), PlantedCorpus(each=5), config)
    for row in found.scores:
        assert found.replicates[row.key].mean() == pytest.approx(row.value)
        assert row.low < row.value < row.high


def test_pairs_of_other_sentences_are_drawn_from_all_speakers():
    corpus = PlantedCorpus(speakers=[f"s{k:02d}" for k in range(40)], each=2, words=2)
    utterances = tuple(
        replace(u, text=f"Sentence {(place // 2) % 20}", split="test")
        for place, u in enumerate(corpus.utterances())
    )
    roles = SimpleNamespace(score=utterances, fit=(), folded=False)
    pairs = Pairs.plan("sentence", SimpleNamespace(roles=roles, config=AnalysisConfig(targets=("sentence",))))
    apart = pairs.truth == 0
    assert apart.sum() == (~apart).sum()
    first = np.minimum(pairs.first[apart], pairs.second[apart])
    # Of two drawn of n the lower is at n / 3 on average.
    assert np.mean(first) / len(pairs.owners) == pytest.approx(1 / 3, abs=0.1)
    assert first.max() > len(pairs.owners) / 2


def test_what_files_hold_is_part_of_the_plan(tmp_path):
    path = tmp_path / "vectors.txt"
    encoder, corpus = PlantedEncoder([Plant(tap("a", 1, FRONT), word=1.0)]), PlantedCorpus(each=3)
    config = AnalysisConfig(targets=("word-vectors",), word_vectors=str(path))

    def plan(scale):
        path.write_text("".join(f"w{k:02d} {k * scale} {k % 3}\n" for k in range(15)))
        return Sweep(encoder, corpus, config).digest

    assert plan(1) == plan(1) != plan(2)
