"""TextGrids as Praat, MFA and others write them."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from corpus_help import textgrid, write
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lamina.corpus.textgrid import GridTier, read_textgrid
from lamina.errors import LaminaError

ENTRIES = [(0.0, 0.25, ""), (0.25, 0.5, 'said ""so""'), (0.5, 1.0, "Grün [1]: xmin = 3")]
READ = [("", 0.0, 0.25), ('said "so"', 0.25, 0.5), ("Grün [1]: xmin = 3", 0.5, 1.0)]
SHORT = [
    'File type = "ooTextFile"', 'Object class = "TextGrid"', "", "0", "1", "<exists>", "2",
    '"IntervalTier"', '"words"', "0", "1", "2", "0", "0.25", '""', ".25", "1e0", '"said ""so"""',
    '"TextTier"', '"tones"', "0", "1", "1", "0.5", '"H*"',
]  # fmt: skip


def damaged(tmp_path: Path, old: str, new: str) -> Path:
    path = tmp_path / "x.TextGrid"
    textgrid(path, words=ENTRIES)
    write(path, path.read_text().replace(old, new))
    return path


def test_long_and_short(tmp_path: Path) -> None:
    textgrid(tmp_path / "x.TextGrid", words=ENTRIES, phones=[])
    assert read_textgrid(tmp_path / "x.TextGrid") == [GridTier("words", READ), GridTier("phones", [])]
    write(tmp_path / "y.TextGrid", "\n".join(SHORT))
    words = [("", 0.0, 0.25), ('said "so"', 0.25, 1.0)]
    assert read_textgrid(tmp_path / "y.TextGrid") == [GridTier("words", words), GridTier("tones", None)]


def test_comments_and_labels_of_several_lines(tmp_path: Path) -> None:
    path = damaged(tmp_path, "xmin = 0.25", "! 7 of them\nxmin = 0.25 !and 8")
    assert read_textgrid(path) == [GridTier("words", READ)]
    path = damaged(tmp_path, "Grün", "Grün\nund")
    assert read_textgrid(path)[0].intervals[2][0].startswith("Grün\nund [1]")


@pytest.mark.parametrize(
    ("old", "new", "label", "start"),
    [
        ("xmin = 0.25", "xmin = 0,25", 1, 0.25),
        ("xmin = 0.25", "xmin = 2.5e-1", 1, 0.25),
        ("xmin = 0.0\n            xmax = 0.25", "xmin = -0.5\n            xmax = 0.25", 0, -0.5),
        ("xmin = 0.0\n            xmax = 0.25", "xmin = -0\n            xmax = 0.25", 0, 0.0),
        ("\n", "\r\n", 1, 0.25),
        ("\n", "\r", 1, 0.25),
    ],
)
def test_numbers_and_line_ends(tmp_path: Path, old: str, new: str, label: int, start: float) -> None:
    (tier,) = read_textgrid(damaged(tmp_path, old, new))
    assert tier.intervals is not None
    assert [interval[0] for interval in tier.intervals] == [interval[0] for interval in READ]
    assert tier.intervals[label][1] == start


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("intervals: size = 3", "intervals: size = 4"),
        ("intervals: size = 3", "intervals: size = 2"),
        ("size = 1\n", "size = 2\n"),
        ("xmax = 0.5", "xmax = soon"),
        ('text = ""', 'text = "'),
        ("IntervalTier", "PitchTier"),
        ('"TextGrid"', '"Pitch"'),
        ("File type", "ooBinaryFile"),
    ],
)
def test_broken_ones_are_refused(tmp_path: Path, old: str, new: str) -> None:
    with pytest.raises(LaminaError, match=r"x.TextGrid (does not parse as a TextGrid \(|is a binary TextGrid)"):
        read_textgrid(damaged(tmp_path, old, new))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_a_truncated_file_never_reads_as_less(tmp_path: Path, data: st.DataObject) -> None:
    textgrid(tmp_path / "x.TextGrid", words=ENTRIES, phones=[(0.0, 1.0, "a")])
    whole = (tmp_path / "x.TextGrid").read_text().rstrip()
    write(tmp_path / "x.TextGrid", whole[: data.draw(st.integers(0, len(whole) - 1))])
    with pytest.raises(LaminaError, match=r"x\.TextGrid"):
        read_textgrid(tmp_path / "x.TextGrid")


labels = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\r"))
entries = st.lists(st.tuples(st.floats(-10, 1e6), st.floats(0, 1e6), labels), max_size=6)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(entries, st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"]))
def test_what_is_written_is_read(tmp_path: Path, told: list[tuple[float, float, str]], encoding: str) -> None:
    quoted = [(a, b, label.replace('"', '""')) for a, b, label in told]
    textgrid(tmp_path / "x.TextGrid", encoding, words=quoted)
    (tier,) = read_textgrid(tmp_path / "x.TextGrid")
    assert tier.intervals == [(label, a, b) for a, b, label in told]


def test_another_library_reads_the_same(shared: Path) -> None:
    io = pytest.importorskip("praatio.utilities.textgrid_io")
    for path in sorted((shared / "data" / "ljspeech" / "textgrid").iterdir()):
        theirs = io.parseTextgridStr(path.read_text(), includeEmptyIntervals=True)["tiers"]
        for mine, other in zip(read_textgrid(path), theirs, strict=True):
            assert mine.name == other["name"]
            assert mine.intervals == [(label, float(a), float(b)) for a, b, label in other["entries"]]


def test_a_million_intervals_are_read_in_seconds(tmp_path: Path) -> None:
    count = 1_000_000
    with (tmp_path / "x.TextGrid").open("w") as file:
        file.write(
            f'"ooTextFile"\n"TextGrid"\n0\n{count}\n<exists>\n1\n"IntervalTier"\n"phones"\n0\n{count}\n{count}\n'
        )
        file.writelines(f'{number}\n{number + 1}\n"a{number % 40}"\n' for number in range(count))
    begun = time.process_time()
    (tier,) = read_textgrid(tmp_path / "x.TextGrid")
    assert tier.intervals is not None
    assert len(tier.intervals) == count
    assert time.process_time() - begun < 30, "praatio takes minutes; here it is 2 s on a free processor"
