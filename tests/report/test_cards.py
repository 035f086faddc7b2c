"""The first two sentences and the cards: of claims decided and undecided, of others and of one's own."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lamina.report.cards import cards, lead
from lamina.report.verdicts import Verdict

OPEN = Verdict(
    name="words", claim="It brings words.", hypothesis="aux raises it", verdict="undecided", effect=0.01234,
    low=-0.02, high=0.04, unit="", n_seeds=3, n_speakers=8, measure="cca-mean", target="word", where="best",
    reason="Because.", detectable=0.0456, chosen="crossed", decides="14 seeds would decide it.", seeds_wanted=14,
    speakers_wanted=8, source="Somebody et al. 2024",
)  # fmt: skip
SAVES = replace(
    OPEN, name="saves", claim="It saves.", verdict="supported", effect=-7.1e7, low=-7.1e7, high=-7.1e7, unit="MAC",
    measure="macs", target="10 s", where="whole", chosen="", decides="", seeds_wanted=None, source="",
)  # fmt: skip
NEVER = replace(OPEN, verdict="contradicted", claim="It never does.", effect=-0.08)

THREE = (
    "Of 3 claims: 1 supported, 1 contradicted, 1 undecided; “It saves” holds (−71 M MACs, 10 s); “It never "
    "does” does not (−0.08 mean CCA, word). The undecided difference is +0.012 mean CCA, word, where this design "
    "finds 0.046 four times in five; 14 seeds and 8 test speakers would decide it."
)
TWO = (
    "Of 2 claims: 2 undecided. The undecided differences are at most −0.5 mean CCA, word, where this design finds "
    "0.9 four times in five; one seed decides nothing, so run two or more."
)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (
            (OPEN, SAVES, NEVER),
            THREE,
        ),
        (
            (
                replace(OPEN, seeds_wanted=None, n_seeds=1),
                replace(OPEN, effect=-0.5, seeds_wanted=None, detectable=0.9),
            ),
            TWO,
        ),
        ((replace(OPEN, effect=None),), "Of 1 claim: 1 undecided."),
        ((SAVES,), "Of 1 claim: 1 supported; “It saves” holds (−71 M MACs, 10 s)."),
    ],
)
def test_the_answer_is_two_sentences_and_a_count(found: tuple[Verdict, ...], said: str) -> None:
    assert lead(found) == said


def test_claims_of_others_stand_before_ones_own_with_their_source() -> None:
    page = cards([SAVES, OPEN])
    assert page.index("Claims of others") < page.index("It brings words.") < page.index("Claims of this study")
    assert page.index("Claims of this study") < page.index("It saves.")
    for said in (
        "Somebody et al. 2024",
        "14 seeds would decide it.",
        "chosen on other speakers than those scored",
    ):
        assert said in page
    assert "Claims of others" not in cards([SAVES])
