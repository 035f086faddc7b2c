"""The family behaves as users of transformers' HubertModel expect."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mrhubert_help import STYLES, config, model, padded, relative, shake
from torch.nn import functional

from lamina.encoders.mrhubert import (
    MRHubertEncoder,
    MRHubertForCTC,
    MRHubertForPreTraining,
    MRHubertModel,
    register,
)
from lamina.errors import LaminaError

LENGTHS = [9000, 16000, 5000]


def heads(**changes: object) -> MRHubertForPreTraining:
    torch.manual_seed(1)
    made = MRHubertForPreTraining(config(num_classes=[11, 7], **changes))
    shake(made)
    return made


def test_save_and_load(tmp_path: Path) -> None:
    import transformers

    register()
    made = heads().eval()
    made.save_pretrained(tmp_path)
    assert (tmp_path / "model.safetensors").is_file()
    waves, mask = padded(LENGTHS)
    with torch.no_grad():
        expected = made(waves, attention_mask=mask)
        body = transformers.AutoModel.from_pretrained(tmp_path)
        assert torch.equal(body(waves, attention_mask=mask).last_hidden_state, expected.last_hidden_state)
        again = transformers.AutoModelForPreTraining.from_pretrained(tmp_path)
        assert torch.equal(again(waves, attention_mask=mask).logits[1], expected.logits[1])
    assert not body.training
    ctc = transformers.AutoModelForCTC.from_pretrained(tmp_path, vocab_size=9)
    assert isinstance(ctc, MRHubertForCTC)
    assert torch.equal(
        ctc.mrhubert.blocks[1].layers[0].attention.q_proj.weight, body.blocks[1].layers[0].attention.q_proj.weight
    )
    assert 0 < float(ctc.lm_head.weight.detach().std()) < 0.05
    assert type(transformers.AutoConfig.from_pretrained(tmp_path)).__name__ == "MRHubertConfig"


def test_heads_that_a_folder_lacks_are_drawn(tmp_path: Path) -> None:
    model().save_pretrained(tmp_path)
    made, info = MRHubertForPreTraining.from_pretrained(tmp_path, num_classes=[5, 5], output_loading_info=True)
    assert {key.split(".")[0] for key in info["missing_keys"]} == {"projections", "codes"}
    assert 0.2 < float(made.codes[0].weight.detach().std()) < 0.4
    assert torch.isfinite(made.projections[1].weight).all()


def test_auto_classes_know_the_family_after_one_line(tmp_path: Path) -> None:
    """Importing lamina alone changes nothing elsewhere and is instant; the line may stand anywhere."""
    model().save_pretrained(tmp_path)
    code = (
        "import sys; finders, hooks, known = list(sys.meta_path), list(sys.path_hooks), set(sys.modules);"
        "import lamina; assert (sys.meta_path, sys.path_hooks) == (finders, hooks);"
        "assert not {'torch', 'transformers'} & set(sys.modules);"
        "from transformers import AutoModel; lamina.register(); lamina.register();"
        f"print(type(AutoModel.from_pretrained({str(tmp_path)!r})).__name__)"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert told.stdout.strip() == "MRHubertModel", told.stderr


def test_fresh_weights_follow_fairseq() -> None:
    torch.manual_seed(0)
    made = heads(hidden_size=128, block_layers=[1, 1, 1], conv_dim=[64] * 7)
    made = MRHubertForPreTraining(made.config)
    body = made.mrhubert
    layer = body.blocks[0].layers[0]
    for linear in (layer.attention.q_proj, layer.feed_forward.output_dense):
        assert float(linear.weight.detach().std()) == pytest.approx(0.02, rel=0.1)
        assert not linear.bias.detach().any()
    conv = body.feature_extractor[3].conv.weight.detach()
    assert float(conv.std()) == pytest.approx((2 / (64 * 3)) ** 0.5, rel=0.1)  # He et al. 2015
    sampler = body.samplers[0].downsampling.conv.weight.detach()
    assert float(sampler.std()) == pytest.approx((1 / (3 * 128)) ** 0.5, rel=0.1)  # torch's own
    position = body.blocks[0].pos_conv
    torch.testing.assert_close(position.gain, position.direction.norm(dim=(0, 1), keepdim=True))
    codes = made.codes[0].weight.detach()
    assert float(codes.min()) >= 0
    assert float(codes.max()) <= 1
    torch.manual_seed(7)
    one = MRHubertModel(config())
    torch.manual_seed(7)
    two = MRHubertModel(config())
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))


def test_hidden_states_are_the_taps_in_order() -> None:
    made = model(label_rate_ratios=[1, 2, 1, 2])
    waves, mask = padded(LENGTHS)
    with torch.no_grad():
        out = made(waves, attention_mask=mask, output_hidden_states=True)
    assert torch.equal(out.last_hidden_state, out.hidden_states[-1])
    assert [state.shape[1] for state in out.level_states] == [grid.frames(16000) for grid in made.config.levels]
    encoder = MRHubertEncoder(made, "x", together=True)
    for states, state in zip(encoder.states(waves, torch.tensor(LENGTHS)), out.hidden_states, strict=True):
        assert torch.equal(states.values, state)
    values = made(waves, attention_mask=mask, return_dict=False)
    assert torch.equal(values[0], out.last_hidden_state)


def test_taps_can_be_read_alone_and_the_walk_stops_early() -> None:
    made = model()
    encoder = MRHubertEncoder(made, "x")
    ran = []
    made.blocks[2].register_forward_hook(lambda *_: ran.append("decoder"))
    made.blocks[2].layers[0].register_forward_hook(lambda *_: ran.append("decoder"))
    waves, _ = padded([8000])
    states = list(encoder.states(waves, torch.tensor([8000]), ["mid40.sum", "enc20.1"]))
    assert [state.tap.name for state in states] == ["enc20.1", "mid40.sum"]
    assert not ran
    walk = encoder.states(waves, torch.tensor([8000]))
    next(walk)
    assert torch.is_grad_enabled()  # between two states the caller's own mode holds
    with pytest.raises(LaminaError, match=r"no tap 'mid80\.1'"):
        list(encoder.states(waves, torch.tensor([8000]), ["mid80.1"]))


@pytest.mark.parametrize("style", STYLES)
def test_eager_and_sdpa_agree(style: str) -> None:
    made = model(**STYLES[style])
    waves, mask = padded(LENGTHS)
    made.set_attn_implementation("sdpa")
    with torch.no_grad():
        sdpa = made(waves, attention_mask=mask).last_hidden_state
        made.set_attn_implementation("eager")
        eager = made(waves, attention_mask=mask, output_attentions=True)
    frames = made.config.levels[0].frames
    for row, length in enumerate(LENGTHS):
        assert relative(eager.last_hidden_state[row, : frames(length)], sdpa[row, : frames(length)]) < 1e-5
    assert len(eager.attentions) == made.config.num_hidden_layers
    assert eager.attentions[0].shape == (3, 4, 49, 49)
    torch.testing.assert_close(eager.attentions[0].sum(-1), torch.ones(3, 4, 49))
    assert float(eager.attentions[0][2, :, :, frames(5000) :].max()) == 0  # padding is not attended to


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision(dtype: torch.dtype) -> None:
    made = model()
    waves, mask = padded(LENGTHS)
    with torch.no_grad():
        full = made(waves, attention_mask=mask).last_hidden_state
        half = made.to(dtype)(waves.to(dtype), attention_mask=mask).last_hidden_state
    assert half.dtype == dtype
    error = (half[0, :27].float() - full[0, :27]).norm() / full[0, :27].norm()
    assert float(error) < 0.05
    for states in MRHubertEncoder(made, "x").states(waves, torch.tensor(LENGTHS)):
        assert states.values.dtype == torch.float32


def test_gradient_checkpointing_changes_no_gradient() -> None:
    made = model(hidden_dropout=0.0, attention_dropout=0.0, feat_proj_dropout=0.0, layerdrop=0.0).train()
    waves, mask = padded(LENGTHS)

    def gradients() -> list[torch.Tensor]:
        made.zero_grad()
        made(waves, attention_mask=mask).last_hidden_state.square().mean().backward()
        return [parameter.grad.clone() for parameter in made.parameters() if parameter.grad is not None]

    plain = gradients()
    calls = []
    enable = getattr(
        made, "activation_checkpointing_enable", made.gradient_checkpointing_enable
    )  # newer name first
    enable()
    made.blocks[1].layers[0].attention.register_forward_pre_hook(lambda *_: calls.append(1))
    again = gradients()
    assert len(calls) == 2  # once forward, once recomputed
    for a, b in zip(plain, again, strict=True):
        torch.testing.assert_close(a, b)


def test_training_drops_layers_and_evaluation_does_not() -> None:
    made = model(layerdrop=0.5, hidden_dropout=0.0, attention_dropout=0.0, feat_proj_dropout=0.0)
    waves, _ = padded([8000])
    with torch.no_grad():
        assert torch.equal(made(waves).last_hidden_state, made(waves).last_hidden_state)
        made.train()
        runs = [made(waves, output_hidden_states=True).hidden_states for _ in range(8)]
    assert any(torch.equal(run[1], run[2]) for run in runs)  # a dropped layer hands on what it got
    assert not all(torch.equal(run[1], run[2]) for run in runs)
    torch.manual_seed(5)
    first = made(waves).last_hidden_state
    torch.manual_seed(5)
    assert torch.equal(made(waves).last_hidden_state, first)


def test_gradients_of_the_front_end_are_scaled() -> None:
    waves, _ = padded([8000])
    norms = {}
    for factor in (1.0, 0.1, 0.0):
        made = model(feature_grad_mult=factor)
        made(waves).last_hidden_state.square().mean().backward()
        weight = made.feature_extractor[0].conv.weight.grad
        norms[factor] = 0.0 if weight is None else float(weight.norm())
    assert norms[0.1] == pytest.approx(0.1 * norms[1.0], rel=1e-5)
    assert norms[0.0] == 0.0
    made = model()
    made.freeze_feature_encoder()
    assert not any(parameter.requires_grad for parameter in made.feature_extractor.parameters())


@pytest.mark.slow
@pytest.mark.parametrize("training", [False, True])
def test_compile(training: bool) -> None:
    """One graph, without breaks (layerdrop breaks it: which layers run is drawn anew each time)."""
    made = model(
        block_layers=[1, 1, 1], hidden_dropout=0.0, attention_dropout=0.0, feat_proj_dropout=0.0, layerdrop=0.0
    ).train(training)
    compiled = torch.compile(made, backend="aot_eager", fullgraph=True)
    waves, mask = padded(LENGTHS)
    with torch.set_grad_enabled(training):
        expected = made(waves, attention_mask=mask, output_hidden_states=True)
        found = compiled(waves, attention_mask=mask, output_hidden_states=True)
    for tap, a, b in zip(made.config.taps, found.hidden_states, expected.hidden_states, strict=True):
        for row, length in enumerate(LENGTHS):
            frames = tap.grid.frames(length)
            assert relative(a[row, :frames].detach(), b[row, :frames].detach()) < 1e-5


# Pretraining


def units(made: MRHubertForPreTraining, samples: int, batch: int) -> list[torch.Tensor]:
    return [
        torch.randint(0, classes, (batch, grid.frames(samples)))
        for classes, grid in zip(made.config.num_classes, made.config.levels, strict=False)
    ]


def test_the_loss_is_a_loop_over_frames() -> None:
    made = heads(special_classes=4, unmasked_loss_weight=0.5).eval()
    waves, mask = padded(LENGTHS)
    labels = units(made, 16000, 3)
    labels[0][1, 5] = -100
    masked = torch.rand(3, 49) < 0.4
    out = made(waves, attention_mask=mask, mask_time_indices=masked, labels=labels)
    losses, counts = torch.zeros(2, 2), torch.zeros(2, 2)
    states = made.mrhubert(waves, attention_mask=mask, mask_time_indices=masked).level_states
    for level, grid in enumerate(made.config.levels):
        for row, length in enumerate(LENGTHS):
            for frame in range(grid.frames(length)):
                label = int(labels[level][row, frame])
                if label == -100:
                    continue
                kind = int(not masked[row, frame * 2**level])
                query = made.projections[level](states[level][row, frame])
                cosines = functional.cosine_similarity(query[None], made.codes[level].weight)
                losses[level, kind] += functional.cross_entropy(cosines / 0.1, torch.tensor(label + 4)).item()
                counts[level, kind] += 1
    torch.testing.assert_close(out.losses.detach(), losses, atol=1e-3, rtol=1e-4)
    torch.testing.assert_close(out.counts.float(), counts)
    size = counts[0].sum()
    expected = (losses[:, 0].sum() + 0.5 * losses[:, 1].sum()) / size + 10 * out.feature_penalty.detach()
    assert float(out.loss.detach()) == pytest.approx(float(expected), rel=1e-4)
    assert int(out.sample_size) == int(size)


def test_without_a_mask_only_other_frames_count() -> None:
    made = heads(masked_loss_weight=0.0, unmasked_loss_weight=1.0).eval()
    waves, _ = padded([8000, 8000])
    out = made(waves, labels=units(made, 8000, 2))
    assert out.counts[:, 0].sum() == 0
    assert int(out.sample_size) == 48
    assert made(waves).loss is None
    out.loss.backward()
    assert made.codes[1].weight.grad.abs().sum() > 0


def test_single_prediction_has_no_auxiliary_loss() -> None:
    torch.manual_seed(0)
    made = MRHubertForPreTraining(config(num_classes=[11], single_prediction=True)).eval()
    waves, _ = padded([8000])
    out = made(waves, labels=[torch.zeros(1, 24, dtype=torch.long)], mask_time_indices=torch.rand(1, 24) < 0.5)
    assert len(out.logits) == len(out.losses) == 1


@pytest.mark.parametrize("ratios", [[1, 2], [1, 2, 2, 5]])
def test_single_target_reads_all_levels_off_one(ratios: list[int]) -> None:
    classes = [11] * (len(ratios) // 2 + 1)
    made = MRHubertForPreTraining(config(label_rate_ratios=ratios, num_classes=classes, single_target=True))
    samples = 9000
    finest = torch.arange(made.config.levels[0].frames(samples))[None] % 11
    levels = made.level_labels(finest)
    for grid, labels in zip(made.config.levels, levels, strict=True):
        assert labels.shape[1] == grid.frames(samples)
        step = int(grid.stride / 320)
        assert labels[0].tolist() == [
            min(frame * step, finest.shape[1] - 1) % 11 for frame in range(labels.shape[1])
        ]
    assert made(padded([samples])[0], labels=finest, mask_time_indices=finest > 5).loss > 0


def test_bad_labels_are_refused() -> None:
    made = heads().eval()
    waves, _ = padded([8000])
    good = units(made, 8000, 1)
    for labels, message in (
        (good[:1], "1 sequences of labels for 2"),
        ([good[0], good[0]], "its frames"),
        ([good[0] + 11, good[1]], "knows 11 units"),
        ([good[0] - 50, good[1]], "knows 11 units"),
    ):
        with pytest.raises(LaminaError, match=message):
            made(waves, labels=labels)
    with pytest.raises(LaminaError, match="num_classes"):
        MRHubertForPreTraining(config())


def test_it_learns() -> None:
    made = heads(
        hidden_dropout=0.0, attention_dropout=0.0, feat_proj_dropout=0.0, layerdrop=0.0, feature_penalty_weight=0.0
    ).train()
    waves, _ = padded([8000])
    labels, masked = units(made, 8000, 1), torch.rand(1, 24) < 0.5
    optimizer = torch.optim.AdamW(made.parameters(), lr=3e-3)
    losses = []
    for _ in range(40):
        loss = made(waves, labels=labels, mask_time_indices=masked).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.3 * losses[0]


def test_ctc_is_torch_s_own() -> None:
    torch.manual_seed(0)
    made = MRHubertForCTC(config(vocab_size=9, final_dropout=0.0)).eval()
    waves, mask = padded(LENGTHS)
    labels = torch.tensor([[1, 2, 3], [4, 5, -100], [6, -100, -100]])
    out = made(waves, attention_mask=mask, labels=labels)
    expected = 0.0
    for row, (length, target) in enumerate(zip(LENGTHS, ([1, 2, 3], [4, 5], [6]), strict=True)):
        alone = made(waves[row : row + 1, :length]).logits.log_softmax(-1).transpose(0, 1)
        sizes = torch.tensor([len(alone)]), torch.tensor([len(target)])
        expected += float(
            functional.ctc_loss(alone, torch.tensor([target]), *sizes, blank=0, reduction="sum").detach()
        )
    assert float(out.loss.detach()) == pytest.approx(expected, rel=1e-4)
    with pytest.raises(LaminaError, match="vocab_size 9"):
        made(waves, labels=labels + 100)
    made.freeze_base_model()
    assert [name for name, parameter in made.named_parameters() if parameter.requires_grad] == [
        "lm_head.weight",
        "lm_head.bias",
    ]
