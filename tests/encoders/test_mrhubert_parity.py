"""The family agrees with fairseq's multires_hubert on every tensor of the reference fixtures."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from mrhubert_help import CASES, fixture, relative
from torch import Tensor

from lamina.encoders.fairseq import load_checkpoint
from lamina.encoders.mrhubert import MRHubertEncoder, MRHubertForPreTraining, layers, model, s3prl_states, sampling
from lamina.encoders.mrhubert.names import fairseq_block, key_names, tap_names

WITH_LOSS = [case for case in CASES if case != "e_plain_updown"]


def modules(heads: MRHubertForPreTraining) -> dict[str, torch.nn.Module]:
    """Our module for each of the reference's hooks on layers and changes of rate."""
    body = heads.mrhubert
    coarsest = len(body.config.label_rate_ratios) // 2
    found: dict[str, torch.nn.Module] = {"post_extract_proj": body.feature_projection}
    for index, (block, module) in enumerate(zip(body.plan, body.blocks, strict=True)):
        name = fairseq_block(block, index, coarsest)
        found |= {f"{name}.layers.{layer}": part for layer, part in enumerate(module.layers)}
        if body.config.do_stable_layer_norm:
            found[name] = module.layer_norm
        else:
            found[name] = module.layers[-1]
        if block.role == "dec":
            found[f"upsample_modules.{block.level}"] = body.samplers[index - 1]
        elif index:
            found[f"downsample_modules.{index - 1}"] = body.samplers[index - 1]
    return found


def run(heads: MRHubertForPreTraining, wave: Tensor) -> dict[str, Tensor]:
    """The outputs at all hooks and all levels for one unpadded utterance."""
    found: dict[str, Tensor] = {}
    handles = []
    for name, module in modules(heads).items():

        def keep(_: object, __: object, out: Tensor | tuple[Tensor, ...], name: str = name) -> None:
            found[name] = out[0] if isinstance(out, tuple) else out

        handles.append(module.register_forward_hook(keep))
    with torch.no_grad():
        out = heads.mrhubert(wave)
    for handle in handles:
        handle.remove()
    found["feature_extractor"] = out.conv_features.transpose(1, 2)
    return found | {f"x.{index}": state for index, state in enumerate(reversed(out.level_states))}


@pytest.mark.parametrize("case", CASES)
def test_every_hook_of_an_unpadded_utterance(shared: Path, case: str) -> None:
    path, meta, data = fixture(shared, case)
    heads = load_checkpoint(path)
    found = run(heads, data["A.source"][:1])
    assert set(meta["order"]["A"]) <= set(found)
    errors = {}
    for name in [*meta["order"]["A"], *(f"x.{level}" for level in range(len(heads.config.levels)))]:
        expected = data[f"A.{name}" if name.startswith("x.") else f"A.hook.{name}"][:1]
        if ".layers." in name:  # the reference pads time to even numbers inside blocks
            expected = expected[:, : found[name].shape[1]]
        errors[name] = relative(found[name], expected)
    alone = run(heads, data["B.source"])
    for level in range(len(heads.config.levels)):
        errors[f"B.x.{level}"] = relative(alone[f"x.{level}"], data[f"B.x.{level}"])
    worst = max(errors, key=lambda name: errors[name])
    print(f"{case}: {len(errors)} tensors, max relative error {errors[worst]:.1e} at {worst}")
    assert errors[worst] < 1e-5


@pytest.mark.parametrize("case", CASES)
def test_a_padded_utterance_has_the_states_that_it_has_alone(shared: Path, case: str) -> None:
    path, _, data = fixture(shared, case)
    heads = load_checkpoint(path)
    heads.config.do_normalize = False  # the sources are normalised already
    encoder = MRHubertEncoder(heads, case, together=True)
    lengths = data["A.lengths"]
    short = int(lengths[1])
    together = {states.tap.name: states.utterance(1) for states in encoder.states(data["A.source"], lengths)}
    alone = encoder.states(data["A.source"][1:, :short], lengths[1:])
    for states in alone:
        assert relative(together[states.tap.name], states.utterance(0)) < 1e-5


def as_fairseq(monkeypatch: pytest.MonkeyPatch, heads: MRHubertForPreTraining, data: dict[str, Tensor]) -> None:
    """Give padding back the part that it plays in the reference: in norms, masks and scored frames."""
    body, config = heads.mrhubert, heads.config
    frames = [data["A.loss.mask"].shape[1]]
    samples = data["A.padding_mask"].shape[1] // frames[0] * frames[0]
    valid = ~data["A.padding_mask"][:, :samples].view(2, frames[0], -1).all(-1)
    masks = [data["A.loss.mask"]]
    counts = {body.plan[0].grid: valid.sum(1)}
    scored: list[tuple[Tensor, Tensor]] = []
    for block in body.plan[1:]:
        up, down = block.sampling or (1, 1)
        valid, mask = (x.repeat_interleave(up, dim=1)[:, ::down] for x in (valid, masks[-1]))
        masks.append(mask)
        counts[block.inner] = valid.sum(1)
        if block.role == "dec":
            size = heads.config.levels[block.level].frames(data["A.source"].shape[1])
            valid, mask = valid[:, :size], mask[:, :size]
        if block.role != "enc":
            scored.insert(0, (mask & valid, ~mask & valid))
    monkeypatch.setattr(
        layers,
        "norm_over_time",
        lambda x, groups, weight, bias, _, eps: torch.nn.functional.group_norm(x, groups, weight, bias, eps),
    )
    monkeypatch.setattr(sampling, "hide_padding", lambda x, _: x)
    monkeypatch.setattr(model.MRHubertModel, "frames", lambda _, __, grid: counts.get(grid))
    monkeypatch.setattr(MRHubertForPreTraining, "scored", lambda _, level, *__: scored[level])
    monkeypatch.setattr(MRHubertForPreTraining, "penalty", lambda _, features, __: features.square().mean())
    assert config.predicting_levels <= len(scored)


def targets(heads: MRHubertForPreTraining, meta: dict, data: dict[str, Tensor]) -> list[Tensor]:
    """The reference's target of each frame: that at int(frame x feat2tar), less the special symbols."""
    found = []
    for level in range(heads.config.predicting_levels):
        frames = heads.config.levels[level].frames(data["A.source"].shape[1])
        places = (torch.arange(frames).float() * meta["feat2tar_ratios"][level]).long()
        found.append(data[f"A.loss.target.{level}"][:, places] - 4)
    return found


@pytest.mark.parametrize("weights", ["m", "mu"])
@pytest.mark.parametrize("case", WITH_LOSS)
def test_loss_and_its_gradients(shared: Path, case: str, weights: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path, meta, data = fixture(shared, case)
    heads = load_checkpoint(path)
    heads.config.unmasked_loss_weight = float(weights == "mu")
    as_fairseq(monkeypatch, heads, data)
    labels = targets(heads, meta, data)
    out = heads(
        data["A.source"],
        attention_mask=(~data["A.padding_mask"]).long(),
        mask_time_indices=data["A.loss.mask"],
        labels=labels,
    )
    expected = meta["loss"][weights]
    log = expected["log"]
    assert int(out.sample_size) == expected["sample_size"]
    assert float((out.loss * out.sample_size).detach()) == pytest.approx(expected["loss"], rel=1e-5)
    assert float(out.feature_penalty.detach()) == pytest.approx(float(data["A.loss.features_pen"]), rel=1e-5)
    for level in range(heads.config.predicting_levels):
        masked, unmasked = heads.scored(level, labels[level], None)
        for kind, (name, chosen) in enumerate((("m", masked), ("u", unmasked))):
            assert int(out.counts[level, kind]) == log[f"count_{name}_{level}"]
            assert int(out.correct[level, kind]) == log[f"correct_{name}_{level}"]
            assert float(out.losses[level, kind].detach()) == pytest.approx(log[f"loss_{name}_{level}"], rel=1e-5)
            # the reference puts the right class first and takes it out of its own place
            logits, own = out.logits[level][chosen], (labels[level][chosen] + 4)[:, None]
            positive = logits.gather(1, own)
            others = logits.scatter(1, own, -torch.inf)
            wanted = data[f"A.loss.logit_{name}.{level}"]
            torch.testing.assert_close(torch.cat([positive, others], 1), wanted, atol=2e-5, rtol=1e-5)
    if weights == "m":
        compare_gradients(heads, meta, data, out.loss)


def compare_gradients(heads: MRHubertForPreTraining, meta: dict, data: dict[str, Tensor], loss: Tensor) -> None:
    loss.backward()
    ours = dict(heads.named_parameters())
    names = key_names(heads.config)
    norms = meta["grad_norms_of_loss_over_sample_size"]
    assert set(names) >= set(norms)
    for theirs, norm in norms.items():
        found = float(ours[names[theirs]].grad.norm())
        assert found == pytest.approx(norm, rel=2e-5, abs=1e-6), theirs
    worst = 0.0
    for key, expected in data.items():
        if not key.startswith("A.loss.grad."):
            continue
        gradient = ours[names[key.removeprefix("A.loss.grad.")]].grad
        if key.endswith("k_proj.bias"):  # zero in exact arithmetic
            assert gradient.abs().max() < 1e-6
            continue
        worst = max(worst, relative(gradient, expected))
    print(f"gradients: max relative error {worst:.1e}")
    assert worst < 2e-5


def test_s3prl_shows_these_states(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, meta, data = fixture(shared, "a_base_2res")
    encoder = MRHubertEncoder(load_checkpoint(path), "a")
    found = s3prl_states(encoder, data["A.source"][:1], data["A.lengths"][:1])
    count = len(meta["s3prl_expert"]["names"])
    assert len(found) == count
    for index, state in enumerate(found):
        assert relative(state, data[f"A.s3prl_hidden.{index}"][:1]) < 1e-5
    # the names of taps point at the same tensors
    states = encoder.states(data["A.source"][:1], data["A.lengths"][:1])
    taps = {state.tap.name: state.utterance(0) for state in states}
    named = [row for row in tap_names(encoder.model.config) if row.s3prl]
    for row in named:
        index = int(row.s3prl.removeprefix("hidden_states[").rstrip("]"))
        state = data[f"A.s3prl_hidden.{index}"][0]
        times = int(row.tap.grid.stride / encoder.taps[0].grid.stride)
        assert relative(taps[row.tap.name].repeat_interleave(times, 0)[: len(state)], state) < 1e-5
    assert len(named) == count - 3  # the input of each block's first layer is no tap
