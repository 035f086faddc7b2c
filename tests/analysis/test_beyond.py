"""What is known beyond a given view: planted truths, a slow twin on matrices; `pytest -s` prints the tables."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from planted import FRONT, Plant, PlantedCorpus, PlantedEncoder, tap
from spoken_context import Around, Chain

import lamina
from lamina.analysis.config import AnalysisConfig
from lamina.analysis.sweep import Sweep, analyze
from lamina.corpus.batches import batches
from lamina.corpus.corpus import Segment
from lamina.errors import LaminaError
from lamina.stats.moments import ClassMoments
from lamina.stats.partial import Partial, explained, partial_correlations

COARSE = FRONT.conv(1, 2)
WORDS = AnalysisConfig(
    targets=("word", "word given phone"), measures=("cca",), replicates=50, min_instances=2, ridges=(1e-6, 1e-2)
)


class Speaking(PlantedEncoder):
    """With codes for the many words of these tests."""

    labels = 64


def encoder():
    return Speaking(
        [
            Plant(tap("phones", 0), phone=0.3),
            Plant(tap("phones.40", 1, COARSE), phone=0.3),
            Plant(tap("words", 2), word=0.5),
            Plant(tap("both", 3, COARSE), phone=0.5, word=0.5),
            Plant(tap("noise", 4)),
        ]
    )


@pytest.fixture(scope="module", params=[True, False], ids=["splits", "folds"])
def found(request):
    return analyze(encoder(), PlantedCorpus(each=24, vocabulary=60, splits=request.param), WORDS)


def value(found, tap_, measure, control=""):
    target = "word" if measure == "cca-mean" else "word given phone"
    (row,) = found.scores.select(tap=tap_, measure=measure, target=target, control=control)
    return row


def test_phones_alone_are_nothing_beyond_phones_and_a_code_of_words_is(found):
    names = ("cca-mean", "partial-cca", "explained-alone", "explained-given", "explained-common", "explained")
    print(f"\n{found.scores.distinct('split')}\n{'':<10}", *(f"{name:>16}" for name in names))
    for each in ("phones", "phones.40", "words", "both", "noise"):
        print(f"{each:<10}", *(f"{value(found, each, name).value:16.3f}" for name in names))
    for name in ("phones", "phones.40"):
        row = value(found, name, "partial-cca")
        assert abs(row.value) < 0.05
        assert row.low < 0.03
        assert abs(value(found, name, "explained-alone").value) < 0.02
        assert value(found, name, "explained-common").value > 0.1
        # The naive way: words are well known where there are only phones.
        assert value(found, name, "cca-mean").value > 0.45
    for name in ("words", "both"):
        row = value(found, name, "partial-cca")
        assert row.low > 0.1
        assert value(found, name, "explained-alone").value > 0.05
    assert abs(value(found, "noise", "partial-cca").value) < 0.05
    assert abs(value(found, "words", "partial-cca", "shuffled").value) < 0.05


def test_shares_add_up_and_rows_say_what_they_are(found):
    for each in ("phones", "words", "both"):
        parts = [value(found, each, f"explained-{name}").value for name in ("alone", "given", "common")]
        assert sum(parts) == pytest.approx(value(found, each, "explained").value, abs=1e-9)
    assert {row.n for row in found.scores.select(target="word given phone")} == {
        value(found, "words", "cca-mean").n
    }
    assert any(
        "dimensions of the given view do not vary or repeat others: they are dropped" in note
        for note in found.notes
    )


def test_what_a_neighbour_is_beyond_the_phone_itself():
    """No phone is said twice in a row: who knows one knows a little of the next, and nothing beyond the phone."""
    config = AnalysisConfig(targets=("phone@+1", "phone@+1 given phone"), measures=("cca",), replicates=20)
    found = analyze(Around({"own": [0], "next": "+1"}, width=12), Chain(each=6), config)
    rows = {(row.tap, row.measure): row for row in found.scores.select(control="")}
    assert rows["own", "cca-mean"].value > 0.05
    assert abs(rows["own", "partial-cca"].value) < 0.04
    assert rows["next", "partial-cca"].value > 0.8


def test_a_tap_beyond_a_tap_and_beyond_sound():
    config = AnalysisConfig(
        targets=("word given tap:words", "phone given tap:phones", "phone given mel"),
        replicates=0,
        min_instances=2,
    )
    found = analyze(encoder(), PlantedCorpus(each=12, vocabulary=30), config)
    by = {(row.target, row.tap): row.value for row in found.scores.select(measure="partial-cca", control="")}
    assert ("word given tap:words", "words") not in by
    assert abs(by["word given tap:words", "noise"]) < 0.05
    assert by["phone given tap:phones", "both"] < 0.3
    assert by["phone given mel", "phones"] > 0.5
    assert abs(by["phone given mel", "noise"]) < 0.05


def rows_of(encoder_, corpus, tap_, split, target):
    """States, given views by slow loops, and classes of a split's words."""
    x, z, y = [], [], []
    labels = sorted({s.label for u in corpus.utterances("train") for s in u.tiers["phone"]})
    for batch in batches(corpus, corpus.utterances(split), seconds=20.0):
        (states,) = encoder_.states(batch.waves, batch.lengths, [tap_])
        for row, one in enumerate(batch.utterances):
            for word in one.tiers["word"]:
                frames = states.tap.grid.owned(word.onset, word.offset, int(states.lengths[row]))
                if word.label not in target.classes or not len(frames):
                    continue
                view = {(label, k): 0.0 for label in labels for k in range(4)}
                length = word.offset - word.onset
                for phone in one.tiers["phone"]:
                    if word.onset <= (phone.onset + phone.offset) / 2 < word.offset:
                        view[phone.label, 0] += 1
                    for third in range(3):
                        begin, end = (word.onset + length * (third + k) / 3 for k in (0, 1))
                        shared = min(end, phone.offset) - max(begin, phone.onset)
                        view[phone.label, 1 + third] += max(0, shared) / (length / 3)
                x.append(states.values[row, frames.start : frames.stop].double().numpy().mean(0))
                z.append(list(view.values()))
                y.append(target.classes.index(word.label))
    return np.array(x), np.array(z), np.eye(len(target.classes))[y]


def test_it_is_that_of_data_matrices():
    corpus, taps = (
        PlantedCorpus(each=10, vocabulary=60),
        Speaking([Plant(tap("both", 0, COARSE), phone=0.5, word=0.5)]),
    )
    config = WORDS.model_copy(update={"targets": ("word given phone",), "ridges": (0.0,), "shuffles": 0})
    found = {row.measure: row.value for row in analyze(taps, corpus, config).scores}
    (target,) = Sweep(taps, corpus, config).targets
    (x, z, y), (tx, tz, ty) = (rows_of(taps, corpus, "both", split, target) for split in ("train", "test"))
    assert len(tx) == target.answers.shape[1]
    x, z, y = (each - each.mean(0) for each in (x, z, y))
    # Test rows are centred on their speaker's own means, as parts are.
    read = batches(corpus, corpus.utterances("test"), seconds=20.0)
    words = ((one.speaker, word.label) for batch in read for one in batch.utterances for word in one.tiers["word"])
    speakers = np.array([speaker for speaker, label in words if label in target.classes])
    for each in (tx, tz, ty):
        for speaker in set(speakers):
            each[speakers == speaker] -= each[speakers == speaker].mean(0)

    def fit(a, b):
        return np.linalg.lstsq(a, b, rcond=1e-9)[0]

    bx, by = fit(z, x), fit(z, y)
    u, v = x - z @ bx, y - z @ by
    qu, su, wu = np.linalg.svd(u, full_matrices=False)
    qv, sv, wv = np.linalg.svd(v, full_matrices=False)
    keep = sv > 1e-4 * np.linalg.svd(y, compute_uv=False)[0]
    left, _, right = np.linalg.svd(qu.T @ qv[:, keep], full_matrices=False)
    a, b = wu.T @ np.diag(1 / su) @ left, wv[keep].T @ np.diag(1 / sv[keep]) @ right.T
    tu, tv = (tx - tz @ bx) @ a, (ty - tz @ by) @ b
    held = (tu * tv).sum(0) / np.sqrt((tu**2).sum(0) * (tv**2).sum(0))
    assert found["partial-cca"] == pytest.approx(held.mean(), abs=1e-5)

    def r2(*views):
        a, b = np.hstack([view for view, _ in views]), np.hstack([view for _, view in views])
        return 1 - ((ty - b @ fit(a, y)) ** 2).sum() / (ty**2).sum()

    both, alone, given = r2((x, tx), (z, tz)), r2((x, tx)), r2((z, tz))
    assert found["explained"] == pytest.approx(both, abs=1e-6)
    assert found["explained-alone"] == pytest.approx(both - given, abs=1e-6)
    assert found["explained-given"] == pytest.approx(both - alone, abs=1e-6)


def test_closed_form_of_gaussians():
    """x = z + e, y = z + f with corr(e, f) = r: the partial correlation is r, whatever z does."""
    random = np.random.default_rng(0)
    n, r = 60_000, 0.6
    z, e, g = (random.standard_normal((n, 1)) for _ in range(3))
    x, labels = 3 * z + e, ((2 * z + r * e + np.sqrt(1 - r * r) * g)[:, 0] > 0).astype(int)
    w = torch.from_numpy(np.hstack([x, z, z]))  # z is given twice: one is dropped
    joint = ClassMoments.of(w, torch.from_numpy(labels), 2).joint()
    made = Partial.of(joint, 1, 0.0)
    assert made.dropped == 1
    y = labels - labels.mean()
    u, v = (each - z[:, 0] * (z[:, 0] @ each) / (z[:, 0] @ z[:, 0]) for each in (x[:, 0] - x.mean(), y))
    held = made.held_out(joint)
    one = np.ones((1, 1))
    assert partial_correlations([held], one)[0, 0] == pytest.approx(np.corrcoef(u, v)[0, 1], abs=1e-4)
    states, given, both = explained([held], one)[0]
    assert states == pytest.approx(np.corrcoef(x[:, 0], y)[0, 1] ** 2, abs=1e-6)
    assert given < states + 1 < both + 1 + 1e-12


def test_what_cannot_be_given():
    corpus = PlantedCorpus(each=4)
    with pytest.raises(
        LaminaError, match="no view 'syllable' can be given: write another tier that utterances have"
    ):
        lamina.analyze(encoder(), corpus, targets=("word given syllable",))
    with pytest.raises(LaminaError, match=r"planted has no tier or label 'tone' \(it has phone, word\)"):
        lamina.analyze(encoder(), corpus, targets=("tone given phone",))
    with pytest.raises(LaminaError, match="encoder planted has no tap 'nowhere'"):
        lamina.analyze(encoder(), corpus, targets=("word given tap:nowhere",))
    with pytest.raises(LaminaError, match=r"84 rows are too few for CCA of 60 and 15 dimensions \(at least 120\)"):
        lamina.analyze(encoder(), PlantedCorpus(each=1), targets=("word given phone",), min_instances=1)


def test_one_phone_words_and_words_that_phones_name_wholly_say_so():
    """Every word is one phone, always the same: phones name it, and nothing is left."""
    corpus = PlantedCorpus(each=8)
    corpus._utterances = [
        replace(
            one,
            tiers=one.tiers
            | {"word": tuple(Segment(f"w{s.label}", s.onset, s.offset) for s in one.tiers["phone"])},
        )
        for one in corpus.utterances()
    ]
    with pytest.raises(LaminaError, match="the given view explains all of the target: nothing is left to measure"):
        lamina.analyze(encoder(), corpus, targets=("word given phone",))
