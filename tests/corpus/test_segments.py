"""From intervals to segments: what is renamed, what is mended and counted, what is refused."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.corpus.corpus import Segment
from lamina.corpus.faults import Faults
from lamina.corpus.labels import tier_name
from lamina.corpus.segments import segments
from lamina.errors import LaminaError

RATE = 16_000


def make(*intervals: tuple[str, float, float], tier: str = "phone", exact: bool = False) -> tuple[Segment, ...]:
    return segments(tier, intervals, RATE, RATE, "x.TextGrid", Faults(keep=False, exact=exact))


def words(*labels: str) -> tuple[list[str], list[str]]:
    """The words that labels become, and what was counted."""
    faults = Faults(keep=False)
    tier = [(label, number / 100, (number + 1) / 100) for number, label in enumerate(labels)]
    return [segment.label for segment in segments("word", tier, RATE, RATE, "x", faults)], faults.counts()


def test_sorted_without_silence_in_samples() -> None:
    assert make(("b", 0.5, 1.00005), ("a", 0.0, 0.5), ("sil", 0.2, 0.7)) == (
        Segment("a", 0, 8000),
        Segment("b", 8000, 16000),
    )
    # Rounded times may overlap by one sample.
    assert make(("a", 0.0, 8001 / RATE), ("b", 0.5, 0.6)) == (Segment("a", 0, 8000), Segment("b", 8000, 9600))
    assert [tier_name(name) for name in ("Phones", "PHN", "Ann - words", "syllables", "tone", "A - b")] == [
        "phone", "phone", "word", "syllable", "tone", "a - b",
    ]  # fmt: skip


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(LaminaError, match=r"x.TextGrid: 'b' from 0.5000 s .* overlaps 'a'"):
        make(("a", 0.0, 0.526), ("b", 0.5, 0.6))
    with pytest.raises(LaminaError, match=r"lies outside the audio, which lasts 1.0000 s"):
        make(("a", 0.9, 1.026))
    with pytest.raises(LaminaError, match="lies outside"):
        make(("a", -0.1, 0.3))
    with pytest.raises(LaminaError, match="ends before it begins"):
        make(("a", 0.5, 0.4))
    with pytest.raises(LaminaError, match="overlaps"):
        make(("a", 0.5, 0.52), ("b", 0.5, 0.6))  # nothing of a would be left


def test_rounded_times_are_mended_and_counted() -> None:
    faults = Faults(keep=False)
    tier = [("a", -0.01, 0.52), ("b", 0.5, 0.6), ("c", 0.9, 1.025)]
    assert segments("phone", tier, RATE, RATE, "x", faults) == (
        Segment("a", 0, 8000), Segment("b", 8000, 9600), Segment("c", 14400, 16000),
    )  # fmt: skip
    assert faults.counts() == [
        "phone segments cut at the audio's end or start, at most 25 ms (2): x",
        "phone segments cut where the next begins, at most 25 ms (1): x",
    ]
    for tier in ([("a", 0.0, 0.52), ("b", 0.5, 0.6)], [("a", 0.9, 1.02)], [("a", -0.01, 0.1)]):
        with pytest.raises(LaminaError, match=r"overlaps|outside"):
            make(*tier, exact=True)
    told = Faults(keep=True, remarks=True)  # as `corpus check` reads
    segments("phone", [("a", 0.0, 0.52), ("b", 0.5, 0.6)], RATE, RATE, "x", told)
    assert told.lines == ["x: 'b' from 0.5000 s to 0.6000 s overlaps 'a', which ends at 0.5200 s"]


def test_intervals_of_no_length_are_counted() -> None:
    faults = Faults(keep=False)
    assert segments("phone", [("a", 0.5, 0.5), ("b", 0.5, 0.6)], RATE, RATE, "x", faults) == (
        Segment("b", 8000, 9600),
    )
    assert faults.counts() == ["phone labels left out, for they have no length (1): 'a'"]


def test_stress_and_tones() -> None:
    at = [0.1 * number for number in range(6)]
    plain = zip(("AH0", "AH1", "E2", "IY2", "SIL"), at, at[1:], strict=False)
    assert [segment.label for segment in make(*plain)] == ["AH", "AH", "E2", "IY"]
    toned = zip(("AH0", "AH1", "AH4", "IY2", "SIL"), at, at[1:], strict=False)
    assert [segment.label for segment in make(*toned)] == ["AH0", "AH1", "AH4", "IY2"], "a 4 is no stress"


def test_silences_of_phones_are_words_elsewhere() -> None:
    assert make(("pau", 0.0, 0.5), ("epi", 0.5, 1.0)) == ()
    for tier in ("word", "syllable"):
        made = make(("pau", 0.0, 0.5), ("epi", 0.5, 1.0), tier=tier)
        assert [segment.label for segment in made] == ["pau", "epi"]


@pytest.mark.parametrize(
    ("label", "word"),
    [
        ("Hello", "hello"), ("[laughter-Yeah]", "yeah"), ("[it'n/isn't]", "it'n"), ("them_1", "them"),
        ("EXCUSE(2)", "excuse"), ("&-uh", "uh"), ("&uh", "uh"), ("&+fr", "fr"), ("gumma@c", "gumma"),
        ("hola@s:spa", "hola"), ("(be)cause", "because"), ("wor(d)", "word"), ("rock'n'roll", "rock'n'roll"),
        ("'em", "'em"), ("co-op", "co-op"), ("7", "7"), ("हिन्दी", "हिन्दी"), ("at&t", "at&t"), ("u.s.", "u.s."),
        ("pau", "pau"), ("noise", "noise"), ("th[e]-", "th[e]-"), ("*hm", "*hm"),
    ],
)  # fmt: skip
def test_words_with_marks(label: str, word: str) -> None:
    made, counts = words(label)
    assert made == [word]
    odd = any(mark in word for mark in "[*&")
    assert counts == ([f"word labels read as words, though they hold marks (1): {word!r}"] if odd else [])


@pytest.mark.parametrize(
    "label",
    [
        "<cutoff>", "<cutoff-hello>", "<UNK>", "[noise]", "[bracketed]", "{laugh}", "(.)", "(..)", "&=laughs",
        "xxx", "yyy", "www", "0is", "+//.", "[//]", "...", "?", "--", "((", "++UM++", "<mumble>", "sil",
    ],
)  # fmt: skip
def test_marks_that_are_no_words(label: str) -> None:
    assert words("a", label, "b") == (["a", "b"], [f"word labels that are no segments (1): {label!r}"])


def test_labels_of_a_manifest_stay_as_they_are() -> None:
    tier = [("[laughter-x]", 0.0, 0.1), ("AH1", 0.1, 0.2), ("sil", 0.2, 0.3)]
    made = segments("word", tier, RATE, RATE, "x", renamed=True)
    assert [segment.label for segment in made] == ["[laughter-x]", "AH1", "sil"]


@given(
    st.lists(st.tuples(st.sampled_from(["a", "b", "sil", ""]), st.integers(20, 300)), min_size=1, max_size=30),
    st.lists(st.integers(-12, 12), min_size=31, max_size=31),
)
def test_times_moved_by_a_frame_are_right_refused_or_counted(
    stretches: list[tuple[str, int]], moved: list[int]
) -> None:
    """Boundaries that were rounded give the same labels in order, each within 25 ms, or an error."""
    edges = [0]
    for _, length in stretches:
        edges.append(edges[-1] + length)
    seconds = edges[-1] / 1000
    whole = [(label, a / 1000, b / 1000) for (label, _), a, b in zip(stretches, edges, edges[1:], strict=False)]
    bad = [(label, a + moved[i] / 1000, b + moved[i + 1] / 1000 + 0.01) for i, (label, a, b) in enumerate(whole)]
    samples = round(seconds * RATE)
    right = segments("word", whole, RATE, samples, "x")
    faults = Faults(keep=False)
    try:
        made = segments("word", bad, RATE, samples, "x", faults)
    except LaminaError:
        return
    assert [s.label for s in made] == [s.label for s in right]
    for one, other in zip(made, right, strict=True):
        assert abs(one.onset - other.onset) <= 0.026 * RATE
        assert abs(one.offset - other.offset) <= 0.036 * RATE
    assert [s for s, after in pairwise(made) if s.offset > after.onset] == []
