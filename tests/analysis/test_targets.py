"""Targets beyond mel and tiers, folds, poolings and decimation in the pass, against slow twins."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from planted import FRONT, Plant, PlantedCorpus, PlantedEncoder, tap
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from lamina.analysis.config import AnalysisConfig
from lamina.analysis.instruments.likeness import agreement, cosines
from lamina.analysis.published.pasad import drawing
from lamina.analysis.published.pasad.score import score
from lamina.analysis.rows import Gather, Way
from lamina.analysis.sweep import Sweep, analyze
from lamina.analysis.targets.labels import Labels
from lamina.analysis.targets.pairs import Pairs
from lamina.analysis.targets.readers import read_word_vectors
from lamina.analysis.targets.target import Basis
from lamina.corpus.batches import batches
from lamina.corpus.splits import fold_roles, plan_roles
from lamina.errors import LaminaError
from lamina.stats.folds import Folds
from lamina.stats.moments import ClassMoments, Moments

COARSE = FRONT.conv(1, 2)


class Spoken(PlantedCorpus):
    """The planted corpus with texts, and a label that says whether the first word is an early one."""

    def __init__(self, **options):
        super().__init__(**options)
        self._utterances = [
            replace(u, text=f"Sentence {place % 4}", labels={"early": str(u.tiers["word"][0].label < "w07")})
            for place, u in enumerate(self._utterances)
        ]


@pytest.fixture(scope="module")
def corpus():
    return Spoken(each=6)


@pytest.fixture(scope="module")
def encoder():
    return PlantedEncoder([Plant(tap("front", 0), phone=1.0), Plant(tap("deep", 1, COARSE), word=0.25)])


def basis(corpus, roles, config, *grids):
    return Basis(corpus, roles, grids, config, None, {})


def rows(found, **values):
    return found.scores.select(control="", **values)


# --- folds


def test_folds_hold_speakers_apart_and_like_amounts(corpus):
    utterances = list(corpus.utterances())
    roles = fold_roles(utterances, folds=5, seed=3)
    folds = {u.speaker: {roles.keys[v.id] for v in utterances if v.speaker == u.speaker} for u in utterances}
    assert all(len(found) == 1 for found in folds.values())
    sizes = [sum(u.samples for u in utterances if roles.keys[u.id] == fold) for fold in range(5)]
    assert max(sizes) < 1.5 * min(sizes)
    assert roles.split == "folds-5"
    assert fold_roles(utterances[:18], folds=5, seed=3).split == "folds-3"
    within = fold_roles(utterances, folds=3, seed=3, within=True)
    for speaker in folds:
        assert {within.keys[u.id] for u in utterances if u.speaker == speaker} == {0, 1, 2}


def test_a_corpus_without_splits_is_cross_validated_in_one_pass(encoder):
    """Against all pooled rows at once and `Folds` of them."""
    corpus = Spoken(each=6, splits=False)
    config = AnalysisConfig(targets=("word",), measures=("cca-mean",), ridges=(1e-3,), replicates=30)
    found = analyze(encoder, corpus, config)
    row = rows(found, tap="deep", measure="cca-mean")[0]
    assert row.split == "folds-5"
    assert row.low < row.value < row.high
    sweep = Sweep(encoder, corpus, config)
    (target,) = sweep.targets
    x, labels, folds = [], [], []
    for batch in batches(corpus, sweep.roles.fit, seconds=60):
        (states,) = encoder.states(batch.waves, batch.lengths, ["deep"])
        for place, utterance in enumerate(batch.utterances):
            for segment in utterance.tiers["word"]:
                owned = COARSE.owned(segment.onset, segment.offset, int(states.lengths[place]))
                x.append(states.utterance(place)[owned.start : owned.stop].mean(0))
                labels.append(target.classes.index(segment.label))
                folds.append(sweep.roles.keys[utterance.id])
    x, folds = torch.stack(x), torch.tensor(folds)
    one_hot = torch.nn.functional.one_hot(torch.tensor(labels)).double()[
        :, :-1
    ]  # the last is what the others leave
    parts = [Moments.of(x[folds == fold], one_hot[folds == fold]) for fold in range(5)]
    wanted = Folds.of(parts, (1e-3,)).projections()
    # A dense one-hot view takes the ridge, too: equal up to that.
    assert row.value == pytest.approx(float(wanted.correlations().mean()), abs=2e-3)
    assert row.n == len(x)


def test_two_speakers_make_two_folds_and_no_choice_of_ridge(encoder):
    found = analyze(encoder, Spoken(speakers="ab", each=25, splits=False), AnalysisConfig(targets=("phone",)))
    assert found.scores.distinct("split") == ["folds-2"]
    assert rows(found, tap="front", measure="cca-mean")[0].value > 0.5


# --- targets


def test_speakers_are_told_within_speakers_in_either_kind_of_corpus():
    class Voiced(PlantedEncoder):
        """The speaker is in the states: corpora name speakers a, b, …; here by how loud their first sample is."""

        def states(self, waves, lengths, taps=None):
            for states in super().states(waves, lengths, taps):
                states.values[:, :, 0] += waves[:, :1]
                yield states

    class Voices(Spoken):
        def read(self, utterance, start=0, stop=None):
            wave = super().read(utterance).copy()
            wave[0] = 100 * "abcdefghij".index(utterance.speaker)
            return wave[start:stop]

    encoder = Voiced([Plant(tap("voice", 0, width=2))])
    for splits in (True, False):
        settings = {"clusters": {"speaker": 10}, "ridges": (1e-6,), "replicates": 20, "states": ("raw",)}
        config = AnalysisConfig(targets=("speaker",), **settings)
        found = analyze(encoder, Voices(each=20, splits=splits), config)
        row = rows(found, measure="mi-normalised")[0]
        assert (row.split, row.n) == ("utterance-folds-5", 200)
        assert row.value > 0.9
        null = found.scores.select(control="shuffled", measure="mi-normalised")[0]
        assert null.value < 0.6 * row.value
    with pytest.raises(LaminaError, match="one speaker; there is nothing to tell apart"):
        analyze(encoder, Spoken(speakers="a", splits=False), config)


def test_labels_of_utterances_are_targets(encoder, corpus):
    config = AnalysisConfig(targets=("early",), clusters={"early": 2}, replicates=0)
    found = analyze(encoder, corpus, config)
    assert found.scores.distinct("target") == ["early"]
    assert found.scores[0].n == len(list(corpus.utterances("test")))


@pytest.fixture
def vectors(tmp_path):
    path = tmp_path / "glove.txt"
    made = np.random.default_rng(0).standard_normal((14, 5)).round(4)
    path.write_text(
        "".join(f"w{k:02d} {' '.join(map(str, row))}\n" for k, row in enumerate(made)) + "x 1 2 3 4 5\n"
    )
    return path, made


def test_words_are_held_against_their_vectors(encoder, corpus, vectors):
    path, made = vectors
    config = AnalysisConfig(targets=("word-vectors",), word_vectors=str(path), replicates=20)
    found = analyze(encoder, corpus, config)
    deep = rows(found, tap="deep", measure="cca-mean")[0]
    front = rows(found, tap="front", measure="cca-mean")[0]
    assert deep.value > 0.9 > front.value
    null = found.scores.select(tap="deep", measure="cca-mean", control="shuffled")[0]
    assert abs(null.value) < 0.15
    words = [segment.label for u in corpus.utterances() for segment in u.tiers["word"]]
    unknown = words.count("w14")
    note = f"word-vectors: 1 of 15 words ({unknown} segments) are not in {path}"
    assert note in found.notes
    known = [s for u in corpus.utterances("test") for s in u.tiers["word"] if s.label != "w14"]
    assert deep.n == len(known)
    np.testing.assert_allclose(read_word_vectors(path, {"w03"})["w03"], made[3], atol=1e-7)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a 1 2\nb 1 2 3\n", "line 2: 'b' has 3 numbers, the words before it have 2"),
        ("a 1 2\nw01 1 x\n", "line 2 holds what is no number"),
        ("w01 1 nan\n", "line 1 holds a number that is not finite"),
    ],
)
def test_word_vectors_that_are_none(tmp_path, text, said):
    (tmp_path / "glove.txt").write_text(text)
    with pytest.raises(LaminaError, match=said):
        read_word_vectors(tmp_path / "glove.txt", {"w01"})
    with pytest.raises(LaminaError, match="cannot read word vectors"):
        read_word_vectors(tmp_path / "absent.txt", {"w01"})


def test_word_vectors_of_another_language(encoder, corpus, tmp_path):
    (tmp_path / "glove.txt").write_text("7 2\nelbow 1 2\n")
    config = AnalysisConfig(targets=("word-vectors",), word_vectors=str(tmp_path / "glove.txt"))
    with pytest.raises(LaminaError, match=r"see whether .* is of this language"):
        analyze(encoder, corpus, config)


def test_another_tap_is_a_target_of_all_but_itself(encoder, corpus):
    config = AnalysisConfig(targets=("tap", "tap:deep"), replicates=0, ridges=(1e-9,))
    found = analyze(encoder, corpus, config)
    assert {(row.tap, row.target) for row in found.scores} == {("deep", "tap:front"), ("front", "tap:deep")}
    # CCA is symmetric, and both pairs have the coarse tap's frames.
    one, other = (rows(found, tap=name, measure="cca-mean")[0] for name in ("front", "deep"))
    assert one.n == other.n
    assert one.value == pytest.approx(other.value, abs=1e-6)


def test_another_encoder_is_a_target(encoder, corpus):
    other = PlantedEncoder([Plant(tap("a", 0), word=0.25), Plant(tap("b", 1), phone=1.0)], name="other")
    config = AnalysisConfig(targets=("encoder:other", "encoder:other:a", "encoder:mfcc"), replicates=0)
    found = analyze(encoder, corpus, config, others={"other": other})
    assert rows(found, tap="deep", measure="cca-mean", target="encoder:other:a")[0].value > 0.6
    assert rows(found, tap="front", measure="cca-mean", target="encoder:other")[0].value > 0.2
    with pytest.raises(LaminaError, match="there is no encoder"):
        analyze(encoder, corpus, AnalysisConfig(targets=("encoder:absent",)))
    with pytest.raises(LaminaError, match="names none"):
        analyze(encoder, corpus, AnalysisConfig(targets=("encoder",)))
    other.sample_rate = 8000
    with pytest.raises(LaminaError, match="8000 Hz"):
        analyze(encoder, corpus, AnalysisConfig(targets=("encoder:other",)), others={"other": other})


# --- sentences


def test_same_sentences_by_other_speakers(corpus):
    config = AnalysisConfig(targets=("sentence",), replicates=20)
    roles = plan_roles(corpus, FRONT.least_samples, folds=5, seed=0, max_groups=256)
    pairs = Pairs.plan("sentence", basis(corpus, roles, config, FRONT))
    used = list(corpus.utterances("test"))
    for one, other, same in zip(pairs.first, pairs.second, pairs.truth, strict=True):
        assert used[one].speaker != used[other].speaker
        assert (used[one].text == used[other].text) == bool(same)
    assert pairs.truth.mean() == 0.5

    class Telling(PlantedEncoder):
        """Says which sentence it is: the corpus numbers them."""

        def states(self, waves, lengths, taps=None):
            for states in super().states(waves, lengths, taps):
                number = (waves[:, 0] * 10).round().long()
                states.values[:, :, :4] = 10.0 * torch.nn.functional.one_hot(number, 4)[:, None].float()
                yield states

    class Numbered(Spoken):
        def read(self, utterance, start=0, stop=None):
            wave = super().read(utterance).copy()
            wave[0] = int(utterance.text[-1]) / 10
            return wave[start:stop]

    both = config.model_copy(update={"states": ("raw", "standardised")})
    row, scaled = analyze(Telling([Plant(tap("t", 0))]), Numbered(each=6), both).scores
    assert row.measure == scaled.measure == "sentence-auc"
    assert row.value == 1.0
    assert scaled.value > 0.85  # a dozen dimensions of noise are as wide as those that tell
    (chance,) = analyze(PlantedEncoder([Plant(tap("t", 0))]), corpus, config).scores
    assert 0.2 < chance.value < 0.8
    with pytest.raises(LaminaError, match="no sentence is said by two"):
        analyze(Telling([Plant(tap("t", 0))]), PlantedCorpus(), config)


def test_scored_pairs_of_sentences(encoder, corpus, tmp_path):
    ids = [u.id for u in corpus.utterances("test")]
    drawn = np.random.default_rng(0)
    listed = [(ids[i], ids[j], round(float(drawn.uniform(0, 5)), 2)) for i in range(9) for j in range(i)]
    path = tmp_path / "pairs.txt"
    path.write_text("".join(f"{one}\t{other}\t{score}\n" for one, other, score in listed) + "\nnobody x 3\n")
    config = AnalysisConfig(targets=("sentence",), sentence_pairs=str(path), replicates=10)
    found = analyze(encoder, corpus, config)
    assert f"sentence: 1 of {len(listed) + 1} pairs are not of scored utterances" in found.notes
    means = {}
    for batch in batches(corpus, corpus.utterances("test"), seconds=60):
        (states,) = encoder.states(batch.waves, batch.lengths, ["deep"])
        means |= {u.id: states.utterance(place).mean(0).double() for place, u in enumerate(batch.utterances)}
    used = torch.stack([means[name] for name in ids[:9]])
    means = {name: (each - used.mean(0)) / used.std(0, correction=0) for name, each in means.items()}
    alike = [float(torch.cosine_similarity(means[one], means[other], dim=0)) for one, other, _ in listed]
    wanted = spearmanr(alike, [score for *_, score in listed]).statistic
    row = rows(found, tap="deep")[0]
    assert (row.measure, row.n) == ("sentence-spearman", len(listed))
    assert row.value == pytest.approx(wanted, abs=1e-6)
    path.write_text("a b\n")
    with pytest.raises(LaminaError, match="line 1: 'a b' is not two utterances and a score"):
        analyze(encoder, corpus, config)


@pytest.mark.parametrize("graded", [True, False])
def test_weighted_agreement_is_that_of_repeated_pairs(graded):
    drawn = np.random.default_rng(1)
    first, second = drawn.integers(0, 6, 40), drawn.integers(0, 6, 40)
    truth = drawn.integers(0, 4, 40).astype(float) if graded else drawn.integers(0, 2, 40).astype(float)
    pairs = SimpleNamespace(
        first=first, second=second, truth=truth, graded=graded, owners=np.array([0, 0, 1, 1, 2, 2]), groups="abc"
    )
    values = drawn.integers(0, 10, 40).astype(float)  # with ties
    weights = np.array([[1.0, 1.0, 1.0], [2.0, 1.0, 0.0], [0.0, 3.0, 1.0]])
    found = agreement(values, pairs, weights)
    for row, weight in enumerate(weights):
        times = (weight[pairs.owners[first]] * weight[pairs.owners[second]]).astype(int)
        x, y = np.repeat(values, times), np.repeat(truth, times)
        assert found[row] == pytest.approx(spearmanr(x, y).statistic if graded else roc_auc_score(y, x), abs=1e-12)
    unit = cosines(torch.eye(6)[:, :3] + 1.0, pairs)
    assert unit.shape == (40,)
    assert np.abs(unit).max() <= 1 + 1e-12


# --- views


@pytest.mark.parametrize("pooling", ["all", "middle", "centre", "quarter2"])
@pytest.mark.parametrize("matched", [None, COARSE])
def test_rows_of_a_view_are_those_of_a_slow_loop(encoder, corpus, pooling, matched):
    roles = plan_roles(corpus, COARSE.least_samples, folds=5, seed=0, max_groups=256)
    target = Labels.plan("word", basis(corpus, roles, AnalysisConfig(targets=("word",)), FRONT, COARSE))
    (batch, *_) = batches(corpus, roles.score, seconds=60)
    (states,) = encoder.states(batch.waves, batch.lengths, ["front"])
    found = Gather(batch, {}, fitting=False).rows(target, Way(pooling, matched), states)
    grid, wanted = matched or FRONT, []
    for place, utterance in enumerate(batch.utterances):
        for segment in utterance.tiers["word"]:
            owned = list(grid.owned(segment.onset, segment.offset, grid.frames(utterance.samples)))
            if pooling == "middle":
                owned = owned[len(owned) // 3 : len(owned) - len(owned) // 3]
            if pooling == "centre":
                middle = (segment.onset + segment.offset) / 2
                owned = [min(owned, key=lambda k: abs(float(grid.centre_of(k)) - middle))]
            if pooling == "quarter2":
                quarter = owned[len(owned) // 4 : len(owned) // 2]
                owned = quarter or [owned[len(owned) // 4]]
            # A frame of the 40 ms level is every second one of the front.
            wanted.append(states.utterance(place)[[k * (2 if matched else 1) for k in owned]].mean(0))
    torch.testing.assert_close(found.pool.mean(states.values), torch.stack(wanted))


def test_views_are_read_side_by_side_and_named(encoder, corpus):
    config = AnalysisConfig(targets=("mel", "word"), pooling=("all", "centre"), rate_matched=True, replicates=5)
    found = analyze(encoder, corpus, config)
    seen = {(row.tap, row.target, row.support, *row.way[4:6], row.period_ms) for row in found.scores}
    assert seen == {
        ("front", "mel", "native", "", "", 20.0),
        ("front", "mel", "native", "", "matched", 40.0),
        ("deep", "mel", "native", "", "", 40.0),
        ("front", "word", "common", "", "", 20.0),
        ("front", "word", "common", "centre", "", 20.0),
        ("front", "word", "common", "", "matched", 40.0),
        ("front", "word", "common", "centre", "matched", 40.0),
        ("deep", "word", "common", "", "", 40.0),
        ("deep", "word", "common", "centre", "", 40.0),
    }
    counts = {row.n for row in found.scores.select(target="mel", period_ms=40.0)}
    assert len(counts) == 1
    assert len(found.replicates) == len(found.scores.select(control=""))
    assert found.best("cca-mean", "word").plain
    text = found.table()
    assert "common, centre, matched" in text
    assert "planted: word" in text


# --- protocol pasad


def test_protocol_pasad_in_the_pass_is_its_score_of_all_rows(encoder, corpus):
    config = AnalysisConfig(targets=("phone", "word"), protocol="pasad", taps=("front",))
    found = analyze(encoder, corpus, config)
    (row,) = rows(found, target="word")
    assert (row.measure, row.protocol, row.split, row.support) == ("cca-pwcca", "pasad", "splits-10", "published")
    assert row.low is None
    everyone = list(corpus.utterances())
    states = {}
    for batch in batches(corpus, everyone, seconds=30):
        (found_states,) = encoder.states(batch.waves, batch.lengths, ["front"])
        states |= {u.id: found_states.utterance(place) for place, u in enumerate(batch.utterances)}
    labels, pooled = [], []
    for utterance in everyone:
        frames = states[utterance.id]
        for segment in utterance.tiers["word"]:
            ends = np.array([segment.onset]), np.array([segment.offset]), np.array([len(frames)])
            start, stop = drawing.frames(FRONT, *ends, middle="all")
            if stop[0] > start[0]:
                labels.append(segment.label)
                pooled.append(frames[int(start[0]) : int(stop[0])].mean(0))
    labels = np.array(labels)
    kept = drawing.sample(labels, 15, seed=0)
    x, y = torch.stack(pooled)[kept], torch.from_numpy(np.unique(labels[kept], return_inverse=True)[1])
    drawn = torch.from_numpy(drawing.splits(labels[kept], seed=0))
    parts = [ClassMoments.of(x[drawn == k], y[drawn == k], int(y.max()) + 1) for k in range(10)]
    assert row.value == pytest.approx(score(parts, seed=0).value, abs=1e-6)
    assert row.n == len(kept)


@pytest.mark.parametrize("changes", [{"targets": ("mel", "phone")}, {"rate_matched": True}])
def test_protocol_pasad_has_rules_of_its_own(changes):
    with pytest.raises(LaminaError, match="protocol pasad measures tiers"):
        AnalysisConfig(**({"targets": ("phone",), "protocol": "pasad"} | changes))


def test_labels_of_speakers_are_shuffled_among_speakers():
    corpus = PlantedCorpus(each=4)
    corpus._utterances = [replace(u, labels={"gender": "fm"[ord(u.speaker) % 2]}) for u in corpus._utterances]
    config = AnalysisConfig(targets=("gender",), measures=("cka", "mi"), folds=2, min_instances=1, replicates=0)
    sweep = Sweep(PlantedEncoder([Plant(tap("a", 0), phone=1.0)]), corpus, config)
    (target,) = sweep.targets
    for labels, owners in ((target.labels, "abcdefg"), (target.answers, "hij")):
        assert len(labels) == 1 + config.shuffles
        shuffled = labels[1:].reshape(-1, len(owners), 4)
        assert (shuffled == shuffled[..., :1]).all()  # a speaker moves as a whole
        assert (labels[0] != labels[1:]).any()
        assert (np.sort(shuffled[..., 0]) == sorted(labels[0].reshape(-1, 4)[:, 0])).all()
    assert any("the null shuffles labels among speakers" in note for note in sweep.notes)


def test_folds_whose_labels_are_all_alike_are_told_and_give_no_number():
    corpus = PlantedCorpus(speakers="ab", each=30, splits=False, words=3)
    corpus._utterances = [replace(u, labels={"gender": u.speaker}) for u in corpus._utterances]
    found = analyze(
        PlantedEncoder([Plant(tap("a", 0), phone=1.0)]),
        corpus,
        AnalysisConfig(targets=("gender",), measures=("cka", "mi"), replicates=0),
    )
    assert "mi-normalised" not in found.scores.distinct("measure")
    assert all(np.isfinite(row.value) for row in found.scores)
    assert any("in 2 of 2 folds all labels are alike" in note for note in found.notes)


class Measured(PlantedCorpus):
    """The planted corpus with a number a phone: the phone's own, plus noise of ``spread`` times its deviation."""

    def __init__(self, spread, **options):
        super().__init__(**options)
        generator = np.random.default_rng(7)
        own = generator.standard_normal(16)
        own = (own - own[:12].mean()) / own[:12].std()
        self._utterances = [
            replace(
                u,
                tiers={**u.tiers, "vot": tuple(
                    replace(s, label=f"{own[int(s.label[1:])] + spread * generator.standard_normal():.4f}")
                    for s in u.tiers["phone"]
                )},
                labels={"age": str(20 + 3 * place), "digit": str(place % 10)},
            )
            for place, u in enumerate(self._utterances)
        ]  # fmt: skip


@pytest.mark.parametrize("splits", [True, False])
def test_numbers_are_correlated_with_and_are_no_classes(splits):
    """The states know the phone alone: the correlation is that of a number with its phone's mean."""
    encoder = PlantedEncoder([Plant(tap("front", 0), phone=0.1), Plant(tap("deaf", 1))])
    corpus = Measured(0.75, each=6, splits=splits)
    config = AnalysisConfig(targets=("vot",), measures=("cca", "mi", "knn", "abx"), replicates=20)
    found = analyze(encoder, corpus, config)
    assert {row.measure for row in found.scores} == {"cca-mean", "cca-pwcca", "cca-pwcca-y", "svcca-mean"}
    values = {row.tap: row for row in rows(found, measure="cca-mean")}
    phones = [s.label for u in corpus.utterances() if u.split in {"", "test"} for s in u.tiers["phone"]]
    told = [float(s.label) for u in corpus.utterances() if u.split in {"", "test"} for s in u.tiers["vot"]]
    means = {phone: np.mean([x for x, p in zip(told, phones, strict=True) if p == phone]) for phone in set(phones)}
    known = np.corrcoef(told, [means[phone] for phone in phones])[0, 1]
    assert values["front"].value == pytest.approx(known, abs=0.03)
    assert values["front"].n == len(told)  # a number that nobody was fitted on counts, too
    assert abs(values["deaf"].value) < 0.1
    null = found.scores.select(control="shuffled", measure="cca-mean", tap="front")[0]
    assert abs(null.value) < 0.1
    assert any(
        note == "vot: its labels are numbers, so they are correlated with and are no classes"
        for note in found.notes
    )


def test_which_labels_are_numbers():
    corpus = Measured(0.5, each=6)
    kinds = {}
    for name in ("age", "digit", "phone", "speaker"):
        config = AnalysisConfig(targets=(name,), measures=("cca",), min_instances=1)
        (target,) = Sweep(PlantedEncoder([Plant(tap("front", 0))]), corpus, config).targets
        kinds[name] = type(target).__name__
    assert kinds == {"age": "Numbers", "digit": "Labels", "phone": "Labels", "speaker": "Labels"}
    corpus._utterances = [replace(u, labels={"age": "20.5"}) for u in corpus._utterances]
    config = AnalysisConfig(targets=("age",), measures=("cca",))
    with pytest.raises(LaminaError, match="target 'age': the fit speakers have fewer than two numbers"):
        Sweep(PlantedEncoder([Plant(tap("front", 0))]), corpus, config)
