"""From scores to drawings, tables and sentences."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from lamina.report import curves, depths, forest, learning, peaks, tradeoff
from lamina.report.diagram import blocks, differences, plot
from lamina.report.learning import Trained
from lamina.report.style import by_level, falling
from lamina.report.tables import best_table, cost_table, sums_table, whole_table
from lamina.report.view import view
from lamina.report.words import sentences
from lamina.score import Scores

LABELS = {"auxiliary": "auxiliary loss"}


def test_a_picture_has_a_line_a_model_and_a_shape_a_period(scores) -> None:
    seen = view(scores)
    spec = curves.plot(seen.pictures[0], seen)
    # One null, three bands (two models, the untrained), one reference, three lines.
    assert len(spec["data"]) == 8
    lines = {trace["meta"]: trace for trace in spec["data"] if trace["mode"] == "lines+markers"}
    assert lines["model:plain"]["marker"]["symbol"] == ["circle"] * 4
    assert lines["model:<b>down & up</b>"]["marker"]["symbol"] == ["circle", "circle", "square", "circle"]
    dashes = {lines["model:plain"]["line"]["dash"], lines["model:<b>down & up</b>"]["line"]["dash"]}
    assert len(dashes) == 2
    assert lines["untrained:plain"]["line"]["color"] == "grey"
    assert "&lt;b&gt;" in lines["model:<b>down & up</b>"]["text"][0]
    boxes = [label["long"] for label in spec["labels"]]
    assert boxes.count("mid 40 ms") == 2
    assert boxes.count("mid 20 ms") == 1


def test_any_measure_target_and_support_can_be_chosen(curve) -> None:
    rows = [
        *curve("m", 0.3, target="speaker", measure="pnmi"),
        *curve("m", 0.3, measure="never-seen"),
        *curve("m", 0.3),
        *curve("m", 0.2, support="decimated to 40 ms"),
        *curve("m", 20.0, target="", measure="effective-rank"),
    ]
    chart = curves.chart(view(Scores(rows)))
    assert chart is not None
    measures, targets, rules = chart.choices
    assert dict(measures.options) == {
        "pnmi": "PNMI", "never-seen": "never-seen", "cca-mean": "mean CCA", "effective-rank": "effective rank"
    }  # fmt: skip
    assert [value for value, _ in targets.options] == ["phone", "speaker", ""]
    assert [value for value, _ in rules.options] == ["common", "decimated to 40 ms"]
    assert len({drawing.chosen for drawing in chart.drawings}) == len(chart.drawings) == 5
    assert len({drawing.slug for drawing in chart.drawings}) == 5
    assert sum(drawing.lead for drawing in chart.drawings) == 3  # one a target stands on paper


def test_less_is_better_where_errors_are_counted(curve) -> None:
    assert falling("phone-error-rate")
    assert falling("eer")
    assert not falling("cca-mean")
    assert not falling("paper")
    (picture,) = view(Scores(curve("m", 0.3, measure="phone-error-rate"))).pictures
    assert picture.curves[0].best.depth == 3  # sin(3) is the least of those behind the front
    assert "the lowest value behind the front end" in sentences(view(Scores(picture.rows)))[0]


def test_levels_of_language_are_in_order() -> None:
    assert by_level(["speaker", "word-vectors", "enc20.1", "mel", "word", "phone", "mel"]) == [
        "mel", "phone", "word-vectors", "word", "speaker", "enc20.1"
    ]  # fmt: skip


def test_seeds_of_one_model_become_mean_and_range(curve) -> None:
    rows = [replace(row, seed=seed, value=row.value + seed / 10) for seed in (0, 1) for row in curve("m", 0.3)]
    (picture,) = view(Scores(rows)).pictures
    point = picture.curves[0].points[0]
    assert (point.value, point.low, point.high, point.seeds) == (pytest.approx(0.35), 0.3, 0.4, 2)


def test_a_baseline_measured_twice_is_one(row) -> None:
    row = replace(row, model="mfcc", tap="mfcc", period_ms=0.0, value=0.09, low=0.07, high=0.12)
    (picture,) = view(Scores([row, replace(row, run="another")])).pictures
    point = picture.curves[0].points[0]
    assert (point.value, point.low, point.high, point.seeds) == (0.09, 0.07, 0.12, 1)


def test_rules_that_differ_are_different_pictures(curve) -> None:
    rows = Scores(curve("m", 0.3)) + Scores(curve("m", 0.4)).with_columns(support="native")
    seen = view(rows)
    assert [picture.support for picture in seen.pictures] == ["common", "native"]
    assert [picture.slug for picture in seen.pictures] == [
        "cca-mean-phone-lamina-common-test",
        "cca-mean-phone-lamina-native-test",
    ]


def test_labels_of_close_lines_do_not_overlap(row) -> None:
    rows = [replace(row, model=model, tap=model, value=value) for model, value in (("mel", 0.3), ("mfcc", 0.301))]
    seen = view(Scores(rows))
    spec = curves.plot(seen.pictures[0], seen)
    scale = curves.HEIGHT / spec["layout"]["yaxis"]["range"][1]
    heights = [note["y"] * scale + note["yshift"] for note in spec["layout"]["annotations"]]
    assert abs(heights[0] - heights[1]) >= 14.9


def test_peaks(scores, curve) -> None:
    chart = peaks.chart(view(scores), ())
    assert chart is not None
    (drawing,) = chart.drawings
    marks = [trace for trace in drawing.spec["data"] if trace["mode"] == "markers"]
    assert [trace["x"] for trace in marks] == [[2]] * 4  # two encoders, two targets: sin(2) is the highest
    assert [trace["marker"]["symbol"] for trace in marks] == [["circle"], ["square"]] * 2
    assert {row.tap for row in drawing.data} == {"mid20.0", "mid40.0"}
    assert peaks.chart(view(Scores(curve("m", 0.3))), ()) is None  # one target has no hierarchy


def test_peaks_by_support(curve) -> None:
    rows = [
        *curve("m", 0.3), *curve("m", 0.3, target="mel", support="native"),
        *(replace(row, value=-row.value) for row in curve("m", 0.3, support="decimated to 40 ms")),
    ]  # fmt: skip
    chart = peaks.chart(view(Scores(rows)), ())
    assert chart is not None
    assert [value for value, _ in chart.choices[1].options] == ["common", "decimated to 40 ms"]
    tops = [
        [trace["x"] for trace in drawing.spec["data"] if trace["mode"] == "markers"] for drawing in chart.drawings
    ]
    assert tops == [[[2], [2]], [[2], [3]]]  # mel has native frames alone; the other phones are upside down
    assert len({drawing.slug for drawing in chart.drawings}) == 2


def test_a_plateau_is_what_the_interval_cannot_tell_apart(curve) -> None:
    rows = [replace(row, value=value, low=value - 0.1) for row, value in zip(
        curve("m", 0.0), (0.9, 0.45, 0.5, 0.2), strict=True
    )]  # fmt: skip
    (picture,) = view(Scores(rows)).pictures
    first, last = peaks.plateau(picture.curves[0])
    assert (first.depth, last.depth) == (1, 2)  # the front end does not compete


def test_effects(scores) -> None:
    chart = forest.chart(view(scores), LABELS)
    assert chart is not None
    (drawing,) = chart.drawings
    sure, unsure = drawing.spec["data"]
    assert (sure["x"], unsure["x"]) == ([0.031], [-0.020])
    assert unsure["error_x"]["array"] == [pytest.approx(0.030)]
    assert unsure["error_x"]["arrayminus"] == [pytest.approx(0.030)]
    assert "auxiliary loss, mean CCA, phone: +0.031 (+0.010 to +0.052)" in drawing.alt
    assert forest.named("auxiliary x rate", LABELS) == "interaction auxiliary × rate"


def test_many_effects_are_drawn_factor_by_factor(row) -> None:
    effect = replace(row, unit="difference", tap="best", value=0.1, low=0.0, high=0.2)
    rows = [
        replace(effect, model=f"effect:f{factor}", target=f"t{target}")
        for factor in range(4)
        for target in range(20)
    ]
    chart = forest.chart(view(Scores(rows)), {})
    assert chart is not None
    assert [drawing.chosen[2] for drawing in chart.drawings] == ["f0", "f1", "f2", "f3"]
    assert len({drawing.slug for drawing in chart.drawings}) == 4


def test_effects_of_other_sizes_have_their_own_axis(scores, curve, row) -> None:
    rank = curve("plain", 20.0, target="", measure="effective-rank")
    effect = replace(row, model="effect:auxiliary", unit="difference", tap="best", target="", value=3.0)
    seen = view(Scores([*scores, *rank, replace(effect, measure="effective-rank")]))
    chart = forest.chart(seen, LABELS)
    assert chart is not None
    assert [drawing.chosen[1] for drawing in chart.drawings] == [forest.RATIOS, "effective rank"]
    assert "effective rank" not in sentences(seen, LABELS)[0]


def test_effects_by_layer(scores) -> None:
    chart = depths.chart(view(scores), LABELS)
    assert chart is not None
    (line,) = chart.drawings[0].spec["data"]
    assert (line["x"], line["y"]) == ([1, 2, 3], [0.01, 0.02, 0.03])
    assert len(view(scores).effects) == 2  # they are no effects at the best layer


def test_quality_against_cost(scores) -> None:
    chart = tradeoff.chart(view(scores), ())
    assert chart is not None
    assert [drawing.chosen for drawing in chart.drawings] == [
        ("macs-10 s", "mean CCA, phone"), ("macs-10 s", "mean CCA, word")
    ]  # fmt: skip
    (point,) = chart.drawings[0].spec["data"]  # the other encoder has no cost
    assert (point["x"], point["y"]) == ([69.5e9], [0.5 + 0.1 * math.sin(2)])


def test_learning_curves(trained, scores) -> None:
    chart = learning.chart(trained, view(scores))
    assert chart is not None
    by = {drawing.chosen[0]: drawing for drawing in chart.drawings}
    training, held = by["accuracy_masked_0"].spec["data"]
    assert (training["x"], training["y"]) == ([50, 100, 150], [0.05, 0.10, 0.15])
    assert (held["x"], held["y"]) == ([150], [0.1])
    assert list(by) == ["accuracy_masked_0", "loss"]
    assert learning.label("accuracy_masked_1") == "accuracy on masked frames, level 1 below it"


def test_steps_that_a_resumed_run_made_twice_are_drawn_once(trained, scores) -> None:
    run = trained[0]
    again = [{"step": step, "accuracy_masked_0": 0.5, "loss": 1.0} for step in (100, 150)]
    chart = learning.chart([replace(run, log=[*run.log, *again])], view(scores))
    assert chart is not None
    by = {drawing.chosen[0]: drawing for drawing in chart.drawings}
    training = by["accuracy_masked_0"].spec["data"][0]
    assert (training["x"], training["y"]) == ([50, 100, 150], [0.05, 0.5, 0.5])


@pytest.mark.parametrize("ratios", [[], [1, 1], [1, 2], [1, 2, 1, 2], [1, 2, 2, 5], [2, 1]])
@pytest.mark.parametrize("single", [True, False])
def test_the_drawn_blocks_are_the_encoders(trained, ratios: list[int], single: bool) -> None:
    from lamina.encoders.mrhubert.config import MRHubertConfig

    layers = [2, 3, 1, 4, 2][: len(ratios) + 1]
    changed = {"label_rate_ratios": ratios, "block_layers": layers, "single_prediction": single}
    model = {**trained[0].config["model"], **changed}
    made = MRHubertConfig(**changed)
    drawn = blocks(model)
    assert [(block.role, block.level, block.layers, block.period_ms) for block in drawn] == [
        (block.role, block.level, block.layers, block.grid.period_ms) for block in made.blocks
    ]
    predicting = {tap.name.split(".")[0] for tap in made.predicting_taps}
    assert [block.loss for block in drawn] == [block.name in predicting for block in made.blocks]
    spec = plot(Trained("m", 0, {"model": model}))
    circles = [shape for shape in spec["layout"]["shapes"] if shape["type"] == "circle"]
    assert len(circles) == len(predicting)


def test_what_sets_a_baseline_apart(trained) -> None:
    assert differences(trained[1], trained[0]) == {"steps": 0}


def test_the_answer_is_read_from_the_numbers(scores) -> None:
    said = sentences(view(scores), LABELS)
    assert said[0].startswith("Auxiliary loss: at the best layer it raises 1 and lowers 1 of 2 scores")
    assert "+0.031 (+0.010 to +0.052) in mean CCA, phone" in said[0]
    assert "1 of 2 intervals exclude zero; one seed, so what another would change is not known." in said[0]
    assert said[1].startswith("Where mean CCA is best behind the front end (median over encoders, one seed)")
    assert ": phone at 66 % of" in said[1]
    top = 0.5 + 0.1 * math.sin(2)
    assert f"the highest value behind the front end is {top:.3f}, of “plain” at mid20.0 (20 ms)" in said[2]
    assert f"it is {top - 0.39:.3f} above the strongest single-tap baseline (“mfcc”, 0.390)" in said[2]
    # Turn the numbers over, and so do the sentences.
    low = scores.select(lambda row: row.unit != "difference").select(lambda row: row.model != "plain")
    fallen = Scores(replace(row, value=row.value - 0.3) if row.model != "mfcc" else row for row in low)
    assert any("below the strongest single-tap baseline" in text for text in sentences(view(fallen)))


def test_best_layers(scores) -> None:
    table = best_table(view(scores))
    cells = {row[0].text: row[1] for row in table.rows}
    assert (cells["plain"].text, cells["plain"].below) == (f"{0.5 + 0.1 * math.sin(2):.3f}", "mid20.0 (20 ms)")
    assert cells["plain"].best
    assert not cells["<b>down & up</b>"].best
    assert cells["mfcc"].text == "0.390"
    assert "plain (untrained)" in cells


def test_scores_of_whole_encoders(scores, row) -> None:
    probe = replace(row, measure="phone-error-rate", value=0.1, model="plain", low=0.08, high=0.12)
    table = whole_table(view(Scores([*scores, probe])))
    assert [[cell.text for cell in line] for line in table.rows] == [
        ["plain", "masked-prediction accuracy, units", "dec20.0 (20 ms)", "0", "0.250", "100"],
        ["plain", "phone-error-rate, phone", "whole", "0", "0.100", "100"],
    ]


def test_costs(scores, row) -> None:
    counted = scores.select(measure="macs")[0]
    macs = replace(counted, measure="macs-attention", value=74.1e9)
    part = replace(counted, value=1e9, tap="feature_extractor")
    speeds = [
        replace(row, measure="speed", target="10 s", value=value, unit="s/s", model=model, support="cpu, 1 thread")
        for model, value in (("plain", 10.0), ("plain", 30.0), ("mfcc", 900.0))
    ]
    table = cost_table(view(Scores([*scores, macs, part, *speeds])))
    assert table.columns == ("model", "MACs, 10 s", "MACs with attention, 10 s", "speed, 10 s")
    assert [[cell.text for cell in row] for row in table.rows] == [
        ["plain", "69.5 G", "74.1 G", "20 s/s"],  # the median of two seeds; a part of the model is no cost of it
        ["mfcc", "–", "–", "900 s/s"],
    ]
    assert "on cpu, 1 thread" in table.caption


def test_probes_on_all_layers_together_are_a_table_not_a_curve(scores) -> None:
    row = scores.select(measure="cca-mean", target="phone", control="")[0]
    sums = [replace(row, measure="accuracy", target="word", model=each, tap="weighted", depth=0) for each in "ab"]
    sums.append(replace(sums[0], model="majority", tap="majority"))
    seen = view(Scores([row, *sums]))
    assert [picture.measure for picture in seen.pictures] == ["cca-mean"]
    assert [line[0].text for line in sums_table(seen).rows] == ["a", "b", "majority"]
