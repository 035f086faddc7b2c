"""The page: what it says equals the scores, it is self-contained, and it is made when something changed."""

from __future__ import annotations

import csv
import html
import re
import xml.etree.ElementTree as ET
from dataclasses import astuple, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from lamina.cli import app
from lamina.errors import LaminaError
from lamina.report.cards import cards
from lamina.report.page import write_report
from lamina.report.verdicts import Verdict
from lamina.score import COLUMNS, Scores

VERDICT = Verdict(
    "helps", "It helps", "it raises cca-mean", "supported", 0.031, 0.010, 0.052, "", 1, 4, "cca-mean", "phone",
    "best", "So.",
)  # fmt: skip


def words(folder: Path) -> str:
    """The page without scripts."""
    return re.sub(r"<script.*?</script>", "", (folder / "index.html").read_text(), flags=re.DOTALL)


def test_values_in_the_page_are_the_scores(folder, scores, unpack) -> None:
    held = unpack((folder / "index.html").read_text())
    assert held["columns"] == list(COLUMNS)
    assert [tuple(row) for row in held["scores"]] == [astuple(row) for row in scores]
    for target in ("phone", "word"):
        drawing = held["drawings"][f"cca-mean-{target}"]
        behind = scores.select(target=target, measure="cca-mean")
        assert [scores[place] for place in drawing["scores"]] == list(behind)
        for model, kind, control in (
            ("plain", "model", ""),
            ("<b>down & up</b>", "model", ""),
            ("plain", "untrained", "untrained"),
        ):
            rows = behind.select(model=model, control=control)
            (line,) = [
                trace
                for trace in drawing["spec"]["data"]
                if trace["meta"] == f"{kind}:{model}" and trace["mode"] == "lines+markers"
            ]
            assert line["x"] == [row.depth for row in rows]
            assert line["y"] == [row.value for row in rows]
            for text, row in zip(line["text"], rows, strict=True):
                assert f"{row.value:.3f} ({row.low:.3f} to {row.high:.3f})".replace("-", "−") in text
                assert row.tap in text
                assert f"{row.period_ms:g} ms" in text
                assert f"n = {row.n}" in text
        (level,) = [trace for trace in drawing["spec"]["data"] if trace["meta"] == "reference:mfcc"]
        assert set(level["y"]) == {0.39}


def test_every_part_is_there(folder) -> None:
    page = words(folder)
    for slug in ("answer", "design", "layers", "changes", "cost", "training", "caveats", "method"):
        assert f'<h2 id="{slug}"' in page
    for slug in ("layers", "hierarchy", "effects", "effects-by-layer", "tradeoff", "learning"):
        assert f'<h3 id="chart-{slug}"' in page
    for name in ("Best layers", "Costs", "Scores of whole encoders", "Notes of the runs", "Provenance"):
        assert f"<h3>{name}</h3>" in page


def test_verdicts_come_first_with_their_numbers(folder) -> None:
    page = words(folder)
    assert page.index("Of 2 claims: 1 supported, 1 undecided; ") < page.index('id="design"')
    assert "loss helps” holds (+0.031 mean CCA, phone)." in page
    card = page[page.index("The &lt;auxiliary&gt; loss helps") : page.index("It saves compute")]
    for text in ("+0.031", "+0.010 to +0.052", "mean CCA, phone, at the best layer", "1 seed a cell, 4 speakers"):
        assert text in card
    assert "p = 0.02 after Holm's correction" in html.unescape(card)
    assert "Supported" in page


def test_provenance(folder, study) -> None:
    page = html.unescape(words(folder))
    for said in ("as plain, but steps 0", "abc1234", "not done", study.digest, "lamina study"):
        assert said in page


def test_text_is_escaped(folder) -> None:
    page = words(folder)
    for text in ("Is it <the> loss?", "<b>down & up</b>", "One <seed> a cell.", "CCA of <word> rests"):
        assert html.escape(text) in page
        assert text not in page


class Outline(HTMLParser):
    """Heading levels, ids, images and controls of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.levels: list[int] = []
        self.ids: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.append((tag, found))
        if re.fullmatch("h[1-6]", tag):
            self.levels.append(int(tag[1]))
        if found.get("id"):
            self.ids.append(str(found["id"]))


def test_a_listener_finds_the_way(folder) -> None:
    outline = Outline()
    outline.feed(words(folder))
    assert outline.levels[0] == 1
    assert outline.levels.count(1) == 1
    assert all(after - before <= 1 for before, after in zip(outline.levels, outline.levels[1:], strict=False))
    assert len(outline.ids) == len(set(outline.ids))
    tags = [tag for tag, _ in outline.tags]
    assert {"header", "nav", "main", "footer"} <= set(tags)
    assert tags.count("table") == tags.count("caption") + 1  # that of the run folders stands under its summary
    assert "img" not in tags  # every picture is drawn in the page
    for tag, have in outline.tags:
        if have.get("role") == "img" or tag == "nav":
            assert have["aria-label"]
        if have.get("aria-labelledby"):
            assert have["aria-labelledby"] in outline.ids
        if tag == "svg":
            assert have.get("aria-hidden") or have.get("aria-label")
        if tag == "a" and str(have["href"]).startswith("#"):
            assert str(have["href"])[1:] in outline.ids


def test_the_page_asks_nothing_of_the_network(folder) -> None:
    linked = re.findall(r'(?:src|href)="([^"]*)"', words(folder))
    assert linked
    for link in linked:
        assert link.startswith(("#", "data:")) or link in {"scores.jsonl", "scores.csv"}
    assert Scores.read(folder / "scores.jsonl")
    assert (folder / "scores.csv").is_file()


def test_figures_are_made_when_they_are_asked_for(folder, scores, unpack, tmp_path) -> None:
    drawings = unpack((folder / "index.html").read_text())["drawings"]
    assert {"cca-mean-phone", "peaks-cca-mean", "effects-best", "learning-accuracy-masked-0"} <= set(drawings)
    for slug, drawing in drawings.items():
        assert (folder / "figures" / f"{slug}.pdf").read_bytes().startswith(b"%PDF")
        assert ET.parse(folder / "figures" / f"{slug}.svg").getroot().tag.endswith("svg")  # our own file
        with (folder / "figures" / f"{slug}.csv").open() as file:
            rows = list(csv.DictReader(file))
        if "scores" in drawing:
            assert [float(row["value"]) for row in rows] == [scores[place].value for place in drawing["scores"]]
        else:
            assert [list(row) for row in rows] == [drawing["columns"]] * len(drawing["rows"])
    assert (folder / "figures" / "design-plain.svg").is_file()
    assert Scores.read(folder / "scores.jsonl") == scores
    write_report(scores, tmp_path, title="t", method={})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["index.html", "scores.csv", "scores.jsonl"]
    with pytest.raises(LaminaError, match="figures cannot be made as 'gif'"):
        write_report(scores, tmp_path, title="t", method={}, figures=["gif"])


def test_formats_of_figures_are_checked_before_anything_is_read(tmp_path) -> None:
    told = CliRunner().invoke(app, ["study", "report", str(tmp_path / "none"), "--figures", "svg,gif"])
    assert isinstance(told.exception, LaminaError)
    assert str(told.exception) == "figures cannot be made as 'gif': ask for svg, pdf, png"


def test_a_figure_for_paper_says_what_the_picture_says(folder) -> None:
    said = " ".join(ET.parse(folder / "figures" / "cca-mean-phone.svg").getroot().itertext())  # our own file
    for text in ("plain", "mid40, 40 ms", "frame every 40 ms", "mfcc .390", "depth along the data flow"):
        assert text in said


def test_the_same_scores_give_the_same_bytes(curve, tmp_path) -> None:
    rows = Scores(curve("m", 0.4))
    for name in ("one", "two"):
        write_report(rows, tmp_path / name, title="t", method={}, figures=["svg", "pdf"])
    for file in sorted((tmp_path / "one").rglob("*")):
        if file.is_file():
            assert file.read_bytes() == (tmp_path / "two" / file.relative_to(tmp_path / "one")).read_bytes(), file


@pytest.mark.parametrize(
    "change",
    [
        {"title": "u"}, {"method": {"question": "Why?"}}, {"verdicts": [VERDICT]}, {"figures": ["svg"]},
        {"scores": 0.1}, {"effects": True}, {"trained": True},
    ],
    ids=lambda change: next(iter(change)),
)  # fmt: skip
def test_a_page_is_made_again_when_something_changed(change, curve, effects, trained, tmp_path) -> None:
    def make(value: float = 0.0, **more: Any) -> int:
        told = {"title": "t", "method": {}} | more
        return write_report(Scores(curve("m", value)), tmp_path, **told).stat().st_mtime_ns

    first = make()
    assert make() == first
    made = {"effects": effects, "trained": trained, "scores": None}
    change = {name: made.get(name, value) for name, value in change.items()}
    assert make(0.1 if change.pop("scores", 1) is None else 0.0, **change) > first


def test_a_page_that_only_looks_up_to_date_is_made_again(curve, tmp_path) -> None:
    """The page of a folder from somebody else: it stays only where what may run in it is ours."""
    page = write_report(Scores(curve("m", 0.0)), tmp_path, title="t", method={})
    ours = page.read_text()
    made_of = re.search(r'<meta name="made-of" content="\w+">', ours)
    assert made_of
    page.write_text(f"<!doctype html><html><head>{made_of[0]}<script>alert(1)</script></head></html>")
    write_report(Scores(curve("m", 0.0)), tmp_path, title="t", method={})
    assert page.read_text() == ours


def test_one_encoder_without_effects_or_costs(curve, tmp_path) -> None:
    page = write_report(Scores(curve("hubert", 0.4)), tmp_path / "one", title="hubert", method={}).read_text()
    assert "of “hubert” at mid40.1 (40 ms)" in page
    for slug in ("cost", "design", "changes", "training", "chart-hierarchy"):
        assert f'id="{slug}"' not in page


def test_only_costs(row, tmp_path) -> None:
    rows = Scores([row(tap="", target="", measure="macs", seconds=10.0, value=7e9, unit="MAC", support="")])
    page = write_report(rows, tmp_path / "cost", title="cost", method={}).read_text()
    assert "7 G" in page
    assert 'id="layers"' not in page


def test_a_second_report_spares_the_folders_other_files(curve, tmp_path) -> None:
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "mine.txt").write_text("keep me")
    write_report(Scores(curve("m", 0.4)), tmp_path, title="t", method={}, figures=["svg"])
    assert (tmp_path / "figures" / "mine.txt").read_text() == "keep me"
    assert not list(tmp_path.rglob("*.partial"))


def test_bad_input(curve, tmp_path) -> None:
    with pytest.raises(LaminaError, match="no scores"):
        write_report(Scores(), tmp_path / "none", title="t", method={})
    (tmp_path / "file").write_text("")
    with pytest.raises(LaminaError, match="cannot write"):
        write_report(Scores(curve("m", 0.4)), tmp_path / "file", title="t", method={})


def test_a_card_says_what_could_not_be_told(folder) -> None:
    page = words(folder)
    card = page[page.index("It saves compute") : page.index("What else the numbers say")]
    assert "<p>It cannot be told.</p>" in card
    assert "<svg" not in card  # there is nothing to draw


def test_large_effects_are_told_in_millions() -> None:
    saved = replace(VERDICT, effect=-1.1e8, low=-1.2e8, high=-1.0e8, unit="MAC", measure="macs", target="")
    card = cards([saved, VERDICT])
    assert "<b>−110 M MAC</b><small> (−120 M to −100 M)</small>" in card
    assert card.count("<circle") == 2  # each unit has its own scale: neither is flattened
    assert len(set(re.findall(r'cx="([\d.]+)"', card))) == 2
