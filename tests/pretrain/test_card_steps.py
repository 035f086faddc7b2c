"""Training on a card: forms that are quicker there are the same function, and no step waits for it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pretrain_help import Tones, tiny
from torch.nn.functional import conv1d

from card import CARD, Card
from lamina.encoders.mrhubert.layers import FrontConv, PositionalConv, spectral_convolution
from lamina.errors import LaminaError
from lamina.pretrain.data import Source
from lamina.pretrain.loop import pretrain
from lamina.pretrain.meter import Meter
from lamina.pretrain.units import UnitsConfig, make_units
from lamina.pretrain.update import Updater, Work
from lamina.pretrain.weights import build
from lamina.pretrain.workers import Workers, compile_parts
from lamina.runs import Run


@pytest.mark.parametrize(("frames", "kernel", "groups"), [(70, 5, 2), (64, 16, 4), (129, 128, 2), (130, 1, 1)])
def test_a_product_of_spectra_is_the_convolution_and_so_are_its_gradients(frames, kernel, groups):
    torch.manual_seed(0)
    x = torch.randn(3, frames, 8, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(8, 8 // groups, kernel, dtype=torch.float64, requires_grad=True)
    there = torch.randn(3, frames - kernel + 1, 8, dtype=torch.float64)
    found = spectral_convolution(x, weight, groups)
    wanted = conv1d(x.transpose(1, 2), weight, groups=groups).transpose(1, 2)
    torch.testing.assert_close(found, wanted)
    ours = torch.autograd.grad((found * there).sum(), (x, weight))
    theirs = torch.autograd.grad((wanted * there).sum(), (x, weight))
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize(("channels", "stride"), [(1, 5), (6, 2)])
def test_channels_last_is_the_same_convolution(channels, stride):
    torch.manual_seed(0)
    conv = FrontConv(channels, 4, 3, stride)
    x = torch.randn(2, channels, 40)
    found = conv.channels_last(x)
    torch.testing.assert_close(found, conv(x))
    if channels > 1:
        assert found.stride(1) == 1  # what comes behind is spared the turning


def test_the_positional_convolution_takes_spectra_where_it_is_trained_on_a_card():
    model = build(tiny().model, 4, seed=0)
    (conv,) = (each for each in model.modules() if isinstance(each, PositionalConv))
    x = torch.randn(2, 30, 16)
    with Card():
        found = conv.to(CARD).train()(x.to(CARD)).cpu()
        exact = conv.eval()(x.to(CARD)).cpu()
    torch.testing.assert_close(found.detach(), exact.detach())
    assert not torch.equal(found, exact)


@pytest.fixture(scope="module")
def spoken(tmp_path_factory):
    corpus = Tones()
    return corpus, make_units(UnitsConfig(clusters=6), corpus, tmp_path_factory.mktemp("units"))[0]


@pytest.fixture
def prepared(spoken):
    """A step's work, and what does it, on the CPU and on a card."""
    config = tiny(
        model={"layerdrop": 0.0, "hidden_dropout": 0.0, "attention_dropout": 0.0, "feat_proj_dropout": 0.0}
    )
    corpus, units = spoken

    def on(device):
        workers = Workers(config)
        workers.device = torch.device(device)
        model = build(config.model, [units.clusters], config.seed)
        grids = model.config.levels[: model.config.predicting_levels]
        source = Source(config, corpus, list(corpus.utterances("train")), [units], grids)
        return config, workers, Updater(config, model, workers), source

    return on


def test_a_step_on_a_card_is_that_of_the_cpu_and_waits_for_nothing(prepared):
    losses = []
    for device in ("cpu", CARD):
        with Card() as card:
            config, workers, updater, source = prepared(device)
            meter = Meter(config, workers)
            for step in range(3):
                work = Work.of(config, source, step, workers)
                card.waits.clear()
                updater.update(work, 1e-3, meter)
                assert +card.waits == {}
            updater.check()
            figures = meter.read()
        losses.append((figures["loss"], figures["gradient_norm"]))
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_a_loss_that_is_no_number_is_told_with_its_step(prepared):
    with Card():
        config, workers, updater, source = prepared(CARD)
        meter = Meter(config, workers)
        updater.update(Work.of(config, source, 0, workers), 1e-3, meter)
        updater.check()
        with torch.no_grad():
            next(iter(updater.model.projections[0].parameters())).mul_(torch.inf)
        for step in (1, 2):
            updater.update(Work.of(config, source, step, workers), 1e-3, meter)
        with pytest.raises(LaminaError, match="step 2: the loss is nan and its gradient is no number"):
            updater.check()


def test_parts_are_compiled_and_say_the_same(monkeypatch):
    model = build(tiny().model, 4, seed=0).eval()
    waves = torch.randn(2, 4000)
    before = model(waves).logits[0]
    compiled = []
    monkeypatch.setattr(
        torch.nn.Module, "compile", lambda self, **how: compiled.append((type(self).__name__, how))
    )
    assert compile_parts(model) == len(compiled) == 10
    assert ("Layer", {"dynamic": True}) in compiled
    assert torch.equal(model(waves).logits[0], before)


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
@pytest.mark.parametrize(
    "how",
    [
        "bfloat16",
        "accumulated, layers dropped",
        "whole utterances",
        pytest.param("float16", marks=pytest.mark.gpu),
    ],
)
def test_training_of_every_kind_goes_on(spoken, how, device, tmp_path):
    changes = {
        "bfloat16": {"dtype": "bfloat16"},
        "float16": {"dtype": "float16"},
        "accumulated, layers dropped": {"accumulate": 2, "model": {"layerdrop": 0.5}},
        "whole utterances": {"batch_seconds": 2.0, "crop_seconds": 1.0},
    }[how]
    if how == "float16" and device == "cpu":
        pytest.skip("float16 is trained on a GPU only")
    corpus, units = spoken
    run = Run(tmp_path / "run", {}, {})
    pretrain(tiny(**changes), corpus, units, run, device=device)
    losses = [line["loss"] for line in run.log_lines() if "gradient_norm" in line]
    assert len(losses) == 3
    assert np.isfinite(losses).all()
