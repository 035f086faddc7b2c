"""The page in headless Chromium: it draws without complaint, says what the scores say, and fits its window."""

from __future__ import annotations

import csv
import html
import io
import json
import re
import shutil
import xml.etree.ElementTree as ET

import pytest

LOOK = """<!doctype html><body><script>
const widths = [1280, 390], found = {};
let left = widths.length;
const wait = (ms) => new Promise((next) => setTimeout(next, ms));
for (const width of widths) {
  const frame = document.createElement("iframe");
  frame.style.cssText = "height:3000px;border:0;width:" + width + "px";
  frame.src = "index.html";
  frame.onload = async () => {
    const page = frame.contentDocument;
    while (!page.documentElement.dataset.drawn) await wait(50);
    await wait(200);
    const charts = Array.from(page.querySelectorAll("[data-chart]"));
    const plot = (chart) => chart.querySelector(".plot");
    const each = (what) => Object.fromEntries(charts.map((chart) => [chart.dataset.chart, what(chart)]));
    const drawn = () => each((chart) => plot(chart).querySelectorAll(".scatterlayer .trace").length);
    const look = {
      wide: page.documentElement.scrollWidth, room: frame.contentWindow.innerWidth,
      traces: each((chart) => plot(chart).data.length), drawn: drawn(),
      svgs: each((chart) => Math.max(...Array.from(plot(chart).querySelectorAll("svg"), (s) => s.clientWidth))),
    };
    const layers = page.querySelector('[data-chart="layers"]');
    const lines = () => plot(layers).data.filter((t) => t.mode === "lines+markers").map((t) => Array.from(t.y));
    look.phone = lines();
    const target = layers.querySelector('select[data-choice="1"]');
    target.value = "1";
    target.dispatchEvent(new Event("change"));
    await wait(300);
    look.word = lines();
    look.label = plot(layers).getAttribute("aria-label");
    const given = [], open = URL.createObjectURL.bind(frame.contentWindow.URL);
    frame.contentWindow.URL.createObjectURL = (blob) => { given.push(blob); return open(blob); };
    for (const button of layers.querySelectorAll(".downloads button")) button.click();
    await wait(600);
    look.given = await Promise.all(given.map((blob) => blob.text()));
    layers.querySelector("details.values").open = true;
    await wait(100);
    look.table = Array.from(layers.querySelectorAll(".values tbody tr"), (row) => row.cells[7].textContent);
    page.querySelector('button[data-series="model:plain"]').click();
    await wait(300);
    look.hidden = drawn();
    look.pressed = Array.from(page.querySelectorAll('button[data-series="model:plain"]'), (b) => b.ariaPressed);
    look.all = page.documentElement.scrollWidth;
    found[width] = look;
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


def test_on_a_desk_and_on_a_phone(opened, folder, scores, tmp_path) -> None:
    page = tmp_path / "page"
    shutil.copytree(folder, page)
    (page / "look.html").write_text(LOOK)
    dom, messages = opened(page / "look.html")
    told = re.search(r'<pre id="found">(.*?)</pre>', dom, re.DOTALL)
    assert told, messages
    assert len(messages) == 1, messages  # the looker's own word, which shows that messages are heard
    assert "looked" in messages[0]
    found = json.loads(html.unescape(told[1]))

    def values(target: str) -> list[list[float]]:
        asked = (("plain", "untrained"), ("plain", ""), ("<b>down & up</b>", ""))
        rows = scores.select(target=target, measure="cca-mean")
        return [[row.value for row in rows.select(model=model, control=control)] for model, control in asked]

    behind = scores.select(target="word", measure="cca-mean")
    for width, look in found.items():
        assert look["room"] == int(width)
        assert max(look["wide"], look["all"]) <= int(width), "the page overflows sideways"
        assert all(svg <= int(width) for svg in look["svgs"].values())
        assert look["traces"] == {
            "layers": 8, "hierarchy": 8, "effects": 2, "effects-by-layer": 1, "tradeoff": 1, "learning": 2
        }  # fmt: skip
        assert look["drawn"] == look["traces"]
        assert (look["phone"], look["word"]) == (values("phone"), values("word"))
        assert look["label"].startswith("mean CCA, word by depth: plain is best at mid20.1 (20 ms)")
        table, picture = sorted(look["given"], key=lambda text: text.startswith("<svg"))
        found_rows = list(csv.DictReader(io.StringIO(table)))
        assert [(each["model"], each["tap"], float(each["value"])) for each in found_rows] == [
            (row.model, row.tap, row.value) for row in behind
        ]
        assert ET.fromstring(picture).tag.endswith("svg")
        assert "mid40, 40 ms" in picture
        assert [float(text) for text in look["table"]] == pytest.approx([row.value for row in behind], rel=1e-4)
        # A button hides a line and its band, or a peak and its plateau, in all charts.
        assert look["hidden"] == {
            "layers": 6, "hierarchy": 4, "effects": 2, "effects-by-layer": 1, "tradeoff": 0, "learning": 0
        }  # fmt: skip
        assert set(look["pressed"]) == {"false"}


def test_alone_in_a_folder(opened, folder, tmp_path) -> None:
    """The file alone, as one sends it: nothing is asked of other files."""
    (tmp_path / "sent").mkdir()
    shutil.copy(folder / "index.html", tmp_path / "sent" / "index.html")
    dom, messages = opened(tmp_path / "sent" / "index.html")
    assert not messages
    assert 'data-drawn="6"' in dom
