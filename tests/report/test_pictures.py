"""From scores to drawings."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from lamina.effect import Effect
from lamina.errors import LaminaError
from lamina.report import diagram
from lamina.report.design import differences
from lamina.report.effects import factor_name
from lamina.report.overview import overview
from lamina.report.pictures import effects as forest
from lamina.report.pictures import effects_by_layer, kinds, layers, learning, peaks, reach, tradeoff
from lamina.report.traces import on_page
from lamina.report.trained import Trained
from lamina.report.wording import by_level
from lamina.score import Scores


def test_every_picture_of_the_folder_is_on_the_page(seen) -> None:
    charts = [kind.chart(seen) for kind in kinds()]
    assert {chart.slug for chart in charts if chart} == {
        "layers", "hierarchy", "effects", "effects-by-layer", "tradeoff", "learning"
    }  # fmt: skip


def test_a_comparison_has_a_line_a_model_and_a_shape_a_period(seen) -> None:
    spec = layers.plot(seen.comparisons[0], seen)
    # One null, three bands (two models, the untrained), one reference, three lines.
    assert len(spec["data"]) == 8
    lines = {trace["meta"]: trace for trace in spec["data"] if trace["mode"] == "lines+markers"}
    assert lines["model:plain"]["marker"]["symbol"] == ["circle"] * 4
    assert lines["model:<b>down & up</b>"]["marker"]["symbol"] == ["circle", "circle", "square", "circle"]
    dashes = {lines["model:plain"]["line"]["dash"], lines["model:<b>down & up</b>"]["line"]["dash"]}
    assert len(dashes) == 2
    assert lines["untrained:plain"]["line"]["color"] == "grey"
    assert lines["model:<b>down & up</b>"]["text"][0].startswith("<b>down & up</b>\nfront (20 ms), depth 0\n0.450")
    assert lines["model:plain"]["text"][0].endswith("n = 100 segments")
    assert [label["long"] for label in spec["labels"]].count("mid40, 40 ms") == 2


def test_reach_lies_on_both_sides_of_the_frame_and_tells_rates_apart(curve) -> None:
    rows = [
        row
        for measure, level in (("reach-before", 50.0), ("reach-after", 90.0))
        for row in (
            *curve("m", level, measure=measure, unit="ms"),
            *curve("twin", level / 2, measure=measure, unit="ms", control="untrained"),
        )
    ]
    rows += [replace(row, value=0.1, control="shuffled") for row in curve("m", 0.1)]
    chart = reach.chart(overview(Scores(rows)))
    assert chart is not None
    (drawing,) = chart.drawings
    lines = [trace for trace in drawing.spec["data"] if trace["mode"] == "lines+markers"]
    after, before = ([trace for trace in lines if math.copysign(1, trace["y"][0]) == sign] for sign in (1, -1))
    assert [trace["meta"] for trace in after] == [trace["meta"] for trace in before]
    values = {trace["meta"]: trace["y"] for trace in after}
    assert values["model:m"] == pytest.approx([90 + 0.1 * math.sin(depth) for depth in range(4)])
    assert {tuple(trace["marker"]["symbol"]) for trace in lines} == {("circle", "circle", "square", "circle")}
    assert "m: mean reach of taps at 20 ms 70 ms (2 taps) and 40 ms 70 ms (1 tap)" in drawing.alt
    assert lines[0]["text"][0].split("\n")[1:] == ["front (20 ms), depth 0", "25 ms before (25 ms to 25 ms)"]
    assert {row.measure for row in drawing.data} == {"reach-before", "reach-after"}
    assert reach.chart(overview(Scores(curve("m", 0.3)))) is None


def test_texts_are_markup_on_the_page_only_where_we_say_so(seen) -> None:
    """What plotly is told: a first line that hovers is bold, whatever else looks like markup is shown."""
    spec = on_page(layers.plot(seen.comparisons[0], seen))
    (line,) = [trace for trace in spec["data"] if trace["meta"] == "model:<b>down & up</b>" and "marker" in trace]
    assert line["text"][0].startswith("<b>&lt;b&gt;down &amp; up&lt;/b&gt;</b><br>front (20 ms), depth 0<br>0.450")


def test_any_measure_target_and_rules_can_be_chosen(curve) -> None:
    rows = [
        *curve("m", 0.3, target="speaker", measure="purity-label"),
        *curve("m", 0.3, measure="abx-within"),
        *curve("m", 0.3),
        *curve("m", 0.2, matched=True),
        *curve("m", 20.0, target="", measure="effective-rank"),
    ]
    chart = layers.chart(overview(Scores(rows)))
    assert chart is not None
    measures, targets, rules = chart.choices
    assert dict(measures.options) == {
        "purity-label": "label purity", "abx-within": "ABX error within speakers", "cca-mean": "mean CCA",
        "effective-rank": "effective rank",
    }  # fmt: skip
    assert [value for value, _ in targets.options] == ["phone", "speaker", ""]
    assert [label for _, label in rules.options] == ["all", "own rate", "matched"]
    assert len({drawing.chosen for drawing in chart.drawings}) == len(chart.drawings) == 5
    assert len({drawing.slug for drawing in chart.drawings}) == 5
    said = {drawing.chosen[0]: drawing for drawing in chart.drawings}
    assert "; less is better. Protocol lamina, split test, common support." in said["abx-within"].caption
    assert "m goes from 20 to 20.09" in said["effective-rank"].alt


def test_levels_of_language_are_in_order() -> None:
    assert by_level(["speaker", "word-vectors", "enc20.1", "mel", "word", "phone", "mel"]) == [
        "mel", "phone", "word-vectors", "word", "speaker", "enc20.1"
    ]  # fmt: skip


def test_labels_of_close_lines_do_not_overlap(row) -> None:
    rows = [row(model=model, tap=model, value=value) for model, value in (("mel", 0.3), ("mfcc", 0.301))]
    seen = overview(Scores(rows))
    spec = layers.plot(seen.comparisons[0], seen)
    scale = layers.HEIGHT / spec["layout"]["yaxis"]["range"][1]
    heights = [note["y"] * scale + note["yshift"] for note in spec["layout"]["annotations"]]
    assert abs(heights[0] - heights[1]) >= 14.9


def test_the_right_margin_holds_the_longest_name(row) -> None:
    rows = [row(model=model, tap=model, value=0.3) for model in ("mel", "mfcc-cmvn")]
    seen = overview(Scores(rows))
    made = layers.plot(seen.comparisons[0], seen)["layout"]
    assert "mfcc-cmvn .300" in [note["text"] for note in made["annotations"]]
    assert made["margin"]["r"] >= 4 + 7 * len("mfcc-cmvn .300")


def test_peaks(seen, curve) -> None:
    chart = peaks.chart(seen)
    assert chart is not None
    (drawing,) = chart.drawings
    marks = [trace for trace in drawing.spec["data"] if trace["mode"] == "markers"]
    assert [trace["x"] for trace in marks] == [[2]] * 4  # two encoders, two targets: sin(2) is the highest
    assert [trace["marker"]["symbol"] for trace in marks] == [["circle"], ["square"]] * 2
    assert {row.tap for row in drawing.data} == {"mid20.1", "mid40.1"}
    assert peaks.chart(overview(Scores(curve("m", 0.3)))) is None  # one target has no hierarchy


def test_peaks_of_errors_are_where_they_are_least(curve) -> None:
    rows = [*curve("m", 0.3, measure="abx-across"), *curve("m", 0.3, measure="abx-across", target="word")]
    chart = peaks.chart(overview(Scores(rows)))
    assert chart is not None
    assert [trace["x"] for trace in chart.drawings[0].spec["data"] if trace["mode"] == "markers"] == [[3], [3]]


def test_peaks_by_rules(curve) -> None:
    rows = [
        *curve("m", 0.3), *curve("m", 0.3, target="mel", support="native"),
        *(replace(row, value=-row.value, low=None, high=None) for row in curve("m", 0.3, support="decimated")),
    ]  # fmt: skip
    chart = peaks.chart(overview(Scores(rows)))
    assert chart is not None
    assert [value for value, _ in chart.choices[1].options] == ["common", "decimated"]
    tops = [
        [trace["x"] for trace in drawing.spec["data"] if trace["mode"] == "markers"] for drawing in chart.drawings
    ]
    assert tops == [[[2], [2]], [[2], [3]]]  # mel has native frames alone; the other phones are upside down
    assert len({drawing.slug for drawing in chart.drawings}) == 2


def test_a_plateau_is_what_the_interval_cannot_tell_apart(curve) -> None:
    rows = [replace(row, value=value, low=value - 0.1) for row, value in zip(
        curve("m", 0.0), (0.9, 0.45, 0.5, 0.2), strict=True
    )]  # fmt: skip
    (found,) = overview(Scores(rows)).comparisons
    first, last = peaks.plateau(found.curves[0])
    assert (first.depth, last.depth) == (1, 2)  # the front end does not compete


def test_effects(seen) -> None:
    chart = forest.chart(seen)
    assert chart is not None
    (drawing,) = chart.drawings
    sure, unsure = drawing.spec["data"]
    assert (sure["x"], unsure["x"]) == ([0.031], [-0.020])
    assert unsure["error_x"]["array"] == [pytest.approx(0.030)]
    assert unsure["error_x"]["arrayminus"] == [pytest.approx(0.030)]
    assert "auxiliary <loss>, mean CCA, phone: +0.031 (+0.010 to +0.052)" in drawing.alt
    assert factor_name("auxiliary x rate", {}) == "interaction auxiliary × rate"


def test_many_effects_are_drawn_factor_by_factor() -> None:
    found = [
        Effect(name=f"f{factor}", measure="cca-mean", target=f"t{target}", at="best", value=0.1, low=0.0, high=0.2)
        for factor in range(4)
        for target in range(20)
    ]
    chart = forest.chart(overview(Scores(), effects=found))
    assert chart is not None
    assert [drawing.chosen[2] for drawing in chart.drawings] == ["f0", "f1", "f2", "f3"]
    assert len({drawing.slug for drawing in chart.drawings}) == 4


def test_effects_of_other_sizes_have_their_own_axis_and_ways_their_names() -> None:
    same = {"name": "f", "at": "mean", "value": 1.0}
    found = [
        Effect(**same, measure="cca-mean"), Effect(**same, measure="cca-mean", matched=True),
        Effect(**same, measure="mi-corrected"), Effect(**same, measure="effective-rank"),
    ]  # fmt: skip
    chart = forest.chart(overview(Scores(), effects=found))
    assert chart is not None
    assert [drawing.chosen[1] for drawing in chart.drawings] == [forest.RATIOS, "effective rank", forest.FURTHER]
    ticks = chart.drawings[0].spec["layout"]["yaxis"]["ticktext"]
    assert ticks == ["mean CCA (own rate)", "mean CCA (matched)"]


def test_effects_by_layer(seen) -> None:
    chart = effects_by_layer.chart(seen)
    assert chart is not None
    (line,) = chart.drawings[0].spec["data"]
    assert (line["x"], line["y"]) == ([1, 2, 3], [0.01, 0.02, 0.03])


def test_quality_against_cost(seen) -> None:
    chart = tradeoff.chart(seen)
    assert chart is not None
    assert [drawing.chosen for drawing in chart.drawings] == [
        ("MACs of 10 s of audio", "mean CCA, phone"), ("MACs of 10 s of audio", "mean CCA, word")
    ]  # fmt: skip
    (point,) = chart.drawings[0].spec["data"]  # the other encoder has no cost
    assert (point["x"], point["y"]) == ([69.5e9], [0.5 + 0.1 * math.sin(2)])


def test_learning_curves(seen) -> None:
    chart = learning.chart(seen)
    assert chart is not None
    by = {drawing.chosen[0]: drawing for drawing in chart.drawings}
    training, held = by["accuracy_masked_0"].spec["data"]
    assert (training["x"], training["y"]) == ([50, 100, 150], [0.05, 0.10, 0.15])
    assert (held["x"], held["y"]) == ([150], [0.1])
    assert training["line"]["color"] == seen.looks["model:plain"].colour
    assert list(by) == ["accuracy_masked_0", "loss"]
    assert learning.label("accuracy_masked_1") == "accuracy on masked frames, level 1 below it"


def test_steps_that_a_resumed_run_made_twice_are_drawn_once(trained, scores) -> None:
    run = trained[0]
    again = [{"step": step, "accuracy_masked_0": 0.5, "loss": 1.0} for step in (100, 150)]
    odd = [{"step": "x", "loss": 9.0}, {"step": 200, "loss": "9"}, {"event": [], "step": 200, "loss": 9.0}]
    chart = learning.chart(overview(scores, trained=[replace(run, log=[*run.log, *again, *odd])]))
    assert chart is not None
    by = {drawing.chosen[0]: drawing for drawing in chart.drawings}
    training = by["accuracy_masked_0"].spec["data"][0]
    assert (training["x"], training["y"]) == ([50, 100, 150], [0.05, 0.5, 0.5])
    assert max(by["loss"].spec["data"][0]["x"]) == 150


@pytest.mark.parametrize("ratios", [[], [1, 1], [1, 2], [1, 2, 1, 2], [1, 2, 2, 5], [2, 1]])
@pytest.mark.parametrize("single", [True, False])
def test_the_drawn_blocks_are_the_encoders(trained, ratios: list[int], single: bool) -> None:
    from lamina.encoders.mrhubert.config import MRHubertConfig

    counts = [2, 3, 1, 4, 2][: len(ratios) + 1]
    changed = {"label_rate_ratios": ratios, "block_layers": counts, "single_prediction": single}
    run = Trained("m", 0, {"model": {**trained[0].config["model"], **changed}})
    made = MRHubertConfig(**changed)
    drawn = diagram.stacks(run)
    assert [(each.role, each.level, each.layers, each.period_ms) for each in drawn] == [
        (each.role, each.level, each.layers, each.grid.period_ms) for each in made.blocks
    ]
    predicting = {tap.block for tap in made.predicting_taps}
    assert [each.loss for each in drawn] == [each.name in predicting for each in made.blocks]
    circles = [shape for shape in diagram.plot(run)["layout"]["shapes"] if shape["type"] == "circle"]
    assert len(circles) == len(predicting)


@pytest.mark.parametrize(
    "changed",
    [
        {"block_layers": "abc"}, {"block_layers": [1] * 9}, {"block_layers": []}, {"block_layers": [0, 1, 1]},
        {"label_rate_ratios": [1, 0]}, {"label_rate_ratios": [1]}, {"sampling_rate": 0}, {"conv_stride": None},
    ],
    ids=str,
)  # fmt: skip
def test_a_config_that_is_no_models_is_refused_by_name(trained, changed) -> None:
    run = Trained("odd", 0, {"model": {**trained[0].config["model"], **changed}})
    with pytest.raises(LaminaError, match="the config of odd names no model"):
        diagram.plot(run)


def test_what_sets_a_baseline_apart(trained) -> None:
    assert differences(trained[1], trained[0]) == {"steps": 0}


def test_colours_are_known_on_paper_and_on_the_page(seen) -> None:
    """Every colour in a drawing is one that `figures` and the page's style know."""
    from lamina.report.figures import colour

    def colours(value: object) -> list[str]:
        if isinstance(value, dict):
            own = [each for key, each in value.items() if key in {"color", "fillcolor", "gridcolor"}]
            return own + [found for each in value.values() for found in colours(each)]
        return [found for each in value for found in colours(each)] if isinstance(value, list) else []

    charts = [chart for kind in kinds() if (chart := kind.chart(seen))]
    for spec in (drawing.spec for chart in charts for drawing in chart.drawings):
        for name in colours(spec):
            assert colour(name)
