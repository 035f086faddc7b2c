"""What others wrote is shown and never obeyed: markup in every text, opened in Chromium; no file lies outside."""

from __future__ import annotations

import html
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

import pytest

from lamina.effect import Effect
from lamina.errors import LaminaError
from lamina.report.page import write_report
from lamina.report.trained import Trained
from lamina.report.verdicts import Verdict
from lamina.score import Score, Scores

MARKUP = (
    "\"'></title></style></pre></script></svg><script>top.ran = 1</script><img src=x onerror='top.ran = 1'>"
    '<a href="javascript:top.ran=1">x</a><form action=x><!--&lt;b&gt; $\\frac{1}{2}$ %{x} ${1} <b>'
)
PLANTED = {
    "markup": MARKUP,
    "path": "../../../outside/C:\\x|y?*",
    "scheme": "javascript:top.ran=1",
    "unseen": "a\x00b\x1b[31m\u202egnp.\u2028\x85\u2066c\uffff שלום",
    "long": "<b>long</b>" * 2000,
    "formula": "=HYPERLINK(1)",
}
# What a measure of the table, a number, or a place in code must be; each is refused, or chosen among known words.
KNOWN = {"measure", "measures", "verdict", "mask_kind"}


def planted(value: Any, evil: str, own: tuple[str, ...] = ()) -> Any:
    """The same values, every text (and every key that ``own`` names) turned into the planted one."""
    if isinstance(value, str):
        return evil
    if isinstance(value, Mapping):
        return {
            (f"{evil}{at}" if name in own else name): each if name in KNOWN else planted(each, evil, own)
            for at, (name, each) in enumerate(value.items())
        }
    return [planted(each, evil, own) for each in value] if isinstance(value, (list, tuple)) else value


def sown(row: Any, evil: str, number: int) -> Any:
    """A row whose texts are all the planted one, told apart from others by a number at the end."""
    texts = {each.name: evil for each in fields(row) if isinstance(getattr(row, each.name), str)}
    return replace(row, **{name: f"{text}{number}" for name, text in texts.items() if name not in KNOWN})


def rows(evil: str, curve: Any, row: Any) -> Scores:
    """Rows of every kind, each with the text in every column of texts, also one by one beside usual ones."""
    made: list[Score] = []
    for number, control in enumerate(("", "untrained", "shuffled")):
        for measure in ("cca-mean", "abx-within"):
            for target in ("1", "2"):
                same = {"target": evil + target, "measure": measure, "head": evil, "split": evil, "items": evil}
                for point in curve(f"{evil}m", 0.4 - number / 10, control=control, **same):
                    made.append(
                        replace(point, tap=evil + point.tap, block=evil + point.block, run=evil, study=evil)
                    )
    made += [replace(point, support=evil) for point in curve("plain", 0.4)]
    made += [sown(row(value=0.3, tap="x", depth=3), evil, 1), row(model=evil, tap=evil, value=0.2)]
    for measure in ("macs", "masked-accuracy", "accuracy"):
        texts = {"model": f"{evil}m", "target": evil, "support": evil, "setting": evil, "unit": evil}
        made.append(row(**texts, tap="", measure=measure, value=0.5, seconds=10.0))
        made.append(sown(row(measure=measure, value=0.5), evil, 2))
        made.append(row(model=evil, tap="", layers=evil, measure=measure, value=0.4, seconds=5.0))
    return Scores(made)


def study(
    evil: str, curve: Any, row: Any, method: Mapping[str, Any], trained: tuple[Trained, ...]
) -> dict[str, Any]:
    """All that a report is told, planted."""
    scores = rows(evil, curve, row)
    effects = [
        sown(Effect(name="f", measure=measure, at=at, value=0.1, low=0.0, high=0.2, layer=layer), evil, layer)
        for measure in ("cca-mean", "effective-rank", "macs")
        for at, layer in (("best", 0), ("layer", 1), ("layer", 2))
    ]
    effects += [replace(each, at="layer", target=evil) for each in effects]
    known = Verdict(
        "n", "c", "h", "supported", 0.1, 0.0, 0.2, "u", 1, 4, "cca-mean", "t", "w", "r", 0.1, 0.1, 0.1, 0.1
    )
    verdicts = [sown(known, evil, 0), replace(sown(known, evil, 1), effect=None)]
    keys = ("numpy", "versions", "plain", "mfcc", "nomask", "untrained", "auxiliary", "downsampling", "phone")
    told = planted(dict(method) | {"digests": {"corpus": "x"}}, evil, keys)
    told["runs"] = {evil: 1.0, f"{evil}2": None}
    told["notes"] = {f"{evil}m": [evil, f"cca-mean {evil}"], evil: [evil]}
    told["config"]["corpus"][evil] = told["config"]["probe"][evil] = told["machine"] = evil
    runs = [
        Trained(
            f"{evil}{at}",
            0,
            planted(run.config, evil),
            {evil: evil},
            [*run.log, {"step": 1, "event": evil, evil: 1.0}],
        )
        for at, run in enumerate(trained)
    ]
    return {
        "scores": scores, "title": evil, "method": told, "verdicts": verdicts, "effects": effects, "trained": runs
    }  # fmt: skip


LOOK = """<!doctype html><meta charset="utf-8"><body><script>
const wait = (ms) => new Promise((next) => setTimeout(next, ms));
(async () => {
  const frame = document.createElement("iframe");
  frame.style.cssText = "height:3000px;border:0;width:1000px";
  frame.src = "page/index.html";
  document.body.append(frame);
  await new Promise((next) => { frame.onload = next; });
  const page = frame.contentDocument, inside = frame.contentWindow;
  while (!page.documentElement.dataset.drawn) await wait(50);
  const charts = Array.from(page.querySelectorAll("[data-chart]"));
  for (const details of page.querySelectorAll("details")) details.open = true;
  for (const chart of charts) {
    for (const select of chart.querySelectorAll("select")) {
      for (const option of Array.from(select.options)) {
        select.value = option.value;
        select.dispatchEvent(new Event("change"));
        await wait(20);
      }
    }
    const plot = chart.querySelector(".plot");
    for (let at = 0; at < plot.data.length; at++) {
      try { inside.Plotly.Fx.hover(plot, [{ curveNumber: at, pointNumber: 0 }]); } catch { /* nothing hovers */ }
      await wait(20);
    }
    for (const button of chart.querySelectorAll("button")) button.click();
    await wait(50);
  }
  await wait(300);
  const all = (what) => page.querySelectorAll(what).length;
  const links = "main a:not([href^='#'])";
  const found = {
    ran: window.ran === undefined ? 0 : 1, title: page.title, charts: charts.length,
    scripts: all("script:not([type])"), packed: all("script[type]"),
    strange: all("iframe, form, object, embed, base, svg a, svg image, meta[content*=url], " + links),
    handlers: Array.from(page.querySelectorAll("*")).filter((each) => Array.from(each.attributes).some((one) =>
      one.name.startsWith("on") || (/^\\s*javascript:/i.test(one.value) && /^(href|src)$/.test(one.name)))).length,
    images: all("img"),
    text: page.body.innerText.length,
  };
  const out = document.createElement("pre");
  out.id = "found"; out.textContent = JSON.stringify(found);
  document.body.replaceChildren(out);
  console.log("looked");
})();
</script></body>"""


@pytest.mark.parametrize("kind", PLANTED)
def test_nothing_runs_and_nothing_lies_outside(kind, curve, row, method, trained, opened, tmp_path) -> None:
    evil, home = PLANTED[kind], tmp_path / "a" / "b" / "c"
    before = sorted(tmp_path.rglob("*"))
    told = study(evil, curve, row, method, trained)
    write_report(told.pop("scores"), home / "page", **told, figures=["svg"])
    made = [path for path in tmp_path.rglob("*") if path not in before and path.is_file()]
    assert all(path.parent in {home / "page", home / "page" / "figures"} for path in made)
    assert all(re.fullmatch(r"[\w.+=@~-]{1,200}", path.name, re.ASCII) for path in made)
    for picture in (home / "page" / "figures").glob("*.svg"):
        drawn = ET.parse(picture).getroot()  # our own file
        assert not [
            each for each in drawn.iter() if each.tag.rpartition("}")[2] in {"script", "a", "foreignObject"}
        ]
    for table in [*(home / "page").rglob("*.csv")]:
        assert "\n=" not in table.read_text()
        assert ",=" not in table.read_text()
    (home / "look.html").write_text(LOOK)
    dom, messages = opened(home / "look.html")
    found = re.search(r'<pre id="found">(.*?)</pre>', dom, re.DOTALL)
    assert found, messages
    seen = json.loads(html.unescape(found[1]))
    assert len(messages) == 1, messages  # neither an error nor a breach of the page's own policy
    assert "looked" in messages[0]
    assert seen["ran"] == 0
    assert seen["charts"] == 6
    assert (seen["scripts"], seen["packed"], seen["strange"], seen["handlers"]) == (3, 2, 0, 0)
    assert seen["images"] == 0
    if kind == "markup":
        assert seen["title"] == MARKUP


def test_the_policy_stops_what_would_slip_through(curve, opened, tmp_path) -> None:
    """Were a text put into the page as it is, the browser would not run it."""
    page = write_report(Scores(curve("m", 0.4)), tmp_path, title="t", method={})
    slipped = "<script>document.title = 'ran'</script><img src=x onerror=\"document.title = 'ran'\">"
    page.write_text(page.read_text().replace('<p class="question">', f'{slipped}<p class="question">'))
    dom, messages = opened(page)
    assert "<title>t</title>" in dom
    assert sum("Content Security Policy" in line for line in messages) >= 2


def test_links_in_a_folder_lead_nothing_out_of_it(curve, tmp_path) -> None:
    """A folder from somebody else, whose files are links to those of its reader."""
    home, page = tmp_path / "home", tmp_path / "page"
    (home / "pictures").mkdir(parents=True)
    page.mkdir()
    for name in ("index.html", "scores.csv", "scores.jsonl"):
        (home / name).write_text("mine")
        (page / name).symlink_to(home / name)
    (page / "figures").symlink_to(home / "pictures", target_is_directory=True)
    write_report(Scores(curve("m", 0.4)), page, title="t", method={}, figures=["svg"])
    assert {path.read_text() for path in home.glob("*.*")} == {"mine"}
    assert not list((home / "pictures").iterdir())
    assert (page / "figures" / "cca-mean-phone.svg").is_file()
    picture = page / "figures" / "cca-mean-phone.svg"
    picture.unlink()
    picture.symlink_to(home / "index.html")
    write_report(Scores(curve("m", 0.4)), page, title="t", method={}, figures=["svg"])
    assert (home / "index.html").read_text() == "mine"


def test_an_unknown_measure_is_refused(row, tmp_path) -> None:
    with pytest.raises(LaminaError, match="there is no measure"):
        write_report(Scores([row(measure=MARKUP)]), tmp_path, title="t", method={})
