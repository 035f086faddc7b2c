"""Error rates against hand-made cases, the usual table, and other libraries."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.probe import metrics
from lamina.probe.ctc import symbol_errors, word_errors
from lamina.stats import ranking
from lamina.stats.edits import edit_distance


def slow_distance(one: list[int], other: list[int]) -> int:
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        before, row[0] = row[0], i
        for j, b in enumerate(other, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (a != b))
    return row[-1]


@given(st.lists(st.integers(0, 3), max_size=80), st.lists(st.integers(0, 3), max_size=80))
@settings(max_examples=200, deadline=None)
def test_edit_distance_is_the_tables(one: list[int], other: list[int]) -> None:
    assert edit_distance(one, other) == slow_distance(one, other)


def test_equal_error_rate_of_hand_made_scores() -> None:
    targets = np.array([True, True, False, False])
    assert metrics.equal_error_rate(np.array([4.0, 3, 2, 1]), targets) == 0
    assert metrics.equal_error_rate(np.array([1.0, 2, 3, 4]), targets) == 1
    assert metrics.equal_error_rate(np.array([4.0, 2, 3, 1]), targets) == 0.5
    assert metrics.equal_error_rate(np.ones(4), targets) == 0.5


@pytest.mark.parametrize("seed", range(5))
def test_equal_error_rate_is_that_of_scikit_learns_curve(seed: int) -> None:
    from scipy.interpolate import interp1d
    from scipy.optimize import brentq
    from sklearn.metrics import roc_curve

    random = np.random.default_rng(seed)
    targets = random.random(300) < 0.4
    scores = np.round(random.normal(size=300) + targets, 1)  # many ties
    false, true, _ = roc_curve(targets, scores, drop_intermediate=False)
    wanted = brentq(lambda x: 1 - x - interp1d(false, true)(x), 0, 1)
    counts = random.integers(1, 4, 300)
    assert metrics.equal_error_rate(scores, targets) == pytest.approx(wanted, abs=1e-9)
    repeated = metrics.equal_error_rate(np.repeat(scores, counts), np.repeat(targets, counts))
    assert metrics.equal_error_rate(scores, targets, counts.astype(float)) == pytest.approx(repeated, abs=1e-9)


def test_diarization_error_by_hand() -> None:
    reference = {"a": [(0.0, 10.0)], "b": [(8.0, 14.0)]}
    assert metrics.diarization_errors(reference, {"x": [(8, 14)], "y": [(0, 10)]}) == (0, 16)
    # 2 s of a missed, 1 s of false alarm behind b.
    assert metrics.diarization_errors(reference, {"x": [(8, 15)], "y": [(2, 10)]}) == (3, 16)
    assert metrics.diarization_errors(reference, {}) == (16, 16)
    # One speaker for all: a is found, b is missed where both speak and confused where alone.
    assert metrics.diarization_errors(reference, {"x": [(0, 14)]}) == (6, 16)
    # A collar of one forgives what is near the edges 0, 8, 10 and 14: scored are 1-7 and 11-13.
    assert metrics.diarization_errors(reference, {"x": [(8, 15)], "y": [(2, 10)]}, collar=1) == (1, 8)


def test_slots_by_hand() -> None:
    reference = "PLAY B-song HEY JUDE E-song BY B-artist THE BEATLES E-artist"
    assert metrics.slots(reference) == {"song": ["HEY JUDE"], "artist": ["THE BEATLES"]}
    told = "PLAY B-song HEY JUD E-song BY B-year THE E-year"
    assert metrics.slot_type_f1(reference, told) == 0.5
    assert metrics.slot_value_errors(reference, told) == (1 + len("THE BEATLES"), len("HEY JUDE" + "THE BEATLES"))
    assert metrics.slot_type_f1("A", "B") == 1
    assert metrics.slot_type_f1(reference, "A") == 0


def test_phones_words_and_characters_by_hand() -> None:
    phones = ("DH", "AH", "K", "AE", "T")
    assert symbol_errors(phones, ("DH", "K", "AE", "P", "S")) == (3, 5)  # one lost, one wrong, one too many
    said, heard = tuple("THE|CAT|SAT|"), tuple("THE|CAT|SAT|UP|")
    assert word_errors(said, heard) == (1, 3)
    assert symbol_errors(said, heard) == (3, 12)
    assert word_errors(said, ()) == (3, 3)


SPAN = st.tuples(st.integers(0, 12), st.integers(1, 6)).map(lambda span: (span[0], sum(span)))


@given(st.lists(SPAN, min_size=1, max_size=3), st.lists(SPAN, max_size=3), st.integers(0, 2))
@settings(max_examples=100, deadline=None)
def test_diarization_error_is_that_of_a_slow_count(
    reference: list[tuple[int, int]], hypothesis: list[tuple[int, int]], collar: int
) -> None:
    true = {f"r{place}": [span] for place, span in enumerate(reference)}
    told = {f"h{place}": [span] for place, span in enumerate(hypothesis)}
    edges = [edge for span in reference for edge in span]
    # Everything happens at whole numbers: the middle of each unit stands for it.
    units = [at + 0.5 for at in range(20) if all(abs(at + 0.5 - edge) > collar for edge in edges)]
    names = [*told, *(None for _ in true)]
    least = min(
        sum(
            max(len(spoken), len(heard)) - len({match[name] for name in spoken} & heard)
            for at in units
            for spoken in [{name for name, [(start, end)] in true.items() if start <= at < end}]
            for heard in [{name for name, [(start, end)] in told.items() if start <= at < end}]
        )
        for match in (dict(zip(true, chosen, strict=True)) for chosen in permutations(names, len(true)))
    )
    wanted = sum(start <= at < end for at in units for start, end in reference)
    assert metrics.diarization_errors(true, told, collar=collar) == pytest.approx((least, wanted))


@pytest.mark.parametrize("collar", [0, 25, 250])
def test_diarization_error_is_pyannotes(collar: int) -> None:
    core = pytest.importorskip("pyannote.core", reason="the oracle comes with the dev extra")
    from pyannote.metrics.diarization import DiarizationErrorRate

    random = np.random.default_rng(collar)

    def turns(speakers: int) -> dict[str, list[tuple[float, float]]]:
        """One speaker's turns are apart, those of different speakers overlap."""
        edges = [np.sort(random.choice(3000, 2 * random.integers(1, 6), replace=False)) for _ in range(speakers)]
        return {
            f"{place}": [(float(a), float(b)) for a, b in own.reshape(-1, 2)] for place, own in enumerate(edges)
        }

    def annotated(spans: dict[str, list[tuple[float, float]]]) -> Any:
        made = core.Annotation()
        for name, own in spans.items():
            for track, (start, end) in enumerate(own):
                made[core.Segment(start / 100, end / 100), f"{name}-{track}"] = name
        return made

    for _ in range(30):
        true, told = turns(random.integers(1, 5)), turns(random.integers(1, 5))
        errors, whole = metrics.diarization_errors(true, told, collar=collar)
        # Its collar is the whole stretch around a boundary, half of it on either side; ours is one side.
        oracle = DiarizationErrorRate(collar=2 * collar / 100)
        found = oracle(annotated(true), annotated(told), uem=core.Timeline([core.Segment(0, 30)]), detailed=True)
        assert whole / 100 == pytest.approx(found["total"], abs=1e-6)
        wrong = found["missed detection"] + found["false alarm"] + found["confusion"]
        assert errors / 100 == pytest.approx(wrong, abs=1e-6)


def test_average_precision_by_hand() -> None:
    scores = np.array([[0.9, 0.8, 0.7, -np.inf], [0.5, 0.5, 0.1, 0.0]])
    targets = np.array([[True, False, True, False], [True, False, False, True]])
    # 1 and 2/3; then two share a rank (1/2), and the last is found at 2 of 4.
    assert ranking.average_precisions(scores, targets) == pytest.approx([(1 + 2 / 3) / 2, 0.5])


@pytest.mark.parametrize("seed", range(3))
def test_average_precision_is_scikit_learns(seed: int) -> None:
    from sklearn.metrics import average_precision_score

    random = np.random.default_rng(seed)
    targets = random.random((20, 30)) < 0.3
    targets[:, 0] = True
    scores = np.round(random.normal(size=(20, 30)) + targets, 1)
    wanted = [average_precision_score(*each) for each in zip(targets, scores, strict=True)]
    assert ranking.average_precisions(scores, targets) == pytest.approx(wanted)


def test_term_weighted_value_by_hand() -> None:
    scores = np.array([3.0, 2.0, 1.0, 3.0, 2.0, 1.0])
    targets = np.array([True, False, False, False, True, False])
    terms = np.array([0, 0, 0, 1, 1, 1])
    # At 3: one of two terms is found, the other has one false alarm in two: 1/2 - beta / 4. At 2: 1 - beta / 2.
    for beta, wanted in ((0.5, 0.75), (1.0, 0.5), (3.0, 0.0), (12.49, 0.0)):
        assert ranking.term_weighted_value(scores, targets, terms, beta=beta) == pytest.approx(wanted)
    perfect = ranking.term_weighted_value(targets.astype(float), targets, terms, beta=12.49)
    assert perfect == 1
    # A term that is nowhere does not count; nothing counts where no term does.
    more = ranking.term_weighted_value(
        np.append(scores, 9), np.append(targets, False), np.append(terms, 2), beta=1
    )
    assert more == pytest.approx(0.5)
    assert np.isnan(ranking.term_weighted_value(scores, np.zeros(6, bool), terms, beta=1))


@pytest.mark.parametrize("seed", range(5))
def test_term_weighted_value_over_all_thresholds(seed: int) -> None:
    random = np.random.default_rng(seed)
    terms, targets = random.integers(0, 6, 150), random.random(150) < 0.3
    scores = np.round(random.normal(size=150) + 2 * targets, 1)
    counts = random.integers(0, 3, 6)
    values = [0.0]
    for threshold in scores:
        costs = []
        for term in np.repeat(np.arange(6), counts):
            own, told = targets[terms == term], scores[terms == term] >= threshold
            costs.append(np.mean(~told[own]) + 2.5 * np.mean(told[~own]))
        values.append(1 - float(np.mean(costs)))
    found = ranking.term_weighted_value(scores, targets, terms, beta=2.5, counts=counts.astype(float))
    assert found == pytest.approx(max(values))
