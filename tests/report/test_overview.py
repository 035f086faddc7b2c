"""From rows to comparisons: what compares, what is best, who is left out, how each is drawn."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lamina.effect import Effect
from lamina.errors import LaminaError
from lamina.measures import TABLE
from lamina.report.answer import sentences
from lamina.report.overview import overview
from lamina.report.tables import best_boards, cost_boards, sums_boards, whole_boards
from lamina.report.trained import Trained
from lamina.score import Scores


@pytest.mark.parametrize("measure", [each for each in TABLE if each.of == "layer"], ids=lambda each: each.name)
def test_what_is_best_follows_the_table(curve, measure) -> None:
    """Of every measure: best layers, leads, stars and sentences; none where neither way is better."""
    rows = [row for level in (0.3, 0.5) for row in curve(f"m{level}", level, measure=measure.name)]
    (found,) = overview(Scores(rows)).comparisons
    if measure.better == "neither":
        with pytest.raises(LaminaError, match="only describes"):
            assert found.curves[0].best
        assert not best_boards(overview(Scores(rows)))
        assert not sentences(overview(Scores(rows)))
        return
    less = measure.better == "lower"
    assert [each.best.depth for each in found.curves] == [3 if less else 2] * 2  # the front does not compete
    lead = found.lead("model")
    assert lead is not None
    assert lead.model == ("m0.3" if less else "m0.5")
    assert found.extreme == ("lowest" if less else "highest")
    if measure.rank == 1:
        (board,) = best_boards(overview(Scores(rows)))
        assert [(each.name, each.best) for each in board.standings] == [(lead.model, True), (
            "m0.5" if less else "m0.3", False
        )]  # fmt: skip
        assert any(f"the {found.extreme} value" in said for said in sentences(overview(Scores(rows))))


def test_seeds_of_one_model_become_mean_and_range(curve) -> None:
    rows = [replace(row, seed=seed, value=row.value + seed / 10) for seed in (0, 1) for row in curve("m", 0.3)]
    (found,) = overview(Scores(rows)).comparisons
    point = found.curves[0].points[0]
    assert (point.value, point.low, point.high, point.seeds) == (pytest.approx(0.35), 0.3, 0.4, 2)


def test_a_baseline_measured_twice_is_one(row) -> None:
    one = row(model="mfcc", tap="mfcc", period_ms=0.0, value=0.09, low=0.07, high=0.12)
    (found,) = overview(Scores([one, replace(one, run="another")])).comparisons
    point = found.curves[0].points[0]
    assert (point.value, point.low, point.high, point.seeds) == (0.09, 0.07, 0.12, 1)


@pytest.mark.parametrize(
    ("change", "rules"),
    [
        ({"support": "native"}, ["common", "native"]),
        ({"pooling": "middle"}, ["all frames", "middle"]),
        ({"matched": True}, ["own rate", "matched"]),
        ({"head": "linear"}, ["no head", "linear"]),
        ({"protocol": "pasad"}, ["lamina", "pasad"]),
        ({"split": "dev"}, ["test", "dev"]),
        ({"setting": "same context"}, ["as usual", "same context"]),
    ],
)
def test_rows_that_were_read_otherwise_do_not_compare(curve, change, rules) -> None:
    seen = overview(Scores([*curve("m", 0.3), *curve("m", 0.4, **change)]))
    assert [each.rules for each in seen.comparisons] == rules
    assert len({each.slug for each in seen.comparisons}) == 2


def test_blocks_are_what_the_rows_say(curve) -> None:
    rows = [
        replace(row, tap=f"x{place}", block="a 9.b" if place < 2 else "c")
        for place, row in enumerate(curve("m", 0.3))
    ]
    (found,) = overview(Scores(rows)).comparisons
    assert found.curves[0].blocks == [("a 9.b", 20.0, 0, 1), ("c", 40.0, 2, 2), ("c", 20.0, 3, 3)]


def test_a_model_looks_the_same_everywhere(scores, effects, trained, curve) -> None:
    rows = Scores([*scores, *curve("later", 0.2, measure="rsa"), *curve("later", 0.2, control="untrained")])
    seen = overview(rows, effects=effects, trained=[*trained, Trained("later still", 0, {})])
    looks = [seen.looks[f"model:{model}"] for model in seen.models] + [seen.looks["effect:auxiliary"]]
    assert len(set(looks)) == len(looks) == 6
    assert all(look.colour != "grey" for look in looks)
    greys = [seen.looks[name] for name in ("untrained:plain", "untrained:later", "reference:mfcc")]
    assert len(set(greys)) == 3
    assert {look.colour for look in greys} == {"grey"}
    for run in (*trained, Trained("later still", 0, {})):
        assert seen.series(run.model) in seen.looks


def test_the_commonest_class_is_a_level_line_where_a_head_is(curve, row) -> None:
    heads = [*curve("m", 0.5, measure="accuracy", head="linear"), *curve("m", 0.6, measure="accuracy", head="mlp")]
    majority = row(model="majority", control="majority", period_ms=0.0, measure="accuracy", value=0.1, support="")
    seen = overview(Scores([*heads, majority, replace(majority, target="word")]))
    assert [[curve.series for curve in each.curves] for each in seen.comparisons] == [
        ["model:m", "reference:majority"]
    ] * 2
    assert [row.target for row in seen.sums] == ["word"]  # no comparison shows it


def test_heads_on_all_layers_together_are_told_beside_the_curves(scores, row) -> None:
    sums = [
        row(measure="accuracy", model=each, layers="weighted", value=value)
        for each, value in (("a", 0.5), ("b", 0.6))
    ]
    sums.append(row(measure="accuracy", model="a", layers="chosen", tap="enc20.1", value=0.4))
    seen = overview(Scores([*scores, *sums]))
    assert {each.measure.name for each in seen.comparisons} == {"cca-mean"}
    found = {board.title: board for board in sums_boards(seen)}
    assert list(found) == ["probe accuracy, phone (weighted)", "probe accuracy, phone (chosen)"]
    weighted = found["probe accuracy, phone (weighted)"].standings
    assert [(each.name, each.value, each.best) for each in weighted] == [
        ("b", "0.600", True),
        ("a", "0.500", False),
    ]


def test_whole_encoders(scores, row) -> None:
    coarse = row(
        measure="masked-accuracy",
        tap="mid40.1",
        period_ms=40.0,
        model="plain",
        value=0.5,
        target="units",
        support="masked",
    )
    boards = whole_boards(overview(Scores([*scores, coarse])))
    # At different rates units differ: these do not compare.
    assert [board.title for board in boards] == [
        "masked-prediction accuracy, units, 20 ms", "masked-prediction accuracy, units, 40 ms"
    ]  # fmt: skip
    assert boards[0].standings[0].below == "dec20.1 (20 ms)"


def test_costs(scores, row) -> None:
    (counted,) = scores.select(measure="macs")
    part = replace(counted, value=1e9, part="feature_extractor")
    speeds = [
        replace(counted, measure="speed", value=value, unit="s/s", model=model, setting="cpu, 1 thread")
        for model, value in (("plain", 10.0), ("plain", 30.0), ("mfcc", 900.0))
    ]
    boards = cost_boards(overview(Scores([*scores, replace(counted, seconds=5.0, value=35e9), part, *speeds])))
    told = {board.title: [(each.name, each.value, each.best) for each in board.standings] for board in boards}
    assert told == {
        "MACs of 5 s of audio": [("plain", "35 G", False)],
        "MACs of 10 s of audio": [("plain", "69.5 G", False)],  # a part of the model is no cost of it
        "speed of 10 s of audio, cpu, 1 thread": [("mfcc", "900 s/s", True), ("plain", "20 s/s", False)],
    }


def test_who_could_not_be_compared_is_named_with_the_note_that_says_why(curve, row) -> None:
    """An encoder too wide for CCA: whoever wins without it did not win against it."""
    rows = [*curve("toy", 0.3), *curve("toy", 0.1, measure="mi-normalised")]
    rows += curve("wide", 0.4, measure="mi-normalised", run="analysis-wide-0123")
    rows.append(row(model="costed", tap="", target="", support="", measure="macs", seconds=10.0, value=1e9))
    rows.append(row(model="mel", tap="mel", measure="mi-normalised", value=0.1))
    notes = {
        "analysis-wide-0123": ["CCA of phone was left out: 721 rows are fewer than 768 values.", "Nothing else."],
        "costed": ["the speakers are few"],
    }
    seen = overview(Scores(rows), notes=notes, trained=[Trained("failed", 0, {})])
    assert seen.models == ("toy", "wide", "costed", "failed")
    cca, mi = seen.comparisons
    why = "CCA of phone was left out: 721 rows are fewer than 768 values."
    assert seen.lacking(cca) == {"wide": why, "costed": "", "failed": ""}
    assert seen.lacking(mi) == {"costed": "", "failed": ""}
    (said,) = sentences(seen)
    assert "the highest value behind the front end of those that could be compared is 0.391, of “toy”" in said
    assert f"not compared: “wide” ({why[:-1]}); “costed” (no note says why); “failed” (no note says why)." in said
    assert "“wide”" in best_boards(seen)[0].aside
    assert not any("compared" in text for text in sentences(overview(Scores(curve("toy", 0.3)))))


def test_who_was_read_by_other_rules_was_not_compared(curve) -> None:
    seen = overview(Scores([*curve("one", 0.3), *curve("two", 0.5, support="native")]))
    assert [seen.lacking(each) for each in seen.comparisons] == [
        {"two": "read otherwise: native"}, {"one": "read otherwise: common"}
    ]  # fmt: skip
    assert "not compared: “two” (read otherwise: native)" in sentences(seen)[0]


def test_the_answer_is_read_from_the_numbers(seen, scores) -> None:
    said = sentences(seen)
    assert said[0].startswith("Auxiliary <loss>: at the best layer it improves 1 and worsens 1 of 2 scores")
    assert "+0.031 (+0.010 to +0.052) in mean CCA, phone" in said[0]
    assert "1 of 2 intervals exclude zero; one seed, so what another would change is not known." in said[0]
    assert said[1].startswith("Where mean CCA is best behind the front end (median over encoders, one seed)")
    assert ": phone at 66 % of" in said[1]
    assert "is 0.591, of “plain” at mid20.1 (20 ms)" in said[2]
    assert "it is 0.201 above the best single-tap baseline (“mfcc”, 0.390)" in said[2]
    assert "with shuffled labels the highest is 0.111;" in said[2]
    # Turn the numbers over, and so do the sentences.
    low = scores.select(lambda row: row.model != "plain")
    fallen = Scores(replace(row, value=row.value - 0.3) if row.model != "mfcc" else row for row in low)
    assert any("below the best single-tap baseline" in text for text in sentences(overview(fallen)))


def test_a_null_as_good_as_the_best_is_called_chance(curve) -> None:
    """Where less is better, a null is as good when it is no higher."""
    for control, chance in ((0.2, True), (0.9, False)):
        rows = [*curve("m", 0.5, measure="per"), *curve("m", control, measure="per", control="shuffled")]
        (said,) = sentences(overview(Scores(rows)))
        assert ("no better than chance" in said) == chance


def test_an_effect_that_lowers_an_error_improves_it() -> None:
    lowers = Effect(name="rate", measure="per", target="pr", at="best", value=-0.1)
    assert "it improves 1 of 1 score;" in sentences(overview(Scores(), effects=[lowers]))[0]
