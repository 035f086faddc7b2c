"""The page: what it says equals the scores, it is self-contained, and it opens in a browser without complaint."""

from __future__ import annotations

import csv
import html
import json
import math
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest

from lamina.errors import LaminaError
from lamina.report.page import write_report
from lamina.report.plots import plot
from lamina.report.tables import best_table, cost_table
from lamina.report.view import view
from lamina.report.words import sentences
from lamina.score import Score, Scores

ROW = Score(
    "s", "r", "m", "", 0, 20.0, "cca-mean", "phone", 0.0, "", None, None, 100, "test", 0, "lamina", "common", ""
)


def curve(
    model: str, level: float, *, target: str = "phone", control: str = "", middle: float = 40.0
) -> list[Score]:
    taps = [("front", 20.0), ("enc20.0", 20.0), (f"mid{middle:.0f}.0", middle), ("dec20.0", 20.0)]
    rows = []
    for depth, (tap, period) in enumerate(taps):
        value = level + 0.1 * math.sin(depth)
        rows.append(
            replace(
                ROW,
                model=model,
                tap=tap,
                depth=depth,
                period_ms=period,
                target=target,
                value=value,
                low=value - 0.01,
                high=value + 0.02,
                control=control,
            )
        )
    return rows


@pytest.fixture(scope="module")
def scores() -> Scores:
    rows: list[Score] = []
    for target in ("phone", "word"):
        rows += curve("plain", 0.50, target=target, middle=20.0)
        rows += curve("<b>down & up</b>", 0.45, target=target)
        rows += curve("plain", 0.12, target=target, control="untrained")
        rows += curve("plain", 0.02, target=target, control="shuffled")
        rows.append(replace(ROW, model="mfcc", tap="mfcc", period_ms=10.0, target=target, value=0.39))
    effect = replace(ROW, model="effect:auxiliary loss", unit="difference", tap="best")
    rows.append(replace(effect, value=0.031, low=0.010, high=0.052))
    rows.append(replace(effect, value=-0.020, target="word", low=-0.050, high=0.010))
    rows.append(replace(ROW, measure="macs", target="10 s", value=69.5e9, unit="MAC", model="plain", support=""))
    rows.append(replace(ROW, measure="masked-accuracy", target="units", value=0.25, model="plain"))
    return Scores(rows)


@pytest.fixture(scope="module")
def folder(scores: Scores, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    method = {
        "command": "lamina study run",
        "configs": {"<steps>": 2000, "nested": [{"a": 1}]},
        "caveats": ["One <seed> a cell."],
    }
    write_report(scores, folder, title="Is it <the> loss?", method=method)
    return folder


def specs(page: str) -> dict[str, dict]:
    found = re.findall(r'<script type="application/json" id="spec-([^"]+)">(.*?)</script>', page, re.DOTALL)
    return {slug: json.loads(text) for slug, text in found}


def test_values_in_the_page_are_the_scores(folder: Path, scores: Scores) -> None:
    pictures = specs((folder / "index.html").read_text())
    assert len(pictures) == 2
    for target in ("phone", "word"):
        spec = pictures[f"cca-mean-{target}"]
        for model, kind, control in (
            ("plain", "model", ""),
            ("<b>down & up</b>", "model", ""),
            ("plain", "untrained", "untrained"),
        ):
            rows = scores.select(model=model, target=target, control=control, measure="cca-mean", unit="")
            (line,) = [
                trace
                for trace in spec["data"]
                if trace["meta"] == f"{kind}:{model}" and trace["mode"] == "lines+markers"
            ]
            assert line["x"] == [row.depth for row in rows]
            assert line["y"] == [row.value for row in rows]
            for text, row in zip(line["text"], rows, strict=True):
                assert f"{row.value:.3f} ({row.low:.3f} to {row.high:.3f})".replace("-", "−") in text
                assert row.tap in text
                assert f"{row.period_ms:g} ms" in text
                assert f"n = {row.n}" in text
        (level,) = [trace for trace in spec["data"] if trace["meta"] == "reference:mfcc"]
        assert set(level["y"]) == {0.39}


def test_a_picture_has_a_line_a_model_and_a_shape_a_period(scores: Scores) -> None:
    seen = view(scores)
    spec = plot(seen.pictures[0], seen)
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


def test_seeds_of_one_model_become_mean_and_range() -> None:
    rows = [replace(row, seed=seed, value=row.value + seed / 10) for seed in (0, 1) for row in curve("m", 0.3)]
    (picture,) = view(Scores(rows)).pictures
    point = picture.curves[0].points[0]
    assert (point.value, point.low, point.high, point.seeds) == (pytest.approx(0.35), 0.3, 0.4, 2)


def test_a_baseline_measured_twice_is_one() -> None:
    row = replace(ROW, model="majority", tap="majority", period_ms=0.0, value=0.09, low=0.07, high=0.12)
    (picture,) = view(Scores([row, replace(row, run="another")])).pictures
    point = picture.curves[0].points[0]
    assert (point.value, point.low, point.high, point.seeds) == (0.09, 0.07, 0.12, 1)


def test_rules_that_differ_are_different_pictures() -> None:
    rows = Scores(curve("m", 0.3)) + Scores(curve("m", 0.4)).with_columns(support="native")
    seen = view(rows)
    assert [picture.support for picture in seen.pictures] == ["common", "native"]
    assert [picture.slug for picture in seen.pictures] == [
        "cca-mean-phone-lamina-common-test",
        "cca-mean-phone-lamina-native-test",
    ]


def test_the_answer_is_read_from_the_numbers(scores: Scores) -> None:
    said = sentences(view(scores))
    assert said[0].startswith("Auxiliary loss: at the best layer it raises 1 and lowers 1 of 2 scores")
    assert "+0.031 (+0.010 to +0.052) in mean CCA, phone" in said[0]
    assert "1 of 2 intervals exclude zero" in said[0]
    top = 0.5 + 0.1 * math.sin(2)
    assert f"the highest value behind the front end is {top:.3f}, of “plain” at mid20.0 (20 ms)" in said[1]
    assert f"it is {top - 0.39:.3f} above the strongest single-tap baseline (“mfcc”, 0.390)" in said[1]
    # Turn the numbers over, and so do the sentences.
    low = scores.select(lambda row: row.unit != "difference").select(lambda row: row.model != "plain")
    fallen = Scores(replace(row, value=row.value - 0.3) if row.model != "mfcc" else row for row in low)
    assert "below the strongest single-tap baseline" in sentences(view(fallen))[0]


def test_best_layers(scores: Scores) -> None:
    table = best_table(view(scores))
    cells = {row[0].text: row[1] for row in table.rows}
    assert (cells["plain"].text, cells["plain"].below) == (f"{0.5 + 0.1 * math.sin(2):.3f}", "mid20.0 (20 ms)")
    assert cells["plain"].best
    assert not cells["<b>down & up</b>"].best
    assert cells["mfcc"].text == "0.390"
    assert "plain (untrained)" in cells


def test_costs(scores: Scores) -> None:
    counted = scores.select(measure="macs")[0]
    macs = replace(counted, measure="macs-attention", value=74.1e9)
    part = replace(counted, value=1e9, tap="feature_extractor")
    speeds = [
        replace(ROW, measure="speed", target="10 s", value=value, unit="s/s", model=model, support="cpu, 1 thread")
        for model, value in (("plain", 10.0), ("plain", 30.0), ("mfcc", 900.0))
    ]
    table = cost_table(view(Scores([*scores, macs, part, *speeds])))
    assert table.columns == ("model", "MACs, 10 s", "MACs with attention, 10 s", "speed, 10 s")
    assert [[cell.text for cell in row] for row in table.rows] == [
        ["plain", "69.5 G", "74.1 G", "20 s/s"],  # the median of two seeds; a part of the model is no cost of it
        ["mfcc", "–", "–", "900 s/s"],
    ]
    assert "on cpu, 1 thread" in table.caption


def test_text_is_escaped(folder: Path) -> None:
    page = re.sub(r"<script>.*?</script>", "", (folder / "index.html").read_text(), flags=re.DOTALL)
    for text in ("Is it <the> loss?", "<b>down & up</b>", "One <seed> a cell.", "<steps>"):
        assert html.escape(text) in page
        assert text not in re.sub(r'<script type="application/json".*?</script>', "", page, flags=re.DOTALL)


def test_the_page_asks_nothing_of_the_network(folder: Path) -> None:
    page = re.sub(r"<script>.*?</script>", "", (folder / "index.html").read_text(), flags=re.DOTALL)
    linked = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert linked
    for link in linked:
        if link.startswith(("#", "data:")):
            continue
        assert "://" not in link
        assert (folder / link).is_file(), link


def test_figures_and_data(folder: Path, scores: Scores) -> None:
    slug = "cca-mean-phone"
    assert (folder / "figures" / f"{slug}.png").read_bytes().startswith(b"\x89PNG")
    assert (folder / "figures" / f"{slug}.pdf").read_bytes().startswith(b"%PDF")
    words = " ".join(ET.parse(folder / "figures" / f"{slug}.svg").getroot().itertext())  # our own file
    for text in ("plain", "mid 40 ms", "frame every 40 ms", "mfcc 0.390", "mean CCA, phone"):
        assert text in words
    with (folder / "data" / f"{slug}.csv").open() as file:
        rows = list(csv.DictReader(file))
    wanted = scores.select(target="phone", measure="cca-mean", unit="")
    assert [float(row["value"]) for row in rows] == [row.value for row in wanted]
    assert Scores.read(folder / "scores.jsonl") == scores


def test_one_encoder_without_effects_or_costs(tmp_path: Path) -> None:
    page = write_report(Scores(curve("hubert", 0.4)), tmp_path / "one", title="hubert", method={}).read_text()
    assert "of “hubert” at mid40.0 (40 ms)" in page
    assert 'id="cost"' not in page
    assert 'id="method"' not in page
    assert "What each factor changes" not in page


def test_only_features(tmp_path: Path) -> None:
    rows = [replace(ROW, model=model, tap=model, value=value) for model, value in (("mel", 0.3), ("mfcc", 0.301))]
    page = write_report(Scores(rows), tmp_path / "features", title="features", method={}).read_text()
    (spec,) = specs(page).values()
    heights = [label["y"] * 380 / 0.301 / 1.08 + label["yshift"] for label in spec["layout"]["annotations"]]
    assert abs(heights[0] - heights[1]) >= 14.9  # labels of close lines do not overlap


def test_a_second_report_spares_the_folders_other_files(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "mine.txt").write_text("keep me")
    write_report(Scores(curve("m", 0.4)), tmp_path, title="t", method={})
    assert (tmp_path / "data" / "mine.txt").read_text() == "keep me"
    assert not list(tmp_path.rglob("*.partial"))


def test_bad_input(tmp_path: Path) -> None:
    with pytest.raises(LaminaError, match="no scores"):
        write_report(Scores(), tmp_path / "none", title="t", method={})
    (tmp_path / "file").write_text("")
    with pytest.raises(LaminaError, match="cannot write"):
        write_report(Scores(curve("m", 0.4)), tmp_path / "file", title="t", method={})


LOOK = """<!doctype html><body><script>
const widths = [1280, 400], found = {};
let left = widths.length;
for (const width of widths) {
  const frame = document.createElement("iframe");
  frame.style.cssText = "height:3000px;border:0;width:" + width + "px";
  frame.src = "index.html";
  frame.onload = async () => {
    const page = frame.contentDocument;
    while (!page.documentElement.dataset.drawn) await new Promise((next) => setTimeout(next, 50));
    const plots = Array.from(page.querySelectorAll(".plot"));
    const shown = () => plots.map((p) => p.querySelectorAll(".scatterlayer .trace").length);
    const before = shown();
    const button = page.querySelector('button[data-series="model:plain"]');
    button.click();
    await new Promise((next) => setTimeout(next, 300));
    found[width] = {
      wide: page.documentElement.scrollWidth, room: frame.contentWindow.innerWidth,
      traces: plots.map((p) => p.data.length), drawn: before, hidden: shown(),
      pressed: Array.from(page.querySelectorAll('button[data-series="model:plain"]'), (b) => b.ariaPressed),
      svgs: plots.map((p) => Math.max(...Array.from(p.querySelectorAll("svg"), (s) => s.clientWidth))),
      values: plots.map((p) => p.data.filter((t) => t.mode === "lines+markers").map((t) => Array.from(t.y))),
    };
    if (--left === 0) {
      const out = document.createElement("pre");
      out.id = "found"; out.textContent = JSON.stringify(found);
      document.body.replaceChildren(out);
      console.log("looked");
    }
  };
  document.body.append(frame);
}
</script></body>"""


def browser() -> str:
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    pytest.skip("no Chromium on this machine")


def test_in_a_browser(folder: Path, scores: Scores, tmp_path: Path) -> None:
    program = browser()
    page = tmp_path / "page"
    shutil.copytree(folder, page)
    (page / "look.html").write_text(LOOK)
    flags = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--allow-file-access-from-files",
        "--enable-logging=stderr",
        "--virtual-time-budget=30000",
        f"--user-data-dir={tmp_path / 'profile'}",
        "--dump-dom",
    ]
    run = subprocess.run(
        [program, *flags, (page / "look.html").as_uri()], capture_output=True, text=True, check=False, timeout=120
    )
    told = re.search(r'<pre id="found">(.*?)</pre>', run.stdout, re.DOTALL)
    assert told, run.stderr[-2000:]
    messages = [line for line in run.stderr.splitlines() if "CONSOLE" in line]
    assert len(messages) == 1, messages  # the looker's own word, which shows that messages are heard
    assert "looked" in messages[0]
    found = json.loads(html.unescape(told[1]))
    lines = [
        [[row.value for row in scores.select(target=target, measure="cca-mean", **values)] for values in asked]
        for target in ("phone", "word")
        for asked in [
            [
                {"model": "plain", "control": "untrained"},
                {"model": "plain", "control": ""},
                {"model": "<b>down & up</b>", "control": ""},
            ]
        ]
    ]
    for width, look in found.items():
        assert look["room"] == int(width)
        assert look["wide"] <= int(width), "the page overflows sideways"
        assert all(svg <= int(width) for svg in look["svgs"])
        assert look["traces"] == look["drawn"] == [8, 8]
        assert look["hidden"] == [6, 6]  # the button hid one line and its band in both pictures
        assert look["pressed"] == ["false", "false"]
        assert look["values"] == lines
