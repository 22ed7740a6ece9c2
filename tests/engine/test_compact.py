"""Weights of one byte each."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from desktop_app.core.errors import WeightsError
from desktop_app.engine.weights.compact import pack, unpack
from desktop_app.engine.weights.store import ModelCard, ModelStore, write_model


def _tensors() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return {
        "encoder.conv.weight": torch.randn(32, 16, 3, 3) * torch.logspace(-3, 1, 32)[:, None, None, None],
        "encoder.linear.weight": torch.randn(64, 64),
        "encoder.bias": torch.randn(64),
        "encoder.count": torch.tensor(3),
        "decoder.conv.weight": torch.randn(1, 32, 16, 3, 3) * torch.logspace(-3, 1, 32)[:, None, None, None],
    }


def test_packed_weights_come_back_within_half_a_step_of_their_channel() -> None:
    tensors = _tensors()
    packed = pack(tensors, prefix="encoder.")
    assert packed["encoder.conv.weight"].dtype is torch.int8
    for key in ("encoder.bias", "encoder.linear.weight", "decoder.conv.weight"):
        assert packed[key].dtype is torch.float16
    whole = unpack(packed, what="'test'")
    assert set(whole) == set(tensors) and int(whole["encoder.count"]) == 3
    every = unpack(pack(tensors), what="'test'")
    for key, found in (("encoder.conv.weight", whole), ("decoder.conv.weight", every)):
        kernel = tensors[key].reshape(32, -1)
        error = (found[key].reshape(32, -1) - kernel).abs().amax(dim=1)
        assert (error <= 0.56 * kernel.abs().amax(dim=1) / 127).all(), "half a step, and the scale's rounding"


def test_tight_kernels_take_six_bits_and_come_back_within_half_a_step() -> None:
    tensors = _tensors()
    packed = pack(tensors, tight="encoder.")
    assert packed["encoder.conv.weight"].numel() == 32 * 16 * 9 * 6 // 8
    assert packed["decoder.conv.weight"].dtype is torch.int8
    whole = unpack(packed, what="'test'")
    assert set(whole) == set(tensors)
    kernel = tensors["encoder.conv.weight"].flatten(1)
    assert whole["encoder.conv.weight"].shape == (32, 16, 3, 3)
    error = (whole["encoder.conv.weight"].flatten(1) - kernel).abs().amax(dim=1)
    assert (error <= 0.52 * kernel.abs().amax(dim=1) / 31).all()
    odd = {"a": torch.randn(7, 3, 11, 11)}  # its bits end within a byte
    assert (unpack(pack(odd, tight="a"), what="")["a"] - odd["a"]).abs().max() < 0.1
    packed["encoder.conv.weight"] = packed["encoder.conv.weight"][:-1]
    with pytest.raises(WeightsError, match="does not fit"):
        unpack(packed, what="'test'")


def test_a_store_hands_out_whole_weights(tmp_path: Path) -> None:
    tensors = _tensors()
    card = ModelCard("t.test", "encoder", "none", {}, "t", "MIT", "none", "", 0, folder=tmp_path)
    write_model(card, pack(tensors))
    store = ModelStore(tmp_path, tmp_path / "none")
    read = store.tensors(store.card("t.test"))
    assert set(read) == set(tensors)
    assert torch.allclose(read["encoder.linear.weight"].float(), tensors["encoder.linear.weight"], atol=0.02)


@pytest.mark.parametrize(
    "wrong",
    [{"a.scale8": torch.ones(2)}, {"a": torch.ones(2, 2, 3, 3, dtype=torch.int8), "a.scale8": torch.ones(3)}],
)
def test_a_scale_without_its_weights_is_refused(wrong: dict[str, torch.Tensor]) -> None:
    with pytest.raises(WeightsError, match="does not fit"):
        unpack(wrong, what="'test'")
