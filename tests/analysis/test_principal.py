"""CCA of taps that are wide for few rows: refused with what else can be asked, and after principal components."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from planted import Plant, PlantedCorpus, PlantedEncoder, tap

from lamina.analysis.config import AnalysisConfig
from lamina.analysis.results import Analysis
from lamina.analysis.sweep import analyze
from lamina.errors import LaminaError
from lamina.stats.cca import Views, check_size
from lamina.stats.components import PrincipalAxes
from lamina.stats.moments import ClassMoments, Moments

WIDE = 400
CONFIG = AnalysisConfig(
    targets=("phone",), measures=("cca", "cca-pca"), replicates=20, shuffles=10, ridges=(1e-4, 1e-2)
)


@pytest.fixture(scope="module", params=["splits", "folds"])
def found(request: pytest.FixtureRequest) -> Analysis:
    plants = [Plant(tap("told", 0, width=WIDE), phone=1.0), Plant(tap("noise", 1, width=WIDE))]
    corpus = PlantedCorpus(each=2, splits=request.param == "splits")
    return analyze(PlantedEncoder(plants), corpus, CONFIG)


def test_a_wide_tap_of_few_rows_is_refused_by_cca_and_read_by_its_components(found: Analysis) -> None:
    assert found.scores.distinct("measure") == ["cca-pca"]
    (refused,) = (note for note in found.notes if "no CCA:" in note)
    assert "principal components of the states (measure cca-pca)" in refused
    assert "fewer classes" not in refused
    assert any("CCA of principal components: the leading" in note and "of 400" in note for note in found.notes)
    value = {row.tap: row for row in found.scores.select(control="")}
    null = {row.tap: row for row in found.scores.select(control="shuffled")}
    for name in ("told", "noise"):
        print(f"cca-pca, {name}: {value[name].value:.3f}, null {null[name].value:.3f}, p {value[name].p:.2f}")
    assert value["told"].value > 0.9
    assert value["told"].p == 1 / 11
    assert abs(value["noise"].value) < 0.15
    assert abs(null["told"].value) < 0.1


def test_fitted_and_scored_on_the_same_few_rows_noise_would_look_as_if_it_knew() -> None:
    """The naive way on the same case."""
    random = np.random.default_rng(0)
    x, labels = torch.from_numpy(random.normal(size=(500, WIDE))), torch.from_numpy(random.integers(0, 12, 500))
    assert float(Views.of(ClassMoments.of(x, labels, 12)).solve().correlations.mean()) > 0.8


def test_which_side_is_too_wide_decides_what_is_advised() -> None:
    with pytest.raises(LaminaError, match=r"cca-pca\) or train a probe"):
        check_size(500, 400, 40)
    with pytest.raises(LaminaError, match="more speech, or fewer classes"):
        check_size(500, 16, 400)


def test_components_are_those_of_scikit_learn_on_standardised_rows() -> None:
    from sklearn.decomposition import PCA
    from sklearn.preprocessing import StandardScaler

    random = np.random.default_rng(1)
    rows = random.normal(size=(300, 9)) @ random.normal(size=(9, 9)) * [1, 1e3, 1, 1, 1e-2, 1, 1, 0, 1] + 5
    labels = random.integers(0, 4, 300)
    x, codes = torch.from_numpy(rows), torch.from_numpy(labels)
    stats = ClassMoments.of(x, codes, 4)
    found = PrincipalAxes.of(stats, 3)
    model = PCA(3).fit(StandardScaler().fit_transform(rows))
    wanted = model.transform(StandardScaler().fit_transform(rows))
    np.testing.assert_allclose(np.abs(found.rows(x)), np.abs(wanted), atol=1e-9)
    assert found.share == pytest.approx(model.explained_variance_ratio_.sum())
    turned, direct = found.classes(stats), ClassMoments.of(found.rows(x), codes, 4)
    for name in ("mean_x", "sxx", "counts", "sums"):
        torch.testing.assert_close(getattr(turned, name), getattr(direct, name), atol=1e-8, rtol=1e-9)
    other = torch.from_numpy(random.normal(size=(300, 2)))
    pairs, whole = found.pairs(Moments.of(x, other)), Moments.of(found.rows(x), other)
    for name in ("mean_x", "mean_y", "sxx", "sxy", "syy"):
        torch.testing.assert_close(getattr(pairs, name), getattr(whole, name), atol=1e-8, rtol=1e-9)


def test_too_few_rows_for_any_component_are_told() -> None:
    few = PlantedCorpus(speakers="abc", each=1, words=3)
    config = CONFIG.model_copy(update={"min_instances": 1})
    with pytest.raises(LaminaError, match="rows are too few for two principal components"):
        analyze(PlantedEncoder([Plant(tap("told", 0, width=WIDE), phone=1.0)]), few, config)


def test_intervals_end_where_a_measure_does() -> None:
    """Information of labels ends at their entropy, dimensions at the width: intervals do, too."""
    plants = [Plant(tap("told", 0, width=3), word=0.05)]
    corpus = PlantedCorpus(speakers="abcd", each=20, splits=False)
    config = AnalysisConfig(
        targets=("word",), measures=("mi", "rank"), clusters={"word": 8}, replicates=50, max_classes=2
    )
    found = analyze(PlantedEncoder(plants), corpus, config).scores
    (bits,) = found.select(measure="mi-bits", control="")
    assert bits.high is not None
    assert bits.value <= bits.high <= 1.0
    for row in found.select(measure=("effective-rank", "participation-ratio")):
        assert row.high is not None
        assert row.high <= 3
