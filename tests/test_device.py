"""Devices by name, products that are of float32, and what fits on a card."""

from __future__ import annotations

import pytest
import torch

from lamina import device
from lamina.errors import LaminaError


@pytest.fixture(autouse=True)
def _forgotten():
    device._fault.cache_clear()
    yield
    device._fault.cache_clear()


def test_auto_is_the_cpu_where_there_is_no_accelerator(monkeypatch):
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: False)
    assert device.resolve() == device.resolve("cpu") == "cpu"


@pytest.mark.parametrize(("rank", "expected"), [("", "cuda"), ("3", "cuda:3")])
def test_auto_is_an_accelerator_that_computes(monkeypatch, rank, expected):
    asked = []
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: torch.device("cuda"))
    monkeypatch.setattr(device, "_fault", lambda name: asked.append(name) or "")
    if rank:
        monkeypatch.setenv("WORLD_SIZE", "4")
        monkeypatch.setenv("LOCAL_RANK", rank)
    assert device.resolve("auto") == expected
    assert asked == [expected]
    monkeypatch.setattr(device, "_fault", lambda name: "it does not compute")
    assert device.resolve("auto") == "cpu"


@pytest.mark.parametrize("name", ["mps", "cuda", "gpu", "meta"])
def test_a_device_that_does_not_compute_is_refused_in_one_line(name):
    if name == "cuda" and torch.cuda.is_available():
        pytest.skip("there is a CUDA device here")
    with pytest.raises(
        LaminaError, match=rf"--device {name} cannot be used \(.+\); this machine has cpu"
    ) as caught:
        device.resolve(name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("spoilt", "why"), [(torch.nan, "not finite"), (1.0, "other values than the CPU")])
def test_the_trial_sees_nonsense(monkeypatch, spoilt, why):
    honest, calls = torch.nn.functional.conv1d, []

    def conv1d(*args, **kwargs):
        calls.append(args)
        return honest(*args, **kwargs) * spoilt + (len(calls) == 1)  # the first call is the device's

    monkeypatch.setattr(torch.nn.functional, "conv1d", conv1d)
    assert why in device._fault("cpu")
    assert len(calls) == 2


def precisions():
    backends = torch.backends
    places = (backends.cuda.matmul, backends.cudnn.conv, backends.cudnn.rnn, backends.mkldnn.matmul)
    older = [device._asked(lambda: backends.cudnn.allow_tf32), device._asked(torch.get_float32_matmul_precision)]
    return [place.fp32_precision for place in places], older


@pytest.mark.skipif(
    not hasattr(torch.backends, "fp32_precision"), reason="this PyTorch has the older settings only"
)
@pytest.mark.parametrize("before", ["default", "medium", "tf32"])
def test_float32_is_float32_and_settings_come_back(before):
    kept, products = torch.backends.cudnn.conv.fp32_precision, torch.get_float32_matmul_precision()
    try:
        if before == "medium":
            torch.set_float32_matmul_precision("medium")
        elif before == "tf32":
            torch.backends.cudnn.conv.fp32_precision = "tf32"
        held = precisions()
        with device.exact(), device.exact():
            assert precisions() == (["ieee"] * 4, [False, "highest"])
        assert precisions() == held
        with pytest.raises(KeyError), device.exact():
            raise KeyError
        assert precisions() == held
    finally:
        torch.set_float32_matmul_precision(products)
        torch.backends.cudnn.conv.fp32_precision = kept


def test_only_a_lack_of_memory_is_one():
    assert device.out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
    assert not device.out_of_memory(RuntimeError("CUDA error"))


def test_what_a_card_holds(monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda place: (50, 80))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda place: 20)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda place: 5)
    assert device.memory("cuda") == 65
    assert device.memory("cpu") is None
