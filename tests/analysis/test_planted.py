"""States with known information at known rates: every measure must place and order them rightly."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from planted import FRONT, Plant, PlantedCorpus, PlantedEncoder, tap

from lamina.analysis.sweep import AnalysisConfig, analyze
from lamina.encoders.encoder import States, Tap
from lamina.encoders.features import MelEncoder
from lamina.errors import LaminaError
from lamina.grid import Grid
from lamina.runs import Run
from lamina.stats.inference import read_replicates

COARSE, SLOW = FRONT.conv(1, 2), FRONT.conv(1, 5)
CONFIG = AnalysisConfig(targets=("phone", "word"), clusters={"phone": 24, "word": 30}, replicates=100)
CCA_AND_MI = ("cca-mean", "cca-pwcca", "mi-normalised", "mi-bits", "mi-corrected")


@pytest.fixture(scope="module")
def corpus():
    return PlantedCorpus()


@pytest.fixture(scope="module")
def encoder():
    return PlantedEncoder(
        [
            Plant(tap("fine.strong", 0), phone=0.25),
            Plant(tap("fine.weak", 1), phone=4.0),
            Plant(tap("fine.noise", 2)),
            Plant(tap("coarse.strong", 3, COARSE), phone=0.25),
            Plant(tap("slow.word", 4, SLOW), word=0.25),
        ]
    )


@pytest.fixture(scope="module")
def found(encoder, corpus):
    return analyze(encoder, corpus, CONFIG)


def value(found, name, measure, target, control=""):
    (row,) = found.scores.select(tap=name, measure=measure, target=target, control=control)
    return row


@pytest.mark.parametrize("measure", CCA_AND_MI)
def test_phones_come_out_in_the_planted_order(found, measure):
    strong, weak, noise = (value(found, f"fine.{kind}", measure, "phone") for kind in ("strong", "weak", "noise"))
    assert strong.low > weak.high
    assert weak.low > noise.high


@pytest.mark.parametrize("measure", CCA_AND_MI)
def test_words_are_best_where_words_were_planted_though_it_is_the_slowest_tap(found, measure):
    assert found.scores.best(measure, target="word", control="").tap == "slow.word"


@pytest.mark.parametrize("measure", ["cca-mean", "mi-normalised"])
def test_half_the_rate_with_the_same_code_knows_as_much_of_phones(found, measure):
    fine, coarse = (value(found, f"{kind}.strong", measure, "phone") for kind in ("fine", "coarse"))
    assert fine.n == coarse.n
    assert fine.value > 0.95
    assert coarse.value == pytest.approx(fine.value, abs=0.03)
    assert (fine.period_ms, coarse.period_ms) == (20.0, 40.0)


def test_noise_lies_at_the_shuffled_null(found):
    for measure in ("cca-mean", "cca-pwcca"):
        row, null = (value(found, "fine.noise", measure, "phone", control) for control in ("", "shuffled"))
        assert abs(row.value) < 0.03
        assert abs(null.value) < 0.03
    row, null = (value(found, "fine.noise", "mi-normalised", "phone", control) for control in ("", "shuffled"))
    assert row.value == pytest.approx(null.value, abs=0.03)
    strong, null = (value(found, "fine.strong", "mi-normalised", "phone", control) for control in ("", "shuffled"))
    assert null.value < 0.2 * strong.value


def test_rows_say_what_they_counted(found, corpus):
    test = list(corpus.utterances("test"))
    for target in ("phone", "word"):
        # The common support by the grids' own slow rule: every grid owns a frame.
        seen = sum(
            all(len(grid.owned(s.onset, s.offset, grid.frames(u.samples))) for grid in (FRONT, COARSE, SLOW))
            for u in test
            for s in u.tiers[target]
        )
        assert set(found.scores.select(target=target).distinct("n")) == {seen}
    assert found.scores.distinct("protocol") == ["lamina"]
    assert found.scores.distinct("support") == ["common"]
    assert found.scores.distinct("split") == ["test"]
    assert any("phone: " in note and "own no frame" in note for note in found.notes)
    assert len(found.scores) == 5 * 2 * 5 * 2


def test_intervals_hold_their_values_and_replicates_are_named_by_row(found):
    for row in found.scores:
        bits = [each.value for each in found.scores.select(measure="mi-bits", target=row.target)]
        most = max(bits) if row.measure == "mi-bits" else 1  # a planted tap says all that its labels hold
        assert row.low < row.value < row.high or row.low <= row.value == row.high == most  # where an end is cut
        key = f"{row.tap}|{row.measure}|{row.target}"
        assert found.replicates[key].shape == (100,)


def test_values_on_halves_of_the_speakers_lie_about_the_value(found, encoder, corpus):
    """A share of items is, within each of the ten halvings, between the shares of the two halves."""
    config = CONFIG.model_copy(update={"targets": ("phone",), "measures": ("centroid-accuracy",)})
    held = analyze(encoder, corpus, config)
    told = [(row.value, held.replicates.halves[row.key].reshape(-1, 2)) for row in held.scores if not row.control]
    spread = max(pairs.max() - pairs.min() for _, pairs in told)
    assert spread > 0.01
    for value, pairs in told:
        assert pairs.shape == (10, 2)
        assert (pairs.min(axis=1) <= value + 1e-12).all()
        assert (pairs.max(axis=1) >= value - 1e-12).all()
    for row in found.scores.select(lambda row: not row.control):  # every measure tells them
        assert np.isfinite(found.replicates.halves[row.key]).all()


def test_batches_change_nothing(found, encoder, corpus):
    again = analyze(encoder, corpus, CONFIG.model_copy(update={"batch_seconds": 7.0}))
    for one, other in zip(found.scores, again.scores, strict=True):
        assert one.tap == other.tap
        # A row that lies between two clusters may fall on either side by a rounding of its mean.
        assert one.value == pytest.approx(other.value, abs=1e-9 if "cca" in one.measure else 2e-3)


def test_support_of_a_comparison_is_taken_from_outside(encoder, corpus):
    only = CONFIG.model_copy(update={"taps": ("fine.strong",), "targets": ("phone",), "shuffles": 0})
    alone = analyze(encoder, corpus, only)
    shared = analyze(encoder, corpus, only, support=[SLOW])
    assert alone.scores[0].n > shared.scores[0].n
    assert alone.scores.distinct("tap") == ["fine.strong"]


def test_models_meet_the_same_resamples(encoder, corpus, found):
    other = PlantedEncoder([Plant(tap("fine.strong", 0), phone=0.25)], name="other")
    again = analyze(other, corpus, CONFIG, support=[COARSE, SLOW])
    for measure in ("cca-mean", "mi-normalised"):
        key = f"fine.strong|{measure}|phone"
        np.testing.assert_allclose(again.replicates[key], found.replicates[key], atol=1e-9)
    assert again.scores.distinct("model") == ["other"]


class MelOn20ms:
    """Log-mel averaged over the cells of 20 ms frames by slow loops: the mel target itself."""

    name, digest, sample_rate = "mel20", "mel20", 16000
    taps = (Tap("mel20", 0, 80, FRONT),)

    def states(self, waves, lengths, taps=None):
        fine = next(MelEncoder().states(waves, lengths))
        grid, frames = fine.tap.grid, [FRONT.frames(int(count)) for count in lengths]
        values = torch.zeros(len(waves), max(frames), 80)
        for row, count in enumerate(frames):
            for k in range(count):
                centre = FRONT.centre_of(k)
                owned = grid.owned(centre - FRONT.stride / 2, centre + FRONT.stride / 2, int(fine.lengths[row]))
                values[row, k] = fine.values[row, owned.start : owned.stop].mean(0)
        yield States.checked(values, lengths.tolist(), self.taps[0])


class Noisy(PlantedCorpus):
    """The planted corpus with real noise on its waves, so that mel has something to say."""

    def read(self, utterance, start=0, stop=None):
        wave = super().read(utterance)
        noise = np.random.default_rng(len(wave)).standard_normal(len(wave)) * (0.01 + 5 * wave)
        return (wave + noise).astype(np.float32)[start:stop]


def test_mel_frames_are_pooled_onto_the_taps_own_cells():
    config = AnalysisConfig(targets=("mel",), replicates=20, ridges=(0.0,))
    found = analyze(MelOn20ms(), Noisy(each=5), config)
    assert found.scores.distinct("support") == ["native"]
    assert {row.measure for row in found.scores} == {"cca-mean", "cca-pwcca"}
    for row in found.scores:
        assert row.value == pytest.approx(1.0, abs=1e-5)


def test_replicates_are_written(encoder, corpus, tmp_path):
    run = Run.plan(tmp_path, "analysis", CONFIG.to_json())
    run.start()
    told = []
    found = analyze(
        encoder, corpus, CONFIG, run=run, control="untrained", progress=lambda done, of: told.append((done, of))
    )
    assert told[-1] == (120, 120)
    assert told == sorted(told)
    assert found.scores.distinct("run") == [run.folder.name]
    assert found.scores.distinct("control") == ["untrained", "shuffled"]
    assert list(read_replicates(run.folder)) == list(found.replicates)
    assert run.last_log()["event"] == "analysed"


def test_a_corpus_of_one_speaker_is_folded_by_utterances_and_says_so(encoder):
    only = CONFIG.model_copy(update={"targets": ("phone",), "taps": ("fine.strong", "fine.noise")})
    found = analyze(encoder, PlantedCorpus(speakers="a", each=40, splits=False), only)
    assert found.scores.distinct("split") == ["utterance-folds-5"]
    assert any("one speaker (a): folds are of utterances" in note for note in found.notes)
    assert value(found, "fine.strong", "cca-mean", "phone").value > 0.9


def test_one_score_speaker_has_no_intervals_and_says_so(encoder):
    only = CONFIG.model_copy(update={"targets": ("phone",), "taps": ("fine.strong", "fine.noise")})
    found = analyze(encoder, PlantedCorpus(speakers="abcd", each=30), only)
    assert all(row.low is None and row.high is None for row in found.scores.select(control=""))
    assert any("one score speaker" in note for note in found.notes)


def test_too_little_speech_is_left_out_with_the_reason(encoder):
    tiny = PlantedCorpus(speakers="abc", each=1, splits=False, words=8)
    config = CONFIG.model_copy(update={"min_instances": 1})
    with pytest.raises(LaminaError, match="too few for CCA of 16"):
        analyze(encoder, tiny, config.model_copy(update={"targets": ("word",)}))
    found = analyze(encoder, tiny, config)
    assert found.scores.distinct("target") == ["phone"]
    assert any(note.startswith("word: no CCA") and "fine.weak" in note for note in found.notes)
    assert any(note.startswith("word: no mutual information") for note in found.notes)


def test_many_clusters_for_few_segments_are_told(encoder, corpus):
    config = CONFIG.model_copy(update={"targets": ("word",), "taps": ("fine.noise",)})
    assert not any("is chance" in note for note in analyze(encoder, corpus, config).notes)
    found = analyze(encoder, corpus, config.model_copy(update={"clusters": {"word": 100}}))
    assert any(note.startswith("word: 432 segments in 100 clusters") for note in found.notes)


def test_rare_labels_are_left_out_with_a_count(encoder, corpus):
    config = CONFIG.model_copy(update={"max_classes": 10, "targets": ("word",), "taps": ("slow.word",)})
    found = analyze(encoder, corpus, config)
    assert any("outside the 10 classes" in note and "score" in note for note in found.notes)
    assert found.scores[0].n < sum(len(u.tiers["word"]) for u in corpus.utterances("test"))


def test_a_constant_or_broken_tap_does_not_hide_the_others(corpus):
    class Broken(PlantedEncoder):
        def states(self, waves, lengths, taps=None):
            for states in super().states(waves, lengths, taps):
                if states.tap.depth:
                    states.values[:] = 1.0 if states.tap.depth == 1 else torch.nan
                yield states

    plants = [Plant(tap(name, depth), phone=1.0) for depth, name in enumerate(("good", "constant", "nan"))]
    found = analyze(Broken(plants), corpus, CONFIG.model_copy(update={"targets": ("phone",)}))
    assert set(found.scores.select(measure="cca-mean").distinct("tap")) == {"good"}
    assert any("no dimension of a view varies" in note and "constant" in note for note in found.notes)
    assert any("not finite" in note and "nan" in note for note in found.notes)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"targets": ("syllable",)}, "no utterance to fit on has a tier 'syllable' .tiers: phone, word"),
        ({"taps": ("enc.9",)}, "no tap 'enc.9'"),
        ({"targets": ("word",), "min_instances": 10_000}, "only 0 label"),
    ],
)
def test_questions_that_cannot_be_asked(encoder, corpus, changes, said):
    with pytest.raises(LaminaError, match=said):
        analyze(encoder, corpus, CONFIG.model_copy(update=changes))


def test_many_speakers_are_resampled_in_groups(encoder):
    corpus = PlantedCorpus(speakers=[f"s{k:02d}" for k in range(20)], each=5)
    config = CONFIG.model_copy(update={"targets": ("phone",), "taps": ("fine.strong",), "max_groups": 4})
    found = analyze(encoder, corpus, config)
    assert any(note.startswith("6 score speakers are resampled in ") for note in found.notes)
    full = analyze(encoder, corpus, config.model_copy(update={"max_groups": 10}))
    assert [row.value for row in found.scores] == pytest.approx([row.value for row in full.scores], abs=1e-12)


def test_utterances_without_a_frame_are_left_out_with_a_count(encoder):
    corpus = PlantedCorpus()
    stump = replace(corpus._utterances[0], id="stump", samples=500, tiers={})
    corpus._utterances.append(stump)
    corpus._waves["stump"] = np.zeros(500, dtype=np.float32)
    found = analyze(encoder, corpus, CONFIG, support=[Grid.samples(16000).conv(800, 320)])
    assert "1 utterances are shorter than one frame of some compared grid" in found.notes
    with pytest.raises(LaminaError, match="0 utterances to fit on and 0 to score"):
        analyze(encoder, corpus, CONFIG, support=[Grid.samples(16000).conv(10**7, 320)])


def test_rates_must_agree(encoder):
    other = PlantedCorpus(each=1)
    other.sample_rate = 8000
    with pytest.raises(LaminaError, match="at 8000 Hz, planted takes 16000 Hz"):
        analyze(encoder, other, CONFIG)


@pytest.mark.parametrize("wrong", [{"targets": ("a", "a")}, {"ridges": (-1.0,)}, {"clusters": {"phone": 1}}])
def test_settings_that_make_no_sense(wrong):
    with pytest.raises(LaminaError, match=r"distinct|negative|two clusters"):
        AnalysisConfig(**wrong)
