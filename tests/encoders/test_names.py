"""What others call a tensor is checked against the installed transformers, tensor by tensor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from mrhubert_help import model as mrhubert
from mrhubert_help import padded
from test_pretrained import CASES, build, noise
from torch import Tensor

from lamina.encoders.encoder import Encoder
from lamina.encoders.features import MelEncoder
from lamina.encoders.load import load_encoder
from lamina.encoders.mrhubert import MRHubertEncoder
from lamina.encoders.names import names_of
from lamina.encoders.pretrained import PretrainedEncoder

pytestmark = pytest.mark.filterwarnings("ignore:Support for mismatched key_padding_mask")


def outputs(model: Any, *args: Any, **kwargs: Any) -> dict[str, Tensor]:
    """Every state that the model returns, under the name that it has there."""
    with torch.no_grad():
        found = model(*args, **kwargs, output_hidden_states=True)
    named = {f"hidden_states[{place}]": value for place, value in enumerate(found.hidden_states)}
    return named | {"last_hidden_state": found.last_hidden_state}


def read(encoder: Encoder, waves: Tensor, lengths: Tensor) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The states at every tap, and what the model itself returns of the same input, by its own names."""
    given: list[Any] = []
    model: Any = encoder.model  # type: ignore[attr-defined]  # all that are read here have one
    hook = model.register_forward_pre_hook(lambda _, args, kwargs: given.append((args, kwargs)), with_kwargs=True)
    states = {each.tap.name: each.utterance(0) for each in encoder.states(waves, lengths)}
    hook.remove()
    args, kwargs = given[0] if given else ((waves,), {})
    return states, outputs(model, *args, **{key: kwargs[key] for key in kwargs if key != "output_hidden_states"})


def check(encoder: Encoder, states: dict[str, Tensor], returned: dict[str, Tensor]) -> None:
    """A tap has exactly the names of the returned tensors that are its own."""
    for name, *_, shown, _ in names_of(encoder):
        own = states[name]
        same = [
            key
            for key, (value, *_) in returned.items()
            if value.shape[1:] == own.shape[1:]
            and len(value) >= len(own)
            and torch.allclose(value[: len(own)], own, rtol=1e-4, atol=1e-5 * float(own.abs().max()))
        ]
        assert [each for each in shown.split(", ") if each] == same, name


@pytest.mark.parametrize("case", CASES)
def test_names_of_every_family(case: str) -> None:
    encoder = PretrainedEncoder(build(case), case, normalise=False)
    check(encoder, *read(encoder, *noise(4321)))


def test_whispers_last_block_is_before_the_final_norm(shared: Path) -> None:
    encoder = load_encoder(str(shared / "data" / "whisper_tiny_en"))
    states, returned = read(encoder, *noise(16000))
    check(encoder, states, returned)
    shown = {row[0]: row[7] for row in names_of(encoder)}
    assert (shown["front"], shown["enc20.3"], shown["enc20.4"]) == ("hidden_states[0]", "hidden_states[3]", "")
    assert shown["enc20.norm"] == "hidden_states[4], last_hidden_state"
    assert not torch.allclose(states["enc20.4"], returned["hidden_states[4]"][0, : len(states["enc20.4"])])


@pytest.mark.parametrize("style", [{}, {"feat_extract_norm": "layer", "do_stable_layer_norm": True}], ids=str)
@pytest.mark.parametrize("ratios", [[1, 2], [1, 1], [1, 2, 2, 5]], ids=str)
def test_names_of_our_family(ratios: list[int], style: dict[str, Any]) -> None:
    encoder = MRHubertEncoder(mrhubert(label_rate_ratios=ratios, **style), "m")
    waves, _ = padded([9000])
    states, returned = read(encoder, waves, torch.tensor([9000]))
    for name, *_, shown, _ in names_of(encoder):
        assert torch.allclose(states[name], returned[shown][0, : len(states[name])], atol=1e-5), name


def test_features_have_no_other_names() -> None:
    assert names_of(MelEncoder()) == [("mel", "0", "80", "10", "199.5", "400", "", "", "")]
