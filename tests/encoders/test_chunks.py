"""Long audio in chunks: every frame once, in the right place, in the memory of one chunk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.encoders.chunks import pieces, seam_error
from lamina.encoders.encoder import States, Tap
from lamina.encoders.features import MelEncoder
from lamina.errors import LaminaError
from lamina.grid import Grid


class Places:
    """An encoder whose states are where its frames lie: it tells a shifted or repeated frame at once.

    The audio it reads holds its own sample numbers. It notes the longest audio that it was given.
    """

    name, digest, sample_rate = "places", "", 16000

    def __init__(self) -> None:
        front = Grid.samples(16000).conv(10, 5).conv(3, 4)
        coarse = front.conv(2, 2).conv(5, 3, padding=2)
        grids = {"front": front, "coarse": coarse, "up": coarse.repeat(3)}
        self.taps = tuple(Tap(name, depth, 1, grid) for depth, (name, grid) in enumerate(grids.items()))
        self.longest = 0

    def states(
        self, waves: torch.Tensor, lengths: torch.Tensor, taps: Sequence[str] | None = None
    ) -> Iterator[States]:
        samples = int(lengths[0])
        self.longest = max(self.longest, samples)
        for tap in self.taps:
            if taps is None or tap.name in taps:
                frames = tap.grid.frames(samples)
                places = float(waves[0, 0]) + torch.tensor([float(tap.grid.centre_of(i)) for i in range(frames)])
                yield States.checked(places[None, :, None], [samples], tap)


@settings(deadline=None, max_examples=50)
@given(samples=st.integers(1000, 60000), chunk=st.integers(6000, 20000), share=st.floats(0.1, 0.45))
def test_every_frame_once_and_in_its_place(samples: int, chunk: int, share: float) -> None:
    encoder, wave = Places(), torch.arange(samples, dtype=torch.float32)
    found: dict[str, list[torch.Tensor]] = {}
    for piece in pieces(encoder, wave, chunk_seconds=chunk / 16000, overlap_seconds=chunk * share / 16000):
        assert piece.first == sum(len(values) for values in found.get(piece.tap.name, []))
        found.setdefault(piece.tap.name, []).append(piece.values)
    assert encoder.longest <= chunk
    for tap in encoder.taps:
        expected = [float(tap.grid.centre_of(frame)) for frame in range(tap.grid.frames(samples))]
        assert torch.cat(found[tap.name])[:, 0].tolist() == pytest.approx(expected, abs=0.01)


def test_an_encoder_without_context_is_exact() -> None:
    wave = torch.randn(16000 * 20, generator=torch.Generator().manual_seed(0))
    assert seam_error(MelEncoder(), wave, chunk_seconds=3, overlap_seconds=0.1) == {"mel": (0.0, 0.0)}


def test_asked_taps_only() -> None:
    wave = torch.arange(50000, dtype=torch.float32)
    found = {piece.tap.name for piece in pieces(Places(), wave, chunk_seconds=1, overlap_seconds=0.2, taps=["up"])}
    assert found == {"up"}


def test_a_conv_front_end_is_exact_and_blocks_are_near() -> None:
    """Layer-norm front end, waveforms as they are: only what mixes frames feels the seams."""
    from transformers import HubertConfig, HubertModel

    from lamina.encoders.pretrained import PretrainedEncoder

    torch.manual_seed(0)
    config = HubertConfig(
        hidden_size=24,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=40,
        conv_dim=(16, 16),
        conv_kernel=(10, 4),
        conv_stride=(10, 4),
        num_feat_extract_layers=2,
        num_conv_pos_embeddings=8,
        num_conv_pos_embedding_groups=4,
        feat_extract_norm="layer",
        do_stable_layer_norm=True,
    )
    encoder = PretrainedEncoder(HubertModel(config), "tiny", normalise=False)
    wave = torch.randn(16000, generator=torch.Generator().manual_seed(1))
    errors = seam_error(encoder, wave, chunk_seconds=0.25, overlap_seconds=0.1)
    assert errors["front"][1] < 1e-5
    assert 0 < errors["enc2.5.2"][0] < 0.1


@pytest.mark.parametrize(("chunk", "overlap"), [(1.0, 0.6), (1.0, -0.1), (0.0, 0.0)])
def test_chunks_that_make_no_way_are_refused(chunk: float, overlap: float) -> None:
    with pytest.raises(LaminaError, match="make no way"):
        list(pieces(MelEncoder(), torch.zeros(40000), chunk_seconds=chunk, overlap_seconds=overlap))


def test_too_little_overlap_is_refused() -> None:
    with pytest.raises(LaminaError, match=r"must be at least 0\.050 s"):
        list(pieces(MelEncoder(), torch.zeros(40000), chunk_seconds=1, overlap_seconds=0.001))
