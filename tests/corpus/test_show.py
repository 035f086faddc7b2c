"""The page about a corpus, and the commands of `lamina corpus`, run as people run them."""

from __future__ import annotations

import re
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


def test_the_commands(tmp_path: Path) -> None:
    code, said = run("list")
    assert code == 0
    assert all(
        f"{kind}: {importer.title}" in said and importer.licence in said for kind, importer in IMPORTERS.items()
    )
    TREES["fluent"](tmp_path / "src")
    code, said = run("import", "fluent", tmp_path / "src", tmp_path / "out")
    assert (code, said.splitlines()[-1].split(" in ")[0]) == (0, "3 utterances")
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
