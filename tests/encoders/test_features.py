"""Features against lhotse and slow loops; alone and in batches."""

from __future__ import annotations

import math
import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.encoders.encoder import Encoder
from lamina.encoders.features import GRID, MelEncoder, MfccEncoder
from lamina.errors import LaminaError


def noise(*lengths: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Noise of so many samples each, zero-padded to the longest."""
    generator = torch.Generator().manual_seed(seed)
    waves = torch.zeros(len(lengths), max(lengths))
    for row, length in zip(waves, lengths, strict=True):
        row[:length] = 0.1 * torch.randn(length, generator=generator).cumsum(0).sin()
    return waves, torch.tensor(lengths)


def read(encoder: Encoder, waves: torch.Tensor, lengths: torch.Tensor) -> list[torch.Tensor]:
    (states,) = encoder.states(waves, lengths)
    return [states.utterance(index) for index in range(len(lengths))]


def test_features_agree_with_lhotse() -> None:
    from lhotse.features.kaldi.extractors import Fbank, FbankConfig, Mfcc, MfccConfig

    waves, lengths = noise(16123)
    shared = {"snip_edges": True, "dither": 0.0, "use_energy": False, "low_freq": 20.0, "high_freq": -400.0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mel = Fbank(FbankConfig(num_filters=80, **shared)).extract(waves[0], 16000)
        mfcc = Mfcc(MfccConfig(**shared)).extract(waves[0], 16000)
    torch.testing.assert_close(read(MelEncoder(), waves, lengths)[0], mel, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(read(MfccEncoder("none"), waves, lengths)[0][:, :13], mfcc, atol=1e-3, rtol=1e-3)


def slow_deltas(values: torch.Tensor) -> torch.Tensor:
    last = len(values) - 1
    return torch.stack(
        [
            sum(k * (values[min(t + k, last)] - values[max(t - k, 0)]) for k in (1, 2)) / 10  # type: ignore[misc]
            for t in range(len(values))
        ]
    )


def test_deltas_are_those_of_a_loop() -> None:
    waves, lengths = noise(4000)
    values = read(MfccEncoder("none"), waves, lengths)[0]
    first = slow_deltas(values[:, :13])
    torch.testing.assert_close(values[:, 13:26], first)
    torch.testing.assert_close(values[:, 26:], slow_deltas(first))


@settings(deadline=None, max_examples=20)
@given(
    lengths=st.lists(st.integers(400, 9000), min_size=1, max_size=4),
    normalise=st.sampled_from(["none", "utterance"]),
)
def test_alone_as_in_a_batch(lengths: list[int], normalise: str) -> None:
    waves, counts = noise(*lengths)
    for encoder in (MelEncoder(), MfccEncoder(normalise)):  # type: ignore[arg-type]
        together = read(encoder, waves, counts)
        for index, length in enumerate(lengths):
            alone = read(encoder, waves[index : index + 1, :length], counts[index : index + 1])[0]
            assert len(alone) == GRID.frames(length)
            torch.testing.assert_close(together[index], alone, atol=1e-4, rtol=1e-5)


def test_normalised_mfcc_have_mean_0_and_variance_1() -> None:
    waves, lengths = noise(8000, 5000)
    for values in read(MfccEncoder("utterance"), waves, lengths):
        torch.testing.assert_close(values.mean(0), torch.zeros(39), atol=1e-4, rtol=0)
        torch.testing.assert_close(values.var(0, correction=0), torch.ones(39), atol=1e-3, rtol=0)


def test_silence_is_finite() -> None:
    silence, lengths = torch.zeros(1, 4000), torch.tensor([4000])
    mel = read(MelEncoder(), silence, lengths)[0]
    assert torch.equal(mel, torch.full_like(mel, math.log(torch.finfo(torch.float32).eps)))
    assert torch.equal(read(MfccEncoder("utterance"), silence, lengths)[0], torch.zeros(23, 39))


def test_long_audio_is_read_in_blocks() -> None:
    waves, lengths = noise(160 * 9000 + 240)
    whole = read(MelEncoder(), waves, lengths)[0]
    middle = read(MelEncoder(), waves[:, 160 * 5000 :], torch.tensor([160 * 4000 + 240]))[0]
    assert len(whole) == 9000
    torch.testing.assert_close(whole[5000:], middle)


@pytest.mark.parametrize(
    ("waves", "lengths", "says"),
    [
        (torch.zeros(1, 4000, dtype=torch.int16), [4000], "32768"),
        (torch.zeros(1, 2, 4000), [4000], "stereo"),
        (torch.zeros(4000), [4000], "stereo"),
        (torch.zeros(1, 10), [10], "utterance 0 of the batch has 10 samples"),
        (torch.zeros(2, 4000), [4000], "2 utterances"),
        (torch.zeros(1, 4000), [4001], "claims 4001"),
        (torch.full((1, 4000), math.nan), [4000], "NaN"),
        (torch.full((1, 4000), math.inf), [4000], "NaN or infinite"),
    ],
)
def test_bad_audio_is_refused(waves: torch.Tensor, lengths: list[int], says: str) -> None:
    for encoder in (MelEncoder(), MfccEncoder("none")):
        with pytest.raises(LaminaError, match=says):
            list(encoder.states(waves, torch.tensor(lengths)))


def test_what_lies_beyond_an_utterance_is_not_read() -> None:
    waves, lengths = noise(4000, 3000)
    waves[1, 3000:] = math.nan
    assert all(values.isfinite().all() for values in read(MfccEncoder("utterance"), waves, lengths))


def test_digests_tell_settings_apart() -> None:
    assert len({MelEncoder().digest, MfccEncoder("none").digest, MfccEncoder("utterance").digest}) == 3
