"""A property of all readers: write, damage, read: right, refused or counted, never in silence or another's."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
from corpus_help import textgrid, tone, write
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lamina.corpus.corpus import Segment, Utterance
from lamina.corpus.open import open_corpus
from lamina.corpus.texts import decoded
from lamina.errors import LaminaError

OWN = ("ka", "le", "mi", "no")  # how the words of each begin
NAMES = ("A/001", "A/002", "B/001", "B/002")
Tier = list[tuple[float, float, str]]
Text = Callable[[str], str]

characters = st.characters(
    whitelist_categories=["Ll", "Lo", "Mn"], blacklist_characters="xyw", max_codepoint=0xFFFF
)
words = st.text(characters, min_size=1, max_size=4).map(lambda word: "b" + word)


@st.composite
def corpora(draw: st.DrawFn) -> dict[str, Tier]:
    """Words of four utterances of a second; each begins with its utterance's own letters."""
    made = {}
    for own, name in zip(OWN, NAMES, strict=True):
        edges = sorted(draw(st.sets(st.integers(5, 99), min_size=2, max_size=8)))
        spans = list(zip(edges[::2], edges[1::2], strict=False))
        made[name] = [(a / 100, b / 100, own + draw(words)) for a, b in spans]
    return made


def grids(base: Path, said: dict[str, Tier]) -> list[Path]:
    for name, tier in said.items():
        textgrid(base / f"{name}.TextGrid", words=tier)
    return [base / f"{name}.TextGrid" for name in said]


def labs(base: Path, said: dict[str, Tier]) -> list[Path]:
    for name, tier in said.items():
        folder, stem = name.split("/")
        rows = [*tier, (0.99, 1.0, "sil")]
        told = "".join(f"{round(a * 1e7)} {round(b * 1e7)} {label}\n" for a, b, label in rows)
        write(base / folder / "words" / f"{stem}.lab", told)
    return sorted(base.rglob("*.lab"))


def xlabels(base: Path, said: dict[str, Tier]) -> list[Path]:
    for name, tier in said.items():
        folder, stem = name.split("/")
        told = ["signal x", "#"]
        for a, b, label in tier:
            told += [f"  {a} 121 sil", f"  {b} 121 {label}; x"]
        write(base / folder / "words" / f"{stem}.lab", "\n".join(told) + "\n")
    return sorted(base.rglob("*.lab"))


def ctm(base: Path, said: dict[str, Tier]) -> list[Path]:
    lines = [f"{name} 1 {a:.2f} {b - a:.2f} {label}" for name, tier in said.items() for a, b, label in tier]
    write(base / "words.ctm", "\n".join(lines) + "\n")
    return [base / "words.ctm"]


def table(base: Path, said: dict[str, Tier]) -> list[Path]:
    lines = [f"{name}.wav,{a},{b},{label}" for name, tier in said.items() for a, b, label in tier]
    write(base / "all.csv", "path,start,end,word\n" + "\n".join(lines) + "\n")
    return [base / "all.csv"]


def recoded(encoding: str) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        path.write_bytes(decoded(path.read_bytes()).encode(encoding))

    return change


def rewritten(new: Text) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        path.write_bytes(new(decoded(path.read_bytes())).encode())

    return change


def without_folders(text: str) -> str:
    return text.replace("A/", "").replace("B/", "")


def moved(path: Path) -> None:
    other = Path(str(path).replace("/A/", "/?/").replace("/B/", "/A/").replace("/?/", "/B/"))
    if not other.exists():
        path.rename(other)


DAMAGES: dict[str, Callable[[Path], None]] = {
    "utf-16": recoded("utf-16"), "utf-16-le": recoded("utf-16-le"), "utf-16-be": recoded("utf-16-be"),
    "bom": recoded("utf-8-sig"), "crlf": rewritten(lambda t: t.replace("\n", "\r\n")),
    "old mac": rewritten(lambda t: t.replace("\n", "\r")), "no end": rewritten(lambda t: t.rstrip("\n")),
    "comma": rewritten(lambda t: t.replace(".", ",")), "semicolons": rewritten(lambda t: t.replace(",", ";")),
    "upper": rewritten(lambda t: t.upper() if "," in t.partition("\n")[0] else t),
    "absolute": rewritten(lambda t: t.replace("A/0", "/home/x/A/0").replace("B/0", "/home/x/B/0")),
    "no folders": rewritten(without_folders), "half": rewritten(lambda t: t[: len(t) // 2]),
    "no last line": rewritten(lambda t: t.rstrip("\n").rpartition("\n")[0] + "\n"),
    "twice": rewritten(lambda t: t + t),
    "separators": rewritten(lambda t: t.replace("b", "b\u2028")),
    "gone": Path.unlink, "moved": moved, "renamed": lambda path: path.rename(path.with_name("z" + path.name)),
}  # fmt: skip


def read(base: Path) -> tuple[dict[str, Utterance], tuple[str, ...]]:
    corpus = open_corpus(base)
    return {utterance.id: utterance for utterance in corpus.utterances()}, corpus.notes


def near(one: tuple[Segment, ...], other: tuple[Segment, ...]) -> bool:
    return [s.label.replace("\u2028", "") for s in one] == [s.label for s in other] and all(
        np.abs([a.onset - b.onset, a.offset - b.offset]).max() <= 400 for a, b in zip(one, other, strict=True)
    )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(
    corpora(),
    st.sampled_from([grids, labs, xlabels, ctm, table]),
    st.lists(st.tuples(st.sampled_from(sorted(DAMAGES)), st.integers(0, 3)), min_size=1, max_size=2),
)
def test_damage_is_right_refused_or_counted(
    tmp_path: Path,
    said: dict[str, Tier],
    kind: Callable[[Path, dict[str, Tier]], list[Path]],
    damage: list[tuple[str, int]],
) -> None:
    base = tmp_path / "src"
    shutil.rmtree(base, ignore_errors=True)
    for name in NAMES:
        tone(base / f"{name}.wav")
    files = kind(base, said)
    right, before = read(base)
    for name, utterance in right.items():
        assert [segment.label for segment in utterance.tiers["word"]] == [
            label.casefold() for _, _, label in said[name]
        ]
    for how, which in damage:
        path = files[which % len(files)]
        if path.is_file():
            DAMAGES[how](path)
    try:
        made, notes = read(base)
    except LaminaError:
        return
    assert made.keys() == right.keys()
    for name, own in zip(NAMES, OWN, strict=True):
        labels = [segment.label for segment in made[name].tiers.get("word", ())]
        others = tuple(other for other in OWN if other != own)
        assert "moved" in dict(damage) or not any(label.startswith(others) for label in labels)
    same = all(near(made[name].tiers.get("word", ()), right[name].tiers["word"]) for name in NAMES)
    assert same or set(notes) != set(before), "something is lost, and nothing says so"
