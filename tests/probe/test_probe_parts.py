"""The parts of probing against slow twins, closed forms and other libraries."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from lamina.frames import aligned, spans
from lamina.grid import Grid
from lamina.probe import heads
from lamina.probe.bank import Adam, Bank, Slot
from lamina.probe.recipes import letters, taken_out, words
from lamina.probe.tally import Ratio, Trials

FINE = Grid.samples(16000).conv(400, 320)


def test_transcripts_become_letters() -> None:
    assert words("Rock & roll, it's  6 o’clock!") == ["ROCK", "AND", "ROLL", "IT'S", "O'CLOCK"]
    assert "".join(letters(["A", "BC"])) == "A|BC|"
    assert letters([]) == ()


def test_letters_of_other_alphabets_stay_but_for_superb_which_counts_them() -> None:
    text = "Scho\u0308ne Straße, 3 мира हिन्दी"  # o and its two dots are two marks here
    assert words(text) == ["SCHÖNE", "STRASSE", "МИРА", "हिन्दी"]
    assert words(text, "superb") == ["SCH", "NE", "STRASSE"]
    assert taken_out([text, "plain"], "lamina") == ["1 digits were taken out of 1 of 2 transcripts"]
    (told,) = taken_out(["Schöne 3", "plain"], "superb")
    assert told == "2 letters beyond A to Z and digits (SUPERB's rule) were taken out of 1 of 2 transcripts"
    assert taken_out(["so, it's plain"], "superb") == []


SMALL, FEW = st.integers(1, 7), st.integers(1, 40)


@given(SMALL, SMALL, st.integers(0, 30), st.integers(0, 30), FEW, FEW)
@settings(max_examples=200, deadline=None)
def test_frames_meet_by_their_centres(up: int, down: int, first: int, second: int, have: int, want: int) -> None:
    source = Grid(16000, Fraction(100, up), Fraction(first, 3), Fraction(400))
    target = Grid(16000, Fraction(100, down), Fraction(second, 7), Fraction(400))
    starts, stops = spans(source, target, have, want)
    for frame, (start, stop) in enumerate(zip(starts.tolist(), stops.tolist(), strict=True)):
        centre, half = target.centre_of(frame), target.stride / 2
        centres = [source.centre_of(one) for one in range(have)]
        inside = [one for one, at in enumerate(centres) if centre - half <= at < centre + half]
        if target.stride > source.stride and inside:
            assert list(range(start, stop)) == inside
        else:
            assert stop == start + 1
            assert abs(centres[start] - centre) == min(abs(at - centre) for at in centres)


def test_states_of_two_rates_on_one_grid() -> None:
    coarse = FINE.conv(1, 2)
    fine_states = torch.arange(7.0)[:, None]
    # Centres of the coarse frames are those of fine frames 0, 2, 4 and 6; a cell reaches half a period both ways.
    assert aligned(fine_states, FINE, coarse, 4).flatten().tolist() == [0, 1.5, 3.5, 5.5]
    coarse_states = torch.arange(4.0)[:, None]
    assert aligned(coarse_states, coarse, FINE, 7).flatten().tolist() == [0, 0, 1, 1, 2, 2, 3]


class Last(heads.Recurrent):
    """The recurrent head's last frame."""

    def forward(self, states: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        return super().forward(states, lengths)[:, -1]


MAKERS = {
    "linear": lambda: heads.LinearHead(5, 3, hidden=4),
    "mlp": lambda: heads.Mlp(5, 3, hidden=4),
    "embedding": lambda: heads.Embedding(5, 3, size=4),
    "xvector": lambda: heads.XVector(5, 3, size=4, pooled=6),
    "recurrent": lambda: Last(5, 3, project=4, hidden=3),
}


def slow_training(
    head: nn.Module, rate: float, data: list[tuple[torch.Tensor, torch.Tensor]]
) -> list[torch.Tensor]:
    optimiser = torch.optim.AdamW(head.parameters(), lr=rate, weight_decay=0.1)
    for states, target in data:
        optimiser.zero_grad()
        loss = nn.functional.cross_entropy(head(states, torch.full((len(states),), 6)), target)
        loss.backward()
        nn.utils.clip_grad_norm_(head.parameters(), 0.5)
        optimiser.step()
    return [value.detach() for value in head.parameters()]


@pytest.mark.parametrize("kind", MAKERS)
def test_heads_side_by_side_are_trained_as_if_alone(kind: str) -> None:
    generator = torch.Generator().manual_seed(0)
    shape = (8, 5) if kind in {"linear", "mlp"} else (8, 6, 5)
    # As many classes as the head puts out: targets stay among the first three.
    data = [
        (torch.randn(shape, generator=generator), torch.randint(3, (8,), generator=generator)) for _ in range(5)
    ]
    slots = [Slot(0, rate, seed) for rate in (1e-2, 1e-1) for seed in (0, 1)]
    bank = Bank(MAKERS[kind], slots, 2, "cpu")
    adam = Adam(bank.parameters, torch.tensor([slot.rate for slot in slots]), clip=0.5, decay=0.1)
    leaves = {name: value.requires_grad_() for name, value in bank.parameters.items()}
    lengths = torch.full((8,), 6)
    for states, target in data:
        taps = torch.stack([states, torch.zeros_like(states)], -2)
        outputs = bank(taps, lengths, parameters=leaves)
        loss = torch.stack([nn.functional.cross_entropy(each, target) for each in outputs]).sum()
        gradients = torch.autograd.grad(loss, list(leaves.values()))
        adam.step(leaves, dict(zip(leaves, gradients, strict=True)))
    for place, slot in enumerate(slots):
        torch.manual_seed(slot.seed)
        alone = slow_training(MAKERS[kind](), slot.rate, data)
        for mine, wanted in zip(leaves.values(), alone, strict=True):
            assert torch.allclose(mine[place], wanted, atol=2e-5)


def test_a_head_whose_gradient_is_no_number_sits_the_step_out() -> None:
    values = {"a": torch.ones(2, 3)}
    adam = Adam(values, torch.tensor([0.1, 0.1]), clip=1.0)
    adam.step(values, {"a": torch.tensor([[1.0, 1, 1], [float("nan"), 1, 1]])})
    assert torch.equal(values["a"][1], torch.ones(3))
    assert (values["a"][0] < 1).all()


def test_a_weighted_sum_starts_even() -> None:
    bank = Bank(lambda: heads.LinearHead(2, 2), [Slot(None, 0.1, 0)], 3, "cpu")
    states = torch.randn(4, 3, 2, generator=torch.Generator().manual_seed(0))
    alone = Bank(lambda: heads.LinearHead(2, 2), [Slot(0, 0.1, 0)], 1, "cpu")
    mean = states.mean(1, keepdim=True)
    assert torch.allclose(bank(states, torch.ones(4)), alone(mean, torch.ones(4)), atol=1e-6)
    assert bank.weights().flatten().tolist() == pytest.approx([1 / 3] * 3)


def test_recurrent_heads_do_not_see_padding() -> None:
    torch.manual_seed(0)
    head = heads.Recurrent(4, 3, project=5, hidden=6).eval()
    states = torch.randn(1, 5, 4)
    padded = torch.cat([states, torch.randn(1, 3, 4)], 1)
    assert torch.allclose(head(states, torch.tensor([5])), head(padded, torch.tensor([5]))[:, :5], atol=1e-6)


@pytest.mark.parametrize("length", [1, 7, 14, 15, 18])
def test_an_x_vector_is_the_same_alone_as_in_a_batch(length: int) -> None:
    torch.manual_seed(0)
    head = heads.XVector(4, 3, size=5, pooled=6).eval()
    states = torch.randn(2, 20, 4)
    states[0, length:] = states[0, length - 1]  # as a batch repeats the last frame
    alone = head(states[:1, :length], torch.tensor([length]))
    assert torch.allclose(head(states, torch.tensor([length, 20]))[:1], alone, atol=1e-6)


def test_moments_ignore_padding() -> None:
    states = torch.randn(2, 7, 3, generator=torch.Generator().manual_seed(0))
    mean, deviation = heads.masked_moments(states, torch.tensor([4, 7]))
    assert torch.allclose(mean[0], states[0, :4].mean(0), atol=1e-6)
    assert torch.allclose(deviation[0], states[0, :4].std(0, correction=0), atol=1e-4)


def test_specaugment_masks_and_keeps_lengths() -> None:
    states = torch.ones(2, 60, 100)
    made = heads.spec_augment(states, torch.tensor([60, 30]), torch.Generator().manual_seed(1))
    assert made.shape == states.shape
    assert torch.equal(states, torch.ones(2, 60, 100))  # not in place
    # Warping a constant leaves it as it is: only masks are seen.
    assert ((made - 1).abs().lt(1e-4) | made.eq(0)).all()
    assert 0 < made[0].eq(0).float().mean() < 1


def test_ratios_and_trials_resample_whole_groups() -> None:
    ratio = Ratio(np.array([1.0, 2, 3]), np.array([2.0, 4, 8]))
    weights = np.array([[2, 0], [1, 1], [0, 2]])
    assert ratio.resampled(weights, ["b", "a", "b"]).tolist() == [0.5, 6 / 14, 0.4]
    assert ratio.value() == 6 / 14
    scores, targets = np.array([0.9, 0.1, 0.8, 0.3]), np.array([True, True, False, False])
    trials = Trials(scores, targets, np.array([[0, 1], [2, 3], [0, 2], [1, 3]]))
    found = trials.resampled(np.array([[1, 1], [2, 0]]), ["a", "a", "b", "b"])
    assert found[0] == trials.value()
    assert np.isnan(found[1])  # only a's own pair was drawn: no pair of two speakers
