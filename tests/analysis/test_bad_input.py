"""Bad input of an analysis: a clear error, or a documented rule with a count in the result."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from planted import FRONT, Plant, PlantedCorpus, PlantedEncoder, tap

import lamina
from lamina.analysis.compare import compare, compare_runs
from lamina.analysis.config import AnalysisConfig
from lamina.analysis.sweep import analyze
from lamina.corpus.corpus import Segment
from lamina.encoders.features import MfccEncoder
from lamina.encoders.untrained import untrained
from lamina.errors import LaminaError
from lamina.runs import Run
from lamina.score import Scores

PHONES = AnalysisConfig(targets=("phone",), clusters={"phone": 20}, replicates=20)


@pytest.fixture(scope="module")
def encoder():
    return PlantedEncoder([Plant(tap("a", 0), phone=1.0), Plant(tap("b", 1), phone=0.5)])


def corpus_with(change, **options):
    corpus = PlantedCorpus(each=6, splits=False, **options)
    corpus._utterances[0] = change(corpus._utterances[0])
    return corpus


def phones_of(change):
    return lambda u: replace(u, tiers=u.tiers | {"phone": tuple(change(list(u.tiers["phone"]), u))})


def test_a_label_that_occurs_once_is_left_out_with_a_count(encoder):
    once = phones_of(lambda tier, _: [replace(tier[0], label="odd"), *tier[1:]])
    found = analyze(encoder, corpus_with(once), PHONES)
    assert any("phone: 1 of 2160 segments have a label outside the" in note for note in found.notes)


def test_alignments_beyond_the_audio_and_empty_ones_own_no_frame_and_are_counted(encoder):
    """Importers refuse such files; in a corpus made by hand they are on nobody's support."""
    extra = phones_of(
        lambda tier, u: [*tier, Segment("p00", u.samples + 500, u.samples + 900), Segment("p00", 9, 9)]
    )
    found = analyze(encoder, corpus_with(extra), PHONES)
    assert "phone: 2 of 2162 segments own no frame of some compared grid" in found.notes


def test_utterances_without_the_tier_are_counted(encoder):
    found = analyze(encoder, corpus_with(lambda u: replace(u, tiers={"word": u.tiers["word"]})), PHONES)
    assert "phone: 1 of 60 utterances have no segment" in found.notes


def test_fewer_segments_than_dimensions(encoder):
    wide = PlantedEncoder([Plant(tap("wide", 0, width=500), phone=1.0)])
    with pytest.raises(LaminaError, match=r"rows are too few for CCA of 500 and 11 dimensions \(at least 1000\)"):
        analyze(wide, PlantedCorpus(each=2, words=6, splits=False), replace_measures("cca"))


def replace_measures(*names):
    return PHONES.model_copy(update={"measures": names})


def test_nan_states_are_named_by_tap_and_hide_no_other(encoder):
    class Broken(PlantedEncoder):
        def states(self, waves, lengths, taps=None):
            for states in super().states(waves, lengths, taps):
                if states.tap.name == "b":
                    states.values[0, 10] = torch.nan
                yield states

    config = replace_measures("cca", "cka", "mi")
    found = analyze(Broken([Plant(tap("a", 0), phone=1.0), Plant(tap("b", 1))]), corpus_with(lambda u: u), config)
    assert any("no row: states are not finite, first in" in n and n.endswith("(taps b)") for n in found.notes)
    assert "cca-mean" in found.scores.select(tap="a").distinct("measure")
    assert "cca-mean" not in found.scores.select(tap="b").distinct("measure")


def test_targets_and_measures_that_are_none(encoder):
    corpus = PlantedCorpus(each=4)
    with pytest.raises(LaminaError, match=r"planted has no tier or label 'syllable' \(it has phone, word\)"):
        lamina.analyze(encoder, corpus, targets=("syllable",))
    with pytest.raises(LaminaError, match="there is no measure 'ccca' here; did you mean 'cca'"):
        lamina.analyze(encoder, corpus, measures=("ccca",))
    with pytest.raises(LaminaError, match="unknown key 'tragets'; did you mean 'targets'"):
        lamina.analyze(encoder, corpus, tragets=("phone",))
    with pytest.raises(LaminaError, match="needs a file of them"):
        lamina.analyze(encoder, corpus, targets=("word-vectors",))
    with pytest.raises(LaminaError, match="has no weights to draw anew"):
        lamina.analyze(MfccEncoder("none"), corpus, control="untrained")
    with pytest.raises(LaminaError, match="no control 'magic'"):
        lamina.analyze(encoder, corpus, control="magic")


def test_python_takes_names_and_objects_and_answers(encoder, tmp_path):
    found = lamina.analyze(encoder, PlantedCorpus(), targets=("phone",), clusters={"phone": 20}, replicates=40)
    assert found.best("cca-mean", "phone").tap == "b"
    assert len(found.to_pandas()) == len(found.scores)
    differences = found.compare()
    (one,) = differences.select(measure="cca-mean")
    assert (one.first, one.second) == ("planted a", "planted b")
    assert one.low < one.value < one.high < 0
    assert one.p < 0.05
    assert "planted a" in differences.to_csv()
    assert len(differences.to_pandas()) == len(differences)
    with pytest.raises(LaminaError, match="there is no encoder"):
        lamina.analyze("nowhere", PlantedCorpus())


def test_an_untrained_twin_has_other_weights_and_the_same_taps():
    from lamina.encoders.mrhubert import MRHubertConfig, MRHubertEncoder, MRHubertModel

    config = MRHubertConfig(
        hidden_size=16, num_attention_heads=2, intermediate_size=16, conv_dim=[8] * 7, block_layers=[1, 1, 1],
        label_rate_ratios=[1, 2],
    )  # fmt: skip
    torch.manual_seed(7)
    trained = MRHubertEncoder(MRHubertModel(config), "tiny")
    before = torch.random.get_rng_state()
    one, again, other = (untrained(trained, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert one.digest == again.digest
    assert len({one.digest, other.digest, trained.digest}) == 3
    assert (one.name, one.taps) == ("tiny-untrained", trained.taps)
    assert untrained(MfccEncoder("none"), seed=0) is None


def test_runs_that_cannot_be_compared(encoder, tmp_path):
    def made(name, corpus, **changes):
        run = Run.plan(tmp_path, name, changes, {"corpus": corpus.digest})
        run.start()
        found = analyze(encoder, corpus, PHONES.model_copy(update=changes), run=run)
        found.scores.write(run.folder / "scores.jsonl")
        run.finish()
        return run.folder

    corpus, other = PlantedCorpus(each=6), PlantedCorpus(each=6, seed=1)
    other.digest = "other"
    one, wide, same = made("one", corpus), made("wide", corpus, replicates=30), made("same", corpus, seed=0)
    equal = compare_runs([one, same], measures=["cca-mean"])
    assert all(each.value == 0 for each in equal)
    assert [each.first for each in equal] == [f"{one.name} a", f"{one.name} b", f"{one.name} best"]
    with pytest.raises(LaminaError, match="different corpora"):
        compare_runs([one, made("other", other)])
    with pytest.raises(LaminaError, match="different numbers of replicates"):
        compare_runs([one, wide])
    with pytest.raises(LaminaError, match="has no measure 'mi-bots'; it has cca-mean"):
        compare_runs([one], measures=["mi-bots"])
    (one / "done").unlink()
    with pytest.raises(LaminaError, match="no finished analysis"):
        compare_runs([one, same])
    apart = analyze(encoder, corpus, PHONES, support=[FRONT.conv(1, 5)])
    whole = analyze(encoder, corpus, PHONES)
    with pytest.raises(LaminaError, match="not all have a frame of both"):
        whole.compare(apart)
    with pytest.raises(LaminaError, match="no two rows"):
        compare([(Scores(list(whole.scores)[:1]), whole.replicates)])


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"folds": 1}, "AnalysisConfig: folds: Input should be greater than or equal to 2"),
        ({"foldz": 2}, "unknown key 'foldz'; did you mean 'folds'"),
        ({"protocol": "pasad", "targets": "phone", "measures": "mi"}, "pasad has no mi; it measures cca-pwcca"),
    ],
)
def test_configs_made_of_wrong_values(settings, said):
    with pytest.raises(LaminaError, match=said):
        AnalysisConfig(**settings)


def test_names_by_commas():
    assert AnalysisConfig(targets="phone, word", measures="cka").targets == ("phone", "word")


def test_one_tap_has_no_other():
    one = PlantedEncoder([Plant(tap("a", 0), phone=1.0)])
    with pytest.raises(LaminaError, match="'tap:a': one tap has no other to compare with"):
        analyze(one, PlantedCorpus(each=2), AnalysisConfig(targets=("tap",)))


def test_few_alignments_are_counted(encoder):
    corpus = PlantedCorpus(each=2, splits=False)
    corpus._utterances[1:] = [replace(u, tiers={}) for u in corpus._utterances[1:]]
    with pytest.raises(LaminaError, match="19 of 20 utterances have no phone: align them"):
        analyze(encoder, corpus, AnalysisConfig(targets=("phone",), min_instances=50))


def test_few_folds_and_what_was_not_read(encoder):
    found = analyze(encoder, PlantedCorpus(each=6, splits=False), PHONES.model_copy(update={"folds": 3}))
    assert "intervals over 3 folds are rough" in found.notes
    assert {each.groups for each in found.compare()} == {3}
    with pytest.raises(LaminaError, match="control='untrained'"):
        found.compare(found.untrained)
