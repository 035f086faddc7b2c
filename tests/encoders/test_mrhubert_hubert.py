"""With one level the family is HuBERT: parity with transformers' HubertModel on random weights."""

from __future__ import annotations

import pytest
import torch
from mrhubert_help import STYLES, config, padded, relative, shake
from transformers import HubertConfig, HubertModel

from lamina.encoders.mrhubert import MRHubertEncoder, MRHubertModel
from lamina.encoders.mrhubert.names import tap_names


def renamed(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """HubertModel's weights under our names."""
    found = {}
    for key, value in weights.items():
        name = key.replace("feature_extractor.conv_layers.", "feature_extractor.")
        name = name.replace("encoder.pos_conv_embed.conv.bias", "blocks.0.pos_conv.bias")
        name = name.replace(
            "encoder.pos_conv_embed.conv.parametrizations.weight.original0", "blocks.0.pos_conv.gain"
        )
        name = name.replace(
            "encoder.pos_conv_embed.conv.parametrizations.weight.original1", "blocks.0.pos_conv.direction"
        )
        found[name.replace("encoder.", "blocks.0.", 1) if name.startswith("encoder.") else name] = value
    return found


def pair(style: str) -> tuple[HubertModel, MRHubertModel]:
    """HubertModel and ours with the same random weights."""
    ours = config(label_rate_ratios=[], block_layers=[3], hidden_dropout=0.0, layerdrop=0.0, **STYLES[style])
    shared_names = (
        "hidden_size", "num_attention_heads", "intermediate_size", "do_stable_layer_norm", "feat_extract_norm",
        "conv_dim", "conv_kernel", "conv_stride", "conv_bias", "num_conv_pos_embeddings",
        "num_conv_pos_embedding_groups",
    )  # fmt: skip
    torch.manual_seed(3)
    theirs = HubertModel(HubertConfig(num_hidden_layers=3, **{name: getattr(ours, name) for name in shared_names}))
    shake(theirs)
    model = MRHubertModel(ours)
    model.load_state_dict(renamed(theirs.state_dict()))
    return theirs.eval(), model.eval()


@pytest.mark.parametrize("samples", [400, 8000, 12345])
@pytest.mark.parametrize("style", STYLES)
def test_every_state_of_hubert(style: str, samples: int) -> None:
    theirs, ours = pair(style)
    wave, _ = padded([samples])
    with torch.no_grad():
        expected = theirs(wave, output_hidden_states=True)
    encoder = MRHubertEncoder(ours, "hubert")
    found = {states.tap.name: states.values for states in encoder.states(wave, torch.tensor([samples]))}
    assert relative(ours(wave).last_hidden_state.detach(), expected.last_hidden_state) < 1e-5
    for row in tap_names(ours.config):
        if row.transformers.startswith("hidden_states"):
            wanted = expected.hidden_states[int(row.transformers[14:-1])]
        elif row.transformers == "last_hidden_state":
            wanted = expected.last_hidden_state
        else:
            assert row.tap.name == "front"
            wanted = theirs.feature_projection(theirs.feature_extractor(wave).transpose(1, 2)).detach()
        assert relative(found[row.tap.name], wanted) < 1e-5, row.tap.name


@pytest.mark.parametrize("style", STYLES)
def test_gradients_agree(style: str) -> None:
    theirs, ours = pair(style)
    ours.config.feature_grad_mult = 1.0
    wave, _ = padded([6000])
    theirs(wave).last_hidden_state.square().sum().backward()
    ours(wave).last_hidden_state.square().sum().backward()
    gradients = renamed({name: value.grad for name, value in theirs.named_parameters() if value.grad is not None})
    largest = max(float(value.abs().max()) for value in gradients.values())
    for name, parameter in ours.named_parameters():
        if name in gradients:
            torch.testing.assert_close(parameter.grad, gradients[name], atol=1e-5 * largest, rtol=1e-4)
    assert len(gradients) > 40


def test_the_mask_embedding_replaces_the_same_frames() -> None:
    theirs, ours = pair("group")
    theirs.config.apply_spec_augment = True
    wave, _ = padded([8000])
    mask = torch.zeros(1, 24, dtype=torch.bool)
    mask[0, 3:12] = True
    with torch.no_grad():
        expected = theirs(wave, mask_time_indices=mask).last_hidden_state
        found = ours(wave, mask_time_indices=mask).last_hidden_state
    assert relative(found, expected) < 1e-5
    assert relative(found, ours(wave).last_hidden_state.detach()) > 0.01
