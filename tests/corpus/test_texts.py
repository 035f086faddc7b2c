"""Text and tables as people and programs write them."""

from __future__ import annotations

from pathlib import Path

import pytest
from corpus_help import write
from hypothesis import given
from hypothesis import strategies as st

from lamina.corpus.faults import Faults
from lamina.corpus.texts import decoded, lines, number, read_table
from lamina.errors import LaminaError


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("café".encode(), "café"),
        ("café".encode("utf-8-sig"), "café"),
        ("café".encode("utf-16"), "café"),
        ("text = café".encode("utf-16-le"), "text = café"),
        ("text = café".encode("utf-16-be"), "text = café"),
        ("it’s a café…".encode("cp1252"), "it’s a café…"),
        (b"caf\xe9 \x81", "café \x81"),  # not of cp1252: Latin-1
        (b"", ""),
    ],
)
def test_encodings(raw: bytes, text: str) -> None:
    assert decoded(raw) == text


def test_lines_end_where_files_end_them() -> None:
    assert lines("a\nb\r\nc\n") == ["a", "b", "c"]
    assert lines("a\rb\r") == ["a", "b"], "old Macs"
    odd = "a\u2028b\u0085c\x0bd\x1ee"
    assert lines(f"{odd}\nf") == [odd, "f"], "these are characters of a text"
    assert lines("") == []


@given(st.lists(st.text(st.characters(blacklist_characters="\r\n", blacklist_categories=["Cs"]), min_size=1)))
def test_any_text_is_one_line(told: list[str]) -> None:
    assert lines("".join(f"{line}\n" for line in told)) == told


@pytest.mark.parametrize(
    ("text", "value"), [("0.25", 0.25), ("0,25", 0.25), ("1e-05", 1e-5), ("-1.5E3", -1500.0), (" 3 ", 3.0)]
)
def test_numbers(text: str, value: float) -> None:
    assert number(text) == value


@pytest.mark.parametrize("text", ["nan", "inf", "1e300", "1_000", "1,2,3", "1.2,3", "", "x", "0x1"])
def test_no_numbers(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):  # whichever the text leads to
        number(text)


@pytest.mark.parametrize("separator", ["\t", ",", ";", ", ", "; "])
def test_tables_with_any_separator(tmp_path: Path, separator: str) -> None:
    rows = [["Utt", "Split", "text"], ["a", "train", "said so"], ["b", "test", ""]]
    write(tmp_path / "x.csv", "".join(separator.join(row) + "\n" for row in rows))
    table = read_table(tmp_path / "x.csv")
    assert (table.column("utterance"), table.column("split"), table.column("speaker")) == ("Utt", "Split", "")
    assert list(table.rows(Faults(keep=False))) == [
        {"Utt": "a", "Split": "train", "text": "said so"},
        {"Utt": "b", "Split": "test", "text": ""},
    ]


def test_rows_that_do_not_fit_their_header(tmp_path: Path) -> None:
    write(tmp_path / "x.csv", 'utt,text,split\na,"hello, you",train\nb,hello, you,train\nc,hi\n\n')
    faults = Faults(keep=True)
    told = list(read_table(tmp_path / "x.csv").rows(faults))
    assert told == [
        {"utt": "a", "text": "hello, you", "split": "train"},
        {"utt": "c", "text": "hi", "split": ""},
    ]
    assert "row 3 has 4 fields, the header 3" in faults.lines[0]
    assert faults.counts() == ["rows with fewer fields than the header, in x.csv (1): row 4"]
    write(tmp_path / "x.csv", "utt,text,text\n")
    with pytest.raises(LaminaError, match="two columns 'text'"):
        read_table(tmp_path / "x.csv")


@pytest.mark.parametrize("odd", ["\u2028", "\u0085", "\u2029", "\x1c", "\x0c"])
@pytest.mark.parametrize("name", ["x.tsv", "x.csv"])
def test_a_text_with_a_strange_character_loses_nothing(tmp_path: Path, name: str, odd: str) -> None:
    separator = "\t" if name == "x.tsv" else ","
    write(tmp_path / name, separator.join(["utt", "text", "split"]) + f"\na{separator}hel{odd}lo{separator}test\n")
    (row,) = read_table(tmp_path / name).rows(Faults(keep=False))
    assert row == {"utt": "a", "text": f"hel{odd}lo", "split": "test"}
