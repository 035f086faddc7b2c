"""The page about a corpus, and the commands of `lamina corpus`, run as people run them."""

from __future__ import annotations

import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pytest
from corpus_help import TREES, textgrid, tone
from typer.testing import CliRunner

from lamina.cli import app
from lamina.corpus.importers.catalogue import IMPORTERS
from lamina.corpus.open import open_corpus
from lamina.corpus.show import show
from lamina.errors import LaminaError


def run(*words: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["corpus", *map(str, words)])
    if isinstance(result.exception, LaminaError):
        raise result.exception
    return result.exit_code, result.output


def test_the_page_has_what_a_person_looks_for(tmp_path: Path) -> None:
    for name, speaker in (("ann_1", "ann"), ("bob_1", "bob")):
        tone(tmp_path / "src" / f"{name}.wav", 2.0)
        textgrid(
            tmp_path / "src" / f"{name}.TextGrid", words=[(0.5, 1.0, f"<b>{speaker}</b>"), (1.0, 1.5, "says")]
        )
    (tmp_path / "src" / "manifest.tsv").write_text(
        "utt\tspeaker\tsplit\temotion\nann_1\tann\ttrain\tjoy\nbob_1\tbob\ttest\tjoy\n"
    )
    page = show(open_corpus(tmp_path / "src"), tmp_path / "page").read_text(encoding="utf-8")
    assert "2 utterances, 0.00 hours, 2 speakers" in page
    assert "<b>says</b> 2" in page
    assert "&lt;b&gt;ann" in page, "labels are text, not markup"
    assert "<h2>Label: emotion</h2>" in page
    assert page.count("data:image/png;base64,") == 2
    assert "<svg" in page
    assert not re.findall(r'(?:src|href)="(?!data:)[^#"]', page), "no other file is needed"


MARKUP = """"><script>alert(1)</script><img src=x onerror=alert(1)>--><a href='javascript:1'>$\\frac{$</a>"""


class Page(HTMLParser):
    """What a browser would make elements of."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(name, value or "") for name, value in attrs]


def test_nothing_that_a_corpus_says_is_markup(tmp_path: Path) -> None:
    """Markup and mathematics in ids, texts, speakers, splits, tiers, labels, notes and the corpus's name."""
    from lhotse import CutSet, MonoCut, Recording, SupervisionSegment
    from lhotse.supervision import AlignmentItem

    tone(tmp_path / "x.wav", 2.0)
    told = SupervisionSegment(
        MARKUP, MARKUP, 0, 2.0, text=MARKUP, speaker=MARKUP, language=MARKUP, custom={"split": MARKUP, MARKUP:
        MARKUP}, alignment={MARKUP: [AlignmentItem(MARKUP, 0.5, 0.5)], "word": [AlignmentItem(MARKUP, 0.5, 0.5)]},
    )  # fmt: skip
    cut = MonoCut(MARKUP, 0.0, 2.0, 0, [told], recording=Recording.from_file(tmp_path / "x.wav"))
    CutSet.from_cuts([cut]).to_file(tmp_path / "cuts.jsonl")
    corpus = open_corpus(tmp_path / "cuts.jsonl")
    corpus.name, corpus.notes = MARKUP, (MARKUP,)
    page = Page()
    page.feed(show(corpus, tmp_path / "page").read_text(encoding="utf-8"))
    assert not {"script", "iframe", "object", "link", "base", "form"} & set(page.tags)
    assert page.tags["img"] == 1
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    away = [value for name, value in page.attributes if name in {"src", "href", "xlink:href", "action"}]
    assert all(value.startswith(("#", "data:image/png;base64,")) for value in away), away
    assert ("http-equiv", "Content-Security-Policy") in page.attributes


def test_what_cannot_be_written_is_told_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tone(tmp_path / "src" / "a.wav")
    (tmp_path / "file").write_text("in the way")

    def never(*_: object, **__: object) -> None:
        raise AssertionError("the corpus was opened")

    # In this order: the first imports a module that would keep the second's for good.
    monkeypatch.setattr("lamina.corpus.check.examine", never)
    monkeypatch.setattr("lamina.corpus.open.open_corpus", never)
    for words, says in (
        (("show", tmp_path / "src", tmp_path / "file" / "page"), "cannot write in"),
        (("show", tmp_path / "src", tmp_path / "file"), "cannot write in"),
        (("check", tmp_path / "src", "--picture", tmp_path / "file" / "x.png"), "cannot write in"),
        (("check", tmp_path / "src", "--picture", tmp_path / "x.jpg"), "end in .png or .svg"),
        (("check", tmp_path / "src", "--picture", tmp_path), "end in .png or .svg"),
    ):
        with pytest.raises(LaminaError, match=says):
            run(*words)


def test_the_commands(tmp_path: Path) -> None:
    code, said = run("list")
    assert code == 0
    assert all(
        f"{kind}: {importer.title}" in said and importer.licence in said for kind, importer in IMPORTERS.items()
    )
    TREES["fluent"](tmp_path / "src")
    code, said = run("import", "fluent", tmp_path / "src", tmp_path / "out")
    assert (code, said.splitlines()[-1].split(" in ")[0]) == (0, "3 utterances")
    code, said = run("import", "fluent", tmp_path / "src", tmp_path / "out")
    assert (code, said.splitlines()[0].split(":")[0]) == (
        0,
        "made before, with the same settings and of the same files",
    )
    with pytest.raises(LaminaError, match="was made with other settings or of other files"):
        run("import", "fluent", tmp_path / "src", tmp_path / "out", "--partial")
    code, said = run("check", tmp_path / "out")
    assert (code, said.splitlines()[-1]) == (0, "fluent: 3 utterances, 0 problems")
    assert "shift test: no phones, syllables or words" in said
    code, said = run("show", tmp_path / "out", tmp_path / "page")
    assert code == 0
    assert (tmp_path / "page" / "index.html").is_file()
    with pytest.raises(LaminaError, match=r"has splits already .*; its own"):
        run("split", tmp_path / "out")
    code, said = run("split", tmp_path / "out", "--shares", "train=0.6,test=0.4", "--seed", 3, "--redraw")
    assert code == 0
    assert "train: 2 utterances" in said
    tone(tmp_path / "src" / "wavs" / "speakers" / "s1" / "train1.wav", 1.5)
    with pytest.raises(LaminaError, match="was made with other settings or of other files"):
        run("import", "fluent", tmp_path / "src", tmp_path / "out")
    (tmp_path / "src" / "wavs" / "speakers" / "s1" / "train1.wav").unlink()
    code, said = run("check", tmp_path / "out")
    assert code == 1
    assert "train1: there is no audio file" in said


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("import", "folder", ".", "out", "--stamps", "middles"), "--stamps is 'middles': give ends or starts"),
        (("import", "cuts", ".", "out", "--root", "x"), "--root is 'x': give OLD=NEW"),
        (("split", ".", "--shares", "train"), "--shares is 'train': give such as"),
        (("split", ".", "--shares", "train=1", "--hours", "train=1"), "not both"),
        (("check", "nowhere"), "there is no corpus at nowhere"),
    ],
)
def test_bad_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], says: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(LaminaError, match=re.escape(says)):
        run(*words)
